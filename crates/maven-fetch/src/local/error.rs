//! What goes wrong in the local repository.

use std::io;
use std::path::{Path, PathBuf};

use crate::ErrorKind;

/// What went wrong in the local repository: an error where it ends a call, else a warning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The operating system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A directory belongs to someone else, or the file system is read-only; another is used.
    #[error("cannot write to `{directory}`: `{instead}` is used")]
    ReadOnly {
        /// The directory.
        directory: PathBuf,
        /// The root of the repository that is used instead.
        instead: PathBuf,
        /// Why it cannot be written.
        source: io::Error,
    },
    /// A path would leave the repository.
    #[error("`{path}` leads out of the local repository")]
    Outside {
        /// The path.
        path: String,
    },
    /// A file is not what it was, or was never whole. It counts as missing.
    #[error("`{path}` is damaged: {flaw}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: String,
        /// Where it is now, for a person to look at; none if it could not be moved away.
        quarantine: Option<PathBuf>,
    },
    /// Another program holds the lock of a tracking file for long.
    #[error("another program holds the lock of `{path}`")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A file is larger than any such file can be.
    #[error("`{path}` is larger than {max_bytes} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        max_bytes: u64,
    },
}

impl LocalError {
    /// Gives an action on a path to an error of the operating system.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::ReadOnly { .. } | Self::Busy { .. } => ErrorKind::Io,
            Self::Outside { .. } | Self::Damaged { .. } | Self::TooLarge { .. } => {
                ErrorKind::BadContent
            }
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let (path, source) = match self {
            Self::Io { path, source, .. } => (path, source),
            Self::ReadOnly {
                directory, source, ..
            } => (directory, source),
            Self::Damaged {
                quarantine: Some(quarantine),
                ..
            } => {
                let moved = quarantine.display();
                return Some(format!(
                    "it was moved to `{moved}`; look at it and delete it"
                ));
            }
            Self::Damaged {
                path,
                quarantine: None,
                ..
            }
            | Self::TooLarge { path, .. } => {
                return Some(format!("delete `{}`; it is fetched again", path.display()));
            }
            Self::Outside { .. } => return Some("do not trust where it came from".to_owned()),
            Self::Busy { .. } => return Some("it is written by the next run".to_owned()),
        };
        let directory = path.parent().unwrap_or(path).display();
        match source.kind() {
            io::ErrorKind::StorageFull => Some(format!(
                "the disk of `{directory}` is full: free some space there"
            )),
            io::ErrorKind::QuotaExceeded => Some(format!(
                "the disk quota at `{directory}` is used up: free some space there"
            )),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Some(format!(
                "make `{directory}` writable for this user, or choose another local repository"
            )),
            io::ErrorKind::CrossesDevices => Some(format!(
                "the temporary file must lie in `{directory}` itself"
            )),
            _ => None,
        }
    }
}
