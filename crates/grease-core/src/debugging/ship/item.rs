//! What is to be brought to the share: the runs of the spool, and the days of its index.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::bookmark::Bookmark;
use super::mirror::{Fault, Mirror};
use super::patience::Patience;
use super::place::SHIPPED;
use super::root::Root;
use crate::debugging::share::layout;
use crate::debugging::{digest, journal};
use crate::model::{EndEvent, ResultWord, RunId};
use crate::registry::Meta;
use crate::sys;

/// Name of the digest in the directory of a run.
const DIGEST: &str = "digest";

/// Name of the bookmark in the directory of a run.
const BOOKMARK: &str = "off";

/// Longest digest that is published.
const DIGEST_BYTES_MAX: u64 = 64 * 1024;

/// Longest `meta.json` that is read.
const META_BYTES_MAX: u64 = 1 << 20;

/// How much of a log is looked at for the event of its job's start.
const LOOK_BYTES: usize = 64 * 1024;

/// What begins the line of the event of the job's start, behind its time.
const EXECUTE: &[u8] = b" stderr F greaserun: execute ";

/// Bytes of a live log that are brought at once, whatever its last flush was.
pub(super) const QUANTUM: u64 = 256 * 1024;

/// How a run ranks: what is needed first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It failed: somebody will look for the reason.
    Failed,
    /// It runs: somebody may follow it.
    Live,
    /// All else, oldest first.
    Rest,
}

/// What is known of a run from its beginning on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) job: String,
    start: Timestamp,
    host: String,
    /// Where its log is on the share.
    pub(super) log: PathBuf,
}

/// A run that is not on the share yet, or not whole.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a step that is done or not, in any order"
)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) dir: PathBuf,
    /// Whether nobody writes to it any more.
    pub(super) is_final: bool,
    /// Whether its greaserun lives.
    pub(super) lives: bool,
    /// How it ended.
    pub(super) result: Option<ResultWord>,
    facts: Option<Facts>,
    pub(super) mirror: Option<Mirror>,
    /// Whether its job was started; before that there is nothing in its log that the index lacks.
    has_begun: bool,
    pub(super) has_digest: Option<bool>,
    pub(super) is_linked: bool,
    pub(super) is_level: bool,
    pub(super) patience: Patience,
    /// The same for its digest: neither waits for the other.
    pub(super) digest_patience: Patience,
    /// When its live log is to be flushed again, since boot.
    pub(super) due: Duration,
    /// When what the local disk has of it was written.
    pub(super) saved: Option<SystemTime>,
}

impl Run {
    pub(super) fn new(id: RunId, dir: PathBuf, is_final: bool) -> Self {
        let mut run = Self {
            id,
            dir: PathBuf::new(),
            is_final: false,
            lives: !is_final,
            result: None,
            facts: None,
            mirror: None,
            has_begun: false,
            has_digest: None,
            is_linked: false,
            is_level: false,
            patience: Patience::default(),
            digest_patience: Patience::default(),
            due: Duration::ZERO,
            saved: None,
        };
        run.move_to(dir, is_final);
        run
    }

    /// It is in another directory now: it has ended.
    pub(super) fn move_to(&mut self, dir: PathBuf, is_final: bool) {
        self.dir = dir;
        if is_final && !self.is_final {
            self.is_final = true;
            self.is_level = false;
            self.due = Duration::ZERO;
            self.patience.went_well();
            let end = journal::end_of(&self.dir);
            self.result = end.ok().map(|end: EndEvent| end.result);
            self.has_digest = Some(self.dir.join(DIGEST).exists());
        }
    }

    pub(super) fn rank(&self) -> Rank {
        match self.result {
            _ if !self.is_final => Rank::Live,
            Some(result) if digest::is_due(result) => Rank::Failed,
            _ => Rank::Rest,
        }
    }

    /// Whether its greaserun lives, as far as can be told.
    ///
    /// By its process, which no lock is needed for: whoever tries one has it for a moment. Where the
    /// process cannot be seen, by the lock.
    pub(super) fn look_whether_it_lives(&mut self) {
        if !self.is_final {
            self.lives = lives(&self.dir);
        }
    }

    /// What is known of it from its beginning on; `host` is that of this process, for a run whose
    /// beginning cannot be read.
    pub(super) fn facts(&mut self, host: &str) -> Option<&Facts> {
        if self.facts.is_none() {
            self.facts = facts(&self.dir, self.id, host).or_else(|| {
                let is_readable_no_more = self.is_final || !self.lives;
                is_readable_no_more.then(|| unreadable(&self.dir, self.id, host))
            });
        }
        self.facts.as_ref()
    }

    /// Whether its log belongs on the share. Of a run that was dropped before its job was started, all
    /// there is to know is in the index; under overload there are many.
    pub(super) fn wants_log(&mut self) -> bool {
        let is_dropped = self.is_final && self.result == Some(ResultWord::Skip);
        if !self.has_begun && (!self.is_final || is_dropped) {
            self.has_begun = has_begun(&self.dir.join(journal::LOG));
        }
        self.has_begun || (self.is_final && !is_dropped)
    }

    /// The mirror of its log.
    pub(super) fn mirror(&mut self, path: &Path) -> Result<&mut Mirror, Fault> {
        if self.mirror.is_none() {
            let before = Bookmark::read(&self.dir.join(BOOKMARK));
            let log = self.dir.join(journal::LOG);
            let mirror = Mirror::new(&log, path.to_owned(), false, Some(&before));
            self.mirror = Some(mirror.map_err(Fault::Local)?);
        }
        Ok(self.mirror.as_mut().expect("just made"))
    }

    /// Notes how much of the log is on the share.
    pub(super) fn bookmark(&self) {
        if let Some(mirror) = &self.mirror {
            mirror.bookmark().write(&self.dir.join(BOOKMARK));
        }
    }

    /// Bytes of its log that are not on the share.
    pub(super) fn pending(&self) -> u64 {
        if let Some(mirror) = &self.mirror {
            return mirror.length().unwrap_or(0).abs_diff(mirror.offset());
        }
        let length = fs_err::metadata(self.dir.join(journal::LOG)).map_or(0, |found| found.len());
        length.abs_diff(Bookmark::read(&self.dir.join(BOOKMARK)).offset)
    }

    /// The digest to publish, and where.
    pub(super) fn digest(&self) -> io::Result<(PathBuf, String)> {
        let Some(facts) = &self.facts else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let text = sys::fs::read_bounded(&self.dir.join(DIGEST), DIGEST_BYTES_MAX)?;
        let path = layout::digest(facts.start, &facts.job, &facts.host, self.id);
        Ok((path, text))
    }

    /// Whether what was shipped is there still, going by its length.
    pub(super) fn is_there(&mut self, root: &Root, host: &str) -> rustix::io::Result<bool> {
        let Some(facts) = self.facts(host).cloned() else {
            return Ok(true);
        };
        if self.wants_log() {
            let length =
                fs_err::metadata(self.dir.join(journal::LOG)).map_or(0, |found| found.len());
            if root.length(&facts.log)?.unwrap_or(0) < length {
                return Ok(false);
            }
        }
        match self.digest() {
            Ok((path, text)) => Ok(root.length(&path)? == Some(text.len() as u64)),
            Err(_) => Ok(true), // It has none.
        }
    }

    /// When its live log is to be flushed next: seldom, if it has been running for long.
    pub(super) fn flushed(&mut self, now: Duration) {
        let started = self.id.drawn_at().unwrap_or_default();
        let age = sys::clock::now().duration_since(started).as_secs();
        self.due = now + Duration::from_secs(pause_of(age));
    }

    /// Notes that all of it is on the share.
    pub(super) fn mark_shipped(&self) -> io::Result<()> {
        match fs_err::File::create(self.dir.join(SHIPPED)) {
            // Removed meanwhile, for want of room: there is nothing more to keep of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            made => made.map(drop),
        }
    }
}

/// Seconds between two flushes of a live log, by the age of its run in seconds.
fn pause_of(age: i64) -> u64 {
    match age {
        ..60 => 1,
        60..600 => 2,
        _ => 5,
    }
}

fn lives(dir: &Path) -> bool {
    let meta = sys::fs::read_bounded(&dir.join("meta.json"), META_BYTES_MAX);
    let meta = meta
        .ok()
        .and_then(|text| serde_json::from_str::<Meta>(&text).ok());
    let is_seen = meta.filter(|meta| meta.started != 0).is_some_and(|meta| {
        let found = sys::process::stat(meta.pid.cast_signed());
        found.is_some_and(|found| found.started == meta.started && found.is_alive())
    });
    let is_locked = || {
        let lock = fs_err::File::open(dir.join("lock"));
        lock.is_ok_and(|lock| lock.try_lock_shared().is_err())
    };
    is_seen || is_locked()
}

fn facts(dir: &Path, id: RunId, host: &str) -> Option<Facts> {
    let start = journal::start_of(dir).ok()?;
    let time: Timestamp = start.time.parse().ok()?;
    let log = start.log.map(PathBuf::from).filter(|log| stays_below(log));
    let log = log.unwrap_or_else(|| layout::log(time, &start.job, host, id));
    Some(Facts {
        job: start.job,
        start: time,
        host: start.host,
        log,
    })
}

/// A run whose beginning was cut: what else is known of it must do.
fn unreadable(dir: &Path, id: RunId, host: &str) -> Facts {
    let meta = sys::fs::read_bounded(&dir.join("meta.json"), META_BYTES_MAX).ok();
    let meta: Option<Meta> = meta.and_then(|text| serde_json::from_str(&text).ok());
    let job = meta.map_or_else(|| "unknown".to_owned(), |meta| meta.job);
    let start = id.drawn_at().unwrap_or_default();
    Facts {
        log: layout::log(start, &job, host, id),
        job,
        start,
        host: host.to_owned(),
    }
}

/// Whether a path leads nowhere but to what is below where it starts.
fn stays_below(path: &Path) -> bool {
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn has_begun(log: &Path) -> bool {
    let mut bytes = vec![0; LOOK_BYTES];
    let Ok(log) = fs_err::File::open(log) else {
        return false;
    };
    let Ok(count) = rustix::io::pread(&log, &mut bytes[..], 0) else {
        return false;
    };
    count == LOOK_BYTES
        || bytes[..count]
            .windows(EXECUTE.len())
            .any(|piece| piece == EXECUTE)
}

/// A day of the index.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) mirror: Option<Mirror>,
    pub(super) patience: Patience,
}

impl Day {
    /// The day of an index file, by its name.
    pub(super) fn of(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let day = name.strip_suffix(".jsonl")?;
        let _: jiff::civil::Date = day.parse().ok()?;
        Some(Self {
            name: day.to_owned(),
            path,
            mirror: None,
            patience: Patience::default(),
        })
    }

    /// Bytes that are not on the share; or that were lost here, since then it is to be compared.
    pub(super) fn pending(&self) -> u64 {
        let length = fs_err::metadata(&self.path).map_or(0, |found| found.len());
        let offset = match &self.mirror {
            Some(mirror) => mirror.offset(),
            None => Bookmark::read(&self.bookmark_path()).offset,
        };
        length.abs_diff(offset)
    }

    /// The mirror of the file; `host` is the name of the host on the share.
    pub(super) fn mirror(&mut self, host: &str) -> Result<&mut Mirror, Fault> {
        let path = layout::index(&self.name, host);
        // One that was removed is not the one that others write to now.
        self.mirror = self.mirror.take().filter(|mirror| mirror.is_of(&self.path));
        if self.mirror.is_none() {
            let before = Bookmark::read(&self.bookmark_path());
            let mirror = Mirror::new(&self.path, path, true, Some(&before));
            self.mirror = Some(mirror.map_err(Fault::Local)?);
        }
        Ok(self.mirror.as_mut().expect("just made"))
    }

    pub(super) fn bookmark(&self) {
        if let Some(mirror) = &self.mirror {
            mirror.bookmark().write(&self.bookmark_path());
        }
    }

    /// Whether what was brought is there still, going by its length; `host` as for [`Day::mirror`].
    pub(super) fn is_there(&self, root: &Root, host: &str) -> rustix::io::Result<bool> {
        let length = root.length(&layout::index(&self.name, host))?.unwrap_or(0);
        let brought = match &self.mirror {
            Some(mirror) => mirror.offset(),
            None => Bookmark::read(&self.bookmark_path()).offset,
        };
        Ok(length >= brought)
    }

    /// Has all of it compared with what is on the share, and brought where that is not there.
    pub(super) fn doubt(&mut self) {
        self.mirror = None;
        Bookmark::default().write(&self.bookmark_path());
    }

    fn bookmark_path(&self) -> PathBuf {
        self.path.with_extension("off")
    }
}

/// Whether a file of the index is on the share, as long as it is.
pub fn is_brought(path: &Path) -> bool {
    let length = fs_err::metadata(path).map_or(0, |found| found.len());
    Bookmark::read(&path.with_extension("off")).offset == length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_never_written_outside_of_the_tree() {
        assert!(stays_below(Path::new("2026-11-24/logs/j/x.log")));
        for path in ["", "/etc/passwd", "../other/x.log", "2026-11-24/../../x"] {
            assert!(!stays_below(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_young_run_is_flushed_more_often() {
        assert_eq!([0, 59, 60, 599, 600].map(pause_of), [1, 1, 2, 2, 5]);
    }

    #[test]
    fn only_files_of_days_are_days() {
        let day = |name: &str| Day::of(PathBuf::from("/spool/index").join(name));
        assert_eq!(day("2026-11-24.jsonl").unwrap().name, "2026-11-24");
        for name in ["2026-11-24.off", "x.jsonl", "2026-11-24.jsonl.tmp"] {
            assert!(day(name).is_none(), "{name}");
        }
    }
}
