//! Cleaning up after runs whose greaserun was killed.

use std::path::{Path, PathBuf};

use grease_core::arbitration::slots::Slots;
use grease_core::arbitration::waiting;
use grease_core::debugging::{journal, retention};
use grease_core::execution::scratch::{self, Scratch};
use grease_core::execution::survivors;
use grease_core::registry::{DeadRun, Registry};

use super::caller::Caller;
use super::ended;
use super::report::Report;

/// Finds dead runs, ends what is left of them, and completes their records; `guard` is the guard's
/// directory, if there is one.
pub(super) fn dead_runs(
    registry: &Registry,
    guard: Option<PathBuf>,
    scratch_root: &Path,
    caller: &Caller,
    report: &Report<'_>,
) {
    let slots = guard.map(Slots::new);
    for dead in registry.dead_runs() {
        if let Some(slots) = &slots {
            waiting::forget(slots, dead.run());
        }
        bury(dead, scratch_root, caller, report);
    }
}

fn bury(dead: DeadRun, scratch_root: &Path, caller: &Caller, report: &Report<'_>) {
    let run = dead.run();
    // A record that was cut off while it was written: of this boot, and like any other.
    let meta = dead.meta.as_ref();
    let job = meta.map_or("unknown", |meta| meta.job.as_str()).to_owned();
    let same_boot = meta.is_none_or(|meta| meta.boot == caller.boot);
    let kill = meta.is_none_or(|meta| meta.kill_survivors);
    let scratch = meta.map_or_else(
        || Scratch::path_for(scratch_root, run),
        |meta| meta.scratch.clone(),
    );
    let killed = if same_boot && kill {
        survivors::kill(run)
    } else {
        0
    };
    if let Err(error) = scratch::remove_of_dead(&scratch, run) {
        report.warn(&format!(
            "cannot remove what run {run} left behind: {error}"
        ));
    }
    if killed > 0 {
        report.warn(&format!(
            "killed what run {run} of {job} left running: {killed} processes"
        ));
    }
    let end = ended::of_dead(run, &job, same_boot);
    let sealed = journal::seal_dead(&dead.dir(), &end).and_then(|()| dead.seal().map(drop));
    if let Err(error) = sealed {
        report.warn(&format!("cannot complete the record of run {run}: {error}"));
    }
}

/// Removes scratch directories that no live run holds, whether their run was registered or not.
pub(super) fn orphans(scratch_root: &Path, report: &Report<'_>) {
    for orphan in scratch::orphans(scratch_root) {
        if let Err(error) = orphan.remove() {
            report.warn(&format!("cannot remove an old scratch directory: {error}"));
        }
    }
}

/// Removes old finished runs.
pub(super) fn old_runs(registry: &Registry, weigh: bool, report: &Report<'_>) {
    let log_bytes =
        |run: &PathBuf| std::fs::metadata(run.join(journal::LOG)).map_or(0, |found| found.len());
    for run in retention::plan(&registry.sealed(), weigh, log_bytes) {
        if let Err(error) = grease_core::sys::fs::remove_tree(&run) {
            report.warn(&format!("cannot remove an old run: {error}"));
        }
    }
}

/// Whether a log is large enough for all logs to be weighed.
pub(super) fn is_heavy(log: &Path) -> bool {
    std::fs::metadata(log).is_ok_and(|found| found.len() > 1024 * 1024)
}
