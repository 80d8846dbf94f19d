//! Why metadata is not accepted, and what a person can do about it.

use crate::ErrorKind;
use crate::coordinates::{Field, FieldError};

/// Why metadata is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// It is empty.
    #[error("the metadata is empty")]
    Empty,
    /// It is larger than any that is read: in bytes, versions, or parts of XML.
    #[error("the metadata has more than {limit} {unit}")]
    TooLarge {
        /// How many are possible.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
    /// It is a page for people, such as a login form.
    #[error("the metadata is an HTML page")]
    Html,
    /// It is not UTF-8.
    #[error("the metadata is not in UTF-8{}", instead(encoding.as_deref()))]
    Encoding {
        /// In what it is, as far as it says so.
        encoding: Option<String>,
    },
    /// It has a document type, with which entities could be declared.
    #[error("the metadata has a document type declaration, which is refused")]
    DocumentType,
    /// It is not XML, or not all of it.
    #[error("the metadata cannot be parsed: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// It is XML of something else.
    #[error("the metadata has the root element `{name}`")]
    Root {
        /// The root element, or how it begins.
        name: String,
    },
    /// It is about something else.
    #[error("the metadata is about the {field} `{found}`, not `{expected}`")]
    Other {
        /// Which field.
        field: Field,
        /// What it says, or how that begins.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// It names a version that cannot be one, or not here.
    #[error("the metadata names a version that cannot be one")]
    Version(#[source] FieldError),
    /// It names a build of another version.
    #[error("the metadata names the build `{build}`, which is not one of `{expected}`")]
    Build {
        /// What it names.
        build: String,
        /// The version that was asked for.
        expected: String,
    },
    /// It names no version at all.
    #[error("the metadata names no version")]
    Nothing,
}

impl MetadataError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::BadContent
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Html => "it may be a login page: does the repository want credentials?",
            Self::Empty | Self::Malformed { .. } => {
                "it may be cut off, or the repository may be writing it: try again"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn instead(encoding: Option<&str>) -> String {
    encoding.map_or_else(String::new, |encoding| format!(", but in {encoding}"))
}
