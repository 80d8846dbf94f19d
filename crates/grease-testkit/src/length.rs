//! How long loops, chaos and fuzzing go on: one variable for all of them.

/// Multiplies the number of rounds of every long test; 1 if absent, set by `cargo xtask soak`.
pub const LENGTH_VARIABLE: &str = "SCALEGREASE_LENGTH";

/// The number of rounds for a test that does `short` of them in an ordinary run.
///
/// # Panics
///
/// When `SCALEGREASE_LENGTH` is set to something other than a whole number above zero.
pub fn rounds(short: u32) -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate stands below `sys::env`"
    )]
    let value = std::env::var(LENGTH_VARIABLE).unwrap_or_default();
    times(short, &value)
}

fn times(short: u32, multiplier: &str) -> u32 {
    let multiplier = match multiplier {
        "" => 1,
        text => text
            .parse::<std::num::NonZeroU32>()
            .expect("`SCALEGREASE_LENGTH` is a whole number above zero")
            .get(),
    };
    short.saturating_mul(multiplier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_multiplied_and_never_overflow() {
        for (short, multiplier, expected) in [
            (7, "", 7),
            (7, "1", 7),
            (7, "20", 140),
            (u32::MAX, "2", u32::MAX),
        ] {
            assert_eq!(times(short, multiplier), expected);
        }
    }
}
