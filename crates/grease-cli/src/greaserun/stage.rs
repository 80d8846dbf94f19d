//! The way of a run from its right to start to its job's end.

use std::path::{Path, PathBuf};

use grease_core::config::Config;
use grease_core::debugging::{Journal, drops};
use grease_core::execution::supervise::Signals;
use grease_core::execution::{Error, Outcome};
use grease_core::model::RunId;
use grease_core::model::jobs::OnSupervisorDeath;
use grease_core::registry::{DeadRun, Registry};
use grease_core::sys::{clock, state};

use super::arbitrate::{Court, Leave};
use super::arguments::Arguments;
use super::caller::Caller;
use super::execute::execute;
use super::fetch::Bringer;
use super::halt::{Dropped, Halt};
use super::plan::{Named, Plan};
use super::report::Report;
use super::ship::Shipping;
use super::sweep::Sweep;
use super::{dry_run, record};
use crate::failure::Failure;
use crate::shared::state_dir;

/// What a run has around it.
pub(super) struct Stage<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) config: &'a Config,
    pub(super) caller: &'a Caller,
    pub(super) report: &'a Report<'a>,
    pub(super) run: RunId,
    pub(super) spool: Option<&'a Path>,
    pub(super) scratch_root: &'a Path,
    /// Where this run's scratch directory is to be.
    pub(super) scratch: PathBuf,
}

impl Stage<'_> {
    /// Shows what would be done.
    pub(super) fn show(&self, mut named: Named<'_>) -> Result<(), Failure> {
        match named.fetch(&self.bringer(None)) {
            Ok(()) => {}
            Err(Halt::Failed(failure)) => return Err(failure),
            Err(Halt::Dropped(_)) => unreachable!("to fetch is nothing that is dropped"),
        }
        let plan = self.plan(named)?;
        dry_run::show(&plan, self.caller, self.arguments.json);
        Ok(())
    }

    /// From the right to start to the job's end.
    pub(super) fn play(
        &self,
        named: Named<'_>,
        signals: &Signals,
        registry: Option<&Registry>,
        kept: (&mut Journal, &mut Shipping),
    ) -> Result<Outcome, Halt> {
        let court = Court {
            arguments: self.arguments,
            config: self.config,
            caller: self.caller,
            report: self.report,
            signals,
            run: self.run,
            named: &named,
            registry,
            spool: self.spool,
            scratch_root: self.scratch_root,
        };
        let leave = court.hear()?;
        if let Some(registry) = registry.filter(|_| leave.may_follow_a_killed_run()) {
            self.sweep(registry.dead_runs());
        }
        if let Some(spool) = self.spool {
            drops::forget(spool, &named.key);
        }
        let outcome = self.carry_out(named, &leave, signals, kept);
        leave.give_back();
        outcome
    }

    /// Cleans up after runs whose greaserun was killed.
    pub(super) fn sweep(&self, dead: Vec<DeadRun>) {
        let state_dir = state_dir(self.config);
        let guard = self
            .spool
            .and_then(|spool| state::existing_guard_dir(state_dir, spool));
        let sweep = Sweep {
            guard,
            scratch_root: self.scratch_root,
            share: record::share(self.config),
            user: &self.caller.account.name,
            host: &self.caller.host,
            boot: &self.caller.boot,
            warn: &|text| self.report.warn(text),
        };
        sweep.dead_runs(dead);
    }

    /// Brings the artifact, and runs the job out of it.
    fn carry_out(
        &self,
        mut named: Named<'_>,
        leave: &Leave,
        signals: &Signals,
        kept: (&mut Journal, &mut Shipping),
    ) -> Result<Outcome, Halt> {
        let begun = clock::since_boot();
        let is_counted = named.settings.on_supervisor_death == OnSupervisorDeath::Count;
        named.fetch(&self.bringer(Some(signals)))?;
        let plan = self.plan(named).map_err(Halt::Failed)?;
        let fetched_in = clock::since_boot().saturating_sub(begun);
        self.report.started(self.run, plan.job.as_str());
        self.report.hold();
        let event = record::execute_event(self.run, &plan, leave, fetched_in);
        kept.0.execute(&event);
        if is_counted {
            let inherited = leave.let_inherit();
            inherited.map_err(|source| Error::Supervise {
                action: "passing the slot on",
                source,
            })?;
        }
        let scratch = self.scratch.clone();
        execute(&plan, self.caller, scratch, signals, self.report, kept).map_err(Halt::Failed)
    }

    fn plan(&self, named: Named<'_>) -> Result<Plan, Failure> {
        Plan::make(named, self.arguments, self.caller, self.run, &self.scratch)
    }

    fn bringer<'b>(&'b self, signals: Option<&'b Signals>) -> Bringer<'b> {
        Bringer {
            arguments: self.arguments,
            config: self.config,
            caller: self.caller,
            report: self.report,
            signals,
        }
    }

    /// Counts a drop, as far as that can be remembered.
    pub(super) fn count_drop(&self, dropped: &Dropped) -> Option<u32> {
        match drops::count(self.spool?, &dropped.key) {
            Ok(drops) => Some(drops),
            Err(error) => {
                let text = format!("drops in a row cannot be counted: {error}");
                self.report.warn(&text);
                None
            }
        }
    }
}
