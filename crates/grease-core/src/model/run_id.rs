//! The name of one run.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

/// Crockford's base32 alphabet, as ULID uses it.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The value of each character in it, and in its small letters; 32 for what is not in it.
const VALUES: [u8; 256] = {
    let mut values = [32; 256];
    let mut value = 0;
    while value < 32 {
        let digit = ALPHABET[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_lowercase() as usize] = value;
        value += 1;
    }
    values
};

/// Characters of a run id: 128 bits of 5 each, rounded up.
const LENGTH: usize = 26;

/// The id of one run: a `UUIDv7`, shown as the 26 characters of a ULID.
///
/// Sorts by time as text, is one word for a double click, and is at the same time a UUID and
/// an OpenTelemetry trace id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Uuid);

impl RunId {
    /// Draws a new id; two draws differ, on whatever host.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// When it was drawn, in milliseconds; `None` for bits that are no time.
    pub fn drawn_at(self) -> Option<Timestamp> {
        let (seconds, nanoseconds) = self.0.get_timestamp()?.to_unix();
        let seconds = i64::try_from(seconds).ok()?;
        Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()
    }

    /// A number from 0 to below 1 that is as random as the id.
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
    pub fn draw(self) -> f64 {
        let random = self.0.as_u128() & u128::from(u32::MAX);
        random as f64 / (f64::from(u32::MAX) + 1.0)
    }

    /// The same 128 bits as a UUID.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.as_u128();
        for position in (0..LENGTH).rev() {
            let digit = usize::try_from((bits >> (5 * position)) & 31).expect("five bits");
            write!(formatter, "{}", char::from(ALPHABET[digit]))?;
        }
        Ok(())
    }
}

impl FromStr for RunId {
    type Err = ParseRunIdError;

    /// Parses the 26 characters that `Display` writes, without case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != LENGTH {
            return Err(ParseRunIdError);
        }
        let mut bits: u128 = 0;
        for byte in text.bytes() {
            let digit = VALUES[usize::from(byte)];
            if digit == 32 || bits >> 123 != 0 {
                return Err(ParseRunIdError); // 26 digits hold 130 bits; two would be lost.
            }
            bits = (bits << 5) | u128::from(digit);
        }
        Ok(Self(Uuid::from_u128(bits)))
    }
}

/// The text is not 26 characters of Crockford's base32 within 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a run id: 26 characters of 0-9 and A-Z without I, L, O and U are expected")]
pub struct ParseRunIdError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sorts_by_time_as_text() {
        let ids: Vec<String> = (0..1000).map(|_| RunId::new().to_string()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn an_id_tells_when_it_was_drawn() {
        let drawn = RunId::new().drawn_at().unwrap();
        let ago = Timestamp::now().duration_since(drawn);
        assert!(ago.as_secs().abs() < 60, "{drawn}");
    }

    #[test]
    fn more_than_128_bits_are_refused() {
        assert!("7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<RunId>().is_ok());
        assert!("80000000000000000000000000".parse::<RunId>().is_err());
    }

    proptest! {
        #[test]
        fn text_and_back(bits: u128) {
            let id = RunId(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
        }
    }
}
