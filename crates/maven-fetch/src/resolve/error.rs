//! Why nothing can be taken.

use std::fmt;
use std::time::Duration;

use super::{Reason, Trouble};
use crate::ErrorKind;
use crate::coordinates::FieldError;
use crate::version::RangeError;

/// Why nothing can be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The version is not a range after all.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// A version that cannot be one: it did not come out of accepted metadata.
    #[error(transparent)]
    Version(#[from] FieldError),
    /// The configured repositories are all for other groups, or other kinds of versions.
    #[error("no repository may supply `{coordinates}`")]
    NoRepository {
        /// What was asked for.
        coordinates: String,
    },
    /// It is not here, and repositories were not to be asked.
    #[error("`{coordinates}` is not here, and repositories were not asked")]
    NotHere {
        /// What was asked for.
        coordinates: String,
    },
    /// No repository has such an artifact, as far as they answer.
    #[error("no repository gives `{coordinates}`: {}", listed(asked))]
    NothingOffered {
        /// What was asked for.
        coordinates: String,
        /// What came of asking each.
        asked: Vec<Asked>,
    },
    /// The artifact is there, but no version that is wanted.
    #[error("no version fits `{coordinates}`; the highest that is listed is `{highest}`")]
    NoneFits {
        /// What was asked for.
        coordinates: String,
        /// The highest version that is listed at all.
        highest: String,
    },
    /// The snapshot is there, but no such file of it.
    #[error("build `{newest}` of `{coordinates}` has no such file")]
    ClassifierMissing {
        /// What was asked for.
        coordinates: String,
        /// The newest build.
        newest: String,
        /// The files that there are, as `classifier.extension` or `.extension`.
        offered: Vec<String>,
    },
    /// The version that is wanted cannot be had, and nothing that could be taken instead is here.
    #[error("version `{version}` of `{coordinates}` is not to be had: the repository {trouble}")]
    Unavailable {
        /// What was asked for.
        coordinates: String,
        /// The version.
        version: String,
        /// Why not.
        trouble: Trouble,
    },
    /// The repository that had a higher version fails, and that version is not here.
    #[error(
        "it was `{last}` out of repository `{repository}`, which {trouble}; the others have only \
         `{offered}`"
    )]
    WouldDowngrade {
        /// The version that it was last.
        last: String,
        /// The id of the repository that it came from.
        repository: String,
        /// What came of asking that.
        trouble: Trouble,
        /// The highest version that the others have.
        offered: String,
    },
    /// There is something, but it is staler than the caller tolerates.
    #[error("what is here may be out of date: {reason}")]
    TooStale {
        /// Why it may be.
        reason: Reason,
        /// How long ago it was known to be right, if it ever was.
        age: Option<Duration>,
    },
}

/// What came of asking a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub repository: String,
    /// What it answered.
    pub trouble: Trouble,
}

impl fmt::Display for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.repository, self.trouble)
    }
}

fn listed(asked: &[Asked]) -> String {
    asked
        .iter()
        .map(Asked::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl ResolveError {
    /// What kind of failure this is. Of several troubles, the one that a person must mend counts,
    /// then the one that may pass.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Range(_) | Self::Version(_) => ErrorKind::Usage,
            Self::NoRepository { .. } => ErrorKind::Config,
            Self::NotHere { .. } | Self::NoneFits { .. } | Self::ClassifierMissing { .. } => {
                ErrorKind::NotFound
            }
            Self::NothingOffered { asked, .. } => {
                let kinds = [
                    ErrorKind::Io,
                    ErrorKind::Config,
                    ErrorKind::Credentials,
                    ErrorKind::Unreachable,
                    ErrorKind::BadContent,
                ];
                let has =
                    |kind: &ErrorKind| asked.iter().any(|asked| asked.trouble.kind() == *kind);
                kinds.into_iter().find(has).unwrap_or(ErrorKind::NotFound)
            }
            Self::Unavailable { trouble, .. } | Self::WouldDowngrade { trouble, .. } => {
                trouble.kind()
            }
            Self::TooStale { .. } => ErrorKind::Unreachable,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::ClassifierMissing { offered, .. } => {
                return Some(format!("it has {}", offered.join(", ")));
            }
            Self::NoRepository { .. } => {
                "look at the repositories' `groups`, and whether releases and snapshots are enabled"
            }
            Self::NotHere { .. } => "run it once with the repositories",
            Self::NoneFits { .. } => "ask for a version that is there, or a wider range",
            Self::NothingOffered { .. } if self.kind() == ErrorKind::NotFound => {
                "is it spelt right, and deployed there? some repositories hide what the user may \
                 not see"
            }
            Self::NothingOffered { .. } | Self::Unavailable { .. } => advice(self.kind())?,
            Self::TooStale { .. } => {
                "run it again once the repository answers, or tolerate what is older"
            }
            Self::WouldDowngrade { .. } => "ask for that version, if it is good enough",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// What a person can do about a repository or a disk of which no more is known.
fn advice(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::NotFound => {
            "it may be in the middle of its deployment: run it again, or ask for another version"
        }
        ErrorKind::Credentials => "look at the `server` of that id in settings.xml",
        ErrorKind::Unreachable => {
            "run it again later; if it lasts, look at the repository's address, at the proxy in \
             settings.xml, and at its certificate (`SSL_CERT_FILE` names further authorities)"
        }
        ErrorKind::BadContent => {
            "open the address in a browser: a login page may answer in place of the repository, or \
             what was deployed is damaged"
        }
        ErrorKind::Config => "look at the mirrors in settings.xml",
        ErrorKind::Io => "the local repository must be on a disk that can be written and has room",
        ErrorKind::Usage | ErrorKind::Cancelled => return None,
    })
}
