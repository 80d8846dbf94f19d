//! How much of a local file was brought to the share, kept beside it; and by which bytes the file is known
//! again: one that was lost and begun anew is not the one that was brought.

use std::fmt::Write as _;
use std::os::fd::AsFd;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::place;
use crate::sys::fs;

/// Bytes before the offset that a file is known by; each line of a log or an index is a different one.
const KNOWN_BY: u64 = 4096;

/// Longest bookmark that is read.
const BYTES_MAX: u64 = 256;

/// Bytes that were brought, and what they end in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bookmark {
    pub(super) offset: u64,
    hash: String,
}

impl Bookmark {
    /// That of a file of which so many bytes were brought.
    pub(super) fn of(file: impl AsFd, offset: u64) -> Self {
        Self {
            offset,
            hash: hash(file, offset).unwrap_or_default(),
        }
    }

    /// Reads one; nothing was brought if it cannot be read.
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read_bounded(path, BYTES_MAX).unwrap_or_default();
        let mut words = text.split_whitespace();
        let offset = words.next().and_then(|word| word.parse().ok());
        Self {
            offset: offset.unwrap_or(0),
            hash: words.next().unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn write(&self, path: &Path) {
        let text = format!("{} {}", self.offset, self.hash);
        place::replace(path, text.as_bytes()).ok(); // It is compared then.
    }

    /// Whether a file has all that was brought.
    pub(super) fn fits(&self, file: impl AsFd) -> bool {
        hash(file, self.offset).is_some_and(|hash| hash == self.hash)
    }
}

/// The hash of what is before an offset; none if a file is shorter.
fn hash(file: impl AsFd, offset: u64) -> Option<String> {
    let from = offset.saturating_sub(KNOWN_BY);
    let mut bytes = vec![0; usize::try_from(offset - from).ok()?];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::io::pread(&file, &mut bytes[filled..], from + filled as u64) {
            Ok(0) => return None,
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    let hash = Sha256::digest(&bytes);
    Some(hash[..8].iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("in memory");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_what_was_brought_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let [file, mark] = ["file", "mark"].map(|name| dir.path().join(name));
        let open = || fs_err::File::open(&file).unwrap();
        fs_err::write(&file, "x".repeat(9000)).unwrap();
        Bookmark::of(open().file(), 8000).write(&mark);
        let known = Bookmark::read(&mark);
        assert_eq!(known.offset, 8000);
        assert!(known.fits(open().file()));
        for (content, fits) in [
            ("x".repeat(8000), true),
            ("x".repeat(7999), false),
            ("y".repeat(9000), false),
        ] {
            fs_err::write(&file, content).unwrap();
            assert_eq!(known.fits(open().file()), fits);
        }
        let nothing = Bookmark::read(&dir.path().join("none"));
        assert_eq!(nothing.offset, 0);
    }
}
