//! What a record says, and when it still holds.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::coordinates::Resolved;
use crate::local::{FileFacts, Known};
use crate::transport::Validators;

/// What was learnt about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileRecord {
    /// What the file system said when it was published.
    pub facts: FileFacts,
    /// What tells the repository which state of the file it is.
    pub validators: Validators,
    /// SHA-1, in lower-case hexadecimal digits.
    pub sha1: String,
    /// SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// When it came.
    pub fetched_at: Timestamp,
    /// When the repository last confirmed it.
    pub checked_at: Timestamp,
    /// All of it, if it is metadata: what is here when a repository gives something useless, and
    /// when another program has deleted the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

impl FileRecord {
    /// The validators, if the file at `path` is still the one that they describe: else the answer
    /// that nothing has changed would be about something that is no longer here.
    pub fn validators_for(&self, path: &Path) -> Option<&Validators> {
        FileFacts::of(path)
            .is_ok_and(|facts| facts == self.facts)
            .then_some(&self.validators)
    }

    /// What a look-up needs to know about the file.
    pub fn known(&self) -> Known<'_> {
        Known {
            facts: &self.facts,
            sha1: &self.sha1,
        }
    }
}

/// What a specification was last resolved to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resolution {
    /// The artifact.
    #[serde(with = "ResolvedFields")]
    pub resolved: Resolved,
    /// Id of the repository that supplied the version.
    pub repository_id: String,
    /// The file.
    pub path: PathBuf,
    /// What the file system said about it.
    pub facts: FileFacts,
    /// SHA-1, in lower-case hexadecimal digits.
    pub sha1: String,
    /// SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// When the oldest of the answers behind it was given: from then on it is as fresh as they.
    pub checked_at: Timestamp,
    /// Files on which the answer depends beside it, as they were then; none where there was none.
    #[serde(default)]
    pub witnesses: Vec<(PathBuf, Option<FileFacts>)>,
    /// Whether it was certain. Else it is higher than the last one that was, at `checked_at`, and
    /// is remembered so that the version does not go down.
    #[serde(default = "certain")]
    pub certain: bool,
}

/// What is true of records that do not say it: only certain ones were written.
fn certain() -> bool {
    true
}

impl Resolution {
    /// Tells whether the file is here as it was, and all that the answer depends on.
    pub fn is_intact(&self) -> bool {
        FileFacts::of(&self.path).is_ok_and(|facts| facts == self.facts)
            && self
                .witnesses
                .iter()
                .all(|(path, facts)| FileFacts::of(path).ok() == *facts)
    }
}

/// The fields of [`Resolved`] as they are written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Resolved", rename_all = "kebab-case")]
struct ResolvedFields {
    group: String,
    artifact: String,
    version: String,
    extension: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classifier: Option<String>,
}

/// A host that did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outage {
    /// Until when it is left alone.
    pub down_until: Timestamp,
    /// How often it failed in a row.
    pub failures: u32,
    /// What happened last.
    pub reason: String,
}
