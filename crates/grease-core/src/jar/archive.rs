//! An open jar.

use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use zip::read::{Config, OwnedZipFileEntry};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::positioned::PositionedReader;
use super::{Error, name};

/// Most entries of a jar; the largest fat jars have some 100,000.
const ENTRIES_MAX: usize = 1_000_000;

/// Largest directory in bytes: the most entries, with names of 200 bytes.
const DIRECTORY_BYTES_MAX: u64 = 256 << 20;

/// How every entry, and so every jar that nothing was put in front of, begins (APPNOTE.TXT 4.3.7).
const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";

/// A jar that is open for reading.
///
/// It holds a descriptor and no content; every question reads the jar's directory anew, which
/// takes some 15 ms for 100,000 entries. `ZipArchive` would keep an index of the whole jar, by
/// name, so that an entry that is there twice would be there once.
#[derive(Debug)]
pub struct Jar {
    path: PathBuf,
    file: fs_err::File,
    /// Length of the file in bytes.
    bytes: u64,
    entry_count: usize,
}

impl Jar {
    /// Opens a jar and finds its directory.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let cannot_open = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        // Asked first: opening a pipe that nobody writes to would wait for ever.
        if !fs_err::metadata(path).map_err(cannot_open)?.is_file() {
            return Err(Error::NotAFile {
                path: path.to_owned(),
            });
        }
        let file = fs_err::File::open(path).map_err(cannot_open)?;
        let bytes = file.metadata().map_err(cannot_open)?.len();
        let mut jar = Self {
            path: path.to_owned(),
            file,
            bytes,
            entry_count: 0,
        };
        let mut directory = ZipIterable::try_new(jar.reader(), Config::default())
            .map_err(|error| jar.unreadable_at_the_end(error))?;
        let entry_count = directory.len();
        let first = directory
            .files()
            .map_err(|error| jar.broken(error))?
            .next()
            .transpose()
            .map_err(|error| jar.broken(error))?;
        let directory_bytes = first.map_or(0, |entry| {
            jar.bytes.saturating_sub(entry.central_header_start())
        });
        jar.bounded(entry_count, directory_bytes)?;
        jar.entry_count = entry_count;
        Ok(jar)
    }

    /// How many files and folders the jar holds.
    pub fn entry_count(&self) -> usize {
        self.entry_count
    }

    /// Whether there is a file of exactly that name.
    pub fn is_file(&self, name: &str) -> Result<bool, Error> {
        if name.ends_with('/') {
            return Ok(false);
        }
        let mut found = false;
        self.each_entry(|entry| found |= entry.name_raw() == name.as_bytes())?;
        Ok(found)
    }

    /// Where the jar lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the jar in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A reader over the whole file.
    pub(super) fn reader(&self) -> PositionedReader<'_> {
        PositionedReader::new(&self.file, self.bytes)
    }

    /// Shows every entry of the directory, in its order.
    pub(super) fn each_entry(&self, mut look: impl FnMut(OwnedZipFileEntry)) -> Result<(), Error> {
        let mut directory = ZipIterable::try_new(self.reader(), Config::default())
            .map_err(|error| self.broken(error))?;
        for entry in directory.files().map_err(|error| self.broken(error))? {
            look(entry.map_err(|error| self.broken(error))?.into());
        }
        Ok(())
    }

    /// The first `bytes_max` bytes of an entry, as text.
    pub(super) fn read_start(
        &self,
        entry: &OwnedZipFileEntry,
        bytes_max: u64,
    ) -> Result<Vec<u8>, Error> {
        let mut start = Vec::new();
        let mut reader = self.reader();
        entry
            .as_ref()
            .with_reader(&mut reader, zip::ZipReadOptions::new())
            .map_err(io::Error::from)
            .and_then(|content| content.take(bytes_max).read_to_end(&mut start))
            .map_err(|error| self.broken_content(entry, error))?;
        Ok(start)
    }

    /// The error for an entry's content that cannot be read.
    pub(super) fn broken_content(&self, entry: &OwnedZipFileEntry, error: io::Error) -> Error {
        let path = self.path.clone();
        match machine_error(error) {
            Ok(source) => Error::Read { path, source },
            Err(source) => Error::Content {
                path,
                entry: name::shown(entry.name_raw()),
                source,
            },
        }
    }

    /// The error for a directory that cannot be read.
    fn broken(&self, error: ZipError) -> Error {
        let path = self.path.clone();
        match machine_zip_error(error) {
            Ok(source) => Error::Read { path, source },
            Err(source) => Error::Damaged { path, source },
        }
    }

    /// The error for a file without a directory: part of a jar, or none at all.
    fn unreadable_at_the_end(&self, error: ZipError) -> Error {
        let mut start = [0; LOCAL_HEADER.len()];
        let was_a_jar =
            self.file.file().read_exact_at(&mut start, 0).is_ok() && start == LOCAL_HEADER;
        match self.broken(error) {
            Error::Damaged { path, source } if !was_a_jar => Error::NotAJar { path, source },
            error => error,
        }
    }

    fn bounded(&self, entries: usize, directory_bytes: u64) -> Result<(), Error> {
        let path = self.path.clone();
        if entries > ENTRIES_MAX {
            return Err(Error::TooManyEntries {
                path,
                entries,
                max: ENTRIES_MAX,
            });
        }
        if directory_bytes > DIRECTORY_BYTES_MAX {
            return Err(Error::LargeDirectory {
                path,
                bytes: directory_bytes,
                max: DIRECTORY_BYTES_MAX,
            });
        }
        Ok(())
    }
}

/// Tells a failure of the machine (`Ok`) from broken content, for which the zip reader uses
/// some kinds of `io::Error` as well.
fn machine_error(error: io::Error) -> Result<io::Error, io::Error> {
    match error.kind() {
        io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::Unsupported => Err(error),
        _ => Ok(error),
    }
}

fn machine_zip_error(error: ZipError) -> Result<io::Error, ZipError> {
    match error {
        ZipError::Io(error) => machine_error(error).map_err(ZipError::Io),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use grease_testkit::jar::JarBuilder;

    use super::*;

    #[test]
    fn a_directory_without_bounds_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jar");
        JarBuilder::new().write(&path);
        let jar = Jar::open(&path).unwrap();
        assert!(jar.bounded(ENTRIES_MAX, DIRECTORY_BYTES_MAX).is_ok());
        assert_eq!(
            jar.bounded(ENTRIES_MAX + 1, 0).unwrap_err().to_string(),
            format!(
                "jar `{}` has 1000001 entries, more than the 1000000 allowed",
                path.display()
            )
        );
        assert_eq!(
            jar.bounded(0, DIRECTORY_BYTES_MAX + 1)
                .unwrap_err()
                .to_string(),
            format!(
                "the directory of jar `{}` has 268435457 bytes, more than the 268435456 allowed",
                path.display()
            )
        );
    }
}
