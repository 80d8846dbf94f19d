//! How coordinates are read.

use super::field::{Field, FieldError, check};
use super::packaging::{extension, is_packaging};
use super::{Coordinates, VersionRequest};
use crate::ErrorKind;
use crate::version::RangeError;

/// In which order coordinates are written. Without one, it is found out:
///
/// 1. With an `@` they are Gradle's.
/// 2. With four or five fields of which the third is a packaging they are Aether's: no version is
///    called `jar`.
/// 3. Else they are the plugin's; if the fourth field is not a packaging, that is an error with a
///    hint, since it is probably the classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `group:artifact[:version[:packaging[:classifier]]]`, as in Maven's dependency plugin.
    Plugin,
    /// `group:artifact[:packaging[:classifier]]:version`, as in Maven's resolver and its listings.
    Aether,
    /// `group:artifact[:version[:classifier]][@packaging]`, as in Gradle and jbang.
    Gradle,
}

/// What is meant by coordinates that do not say all.
///
/// The default is Maven's: a jar without a classifier, and no version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// Version, as written in coordinates; without one they must name theirs.
    pub version: Option<String>,
    /// Packaging.
    pub packaging: String,
    /// Classifier, unless the packaging implies another. Coordinates say that they want none by
    /// an empty classifier or `-`: `com.acme:etl:1.0:jar:`.
    pub classifier: Option<String>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            version: None,
            packaging: "jar".to_owned(),
            classifier: None,
        }
    }
}

/// Why a text is not coordinates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatesError {
    /// There are too few or too many fields.
    #[error("`{text}` has {count} fields, where coordinates have {expected}")]
    FieldCount {
        /// The whole text.
        text: String,
        /// How many there are.
        count: usize,
        /// How many there may be.
        expected: &'static str,
    },
    /// A field cannot be what it should be.
    #[error(transparent)]
    Field(FieldError),
    /// The version begins like a range and is none.
    #[error(transparent)]
    Range(RangeError),
    /// There is no version, and no default for it.
    #[error("`{text}` has no version")]
    NoVersion {
        /// The whole text.
        text: String,
    },
    /// The fourth field is not a packaging.
    #[error("`{value}` in `{text}` is not a packaging")]
    NotAPackaging {
        /// The whole text.
        text: String,
        /// The field.
        value: String,
        /// What may be meant.
        suggestion: String,
    },
}

impl CoordinatesError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotAPackaging { suggestion, .. } => Some(format!("did you mean `{suggestion}`?")),
            Self::FieldCount { .. }
            | Self::NoVersion { .. }
            | Self::Field(FieldError::Empty {
                field: Field::Group | Field::Artifact,
            }) => Some("coordinates are `group:artifact:version:packaging:classifier`".to_owned()),
            Self::Field(FieldError::Empty {
                field: Field::Version | Field::Extension,
            }) => Some("only the classifier may be empty, which means none".to_owned()),
            Self::Field(_) => {
                Some("letters, digits and `_`, `.`, `+`, `~`, `-` are possible".to_owned())
            }
            Self::Range(_) => Some("ranges are written as `[1.0,2.0)`".to_owned()),
        }
    }
}

/// The fields as they are written, each if it is there.
#[derive(Default)]
struct Fields<'a> {
    group: &'a str,
    artifact: &'a str,
    version: Option<&'a str>,
    packaging: Option<&'a str>,
    classifier: Option<&'a str>,
}

/// Reads coordinates; the order is found out if it is not given.
pub(super) fn coordinates(
    text: &str,
    defaults: &Defaults,
    order: Option<Order>,
) -> Result<Coordinates, CoordinatesError> {
    let fields = match order.unwrap_or_else(|| order_of(text)) {
        Order::Gradle => gradle(text)?,
        Order::Aether => aether(text)?,
        Order::Plugin => plugin(text)?,
    };
    if let (None, Some(value)) = (order, misplaced_packaging(text, &fields)) {
        let suggestion = suggestion(&fields, value);
        return Err(CoordinatesError::NotAPackaging {
            text: text.to_owned(),
            value: value.to_owned(),
            suggestion,
        });
    }
    complete(text, &fields, defaults)
}

fn order_of(text: &str) -> Order {
    let tokens: Vec<&str> = text.split(':').collect();
    match tokens.as_slice() {
        _ if text.contains('@') => Order::Gradle,
        [_, _, third, _] | [_, _, third, _, _] if is_packaging(third) => Order::Aether,
        _ => Order::Plugin,
    }
}

fn plugin(text: &str) -> Result<Fields<'_>, CoordinatesError> {
    let mut tokens = text.split(':');
    let fields = Fields {
        group: tokens.next().unwrap_or_default(),
        artifact: tokens.next().unwrap_or_default(),
        version: tokens.next(),
        packaging: tokens.next(),
        classifier: tokens.next(),
    };
    let count = text.split(':').count();
    expect_count(text, count, (2..=5).contains(&count), "2 to 5").map(|()| fields)
}

fn aether(text: &str) -> Result<Fields<'_>, CoordinatesError> {
    let tokens: Vec<&str> = text.split(':').collect();
    let mut fields = Fields::default();
    (fields.group, fields.artifact) = match *tokens.as_slice() {
        [group, artifact, ..] => (group, artifact),
        _ => ("", ""),
    };
    match *tokens.as_slice() {
        [_, _, version] => fields.version = Some(version),
        [_, _, packaging, version] => {
            (fields.packaging, fields.version) = (Some(packaging), Some(version));
        }
        [_, _, packaging, classifier, version] => {
            (fields.packaging, fields.version) = (Some(packaging), Some(version));
            fields.classifier = Some(classifier);
        }
        _ => return expect_count(text, tokens.len(), false, "3 to 5").map(|()| fields),
    }
    Ok(fields)
}

fn gradle(text: &str) -> Result<Fields<'_>, CoordinatesError> {
    let (before, packaging) = match text.split_once('@') {
        Some((before, packaging)) => (before, Some(packaging)),
        None => (text, None),
    };
    let mut tokens = before.split(':');
    let fields = Fields {
        group: tokens.next().unwrap_or_default(),
        artifact: tokens.next().unwrap_or_default(),
        version: tokens.next(),
        classifier: tokens.next(),
        packaging,
    };
    let count = before.split(':').count();
    expect_count(
        text,
        count,
        (2..=4).contains(&count),
        "2 to 4 before the `@`",
    )
    .map(|()| fields)
}

fn expect_count(
    text: &str,
    count: usize,
    is_expected: bool,
    expected: &'static str,
) -> Result<(), CoordinatesError> {
    if is_expected {
        return Ok(());
    }
    Err(CoordinatesError::FieldCount {
        text: text.to_owned(),
        count,
        expected,
    })
}

/// The packaging, if it probably is not meant as one. After an `@` it is, whatever it is.
fn misplaced_packaging<'a>(text: &str, fields: &Fields<'a>) -> Option<&'a str> {
    fields.packaging.filter(|packaging| {
        !packaging.is_empty() && !is_packaging(packaging) && !text.contains('@')
    })
}

fn suggestion(fields: &Fields<'_>, value: &str) -> String {
    let Fields {
        group,
        artifact,
        version,
        packaging: _,
        classifier,
    } = fields;
    let version = version.unwrap_or_default();
    match classifier {
        None => format!("{group}:{artifact}:{version}:jar:{value}"),
        Some(packaging) if is_packaging(packaging) => {
            format!("{group}:{artifact}:{version}:{packaging}:{value}")
        }
        Some(classifier) => format!("{group}:{artifact}:{version}:{classifier}@{value}"),
    }
}

/// Fills in what is not there, and checks all of it.
fn complete(
    text: &str,
    fields: &Fields<'_>,
    defaults: &Defaults,
) -> Result<Coordinates, CoordinatesError> {
    let version = fields
        .version
        .or(defaults.version.as_deref())
        .ok_or_else(|| CoordinatesError::NoVersion {
            text: text.to_owned(),
        })?;
    let packaging = fields.packaging.unwrap_or(&defaults.packaging);
    let (extension, implied) = extension(packaging);
    let classifier = match fields.classifier {
        Some("" | "-") => None,
        Some(classifier) => Some(classifier),
        None => implied.or(defaults.classifier.as_deref()),
    };
    for (field, value) in [
        (Field::Group, Some(fields.group)),
        (Field::Artifact, Some(fields.artifact)),
        (Field::Extension, Some(extension)),
        (Field::Classifier, classifier),
    ] {
        value
            .map_or(Ok(()), |value| check(field, value))
            .map_err(CoordinatesError::Field)?;
    }
    Ok(Coordinates {
        group: fields.group.to_owned(),
        artifact: fields.artifact.to_owned(),
        version: VersionRequest::of(version)?,
        extension: extension.to_owned(),
        classifier: classifier.map(str::to_owned),
    })
}
