//! `maven-metadata.xml`: what a repository says it has.
//!
//! There are two kinds, in two places: beside the versions of an artifact it names them
//! ([`ArtifactMetadata`]); beside the files of a snapshot version it names the builds
//! ([`SnapshotMetadata`]). Both are read leniently, as to what is in them and in which order, and
//! accepted strictly: a login page, half a file, or the metadata of something else must never
//! replace what is known.
//!
//! Format: <https://maven.apache.org/ref/current/maven-repository-metadata/repository-metadata.html>

mod error;

use roxmltree::{Document, Node};

use crate::coordinates::{Coordinates, FIELD_LENGTH_MAX, Field, base_version, check};
use crate::xml::{self, Fault, Limits};

pub use error::MetadataError;

/// Largest metadata that is read, in bytes: 200,000 versions have about 8 MB.
pub const METADATA_BYTES_MAX: usize = 16 << 20;

/// Most versions or builds that are read; the largest known artifacts have about 30,000.
pub const VERSIONS_MAX: usize = 200_000;

/// Most that is parsed: elements, texts and blanks of [`VERSIONS_MAX`], with room for others.
/// Attributes are of the first line and of the root only, seven together.
const LIMITS: Limits = Limits {
    nodes: 2_000_000,
    attributes: 64,
};

/// What a repository says about the versions of an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArtifactMetadata {
    /// The version that it calls the latest.
    pub latest: Option<String>,
    /// The version that it calls the latest release.
    pub release: Option<String>,
    /// All versions, as far as they can be versions; snapshots without their time stamps.
    pub versions: Vec<String>,
    /// When it was written, as `yyyyMMddHHmmss`; compared as text, as Maven does.
    pub last_updated: Option<String>,
}

/// What a repository says about the builds of a snapshot version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotMetadata {
    /// The newest build, whatever files it has; as a version, such as `1.0-20240102.030405-7`.
    /// The base version itself if builds have no time stamps there.
    pub newest: Option<String>,
    /// The newest build of each file. Empty as Maven 2 wrote it.
    pub builds: Vec<Build>,
    /// When it was written, as `yyyyMMddHHmmss`; compared as text, as Maven does.
    pub last_updated: Option<String>,
}

/// The newest build of one file of a snapshot version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Classifier; none for the artifact itself.
    pub classifier: Option<String>,
    /// File name extension.
    pub extension: String,
    /// The version in the file's name, such as `1.0-20240102.030405-7`.
    pub version: String,
    /// When it was deployed, as `yyyyMMddHHmmss`.
    pub updated: Option<String>,
}

/// Metadata that says when it was written.
pub(crate) trait Dated {
    /// As `yyyyMMddHHmmss`; compared as text, as Maven does.
    fn last_updated(&self) -> Option<&str>;
}

impl Dated for ArtifactMetadata {
    fn last_updated(&self) -> Option<&str> {
        self.last_updated.as_deref()
    }
}

impl Dated for SnapshotMetadata {
    fn last_updated(&self) -> Option<&str> {
        self.last_updated.as_deref()
    }
}

impl ArtifactMetadata {
    /// Reads metadata that was asked for, and accepts it if it is complete, about these
    /// coordinates, and names at least one version.
    ///
    /// A listed version that cannot be one is left out: it cannot be asked for either.
    pub fn accept(coordinates: &Coordinates, bytes: &[u8]) -> Result<Self, MetadataError> {
        let text = text_of(bytes)?;
        let document = document_of(text)?;
        let root = root_of(&document, coordinates, None)?;
        let Some(versioning) = child(root, "versioning") else {
            return Err(MetadataError::Nothing);
        };
        let metadata = Self {
            latest: named_version(versioning, "latest")?,
            release: named_version(versioning, "release")?,
            versions: listed_versions(versioning)?,
            last_updated: text_in(versioning, "lastUpdated"),
        };
        let names_none = metadata.latest.is_none() && metadata.release.is_none();
        if names_none && metadata.versions.is_empty() {
            return Err(MetadataError::Nothing);
        }
        Ok(metadata)
    }
}

impl SnapshotMetadata {
    /// Reads metadata that was asked for, and accepts it if it is complete, about this version,
    /// such as `1.0-SNAPSHOT`, and names at least one build of it.
    pub fn accept(
        coordinates: &Coordinates,
        version: &str,
        bytes: &[u8],
    ) -> Result<Self, MetadataError> {
        let text = text_of(bytes)?;
        let document = document_of(text)?;
        let root = root_of(&document, coordinates, Some(version))?;
        let Some(versioning) = child(root, "versioning") else {
            return Err(MetadataError::Nothing);
        };
        let metadata = Self {
            newest: newest_build(versioning, version)?,
            builds: builds(versioning, version)?,
            last_updated: text_in(versioning, "lastUpdated"),
        };
        if metadata.newest.is_none() && metadata.builds.is_empty() {
            return Err(MetadataError::Nothing);
        }
        Ok(metadata)
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, MetadataError> {
    if bytes.len() > METADATA_BYTES_MAX {
        return Err(MetadataError::TooLarge {
            limit: METADATA_BYTES_MAX,
            unit: "bytes",
        });
    }
    let text = xml::text_of(bytes).map_err(|not_utf_8| MetadataError::Encoding {
        encoding: not_utf_8.encoding,
    })?;
    let text = text.trim_start();
    if text.is_empty() {
        return Err(MetadataError::Empty);
    }
    let is_html = |start: &str| {
        text.get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    };
    if is_html("<!doctype html") || is_html("<html") {
        return Err(MetadataError::Html);
    }
    Ok(text)
}

fn document_of(text: &str) -> Result<Document<'_>, MetadataError> {
    xml::parse(text, LIMITS).map_err(|fault| match fault {
        Fault::Nodes => MetadataError::TooLarge {
            limit: LIMITS.nodes as usize,
            unit: "nodes",
        },
        Fault::Attributes => MetadataError::TooLarge {
            limit: LIMITS.attributes,
            unit: "attributes",
        },
        Fault::DocumentType { .. } => MetadataError::DocumentType,
        Fault::Syntax { problem, .. } => MetadataError::Malformed { problem },
    })
}

/// The root element, if it is about what was asked for. What it does not say is not wrong.
fn root_of<'a>(
    document: &'a Document<'_>,
    coordinates: &Coordinates,
    version: Option<&str>,
) -> Result<Node<'a, 'a>, MetadataError> {
    let root = document.root_element();
    let name = root.tag_name().name();
    if name != "metadata" {
        return Err(MetadataError::Root {
            name: beginning(name),
        });
    }
    for (field, element, expected) in [
        (Field::Group, "groupId", Some(coordinates.group.as_str())),
        (
            Field::Artifact,
            "artifactId",
            Some(coordinates.artifact.as_str()),
        ),
        (Field::Version, "version", version),
    ] {
        if let (Some(found), Some(expected)) = (text_in(root, element), expected)
            && found != expected
        {
            return Err(MetadataError::Other {
                field,
                found: beginning(&found),
                expected: expected.to_owned(),
            });
        }
    }
    Ok(root)
}

/// As much of a text as an error shows of it, without what would move a terminal's cursor.
fn beginning(text: &str) -> String {
    text.chars()
        .take(FIELD_LENGTH_MAX)
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

/// A version that is named alone: if it is none, the whole is not to be trusted.
fn named_version(parent: Node<'_, '_>, element: &str) -> Result<Option<String>, MetadataError> {
    let Some(version) = text_in(parent, element) else {
        return Ok(None);
    };
    check_version(&version)?;
    Ok(Some(version))
}

fn check_version(version: &str) -> Result<(), MetadataError> {
    check(Field::Version, version).map_err(MetadataError::Version)
}

fn listed_versions(versioning: Node<'_, '_>) -> Result<Vec<String>, MetadataError> {
    let listed = child(versioning, "versions")
        .into_iter()
        .flat_map(|list| children(list, "version"));
    let versions: Vec<String> = listed
        .take(VERSIONS_MAX + 1)
        .filter_map(text)
        .filter(|version| check_version(version).is_ok())
        .collect();
    if versions.len() > VERSIONS_MAX {
        return Err(MetadataError::TooLarge {
            limit: VERSIONS_MAX,
            unit: "versions",
        });
    }
    Ok(versions)
}

/// The build that `<snapshot>` names, or the base version if it names none but is there.
fn newest_build(versioning: Node<'_, '_>, version: &str) -> Result<Option<String>, MetadataError> {
    let Some(snapshot) = child(versioning, "snapshot") else {
        return Ok(None);
    };
    let is_local = text_in(snapshot, "localCopy").is_some_and(|text| text == "true");
    // As in Maven, what is no number is none.
    let number = text_in(snapshot, "buildNumber").and_then(|text| text.parse::<u64>().ok());
    let (Some(timestamp), Some(number)) = (text_in(snapshot, "timestamp"), number) else {
        return Ok(Some(version.to_owned()));
    };
    if is_local || number == 0 {
        return Ok(Some(version.to_owned()));
    }
    let prefix = version.strip_suffix("SNAPSHOT").unwrap_or(version);
    build_of(version, format!("{prefix}{timestamp}-{number}")).map(Some)
}

fn builds(versioning: Node<'_, '_>, version: &str) -> Result<Vec<Build>, MetadataError> {
    let list = child(versioning, "snapshotVersions").into_iter();
    let listed = list
        .flat_map(|list| children(list, "snapshotVersion"))
        .take(VERSIONS_MAX + 1);
    let mut builds = Vec::new();
    for entry in listed {
        let Some(value) = text_in(entry, "value") else {
            continue;
        };
        builds.push(Build {
            classifier: text_in(entry, "classifier"),
            extension: text_in(entry, "extension").unwrap_or_default(),
            version: build_of(version, value)?,
            updated: text_in(entry, "updated"),
        });
    }
    if builds.len() > VERSIONS_MAX {
        return Err(MetadataError::TooLarge {
            limit: VERSIONS_MAX,
            unit: "builds",
        });
    }
    Ok(builds)
}

/// A build, if it is one of this version.
fn build_of(version: &str, build: String) -> Result<String, MetadataError> {
    check_version(&build)?;
    if base_version(&build) != version {
        return Err(MetadataError::Build {
            build,
            expected: version.to_owned(),
        });
    }
    Ok(build)
}

fn children<'a>(parent: Node<'a, 'a>, name: &str) -> impl Iterator<Item = Node<'a, 'a>> {
    parent
        .children()
        .filter(move |node| node.is_element() && node.tag_name().name() == name)
}

fn child<'a>(parent: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    children(parent, name).next()
}

/// The text of an element without blanks around it; none if nothing is left.
fn text(node: Node<'_, '_>) -> Option<String> {
    let text = node.text().map(str::trim).filter(|text| !text.is_empty())?;
    Some(text.to_owned())
}

fn text_in(parent: Node<'_, '_>, name: &str) -> Option<String> {
    child(parent, name).and_then(text)
}

#[cfg(test)]
mod tests;
