//! What tells whether a file is still the one that we knew: without reading it, and by reading it.

use std::fs::Metadata;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checksum::{Algorithm, Digests};
use crate::download::archive;
use crate::regular;

/// Bytes in flight while a file is read.
const BUFFER_BYTES: usize = 128 * 1024;

/// How much of the beginning is looked at: a block that a crash left unwritten is all NUL.
const START_BYTES: u64 = 512;

/// What a file system says about a file. As long as all of it stays, so did the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileFacts {
    /// Size.
    pub size_bytes: u64,
    /// Last change of the content, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Number of the file in its file system.
    pub inode: u64,
}

impl FileFacts {
    /// Asks for them.
    pub fn of(path: &Path) -> io::Result<Self> {
        fs_err::metadata(path).map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for FileFacts {
    fn from(metadata: &Metadata) -> Self {
        let seconds = metadata.mtime().saturating_mul(1_000_000_000);
        Self {
            size_bytes: metadata.len(),
            modified_ns: seconds.saturating_add(metadata.mtime_nsec()),
            inode: metadata.ino(),
        }
    }
}

/// What was learnt by reading all of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// SHA-1, in lower-case hexadecimal digits.
    pub sha1: String,
    /// SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The facts of the very file that was read.
    pub facts: FileFacts,
}

impl Content {
    /// Reads a file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut file = regular::open(path)?;
        let facts = FileFacts::from(&file.metadata()?);
        let mut digests = Digests::new(Algorithm::Sha256);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => digests.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let hex = |algorithm| digests.hex(algorithm).expect("it is always computed");
        Ok(Self {
            sha1: hex(Algorithm::Sha1),
            sha256: hex(Algorithm::Sha256),
            facts,
        })
    }
}

/// Says what is wrong with a file as far as its structure tells: empty, or never written to the
/// disk before a crash, or not the archive that its name says.
pub(super) fn flaw(path: &Path) -> io::Result<Option<&'static str>> {
    let mut file = regular::open(path)?;
    let mut start = Vec::new();
    file.by_ref().take(START_BYTES).read_to_end(&mut start)?;
    if start.is_empty() {
        return Ok(Some("it is empty"));
    }
    if start.iter().all(|byte| *byte == 0) {
        return Ok(Some("it begins with zeros"));
    }
    if archive::is_archive(&path.to_string_lossy()) {
        return archive::flaw(&mut file);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use fs_err::File;

    use super::*;

    #[test]
    fn what_a_crash_leaves_is_told_from_a_file() {
        let directory = tempfile::tempdir().unwrap();
        for (name, content, expected) in [
            ("a.tar.gz", &b""[..], Some("it is empty")),
            ("b.tar.gz", &[0; 4096], Some("it begins with zeros")),
            ("c.tar.gz", b"\x1f\x8b", None),
            ("d.jar", b"<html>", Some("it does not begin as one")),
            (
                "e.jar",
                b"PK\x03\x04 and no end",
                Some("its end is missing"),
            ),
        ] {
            let path = directory.path().join(name);
            fs_err::write(&path, content).unwrap();
            assert_eq!(flaw(&path).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn facts_change_with_the_content_and_with_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jar");
        fs_err::write(&path, "one").unwrap();
        let first = Content::read(&path).unwrap();
        assert_eq!(first.facts, FileFacts::of(&path).unwrap());
        assert_eq!(first.sha1, "fe05bcdcdc4928012781a5f1a2a77cbb5398e106");
        // The same content in another file with the same times.
        let other = directory.path().join("b.jar");
        fs_err::write(&other, "one").unwrap();
        let times = fs_err::metadata(&path).unwrap().modified().unwrap();
        File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(times)
            .unwrap();
        fs_err::rename(&other, &path).unwrap();
        let second = Content::read(&path).unwrap();
        assert_ne!(first.facts, second.facts);
        assert_eq!(first.sha256, second.sha256);
    }
}
