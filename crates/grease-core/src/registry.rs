//! The registry of live runs on this host: one directory for each run.
//!
//! `runs/RUN_ID/lock` is held by greaserun for the run's whole life and freed by the kernel
//! however greaserun ends, so a directory whose lock is free belongs to a dead run: no process
//! id is ever guessed at. Whoever finds one cleans up after it and moves it to `sealed/`, where
//! the finished runs of this user are kept for a while.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::model::RunId;
use crate::sys;

/// Directory of the live runs, under the spool.
const LIVE: &str = "runs";

/// Directory of the finished runs, under the spool.
const SEALED: &str = "sealed";

/// Suffix of a directory whose run is not registered yet.
const UNFINISHED: &str = ".new";

/// How long a directory may stay unfinished before its maker counts as dead.
const UNFINISHED_MAX: Duration = Duration::from_mins(10);

/// Live runs that a start looks at.
const LOOKS_MAX: usize = 64;

/// Largest `meta.json` that is read.
const META_BYTES_MAX: u64 = 1024 * 1024;

/// What the next run must know to clean up after this one (`meta.json`, version 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Version of this format.
    pub v: u32,
    /// The run's id.
    pub run: String,
    /// The run's job.
    pub job: String,
    /// The boot in which it was started.
    pub boot: String,
    /// Process id of its greaserun.
    pub pid: u32,
    /// The scratch directory to remove.
    pub scratch: PathBuf,
    /// Whether processes of the job that outlive greaserun are killed by the next run.
    pub kill_survivors: bool,
    /// Which runs are the same job; empty in older files.
    #[serde(default)]
    pub key: String,
    /// When that process was started, in ticks since boot (`proc_pid_stat(5)`); 0 if unknown, and in
    /// older files.
    #[serde(default)]
    pub started: u64,
}

/// How a run is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// With SIGTERM: greaserun ends the job, and says how that went.
    Term,
    /// With SIGKILL, for a greaserun that does not.
    Kill,
}

/// The registry under one spool directory.
#[derive(Debug, Clone)]
pub struct Registry {
    spool: PathBuf,
}

/// The directories of all runs of one spool, oldest first.
#[derive(Debug)]
pub struct All {
    /// Of those that live, or died without being sealed.
    pub live: Vec<PathBuf>,
    /// Of those that are finished and still kept.
    pub sealed: Vec<PathBuf>,
}

/// A run that stands in the registry while this value lives.
#[derive(Debug)]
pub struct LiveRun {
    run: RunId,
    spool: PathBuf,
    /// Held, never read.
    _lock: fs_err::File,
}

/// A run whose greaserun has died; its lock is held by us while this value lives.
#[derive(Debug)]
pub struct DeadRun {
    /// What it left to know about it; `None` if it died before it could write that.
    pub meta: Option<Meta>,
    run: LiveRun,
}

impl Registry {
    /// The registry under `spool`, which need not exist yet.
    pub fn new(spool: PathBuf) -> Self {
        Self { spool }
    }

    /// Registers a run.
    ///
    /// The directory appears under its final name with its lock held, or not at all.
    pub fn register(&self, run: RunId, meta: &Meta) -> io::Result<LiveRun> {
        let live = self.spool.join(LIVE);
        sys::fs::private_dir(&self.spool)?;
        sys::fs::private_dir(&live)?;
        let unfinished = live.join(format!("{run}{UNFINISHED}"));
        sys::fs::private_dir(&unfinished)?;
        let made = make(&unfinished, meta).and_then(|lock| {
            fs_err::rename(&unfinished, live.join(run.to_string()))?;
            Ok(lock)
        });
        if made.is_err() {
            sys::fs::remove_tree(&unfinished).ok(); // The error that counts is the first one.
        }
        let lock = made?;
        Ok(LiveRun {
            run,
            spool: self.spool.clone(),
            _lock: lock,
        })
    }

    /// Asks the greaserun of a live run to end, or kills it; `false` if no run of that id and key
    /// lives here.
    ///
    /// Its process id is believed since the run's lock is held and the process is as old as the run
    /// says: the process is pinned first, then both are looked at.
    pub fn end(&self, run: RunId, key: &str, ask: Ask) -> io::Result<bool> {
        let dir = self.spool.join(LIVE).join(run.to_string());
        let Ok(lock) = fs_err::File::open(dir.join("lock")) else {
            return Ok(false);
        };
        let Some(meta) = meta_of(&dir, run).filter(|meta| meta.key == key) else {
            return Ok(false);
        };
        let signal = match ask {
            Ask::Term => Signal::TERM,
            Ask::Kill => Signal::KILL,
        };
        let pid = meta.pid.cast_signed();
        let is_it = || sys::process::stat(pid).is_some_and(|now| now.started == meta.started);
        let is_alive = || lock.try_lock().is_err() && is_it();
        sys::process::signal_if(pid, signal, is_alive)
    }

    /// Finds the runs that ended without being sealed, and takes their locks.
    ///
    /// A run that another sweeper holds at the same moment is left to that one.
    pub fn dead_runs(&self) -> Vec<DeadRun> {
        let entries = self.list(LIVE).unwrap_or_default();
        let dead = entries.iter().filter_map(|dir| self.dead_run(dir));
        dead.collect()
    }

    /// The same, but where very many runs live only some are looked at, others each time: what a
    /// thousand starts at once find must not cost each of them a thousand looks.
    pub fn some_dead_runs(&self) -> Vec<DeadRun> {
        let mut entries = self.list(LIVE).unwrap_or_default();
        if entries.len() > LOOKS_MAX {
            let begin = std::process::id() as usize % entries.len();
            entries.rotate_left(begin);
            entries.truncate(LOOKS_MAX);
        }
        let dead = entries.iter().filter_map(|dir| self.dead_run(dir));
        dead.collect()
    }

    fn dead_run(&self, dir: &Path) -> Option<DeadRun> {
        let name = dir.file_name()?.to_str()?;
        let Ok(run) = name.parse::<RunId>() else {
            remove_if_abandoned(dir);
            return None;
        };
        let lock = fs_err::File::open(dir.join("lock")).ok()?;
        lock.try_lock().ok()?;
        // Sealed by another sweeper between the listing and the lock?
        if !dir.exists() {
            return None;
        }
        Some(DeadRun {
            meta: meta_of(dir, run),
            run: LiveRun {
                run,
                spool: self.spool.clone(),
                _lock: lock,
            },
        })
    }

    /// The directories of finished runs, oldest first, as far as they can be listed.
    pub fn sealed(&self) -> Vec<PathBuf> {
        self.list(SEALED).unwrap_or_default()
    }

    /// The directories of all runs, live ones and those of the dead too. A run that is finished
    /// meanwhile may stand among both.
    pub fn all(&self) -> io::Result<All> {
        let live = self.list(LIVE)?;
        let sealed = self.list(SEALED)?;
        Ok(All { live, sealed })
    }

    /// Lists a directory below the spool, which need not exist.
    fn list(&self, name: &str) -> io::Result<Vec<PathBuf>> {
        let entries = match fs_err::read_dir(self.spool.join(name)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut dirs = paths.collect::<io::Result<Vec<PathBuf>>>()?;
        // Run ids sort by time; as text, since paths compare slowly, part by part.
        dirs.sort_unstable_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
        Ok(dirs)
    }
}

impl LiveRun {
    /// The run's directory while it lives.
    pub fn dir(&self) -> PathBuf {
        self.spool.join(LIVE).join(self.run.to_string())
    }

    /// Moves the run to the finished ones and returns its directory there.
    pub fn seal(self) -> io::Result<PathBuf> {
        let sealed = self.spool.join(SEALED);
        sys::fs::private_dir(&sealed)?;
        let target = sealed.join(self.run.to_string());
        fs_err::rename(self.dir(), &target)?;
        Ok(target)
    }
}

impl DeadRun {
    /// The id of the run.
    pub fn run(&self) -> RunId {
        self.run.run
    }

    /// The run's directory.
    pub fn dir(&self) -> PathBuf {
        self.run.dir()
    }

    /// Moves the run to the finished ones.
    pub fn seal(self) -> io::Result<PathBuf> {
        self.run.seal()
    }
}

/// Makes what stands in the directory of a run; returns its lock, held.
fn make(dir: &Path, meta: &Meta) -> io::Result<fs_err::File> {
    let lock = fs_err::File::create_new(dir.join("lock"))?;
    lock.try_lock().map_err(io::Error::from)?;
    let text = serde_json::to_vec(meta).map_err(io::Error::from)?;
    let mut file = fs_err::File::create_new(dir.join("meta.json"))?;
    io::Write::write_all(&mut file, &text)?;
    Ok(lock)
}

/// What a run left to know about it.
fn meta_of(dir: &Path, run: RunId) -> Option<Meta> {
    let text = sys::fs::read_bounded(&dir.join("meta.json"), META_BYTES_MAX).ok()?;
    let meta: Meta = serde_json::from_str(&text).ok()?;
    (meta.run == run.to_string()).then_some(meta)
}

/// Removes what a greaserun left that died while it registered its run.
fn remove_if_abandoned(dir: &Path) {
    let unfinished = dir.to_str().is_some_and(|path| path.ends_with(UNFINISHED));
    let age = fs_err::symlink_metadata(dir).and_then(|found| found.modified());
    let old = age.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > UNFINISHED_MAX));
    if unfinished && old {
        sys::fs::remove_tree(dir).ok(); // The next run tries again.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(run: RunId) -> Meta {
        Meta {
            v: 1,
            run: run.to_string(),
            job: "g:a#x".to_owned(),
            boot: "b".to_owned(),
            pid: 1,
            scratch: PathBuf::from("/nowhere"),
            kill_survivors: true,
            key: "key".to_owned(),
            started: 0,
        }
    }

    fn registry() -> (tempfile::TempDir, Registry) {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::new(dir.path().join("spool"));
        (dir, registry)
    }

    #[test]
    fn a_live_run_is_not_dead_and_a_dropped_one_is() {
        let (_dir, registry) = registry();
        let run = RunId::new();
        let live = registry.register(run, &meta(run)).unwrap();
        assert!(registry.dead_runs().is_empty());
        drop(live);
        let dead = registry.dead_runs();
        assert_eq!(dead.len(), 1);
        assert_eq!(dead[0].meta.as_ref(), Some(&meta(run)));
        assert!(
            registry.dead_runs().is_empty(),
            "a second sweeper leaves it to the first"
        );
    }

    #[test]
    fn among_very_many_live_runs_a_dead_one_is_found_by_a_full_look() {
        let (_dir, registry) = registry();
        let register = |run| registry.register(run, &meta(run)).unwrap();
        let mut live: Vec<LiveRun> = (0..2 * LOOKS_MAX).map(|_| register(RunId::new())).collect();
        let (some, all) = (registry.some_dead_runs(), registry.dead_runs());
        assert!(some.is_empty() && all.is_empty());
        drop(live.pop());
        assert_eq!(registry.dead_runs().len(), 1);
        live.truncate(LOOKS_MAX / 2);
        let found = registry.some_dead_runs().len();
        assert!((LOOKS_MAX / 2..=LOOKS_MAX).contains(&found), "{found}");
    }

    #[test]
    fn only_a_run_that_lives_is_asked_to_end() {
        let (_dir, registry) = registry();
        let mut sleeper = sleeper();
        let pid = sleeper.id();
        let run = RunId::new();
        let started = sys::process::stat(pid.cast_signed()).unwrap().started;
        let meta = Meta {
            pid,
            started,
            ..meta(run)
        };
        let reused = RunId::new();
        let of_reused = Meta {
            run: reused.to_string(),
            started: started - 1,
            ..meta.clone()
        };
        let live = registry.register(run, &meta).unwrap();
        let other = registry.register(reused, &of_reused).unwrap();
        // Its process id has been given to somebody else.
        assert!(!registry.end(reused, "key", Ask::Kill).unwrap());
        assert!(!registry.end(run, "another key", Ask::Kill).unwrap());
        assert!(!registry.end(RunId::new(), "key", Ask::Kill).unwrap());
        assert!(sleeper.try_wait().unwrap().is_none());
        assert!(registry.end(run, "key", Ask::Term).unwrap());
        assert!(!sleeper.wait().unwrap().success());
        drop((live, other));
        assert!(!registry.end(run, "key", Ask::Kill).unwrap());
    }

    #[expect(clippy::disallowed_methods, reason = "no job, but some process")]
    fn sleeper() -> std::process::Child {
        let mut command = std::process::Command::new("sleep");
        command.arg("60").spawn().unwrap()
    }

    #[test]
    fn a_sealed_run_is_neither_live_nor_dead() {
        let (_dir, registry) = registry();
        let run = RunId::new();
        let target = registry.register(run, &meta(run)).unwrap().seal().unwrap();
        assert!(registry.dead_runs().is_empty());
        assert_eq!(registry.sealed(), [target]);
    }

    #[test]
    fn a_run_that_died_before_it_wrote_its_meta_can_be_sealed() {
        let (_dir, registry) = registry();
        let run = RunId::new();
        let live = registry.register(run, &meta(run)).unwrap();
        fs_err::remove_file(live.dir().join("meta.json")).unwrap();
        drop(live);
        let dead = registry.dead_runs().pop().unwrap();
        assert_eq!(dead.meta, None);
        dead.seal().unwrap();
    }

    #[test]
    fn a_meta_that_names_another_run_is_not_believed() {
        let (_dir, registry) = registry();
        let run = RunId::new();
        drop(registry.register(run, &meta(RunId::new())).unwrap());
        assert_eq!(registry.dead_runs()[0].meta, None);
    }

    #[test]
    fn a_young_unfinished_directory_is_left_alone_and_an_old_one_goes() {
        let (dir, registry) = registry();
        let live = dir.path().join("spool/runs");
        let unfinished = live.join(format!("{}{UNFINISHED}", RunId::new()));
        sys::fs::private_dir(&unfinished).unwrap();
        assert!(registry.dead_runs().is_empty());
        assert!(unfinished.exists());
        let hour_ago = std::time::SystemTime::now() - Duration::from_hours(1);
        fs_err::File::open(&unfinished)
            .unwrap()
            .set_modified(hour_ago)
            .unwrap();
        assert!(registry.dead_runs().is_empty());
        assert!(!unfinished.exists());
    }
}
