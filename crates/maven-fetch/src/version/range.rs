//! Ranges of versions, such as `[1.0,2.0)`.

use std::fmt;
use std::str::FromStr;

use super::Version;
use crate::coordinates::{Field, check};

/// One or more intervals of versions: `[1.0,2.0)`, `[1.0]`, `[1.2.*]`, `(,1.0],[1.2,)`.
///
/// Square brackets include their bound, round ones exclude it; a bound that is not there is open.
/// `[1.2.*]` means `[1.2.min,1.2.max]`. As in Maven, `[1.0,2.0)` contains `2.0-SNAPSHOT` and
/// `2.0-rc1`, which are lower than `2.0`; `[1.0,2.0-min)` does not.
#[derive(Debug, Clone)]
pub struct VersionRange {
    text: String,
    intervals: Vec<Interval>,
}

#[derive(Debug, Clone)]
struct Interval {
    lower: Option<Bound>,
    upper: Option<Bound>,
    /// Whether it was written as one version in square brackets.
    pinned: bool,
}

#[derive(Debug, Clone)]
struct Bound {
    version: Version,
    inclusive: bool,
}

/// Why a text is not a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// An interval does not end.
    #[error("the range `{range}` has an opening bracket that is not closed")]
    Unclosed {
        /// The whole text.
        range: String,
    },
    /// There is something between or after the intervals.
    #[error("the range `{range}` has `{text}` where `[` or `(` is expected")]
    NoInterval {
        /// The whole text.
        range: String,
        /// What is there instead.
        text: String,
    },
    /// `(1.0)`, which would contain nothing.
    #[error("the range `{range}` has one version that is not in square brackets")]
    SingleExclusive {
        /// The whole text.
        range: String,
    },
    /// `[2.0,1.0]`, which would contain nothing.
    #[error("the range `{range}` has a lower bound above its upper bound")]
    Reversed {
        /// The whole text.
        range: String,
    },
    /// `[1,2,3]`, or a bound with characters that no version has.
    #[error("the range `{range}` has the bound `{bound}`, which is not a version")]
    Bound {
        /// The whole text.
        range: String,
        /// The bound.
        bound: String,
    },
}

impl VersionRange {
    /// Whether a text is meant as a range: it begins with a bracket.
    pub fn is_range(text: &str) -> bool {
        text.starts_with(['[', '('])
    }

    /// Whether a version lies in one of the intervals.
    pub fn contains(&self, version: &Version) -> bool {
        self.intervals
            .iter()
            .any(|interval| interval.contains(version))
    }

    /// The only version that it can mean, if it is of the form `[1.0]`.
    pub fn pinned(&self) -> Option<&str> {
        match self.intervals.as_slice() {
            [
                Interval {
                    lower: Some(bound),
                    pinned: true,
                    upper: _,
                },
            ] => Some(bound.version.as_str()),
            _ => None,
        }
    }

    /// Whether one of its bounds is a snapshot, which says that snapshots are wanted.
    pub fn names_snapshot(&self) -> bool {
        self.intervals
            .iter()
            .flat_map(|interval| [&interval.lower, &interval.upper])
            .flatten()
            .any(|bound| crate::coordinates::is_snapshot(bound.version.as_str()))
    }

    /// The text that it was made of.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for VersionRange {
    type Err = RangeError;

    /// Reads what `GenericVersionScheme` of Maven's resolver reads, except bounds that no version
    /// can be: `[]`, `[1.0 1.1,2.0]`, `[[1.0,2.0]`.
    fn from_str(text: &str) -> Result<Self, RangeError> {
        let range = || text.to_owned();
        let mut intervals = Vec::new();
        let mut rest = text.trim();
        while Self::is_range(rest) || intervals.is_empty() {
            if !Self::is_range(rest) {
                return Err(RangeError::NoInterval {
                    range: range(),
                    text: rest.to_owned(),
                });
            }
            let end = rest
                .find([']', ')'])
                .ok_or_else(|| RangeError::Unclosed { range: range() })?;
            let (interval, after) = rest.split_at(end + 1);
            intervals.push(interval_of(interval, text)?);
            rest = after.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        if !rest.is_empty() {
            return Err(RangeError::NoInterval {
                range: range(),
                text: rest.to_owned(),
            });
        }
        Ok(Self {
            text: range(),
            intervals,
        })
    }
}

impl Interval {
    fn contains(&self, version: &Version) -> bool {
        let above = self.lower.as_ref().is_none_or(|bound| {
            *version > bound.version || (bound.inclusive && *version == bound.version)
        });
        let below = self.upper.as_ref().is_none_or(|bound| {
            *version < bound.version || (bound.inclusive && *version == bound.version)
        });
        above && below
    }
}

/// Reads one interval, brackets included; `range` is the whole text, for the error.
fn interval_of(text: &str, range: &str) -> Result<Interval, RangeError> {
    let lower_inclusive = text.starts_with('[');
    let upper_inclusive = text.ends_with(']');
    let inner = text
        .get(1..text.len() - 1)
        .expect("a bracket is at both ends");
    let Some((lower, upper)) = inner.split_once(',') else {
        if !(lower_inclusive && upper_inclusive) {
            return Err(RangeError::SingleExclusive {
                range: range.to_owned(),
            });
        }
        return single(inner.trim(), range);
    };
    let lower = bound_of(lower.trim(), lower_inclusive, range)?;
    let upper = bound_of(upper.trim(), upper_inclusive, range)?;
    if let (Some(lower), Some(upper)) = (&lower, &upper)
        && upper.version < lower.version
    {
        return Err(RangeError::Reversed {
            range: range.to_owned(),
        });
    }
    Ok(Interval {
        lower,
        upper,
        pinned: false,
    })
}

/// `[1.0]` or `[1.2.*]`, without the brackets.
fn single(text: &str, range: &str) -> Result<Interval, RangeError> {
    if let Some(prefix) = text.strip_suffix(".*") {
        let lower = bound_of(&format!("{prefix}.min"), true, range)?;
        let upper = bound_of(&format!("{prefix}.max"), true, range)?;
        return Ok(Interval {
            lower,
            upper,
            pinned: false,
        });
    }
    match bound_of(text, true, range)? {
        Some(bound) => Ok(Interval {
            lower: Some(bound.clone()),
            upper: Some(bound),
            pinned: true,
        }),
        None => Err(RangeError::Bound {
            range: range.to_owned(),
            bound: String::new(),
        }),
    }
}

/// One bound; none if the text is empty.
fn bound_of(text: &str, inclusive: bool, range: &str) -> Result<Option<Bound>, RangeError> {
    if text.is_empty() {
        return Ok(None);
    }
    if check(Field::Version, text).is_err() {
        return Err(RangeError::Bound {
            range: range.to_owned(),
            bound: text.to_owned(),
        });
    }
    Ok(Some(Bound {
        version: Version::new(text),
        inclusive,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the Java class, see `VersionOracle.java` beside it.
    const ORACLE: &str = include_str!("../../tests/oracle/ranges.tsv");

    #[test]
    fn ranges_contain_what_they_contain_in_mavens_resolver() {
        let mut count = 0;
        for line in ORACLE.lines() {
            let [range, version, expected] = line
                .split('\t')
                .collect::<Vec<_>>()
                .try_into()
                .expect("three columns");
            let found = match range.parse::<VersionRange>() {
                Err(_) => "error",
                Ok(range) if range.contains(&Version::new(version)) => "yes",
                Ok(_) => "no",
            };
            assert_eq!(found, expected, "`{version}` in `{range}`");
            count += 1;
        }
        assert_eq!(count, 50, "the oracle has lost lines");
    }

    #[test]
    fn what_no_version_can_be_is_no_bound() {
        for range in [
            "[]",
            "[ ]",
            "[*]",
            "[1*]",
            "[1.*,2.0)",
            "[[1.0,2.0]",
            "[(1.0,2.0]",
            "[1.0 1.1,2.0]",
        ] {
            let error = range.parse::<VersionRange>().unwrap_err();
            assert!(
                matches!(error, RangeError::Bound { .. }),
                "{range}: {error:?}"
            );
        }
    }

    #[test]
    fn errors_say_what_is_wrong_with_the_range() {
        let message = |range: &str| range.parse::<VersionRange>().unwrap_err().to_string();
        insta::assert_snapshot!(
            ["1.0", "[1.0", "[1.0,2.0)x", "(1.0)", "[2.0,1.0]", "[1,2,3]"].map(message).join("\n"),
            @r"
        the range `1.0` has `1.0` where `[` or `(` is expected
        the range `[1.0` has an opening bracket that is not closed
        the range `[1.0,2.0)x` has `x` where `[` or `(` is expected
        the range `(1.0)` has one version that is not in square brackets
        the range `[2.0,1.0]` has a lower bound above its upper bound
        the range `[1,2,3]` has the bound `2,3`, which is not a version
        "
        );
    }

    #[test]
    fn only_one_version_in_square_brackets_is_pinned() {
        let pinned = |range: &str| {
            range
                .parse::<VersionRange>()
                .unwrap()
                .pinned()
                .map(str::to_owned)
        };
        assert_eq!(pinned("[ 1.0 ]").as_deref(), Some("1.0"));
        for range in ["[1.0,1.0]", "[1.0],[2.0]", "[1.*]", "[1.0,)"] {
            assert_eq!(pinned(range), None, "{range}");
        }
    }
}
