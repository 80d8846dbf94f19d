//! Lengths of time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;

use crate::model::quantity::{ParseQuantityError, Quantity, quantity};

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    proptest! {
        #[test]
        fn spans_and_back(milliseconds in 0..=SPAN_MILLISECONDS_MAX) {
            let span = Span::milliseconds(milliseconds);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            let wait = Wait::AtMost(span);
            prop_assert_eq!(wait.to_string().parse(), Ok(wait));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            // Reading must not panic, whatever the text.
            let digits = text.chars().any(|c| c.is_ascii_digit());
            prop_assert!(digits || text.parse::<Span>().is_err());
        }
    }
}
