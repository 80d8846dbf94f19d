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
        /// What was asked in vain, with the answer, and what else was noticed.
        tried: Vec<String>,
    },
    /// The download was cancelled.
    #[error(transparent)]
    Download(#[from] Box<DownloadError>),
    /// The local repository cannot be written.
    #[error(transparent)]
    Local(#[from] Box<LocalError>),
}

impl From<ResolveError> for FetchError {
    fn from(error: ResolveError) -> Self {
        Self::Resolve {
            error: Box::new(error),
            tried: Vec::new(),
        }
    }
}

impl FetchError {
    /// With what was tried and noticed on the way, as far as the error does not say it itself.
    pub(super) fn resolve(
        error: ResolveError,
        tried: &[String],
        notices: impl Iterator<Item = String>,
    ) -> Self {
        let text = error.to_string();
        let all = tried.iter().cloned().chain(notices);
        let tried = all.filter(|line| !text.contains(line.as_str())).collect();
        Self::Resolve {
            error: Box::new(error),
            tried,
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
