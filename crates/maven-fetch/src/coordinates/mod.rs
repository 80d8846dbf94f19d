//! What is asked for: an artifact's coordinates, in the three orders that people write.

use std::fmt;

use crate::version::VersionRange;

mod field;
mod packaging;
mod parse;
mod resolved;

pub use field::{FIELD_LENGTH_MAX, Field, FieldError, check};
pub use parse::{CoordinatesError, Defaults, Order};
pub use resolved::{Resolved, base_version, is_snapshot};

/// What is asked for.
///
/// Made by [`Coordinates::parse`], which lets nothing through that could leave a repository when
/// it becomes a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coordinates {
    /// Group, such as `com.acme`.
    pub group: String,
    /// Artifact, such as `etl`.
    pub artifact: String,
    /// Version, as asked for.
    pub version: VersionRequest,
    /// File name extension, such as `jar`.
    pub extension: String,
    /// Classifier, such as `jar-with-dependencies`.
    pub classifier: Option<String>,
}

/// The version that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum VersionRequest {
    /// What the repositories call the latest: `LATEST`.
    Latest,
    /// What the repositories call the latest release: `RELEASE`.
    Release,
    /// The highest version within a range such as `[1.0,2.0)`.
    Range(String),
    /// The newest build of a snapshot version, such as `1.0-SNAPSHOT`.
    Snapshot(String),
    /// One version: a release, or a snapshot with its time stamp.
    Exact(String),
}

impl Coordinates {
    /// Reads coordinates in any of the three orders, see [`Order`].
    pub fn parse(text: &str, defaults: &Defaults) -> Result<Self, CoordinatesError> {
        parse::coordinates(text, defaults, None)
    }

    /// Reads coordinates in one order.
    pub fn parse_as(
        order: Order,
        text: &str,
        defaults: &Defaults,
    ) -> Result<Self, CoordinatesError> {
        parse::coordinates(text, defaults, Some(order))
    }

    /// The directory of all versions below a repository, such as `com/acme/etl`; metadata about
    /// the artifact is in it.
    pub fn directory(&self) -> String {
        format!("{}/{}", self.group.replace('.', "/"), self.artifact)
    }

    /// The directory of one version, such as `com/acme/etl/1.0-SNAPSHOT`; metadata about a
    /// snapshot's builds is in it.
    pub fn version_directory(&self, base_version: &str) -> String {
        format!("{}/{base_version}", self.directory())
    }

    /// The artifact of these coordinates in one version, such as one that metadata names.
    pub fn resolved(&self, version: &str) -> Result<Resolved, FieldError> {
        check(Field::Version, version)?;
        Ok(Resolved {
            group: self.group.clone(),
            artifact: self.artifact.clone(),
            version: version.to_owned(),
            extension: self.extension.clone(),
            classifier: self.classifier.clone(),
        })
    }
}

impl fmt::Display for Coordinates {
    /// The plugin's order with all fields; nothing after the last colon means no classifier.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            artifact,
            version,
            extension,
            classifier,
        } = self;
        resolved::write_fields(
            formatter,
            [group, artifact, version.as_str(), extension],
            classifier.as_deref(),
        )
    }
}

impl VersionRequest {
    /// Tells what kind of version a text is; a range that pins one version is that version.
    pub fn of(text: &str) -> Result<Self, CoordinatesError> {
        if VersionRange::is_range(text) {
            let range: VersionRange = text.parse().map_err(CoordinatesError::Range)?;
            return match range.pinned() {
                Some(version) => Self::of(version),
                None => Ok(Self::Range(text.to_owned())),
            };
        }
        check(Field::Version, text).map_err(CoordinatesError::Field)?;
        Ok(match text {
            "LATEST" => Self::Latest,
            "RELEASE" => Self::Release,
            _ if text.ends_with(resolved::SNAPSHOT) => Self::Snapshot(text.to_owned()),
            _ => Self::Exact(text.to_owned()),
        })
    }

    /// As it is written in coordinates.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Latest => "LATEST",
            Self::Release => "RELEASE",
            Self::Range(text) | Self::Snapshot(text) | Self::Exact(text) => text,
        }
    }
}

impl fmt::Display for VersionRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
