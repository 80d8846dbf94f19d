//! Deployment: how the implementation of a job gets onto this machine.

pub mod child;
pub mod config;
mod maven;
mod pruning;
mod refusal;
mod sources;

use std::io;
use std::path::{Path, PathBuf};

use crate::jar::{self, Jar};
use crate::model::{ErrorKind, Explain};

pub use maven::{Manner, Origin, Setting, Stale, Update, Watch};
pub use pruning::{Prunable, Removed, Uses};
pub use sources::{Source, Sources};

/// Endings of files that are archives, and so must be sound ones.
const ARCHIVES: [&str; 4] = ["jar", "war", "ear", "zip"];

/// An artifact on this machine.
#[derive(Debug)]
pub struct Artifact {
    /// Absolute path.
    pub path: PathBuf,
    /// Coordinates as resolved, or the path of a local file.
    pub spec: String,
    /// What jobs out of it are called: `group:artifact`, or the file's name.
    pub name: String,
    /// The open jar; `None` for a file that is no archive by its name.
    pub jar: Option<Jar>,
    /// Where it came from; `None` for a local file.
    pub origin: Option<Origin>,
}

/// What ARTIFACT names, before anything is fetched.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    /// `-`: there is none.
    Nothing,
    /// A file that exists.
    File(PathBuf),
    /// Maven coordinates.
    Coordinates {
        /// As they are written.
        argument: String,
        /// What that means.
        meant: Box<maven_fetch::coordinates::Coordinates>,
    },
}

/// Tells what ARTIFACT names: `-` for none, a path that exists, or coordinates.
///
/// A relative path is looked up in `directory`.
pub fn named(argument: &str, directory: &Path) -> Result<Named, Error> {
    if argument == "-" {
        return Ok(Named::Nothing);
    }
    let path = directory.join(argument);
    match fs_err::metadata(&path) {
        Ok(found) if found.is_file() => Ok(Named::File(path)),
        Ok(_) => Err(Error::NotAFile { path }),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::Unreadable {
            path,
            source: error,
        }),
        Err(_) if argument.contains(':') && !argument.contains('/') => Ok(Named::Coordinates {
            argument: argument.to_owned(),
            meant: Box::new(maven::coordinates(argument)?),
        }),
        Err(_) => Err(Error::Missing { path }),
    }
}

/// What jobs are called out of an artifact that is not here: `group:artifact`, if it is meant by its
/// coordinates.
pub fn name_in(argument: &str) -> Option<String> {
    let coordinates = maven::coordinates(argument).ok()?;
    Some(format!("{}:{}", coordinates.group, coordinates.artifact))
}

impl Named {
    /// Opens the artifact if it is a file on this machine; nothing is fetched.
    pub fn local(&self) -> Result<Option<Artifact>, Error> {
        match self {
            Self::File(path) => local(path).map(Some),
            Self::Nothing | Self::Coordinates { .. } => Ok(None),
        }
    }

    /// `group:artifact` of coordinates.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Coordinates { meant, .. } => Some(format!("{}:{}", meant.group, meant.artifact)),
            Self::Nothing | Self::File(_) => None,
        }
    }

    /// Brings the artifact onto this machine, and opens it.
    pub fn find(
        &self,
        setting: &Setting<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Option<Artifact>, Error> {
        match self {
            Self::Nothing => Ok(None),
            Self::File(path) => local(path).map(Some),
            Self::Coordinates { argument, meant } => {
                let here = maven::fetch(argument, meant, setting, watch)?;
                let jar = is_archive(&here.path).then(|| Jar::open(&here.path));
                Ok(Some(Artifact {
                    jar: jar.transpose()?,
                    path: here.path,
                    spec: here.spec,
                    name: here.name,
                    origin: Some(here.origin),
                }))
            }
        }
    }
}

fn is_archive(path: &Path) -> bool {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    ARCHIVES
        .iter()
        .any(|archive| ending.eq_ignore_ascii_case(archive))
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn local(path: &Path) -> Result<Artifact, Error> {
    let path = std::path::absolute(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut jar = None;
    let mut name = file_name(&path);
    if is_archive(&path) {
        let open = Jar::open(&path)?;
        if let Some(own) = open.coordinates()? {
            name = format!("{}:{}", own.group, own.artifact);
        }
        jar = Some(open);
    }
    let spec = path.to_string_lossy().into_owned();
    Ok(Artifact {
        path,
        spec,
        name,
        jar,
        origin: None,
    })
}

/// Why an artifact cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a file nor coordinates.
    #[error("the artifact `{path}` does not exist")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Not a regular file.
    #[error("the artifact `{path}` is not a file")]
    NotAFile {
        /// What it is.
        path: PathBuf,
    },
    /// Cannot be looked at.
    #[error("cannot read the artifact `{path}`")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not out of a Maven repository.
    #[error(transparent)]
    Maven(#[from] maven::Error),
    /// Not a sound jar.
    #[error(transparent)]
    Jar(#[from] jar::Error),
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } => ErrorKind::Unavailable,
            Self::Maven(error) => error.kind(),
            Self::NotAFile { .. } => ErrorKind::BadInput,
            Self::Unreadable { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::Permission,
                _ => ErrorKind::Io,
            },
            Self::Jar(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some(
                "a relative path starts in the current directory, `group:artifact` is looked for in \
                 Maven repositories, `-` stands for no artifact"
                    .to_owned(),
            ),
            Self::NotAFile { .. } => Some("give the path of the jar".to_owned()),
            Self::Maven(error) => error.hint(),
            Self::Jar(error) => error.hint(),
            Self::Unreadable { .. } => None,
        }
    }
}
