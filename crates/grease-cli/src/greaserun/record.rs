//! The run's entry in the registry, its record and its log, from start to end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use grease_core::config::Config;
use grease_core::debugging::Journal;
use grease_core::debugging::config::Limits;
use grease_core::debugging::journal::{self, Closed, Keeping};
use grease_core::debugging::redact::Redactor;
use grease_core::debugging::share::layout;
use grease_core::deployment::Origin;
use grease_core::model::jobs::OnSupervisorDeath;
use grease_core::model::{
    AbsolutePath, EndEvent, ExecuteEvent, FetchedRecord, RunId, StaleRecord, StartEvent, VERSION,
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
    limits: Limits,
    days: u32,
    has_share: bool,
}

/// What is left of a run that has ended.
pub(super) struct Left {
    /// What became of its record.
    pub(super) closed: Closed,
    /// The run's directory among the finished ones, if it left one.
    pub(super) dir: Option<PathBuf>,
}

impl Left {
    /// Where the log is on this host.
    pub(super) fn log(&self) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join(journal::LOG))
    }
}

impl Record {
    /// Registers a run and opens its journal.
    pub(super) fn open(
        registry: Option<Registry>,
        meta: &Meta,
        start: &StartEvent,
        config: &Config,
        keeping: Keeping,
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
        let has_share = keeping.share.is_some();
        let journal = Journal::open(live.as_ref().map(LiveRun::dir).as_deref(), start, keeping);
        Self {
            journal,
            registry,
            live,
            limits: config.logs.limits.clone(),
            days: config.logs.retention.failed_days,
            has_share,
        }
    }

    /// Completes the record.
    pub(super) fn close(mut self, end: EndEvent, report: &Report<'_>) -> Left {
        for remark in report.take_remarks() {
            self.journal.remark(clock::now(), &remark);
        }
        let closed = self.journal.close(end);
        if let Some(error) = &closed.trouble {
            let missing = match closed.end.omitted_bytes {
                0 => String::new(),
                bytes => format!("; {bytes} bytes of output are missing there"),
            };
            report.warn(&format!(
                "the log of this run is not complete: {error}{missing}"
            ));
        }
        let Some(live) = self.live else {
            return Left { closed, dir: None };
        };
        let while_live = live.dir();
        let dir = live.seal().unwrap_or_else(|error| {
            report.warn(&format!("the record of this run is not sealed: {error}"));
            while_live
        });
        if let Some(registry) = &self.registry {
            let room = sweep::room(&dir, &self.limits, self.has_share);
            sweep::old_runs(registry, &dir.join(journal::LOG), &room, report);
            sweep::old_index(&dir, self.days, self.has_share);
        }
        let dir = Some(dir);
        Left { closed, dir }
    }
}

/// How this run is kept.
pub(super) fn keeping(config: &Config, caller: &Caller, arguments: &Arguments) -> Keeping {
    let (_, words) = arguments.artifact_and_words();
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let Limits { run, tail, .. } = &config.logs.limits;
    Keeping {
        run_bytes: run.get(),
        tail_bytes: tail.get(),
        redactor: Redactor::new(&config.logs.redact, &caller.env, &words),
        share: share(config).map(Path::to_owned),
    }
}

/// The root of the tree on the share, if there is one.
pub(super) fn share(config: &Config) -> Option<&Path> {
    config
        .common
        .file_logger
        .as_ref()
        .map(AbsolutePath::as_path)
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
    let now = clock::now();
    StartEvent {
        v: VERSION,
        event: "start".to_owned(),
        run: run.to_string(),
        job: job.to_owned(),
        user: caller.account.name.clone(),
        host: caller.host.clone(),
        boot: caller.boot.clone(),
        time: format!("{now:.6}"),
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
        log: layout::log(now, job, &caller.host, run)
            .to_str()
            .map(ToOwned::to_owned),
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
