//! What a run uses: time and memory.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use super::Usage;
use super::tree::Tree;

/// Memory is sampled often at first, since most jobs are short, and then ever less often.
const SAMPLE_FIRST: Duration = Duration::from_millis(20);

/// Longest pause between two samples of memory.
const SAMPLE_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Time and memory.
pub(super) struct Meter {
    pub(super) started: Instant,
    /// Time during which job control had stopped everything.
    pub(super) paused: Duration,
    /// CPU time of children that were reaped before the job: those of a shell that executed
    /// greaserun in its own place.
    before: Children,
    tree_peak_kib: u64,
    /// When memory is to be looked at again.
    pub(super) sample_at: Instant,
    sample_pause: Duration,
}

/// What children have used.
struct Children {
    user: Duration,
    system: Duration,
    peak_kib: u64,
}

impl Meter {
    /// Starts the clock.
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            paused: Duration::ZERO,
            before: children(),
            tree_peak_kib: 0,
            sample_at: now + SAMPLE_FIRST,
            sample_pause: SAMPLE_FIRST,
        }
    }

    /// Time since the start, without pauses.
    pub(super) fn duration(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.paused)
    }

    /// Looks at the memory of all processes, if it is time to; returns whether it was.
    pub(super) fn sample(&mut self, tree: &Tree, now: Instant) -> bool {
        let is_due = now >= self.sample_at;
        if is_due {
            self.tree_peak_kib = self.tree_peak_kib.max(tree.resident_kib());
            self.sample_pause = (self.sample_pause * 2).min(SAMPLE_PAUSE_MAX);
            self.sample_at = now + self.sample_pause;
        }
        is_due
    }

    /// What was used; to be called when all processes that ended have been reaped.
    pub(super) fn usage(&self, duration: Duration) -> Usage {
        let now = children();
        Usage {
            duration,
            user: now.user.saturating_sub(self.before.user),
            system: now.system.saturating_sub(self.before.system),
            process_peak_kib: now.peak_kib,
            tree_peak_kib: self.tree_peak_kib.max(now.peak_kib),
            stdout_bytes: 0,
            stderr_bytes: 0,
        }
    }
}

/// What all children together have used that were reaped so far.
fn children() -> Children {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok();
    let time = |value: nix::sys::time::TimeVal| {
        let micros = value.tv_sec() * 1_000_000 + value.tv_usec();
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    };
    Children {
        user: usage.map_or(Duration::ZERO, |usage| time(usage.user_time())),
        system: usage.map_or(Duration::ZERO, |usage| time(usage.system_time())),
        peak_kib: usage.map_or(0, |usage| u64::try_from(usage.max_rss()).unwrap_or(0)),
    }
}
