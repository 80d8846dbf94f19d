//! Cleaning up after runs whose greaserun was killed.

use std::path::{Path, PathBuf};

use grease_core::arbitration::slots::Slots;
use grease_core::arbitration::waiting;
use grease_core::debugging::config::Limits;
use grease_core::debugging::retention::{self, Look, Room};
use grease_core::debugging::{index, journal, ship};
use grease_core::execution::scratch::{self, Scratch};
use grease_core::execution::survivors;
use grease_core::model::quantity::Bytes;
use grease_core::registry::{DeadRun, Registry};
use grease_core::sys::{clock, fs, host, state};

use super::ended;
use super::report::Report;

/// What the files of a run take beside its log, about.
const FILES_BYTES: u64 = 16 * 1024;

/// A log of this size is reason enough to weigh all logs.
const HEAVY_BYTES: u64 = 1024 * 1024;

/// Whose dead runs are cleaned up after, and where what they left is.
pub(super) struct Sweep<'a> {
    /// The guard's directory, if there is one.
    pub(super) guard: Option<PathBuf>,
    pub(super) scratch_root: &'a Path,
    /// The root of the tree on the share, if there is one.
    pub(super) share: Option<&'a Path>,
    pub(super) user: &'a str,
    pub(super) host: &'a str,
    pub(super) boot: &'a str,
    pub(super) warn: &'a dyn Fn(&str),
}

/// Cleans up after dead runs for a shipper, which finds them while it ships; returns an exit code.
pub(super) fn run() -> u8 {
    let Some(task) = ship::take_task() else {
        return 64; // It is started by our own program alone.
    };
    let sweep = Sweep {
        guard: state::existing_guard_dir(task.state_dir.as_deref(), &task.spool),
        scratch_root: &task.scratch_root,
        share: task.root.as_deref(),
        user: &task.user,
        host: &task.host,
        boot: &host::boot_id(),
        warn: &|text| tracing::warn!("{text}"),
    };
    sweep.dead_runs(Registry::new(task.spool.clone()).dead_runs());
    ship::wake(&task.spool);
    0
}

impl Sweep<'_> {
    /// Ends what is left of dead runs, and completes their records.
    pub(super) fn dead_runs(&self, dead: Vec<DeadRun>) {
        let slots = self.guard.clone().map(Slots::new);
        for dead in dead {
            if let Some(slots) = &slots {
                waiting::forget(slots, dead.run());
            }
            self.bury(dead);
        }
    }

    fn bury(&self, dead: DeadRun) {
        let run = dead.run();
        // A record that was cut off while it was written: of this boot, and like any other.
        let meta = dead.meta.as_ref();
        let job = meta
            .map_or(ended::UNKNOWN, |meta| meta.job.as_str())
            .to_owned();
        let same_boot = meta.is_none_or(|meta| meta.boot == self.boot);
        let kill = meta.is_none_or(|meta| meta.kill_survivors);
        let scratch = meta.map_or_else(
            || Scratch::path_for(self.scratch_root, run),
            |meta| meta.scratch.clone(),
        );
        let killed = if same_boot && kill {
            survivors::kill(run)
        } else {
            0
        };
        if let Err(error) = scratch::remove_of_dead(&scratch, run) {
            (self.warn)(&format!(
                "cannot remove what run {run} left behind: {error}"
            ));
        }
        if killed > 0 {
            (self.warn)(&format!(
                "killed what run {run} of {job} left running: {killed} processes"
            ));
        }
        let end = ended::of_dead(run, &job, same_boot, self.user, self.host);
        let sealed =
            journal::seal_dead(&dead.dir(), end, self.share).and_then(|()| dead.seal().map(drop));
        if let Err(error) = sealed {
            (self.warn)(&format!("cannot complete the record of run {run}: {error}"));
        }
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

/// How much room there is for finished runs on the file system of `spool`, which is not asked for
/// the share.
pub(super) fn room(spool: &Path, limits: &Limits, has_share: bool) -> Room {
    let total = Bytes::new(fs::total_bytes(spool).unwrap_or(0));
    let free = fs::free_bytes(spool).unwrap_or(u64::MAX);
    let min_free = limits
        .spool_min_free
        .max(limits.spool_min_free_pct.of(total));
    Room {
        has_share,
        bytes_max: limits.spool.min(limits.spool_pct.of(total)).get(),
        // A disk that is smaller than what is to stay free on it cannot be helped.
        bytes_wanted: if min_free < total {
            min_free.get().saturating_sub(free)
        } else {
            0
        },
    }
}

/// Removes old finished runs; `log` is that of the newest.
pub(super) fn old_runs(registry: &Registry, log: &Path, room: &Room, report: &Report<'_>) {
    let sealed = registry.sealed();
    let look = |run: &PathBuf| Look {
        bytes: std::fs::metadata(run.join(journal::LOG)).map_or(0, |found| found.len())
            + FILES_BYTES,
        is_shipped: run.join(retention::SHIPPED).exists(),
    };
    let is_heavy = std::fs::metadata(log).is_ok_and(|found| found.len() > HEAVY_BYTES);
    let weigh = retention::weighs(sealed.len(), is_heavy, room);
    let plan = retention::plan(&sealed, room, weigh, look);
    if plan.unshipped > 0 {
        report.warn(&format!(
            "removed {} runs that were not on the share yet: no room here for more",
            plan.unshipped
        ));
    }
    for run in plan.remove {
        if let Err(error) = fs::remove_tree(&run) {
            report.warn(&format!("cannot remove an old run: {error}"));
        }
    }
}

/// Removes the events of days that are long gone.
pub(super) fn old_index(run: &Path, days: u32, has_share: bool) {
    let Some(spool) = run.parent().and_then(Path::parent) else {
        return;
    };
    let dir = spool.join(index::DIRECTORY);
    let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
    let names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    // By a clock that is wrong, all days may be long gone: what the share has not stays.
    let is_unneeded =
        |path: &PathBuf| !has_share || ship::is_brought(&path.with_extension("jsonl"));
    let outdated = index::outdated(&names, clock::now(), days).into_iter();
    let unneeded = outdated.map(|name| dir.join(name)).filter(is_unneeded);
    for path in unneeded.collect::<Vec<_>>() {
        std::fs::remove_file(path).ok(); // The next run tries again.
    }
}
