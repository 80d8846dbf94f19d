//! Numbers of bytes.

use std::fmt;
use std::str::FromStr;

use crate::model::quantity::{ParseQuantityError, Quantity, quantity};

/// Binary multiples of a byte, largest first.
const BINARY_UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

/// Decimal multiples of a byte, largest first.
const DECIMAL_UNITS: [(&str, u64); 4] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

/// A number of bytes: `512MiB`, `2 GiB`, `100k` (1000), or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(u64);

quantity!(
    Bytes,
    "size",
    "a size such as `512MiB`, `100k` or a whole number of bytes"
);

impl Bytes {
    /// A number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A number of mebibytes.
    pub const fn mebibytes(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// A number of gibibytes.
    pub const fn gibibytes(count: u32) -> Self {
        Self((count as u64) << 30)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = number_and_unit(text);
        let factor = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => Some(1),
            unit => BINARY_UNITS
                .iter()
                .chain(&DECIMAL_UNITS)
                .find(|(name, _)| {
                    let name = name.to_ascii_lowercase();
                    unit == name || Some(unit) == name.strip_suffix('b')
                })
                .map(|(_, factor)| *factor),
        };
        factor
            .and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| Self::refuse(text))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = BINARY_UNITS
            .iter()
            .chain(&DECIMAL_UNITS)
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) => write!(formatter, "{}{name}", self.0 / factor),
            None => write!(formatter, "{}", self.0),
        }
    }
}

/// Splits `2 GiB` into `2` and `GiB`.
fn number_and_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(unit).expect("the unit is its tail");
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("100k", 100_000),
            ("100 kB", 100_000),
            ("512MiB", 512 << 20),
            ("512mi", 512 << 20),
            ("2 GiB", 2 << 30),
            ("17b", 17),
        ] {
            assert_eq!(text.parse(), Ok(Bytes::new(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "12 XB", "20000000TiB", "1 2k"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_says_what_was_expected() {
        let error = serde_json::from_value::<Bytes>("12 XB".into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a size such as `512MiB`, `100k` or a whole number of bytes, found `12 XB`"
        );
        let error = serde_json::from_str::<Bytes>("[]").unwrap_err();
        assert!(error.to_string().contains("expected a size"), "{error}");
    }

    proptest! {
        #[test]
        fn sizes_and_back(bytes: u64, shift in 0_u32..64) {
            let bytes = Bytes::new(bytes >> shift << shift);
            prop_assert_eq!(bytes.to_string().parse(), Ok(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            // Reading must not panic, whatever the text.
            let digits = text.chars().any(|c| c.is_ascii_digit());
            prop_assert!(digits || text.parse::<Bytes>().is_err());
        }
    }
}
