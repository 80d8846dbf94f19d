//! What a person should know although the file is here.

use std::error::Error;
use std::fmt;

use crate::local::LocalError;
use crate::resolve::Warning;
use crate::state::StateError;

/// What a person should know although the file is here.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// About the choice of the version.
    Resolve(Warning),
    /// About the local repository.
    Local(LocalError),
    /// Something could not be remembered.
    State(StateError),
    /// The repository has no checksum of the file: only its structure was looked at.
    NoChecksum {
        /// Where it came from.
        url: String,
    },
    /// The checksum of metadata is wrong; its content makes sense and was taken.
    MetadataChecksum {
        /// Where it came from.
        url: String,
        /// What is wrong.
        mismatch: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = |error: &dyn Error| match error.source() {
            Some(source) => format!(": {source}"),
            None => String::new(),
        };
        match self {
            Self::Resolve(warning) => warning.fmt(formatter),
            Self::Local(error) => write!(formatter, "{error}{}", cause(error)),
            Self::State(error) => write!(formatter, "{error}{}", cause(error)),
            Self::NoChecksum { url } => {
                write!(formatter, "the repository has no checksum of `{url}`")
            }
            Self::MetadataChecksum { url, mismatch } => {
                write!(formatter, "`{url}` does not have its checksum: {mismatch}")
            }
        }
    }
}
