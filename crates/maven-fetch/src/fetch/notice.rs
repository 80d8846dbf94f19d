//! What a person should know although the file is here.

use std::fmt;
use std::path::PathBuf;

use super::whole;
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
    /// A file is not the one that we knew, and no repository could be asked which is right.
    Replaced {
        /// The file.
        path: PathBuf,
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
        match self {
            Self::Resolve(warning) => warning.fmt(formatter),
            Self::Local(error) => formatter.write_str(&whole(error)),
            Self::State(error) => formatter.write_str(&whole(error)),
            Self::NoChecksum { url } => {
                write!(formatter, "the repository has no checksum of `{url}`")
            }
            Self::Replaced { path } => write!(
                formatter,
                "`{}` is not what it was, and no repository could be asked which is right",
                path.display()
            ),
            Self::MetadataChecksum { url, mismatch } => {
                write!(formatter, "`{url}` does not have its checksum: {mismatch}")
            }
        }
    }
}
