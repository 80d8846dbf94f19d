//! Why a download failed.

use std::fmt;
use std::io;
use std::path::PathBuf;

use tempfile::TempPath;

use crate::ErrorKind;
use crate::checksum::Checksum;
use crate::transport::TransportError;

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The repository did not give it.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Time was over before it was complete.
    #[error("there was no time left for `{url}`")]
    OutOfTime {
        /// What was asked for.
        url: String,
    },
    /// The caller asked to stop.
    #[error("the download of `{url}` was cancelled")]
    Cancelled {
        /// What was asked for.
        url: String,
    },
    /// It is larger than any file of its kind.
    #[error("`{url}` is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// It is not what its checksum says, also when downloaded once more past all caches.
    #[error("`{url}` does not have its checksum: {mismatch}")]
    ChecksumMismatch {
        /// What was asked for.
        url: String,
        /// What was expected, and what came.
        mismatch: Mismatch,
        /// What came, if it was a file: to be kept for a person or, dropped, removed.
        file: Option<TempPath>,
    },
    /// The policy wants a checksum, and there is none.
    #[error("the repository has no checksum of `{url}`, and its policy wants one")]
    ChecksumMissing {
        /// What was asked for.
        url: String,
    },
    /// It is not an archive as its name says, also when downloaded once more past all caches.
    #[error("`{url}` is not an archive: {reason}")]
    NotAnArchive {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
        /// What came: to be kept for a person or, dropped, removed.
        file: TempPath,
    },
    /// There is no room for it.
    #[error("the disk is full: `{directory}` has no room for `{url}`")]
    DiskFull {
        /// What was asked for.
        url: String,
        /// Where it should have gone.
        directory: PathBuf,
    },
    /// The temporary file cannot be made, written or read.
    #[error("cannot {action} in `{directory}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        directory: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl DownloadError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Transport(error) => error.kind(),
            Self::OutOfTime { .. } => ErrorKind::Unreachable,
            Self::Cancelled { .. } => ErrorKind::Cancelled,
            Self::TooLarge { .. }
            | Self::ChecksumMismatch { .. }
            | Self::ChecksumMissing { .. }
            | Self::NotAnArchive { .. } => ErrorKind::BadContent,
            Self::DiskFull { .. } | Self::Io { .. } => ErrorKind::Io,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Transport(error) => return error.hint(),
            Self::ChecksumMismatch { .. } => {
                "the repository's file or its checksum is damaged: deploy it again"
            }
            Self::ChecksumMissing { .. } => {
                "deploy the checksum, or set `checksumPolicy` of the repository to `warn`"
            }
            Self::NotAnArchive { .. } => {
                "look at the file in the repository: a deployment may have been cut short"
            }
            Self::DiskFull { .. } => "make room, or put the local repository elsewhere",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// A checksum that is not that of what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What the repository says.
    pub expected: Checksum,
    /// Where it says so.
    pub source: ChecksumSource,
    /// What came, in lower-case hexadecimal digits.
    pub actual: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            expected,
            source,
            actual,
        } = self;
        let algorithm = expected.algorithm.extension();
        let source = match source {
            ChecksumSource::Header => "in the header",
            ChecksumSource::Sidecar => "in the checksum file",
        };
        write!(
            formatter,
            "{algorithm} is `{actual}`, {source} it is `{}`",
            expected.hex
        )
    }
}

/// Where a repository says what a checksum is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumSource {
    /// In a header of the answer.
    Header,
    /// In the file beside it.
    Sidecar,
}
