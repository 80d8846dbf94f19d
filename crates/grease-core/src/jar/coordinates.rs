//! Which Maven artifact a jar is, as far as it says so itself.

use zip::read::OwnedZipFileEntry;

use super::{Error, Jar};
use crate::model::{ErrorKind, Explain as _};

/// Where Maven leaves its traces: `META-INF/maven/GROUP/ARTIFACT/pom.properties`.
const PREFIX: &str = "META-INF/maven/";
const SUFFIX: &str = "/pom.properties";

/// How much of a `pom.properties` is read; Maven writes some 100 bytes.
const PROPERTIES_BYTES_MAX: u64 = 64 * 1024;

/// Most candidates that are looked at.
const CANDIDATES_MAX: usize = 2_000;

/// Group, artifact and version, each of letters, digits, `_`, `.` and `-` only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinates {
    /// `groupId`.
    pub group: String,
    /// `artifactId`.
    pub artifact: String,
    /// `version`.
    pub version: String,
}

/// A `pom.properties`, which names group and artifact by where it lies.
struct Candidate {
    group: String,
    artifact: String,
    entry: OwnedZipFileEntry,
}

impl Jar {
    /// The coordinates that the jar was built under, if it tells.
    ///
    /// A fat jar holds a `pom.properties` of every dependency. With several, the jar's file
    /// name decides: `artifact.jar` or `artifact-version[-...].jar`, the longest such artifact.
    pub fn coordinates(&self) -> Result<Option<Coordinates>, Error> {
        let stem = self
            .path()
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        let mut count = 0;
        let mut first = None;
        let mut named = Vec::new();
        self.each_entry(|entry| {
            let Some(candidate) = Candidate::new(entry) else {
                return;
            };
            count += 1;
            if named.len() < CANDIDATES_MAX && after_artifact(&stem, &candidate.artifact).is_some()
            {
                named.push(candidate);
            } else if first.is_none() {
                first = Some(candidate);
            }
        })?;
        if count == 1 {
            let only = named.pop().or(first);
            return only.map_or(Ok(None), |candidate| self.complete(candidate));
        }
        self.named_like(&stem, named)
    }

    /// Of the candidates whose artifact begins the file name, the longest whose version goes on.
    fn named_like(
        &self,
        stem: &str,
        mut named: Vec<Candidate>,
    ) -> Result<Option<Coordinates>, Error> {
        named.sort_by_key(|candidate| std::cmp::Reverse(candidate.artifact.len()));
        let mut found: Option<Coordinates> = None;
        for candidate in named {
            if found
                .as_ref()
                .is_some_and(|found| found.artifact != candidate.artifact)
            {
                break;
            }
            let Some(complete) = self.complete(candidate)? else {
                continue;
            };
            let rest = after_artifact(stem, &complete.artifact).unwrap_or_default();
            if !rest.is_empty() && !begins_with_version(rest, &complete.version) {
                continue;
            }
            if found.is_some() {
                return Ok(None); // Two groups claim the name.
            }
            found = Some(complete);
        }
        Ok(found)
    }

    /// Reads the version; a file that cannot be made sense of tells nothing.
    fn complete(&self, candidate: Candidate) -> Result<Option<Coordinates>, Error> {
        let properties = match self.read_start(&candidate.entry, PROPERTIES_BYTES_MAX) {
            Err(error) if error.kind() == ErrorKind::BadInput => return Ok(None),
            read => read?,
        };
        let version = String::from_utf8_lossy(&properties)
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| key.trim() == "version")
            .map(|(_, value)| value.trim().to_owned())
            .filter(|version| is_plain(version));
        Ok(version.map(|version| Coordinates {
            group: candidate.group,
            artifact: candidate.artifact,
            version,
        }))
    }
}

impl Candidate {
    fn new(entry: OwnedZipFileEntry) -> Option<Self> {
        let name = std::str::from_utf8(entry.name_raw()).ok()?;
        let (group, artifact) = name
            .strip_prefix(PREFIX)?
            .strip_suffix(SUFFIX)?
            .split_once('/')?;
        if !(is_plain(group) && is_plain(artifact)) {
            return None;
        }
        Some(Self {
            group: group.to_owned(),
            artifact: artifact.to_owned(),
            entry,
        })
    }
}

/// Whether a value is what Maven allows in coordinates.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// What follows the artifact in a file name: nothing, or a version and perhaps a classifier.
fn after_artifact<'a>(stem: &'a str, artifact: &str) -> Option<&'a str> {
    let rest = stem.strip_prefix(artifact)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('-').filter(|rest| !rest.is_empty())
}

/// Whether a text is a version, alone or with something behind a dash.
///
/// A repository stores `1.1-SNAPSHOT` as `1.1-20261124.020621-2`.
fn begins_with_version(text: &str, version: &str) -> bool {
    let is_end = |rest: &str| rest.is_empty() || rest.starts_with('-');
    text.strip_prefix(version).is_some_and(is_end)
        || version
            .strip_suffix("SNAPSHOT")
            .and_then(|base| text.strip_prefix(base))
            .and_then(|rest| rest.split_once('-'))
            .is_some_and(|(time, _)| is_time(time))
}

/// Whether a text has the form `20261124.020621`.
fn is_time(text: &str) -> bool {
    text.split_once('.').is_some_and(|(date, time)| {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        date.len() == 8 && time.len() == 6 && digits(date) && digits(time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_begin_with_artifact_and_version() {
        for (stem, artifact, version, expected) in [
            ("etl-1.2", "etl", "1.2", true),
            ("etl-1.2-jar-with-dependencies", "etl", "1.2", true),
            ("etl-1.2.1", "etl", "1.2", false),
            ("etl-core-1.2", "etl", "1.2", false),
            ("etl-core-1.2", "etl-core", "1.2", true),
            ("etl-1.1-SNAPSHOT", "etl", "1.1-SNAPSHOT", true),
            ("etl-1.1-20261124.020621-2-all", "etl", "1.1-SNAPSHOT", true),
            ("etl-1.1-2026.020621-2", "etl", "1.1-SNAPSHOT", false),
            ("etl-1.1-all", "etl", "1.1-SNAPSHOT", false),
            ("etlx-1.2", "etl", "1.2", false),
        ] {
            let found = after_artifact(stem, artifact)
                .is_some_and(|rest| begins_with_version(rest, version));
            assert_eq!(found, expected, "{stem} {artifact} {version}");
        }
        assert_eq!(after_artifact("etl", "etl"), Some(""));
    }

    #[test]
    fn values_that_could_break_a_line_or_a_path_are_not_coordinates() {
        for value in ["", "a b", "a/b", "a:b", "a\nb", "\u{e9}", "${version}"] {
            assert!(!is_plain(value), "{value:?}");
        }
        assert!(is_plain("com.acme_x-1"));
    }
}
