//! Why an artifact does not come out of a repository, and what to do about it.

use std::io;
use std::path::PathBuf;

use maven_fetch::coordinates::CoordinatesError;
use maven_fetch::fetch::FetchError;
use maven_fetch::settings;

use super::child::Told;
use crate::model::{ErrorKind, Explain};

/// Why an artifact does not come out of a repository.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// They are no coordinates.
    #[error(transparent)]
    Coordinates(#[from] CoordinatesError),
    /// The settings file is of no use.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// It is not here, and there is nobody to ask.
    #[error("no Maven repository is configured")]
    NoRepository,
    /// It cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The child that was to fetch it says why it did not.
    #[error(transparent)]
    Told(Told),
    /// The child that was to fetch it cannot be started or understood.
    #[error("cannot have the artifact fetched by a process of its own")]
    Child(#[source] io::Error),
    /// The child that was to fetch it was given up.
    #[error("the fetch of the artifact has been silent for too long")]
    Silent,
    /// Somebody ended greaserun meanwhile.
    #[error("the fetch of the artifact was given up")]
    Stopped,
    /// Nothing was heard, with what was probably waited for.
    #[error("there is no answer from `{place}`")]
    Hangs {
        /// A path, and the kind of its file system.
        place: String,
    },
    /// It is here, on a file system over a network, and cannot be copied.
    #[error("cannot copy `{path}` into the cache")]
    Copy {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What is missing when no repository is configured.
const NO_REPOSITORY: &str = "\
none is built in, not even `central`; add to the config (/etc/scalegrease.json)
  \"artifacts\": {\"repositories\": [{\"id\": \"releases\", \"url\": \"https://HOST/PATH/\"}]}
or to ~/.m2/settings.xml, as for mvn
  <settings><profiles><profile><id>jobs</id>
    <activation><activeByDefault>true</activeByDefault></activation>
    <repositories>
      <repository><id>releases</id><url>https://HOST/PATH/</url></repository>
    </repositories>
  </profile></profiles></settings>";

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        let kind = match self {
            Self::Coordinates(error) => error.kind(),
            Self::Settings(error) => error.kind(),
            Self::NoRepository => maven_fetch::ErrorKind::Config,
            Self::Fetch(error) => error.kind(),
            Self::Told(told) => return told.kind,
            Self::Silent | Self::Hangs { .. } => maven_fetch::ErrorKind::Unreachable,
            Self::Stopped => maven_fetch::ErrorKind::Cancelled,
            Self::Child(_) | Self::Copy { .. } => maven_fetch::ErrorKind::Io,
        };
        match kind {
            maven_fetch::ErrorKind::Usage => ErrorKind::Usage,
            maven_fetch::ErrorKind::Config => ErrorKind::Config,
            maven_fetch::ErrorKind::NotFound => ErrorKind::Unavailable,
            maven_fetch::ErrorKind::Unreachable => ErrorKind::Unreachable,
            maven_fetch::ErrorKind::BadContent => ErrorKind::BadInput,
            maven_fetch::ErrorKind::Credentials => ErrorKind::Permission,
            maven_fetch::ErrorKind::Io => ErrorKind::Io,
            maven_fetch::ErrorKind::Cancelled => ErrorKind::NotNow,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Coordinates(error) => error.hint(),
            Self::Settings(error) => error.hint().map(ToOwned::to_owned),
            Self::NoRepository => Some(NO_REPOSITORY.to_owned()),
            Self::Fetch(error) => error.hint(),
            Self::Told(told) => told.hint.clone(),
            Self::Silent | Self::Hangs { .. } => {
                Some("is its server up? `mount` shows where a directory is".to_owned())
            }
            Self::Stopped | Self::Child(_) | Self::Copy { .. } => None,
        }
    }
}
