//! Why there is no file.

use std::fmt;

use crate::ErrorKind;
use crate::download::DownloadError;
use crate::local::LocalError;
use crate::resolve::ResolveError;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No file can be taken.
    #[error("{error}{}", Tried(tried))]
    Resolve {
        /// Why not.
        error: Box<ResolveError>,
        /// What was asked in vain, with the answer.
        tried: Vec<String>,
    },
    /// The download was cancelled.
    #[error(transparent)]
    Download(#[from] Box<DownloadError>),
    /// The local repository cannot be written.
    #[error(transparent)]
    Local(#[from] Box<LocalError>),
}

impl FetchError {
    pub(super) fn resolve(error: ResolveError, tried: &[String]) -> Self {
        Self::Resolve {
            error: Box::new(error),
            tried: tried.to_vec(),
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Resolve { error, .. } => error.kind(),
            Self::Download(error) => error.kind(),
            Self::Local(error) => error.kind(),
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Resolve { error, .. } => error.hint(),
            Self::Download(error) => error.hint(),
            Self::Local(error) => error.hint(),
        }
    }
}

/// What was asked in vain, a line each.
struct Tried<'a>(&'a [String]);

impl fmt::Display for Tried<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0 {
            write!(formatter, "\n  {line}")?;
        }
        Ok(())
    }
}
