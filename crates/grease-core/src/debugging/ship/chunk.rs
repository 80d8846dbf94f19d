//! How much is written at once: as much as the share takes in a moment.

use std::time::Duration;

/// Least and most: a slow share must not keep a failure's reason waiting behind a log, and a fast one
/// need not be asked more often than that.
const BYTES: (usize, usize) = (4 * 1024, 256 * 1024);

/// A write that lasts longer was too long, one that lasts shorter could have been longer.
const LASTS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(50));

/// How much is written at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk(usize);

impl Chunk {
    pub(super) fn new() -> Self {
        Self(64 * 1024)
    }

    pub(super) fn bytes(self) -> usize {
        self.0
    }

    /// To write so many bytes has taken so long.
    pub(super) fn took(&mut self, lasted: Duration, bytes: u64) {
        if lasted > LASTS.0 {
            self.0 = (self.0 / 2).max(BYTES.0);
        } else if lasted < LASTS.1 && bytes >= self.0 as u64 {
            self.0 = (self.0 * 2).min(BYTES.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_share_is_given_less_and_a_fast_one_more() {
        let mut chunk = Chunk::new();
        for _ in 0..10 {
            chunk.took(Duration::from_secs(6), 1);
        }
        assert_eq!(chunk.bytes(), BYTES.0);
        for _ in 0..10 {
            chunk.took(Duration::from_millis(1), 1 << 20);
        }
        assert_eq!(chunk.bytes(), BYTES.1);
    }
}
