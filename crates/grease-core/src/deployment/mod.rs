//! Deployment: how the implementation of a job gets onto this machine.

pub mod config;

use std::io;
use std::path::{Path, PathBuf};

use crate::jar::{self, Jar};
use crate::model::{ErrorKind, Explain};

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
}

/// Finds the artifact that ARTIFACT names: `-` for none, a path that exists, or coordinates.
///
/// A relative path is looked up in `directory`.
pub fn find(argument: &str, directory: &Path) -> Result<Option<Artifact>, Error> {
    if argument == "-" {
        return Ok(None);
    }
    let path = directory.join(argument);
    match fs_err::metadata(&path) {
        Ok(found) if found.is_file() => local(&path).map(Some),
        Ok(_) => Err(Error::NotAFile { path }),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::Unreadable {
            path,
            source: error,
        }),
        Err(_) if argument.contains(':') && !argument.contains('/') => Err(Error::Coordinates {
            spec: argument.to_owned(),
        }),
        Err(_) => Err(Error::Missing { path }),
    }
}

fn local(path: &Path) -> Result<Artifact, Error> {
    let path = std::path::absolute(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    let mut jar = None;
    let mut name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if ARCHIVES
        .iter()
        .any(|archive| ending.eq_ignore_ascii_case(archive))
    {
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
    /// Coordinates, which this version cannot fetch.
    #[error("no file is called `{spec}`, and fetching from Maven repositories is not there yet")]
    Coordinates {
        /// The coordinates as given.
        spec: String,
    },
    /// Not a sound jar.
    #[error(transparent)]
    Jar(#[from] jar::Error),
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } | Self::Coordinates { .. } => ErrorKind::Unavailable,
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
                "a relative path starts in the current directory; `-` stands for no artifact"
                    .to_owned(),
            ),
            Self::Coordinates { .. } | Self::NotAFile { .. } => {
                Some("give the path of the jar".to_owned())
            }
            Self::Jar(error) => error.hint(),
            Self::Unreadable { .. } => None,
        }
    }
}
