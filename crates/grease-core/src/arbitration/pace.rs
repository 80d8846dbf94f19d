//! How often a run that waits looks, and from when on it has a right to progress.

use std::time::Duration;

use super::view::View;
use crate::model::guard::Signal;

/// How often the machine is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(250);

/// How often the slots are looked at while nothing but other jobs is in the way.
const LOOK_AT_SLOTS: Duration = Duration::from_millis(10);

/// How often those look who are not in the queue, since they let others pass or its head is stopped:
/// they may be many.
const LOOK_BESIDE: Duration = Duration::from_millis(1500);

/// Half of this is what a job that waits for longer waits before `min_running` helps it.
const WAIT_WITHOUT_END: Duration = Duration::from_mins(10);

/// Where a run that waits stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// At the head of its queue: there is one.
    Head,
    /// On a terminal, in no queue.
    Terminal,
    /// Beside the queue; there may be many.
    Beside,
}

/// Whether the job has waited for half of its time.
///
/// Who does not wait at all has no right to progress.
pub(super) fn is_due(max_wait: Option<Duration>, waited: Duration) -> bool {
    let max = max_wait.map_or(WAIT_WITHOUT_END, |max| max.min(WAIT_WITHOUT_END));
    !max.is_zero() && waited * 2 >= max
}

/// How long to wait before the next look: not long when only other jobs are in the way.
pub(super) fn pause_after(view: &View, stand: Stand) -> Duration {
    // The end of one of our jobs changes the corrected load at once.
    let is_ours = |signal| match signal {
        Signal::Jobs | Signal::Cost | Signal::Spacing => true,
        Signal::Load => !view.held.is_empty(),
        _ => false,
    };
    let mut refusals = view.checks.iter().filter(|check| check.refuses);
    let is_soon = refusals.all(|check| is_ours(check.signal));
    match (stand, is_soon) {
        (Stand::Head, true) => LOOK_AT_SLOTS,
        (Stand::Terminal, true) => LOOK_AT_SLOTS * 5,
        (Stand::Head | Stand::Terminal, false) => LOOK,
        // Not all at the same moment.
        (Stand::Beside, _) => LOOK_BESIDE + LOOK_AT_SLOTS * (std::process::id() % 50),
    }
}
