//! What is decided: the next question, or the file and how sure it is.

use std::fmt;
use std::time::Duration;

use super::ResolveError;
use crate::ErrorKind;
use crate::coordinates::Resolved;
use crate::repository::Repository;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// Ask for metadata, and call again.
    Ask(Question),
    /// Take this file.
    Take(Decision<'a>),
}

/// Which metadata is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Which file.
    pub level: Level,
    /// Of which sources; see [`Facts::repository`](super::Facts::repository).
    pub sources: Vec<usize>,
    /// Whether caches in between must not answer: they may be behind. Set
    /// [`Facts::asked_again`](super::Facts::asked_again) before the next call.
    pub no_cache: bool,
}

/// Which metadata of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// That of the artifact, which names its versions.
    Artifact,
    /// That of one snapshot version, which names its builds.
    Snapshot(String),
}

/// Which file is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The file.
    pub artifact: Resolved,
    /// Whether it is complete in the local repository: there is nothing to download.
    pub present: bool,
    /// The repositories that have it or may have it, best first; if it is present, those that
    /// named it. Empty if it is only here.
    pub repositories: Vec<&'a Repository>,
    /// Whether it is certainly what was asked for.
    pub freshness: Freshness,
    /// What a person may want to know.
    pub warnings: Vec<Warning>,
}

/// Whether a version is certainly what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// All repositories that have a say have been heard, as recently as their policies want.
    Fresh,
    /// There may be something newer.
    Stale {
        /// Why that is not known.
        reason: Reason,
        /// How long ago it was known to be right, if it ever was.
        age: Option<Duration>,
    },
}

/// Why a version may not be the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Repositories were not to be asked.
    Offline,
    /// It came from other repositories than those that may be asked now, and none of these
    /// confirms it.
    Unconfirmed {
        /// The ids of those that it came from.
        origins: Vec<String>,
    },
    /// A repository did not say what it has.
    Repository {
        /// Its id.
        id: String,
        /// What came of asking it.
        trouble: Trouble,
    },
    /// No repository offers such a version any more; this one is still here.
    NotOffered,
    /// The newest build has no file with this classifier and extension.
    ClassifierMissing {
        /// That build.
        newest: String,
    },
    /// The version that repositories name cannot be had.
    Unavailable {
        /// That version.
        version: String,
        /// Why not.
        trouble: Trouble,
    },
    /// The repository that it came from fails, and the others have only lower versions.
    WouldDowngrade {
        /// The id of the repository that it came from.
        repository: String,
        /// The highest version that the others have.
        offered: String,
    },
}

/// Why a repository did not give what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It says that there is no such file.
    NotFound,
    /// It refuses us: credentials or rights.
    Refused(String),
    /// There was no answer; it may work later.
    Unreachable(String),
    /// The answer cannot be used.
    Invalid(String),
    /// It must not be asked: a mirror blocks it.
    Blocked(String),
    /// There is no room here for what it gives, or no place that can be written.
    Disk(String),
}

/// What a person may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// No repository says which version is the latest: the highest listed one was taken.
    NotNamed {
        /// It.
        version: String,
    },
    /// A repository lists a higher version than the one that is named the latest.
    HigherListed {
        /// The version that was taken.
        taken: String,
        /// The higher one.
        higher: String,
        /// The id of the repository that lists it.
        repository: String,
    },
    /// The newest build has no file with this classifier and extension; the newest that does was
    /// taken, as the metadata says.
    OlderBuild {
        /// The build that was taken.
        taken: String,
        /// The newest build.
        newest: String,
    },
    /// A further repository did not say what it has.
    Repository {
        /// Its id.
        id: String,
        /// What came of asking it.
        trouble: Trouble,
    },
}

/// How stale a version may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// Whether nothing stale is good enough.
    pub strict: bool,
    /// Longest age of what is stale; an unknown age is tolerated, and any age if nothing was to be
    /// asked.
    pub age_max: Duration,
}

impl Freshness {
    /// Turns what is too stale into an error.
    pub fn within(&self, tolerance: &Tolerance) -> Result<(), ResolveError> {
        match self {
            Self::Stale { reason, age }
                if tolerance.strict || is_too_old(reason, *age, tolerance.age_max) =>
            {
                Err(ResolveError::TooStale {
                    reason: reason.clone(),
                    age: *age,
                })
            }
            Self::Fresh | Self::Stale { .. } => Ok(()),
        }
    }
}

/// Whether something was certain too long ago. What was asked for without the repositories may be as
/// old as it is.
fn is_too_old(reason: &Reason, age: Option<Duration>, age_max: Duration) -> bool {
    *reason != Reason::Offline && age.is_some_and(|age| age > age_max)
}

impl Trouble {
    /// What kind of failure this is, if nothing else can be taken.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound => ErrorKind::NotFound,
            Self::Refused(_) => ErrorKind::Credentials,
            Self::Unreachable(_) => ErrorKind::Unreachable,
            Self::Invalid(_) => ErrorKind::BadContent,
            Self::Blocked(_) => ErrorKind::Config,
            Self::Disk(_) => ErrorKind::Io,
        }
    }
}

impl fmt::Display for Trouble {
    /// What follows the repository's name.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => formatter.write_str("does not have it"),
            Self::Refused(text) => write!(formatter, "refuses us ({text})"),
            Self::Unreachable(text) => write!(formatter, "does not answer ({text})"),
            Self::Invalid(text) => write!(formatter, "gives a useless answer ({text})"),
            Self::Blocked(text) => write!(formatter, "must not be asked ({text})"),
            Self::Disk(text) => write!(formatter, "gives it, but it cannot be stored ({text})"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offline => formatter.write_str("repositories were not asked"),
            Self::Unconfirmed { origins } => write!(
                formatter,
                "it came from `{}`, and no repository that may be asked now confirms it",
                origins.join("`, `")
            ),
            Self::Repository { id, trouble } => write!(formatter, "repository `{id}` {trouble}"),
            Self::NotOffered => formatter.write_str("no repository offers it any more"),
            Self::ClassifierMissing { newest } => {
                write!(formatter, "build `{newest}` has no such file")
            }
            Self::Unavailable { version, trouble } => {
                write!(
                    formatter,
                    "`{version}` is not to be had: the repository {trouble}"
                )
            }
            Self::WouldDowngrade {
                repository,
                offered,
            } => write!(
                formatter,
                "repository `{repository}` fails, and the others have only `{offered}`"
            ),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNamed { version } => write!(
                formatter,
                "no repository says which version is the latest: `{version}` is the highest listed"
            ),
            Self::HigherListed {
                taken,
                higher,
                repository,
            } => write!(
                formatter,
                "`{taken}` is called the latest, but repository `{repository}` lists `{higher}`"
            ),
            Self::OlderBuild { taken, newest } => {
                write!(
                    formatter,
                    "build `{newest}` has no such file: `{taken}` is the newest with it"
                )
            }
            Self::Repository { id, trouble } => write!(formatter, "repository `{id}` {trouble}"),
        }
    }
}
