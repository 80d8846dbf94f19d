//! The local repository, shared with Maven in both directions.
//!
//! [`LocalRepository`] is the caller's repository (the head), read-only ones behind it (tails),
//! and our own one below the cache directory, which takes what the head cannot. Reading locks
//! nothing and writes nothing. What is published appears whole under its name or not at all,
//! whoever is killed at whichever moment, with tracking files that Maven accepts.

mod atomic;
mod error;
mod facts;
mod layout;
mod lookup;
mod merge;
mod metadata;
mod properties;
mod prune;
mod publish;
mod status;
mod tracking;

use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};

pub(crate) use atomic::{Durability, replace};
pub use error::LocalError;
pub use facts::{Content, FileFacts};
pub use lookup::{Evidence, Found, Known};
pub use metadata::StoredMetadata;
pub use prune::{Build, Plan, Pruned};
pub use publish::{Arrival, Place, Published};
pub use status::{Status, is_due};
pub use tracking::Origin;

use crate::coordinates::Resolved;

/// Where artifacts and metadata are looked for, and where they are put.
#[derive(Debug, Clone)]
pub struct LocalRepository {
    head: PathBuf,
    own: PathBuf,
    tails: Vec<PathBuf>,
}

impl LocalRepository {
    /// Names the places; none of them needs to exist.
    ///
    /// `head` is what Maven calls the local repository, `tails` (`maven.repo.local.tail`) are only
    /// read, and `own` is made and used when `head` cannot be written.
    pub fn new(head: PathBuf, own: PathBuf, tails: Vec<PathBuf>) -> Self {
        Self { head, own, tails }
    }

    /// The head.
    pub fn head(&self) -> &Path {
        &self.head
    }

    /// All places, in the order in which they are looked at.
    pub(super) fn places(&self) -> impl Iterator<Item = &Path> {
        [&self.head, &self.own]
            .into_iter()
            .chain(&self.tails)
            .map(PathBuf::as_path)
    }

    /// Makes the directory of an artifact, and says which it is.
    pub fn prepare(&self, resolved: &Resolved) -> Result<Place, LocalError> {
        self.prepare_directory(&resolved.directory())
    }

    /// Makes a directory for metadata, such as `com/ex/app`, and says which it is.
    ///
    /// If it cannot be written in the head, it is made in our own repository, with a warning.
    pub fn prepare_directory(&self, directory: &str) -> Result<Place, LocalError> {
        let is_inside = Path::new(directory)
            .components()
            .all(|component| matches!(component, Component::Normal(_)));
        if !is_inside || directory.is_empty() || directory.contains('\0') {
            return Err(LocalError::Outside {
                path: directory.to_owned(),
            });
        }
        let wanted = self.head.join(directory);
        match make_writable(&wanted) {
            Ok(()) => Ok(Place {
                root: self.head.clone(),
                directory: wanted,
                warning: None,
            }),
            Err(source) if is_foreign(&source) => {
                let instead = self.own.join(directory);
                make_writable(&instead).map_err(LocalError::io("make directory", &instead))?;
                let root = self.own.clone();
                let warning = LocalError::ReadOnly {
                    directory: wanted,
                    instead: root.clone(),
                    source,
                };
                Ok(Place {
                    root,
                    directory: instead,
                    warning: Some(warning),
                })
            }
            Err(source) => Err(LocalError::io("make directory", &wanted)(source)),
        }
    }
}

/// Makes a directory where it is missing, and checks that files can be made in it.
fn make_writable(directory: &Path) -> io::Result<()> {
    fs_err::create_dir_all(directory)?;
    let access = Access::WRITE_OK | Access::EXEC_OK;
    Ok(rustix::fs::accessat(
        CWD,
        directory,
        access,
        AtFlags::EACCESS,
    )?)
}

/// Tells whether a directory belongs to someone else, or to a file system that is not written.
fn is_foreign(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}
