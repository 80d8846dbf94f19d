//! Replaces files so that whoever looks sees the old one or the new one, whole.

use std::io::{self, Write as _};
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use tempfile::Builder;

use super::facts::FileFacts;

/// Longest part of a file's name that its temporary file repeats: names have at most 255 bytes,
/// and host, process and random part need some of them.
const STEM_MAX_BYTES: usize = 120;

/// What holds after a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The old content or the new one.
    Whole,
    /// It may be empty: for what is rebuilt when it cannot be read.
    Rebuildable,
}

/// Replaces the file at `path`; a new one gets `mode` without what the umask takes. Says what the
/// file system says about this very file: another process may replace it a moment later.
///
/// The temporary file is named `.<name>.<host>.<process>.<random>.tmp`, so that hosts that share
/// the directory never collide and old ones can be told.
pub(crate) fn replace(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    durability: Durability,
) -> io::Result<FileFacts> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let name = name.to_string_lossy();
    let stem = name
        .get(..name.floor_char_boundary(STEM_MAX_BYTES))
        .unwrap_or_default();
    let mut file = Builder::new()
        .prefix(&format!(".{stem}.{}.{}.", host(), std::process::id()))
        .rand_bytes(8)
        .suffix(".tmp")
        .make_in(directory, |path| {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(path)
        })?;
    file.write_all(bytes)?;
    if durability == Durability::Whole {
        file.as_file().sync_all()?;
    }
    let facts = FileFacts::from(&file.as_file().metadata()?);
    let (file, temporary) = file.into_parts();
    close(file)?;
    temporary.persist(path)?;
    if durability == Durability::Whole {
        sync_directory(directory)?;
    }
    Ok(facts)
}

/// Closes a file: file systems over a network report a full disk or quota here at the latest.
fn close(file: File) -> io::Result<()> {
    Ok(nix::unistd::close(file.into_parts().0)?)
}

/// Makes a rename in a directory outlast a power failure.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// This host's name, without what separates the fields of a temporary file's name.
fn host() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    name.replace(|character: char| !character.is_ascii_alphanumeric(), "-")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_by_another_and_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        replace(&path, b"one", 0o600, Durability::Whole).unwrap();
        let first = fs_err::metadata(&path).unwrap();
        let reader = fs_err::read(&path).unwrap();
        let facts = replace(&path, b"two", 0o600, Durability::Rebuildable).unwrap();
        assert_eq!(facts, FileFacts::of(&path).unwrap());
        assert_eq!(
            (reader, fs_err::read(&path).unwrap()),
            (b"one".to_vec(), b"two".to_vec())
        );
        assert_ne!(first.ino(), fs_err::metadata(&path).unwrap().ino());
        assert_eq!(first.mode() & 0o777, 0o600);
        assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_replaced_stays_and_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs_err::create_dir(&path).unwrap();
        replace(&path, b"one", 0o600, Durability::Whole).unwrap_err();
        assert!(path.is_dir());
        assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_as_long_as_names_can_be_has_a_temporary_file_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("\u{e9}".repeat(127));
        replace(&path, b"one", 0o600, Durability::Whole).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"one");
    }
}
