//! Patterns over names of jobs and projects.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A pattern in which `*` stands for any characters, also none, and `?` for one.
///
/// Every other character stands for itself; the pattern covers the whole name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// A pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern names one thing only.
    pub fn is_literal(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Whether `name` is covered; takes time in proportion to both lengths at most.
    pub fn matches(&self, name: &str) -> bool {
        // reached[i]: the first i characters of the name are covered by the pattern so far.
        let name: Vec<char> = name.chars().collect();
        let mut reached = vec![false; name.len() + 1];
        reached[0] = true;
        for wanted in self.0.chars() {
            if wanted == '*' {
                let first = reached.iter().position(|covered| *covered);
                reached[first.unwrap_or(name.len() + 1).min(name.len() + 1)..].fill(true);
            } else {
                for index in (0..name.len()).rev() {
                    reached[index + 1] = reached[index] && (wanted == '?' || wanted == name[index]);
                }
                reached[0] = false;
            }
        }
        reached[name.len()]
    }
}

impl JsonSchema for Glob {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Glob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "pattern", "type": "string", "minLength": 1 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        for (pattern, name, expected) in [
            ("com.acme:backfill*", "com.acme:backfill-eu", true),
            ("com.acme:backfill*", "com.acme:backfill", true),
            ("com.acme:backfill*", "com.acme:etl", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a.c", "abc", false),
            ("[ab]", "a", false),
            ("ö?", "öä", true),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_literal_covers_itself_only(name in "[a-c:.]{0,8}", other in "[a-c:.]{0,8}") {
            let glob = Glob::new(name.clone());
            prop_assert!(glob.is_literal());
            prop_assert_eq!(glob.matches(&other), name == other);
        }

        #[test]
        fn what_stands_around_a_star_must_be_there(
            head in "[ab]{0,4}", middle in "[ab]{0,4}", tail in "[ab]{0,4}",
        ) {
            let glob = Glob::new(format!("{head}*{tail}"));
            prop_assert!(glob.matches(&format!("{head}{middle}{tail}")), "{:?}", glob);
        }
    }
}
