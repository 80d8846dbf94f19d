//! Versions: their order, and ranges of them, as Maven's resolver has them.
//!
//! Maven knows two orders. This is the one of its resolver (`GenericVersion` of
//! `maven-resolver-util`), by which ranges are resolved; `ComparableVersion` of `maven-artifact`
//! serves other plugins and differs from it. Resolvers as old as 1.6 take a version that begins with
//! a word as equal to `0`, which is no order at all; here, as in newer ones, it is lower than one
//! that begins with a number.

use std::cmp::Ordering;
use std::fmt;

mod item;
mod range;

pub use range::{RangeError, VersionRange};

use item::Item;

/// A version, which can be compared with others.
///
/// - `.`, `-`, `_` and each change between digits and other characters separate its items.
/// - Numbers compare as numbers, whatever their size; numbers are higher than words.
/// - `alpha` < `beta` < `milestone` < `rc` = `cr` < `snapshot` < nothing = `ga` = `final` =
///   `release` < `sp` < any other word, such as `jre` or `pre`. Case does not matter.
/// - `a`, `b` and `m` directly before a digit mean `alpha`, `beta` and `milestone`.
/// - `min` and `max` as the last item are lower and higher than all others in their place.
/// - What is missing at the end compares as 0 or as nothing: `1` = `1.0` = `1-ga`.
///
/// ```
/// use maven_fetch::version::Version;
///
/// assert!(Version::new("1.0-rc2") < Version::new("1.0"));
/// assert!(Version::new("1.9") < Version::new("1.10"));
/// assert_eq!(Version::new("1"), Version::new("1.0.0-final"));
/// ```
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    items: Vec<Item>,
}

impl Version {
    /// Takes any text: every text has its place in the order.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            items: item::items(text),
        }
    }

    /// The text that it was made of.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        item::compare(&self.items, &other.items)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By their order, not by their text: `1` equals `1.0`.
impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// Made by the Java class, see `VersionOracle.java` beside it.
    const ORACLE: &str = include_str!("../../tests/oracle/versions.tsv");

    #[test]
    fn the_order_is_that_of_mavens_resolver() {
        let mut count = 0;
        for line in ORACLE.lines() {
            let [left, right, order] = line
                .split('\t')
                .collect::<Vec<_>>()
                .try_into()
                .expect("three columns");
            let expected = match order {
                "<" => Ordering::Less,
                "=" => Ordering::Equal,
                _ => Ordering::Greater,
            };
            let found = Version::new(left).cmp(&Version::new(right));
            assert_eq!(found, expected, "`{left}` against `{right}`");
            count += 1;
        }
        assert_eq!(count, 113, "the oracle has lost lines");
    }

    /// Texts made of the pieces that the rules tell apart.
    fn version() -> impl Strategy<Value = Version> {
        let word = prop::sample::select(vec![
            "0",
            "1",
            "2",
            "10",
            "007",
            "999999999",
            "1000000000",
            "99999999999",
            "a",
            "b",
            "m",
            "alpha",
            "beta",
            "milestone",
            "rc",
            "CR",
            "SNAPSHOT",
            "ga",
            "final",
            "sp",
            "jre",
            "x",
            "min",
            "max",
            "+",
            "é",
            "",
        ]);
        let separator = prop::sample::select(vec!["", ".", "-", "_"]);
        prop::collection::vec((word, separator), 0..5).prop_map(|pieces| {
            let text: String = pieces
                .iter()
                .flat_map(|(word, separator)| [*word, separator])
                .collect();
            Version::new(&text)
        })
    }

    proptest! {
        #[test]
        fn a_version_equals_itself_and_turned_round_the_order_is_reversed(
            left in version(),
            right in version(),
        ) {
            prop_assert_eq!(left.cmp(&left), Ordering::Equal);
            prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
        }

        #[test]
        fn the_order_is_transitive(first in version(), second in version(), third in version()) {
            let mut versions = [first, second, third];
            versions.sort();
            let [low, middle, high] = &versions;
            prop_assert!(low <= middle && middle <= high && low <= high);
            if low == high {
                prop_assert!(low == middle && middle == high);
            }
        }
    }
}
