//! May the job start here and now: its delay, the other runs of it, and the guard of the host.

mod delay;
mod overlap;
mod slot;

use std::io;
use std::path::Path;
use std::time::Duration;

use grease_core::arbitration::admission::Arbiter;
use grease_core::arbitration::config::OnGuardError;
use grease_core::arbitration::overlap::{KeyLock, Rule};
use grease_core::arbitration::slots::{Holder, Slot, Slots};
use grease_core::config::Config;
use grease_core::dispatch::Trigger;
use grease_core::execution::supervise::Signals;
use grease_core::model::guard::GuardRecord;
use grease_core::model::quantity::Bytes;
use grease_core::model::{ErrorWord, RunId};
use grease_core::registry::Registry;
use grease_core::sys::fs::Mounts;
use grease_core::sys::{clock, state};

use super::arguments::Arguments;
use super::caller::Caller;
use super::halt::{Dropped, Halt};
use super::patience::Patience;
use super::plan::Named;
use super::report::Report;
use crate::places;
use crate::shared::state_dir;

/// Longest wait of a manual run without a terminal, if the config does not say.
const MANUAL_MAX: Duration = Duration::from_mins(10);

/// What arbitration depends on.
pub(super) struct Court<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) config: &'a Config,
    pub(super) caller: &'a Caller,
    pub(super) report: &'a Report<'a>,
    pub(super) signals: &'a Signals,
    pub(super) run: RunId,
    pub(super) named: &'a Named<'a>,
    pub(super) registry: Option<&'a Registry>,
    pub(super) spool: Option<&'a Path>,
    pub(super) scratch_root: &'a Path,
}

/// To take a place of a key that is free takes less.
const A_MOMENT: Duration = Duration::from_millis(50);

/// What is held while the job runs.
#[derive(Default)]
pub(super) struct Leave {
    /// The right to run beside what else runs.
    slot: Option<Slot>,
    /// The right to run beside other runs of the same job.
    key: Option<KeyLock>,
    /// What is put into the record.
    pub(super) guard: Option<GuardRecord>,
    /// How long the start was put off.
    pub(super) delay: Duration,
    /// How long other runs of the job were waited for.
    pub(super) overlap: Duration,
}

impl Leave {
    /// Lets the job's processes keep it if greaserun is killed.
    pub(super) fn let_inherit(&self) -> io::Result<()> {
        self.slot.as_ref().map_or(Ok(()), Slot::let_inherit)?;
        self.key.as_ref().map_or(Ok(()), KeyLock::let_inherit)
    }

    /// Whether a run may have been killed since this one looked for those: one that had the key, or
    /// any, if there was a wait.
    pub(super) fn may_follow_a_killed_run(&self) -> bool {
        let waited = self.guard.as_ref().map_or(0, |guard| guard.waited_ms);
        waited > 0 || self.key.as_ref().is_some_and(|key| key.is_left_over)
    }

    /// Gives it back.
    pub(super) fn give_back(self) {
        if let Some(slot) = self.slot {
            slot.release(clock::since_boot().as_secs_f64());
        }
        if let Some(key) = self.key {
            key.release();
        }
    }
}

impl Court<'_> {
    /// Waits for the right to start, in the order of the design: delay, overlap, slot.
    pub(super) fn hear(&self) -> Result<Leave, Halt> {
        let mut leave = Leave::default();
        let arbiter = self.arbiter()?;
        let arbiter = arbiter.as_ref();
        let is_nested = self.is_nested(arbiter);
        if !is_nested {
            leave.delay = self.put_off(arbiter)?;
        }
        let begun = clock::since_boot();
        if let Some(arbiter) = arbiter {
            leave.key = self.enter_key(arbiter)?;
            leave.overlap = clock::since_boot().saturating_sub(begun);
            if !is_nested && self.config.guard.enabled {
                self.take_slot(arbiter, &mut leave)?;
            }
        }
        Ok(leave)
    }

    /// The guard of this host, made ready; none if nobody is to be asked, or its state cannot be
    /// used and that stops nothing.
    fn arbiter(&self) -> Result<Option<Arbiter<'_>>, Halt> {
        if !self.config.guard.enabled && self.rule() == (Rule::Allow { at_most: None }) {
            return Ok(None);
        }
        let state_dir = state_dir(self.config);
        let mounts = Mounts::read();
        let found = state::guard_dir(state_dir, self.spool, &self.caller.account, &mounts);
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.without_state(&error).map(|()| None),
        };
        if found.is_new_and_own {
            self.report.warn(&format!(
                "this host has no `{}`, so this user shares no slots with others; root's first \
                 greaserun makes it",
                state::GUARD
            ));
        }
        Ok(Some(Arbiter {
            config: &self.config.guard,
            slots: Slots::new(found.path),
            places: places::watched(
                self.config,
                &self.caller.env,
                &self.caller.account,
                self.spool,
                self.scratch_root,
                &mounts,
            ),
            boot: self.caller.boot.clone(),
        }))
    }

    /// Whether the run that started this one holds a slot: then this one needs none.
    fn is_nested(&self, arbiter: Option<&Arbiter<'_>>) -> bool {
        let (Some(parent), Some(arbiter)) = (&self.caller.parent, arbiter) else {
            return false;
        };
        arbiter.is_held_by(parent).unwrap_or(false)
    }

    /// What happens if the guard's own state cannot be used.
    fn without_state(&self, error: &io::Error) -> Result<(), Halt> {
        let text = format!("the state of the guard cannot be used: {error}");
        match self.config.guard.on_guard_error {
            OnGuardError::Admit => {
                self.report.warn(&format!(
                    "{text}; the job starts without being asked for its right to"
                ));
                Ok(())
            }
            OnGuardError::Refuse => Err(Halt::Dropped(Box::new(Dropped {
                key: self.named.key.clone(),
                word: ErrorWord::GuardState,
                text: format!("was dropped: {text}"),
                hints: vec![
                    self.explain(),
                    "`guard.on_guard_error` of the config says that nothing runs then".into(),
                ],
                guard: None,
            }))),
        }
    }

    /// Longest wait; none for ever.
    fn max_wait(&self) -> Option<Duration> {
        let config = &self.config.guard.max_wait;
        let wait = match (self.arguments.max_wait, self.caller.trigger) {
            (Some(given), _) => given,
            (None, Trigger::Scheduled) => config.scheduled,
            (None, Trigger::Ci) => config.ci,
            (None, Trigger::Manual) => match config.manual {
                Some(configured) => configured,
                None if self.caller.on_terminal => return None,
                None => return Some(MANUAL_MAX),
            },
        };
        wait.limit()
    }

    fn holder(&self) -> Holder {
        let settings = &self.named.settings;
        Holder {
            v: 1,
            boot: self.caller.boot.clone(),
            run: self.run.to_string(),
            job: self.named.job.to_string(),
            user: self.caller.account.name.clone(),
            pid: std::process::id(),
            cost: settings.cost,
            mem_bytes: settings.mem.map_or(0, Bytes::get),
            priority: settings.priority,
            admitted_s: clock::since_boot().as_secs_f64(),
        }
    }
}

fn given_up(patience: &Patience<'_>) -> Halt {
    let cancelled = patience.cancelled();
    Halt::Failed(cancelled.expect("nothing but a signal ends the waiting"))
}
