//! What one side makes of a specification, to be compared with the other's.

use std::fmt;
use std::path::Path;

/// What one side makes of a specification.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A file.
    File {
        /// Its name.
        name: String,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// No file, with the reason.
    Nothing(String),
}

impl Outcome {
    /// The file at `path`, under its own name.
    pub(crate) fn of_file(path: &Path) -> Self {
        Self::File {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            bytes: fs_err::read(path).unwrap(),
        }
    }

    /// The name of the file.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::File { name, .. } => Some(name),
            Self::Nothing(_) => None,
        }
    }

    /// The content of the file.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::File { bytes, .. } => Some(bytes),
            Self::Nothing(_) => None,
        }
    }

    /// Why there is no file.
    pub(crate) fn error(&self) -> &str {
        match self {
            Self::File { name, .. } => panic!("there is a file: {name}"),
            Self::Nothing(text) => text,
        }
    }

    /// Whether both are the same file, or both are none, whatever the reason.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing(_), Self::Nothing(_)) => true,
            (one, other) => one == other,
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, bytes } => {
                let label = crate::remotes::label_of(bytes);
                write!(formatter, "`{name}` ({} bytes, {label:?})", bytes.len())
            }
            Self::Nothing(text) => write!(formatter, "nothing: {text}"),
        }
    }
}
