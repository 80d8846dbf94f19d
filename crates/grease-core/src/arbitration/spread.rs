//! How far a scheduled start is put off, so that not all starts of a minute come at once.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::config::{Jitter, JitterMode};

/// The delay of a start; `draw` is a random number from 0 to below 1.
///
/// In mode `bid` it is that of an idle host; see [`bid`].
pub fn delay(jitter: &Jitter, host: &str, key: &str, draw: f64) -> Duration {
    match jitter.mode {
        JitterMode::None => Duration::ZERO,
        JitterMode::Hash => share(jitter.max.get(), of_hash(host, key)),
        JitterMode::Random => share(jitter.max.get(), draw),
        JitterMode::Bid => bid(jitter, 0.0, 0, 1.0, draw),
    }
}

/// The delay of a start that other hosts may make as well: the longer, the more loaded the host.
///
/// The load may rise while it is slept for, by the same starts that this one is: the caller asks
/// again, and sleeps what [`remaining`] says.
pub fn bid(jitter: &Jitter, load: f64, waiting: usize, capacity: f64, draw: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "there are not that many")]
    let appetite = (load + waiting as f64) / capacity;
    let max = jitter.max.get();
    let noise = share(jitter.noise.get(), draw);
    share(max, appetite).saturating_add(noise).min(max)
}

/// What is left to sleep of a bid; none if it is over.
pub fn remaining(bid: Duration, slept: Duration) -> Option<Duration> {
    let left = bid.saturating_sub(slept);
    (left > GRAIN).then_some(left)
}

/// A rest that is not worth another sleep.
const GRAIN: Duration = Duration::from_millis(20);

/// A number from 0 to below 1 that is always the same for a job and a host.
fn of_hash(host: &str, key: &str) -> f64 {
    let mut hash = Sha256::new();
    // The length keeps `ab` and `c` apart from `a` and `bc`.
    hash.update((host.len() as u64).to_be_bytes());
    hash.update(host);
    hash.update(key);
    let [a, b, c, d, ..] = hash.finalize()[..] else {
        return 0.0;
    };
    f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
}

/// A part of a time; what makes no sense is none of it, or all.
fn share(whole: Duration, part: f64) -> Duration {
    if part.is_nan() {
        return Duration::ZERO;
    }
    whole.mul_f64(part.clamp(0.0, 1.0))
}
