//! What a single field of coordinates may be.

use std::fmt;

/// Most characters of one field; no real one comes near, and file names end at 255.
pub const FIELD_LENGTH_MAX: usize = 200;

/// A field of coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The group, such as `com.acme`.
    Group,
    /// The artifact, such as `etl`.
    Artifact,
    /// The version, such as `1.0`.
    Version,
    /// The packaging or file name extension, such as `jar`.
    Extension,
    /// The classifier, such as `jar-with-dependencies`.
    Classifier,
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Group => "group",
            Self::Artifact => "artifact",
            Self::Version => "version",
            Self::Extension => "packaging",
            Self::Classifier => "classifier",
        })
    }
}

/// Why a text cannot be a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// There is nothing.
    #[error("the {field} is empty")]
    Empty {
        /// Which field.
        field: Field,
    },
    /// It is longer than [`FIELD_LENGTH_MAX`].
    #[error("the {field} has more than {FIELD_LENGTH_MAX} characters")]
    TooLong {
        /// Which field.
        field: Field,
    },
    /// A character is not a letter, a digit or one of `_.+~-`.
    #[error("the {field} `{value}` has the character {character:?}")]
    Character {
        /// Which field.
        field: Field,
        /// What it is.
        value: String,
        /// The first such character.
        character: char,
    },
    /// As part of a path it would lead elsewhere, or look like an option.
    #[error("the {field} `{value}` cannot be a part of a path")]
    Path {
        /// Which field.
        field: Field,
        /// What it is.
        value: String,
    },
}

/// Checks that a text can be a field, and that it stays in its place as part of a path.
///
/// Everything that comes from a person or out of metadata passes through here before it becomes a
/// path or a URL.
pub fn check(field: Field, value: &str) -> Result<(), FieldError> {
    if value.is_empty() {
        return Err(FieldError::Empty { field });
    }
    if value.len() > FIELD_LENGTH_MAX {
        return Err(FieldError::TooLong { field });
    }
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || "_.+~-".contains(character);
    if let Some(character) = value.chars().find(|character| !allowed(*character)) {
        return Err(FieldError::Character {
            field,
            value: value.to_owned(),
            character,
        });
    }
    // The dots of a group become slashes: each part is a directory.
    let empty_part = field == Field::Group && value.split('.').any(str::is_empty);
    if value.starts_with('-') || matches!(value, "." | "..") || empty_part {
        return Err(FieldError::Path {
            field,
            value: value.to_owned(),
        });
    }
    Ok(())
}
