//! Runs whose greaserun was killed: another process of our own program completes their records, as the
//! next greaserun would. It is not this one, since it ends processes, and what it does may take a while.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::Duration;

use super::{Task, start};
use crate::model::RunId;

/// Pause after the first try at a run, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(10));

/// Tries after which a shipper ends, though a run is not sealed: the next greaserun tries again.
const TRIES: u32 = 4;

/// How long one try may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What was done about dead runs.
#[derive(Debug, Default)]
pub(super) struct Burial {
    tried: BTreeMap<RunId, Tried>,
    /// Who is at it, and until when.
    at_work: Option<(Child, Duration)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tried {
    times: u32,
    /// Not again before, since boot.
    until: Duration,
}

impl Burial {
    /// Has the records of dead runs completed, if it is time to.
    pub(super) fn attend(&mut self, dead: &[RunId], now: Duration, task: &Task) {
        if !self.is_free(now) || !self.is_due(dead, now) {
            return;
        }
        match start::sweeper(task) {
            Ok(child) => self.at_work = Some((child, now + PATIENCE)),
            Err(error) => tracing::warn!("the records of killed runs stay as they are: {error}"),
        }
    }

    /// Whether a shipper is needed for dead runs.
    pub(super) fn is_needed(&self, dead: &[RunId], now: Duration) -> bool {
        let is_at_work = self.at_work.as_ref().is_some_and(|(_, end)| now < *end);
        let tries = |run| self.tried.get(run).map_or(0, |tried: &Tried| tried.times);
        is_at_work || dead.iter().any(|run| tries(run) < TRIES)
    }

    fn is_free(&mut self, now: Duration) -> bool {
        let Some((child, end)) = &mut self.at_work else {
            return true;
        };
        if matches!(child.try_wait(), Ok(None)) {
            if now >= *end {
                child.kill().ok(); // It hangs, or has just ended.
            }
            return false;
        }
        self.at_work = None;
        true
    }

    /// Whether one of the dead is to be tried; then it counts as tried.
    fn is_due(&mut self, dead: &[RunId], now: Duration) -> bool {
        self.tried.retain(|run, _| dead.contains(run));
        let until = |run| {
            self.tried
                .get(run)
                .map_or(Duration::ZERO, |tried| tried.until)
        };
        let is_due = dead.iter().any(|run| now >= until(run));
        for run in dead.iter().filter(|_| is_due) {
            let tried = self.tried.entry(*run).or_default();
            let pause = PAUSES.0.saturating_mul(1 << tried.times.min(16));
            tried.until = now + pause.min(PAUSES.1);
            tried.times += 1;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_run_is_tried_at_once_and_then_ever_more_rarely() {
        let (one, other) = (RunId::new(), RunId::new());
        let mut burial = Burial::default();
        let mut tried = Vec::new();
        for second in 0..300 {
            let now = Duration::from_secs(second);
            assert_eq!(burial.is_needed(&[one], now), tried.len() < 4, "{second}");
            if burial.is_due(&[one], now) {
                tried.push(second);
            }
        }
        assert_eq!(tried, [0, 30, 90, 210]);
        let now = Duration::from_mins(5);
        assert!(burial.is_due(&[one, other], now), "another one has died");
        assert!(!burial.is_due(&[one, other], now));
        assert!(!burial.is_due(&[], now) && !burial.is_needed(&[], now));
        assert!(burial.tried.is_empty(), "they are sealed");
    }
}
