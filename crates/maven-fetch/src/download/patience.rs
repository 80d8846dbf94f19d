//! How long and how often a download is tried.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use super::Situation;
use crate::transport::TransportError;

/// First longest delay before another try; it doubles with each.
const DELAY: Duration = Duration::from_millis(200);

/// Longest delay before another try that is our own choice.
const DELAY_MAX: Duration = Duration::from_secs(5);

/// Longest delay that a server may ask for. With a longer one the download fails at once: a job
/// that waits on behalf of an overloaded repository holds its own resources.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// How long and how often a download is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often a transfer is begun, at least once.
    pub tries: u32,
    /// Longest wait for an answer to begin, and for each further piece of it, where the
    /// repository's settings do not say else.
    pub timeout: Duration,
    /// Largest artifact: an endless answer ends here, before it has filled the disk.
    pub artifact_max_bytes: u64,
    /// Picks a delay up to the longest, so that those who failed together do not return together.
    pub jitter: fn(Duration) -> Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 3,
            timeout: Duration::from_secs(15),
            artifact_max_bytes: 16 << 30,
            jitter: full_jitter,
        }
    }
}

impl Patience {
    /// How long to wait before another try; none if there is to be no other.
    ///
    /// `tries` have been made. A delay asked for by the server is not waited for when the caller
    /// has something to go on with, and no delay reaches beyond the deadline.
    pub(super) fn delay(
        &self,
        error: &TransportError,
        tries: u32,
        situation: &Situation<'_>,
    ) -> Option<Duration> {
        let TransportError::Unreachable { retry_after, .. } = error else {
            return None;
        };
        let asked = retry_after.unwrap_or_default();
        let too_long = asked > RETRY_AFTER_MAX
            || (!asked.is_zero() && situation.otherwise == Otherwise::ServeCached);
        if tries >= self.tries || too_long {
            return None;
        }
        let doubled = DELAY.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
        let delay = asked.max((self.jitter)(doubled.min(DELAY_MAX)));
        (delay < situation.deadline.remaining()).then_some(delay)
    }
}

/// What the caller does if a download fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// It serves what it has: no use in waiting long.
    ServeCached,
    /// It fails too.
    Fail,
}

/// When something must be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// After so long from now.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now().checked_add(duration))
    }

    /// Never.
    pub const fn never() -> Self {
        Self(None)
    }

    /// How long there still is.
    pub fn remaining(self) -> Duration {
        self.0.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }

    /// Whether it is past.
    pub fn is_over(self) -> bool {
        self.remaining().is_zero()
    }
}

/// Any duration from none to `longest`. The standard library's hash keys are the randomness.
fn full_jitter(longest: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) >> 32;
    let share = u32::try_from(random).expect("32 bits were shifted out");
    longest.mul_f64(f64::from(share) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn unreachable(retry_after: Option<u64>) -> TransportError {
        TransportError::Unreachable {
            answered: None,
            url: "http://a/".to_owned(),
            reason: "status 503".to_owned(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn delay(error: &TransportError, tries: u32, otherwise: Otherwise) -> Option<Duration> {
        let patience = Patience {
            tries: 9,
            jitter: |longest| longest,
            ..Patience::default()
        };
        let situation = Situation {
            deadline: Deadline::after(Duration::from_secs(1000)),
            cancel: &AtomicBool::new(false),
            otherwise,
            no_cache: false,
        };
        patience.delay(error, tries, &situation)
    }

    #[test]
    fn delays_double_up_to_a_limit_and_end_with_the_tries() {
        let milliseconds: Vec<Option<u128>> = (1..=9)
            .map(|tries| delay(&unreachable(None), tries, Otherwise::Fail))
            .map(|delay| delay.map(|delay| delay.as_millis()))
            .collect();
        let expected = [200, 400, 800, 1600, 3200, 5000, 5000, 5000].map(Some);
        assert_eq!(milliseconds[..8], expected);
        assert_eq!(milliseconds[8], None);
    }

    #[test]
    fn what_a_server_asks_for_is_waited_for_within_limits() {
        let asked = |seconds, otherwise| delay(&unreachable(Some(seconds)), 1, otherwise);
        assert_eq!(asked(30, Otherwise::Fail), Some(Duration::from_secs(30)));
        assert_eq!(asked(31, Otherwise::Fail), None);
        assert_eq!(asked(1, Otherwise::ServeCached), None);
        assert_eq!(asked(0, Otherwise::ServeCached), Some(DELAY));
    }

    #[test]
    fn no_delay_reaches_beyond_the_deadline() {
        let situation = Situation {
            deadline: Deadline::after(Duration::from_secs(9)),
            cancel: &AtomicBool::new(false),
            otherwise: Otherwise::Fail,
            no_cache: false,
        };
        let patience = Patience::default();
        assert_eq!(patience.delay(&unreachable(Some(10)), 1, &situation), None);
        assert!(
            patience
                .delay(&unreachable(Some(1)), 1, &situation)
                .is_some()
        );
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let url = "http://a/".to_owned();
        for error in [
            TransportError::NotFound {
                url: url.clone(),
                status: 404,
            },
            TransportError::Invalid {
                url: url.clone(),
                reason: "a web page".to_owned(),
            },
        ] {
            assert_eq!(delay(&error, 1, Otherwise::Fail), None);
        }
    }

    #[test]
    fn jitter_stays_below_the_longest_delay_and_varies() {
        let longest = Duration::from_secs(5);
        let picked: Vec<Duration> = (0..100).map(|_| full_jitter(longest)).collect();
        assert!(picked.iter().all(|delay| *delay <= longest));
        assert!(picked.iter().any(|delay| *delay != picked[0]));
    }
}
