//! Puts files into the local repository so that Maven accepts them, in an order in which a crash
//! between any two steps leaves a state that is whole.
//!
//! An artifact: the file by a rename, its checksum, its tracking; then what says that it is
//! missing goes. Metadata after the artifact that it names: the file by a rename, then its stamp.
//! Nothing is written in place, appended to, or linked.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err::File;
use jiff::Timestamp;
use tempfile::TempPath;

use super::atomic::{self, Durability};
use super::facts::FileFacts;
use super::lookup::Found;
use super::{LocalError, layout, merge, status, tracking};
use crate::coordinates::Resolved;

/// A directory of the local repository that can be written.
#[derive(Debug)]
pub struct Place {
    pub(super) root: PathBuf,
    pub(super) directory: PathBuf,
    /// Why it is not where the caller wanted it, if so: [`LocalError::ReadOnly`].
    pub warning: Option<LocalError>,
}

/// An artifact that was downloaded.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// What it is.
    pub resolved: &'a Resolved,
    /// The file, complete, in [`Place::directory`].
    pub file: TempPath,
    /// The SHA-1 that was computed of it, in hexadecimal digits.
    pub sha1: &'a str,
    /// The effective id of the repository that it came from.
    pub repository_id: &'a str,
}

/// A file that is now in the local repository.
#[derive(Debug)]
pub struct Published {
    /// The file.
    pub path: PathBuf,
    /// What the file system says about it, for our record.
    pub facts: FileFacts,
    /// What could not be written beside it. Maven may ask for the file once more.
    pub warnings: Vec<LocalError>,
}

impl Place {
    /// The directory, in which a download puts its temporary file.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Publishes an artifact. If this fails, what was there before is there still.
    pub fn publish(&self, arrival: Arrival<'_>) -> Result<Published, LocalError> {
        let Arrival {
            resolved,
            file,
            sha1,
            repository_id,
        } = arrival;
        let name = resolved.file_name();
        let path = self.directory.join(&name);
        let facts = self.finish(&file)?;
        settle(file.persist(&path).map_err(io::Error::from), &facts, &path)
            .and_then(|()| atomic::sync_directory(&self.directory))
            .map_err(LocalError::io("publish", &path))?;

        let mut warnings = Vec::new();
        let sidecar = self.directory.join(format!("{name}.sha1"));
        if let Err(error) =
            atomic::replace(&sidecar, sha1.as_bytes(), 0o666, Durability::Rebuildable)
        {
            warnings.push(LocalError::io("write", &sidecar)(error));
        }
        warnings.extend(track(&self.directory, &name, repository_id).err());
        let missing = self.directory.join(format!("{name}.lastUpdated"));
        warnings.extend(remove(&missing).err());
        Ok(Published {
            path,
            facts,
            warnings,
        })
    }

    /// Publishes the metadata that the repository `id` gave at the time `now`.
    ///
    /// The caller has made sure that it is whole and is what was asked for.
    pub fn publish_metadata(
        &self,
        id: &str,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<Published, LocalError> {
        let name = layout::metadata_file_name(id);
        let path = self.directory.join(&name);
        let facts = atomic::replace(&path, bytes, 0o666, Durability::Whole)
            .map_err(LocalError::io("publish", &path))?;
        let mut warnings = Vec::new();
        // Maven's checksum of the metadata before; it reads it never again.
        warnings.extend(remove(&self.directory.join(format!("{name}.sha1"))).err());
        warnings.extend(self.stamp_metadata(id, now).err());
        Ok(Published {
            path,
            facts,
            warnings,
        })
    }

    /// Notes that the repository `id` confirmed its metadata at the time `now`.
    pub fn stamp_metadata(&self, id: &str, now: Timestamp) -> Result<(), LocalError> {
        let name = layout::metadata_file_name(id);
        merge::merge(&self.directory.join(status::FILE_NAME), &|stamps| {
            status::note(stamps, &name, now);
        })
    }

    /// Gives a temporary file its mode, and makes sure that all of it is on the disk.
    ///
    /// Whoever may read the repository may read the file: a job with a tight umask downloads for
    /// the others too. Nobody else writes it.
    fn finish(&self, temporary: &Path) -> Result<FileFacts, LocalError> {
        let prepare = || {
            let file = File::open(temporary)?;
            let root = fs_err::metadata(&self.root)?;
            let mode = file.metadata()?.mode() & 0o644 | root.mode() & 0o044;
            file.set_permissions(std::fs::Permissions::from_mode(mode))?;
            file.sync_all()?;
            Ok(FileFacts::from(&file.metadata()?))
        };
        prepare().map_err(LocalError::io("finish", temporary))
    }
}

impl Found {
    /// Notes that the repository `id` confirmed the file: it has the same checksum there.
    pub fn confirm(&self, id: &str) -> Result<(), LocalError> {
        let (Some(directory), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Ok(());
        };
        track(directory, &name.to_string_lossy(), id)
    }
}

fn track(directory: &Path, name: &str, id: &str) -> Result<(), LocalError> {
    merge::merge(&directory.join(tracking::FILE_NAME), &|tracking| {
        tracking::note(tracking, name, id);
    })
}

fn remove(path: &Path) -> Result<(), LocalError> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LocalError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Looks closer at a rename that failed because there is no such file: a file server may have done
/// it and lost its answer, and told the client that asked again that the file is gone.
fn settle(renamed: io::Result<()>, facts: &FileFacts, target: &Path) -> io::Result<()> {
    match renamed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match FileFacts::of(target) {
            Ok(found) if found == *facts => Ok(()),
            _ => Err(error),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_whose_answer_was_lost_has_succeeded() {
        let directory = tempfile::tempdir().unwrap();
        let (before, target) = (directory.path().join("a.tmp"), directory.path().join("a"));
        fs_err::write(&before, "new").unwrap();
        let facts = FileFacts::of(&before).unwrap();
        let lost = || Err(io::ErrorKind::NotFound.into());
        settle(lost(), &facts, &target).unwrap_err();
        fs_err::write(&target, "old").unwrap();
        settle(lost(), &facts, &target).unwrap_err();
        fs_err::rename(&before, &target).unwrap();
        settle(lost(), &facts, &target).unwrap();
        settle(Err(io::ErrorKind::StorageFull.into()), &facts, &target).unwrap_err();
    }
}
