//! When something that failed is tried again.

use std::time::Duration;

use rustix::io::Errno;

use super::mirror::Fault;

/// Part of a pause that is left to chance, so that a farm does not come back as one.
const JITTER: f64 = 0.2;

/// Whether an error is of the place where something is to be, and says nothing of others.
pub(super) fn is_of_one_place(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ACCESS | Errno::PERM | Errno::ISDIR | Errno::NOTDIR | Errno::EXIST | Errno::LOOP
    )
}

/// First pause and longest one, by what went wrong.
fn pauses(fault: &Fault) -> (Duration, Duration) {
    let minute = Duration::from_mins(1);
    match fault {
        // Somebody has to do something about it.
        Fault::Share(Errno::ACCESS | Errno::PERM | Errno::ROFS) => (minute, 5 * minute),
        Fault::Share(Errno::NOSPC | Errno::DQUOT) | Fault::Local(_) => (minute, minute),
        Fault::Share(_) => (Duration::from_secs(1), minute),
        Fault::Surprise(_) => (Duration::from_millis(50), minute),
    }
}

/// Until when something is left alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Patience {
    failures: u32,
    /// Why the share refused it last, in words.
    why: Option<String>,
    /// Time since boot.
    until: Duration,
}

impl Patience {
    pub(super) fn is_over(&self, now: Duration) -> bool {
        now >= self.until
    }

    pub(super) fn until(&self) -> Duration {
        self.until
    }

    /// Whether it failed when it was tried last.
    pub(super) fn is_tried(&self) -> bool {
        self.failures > 0
    }

    /// Why the share refuses it, until it went well.
    pub(super) fn why(&self) -> Option<&String> {
        self.why.as_ref()
    }

    pub(super) fn is_refused(&mut self, why: String) {
        self.why = Some(why);
    }

    pub(super) fn went_well(&mut self) {
        *self = Self::default();
    }

    /// It failed; `draw` is a random number from 0 to below 1.
    pub(super) fn went_wrong(&mut self, now: Duration, fault: &Fault, draw: f64) {
        let (first, longest) = pauses(fault);
        let pause = first
            .saturating_mul(1 << self.failures.min(16))
            .min(longest);
        self.failures += 1;
        self.until = now + pause.mul_f64(1.0 - JITTER * draw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_that_depends_on_what_went_wrong() {
        for (fault, expected) in [
            (Fault::Share(Errno::IO), [1, 2, 4, 8, 16, 32, 60, 60]),
            (Fault::Share(Errno::NOSPC), [60; 8]),
            (
                Fault::Share(Errno::ROFS),
                [60, 120, 240, 300, 300, 300, 300, 300],
            ),
        ] {
            let mut patience = Patience::default();
            for seconds in expected {
                patience.went_wrong(Duration::ZERO, &fault, 0.0);
                assert_eq!(patience.until, Duration::from_secs(seconds), "{fault:?}");
            }
            assert!(!patience.is_over(Duration::from_millis(500)));
            patience.went_well();
            assert!(patience.is_over(Duration::ZERO));
        }
    }

    #[test]
    fn chance_shortens_a_pause_by_a_fifth_at_most() {
        let mut patience = Patience::default();
        patience.went_wrong(Duration::ZERO, &Fault::Share(Errno::NOSPC), 0.999);
        assert!(patience.until > Duration::from_secs(48));
    }
}
