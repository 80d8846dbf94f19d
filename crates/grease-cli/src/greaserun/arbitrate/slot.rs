//! A slot of this host.

use std::time::Duration;

use grease_core::arbitration::admission::{Admission, Admitted, Applicant, Arbiter, Obstacle};
use grease_core::arbitration::decision::Request;
use grease_core::arbitration::overlap::Rule;
use grease_core::arbitration::view::View;
use grease_core::model::guard::{Check, GuardRecord};
use grease_core::model::jobs::JobSettings;
use grease_core::model::quantity::Bytes;
use grease_core::model::{ErrorKind, ErrorWord};

use super::{A_MOMENT, Court, Leave, given_up};
use crate::failure::Failure;
use crate::greaserun::dry_run::quoted;
use crate::greaserun::halt::{Dropped, Halt};
use crate::greaserun::patience::Patience;
use crate::terminal::duration;

/// Longest wait at least, for a run that has ended another one.
const AFTER_REPLACING: Duration = Duration::from_mins(10);

impl Court<'_> {
    /// Applies for a slot.
    pub(super) fn take_slot(&self, arbiter: &Arbiter<'_>, leave: &mut Leave) -> Result<(), Halt> {
        let applicant = Applicant {
            request: Request::from(&self.named.settings),
            holder: self.holder(),
            max_wait: self.wait_for_slot(leave.overlap),
            is_interactive: self.caller.in_foreground,
            is_forced: self.arguments.force,
        };
        let mut patience = Patience::new(self.signals, self.report, "--force starts it anyway");
        let admission = arbiter.admit(&applicant, &mut |obstacle, other, length| {
            let why = || match obstacle {
                Obstacle::Queue => "others came before".to_owned(),
                Obstacle::Guard(view) => view.refusals(),
            };
            patience.pause(&why, other, length)
        });
        match admission {
            Ok(Admission::Admitted(admitted)) => {
                let Admitted {
                    slot,
                    record,
                    unreadable,
                } = *admitted;
                for why in unreadable {
                    let text = format!("the guard goes without a signal of this host: {why}");
                    self.report.warn(&text);
                }
                if record.forced {
                    self.report
                        .remark(&format!("forced: {}", refusals(&record)));
                }
                if record.waited_ms > 0 {
                    let waited_ms = record.waited_ms;
                    tracing::debug!(waited_ms, "the guard lets the job start");
                }
                (leave.slot, leave.guard) = (Some(slot), Some(record));
                Ok(())
            }
            Ok(Admission::Dropped(record, view)) => {
                Err(Halt::Dropped(Box::new(self.dropped(*record, &view))))
            }
            Ok(Admission::Impossible(check)) => Err(self.impossible(&check).into()),
            Ok(Admission::Stopped) => Err(given_up(&patience)),
            Err(error) => self.without_state(&error),
        }
    }

    /// Longest wait for a slot. Who had to end another run for it does not give up at once: then
    /// neither would run.
    fn wait_for_slot(&self, waited: Duration) -> Option<Duration> {
        let max = self.max_wait()?;
        let has_replaced = matches!(self.rule(), Rule::Replace { .. }) && waited > A_MOMENT;
        Some(if has_replaced {
            max.max(AFTER_REPLACING)
        } else {
            max.saturating_sub(waited)
        })
    }

    fn dropped(&self, record: GuardRecord, view: &View) -> Dropped {
        let first = record.refusals().next();
        let word = first.map_or(ErrorWord::GuardState, |check| check.signal.error());
        let waited = match record.waited_ms {
            0 => String::new(),
            waited => format!(" after {}", duration(Duration::from_millis(waited))),
        };
        let holders = (!record.holders.is_empty())
            .then(|| format!("what runs longest: {}", record.holders.join(", ")));
        let explain = self.explain();
        let force = "--force starts it all the same, --max-wait TIME waits longer".to_owned();
        let hints = view.explanation().into_iter().chain(holders);
        Dropped {
            key: self.named.key.clone(),
            word,
            text: format!("was dropped{waited}: {}", refusals(&record)),
            hints: hints.chain([explain, force]).collect(),
            guard: Some(record),
        }
    }

    /// The one command that explains a refusal.
    pub(super) fn explain(&self) -> String {
        let JobSettings {
            cost,
            mem,
            disk,
            priority,
            ..
        } = &self.named.settings;
        let size = |flag: &str, bytes: &Option<Bytes>| {
            bytes.map_or(String::new(), |bytes| format!(" --{flag} {bytes}"))
        };
        let file = &self.arguments.shared.config_file;
        let config = if file.as_os_str() == grease_core::config::DEFAULT_FILE {
            String::new()
        } else {
            format!(" -c {}", quoted(file.as_os_str()))
        };
        format!(
            "greasestatus guard{config} --explain --priority {priority} --cost {cost}{}{}",
            size("mem", mem),
            size("disk", disk)
        )
    }

    fn impossible(&self, check: &Check) -> Failure {
        let text = format!("this host can never take the job: {check}");
        Failure::new(ErrorKind::Config, text).hinting(format!(
            "less `cost` or `mem` for the job, or more `guard.cost_capacity`, in the config; {}",
            self.explain()
        ))
    }
}

fn refusals(record: &GuardRecord) -> String {
    let refusals: Vec<String> = record.refusals().map(ToString::to_string).collect();
    refusals.join("; ")
}
