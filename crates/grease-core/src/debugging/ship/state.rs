//! What the shipper does, as it tells it to others on this host: `ship/state`.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::place::{Place, replace};
use crate::sys::{clock, fs};

/// Version of the file.
const VERSION: u32 = 1;

/// Largest file that is read.
const BYTES_MAX: u64 = 64 * 1024;

/// How long one operation on the share may last before the share counts as not responding.
const STUCK: Duration = Duration::from_millis(1500);

/// How the share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// It takes what it is given.
    Ok,
    /// It has not been looked at yet.
    Waiting,
    /// It is another one than the one that this spool went to before; nothing is written.
    WrongShare,
    /// There is none, or none that was made one; nothing is written.
    NoShare,
    /// The last operation failed.
    Error,
}

/// What the shipper does (`ship/state`, version 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Version of this format.
    pub v: u32,
    /// Its process id.
    pub pid: u32,
    /// The root of the tree on shared storage.
    pub share: String,
    /// The id of the share, once it was seen.
    pub share_id: Option<String>,
    /// How the share is.
    pub state: Word,
    /// Since when, in UTC.
    pub since: String,
    /// The operation on the share that runs, or ran last.
    pub op: String,
    /// When it was begun, in milliseconds since boot; `null` if none runs.
    pub in_op_since_ms: Option<u64>,
    /// When an operation last went well, in UTC.
    pub last_ok: Option<String>,
    /// Why the last one did not, in words.
    pub error: Option<String>,
    /// Bytes that are not on the share yet.
    pub backlog_bytes: u64,
    /// Runs that are not there yet, or not whole.
    pub backlog_runs: u64,
}

/// Why it is of no use to wait for the shipper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// An operation does not return.
    Stuck(String),
    /// It does not write, or cannot.
    Refused(String),
}

impl State {
    /// How long the operation that runs has been running, at a time since boot.
    pub fn in_operation(&self, now: Duration) -> Option<Duration> {
        let since = Duration::from_millis(self.in_op_since_ms?);
        Some(now.saturating_sub(since))
    }

    /// Why it is of no use to wait, if it is not.
    pub(super) fn trouble(&self, now: Duration) -> Option<Trouble> {
        if let Some(lasts) = self.in_operation(now).filter(|lasts| *lasts > STUCK) {
            let seconds = lasts.as_secs();
            return Some(Trouble::Stuck(format!("not responding for {seconds} s")));
        }
        match self.state {
            Word::Ok | Word::Waiting => None,
            Word::WrongShare | Word::NoShare | Word::Error => {
                let text = self.error.clone();
                Some(Trouble::Refused(text.unwrap_or_default()))
            }
        }
    }
}

/// Reads what the shipper of a spool last told; it may have ended since.
pub fn state(spool: &Path) -> Option<State> {
    let text = fs::read_bounded(&Place::of(spool).file("state"), BYTES_MAX).ok()?;
    serde_json::from_str(&text).ok()
}

/// Tells others how the shipper is; whoever reads sees one whole state.
#[derive(Debug)]
pub(super) struct Teller {
    place: Place,
    now: State,
}

impl Teller {
    pub(super) fn new(place: Place, share: &Path) -> Self {
        let now = State {
            v: VERSION,
            pid: std::process::id(),
            share: share.display().to_string(),
            share_id: None,
            state: Word::Waiting,
            since: time(),
            op: String::new(),
            in_op_since_ms: None,
            last_ok: None,
            error: None,
            backlog_bytes: 0,
            backlog_runs: 0,
        };
        let teller = Self { place, now };
        teller.write();
        teller
    }

    pub(super) fn now(&self) -> &State {
        &self.now
    }

    pub(super) fn share_is(&mut self, id: &str) {
        self.now.share_id = Some(id.to_owned());
    }

    pub(super) fn backlog(&mut self, runs: u64, bytes: u64) {
        (self.now.backlog_runs, self.now.backlog_bytes) = (runs, bytes);
    }

    /// Before an operation that may hang.
    pub(super) fn begin(&mut self, op: impl Into<String>) {
        self.now.op = op.into();
        let now = clock::since_boot().as_millis();
        self.now.in_op_since_ms = Some(u64::try_from(now).unwrap_or(u64::MAX));
        self.write();
    }

    /// After operations that went well; it is told with the next change, or by [`Self::rest`].
    ///
    /// `trouble` is why something else still does not.
    pub(super) fn went_well(&mut self, trouble: Option<&String>) {
        self.now.last_ok = Some(time());
        self.now.error = trouble.cloned();
        self.set(Word::Ok);
    }

    /// After one that did not go well; returns whether that is news.
    pub(super) fn went_wrong(&mut self, word: Word, why: String) -> bool {
        let is_news = self.now.state != word || self.now.error.as_ref() != Some(&why);
        self.now.in_op_since_ms = None;
        self.now.error = Some(why);
        self.set(word);
        self.write();
        is_news
    }

    /// No operation runs any more.
    pub(super) fn rest(&mut self) {
        if self.now.in_op_since_ms.take().is_some() {
            self.write();
        }
    }

    fn set(&mut self, word: Word) {
        if self.now.state != word {
            self.now.state = word;
            self.now.since = time();
        }
    }

    fn write(&self) {
        let text = serde_json::to_vec(&self.now).expect("plain data");
        replace(&self.place.file("state"), &text).ok(); // Others then see an older state.
    }
}

fn time() -> String {
    format!("{:.6}", clock::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_no_use_to_wait_for_a_shipper_that_is_stuck_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::make(dir.path()).unwrap();
        let mut teller = Teller::new(place, Path::new("/logs"));
        let now = || clock::since_boot();
        let trouble = |at| state(dir.path()).unwrap().trouble(at);
        assert_eq!(trouble(now()), None);
        teller.begin("write");
        assert_eq!(trouble(now()), None);
        let later = now() + Duration::from_secs(192);
        assert!(matches!(trouble(later), Some(Trouble::Stuck(text)) if text.contains("19")));
        teller.went_well(None);
        teller.rest();
        assert_eq!(trouble(later), None);
        assert!(teller.went_wrong(Word::NoShare, "no marker".to_owned()));
        assert!(!teller.went_wrong(Word::NoShare, "no marker".to_owned()));
        let refused = Trouble::Refused("no marker".to_owned());
        assert_eq!(trouble(now()), Some(refused));
    }
}
