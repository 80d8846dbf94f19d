//! A command as a list of words.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What a command may be written as.
const EXPECTED: &str = "a command: a list of words, or one text that is split as a shell would";

/// The words of a command, at least one; no shell sees them.
///
/// In the config a list, or one text that is split as a POSIX shell splits words: quotes and
/// backslashes count, nothing is expanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Words(Vec<String>);

impl Words {
    /// The words of a command; `None` if there are none or the first is empty.
    pub fn new(words: Vec<String>) -> Option<Self> {
        words
            .first()
            .is_some_and(|program| !program.is_empty())
            .then_some(Self(words))
    }

    /// Splits `text` into words; `None` if there are none or a quote is left open.
    pub fn split(text: &str) -> Option<Self> {
        Self::new(shlex::split(text)?)
    }

    /// The words.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Words, E> {
        Words::split(text).ok_or_else(|| E::custom(format!("expected {EXPECTED}, found `{text}`")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = list.next_element()? {
            words.push(word);
        }
        Words::new(words).ok_or_else(|| {
            de::Error::custom(format!("expected {EXPECTED}, found one without a program"))
        })
    }
}

impl JsonSchema for Words {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Words".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "command",
            "type": ["string", "array"],
            "items": { "type": "string" },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(json: &str) -> Result<Vec<String>, String> {
        serde_json::from_str::<Words>(json)
            .map(|words| words.as_slice().to_vec())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_text_is_split_and_a_list_is_taken_as_it_is() {
        assert_eq!(
            words(r#""luigi --flag 'a b'""#).unwrap(),
            ["luigi", "--flag", "a b"]
        );
        assert_eq!(
            words(r#"["luigi", "", "a b"]"#).unwrap(),
            ["luigi", "", "a b"]
        );
    }

    #[test]
    fn a_command_without_a_program_is_refused() {
        for json in [
            "[]",
            "\"\"",
            "\"  \"",
            "\"'open\"",
            r#"["", "x"]"#,
            "[1]",
            "1",
            "{}",
        ] {
            assert!(words(json).is_err(), "{json}");
        }
    }
}
