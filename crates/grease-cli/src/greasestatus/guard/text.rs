//! The report for people: first whether the host takes jobs, then why.

use std::fmt::Write as _;
use std::time::Duration;

use grease_core::arbitration::decision::{Request, Running};
use grease_core::arbitration::slots::Holder;
use grease_core::arbitration::waiting::Waiter;
use grease_core::model::guard::{Check, short};
use grease_core::model::harmless;
use grease_core::model::quantity::Bytes;

use super::super::finding::Finding;
use super::super::report::fact;
use super::verdict::Verdict;
use super::{Asked, Report};
use crate::terminal::duration;

/// Widest column; a longer text in it goes beyond.
const WIDTH_MAX: usize = 60;

/// What stands for something that nobody says.
const UNKNOWN: &str = "?";

impl Report {
    /// All of it.
    pub(super) fn text(&self) -> String {
        let mut text = self.verdict();
        text.push_str(&self.hints());
        text.push('\n');
        fact(&mut text, "host", [self.of_host()]);
        fact(&mut text, "guard", [self.of_guard()]);
        fact(&mut text, "job", [self.asked.text()]);
        let checks: Vec<_> = self.view.checks.iter().map(of_check).collect();
        fact(&mut text, "signals", columns(&checks));
        let unreadable = self.view.machine.unreadable.iter();
        let unreadable = unreadable.map(|(signal, why)| format!("{signal}: {why}"));
        fact(&mut text, "not readable", unreadable);
        let held = self.view.held.iter().zip(&self.view.occupancy.running);
        let held =
            held.map(|((slot, holder), running)| self.of_slot(*slot, holder.as_ref(), running));
        let titles = ["slot", "run", "job", "user", "since", "cost", "mem"];
        fact(
            &mut text,
            "slots",
            [self.slots()].into_iter().chain(table(titles, held)),
        );
        let waiting = self.waiting.iter().map(|waiter| self.of_waiter(waiter));
        let count = match self.waiting.len() {
            0 => "nobody".to_owned(),
            1 => "1 run".to_owned(),
            count => format!("{count} runs"),
        };
        let titles = ["priority", "run", "job", "user", "since", "for"];
        fact(
            &mut text,
            "waiting",
            [count].into_iter().chain(table(titles, waiting)),
        );
        harmless(&text, &['\n'], usize::MAX)
    }

    /// What is wrong: nothing if a job would start.
    pub(super) fn problems(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Start(_) => String::new(),
            Verdict::Wait | Verdict::Drop(_) | Verdict::Never => self.verdict(),
        };
        let findings: String = self.findings.iter().map(Finding::text).collect();
        harmless(&(verdict + &findings), &['\n'], usize::MAX)
    }

    /// The verdict in one line.
    fn verdict(&self) -> String {
        let is_one = self.asked.is_one;
        let words = |of_one: &str, of_host: &str| if is_one { of_one } else { of_host }.to_owned();
        let mut text = match self.verdict {
            Verdict::Start(None) => words("would start now", "takes jobs"),
            Verdict::Start(Some(why)) => {
                words("would start now, unasked: ", "takes jobs, unasked: ") + why
            }
            Verdict::Wait => words("would wait: ", "takes no jobs now: ") + &self.view.refusals(),
            Verdict::Drop(why) => words("would be dropped: ", "takes no jobs: ") + why,
            Verdict::Never => {
                let check = self.impossible.as_ref().map(ToString::to_string);
                words(
                    "could never start: ",
                    "can never take a job of default settings: ",
                ) + &check.unwrap_or_default()
            }
        };
        text.push('\n');
        text
    }

    fn hints(&self) -> String {
        let impossible = (self.verdict == Verdict::Never).then(|| {
            "less `cost` or `mem` for the job, or more `guard.cost_capacity`, in the config"
                .to_owned()
        });
        let mut text: String = self.findings.iter().map(Finding::text).collect();
        for hint in self.view.explanation().into_iter().chain(impossible) {
            writeln!(text, "hint: {hint}").expect("in memory");
        }
        text
    }

    fn of_host(&self) -> String {
        let cpus = self.view.machine.cpus;
        let noun = if cpus == 1 { "CPU" } else { "CPUs" };
        format!("{}, {cpus} {noun}", self.host)
    }

    fn of_guard(&self) -> String {
        let switch = if self.enabled {
            "on"
        } else {
            "off (`guard.enabled`)"
        };
        let place = match &self.directory {
            Some(directory) => directory.display().to_string(),
            None => "no run has been here yet".to_owned(),
        };
        let whose = if self.is_own {
            ", the slots of this user alone"
        } else {
            ""
        };
        format!("{switch}, {place}{whose}")
    }

    fn slots(&self) -> String {
        let (used, all) = (self.view.held.len(), self.view.slots);
        let priority = self.asked.request.priority;
        format!("{used} held, {all} for {priority} priority")
    }

    fn of_slot(&self, slot: usize, holder: Option<&Holder>, running: &Running) -> [String; 7] {
        let said = |text: fn(&Holder) -> &str| holder.map_or(UNKNOWN, text).to_owned();
        [
            slot.to_string(),
            said(|holder| &holder.run),
            said(|holder| &holder.job),
            said(|holder| &holder.user),
            self.ago(holder),
            short(running.cost),
            Bytes::new(running.mem_bytes).to_string(),
        ]
    }

    fn of_waiter(&self, waiter: &Waiter) -> [String; 6] {
        let Waiter { who, why } = waiter;
        [
            who.priority.to_string(),
            who.run.clone(),
            who.job.clone(),
            who.user.clone(),
            self.ago(Some(who)),
            why.clone(),
        ]
    }

    fn ago(&self, who: Option<&Holder>) -> String {
        match who.and_then(|who| self.since(who)) {
            Some(since) => format!("{} ago", duration(since)),
            None => UNKNOWN.to_owned(),
        }
    }

    /// For how long a run has held its slot or waited; none if it says nothing of this boot.
    pub(super) fn since(&self, who: &Holder) -> Option<Duration> {
        let since = Duration::try_from_secs_f64(self.now_s - who.admitted_s);
        since.ok().filter(|_| who.boot == self.boot)
    }
}

impl Asked {
    fn text(&self) -> String {
        let Request {
            cost,
            mem_bytes,
            disk_bytes,
            priority,
        } = self.request;
        let job = self.job.as_deref().unwrap_or("of default settings");
        let runner = &self.runner;
        let mut text = format!(
            "{job}, runner {runner}: {priority} priority, cost {}",
            short(cost)
        );
        for (bytes, what) in [(mem_bytes, "memory"), (disk_bytes, "disk space")] {
            if bytes > 0 {
                write!(text, ", {} of {what}", Bytes::new(bytes)).expect("in memory");
            }
        }
        text
    }
}

fn of_check(check: &Check) -> [String; 4] {
    let bound = if check.at_least {
        "at least"
    } else {
        "at most"
    };
    let refuses = if check.refuses { "REFUSES" } else { "" };
    [
        check.what.clone(),
        short(check.value),
        format!("{bound} {}", short(check.limit)),
        refuses.to_owned(),
    ]
}

/// Rows under their titles; nothing without rows.
fn table<const N: usize>(
    titles: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Vec<String> {
    let rows: Vec<_> = [titles.map(ToOwned::to_owned)]
        .into_iter()
        .chain(rows)
        .collect();
    if rows.len() == 1 {
        return Vec::new();
    }
    columns(&rows)
}

/// Rows as lines in columns.
fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|cell| cell.chars().count().min(WIDTH_MAX));
        widths.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            write!(line, "{cell:width$}  ").expect("in memory");
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
