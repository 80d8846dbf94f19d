//! Sizes, spans of time and shares, as people write them in a config file.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;
use serde::de::{self, Visitor};

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

/// Units of time in milliseconds, largest first.
const TIME_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longest span of time in milliseconds: ten years, beyond which a number is a slip.
const SPAN_MILLISECONDS_MAX: u64 = 3650 * 86_400_000;

/// The word for a wait without an end.
const FOREVER: &str = "forever";

/// The word for a threshold that is never reached.
const OFF: &str = "off";

/// A text that is not the quantity that a key takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found `{found}`")]
pub struct ParseQuantityError {
    expected: &'static str,
    found: String,
}

/// A value that is written as a text or as a plain number.
pub(super) trait Quantity: FromStr<Err = ParseQuantityError> {
    /// What is expected, for messages: "a size such as ...".
    const EXPECTED: &'static str;

    /// The error that names what was found instead.
    fn refuse(found: &str) -> ParseQuantityError {
        ParseQuantityError {
            expected: Self::EXPECTED,
            found: found.to_owned(),
        }
    }
}

/// Reads a [`Quantity`] of type `Q`.
pub(super) struct TextOrNumber<Q>(pub(super) PhantomData<Q>);

impl<Q: Quantity> Visitor<'_> for TextOrNumber<Q> {
    type Value = Q;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(Q::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Q, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Q, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Q, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Q, E> {
        self.visit_str(&number.to_string())
    }
}

/// Implements serde and the schema for a type that has `FromStr` and `Display`.
macro_rules! quantity {
    ($type:ident, $title:literal, $expected:literal) => {
        impl Quantity for $type {
            const EXPECTED: &'static str = $expected;
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($crate::model::quantity::TextOrNumber(
                    std::marker::PhantomData,
                ))
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "title": $title, "type": ["string", "number"] })
            }
        }
    };
}
pub(super) use quantity;

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

/// A length of time in whole milliseconds: `60s`, `10m`, `1h30m`, `7d`, or a number of seconds.
///
/// At most ten years; a day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(Duration);

quantity!(
    Span,
    "duration",
    "a duration such as `250ms`, `60s`, `1h30m`, `7d` or a number of seconds"
);

impl Span {
    /// A length of time, cut to whole milliseconds and to the longest.
    pub fn new(duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::milliseconds(milliseconds.min(SPAN_MILLISECONDS_MAX))
    }

    /// A number of milliseconds.
    pub const fn milliseconds(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// A number of seconds.
    pub const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// A number of minutes.
    pub const fn minutes(count: u64) -> Self {
        Self(Duration::from_secs(60 * count))
    }

    /// A number of days of 24 hours.
    pub const fn days(count: u64) -> Self {
        Self(Duration::from_secs(86_400 * count))
    }

    /// The length of time.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || Self::refuse(text);
        let duration = match text.trim().parse::<f64>() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| refused())?,
            Err(_) => SpanParser::new()
                .parse_span(text.trim())
                .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
                .ok()
                .and_then(|duration| Duration::try_from(duration).ok())
                .ok_or_else(refused)?,
        };
        let milliseconds = u64::try_from(duration.as_millis()).map_err(|_| refused())?;
        if milliseconds > SPAN_MILLISECONDS_MAX || (milliseconds == 0 && !duration.is_zero()) {
            return Err(refused());
        }
        Ok(Self::milliseconds(milliseconds))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return formatter.write_str("0s");
        }
        let mut rest = u64::try_from(self.0.as_millis()).expect("at most ten years");
        for (name, length) in TIME_UNITS {
            if rest >= length {
                write!(formatter, "{}{name}", rest / length)?;
                rest %= length;
            }
        }
        Ok(())
    }
}

/// How long something may take: a [`Span`], or `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// At most so long.
    AtMost(Span),
    /// Without an end.
    Forever,
}

quantity!(
    Wait,
    "duration or forever",
    "a duration such as `60s`, `1h30m`, a number of seconds, or `forever`"
);

impl Wait {
    /// The longest wait, if there is one.
    pub const fn limit(self) -> Option<Duration> {
        match self {
            Self::AtMost(span) => Some(span.get()),
            Self::Forever => None,
        }
    }
}

impl FromStr for Wait {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == FOREVER {
            return Ok(Self::Forever);
        }
        text.parse()
            .map(Self::AtMost)
            .map_err(|_| Self::refuse(text))
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(span) => span.fmt(formatter),
            Self::Forever => formatter.write_str(FOREVER),
        }
    }
}

/// A part of a whole, from 0 to 100 per cent: `5%`, or the number alone.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Percent(f64);

quantity!(
    Percent,
    "percentage",
    "a percentage from 0 to 100 such as `5%`"
);

impl Percent {
    /// A whole number of per cent, at most 100.
    pub const fn new(percent: u8) -> Self {
        assert!(percent <= 100, "a part of a whole");
        Self(percent as f64)
    }

    /// The number of per cent, from 0 to 100.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// This part of `whole`, rounded down.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an estimate; the factor is within 0 and 1"
    )]
    pub fn of(self, whole: Bytes) -> Bytes {
        Bytes((whole.0 as f64 * (self.0 / 100.0)) as u64)
    }
}

impl FromStr for Percent {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim();
        let number = number.strip_suffix('%').unwrap_or(number).trim_end();
        match number.parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent)),
            _ => Err(Self::refuse(text)),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}%", self.0)
    }
}

/// A percentage at which something is refused, or `off`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// Refused from here on.
    At(Percent),
    /// Never refused.
    Off,
}

quantity!(
    Threshold,
    "percentage or off",
    "a percentage from 0 to 100 such as `10%`, or `off`"
);

impl FromStr for Threshold {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == OFF {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|_| Self::refuse(text))
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(percent) => percent.fmt(formatter),
            Self::Off => formatter.write_str(OFF),
        }
    }
}

/// An amount that may grow with the machine: `4x` is four for each CPU, `16` is 16 in all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// So much for each CPU.
    EachCpu(f64),
    /// So much in all.
    Total(f64),
}

quantity!(
    Amount,
    "amount",
    "a number above 0, or a multiple of the number of CPUs such as `4x`"
);

impl Amount {
    /// The amount on a machine with so many CPUs.
    pub fn on(self, cpus: u32) -> f64 {
        match self {
            Self::EachCpu(factor) => factor * f64::from(cpus),
            Self::Total(amount) => amount,
        }
    }
}

impl FromStr for Amount {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, make): (_, fn(f64) -> Self) = match text.trim().strip_suffix('x') {
            Some(number) => (number, Self::EachCpu),
            None => (text, Self::Total),
        };
        match number.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => Ok(make(number)),
            _ => Err(Self::refuse(text)),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EachCpu(factor) => write!(formatter, "{factor}x"),
            Self::Total(amount) => write!(formatter, "{amount}"),
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
    fn spans_of_time_are_read_as_people_write_them() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("30", 30_000),
            ("0.25", 250),
            ("250ms", 250),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(text.parse(), Ok(Span::milliseconds(milliseconds)), "{text}");
        }
        for text in [
            "", "10 x", "-5", "-5s", "5m ago", "1mo", "1e300", "NaN", "1us", "100000d", "forever",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wait_without_end_has_no_limit() {
        assert_eq!("forever".parse::<Wait>().unwrap().limit(), None);
        assert_eq!(
            "5s".parse::<Wait>().unwrap().limit(),
            Some(Duration::from_secs(5))
        );
    }

    #[test]
    fn percentages_stay_within_the_whole() {
        assert_eq!("5 %".parse(), Ok(Percent::new(5)));
        assert_eq!("2.5".parse::<Percent>().unwrap().get(), 2.5);
        assert_eq!(Percent::new(5).of(Bytes::new(1000)), Bytes::new(50));
        for text in ["101%", "-1", "x", "%", "NaN", "inf"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_amount_grows_with_the_machine_if_it_says_so() {
        assert_eq!("4x".parse::<Amount>().unwrap().on(8), 32.0);
        assert_eq!("4".parse::<Amount>().unwrap().on(8), 4.0);
        for text in ["0", "0x", "-1x", "x", "infx", "NaN", ""] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
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
        fn spans_and_back(milliseconds in 0..=SPAN_MILLISECONDS_MAX) {
            let span = Span::milliseconds(milliseconds);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            let wait = Wait::AtMost(span);
            prop_assert_eq!(wait.to_string().parse(), Ok(wait));
        }

        #[test]
        fn percentages_and_back(percent in 0.0..=100.0) {
            let percent = Percent(percent);
            prop_assert_eq!(percent.to_string().parse(), Ok(percent));
            let threshold = Threshold::At(percent);
            prop_assert_eq!(threshold.to_string().parse(), Ok(threshold));
        }

        #[test]
        fn amounts_and_back(number in 1e-6..1e9, each: bool) {
            let amount = if each { Amount::EachCpu(number) } else { Amount::Total(number) };
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            // Reading must not panic, whatever the text.
            prop_assert!(text.parse::<Bytes>().is_err() || text.chars().any(|c| c.is_ascii_digit()));
            prop_assert!(text.parse::<Span>().is_err() || text.chars().any(|c| c.is_ascii_digit()));
        }
    }
}
