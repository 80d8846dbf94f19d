//! Directories on the share by descriptor: what is done in one stays in it.
//!
//! Others can write there. No name with a `/` in it is taken and no link is followed, so that
//! nothing outside of the directory is read or removed, whatever somebody puts in the place of what.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

/// A directory that is open.
#[derive(Debug)]
pub struct Dir(OwnedFd);

/// What stands in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, which is valid UTF-8: nothing of ours has another.
    pub name: String,
    /// Whether it is a directory; a link is none.
    pub is_dir: bool,
}

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Whether it is a regular file.
    pub is_file: bool,
    /// Length.
    pub bytes: u64,
    /// When it was written last, since 1970, by the clock of the server.
    pub modified: Duration,
}

impl From<OwnedFd> for Dir {
    fn from(dir: OwnedFd) -> Self {
        Self(dir)
    }
}

impl Dir {
    /// Opens a directory that the config names; a link in its path is the administrator's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a directory in this one.
    pub fn child(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let opened = rustix::fs::openat(&self.0, plain(name)?, flags, Mode::empty());
        Ok(Self(opened?))
    }

    /// Opens a directory in this one, and makes it where it is missing.
    pub fn make_child(&self, name: &str) -> io::Result<Self> {
        match self.child(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match rustix::fs::mkdirat(&self.0, plain(name)?, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => self.child(name),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes a directory; false if the name is taken.
    pub fn make_new_dir(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::mkdirat(&self.0, plain(name)?, Mode::from_raw_mode(0o777)) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Where a link leads; none if it is no link, or its text no valid UTF-8.
    pub fn read_link(&self, name: &str) -> io::Result<Option<String>> {
        match rustix::fs::readlinkat(&self.0, plain(name)?, Vec::new()) {
            Ok(target) => Ok(target.into_string().ok()),
            Err(rustix::io::Errno::INVAL) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes a link, in place of what has the name.
    pub fn replace_link(&self, name: &str, target: &str) -> io::Result<()> {
        let temporary = format!(".{}.tmp", crate::model::RunId::new());
        rustix::fs::symlinkat(target, &self.0, &temporary)?;
        let replaced = self.rename(&temporary, name);
        if replaced.is_err() {
            self.unlink(&temporary).ok(); // The error that counts is the one returned.
        }
        replaced
    }

    /// What stands in it, in the order of names.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(name, "." | "..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => FileType::from_raw_mode(self.stat(name)?.st_mode),
                kind => kind,
            };
            found.push(Entry {
                name: name.to_owned(),
                is_dir: kind == FileType::Directory,
            });
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// What is known of a file, and of a link itself.
    pub fn facts(&self, name: &str) -> io::Result<Facts> {
        let found = self.stat(name)?;
        Ok(Facts {
            is_file: FileType::from_raw_mode(found.st_mode) == FileType::RegularFile,
            bytes: u64::try_from(found.st_size).unwrap_or(0),
            modified: Duration::from_secs(u64::try_from(found.st_mtime).unwrap_or(0)),
        })
    }

    /// How many names a file has.
    pub fn links(&self, name: &str) -> io::Result<u64> {
        #[expect(clippy::useless_conversion, reason = "its width is the platform's")]
        Ok(u64::from(self.stat(name)?.st_nlink))
    }

    /// Opens a regular file for reading; does not wait for a pipe in its place.
    pub fn open_file(&self, name: &str) -> io::Result<fs_err::File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.0, plain(name)?, flags, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode) != FileType::RegularFile {
            let text = format!("`{name}` is not a file");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(named(opened, name))
    }

    /// Reads a regular file, if it is not longer than `bytes_max`.
    pub fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.open_file(name)?;
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            let text = format!("`{name}` is larger than {bytes_max} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(bytes)
    }

    /// Makes a file that was not there.
    pub fn create(&self, name: &str) -> io::Result<fs_err::File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let opened = rustix::fs::openat(&self.0, plain(name)?, flags, mode)?;
        Ok(named(opened, name))
    }

    /// Makes a file with content that is on the disk when this returns.
    pub fn write_new(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut file = self.create(name)?;
        file.write_all(content)?;
        file.sync_all()
    }

    /// Gives a file a second name, unless that is taken.
    pub fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (plain(from)?, plain(to)?);
        Ok(rustix::fs::linkat(
            &self.0,
            from,
            &self.0,
            to,
            AtFlags::empty(),
        )?)
    }

    /// Gives something another name, in place of what has that.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(
            &self.0,
            plain(from)?,
            &self.0,
            plain(to)?,
        )?)
    }

    /// Removes the name of a file or of a link; that it is not there is no error.
    pub fn unlink(&self, name: &str) -> io::Result<()> {
        absent_is_fine(rustix::fs::unlinkat(
            &self.0,
            plain(name)?,
            AtFlags::empty(),
        ))
    }

    /// Removes an empty directory; that it is not there is no error.
    pub fn remove_dir(&self, name: &str) -> io::Result<()> {
        absent_is_fine(rustix::fs::unlinkat(
            &self.0,
            plain(name)?,
            AtFlags::REMOVEDIR,
        ))
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        Ok(rustix::fs::statat(
            &self.0,
            plain(name)?,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }
}

fn named(opened: OwnedFd, name: &str) -> fs_err::File {
    fs_err::File::from_parts(opened.into(), name)
}

fn absent_is_fine(done: rustix::io::Result<()>) -> io::Result<()> {
    match done {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// A name that stays in its directory.
fn plain(name: &str) -> io::Result<&str> {
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        let text = format!("`{name}` is not the name of a file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_the_directory() {
        let place = tempfile::tempdir().unwrap();
        let outside = place.path().join("outside");
        fs_err::create_dir(&outside).unwrap();
        fs_err::write(outside.join("file"), "mine").unwrap();
        let inside = place.path().join("inside");
        fs_err::create_dir(&inside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("dir")).unwrap();
        std::os::unix::fs::symlink(outside.join("file"), inside.join("link")).unwrap();
        let dir = Dir::open(&inside).unwrap();
        dir.child("dir").unwrap_err();
        dir.make_child("dir").unwrap_err();
        dir.read("link", 10).unwrap_err();
        dir.create("link").unwrap_err();
        for name in ["..", "../outside", "dir/file", "", "."] {
            dir.child(name).unwrap_err();
            dir.unlink(name).unwrap_err();
        }
        assert!(!dir.facts("link").unwrap().is_file);
        dir.unlink("link").unwrap();
        assert_eq!(
            fs_err::read_to_string(outside.join("file")).unwrap(),
            "mine"
        );
    }

    #[test]
    fn a_name_that_is_taken_is_not_taken_again() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        dir.write_new("one", b"1").unwrap();
        dir.write_new("two", b"2").unwrap();
        dir.link("one", "name").unwrap();
        assert_eq!(
            dir.link("two", "name").unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(dir.links("one").unwrap(), 2);
        assert_eq!(dir.read("name", 1).unwrap(), b"1");
        dir.unlink("absent").unwrap();
        let names: Vec<String> = dir.entries().unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["name", "one", "two"]);
    }
}
