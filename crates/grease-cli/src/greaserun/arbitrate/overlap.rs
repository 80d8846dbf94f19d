//! Other runs of the same job on this host.

use std::time::Duration;

use grease_core::arbitration::admission::{Arbiter, Woken};
use grease_core::arbitration::overlap::{Ask, Busy, Claim, Entry, KeyLock, Keys, Rule};
use grease_core::arbitration::slots::Holder;
use grease_core::dispatch::Trigger;
use grease_core::model::jobs::{JobSettings, Overlap};
use grease_core::model::{ErrorWord, RunId};
use grease_core::registry;

use super::{Court, given_up};
use crate::greaserun::halt::{Dropped, Halt};
use crate::greaserun::patience::Patience;
use crate::terminal::duration;

impl Court<'_> {
    /// Takes a place of the job's key, as the rule says.
    pub(super) fn enter_key(&self, arbiter: &Arbiter<'_>) -> Result<Option<KeyLock>, Halt> {
        let rule = self.rule();
        if rule == (Rule::Allow { at_most: None }) {
            return Ok(None);
        }
        let mut patience = Patience::new(self.signals, self.report, "--overlap allow runs both");
        let mut wait = |holder: Option<&Holder>, length: Duration| {
            let why = || match holder {
                Some(holder) => format!("another run of the job: {holder}"),
                None => "another run of the job".to_owned(),
            };
            patience.pause(&why, None, length) != Woken::Stop
        };
        let mut end = |holder: &Holder, ask: Ask| self.end(holder, ask);
        let claim = Claim {
            key: &self.named.key,
            rule,
            holder: &self.holder(),
            max_wait: self.max_wait(),
        };
        let entered =
            Keys::new(&arbiter.slots).and_then(|keys| keys.enter(&claim, &mut wait, &mut end));
        match entered {
            Ok(Entry::Free(lock)) => Ok(lock),
            Ok(Entry::Busy(busy)) => Err(Halt::Dropped(Box::new(self.overlapping(&busy)))),
            Ok(Entry::GivenUp) => Err(given_up(&patience)),
            Err(error) => self.without_state(&error).map(|()| None),
        }
    }

    /// Asks a run of ours to end.
    fn end(&self, holder: &Holder, ask: Ask) -> Result<(), String> {
        let strange = || {
            let user = &self.caller.account.name;
            format!(
                "no greaserun of {user} has it: it is another user's, or what a killed run left"
            )
        };
        let registry = self.registry.ok_or_else(strange)?;
        let run: RunId = holder.run.parse().map_err(|_| strange())?;
        let ask = match ask {
            Ask::Term => registry::Ask::Term,
            Ask::Kill => registry::Ask::Kill,
        };
        match registry.end(run, &self.named.key, ask) {
            Ok(true) => {
                self.report.detail(&format!("asked run {run} to end"));
                Ok(())
            }
            Ok(false) => Err(strange()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn overlapping(&self, busy: &Busy) -> Dropped {
        let waited = if busy.waited.is_zero() {
            String::new()
        } else {
            format!(" after {}", duration(busy.waited))
        };
        let holder = busy.holder.as_ref();
        let holder = holder.map(|holder| format!("process {} has it: {holder}", holder.pid));
        let hint = "--overlap says what happens then, --key which runs are the same job".to_owned();
        Dropped {
            key: self.named.key.clone(),
            word: ErrorWord::Overlap,
            text: format!("was skipped{waited}: {}", busy.why),
            hints: holder.into_iter().chain([hint, self.explain()]).collect(),
            guard: None,
        }
    }

    /// What happens if the job still runs.
    pub(super) fn rule(&self) -> Rule {
        let JobSettings {
            overlap,
            max_running,
            ..
        } = self.named.settings;
        let by_trigger = match self.caller.trigger {
            Trigger::Scheduled => Overlap::Forbid,
            Trigger::Manual | Trigger::Ci => Overlap::Allow,
        };
        match overlap.unwrap_or(by_trigger) {
            Overlap::Forbid => Rule::Forbid,
            Overlap::Queue => Rule::Queue,
            Overlap::Replace => Rule::Replace {
                grace: self.named.end_max(),
            },
            Overlap::Allow => Rule::Allow {
                at_most: max_running,
            },
        }
    }
}
