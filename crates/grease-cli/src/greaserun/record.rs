//! The run's entry in the registry, its record and its log, from start to end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use grease_core::debugging::{Journal, journal};
use grease_core::deployment::Origin;
use grease_core::model::jobs::OnSupervisorDeath;
use grease_core::model::{
    EndEvent, ExecuteEvent, FetchedRecord, RunId, StaleRecord, StartEvent, VERSION,
};
use grease_core::registry::{LiveRun, Meta, Registry};
use grease_core::sys::{clock, process};

use super::arbitrate::Leave;
use super::arguments::Arguments;
use super::caller::Caller;
use super::ended::milliseconds;
use super::plan::{Named, Plan};
use super::report::Report;
use super::sweep;

/// What is kept of one run. Trouble with it is reported and never fails the run.
pub(super) struct Record {
    /// Takes the job's output.
    pub(super) journal: Journal,
    registry: Option<Registry>,
    live: Option<LiveRun>,
}

impl Record {
    /// Registers a run and opens its journal.
    pub(super) fn open(
        registry: Option<Registry>,
        meta: &Meta,
        start: &StartEvent,
        report: &Report<'_>,
    ) -> Self {
        let registered = registry.as_ref().map(|registry| {
            let run = meta.run.parse().expect("made of a run id");
            registry.register(run, meta)
        });
        let live = match registered.transpose() {
            Ok(live) => live,
            Err(error) => {
                report.warn(&format!(
                    "this run is not registered and leaves no log: {error}"
                ));
                None
            }
        };
        let journal = Journal::open(live.as_ref().map(LiveRun::dir).as_deref(), start);
        Self {
            journal,
            registry,
            live,
        }
    }

    /// Completes the record; returns where the log is now.
    pub(super) fn close(mut self, end: &EndEvent, report: &Report<'_>) -> Option<PathBuf> {
        for remark in report.take_remarks() {
            self.journal.remark(clock::now(), &remark);
        }
        let dir = self.live.as_ref().map(LiveRun::dir);
        if let Some(error) = self.journal.close(dir.as_deref(), end) {
            report.warn(&format!("the log of this run is not complete: {error}"));
        }
        let dir = match self.live?.seal() {
            Ok(dir) => dir,
            Err(error) => {
                report.warn(&format!("the record of this run is not sealed: {error}"));
                dir?
            }
        };
        let log = dir.join(journal::LOG);
        if let Some(registry) = &self.registry {
            sweep::old_runs(registry, sweep::is_heavy(&log), report);
        }
        Some(log)
    }
}

/// What the next run must know if this one dies.
pub(super) fn meta(
    run: RunId,
    job: &str,
    named: Option<&Named<'_>>,
    caller: &Caller,
    scratch: &Path,
) -> Meta {
    let policy = named.map_or(OnSupervisorDeath::Kill, |named| {
        named.settings.on_supervisor_death
    });
    Meta {
        v: VERSION,
        run: run.to_string(),
        job: job.to_owned(),
        boot: caller.boot.clone(),
        pid: std::process::id(),
        scratch: scratch.to_owned(),
        kill_survivors: policy == OnSupervisorDeath::Kill,
        key: named.map_or_else(String::new, |named| named.key.clone()),
        started: process::own_start(),
    }
}

/// The first event of a run.
pub(super) fn start_event(
    run: RunId,
    job: &str,
    named: Option<&Named<'_>>,
    caller: &Caller,
    arguments: &Arguments,
) -> StartEvent {
    let (artifact, words) = arguments.artifact_and_words();
    let resolved = named.and_then(Named::spec);
    let artifact = resolved.unwrap_or_else(|| artifact.to_string_lossy().into_owned());
    let artifact = Some(artifact).filter(|artifact| artifact != "-");
    StartEvent {
        v: VERSION,
        event: "start".to_owned(),
        run: run.to_string(),
        job: job.to_owned(),
        user: caller.account.name.clone(),
        host: caller.host.clone(),
        boot: caller.boot.clone(),
        time: format!("{:.6}", clock::now()),
        trigger: caller.trigger.as_str().to_owned(),
        runner: named.map_or_else(
            || arguments.runner().to_lowercase(),
            |named| named.runner().to_owned(),
        ),
        artifact,
        fetched: None,
        args: words
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        parent: caller.parent.clone(),
        pid: std::process::id(),
        log: None,
    }
}

/// The event of the job's start.
pub(super) fn execute_event(
    run: RunId,
    plan: &Plan,
    leave: &Leave,
    fetched_in: Duration,
) -> ExecuteEvent {
    ExecuteEvent {
        v: VERSION,
        event: "execute".to_owned(),
        run: run.to_string(),
        job: plan.job.to_string(),
        time: format!("{:.6}", clock::now()),
        delay_ms: milliseconds(leave.delay),
        overlap_ms: milliseconds(leave.overlap),
        guard: leave.guard.clone(),
        fetch_ms: milliseconds(fetched_in),
        artifact: plan.artifact.as_ref().map(|artifact| artifact.spec.clone()),
        fetched: plan.origin.as_ref().map(fetched),
    }
}

fn fetched(origin: &Origin) -> FetchedRecord {
    FetchedRecord {
        version: origin.version.clone(),
        repository: origin.repository.clone(),
        size_bytes: origin.size_bytes,
        sha256: origin.sha256.clone(),
        stale: origin.stale.as_ref().map(|stale| StaleRecord {
            reason: stale.reason.clone(),
            age_s: stale.age.map(|age| age.as_secs()),
        }),
    }
}
