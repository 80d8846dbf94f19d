//! The report for programs; `docs/status.md` names its fields.

use grease_core::arbitration::slots::Holder;
use grease_core::model::guard::Check;
use serde_json::{Value, json};

use super::super::finding::Finding;
use super::Report;

impl Report {
    /// All of it.
    pub(super) fn json(&self) -> Value {
        let view = &self.view;
        let request = &self.asked.request;
        let waiting = self.waiting.iter().map(|waiter| {
            let mut waiting = self.run(&waiter.who);
            waiting["why"] = waiter.why.as_str().into();
            waiting
        });
        json!({
            "host": self.host,
            "boot": self.boot,
            "time": format!("{:.6}", self.time),
            "enabled": self.enabled,
            "directory": self.directory.as_ref().map(|path| path.display().to_string()),
            "cpus": view.machine.cpus,
            "verdict": self.verdict.word(),
            "request": {
                "job": self.asked.job,
                "runner": self.asked.runner,
                "priority": request.priority,
                "cost": request.cost,
                "mem_bytes": request.mem_bytes,
                "disk_bytes": request.disk_bytes,
            },
            "impossible": self.impossible.as_ref().map(of_check),
            "slots": {"used": view.held.len(), "for_priority": view.slots},
            "checks": view.checks.iter().map(of_check).collect::<Vec<_>>(),
            "held": self.held(),
            "waiting": waiting.collect::<Vec<_>>(),
            "unreadable": view.machine.unreadable,
            "explanation": view.explanation(),
            "findings": self.findings.iter().map(Finding::json).collect::<Vec<_>>(),
        })
    }

    /// The slots that are held, with what the guard counts for each.
    fn held(&self) -> Vec<Value> {
        let held = self.view.held.iter().zip(&self.view.occupancy.running);
        held.map(|((slot, holder), running)| {
            let mut held = holder
                .as_ref()
                .map_or_else(of_nobody, |holder| self.run(holder));
            held["slot"] = (*slot).into();
            held["cost"] = running.cost.into();
            held["mem_bytes"] = running.mem_bytes.into();
            held
        })
        .collect()
    }

    fn run(&self, who: &Holder) -> Value {
        let Holder {
            run,
            job,
            user,
            pid,
            cost,
            mem_bytes,
            priority,
            ..
        } = who;
        let since_s = self.since(who).map(|since| since.as_secs_f64());
        json!({
            "run": run,
            "job": job,
            "user": user,
            "pid": pid,
            "cost": cost,
            "mem_bytes": mem_bytes,
            "priority": priority,
            "since_s": since_s,
        })
    }
}

/// A slot whose file does not say who holds it.
fn of_nobody() -> Value {
    json!({"run": null, "job": null, "user": null, "pid": null, "priority": null, "since_s": null})
}

fn of_check(check: &Check) -> Value {
    let Check {
        signal,
        value,
        limit,
        at_least,
        what,
        refuses,
    } = check;
    json!({
        "signal": signal,
        "value": value,
        "limit": limit,
        "at_least": at_least,
        "what": what,
        "refuses": refuses,
    })
}
