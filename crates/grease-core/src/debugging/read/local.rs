//! The spool of this host: newer than the share, and there when the share is not.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::scan::IndexFile;
use crate::debugging::journal;
use crate::model::RunId;
use crate::registry::Registry;
use crate::sys;

/// Directory of the index files, below the spool.
const INDEX: &str = "index";

/// Longest digest that is read; ours have 16 KiB.
const DIGEST_BYTES_MAX: u64 = 64 << 10;

/// Longest end event that is read.
const END_BYTES_MAX: u64 = 1 << 20;

/// Longest name of a host that is read.
const NAME_BYTES_MAX: u64 = 1024;

/// A spool of this user.
#[derive(Debug, Clone)]
pub struct Spool {
    /// Where it is.
    pub dir: PathBuf,
    /// Whose it is.
    pub user: Arc<str>,
    /// The host's name.
    pub host: Arc<str>,
}

/// A run whose directory is in the spool.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: RunId,
    pub(super) dir: PathBuf,
    /// Whether it is among the live ones, and its greaserun lives; none for a finished one.
    pub(super) lives: Option<bool>,
}

impl Spool {
    /// Index files of days from `first` to `last`.
    pub(super) fn index_files(&self, first: &str, last: &str) -> Vec<IndexFile> {
        let dir = self.dir.join(INDEX);
        let entries = fs_err::read_dir(&dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let wanted = names.filter(|name| {
            name.strip_suffix(".jsonl")
                .is_some_and(|day| (first..=last).contains(&day))
        });
        let file = |name| IndexFile {
            dir: dir.clone(),
            name,
            user: self.user.clone(),
            place: self.host.clone(),
            is_local: true,
        };
        wanted.map(file).collect()
    }

    /// The runs whose directories are there, oldest first.
    pub(super) fn kept(&self) -> Vec<Kept> {
        let Ok(all) = Registry::new(self.dir.clone()).all() else {
            return Vec::new();
        };
        let of = |dir: PathBuf, is_live: bool| {
            let id = dir.file_name()?.to_str()?.parse().ok()?;
            let lives = is_live.then(|| is_held(&dir));
            Some(Kept { id, dir, lives })
        };
        let sealed = all.sealed.into_iter().filter_map(|dir| of(dir, false));
        let live = all.live.into_iter().filter_map(|dir| of(dir, true));
        sealed.chain(live).collect()
    }

    /// The name that this host has on the share, once it has one there.
    pub fn place(&self) -> Arc<str> {
        let name = sys::fs::read_bounded(&self.dir.join("ship/host"), NAME_BYTES_MAX);
        name.map_or_else(|_| self.host.clone(), |name| name.trim_end().into())
    }

    /// The directory of a run, if it is still kept.
    pub fn run_dir(&self, run: RunId) -> Option<PathBuf> {
        let places = ["runs", "sealed", "runs"]; // It may be sealed meanwhile.
        let mut dirs = places
            .map(|place| self.dir.join(place).join(run.to_string()))
            .into_iter();
        dirs.find(|dir| dir.is_dir())
    }

    /// The log of a run, if it is still kept.
    pub fn log(&self, run: RunId) -> Option<PathBuf> {
        let log = self.run_dir(run)?.join(journal::LOG);
        log.is_file().then_some(log)
    }

    /// The digest of a failed run, if it is still kept.
    pub fn digest(&self, run: RunId) -> Option<Vec<u8>> {
        read(&self.run_dir(run)?.join("digest"), DIGEST_BYTES_MAX)
    }

    /// What stands for a file whose lines are made of records.
    pub(super) fn as_file(&self) -> IndexFile {
        IndexFile {
            dir: self.dir.clone(),
            name: String::new(),
            user: self.user.clone(),
            place: self.host.clone(),
            is_local: true,
        }
    }
}

impl Kept {
    /// The lines that an index would have of it: of runs of before there was one.
    pub(super) fn lines(&self) -> Vec<Vec<u8>> {
        let start = journal::start_of(&self.dir).ok();
        let start = start.and_then(|start| serde_json::to_vec(&start).ok());
        let end = read(&self.dir.join("sealed"), END_BYTES_MAX);
        start.into_iter().chain(end).collect()
    }
}

fn read(path: &Path, bytes_max: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = sys::fs::open_regular(path).ok()?;
    file.take(bytes_max).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether somebody holds the lock of a run: its greaserun does for its whole life.
fn is_held(dir: &Path) -> bool {
    let lock = fs_err::File::open(dir.join("lock"));
    lock.is_ok_and(|lock| lock.try_lock_shared().is_err())
}
