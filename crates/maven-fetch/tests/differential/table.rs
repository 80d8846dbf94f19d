//! The list of differences in `docs/maven-differences.md` is complete, and all of it is shown.

use std::collections::BTreeSet;

const TABLE: &str = include_str!("../../docs/maven-differences.md");
const SOURCES: [&str; 2] = [include_str!("faults.rs"), include_str!("wire.rs")];

/// A test of another module that shows a difference.
const ELSEWHERE: &str = "an_empty_packaging_is_left_out_by_maven_and_an_error_for_us";

#[test]
fn the_list_of_differences_names_each_test_that_shows_one() {
    let rows = TABLE.lines().filter(|line| line.ends_with("` |"));
    let listed: BTreeSet<_> = rows
        .map(|row| row.trim_end_matches("` |").rsplit('`').next().unwrap())
        .collect();
    let tests = SOURCES
        .iter()
        .flat_map(|source| source.split("#[test]\nfn ").skip(1));
    let mut shown: BTreeSet<_> = tests.map(|rest| rest.split('(').next().unwrap()).collect();
    shown.insert(ELSEWHERE);
    assert_eq!(listed, shown);
}
