//! Versions and ranges: the order is one, and a range of one interval has no holes.
//!
//! Input: three versions and a range, a line each.

#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use maven_fetch::version::{Version, VersionRange};

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let mut versions = [next(), next(), next()].map(Version::new);
    let range = next();
    for left in &versions {
        assert_eq!(left.cmp(left), Ordering::Equal);
        for right in &versions {
            assert_eq!(
                left.cmp(right),
                right.cmp(left).reverse(),
                "{left:?} {right:?}"
            );
        }
    }
    versions.sort();
    let [low, middle, high] = &versions;
    assert!(
        low <= middle && middle <= high && low <= high,
        "{versions:?}"
    );
    if low == high {
        assert!(low == middle && middle == high, "{versions:?}");
    }
    if let Ok(range) = range.parse::<VersionRange>() {
        expect_range(&range, &versions);
    }
});

fn expect_range(range: &VersionRange, [low, middle, high]: &[Version; 3]) {
    let text = range.as_str();
    let again: VersionRange = text.parse().unwrap();
    for version in [low, middle, high] {
        assert_eq!(
            range.contains(version),
            again.contains(version),
            "{version} in {text}"
        );
    }
    if let Some(pinned) = range.pinned() {
        assert!(range.contains(&Version::new(pinned)), "{text}");
    }
    let is_single = text.matches([']', ')']).count() == 1;
    if is_single && range.contains(low) && range.contains(high) {
        assert!(range.contains(middle), "{low} {middle} {high} in {text}");
    }
}
