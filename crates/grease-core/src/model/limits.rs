//! What the kernel holds a job to: resource limits and the I/O scheduling class.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::model::quantity::{Bytes, ParseQuantityError, Quantity, quantity};

/// The word for a resource without a limit.
const UNLIMITED: &str = "unlimited";

/// A resource that setrlimit(2) limits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Address space, bytes.
    As,
    /// Core dump, bytes.
    Core,
    /// CPU time, seconds.
    Cpu,
    /// Data segment, bytes.
    Data,
    /// File size, bytes.
    Fsize,
    /// Locked memory, bytes.
    Memlock,
    /// Open files.
    Nofile,
    /// Processes of the user.
    Nproc,
    /// Stack, bytes.
    Stack,
}

/// A limit of a resource: a number, a size, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most so much, in the resource's unit.
    At(u64),
    /// Without a limit.
    Unlimited,
}

quantity!(
    Limit,
    "number, size or unlimited",
    "a whole number, a size such as `2GiB`, or `unlimited`"
);

impl FromStr for Limit {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == UNLIMITED {
            return Ok(Self::Unlimited);
        }
        text.parse::<Bytes>()
            .map(|bytes| Self::At(bytes.get()))
            .map_err(|_| Self::refuse(text))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(limit) => limit.fmt(formatter),
            Self::Unlimited => formatter.write_str(UNLIMITED),
        }
    }
}

/// An I/O scheduling class of `ioprio_set(2)`, with the level 0 (first) to 7 where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum IoNice {
    /// Only when nobody else wants the disk.
    Idle,
    /// In turn with the others.
    BestEffort(u8),
    /// Before the others; needs privileges.
    Realtime(u8),
}

impl TryFrom<String> for IoNice {
    type Error = ParseIoNiceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (class, level) = text.split_once(':').unwrap_or((&text, ""));
        match (class, level.parse::<u8>().ok().filter(|level| *level <= 7)) {
            ("idle", None) if level.is_empty() => Ok(Self::Idle),
            ("best-effort", Some(level)) => Ok(Self::BestEffort(level)),
            ("realtime", Some(level)) => Ok(Self::Realtime(level)),
            _ => Err(ParseIoNiceError { found: text }),
        }
    }
}

impl From<IoNice> for String {
    fn from(class: IoNice) -> Self {
        match class {
            IoNice::Idle => "idle".to_owned(),
            IoNice::BestEffort(level) => format!("best-effort:{level}"),
            IoNice::Realtime(level) => format!("realtime:{level}"),
        }
    }
}

impl JsonSchema for IoNice {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "IoNice".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "`idle`, `best-effort:0-7` or `realtime:0-7`",
            "type": "string",
            "pattern": "^(idle|(best-effort|realtime):[0-7])$",
        })
    }
}

/// The text names no I/O scheduling class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected `idle`, `best-effort:0` to `best-effort:7` or `realtime:0` to `realtime:7`, found `{found}`"
)]
pub struct ParseIoNiceError {
    found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_io_are_read_and_written() {
        for text in ["idle", "best-effort:0", "best-effort:7", "realtime:3"] {
            assert_eq!(
                String::from(IoNice::try_from(text.to_owned()).unwrap()),
                text
            );
        }
        for text in [
            "",
            "idle:1",
            "idle:9",
            "best-effort",
            "best-effort:8",
            "none",
            "realtime:x",
        ] {
            assert!(IoNice::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_are_read_and_written() {
        assert_eq!("unlimited".parse(), Ok(Limit::Unlimited));
        assert_eq!("2GiB".parse(), Ok(Limit::At(2 << 30)));
        assert_eq!("4096".parse(), Ok(Limit::At(4096)));
        assert!("-1".parse::<Limit>().is_err());
        assert_eq!(
            Limit::At(2 << 30).to_string().parse(),
            Ok(Limit::At(2 << 30))
        );
    }
}
