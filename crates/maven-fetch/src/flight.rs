//! Single flight: of the processes on a host that need the same thing, one works and the others
//! wait for it.
//!
//! That saves work and nothing depends on it: the wait is bounded, who waited too long goes on
//! alone, and where locks are impossible all do. Publishing is safe all the same.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};

use crate::lock::{self, Attempt};
use crate::state::{self, State};

/// How long to wait for another process when there is nothing to go on with: the time in which
/// most artifacts come.
pub const WAIT_MAX: Duration = Duration::from_mins(1);

/// How long to wait when what is here can be served.
pub const WAIT_MAX_WITH_CACHED: Duration = Duration::from_secs(5);

/// How often it is noted that the work goes on, far below either wait.
const MOVING: Duration = Duration::from_secs(1);

/// Distance of the first tries, and of the last ones: a small file is here after the first, and
/// many that wait for a large one do not keep the machine busy.
const DISTANCE_MIN: Duration = Duration::from_millis(20);
const DISTANCE_MAX: Duration = Duration::from_millis(500);

/// The right to do something alone on this host. Dropped, or killed, it passes to the next.
#[derive(Debug)]
pub struct Flight {
    lock: Option<File>,
    has_waited: bool,
    moved: Cell<Option<Instant>>,
}

impl Flight {
    /// Waits until no other process on this host does `what`, at most for `wait_max` (if that is more
    /// than [`WAIT_MAX_WITH_CACHED`]: after it last [moved](Self::is_moving)) and until
    /// `cancel` is set; it never fails.
    ///
    /// Afterwards the caller looks again at what is here. If it [has waited](Self::has_waited),
    /// answers that were given since it began are as good as its own.
    pub fn begin(state: &State, what: &str, wait_max: Duration, cancel: &AtomicBool) -> Self {
        let path = state.lock_path(what);
        let file = match open(&path) {
            Ok(file) => file,
            Err(error) => {
                tracing::debug!(%error, "going on without a lock");
                return Self {
                    lock: None,
                    has_waited: false,
                    moved: Cell::default(),
                };
            }
        };
        let mut begun = Instant::now();
        let mut changed = last_change(&file);
        let mut distance = DISTANCE_MIN;
        let mut has_waited = false;
        loop {
            match lock::attempt(&file) {
                Attempt::Held => {
                    return Self {
                        lock: Some(file),
                        has_waited,
                        moved: Cell::default(),
                    };
                }
                Attempt::Busy => {}
                Attempt::Impossible(errno) => {
                    tracing::debug!(path = %path.display(), %errno, "going on without a lock");
                    return Self {
                        lock: None,
                        has_waited,
                        moved: Cell::default(),
                    };
                }
            }
            let change = last_change(&file);
            if change != changed && wait_max > WAIT_MAX_WITH_CACHED {
                (begun, changed) = (Instant::now(), change);
            }
            let left = wait_max.saturating_sub(begun.elapsed());
            if left.is_zero() || cancel.load(Ordering::Relaxed) {
                tracing::debug!(
                    what,
                    ?wait_max,
                    "another process takes long: going on without it"
                );
                return Self {
                    lock: None,
                    has_waited,
                    moved: Cell::default(),
                };
            }
            has_waited = true;
            thread::sleep(shortened(distance).min(left));
            distance = (distance * 2).min(DISTANCE_MAX);
        }
    }

    /// Notes that the work goes on, so that those who wait go on waiting: they look at when the
    /// locked file was last changed. Called as often as one likes.
    pub fn is_moving(&self) {
        let Some(lock) = &self.lock else {
            return;
        };
        if self
            .moved
            .get()
            .is_none_or(|moved| moved.elapsed() >= MOVING)
        {
            self.moved.set(Some(Instant::now()));
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_NOW,
            };
            let times = Timestamps {
                last_access: now,
                last_modification: now,
            };
            futimens(lock, &times).ok(); // The others go on without us then.
        }
    }

    /// Whether others are kept from doing the same.
    pub fn is_alone(&self) -> bool {
        self.lock.is_some()
    }

    /// Whether another process was at it.
    pub fn has_waited(&self) -> bool {
        self.has_waited
    }
}

/// Opens a lock file, for writing: over NFS only such a file can be locked.
fn open(path: &Path) -> io::Result<File> {
    state::make_parent(path)?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// When a file was last changed, as far as the file system tells.
fn last_change(file: &File) -> Option<SystemTime> {
    file.metadata()
        .and_then(|metadata| metadata.modified())
        .ok()
}

/// Between a half and all of a duration, so that those who began together do not try together.
fn shortened(duration: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) >> 32;
    let share = u32::try_from(random).expect("32 bits were shifted out");
    duration.mul_f64(0.5 + 0.5 * f64::from(share) / f64::from(u32::MAX))
}
