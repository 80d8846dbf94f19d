//! Looks through the spool for what is not on the share yet.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::item::{Day, Run};
use super::patience::Patience;
use super::place::SHIPPED;
use crate::model::RunId;
use crate::registry::Registry;

/// Until when what is shipped is looked at again: a server that dies may lose what it had confirmed.
const DOUBT: Duration = Duration::from_hours(24);

/// What there is to do in a spool.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Runs that are not on the share, or not whole; oldest first.
    pub(super) runs: BTreeMap<RunId, Run>,
    /// Days of the index, by day.
    pub(super) days: BTreeMap<String, Day>,
    /// Finished runs that are on the share.
    shipped: HashSet<RunId>,
}

impl Work {
    /// Takes up what is new in the spool, and drops what is gone.
    pub(super) fn scan(&mut self, spool: &Path) {
        let Ok(all) = Registry::new(spool.to_owned()).all() else {
            return; // It is looked at again soon.
        };
        let mut found = HashSet::new();
        // Live ones first: a run that moves meanwhile stands among both, and is finished.
        let live = all.live.into_iter().map(|dir| (dir, false));
        let sealed = all.sealed.into_iter().map(|dir| (dir, true));
        for (dir, is_final) in live.chain(sealed) {
            let Some(id) = run_of(&dir) else { continue };
            found.insert(id);
            if self.shipped.contains(&id) {
                continue;
            }
            match self.runs.get_mut(&id) {
                Some(run) if run.dir == dir => {}
                Some(run) => run.move_to(dir, is_final),
                None if is_final && dir.join(SHIPPED).exists() => {
                    self.shipped.insert(id);
                }
                None => {
                    self.runs.insert(id, Run::new(id, dir, is_final));
                }
            }
        }
        self.runs.retain(|id, _| found.contains(id));
        self.shipped.retain(|id| found.contains(id));
        for run in self.runs.values_mut() {
            run.look_whether_it_lives();
        }
        self.scan_index(&spool.join("index"));
    }

    fn scan_index(&mut self, index: &Path) {
        let entries = fs_err::read_dir(index).into_iter().flatten().flatten();
        let mut found = HashSet::new();
        for day in entries.filter_map(|entry| Day::of(entry.path())) {
            found.insert(day.name.clone());
            self.days.entry(day.name.clone()).or_insert(day);
        }
        self.days.retain(|day, _| found.contains(day));
    }

    /// A run is on the share.
    pub(super) fn is_shipped(&mut self, id: RunId) {
        self.runs.remove(&id);
        self.shipped.insert(id);
    }

    /// The directories of runs that were shipped not long ago, to be looked at again.
    pub(super) fn in_doubt(&self, spool: &Path) -> Vec<(RunId, PathBuf)> {
        let sealed = Registry::new(spool.to_owned()).sealed();
        let runs = sealed
            .into_iter()
            .filter_map(|dir| Some((run_of(&dir)?, dir)));
        runs.filter(|(id, dir)| self.shipped.contains(id) && is_young(&dir.join(SHIPPED)))
            .collect()
    }

    /// The days of the index that were written to not long ago, to be looked at again.
    pub(super) fn days_in_doubt(&mut self) -> impl Iterator<Item = &mut Day> {
        let days = self.days.values_mut();
        days.filter(|day| is_young(&day.path))
    }

    /// A run is not on the share any more: it is taken up again.
    pub(super) fn doubt(&mut self, id: RunId, dir: PathBuf) {
        fs_err::remove_file(dir.join(SHIPPED)).ok(); // It may be gone with its directory.
        self.shipped.remove(&id);
        self.runs.insert(id, Run::new(id, dir, true));
    }

    /// Believes nothing of what is on the share any more: it may be another one.
    pub(super) fn distrust(&mut self) {
        let of_runs = self.runs.values_mut().filter_map(|run| run.mirror.as_mut());
        let of_days = self.days.values_mut().filter_map(|day| day.mirror.as_mut());
        for mirror in of_runs.chain(of_days) {
            mirror.distrust();
        }
    }

    /// When the next thing is due that waits, since boot.
    pub(super) fn next_due(&self, now: Duration) -> Option<Duration> {
        let of_runs = self.runs.values().map(|run| {
            let until = run.patience.until();
            if run.is_final {
                until
            } else {
                until.max(run.due)
            }
        });
        let of_days = self.days.values().filter(|day| day.pending() > 0);
        let digests = self.runs.values().map(|run| run.digest_patience.until());
        let all = of_runs
            .chain(digests)
            .chain(of_days.map(|day| day.patience.until()));
        all.filter(|at| *at > now).min()
    }

    /// Why something is not on the share that still fails.
    pub(super) fn trouble(&self) -> Option<&String> {
        let of_days = self.days.values().map(|day| &day.patience);
        let of_runs = self
            .runs
            .values()
            .flat_map(|run| [&run.patience, &run.digest_patience]);
        of_days.chain(of_runs).find_map(Patience::why)
    }

    /// The runs that live, oldest first.
    pub(super) fn live(&self) -> Vec<RunId> {
        let live = self.runs.values().filter(|run| run.lives && !run.is_final);
        live.map(|run| run.id).collect()
    }

    /// The runs that died without being sealed.
    pub(super) fn dead(&self) -> Vec<RunId> {
        let dead = self.runs.values().filter(|run| !run.lives && !run.is_final);
        dead.map(|run| run.id).collect()
    }

    /// How much is not on the share: runs that have ended, and bytes.
    pub(super) fn backlog(&self) -> (u64, u64) {
        let ended = self.runs.values().filter(|run| run.is_final).count();
        let of_runs: u64 = self.runs.values().map(Run::pending).sum();
        let of_days: u64 = self.days.values().map(Day::pending).sum();
        (ended as u64, of_runs + of_days)
    }

    /// Whether a shipper is needed: something lives, or something is not on the share.
    pub(super) fn is_needed(&self) -> bool {
        let is_waiting = |run: &Run| run.is_final || run.lives;
        self.runs.values().any(is_waiting) || self.days.values().any(|day| day.pending() > 0)
    }
}

/// Bytes of a spool that are not on the share yet, whether a shipper lives or not.
pub fn backlog(spool: &Path) -> u64 {
    let mut work = Work::default();
    work.scan(spool);
    work.backlog().1
}

/// Whether a file was written not long ago.
fn is_young(path: &Path) -> bool {
    let written = fs_err::metadata(path).and_then(|found| found.modified());
    written.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < DOUBT))
}

fn run_of(dir: &Path) -> Option<RunId> {
    dir.file_name()?.to_str()?.parse().ok()
}
