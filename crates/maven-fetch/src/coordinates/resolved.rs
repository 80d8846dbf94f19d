//! One artifact of one version, and where it lies in a repository.

use std::fmt;

/// What the version of a snapshot ends in.
pub(super) const SNAPSHOT: &str = "SNAPSHOT";

/// Digits of the date and of the time in a snapshot's time stamp, `20240102.030405`.
const DATE_DIGITS: usize = 8;
const TIME_DIGITS: usize = 6;

/// One artifact of one version: names one file for ever.
///
/// Only a snapshot that was installed here, or deployed without time stamps, has a version such as
/// `1.0-SNAPSHOT`; its file changes with the next one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resolved {
    /// Group.
    pub group: String,
    /// Artifact.
    pub artifact: String,
    /// The version in the file's name; a snapshot's with its time stamp.
    pub version: String,
    /// File name extension.
    pub extension: String,
    /// Classifier.
    pub classifier: Option<String>,
}

impl Resolved {
    /// The version in the directory's name: `1.0-SNAPSHOT` for `1.0-20240102.030405-7`.
    pub fn base_version(&self) -> String {
        base_version(&self.version)
    }

    /// Whether it is a build of a snapshot version.
    pub fn is_snapshot(&self) -> bool {
        is_snapshot(&self.version)
    }

    /// The file's name, such as `etl-1.0-jar-with-dependencies.jar`.
    pub fn file_name(&self) -> String {
        let Self {
            group: _,
            artifact,
            version,
            extension,
            classifier,
        } = self;
        match classifier {
            Some(classifier) => format!("{artifact}-{version}-{classifier}.{extension}"),
            None => format!("{artifact}-{version}.{extension}"),
        }
    }

    /// The file's directory below a repository, such as `com/acme/etl/1.0`.
    pub fn directory(&self) -> String {
        format!(
            "{}/{}/{}",
            self.group.replace('.', "/"),
            self.artifact,
            self.base_version()
        )
    }

    /// The file's path below a repository, separated by `/`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.directory(), self.file_name())
    }
}

impl fmt::Display for Resolved {
    /// The plugin's order with all fields; nothing after the last colon means no classifier.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            artifact,
            version,
            extension,
            classifier,
        } = self;
        write_fields(
            formatter,
            [group, artifact, version, extension],
            classifier.as_deref(),
        )
    }
}

/// Writes the plugin's order with all fields.
pub(super) fn write_fields(
    formatter: &mut fmt::Formatter<'_>,
    [group, artifact, version, extension]: [&str; 4],
    classifier: Option<&str>,
) -> fmt::Result {
    let classifier = classifier.unwrap_or_default();
    write!(
        formatter,
        "{group}:{artifact}:{version}:{extension}:{classifier}"
    )
}

/// Whether a version is a snapshot's, with or without its time stamp.
pub fn is_snapshot(version: &str) -> bool {
    version.ends_with(SNAPSHOT) || before_time_stamp(version).is_some()
}

/// The version without a snapshot's time stamp: `1.0-SNAPSHOT` for `1.0-20240102.030405-7`, and
/// any other version as it is.
pub fn base_version(version: &str) -> String {
    match before_time_stamp(version) {
        Some(prefix) => format!("{prefix}{SNAPSHOT}"),
        None => version.to_owned(),
    }
}

/// What stands before the time stamp and build number, with its hyphen; none if there are none.
///
/// The pattern of Maven's `AbstractArtifact`: `^(.*-)?([0-9]{8}\.[0-9]{6}-[0-9]+)$`.
fn before_time_stamp(version: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, build) = version.rsplit_once('-')?;
    let (prefix, stamp) = match rest.rfind('-') {
        Some(hyphen) => rest.split_at(hyphen + 1),
        None => ("", rest),
    };
    let (date, time) = stamp.split_once('.')?;
    let is_stamp = date.len() == DATE_DIGITS && time.len() == TIME_DIGITS && !build.is_empty();
    (is_stamp && digits(date) && digits(time) && digits(build)).then_some(prefix)
}
