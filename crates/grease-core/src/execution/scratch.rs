//! The private directory of one run.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::RunId;
use crate::sys;

/// Age at which a directory that is not locked counts as left behind.
const YOUNG: Duration = Duration::from_mins(1);

/// A directory for one run (0700) that is removed with everything in it when this value goes.
///
/// After `kill -9` nothing goes; the next run removes it by [`remove_of_dead`].
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    removed: bool,
    /// Held while greaserun lives, never read.
    _lock: fs_err::File,
}

impl Scratch {
    /// Where the scratch directory of a run is, below `root`.
    pub fn path_for(root: &Path, run: RunId) -> PathBuf {
        root.join(run.to_string())
    }

    /// Makes the directory at `path`, which must not exist.
    ///
    /// A root that does not exist is made: by root for all users as `/tmp` is, else private.
    /// One in which another user could replace the directory is refused.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;

        if let Some(root) = path.parent().filter(|root| !root.exists()) {
            if rustix::process::geteuid().is_root() {
                sys::fs::shared_dir(root)?;
            } else {
                sys::fs::private_dir(root)?;
            }
        }
        if let Some(root) = path.parent() {
            sys::fs::check_trusted(root)?;
        }
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot create `{}`: {error}", path.display()),
                )
            })?;
        let lock = fs_err::File::open(&path)?;
        lock.try_lock().map_err(io::Error::from)?;
        Ok(Self {
            path,
            removed: false,
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the directory, and says what stays behind.
    pub fn remove(mut self) -> io::Result<()> {
        self.removed = true;
        sys::fs::remove_tree(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.removed {
            sys::fs::remove_tree(&self.path).ok(); // The next run's sweep reports what stays.
        }
    }
}

/// Finds the scratch directories of this user below `root` that no greaserun holds any more.
///
/// The lock on the directory tells, as it does in the registry; a young one may not be locked
/// yet. What does not bear a run's id is not ours to touch.
pub fn orphans(root: &Path) -> Vec<Scratch> {
    let entries = fs_err::read_dir(root).into_iter().flatten().flatten();
    entries.filter_map(|entry| orphan(entry.path())).collect()
}

fn orphan(path: PathBuf) -> Option<Scratch> {
    use std::os::unix::fs::MetadataExt as _;

    path.file_name()?.to_str()?.parse::<RunId>().ok()?;
    let found = fs_err::symlink_metadata(&path).ok()?;
    let own = found.uid() == rustix::process::geteuid().as_raw();
    let age = found.modified().ok()?.elapsed().ok()?;
    if !found.is_dir() || !own || age < YOUNG {
        return None;
    }
    // The job may have closed it; it is ours to open again.
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).ok()?;
    let lock = fs_err::File::open(&path).ok()?;
    lock.try_lock().ok()?;
    Some(Scratch {
        path,
        removed: false,
        _lock: lock,
    })
}

/// Removes the scratch directory of a dead run.
///
/// The path comes from a file: it is believed only if it ends in the run's id and is a
/// directory of this user, not a link.
pub fn remove_of_dead(path: &Path, run: RunId) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    if path.file_name() != Some(run.to_string().as_ref()) {
        return Ok(());
    }
    match fs_err::symlink_metadata(path) {
        Ok(found) if found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() => {
            sys::fs::remove_tree(path)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(root: &Path) -> Scratch {
        Scratch::create(Scratch::path_for(root, RunId::new())).unwrap()
    }

    #[test]
    fn it_is_private_whatever_the_umask_and_goes_with_the_value() {
        let root = tempfile::tempdir().unwrap();
        let scratch = create(&root.path().join("a/b"));
        let path = scratch.path().to_owned();
        assert_eq!(
            fs_err::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn directories_that_the_job_closed_are_removed_and_links_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = root.path().join("outside");
        fs_err::create_dir(&outside).unwrap();
        fs_err::File::create(outside.join("kept")).unwrap();
        let scratch = create(root.path());
        let closed = scratch.path().join("closed/deep");
        fs_err::create_dir_all(&closed).unwrap();
        fs_err::File::create(closed.join("file")).unwrap();
        std::os::unix::fs::symlink(&outside, closed.join("link")).unwrap();
        for dir in [&closed, closed.parent().unwrap()] {
            fs_err::set_permissions(dir, std::fs::Permissions::from_mode(0o000)).unwrap();
        }
        let path = scratch.path().to_owned();
        scratch.remove().unwrap();
        assert!(!path.exists());
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn a_dead_runs_record_cannot_make_us_remove_something_else() {
        let root = tempfile::tempdir().unwrap();
        let run = RunId::new();
        let victim = root.path().join("victim");
        fs_err::create_dir(&victim).unwrap();
        remove_of_dead(&victim, run).unwrap();
        let link = root.path().join(run.to_string());
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        remove_of_dead(&link, run).unwrap();
        assert!(victim.exists());
    }

    #[test]
    fn what_no_greaserun_holds_is_found_once_it_is_old_and_nothing_else_is() {
        let root = tempfile::tempdir().unwrap();
        let held = create(root.path());
        let (old, young) = (RunId::new().to_string(), RunId::new().to_string());
        for name in [&old, &young, "not-a-run"] {
            fs_err::create_dir(root.path().join(name)).unwrap();
        }
        let hour_ago = std::time::SystemTime::now() - Duration::from_hours(1);
        for path in [
            held.path(),
            &root.path().join(&old),
            &root.path().join("not-a-run"),
        ] {
            fs_err::File::open(path)
                .unwrap()
                .set_modified(hour_ago)
                .unwrap();
        }
        let found = orphans(root.path());
        assert_eq!(found.len(), 1);
        assert!(found[0].path().ends_with(&old));
        drop(found);
        assert!(!root.path().join(&old).exists());
        assert!(held.path().exists() && root.path().join(&young).exists());
    }
}
