//! The heartbeat of a host, by which readers elsewhere tell a run that lives from one that is lost; and
//! the name that the host has on the share, which is that of its heartbeat.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::io::{Errno, Result};
use serde::{Deserialize, Serialize};

use super::mirror::Fault;
use super::place::Place;
use super::publish;
use super::root::{How, Root};
use crate::debugging::share::layout;
use crate::model::RunId;
use crate::sys::{clock, host};

/// Version of the file.
const VERSION: u32 = 1;

/// How often it beats.
const EVERY: Duration = Duration::from_secs(30);

/// Size of the file, filled up with blanks: it is written in one piece, and never shorter than it was.
const BYTES: usize = 4096;

/// Live runs that are listed in a file of that size.
const LIVE_MAX: usize = 100;

/// How far a clock moves before that is told at once.
const CLOCK_MOVED_MS: u64 = 1000;

/// Longest error that is told.
const ERROR_CHARS_MAX: usize = 300;

/// A heartbeat as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Beat {
    v: u32,
    host: String,
    user: String,
    boot: String,
    spool: String,
    seq: u64,
    time: String,
    live: Vec<String>,
    backlog_bytes: u64,
    clock_offset_ms: i64,
    version: String,
    error: Option<String>,
}

/// What a heartbeat tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct News {
    /// The runs that live.
    pub(super) live: Vec<RunId>,
    /// Bytes that are not on the share yet.
    pub(super) backlog_bytes: u64,
    /// What is wrong with the share.
    pub(super) error: Option<String>,
}

/// The heartbeat of this user on this host.
#[derive(Debug)]
pub(super) struct Heartbeat {
    place: Place,
    beat: Beat,
    /// The name on the share, once it is ours there.
    name: Option<String>,
    file: Option<OwnedFd>,
    /// When it last beat, since boot.
    at: Option<Duration>,
}

impl Heartbeat {
    pub(super) fn new(place: Place, id: &str, host: &str, user: &str) -> Self {
        let beat = Beat {
            v: VERSION,
            host: host.to_owned(),
            user: user.to_owned(),
            boot: host::boot_id(),
            spool: id.to_owned(),
            seq: 0,
            time: String::new(),
            live: Vec::new(),
            backlog_bytes: 0,
            clock_offset_ms: 0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            error: None,
        };
        Self {
            place,
            beat,
            name: None,
            file: None,
            at: None,
        }
    }

    /// The name that this host has on the share, once it is claimed.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The share may be another one: the name is to be claimed again.
    pub(super) fn forget(&mut self) {
        self.name = None;
        self.file = None;
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.at.is_none_or(|at| now >= at + EVERY)
    }

    /// Claims a name by making its heartbeat, exclusively: that of the host, or with digits of our own
    /// id if another spool, here or on a host of the same name, has it.
    pub(super) fn claim(&mut self, root: &Root) -> std::result::Result<(), Fault> {
        let before = self.place.read("host");
        let digits = self.beat.spool.replace('-', "");
        let tail = |count: usize| digits.get(digits.len() - count..).unwrap_or_default();
        let host = &self.beat.host;
        let long = [4, 8, 32].map(|count| format!("{host}-{}", tail(count)));
        let candidates = before.clone().into_iter().chain([host.clone()]).chain(long);
        for name in candidates.collect::<Vec<_>>() {
            let is_known = before.as_ref() == Some(&name);
            if self.try_claim(root, &name, is_known)? {
                if !is_known {
                    let kept = self.place.write("host", &name);
                    kept.map_err(|_| Fault::Local(Errno::IO))?;
                }
                self.name = Some(name);
                return Ok(());
            }
        }
        Err(Fault::Surprise("every name for this host is taken"))
    }

    fn try_claim(&mut self, root: &Root, name: &str, is_known: bool) -> Result<bool> {
        let path = layout::heartbeat(name);
        for _ in 0..2 {
            match read(root, &path)? {
                Found::Nothing => {
                    let content = self.content(&News::default());
                    if publish::once(root, &path, &content)? {
                        return Ok(true);
                    }
                }
                Found::Beat(beat) => {
                    let is_ours = beat.spool == self.beat.spool;
                    self.beat.seq = if is_ours { beat.seq } else { self.beat.seq };
                    return Ok(is_ours);
                }
                // Cut by a server that died: whose it was, only its owner knows.
                Found::Garbage => return Ok(is_known),
            }
        }
        Ok(false) // Made and removed by others meanwhile.
    }

    /// Beats.
    pub(super) fn beat(&mut self, root: &Root, news: &News) -> std::result::Result<(), Fault> {
        let told = self.beat.clock_offset_ms;
        let mut done = self.write(root, news);
        // What one beat finds out about the clock the next one tells, but not in half a minute: by it
        // readers see which runs are younger than the heartbeat.
        if done.is_ok() && self.beat.clock_offset_ms.abs_diff(told) > CLOCK_MOVED_MS {
            done = self.write(root, news);
        }
        if done.is_err() {
            self.file = None;
        }
        self.at = Some(clock::since_boot());
        done
    }

    fn write(&mut self, root: &Root, news: &News) -> std::result::Result<(), Fault> {
        let Some(name) = &self.name else {
            return self.claim(root);
        };
        let path = layout::heartbeat(name);
        let file = match self.file.take() {
            Some(file) => file,
            None => root.open(&path, How::Mirror)?,
        };
        let content = self.content(news);
        let before = clock::now();
        let mut written = 0;
        while written < content.len() {
            match rustix::io::pwrite(&file, &content[written..], written as u64) {
                Ok(0) => return Err(Errno::IO.into()),
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        rustix::fs::fsync(&file)?;
        let found = rustix::fs::fstat(&file)?;
        if found.st_nlink == 0 {
            return Err(Fault::Surprise("the heartbeat was removed from the share"));
        }
        // The server stamps what it writes, so its clock is that of the file.
        #[expect(clippy::useless_conversion, reason = "its width is the platform's")]
        let server_ms = i64::try_from(found.st_mtime)
            .unwrap_or(0)
            .saturating_mul(1000)
            .saturating_add(i64::try_from(found.st_mtime_nsec).unwrap_or(0) / 1_000_000);
        self.beat.clock_offset_ms = server_ms.saturating_sub(before.as_millisecond());
        self.file = Some(file);
        Ok(())
    }

    fn content(&mut self, news: &News) -> Vec<u8> {
        self.beat.seq += 1;
        self.beat.time = format!("{:.6}", clock::now());
        let live = news.live.iter().rev().take(LIVE_MAX); // The youngest: what is old is in the index.
        self.beat.live = live.map(ToString::to_string).collect();
        self.beat.backlog_bytes = news.backlog_bytes;
        let short = |text: &String| text.chars().take(ERROR_CHARS_MAX).collect();
        self.beat.error = news.error.as_ref().map(short);
        let mut bytes = serde_json::to_vec(&self.beat).expect("plain data");
        bytes.resize(bytes.len().max(BYTES - 1), b' ');
        bytes.push(b'\n');
        bytes
    }
}

enum Found {
    Nothing,
    Beat(Box<Beat>),
    Garbage,
}

fn read(root: &Root, path: &Path) -> Result<Found> {
    let file = match root.open(path, How::Read { direct: false }) {
        Err(Errno::NOENT) => return Ok(Found::Nothing),
        opened => opened?,
    };
    let mut bytes = vec![0; 2 * BYTES];
    let count = rustix::io::pread(&file, &mut bytes[..], 0)?;
    let beat = serde_json::from_slice(&bytes[..count]);
    Ok(beat.map_or(Found::Garbage, |beat| Found::Beat(Box::new(beat))))
}

#[cfg(test)]
mod tests {
    use super::super::root::tests::share;
    use super::*;

    fn heart(dir: &std::path::Path, spool: &str) -> Heartbeat {
        let place = Place::make(&dir.join(spool)).unwrap();
        let id = place.id().unwrap();
        Heartbeat::new(place, &id, "dp-007", "etl")
    }

    #[test]
    fn two_hosts_of_one_name_get_two_names_and_keep_them() {
        let (dir, root) = share();
        let spools = tempfile::tempdir().unwrap();
        let mut one = heart(spools.path(), "one");
        let mut other = heart(spools.path(), "other");
        one.claim(&root).unwrap();
        other.claim(&root).unwrap();
        assert_eq!(one.name(), Some("dp-007"));
        let name = other.name().unwrap().to_owned();
        assert!(name.starts_with("dp-007-") && name.len() == 11, "{name}");
        let mut again = heart(spools.path(), "other");
        again.claim(&root).unwrap();
        assert_eq!(again.name(), Some(name.as_str()));
        let hosts = dir.path().join("etl/hosts");
        assert_eq!(fs_err::read_dir(hosts).unwrap().count(), 2);
    }

    #[test]
    fn it_tells_of_live_runs_and_counts_on() {
        let (dir, root) = share();
        let spools = tempfile::tempdir().unwrap();
        let mut heart = heart(spools.path(), "one");
        let run = RunId::new();
        let news = News {
            live: vec![run],
            backlog_bytes: 7,
            error: Some("x".repeat(9999)),
        };
        heart.claim(&root).unwrap();
        heart.beat(&root, &news).unwrap();
        heart.beat(&root, &news).unwrap();
        let bytes = fs_err::read(dir.path().join("etl/hosts/dp-007.json")).unwrap();
        assert_eq!(bytes.len(), BYTES);
        let beat: Beat = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((beat.seq, beat.live), (3, vec![run.to_string()]));
        assert!(beat.clock_offset_ms.abs() < 60_000);
    }
}
