//! Who came last of those that wait for a key: one record, read and written under a short lock.

use std::io;
use std::time::{Duration, Instant};

use fs_err::File;
use serde::{Deserialize, Serialize};

use super::Ask;
use crate::arbitration::slots::{self, Slots};
use crate::sys::clock;

/// Longest wait for `next`, which is held for a few milliseconds at most. Without it nobody knows who
/// is the newest; that two do not run at a time does not depend on it.
const NEXT_MAX: Duration = Duration::from_secs(1);

/// Distance of two tries to lock `next`.
const NEXT_POLL: Duration = Duration::from_millis(1);

/// Who came last of those that wait, as it stands in `next`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Newest {
    /// Version of this format.
    pub(super) v: u32,
    pub(super) boot: String,
    /// Time since boot, so that a clock that jumps changes nothing.
    pub(super) came_ns: u64,
    pub(super) run: String,
    /// Handed on, so that a run is not asked twice: it takes that for impatience.
    pub(super) asked: Option<Asked>,
}

/// A run that was asked to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) run: String,
    pub(super) ask: Ask,
    /// Time since boot.
    pub(super) at_ns: u64,
}

impl Newest {
    /// Nobody came.
    pub(super) fn nobody(boot: &str) -> Self {
        Self {
            v: 1,
            boot: boot.to_owned(),
            came_ns: 0,
            run: String::new(),
            asked: None,
        }
    }

    /// Who came last in this boot. What is said of the future is not believed: it would be in
    /// everybody's way until then.
    pub(super) fn read(next: &File, boot: &str) -> Self {
        let now_ns = now_ns();
        let newest: Option<Self> = slots::read(next);
        let is_sound = |newest: &Self| newest.boot == boot && newest.came_ns <= now_ns;
        let newest = newest.filter(is_sound);
        let mut newest = newest.unwrap_or_else(|| Self::nobody(boot));
        newest.asked = newest.asked.filter(|asked| asked.at_ns <= now_ns);
        newest
    }

    /// Orders by time; the run tells those apart that came in the same nanosecond.
    pub(super) fn came(&self) -> (u64, &str) {
        (self.came_ns, &self.run)
    }
}

/// The file that says who is the newest, locked; none if someone keeps it locked.
pub(super) fn lock(files: &Slots, name: &str) -> io::Result<Option<File>> {
    let file = files.open(&format!("{name}.next"))?;
    let begun = Instant::now();
    while file.try_lock().is_err() {
        if begun.elapsed() > NEXT_MAX {
            return Ok(None);
        }
        std::thread::sleep(NEXT_POLL);
    }
    Ok(Some(file))
}

/// Time since boot; 64 bits of nanoseconds are 584 years.
pub(super) fn now_ns() -> u64 {
    u64::try_from(clock::since_boot().as_nanos()).unwrap_or(u64::MAX)
}
