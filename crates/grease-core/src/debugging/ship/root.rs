//! The root of the share, held open: all that is written goes by this descriptor, so that it lands on
//! the share whose marker was seen, even if something else is mounted at its path meanwhile.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, StatxFlags, Uid};
use rustix::io::{Errno, Result};

use crate::debugging::share::dir::Dir;
use crate::debugging::share::layout;

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    /// The one group; everybody if absent.
    pub(super) group: Option<u32>,
}

impl Access {
    fn file(self) -> Mode {
        Mode::from_raw_mode(if self.group.is_some() { 0o640 } else { 0o644 })
    }

    fn dir(self) -> Mode {
        // What is made in it belongs to the group too.
        Mode::from_raw_mode(if self.group.is_some() { 0o2750 } else { 0o755 })
    }
}

/// The user's directory on the share. Paths are relative to it.
#[derive(Debug)]
pub(super) struct Root {
    dir: OwnedFd,
    user: PathBuf,
    access: Access,
    /// Part of the names of what is not whole yet: two hosts do not meet in one.
    tag: String,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// To be written, made where it is missing.
    Mirror,
    /// To be written; it must not be there.
    New,
    /// To be read, past the cache of this host if that is asked for.
    Read {
        /// With `O_DIRECT`.
        direct: bool,
    },
}

/// What the server says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) kind: FileType,
    /// Its names; a file without any is gone, though whoever has it open can read and write it.
    pub(super) links: u64,
    pub(super) length: u64,
}

/// Asks the server for a file, or for an open one if the path is empty: what this host remembers of it may
/// be of before another removed it.
pub(super) fn ask(dir: impl AsFd, path: &Path) -> Result<Told> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
    let asked = flags | AtFlags::STATX_FORCE_SYNC;
    match rustix::fs::statx(dir.as_fd(), path, asked, StatxFlags::BASIC_STATS) {
        // Before Linux 4.11.
        Err(Errno::NOSYS) => rustix::fs::statat(dir, path, flags).map(|found| Told {
            kind: FileType::from_raw_mode(found.st_mode),
            links: found.st_nlink,
            length: u64::try_from(found.st_size).unwrap_or(0),
        }),
        told => told.map(|found| Told {
            kind: FileType::from_raw_mode(found.stx_mode.into()),
            links: found.stx_nlink.into(),
            length: found.stx_size,
        }),
    }
}

impl Root {
    /// Takes the root, whose marker was seen.
    pub(super) fn new(root: OwnedFd, user: &str, access: Access, tag: &str) -> Self {
        Self {
            dir: root,
            user: PathBuf::from(layout::file_name(user)),
            access,
            tag: tag.to_owned(),
        }
    }

    /// The name, beside `path`, of what is to have that name when it is whole.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.tmp", self.tag));
        path.with_file_name(name)
    }

    /// Opens a root by its path, to look at it.
    pub(super) fn open_path(path: &Path) -> Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, path, flags, Mode::empty())
    }

    /// The root itself, once more: what is done by it is done to the share whose marker was seen.
    pub(super) fn again(&self) -> std::io::Result<Dir> {
        Ok(Dir::from(self.dir.try_clone()?))
    }

    /// Whether `other` is the same directory.
    pub(super) fn is_same(&self, other: &OwnedFd) -> Result<bool> {
        let (own, other) = (rustix::fs::fstat(&self.dir)?, rustix::fs::fstat(other)?);
        Ok((own.st_dev, own.st_ino) == (other.st_dev, other.st_ino))
    }

    /// Makes the directory of the user, and checks that nobody else made it: whoever owns it could
    /// read and change all that is in it.
    pub(super) fn enter(&self) -> Result<()> {
        let look = || rustix::fs::statat(&self.dir, &self.user, AtFlags::SYMLINK_NOFOLLOW);
        let found = match look() {
            Err(Errno::NOENT) => {
                self.make_dir(&self.user)?;
                look()?
            }
            found => found?,
        };
        let owner = Uid::from_raw(found.st_uid);
        let is_trusted = owner == rustix::process::geteuid() || owner.is_root();
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory if is_trusted => Ok(()),
            FileType::Directory => Err(Errno::PERM),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// Opens a file; with its directories where they are missing, if it is to be written.
    pub(super) fn open(&self, path: &Path, how: How) -> Result<OwnedFd> {
        let always = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = match how {
            How::Mirror => OFlags::WRONLY | OFlags::CREATE,
            How::New => OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
            How::Read { direct: true } => OFlags::RDONLY | OFlags::DIRECT,
            How::Read { direct: false } => OFlags::RDONLY,
        };
        let path = self.user.join(path);
        let open = || rustix::fs::openat(&self.dir, &path, flags | always, self.access.file());
        match open() {
            Err(Errno::NOENT) if flags.contains(OFlags::CREATE) => {
                self.make_parents(&path)?;
                open()
            }
            opened => opened,
        }
    }

    /// Does something by a path of which the directory may be missing.
    fn with_parents<T>(&self, path: &Path, act: impl Fn(&Path) -> Result<T>) -> Result<T> {
        let path = self.user.join(path);
        match act(&path) {
            Err(Errno::NOENT) => {
                self.make_parents(&path)?;
                act(&path)
            }
            done => done,
        }
    }

    /// Gives a file a second name; `false` if that is taken.
    pub(super) fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        let (from, to) = (self.user.join(from), self.user.join(to));
        match rustix::fs::linkat(&self.dir, &from, &self.dir, &to, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let (from, to) = (self.user.join(from), self.user.join(to));
        rustix::fs::renameat(&self.dir, &from, &self.dir, &to)
    }

    /// Removes a file; that it is not there is no error.
    pub(super) fn unlink(&self, path: &Path) -> Result<()> {
        let path = self.user.join(path);
        match rustix::fs::unlinkat(&self.dir, &path, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    pub(super) fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        self.with_parents(path, |path| rustix::fs::symlinkat(target, &self.dir, path))
    }

    /// Where a link leads; none if there is none.
    pub(super) fn read_link(&self, path: &Path) -> Result<Option<PathBuf>> {
        use std::os::unix::ffi::OsStringExt as _;

        match rustix::fs::readlinkat(&self.dir, self.user.join(path), Vec::new()) {
            Ok(target) => Ok(Some(OsString::from_vec(target.into_bytes()).into())),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The length of a file, as the server says; none if there is none.
    pub(super) fn length(&self, path: &Path) -> Result<Option<u64>> {
        match ask(&self.dir, &self.user.join(path)) {
            Ok(told) => Ok(Some(told.length).filter(|_| told.links > 0)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Has this host forget the name of a file that the server does not have any more.
    ///
    /// A client of NFS believes for up to a minute what it remembers of names, and NFS 4.1 opens a file by
    /// its handle: for as long as somebody has the file open, its name seems to be there, and leads to it.
    /// Directories that the server is asked for are compared with what it says; what is removed by its name
    /// has none here either.
    pub(super) fn forget(&self, path: &Path) -> Result<()> {
        let inner = self.user.join(path);
        let dirs: Vec<&Path> = inner.ancestors().skip(1).collect();
        for dir in dirs.into_iter().rev() {
            match ask(&self.dir, dir) {
                Err(Errno::NOENT) => return Ok(()),
                told => told?,
            };
        }
        self.unlink(path)
    }

    /// Makes the directories that `path`, below the root, is in: never the root itself.
    fn make_parents(&self, path: &Path) -> Result<()> {
        let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) else {
            return Err(Errno::NOENT);
        };
        match self.make_dir(parent) {
            Err(Errno::NOENT) => {
                self.make_parents(parent)?;
                self.make_dir(parent)
            }
            made => made,
        }
    }

    fn make_dir(&self, path: &Path) -> Result<()> {
        match rustix::fs::mkdirat(&self.dir, path, self.access.dir()) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        if let Some(group) = self.access.group {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            let group = Some(Gid::from_raw(group));
            rustix::fs::chownat(&self.dir, path, None, group, flags)?;
            // mkdir(2) leaves the bit away, and chown(2) may take it away.
            rustix::fs::chmodat(&self.dir, path, self.access.dir(), AtFlags::empty())?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    /// A share in a temporary directory.
    pub(crate) fn share() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open_path(dir.path()).unwrap();
        let root = Root::new(root, "etl", Access { group: None }, "t");
        (dir, root)
    }

    #[test]
    fn directories_are_made_below_the_root_and_for_whom_the_config_says() {
        let (dir, open) = share();
        open.open(Path::new("a/b/file"), How::Mirror).unwrap();
        let mode = |path: &str| {
            let found = fs_err::metadata(dir.path().join(path)).unwrap();
            found.permissions().mode() & 0o7777
        };
        assert_eq!((mode("etl/a/b"), mode("etl/a/b/file")), (0o755, 0o644));
        let group = rustix::process::getegid().as_raw();
        let group = Some(group);
        let root = Root::open_path(dir.path()).unwrap();
        let closed = Root::new(root, "other", Access { group }, "t");
        closed.open(Path::new("a/file"), How::New).unwrap();
        assert_eq!((mode("other/a"), mode("other/a/file")), (0o2750, 0o640));
        let owner = fs_err::metadata(dir.path().join("other/a")).unwrap().gid();
        assert_eq!(Some(owner), group);
    }

    #[test]
    fn a_directory_that_another_user_made_is_not_used() {
        if !rustix::process::geteuid().is_root() {
            return; // Only root can give files away.
        }
        let (dir, root) = share();
        root.enter().unwrap();
        root.enter().unwrap();
        std::os::unix::fs::chown(dir.path().join("etl"), Some(1234), None).unwrap();
        assert_eq!(root.enter(), Err(Errno::PERM));
        fs_err::remove_dir(dir.path().join("etl")).unwrap();
        std::os::unix::fs::symlink("/tmp", dir.path().join("etl")).unwrap();
        assert_eq!(root.enter(), Err(Errno::NOTDIR));
    }
}
