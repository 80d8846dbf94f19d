//! One line of an index file, borrowed from the file's bytes.
//!
//! Fields as in `docs/formats.md`; of any version, and of any event: what an event does not have is
//! absent.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use crate::model::RunId;

/// A text, borrowed where it stands without escapes. (`Option<Cow<str>>` would never borrow.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Cow<'de, str>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Borrow).map(Self)
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A line of an index file.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) event: Text<'a>,
    #[serde(borrow)]
    pub(super) run: Text<'a>,
    #[serde(borrow)]
    pub(super) job: Text<'a>,
    #[serde(borrow)]
    pub(super) time: Text<'a>,
    #[serde(borrow, default)]
    pub(super) user: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) host: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) boot: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) start: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) trigger: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) runner: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) artifact: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) log: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) result: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) error: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) msg: Option<Text<'a>>,
    #[serde(default)]
    pub(super) exit: Option<i64>,
    #[serde(default)]
    pub(super) signal: Option<i64>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) log_bytes: Option<u64>,
    #[serde(default)]
    pub(super) omitted_bytes: u64,
}

/// What a run used.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub(super) struct Usage {
    #[serde(default)]
    pub(super) duration_ms: u64,
    #[serde(default)]
    pub(super) cpu_ms: u64,
    #[serde(default)]
    pub(super) maxrss_kb: u64,
    #[serde(default)]
    pub(super) tree_rss_kb: u64,
}

impl<'a> Line<'a> {
    /// Reads a line; none for what is none: torn, overwritten by NULs, or somebody else's.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?; // Once, and not for each text in it.
        serde_json::from_str(text).ok()
    }

    /// The run's id.
    pub(super) fn id(&self) -> Option<RunId> {
        self.run.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_borrowed_unless_they_have_escapes() {
        let line =
            br#"{"v":1,"event":"end","run":"R","job":"a\nb","time":"t","later":[1],"exit":3}"#;
        let line = Line::parse(line).unwrap();
        assert!(matches!(line.event.0, Cow::Borrowed("end")));
        assert_eq!(&*line.job, "a\nb");
        assert_eq!((line.exit, line.user), (Some(3), None));
    }

    #[test]
    fn what_is_no_event_is_passed_over() {
        for garbage in [
            &b""[..],
            b"\0\0\0",
            b"{\"v\":1,\"event\":\"end\",\"ru",
            b"[]",
            b"\xff{}",
        ] {
            assert!(Line::parse(garbage).is_none(), "{garbage:?}");
        }
    }
}
