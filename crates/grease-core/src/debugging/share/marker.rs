//! The marker of a share, `grease-share.json` in its root: without the right one nothing is written.
//!
//! Under a share that is not mounted lies an empty directory of the host, which would be filled instead;
//! and another share may be mounted there.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layout::MARKER;
use crate::sys::clock;
use crate::sys::fs::{Mounts, read_bounded};

/// Version of the file.
const VERSION: u32 = 1;

/// Version of the tree below it that is written here.
const LAYOUT: u32 = 1;

/// Largest marker that is read.
const BYTES_MAX: u64 = 64 * 1024;

/// The marker of a share (`grease-share.json`, version 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Version of this format.
    pub v: u32,
    /// The id of the share.
    pub share_id: String,
    /// Version of the tree.
    pub layout: u32,
    /// When it was made, in UTC.
    pub created: String,
}

/// What is in the place of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The share that is meant.
    Right(Marker),
    /// No marker.
    Unmarked,
    /// Another share than the one that was seen here before.
    Other {
        /// What is there.
        found: Marker,
        /// The id of the one before.
        pinned: String,
    },
    /// Made by a later version of Scalegrease, in a way that is not known here.
    Newer(Marker),
}

/// Reads the marker in a root; none if there is none.
pub fn read(root: &Path) -> io::Result<Option<Marker>> {
    read_in(open_root(root)?)
}

/// Makes a root a share, unless it is one; returns its marker. The root itself must exist.
pub fn init(root: &Path) -> io::Result<Marker> {
    init_in(&open_root(root)?)
}

/// Says what is in the place of a share; `pinned` is the id that was seen there before.
pub fn check(found: Option<Marker>, pinned: Option<&str>) -> Verdict {
    match (found, pinned) {
        (None, _) => Verdict::Unmarked,
        (Some(found), Some(pinned)) if found.share_id != pinned => Verdict::Other {
            found,
            pinned: pinned.to_owned(),
        },
        (Some(found), _) if found.layout > LAYOUT => Verdict::Newer(found),
        (Some(found), _) => Verdict::Right(found),
    }
}

/// Whether a directory is made a share without being asked: a developer's own, local and empty. One
/// over which a network file system is to be mounted is none.
pub fn is_initialised_by_itself(root: &Path) -> bool {
    let uid = rustix::process::geteuid().as_raw();
    let is_own = || fs_err::symlink_metadata(root).is_ok_and(|found| found.uid() == uid);
    let is_empty = || fs_err::read_dir(root).is_ok_and(|mut entries| entries.next().is_none());
    let table = || read_bounded("/etc/fstab".as_ref(), 1 << 20).unwrap_or_default();
    Mounts::read().remote(root).is_none()
        && is_own()
        && !is_to_be_mounted(root, &table())
        && is_empty()
}

/// Whether `fstab(5)` says that something is to be mounted at a path or above it, below `/`.
fn is_to_be_mounted(root: &Path, table: &str) -> bool {
    const LOCAL: [&str; 8] = [
        "ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "f2fs", "zfs",
    ];

    table.lines().map(str::trim).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [source, point, kind, ..] if !source.starts_with('#') => {
                let is_above = point != "/" && root.starts_with(point.replace("\\040", " "));
                is_above && !LOCAL.contains(&kind)
            }
            _ => false,
        }
    })
}

pub(in crate::debugging) fn read_in(root: impl AsFd) -> io::Result<Option<Marker>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(root, MARKER, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    let file = fs_err::File::from_parts(file.into(), MARKER);
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    let marker = serde_json::from_str(&text).map_err(|error| {
        let text = format!("`{MARKER}` is not the marker of a share: {error}");
        io::Error::new(io::ErrorKind::InvalidData, text)
    })?;
    Ok(Some(marker))
}

pub(in crate::debugging) fn init_in(root: &OwnedFd) -> io::Result<Marker> {
    if let Some(marker) = read_in(root)? {
        return Ok(marker);
    }
    let marker = Marker {
        v: VERSION,
        share_id: Uuid::now_v7().to_string(),
        layout: LAYOUT,
        created: format!("{:.6}", clock::now()),
    };
    let temporary = format!(".{MARKER}.{}.tmp", marker.share_id);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(root, &temporary, flags, Mode::from_raw_mode(0o644))?;
    let mut file = fs_err::File::from_parts(file.into(), &temporary);
    let mut text = serde_json::to_string(&marker).map_err(io::Error::from)?;
    text.push('\n');
    // Whole or not there, and of several hosts that do the same one only.
    let linked = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| {
            let linked = rustix::fs::linkat(root, &temporary, root, MARKER, AtFlags::empty());
            Ok(linked?)
        });
    rustix::fs::unlinkat(root, &temporary, AtFlags::empty())?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read_in(root)?.ok_or_else(|| io::ErrorKind::NotFound.into())
        }
        linked => linked.map(|()| marker),
    }
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, root, flags, Mode::empty()).map_err(|errno| {
        let text = format!("cannot open `{}`: {errno}", root.display());
        io::Error::new(errno.kind(), text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_made_once_and_known_by_its_id() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let made = init(dir.path()).unwrap();
        assert_eq!(init(dir.path()).unwrap(), made);
        assert_eq!(read(dir.path()).unwrap(), Some(made.clone()));
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1);
        let id = made.share_id.clone();
        assert_eq!(
            check(Some(made.clone()), Some(&id)),
            Verdict::Right(made.clone())
        );
        assert!(matches!(
            check(Some(made), Some("other")),
            Verdict::Other { .. }
        ));
        assert_eq!(check(None, Some(&id)), Verdict::Unmarked);
        init(&dir.path().join("missing")).unwrap_err();
    }

    #[test]
    fn only_an_own_local_empty_directory_is_initialised_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        assert!(!is_initialised_by_itself(&root));
        fs_err::create_dir(&root).unwrap();
        assert!(is_initialised_by_itself(&root));
        fs_err::write(root.join("file"), "").unwrap();
        assert!(!is_initialised_by_itself(&root));
    }

    #[test]
    fn where_a_share_is_to_be_mounted_nothing_is_initialised_by_itself() {
        let table =
            "# files:/logs /old nfs\nfiles:/logs /logs nfs hard 0 0\n/dev/sda2 /data ext4\n";
        let is = |path: &str| is_to_be_mounted(Path::new(path), table);
        assert!(is("/logs") && is("/logs/farm"));
        assert!(!is("/data/logs") && !is("/old") && !is("/logs2"));
    }
}
