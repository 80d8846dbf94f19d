//! Reads a file at a position of its own, with a buffer that seeking does not throw away.

use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;

/// Bytes read at once: some hundred headers of a directory, or most scripts.
const BUFFER_BYTES: usize = 64 * 1024;

/// A reader over an open file that leaves the file's own position alone.
///
/// The zip reader seeks before every header; `std::io::BufReader` drops its buffer each time,
/// which makes two system calls of each header.
#[derive(Debug)]
pub(super) struct PositionedReader<'a> {
    file: &'a fs_err::File,
    /// Length of the file in bytes.
    length: u64,
    position: u64,
    buffer: Box<[u8]>,
    /// Where in the file the buffer's first byte lies.
    buffer_start: u64,
    /// How much of the buffer is filled.
    filled: usize,
}

impl<'a> PositionedReader<'a> {
    /// A reader at the start of `file`, which is `length` bytes long.
    pub(super) fn new(file: &'a fs_err::File, length: u64) -> Self {
        Self {
            file,
            length,
            position: 0,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            buffer_start: 0,
            filled: 0,
        }
    }

    /// What the buffer holds from the position on.
    fn buffered(&self) -> &[u8] {
        self.position
            .checked_sub(self.buffer_start)
            .and_then(|offset| usize::try_from(offset).ok())
            .and_then(|offset| self.buffer.get(offset..self.filled))
            .unwrap_or_default()
    }
}

impl Read for PositionedReader<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.buffered().is_empty() {
            if self.position >= self.length {
                return Ok(0);
            }
            self.filled = 0; // Nothing is held should the read fail.
            self.filled = self.file.file().read_at(&mut self.buffer, self.position)?;
            self.buffer_start = self.position;
        }
        let count = self.buffered().read(target)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for PositionedReader<'_> {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let position = match target {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// More than two buffers.
    const LENGTH: usize = 150_000;

    #[test]
    fn reads_what_the_file_holds_at_any_position() {
        let content: Vec<u8> = (0..=250).cycle().take(LENGTH).collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs_err::write(&path, &content).unwrap();
        let file = fs_err::File::open(&path).unwrap();
        let steps = proptest::collection::vec((0..LENGTH + 50_000, 1..100_000_u64), 1..10);
        proptest!(|(steps in steps)| {
            let mut reader = PositionedReader::new(&file, LENGTH as u64);
            for (start, length) in steps {
                reader.seek(SeekFrom::Start(start as u64)).unwrap();
                let mut read = Vec::new();
                reader.by_ref().take(length).read_to_end(&mut read).unwrap();
                let rest = content.get(start..).unwrap_or_default();
                let mut expected = Vec::new();
                rest.take(length).read_to_end(&mut expected).unwrap();
                prop_assert!(read == expected);
            }
        });
    }

    #[test]
    fn a_position_before_the_start_is_an_error() {
        let file = fs_err::File::open("/dev/null").unwrap();
        let mut reader = PositionedReader::new(&file, 10);
        assert_eq!(reader.seek(SeekFrom::End(-4)).unwrap(), 6);
        let error = reader.seek(SeekFrom::Current(-7)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(reader.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
    }
}
