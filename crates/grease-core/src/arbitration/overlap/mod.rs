//! Overlap: what happens to a start while the job still runs on this host.
//!
//! `key/HASH.N` is locked by the kernel for the life of the run that has the key's place N;
//! `key/HASH.next` says who came last of those that wait. The files are never removed.

mod newest;
mod start;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::time::Duration;

use fs_err::File;
use rustix::io::FdFlags;
use serde::{Deserialize, Serialize};

use super::slots::{Holder, Slots, clear};
use start::Start;

/// Directory of the files, below that of the slots.
const DIRECTORY: &str = "key";

/// How long a run that was asked to end is given beyond its own grace, and again after it was
/// killed.
const END_MAX: Duration = Duration::from_secs(5);

/// The keys of this host.
#[derive(Debug)]
pub struct Keys {
    files: Slots,
    /// What the files stand beside: who waits is told there.
    slots: Slots,
}

/// What happens to a start while the job still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It is skipped.
    Forbid,
    /// It waits; of several that wait, only the newest runs.
    Queue,
    /// It runs, or waits while so many run.
    Allow {
        /// Any number if absent.
        at_most: Option<u32>,
    },
    /// The other is asked to end, and killed some seconds after its grace. Of several that wait,
    /// only the newest runs.
    Replace {
        /// What the other gives its job.
        grace: Duration,
    },
}

/// Who asks for a place of a key.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Which runs are the same job.
    pub key: &'a str,
    /// What happens if one of them runs.
    pub rule: Rule,
    /// The run that asks.
    pub holder: &'a Holder,
    /// Longest wait; none for ever.
    pub max_wait: Option<Duration>,
}

/// How the run in the way is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// It is asked.
    Term,
    /// It did not do what it was asked.
    Kill,
}

/// What became of a start.
#[derive(Debug)]
pub enum Entry {
    /// Nothing is in its way any more; the lock is to be held while it runs.
    Free(Option<KeyLock>),
    /// It is not to run.
    Busy(Busy),
    /// The waiting was ended.
    GivenUp,
}

/// What is in the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Busy {
    /// The run in the way, if it says who it is.
    pub holder: Option<Holder>,
    /// Why it was not waited for, or no longer.
    pub why: Why,
    /// How long it was waited for.
    pub waited: Duration,
}

/// Why a start was not waited with, or no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The job is not to run twice at a time.
    Forbidden,
    /// A newer start waits.
    Superseded,
    /// It took too long.
    TooLong,
    /// The other run does not end.
    Refuses(String),
}

/// A place of a key, held while this value or the process lives.
#[derive(Debug)]
pub struct KeyLock {
    file: File,
    /// Whether the run that had it before did not give it back: it was killed, or could not start.
    pub is_left_over: bool,
}

impl Keys {
    /// The keys beside the slots.
    pub fn new(slots: &Slots) -> io::Result<Self> {
        let files = slots.below(DIRECTORY)?;
        let slots = slots.clone();
        Ok(Self { files, slots })
    }

    /// Asks for a place of a key. `wait` waits for a time, and says no to give up; `end` asks the
    /// run in the way to end, or says why it cannot.
    pub fn enter(
        &self,
        claim: &Claim<'_>,
        wait: &mut dyn FnMut(Option<&Holder>, Duration) -> bool,
        end: &mut dyn FnMut(&Holder, Ask) -> Result<(), String>,
    ) -> io::Result<Entry> {
        if claim.rule == (Rule::Allow { at_most: None }) {
            return Ok(Entry::Free(None));
        }
        let mut start = Start::new(self, claim);
        start.announce()?;
        let entry = start.wait_for_place(wait, end);
        if !matches!(entry, Ok(Entry::Free(_))) {
            start.withdraw();
        }
        entry
    }
}

impl Rule {
    /// How many may run at a time.
    fn places(self) -> u32 {
        match self {
            Self::Allow { at_most } => at_most.unwrap_or(u32::MAX),
            Self::Forbid | Self::Queue | Self::Replace { .. } => 1,
        }
    }

    /// Whether of several that wait only the newest goes on waiting.
    fn is_for_the_newest(self) -> bool {
        matches!(self, Self::Queue | Self::Replace { .. })
    }

    /// Longest wait. Who replaces waits for as long as the other may take to end.
    fn longest_wait(self, max_wait: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Replace { grace } => {
                max_wait.map(|max| max.max(grace.saturating_add(END_MAX * 3)))
            }
            Self::Forbid | Self::Queue | Self::Allow { .. } => max_wait,
        }
    }
}

impl KeyLock {
    /// Gives the place back, also if a process that inherited it still lives.
    pub fn release(self) {
        clear(&self.file).ok(); // What stands there is believed only while it is locked.
        self.file.file().unlock().ok();
    }

    /// Lets processes that are started from now on keep the place beyond the end of this one.
    pub fn let_inherit(&self) -> io::Result<()> {
        rustix::io::fcntl_setfd(&self.file, FdFlags::empty()).map_err(io::Error::from)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden | Self::TooLong => {
                formatter.write_str("another run of the job has not ended")
            }
            Self::Superseded => formatter.write_str("a newer start of the job waits"),
            Self::Refuses(why) => {
                write!(formatter, "the job still runs and cannot be ended: {why}")
            }
        }
    }
}
