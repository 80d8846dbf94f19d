//! Parts of a whole, and amounts that grow with the machine.

use std::fmt;
use std::str::FromStr;

use crate::model::quantity::{Bytes, ParseQuantityError, Quantity, quantity};

/// The word for a threshold that is never reached.
const OFF: &str = "off";

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
        Bytes::new((whole.get() as f64 * (self.0 / 100.0)) as u64)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentages_stay_within_the_whole() {
        assert_eq!("5 %".parse(), Ok(Percent::new(5)));
        assert_eq!("2.5".parse(), Ok(Percent(2.5)));
        assert_eq!(Percent::new(5).of(Bytes::new(1000)), Bytes::new(50));
        for text in ["101%", "-1", "x", "%", "NaN", "inf"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_amount_grows_with_the_machine_if_it_says_so() {
        assert_eq!("4x".parse(), Ok(Amount::EachCpu(4.0)));
        assert_eq!("4".parse(), Ok(Amount::Total(4.0)));
        assert!(Amount::EachCpu(4.0).on(8) > 31.9 && Amount::Total(4.0).on(8) < 4.1);
        for text in ["0", "0x", "-1x", "x", "infx", "NaN", ""] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }

    proptest! {
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
    }
}
