//! Reads what the server has, not what this host remembers of it: after a fault the two differ, and a
//! comparison through the cache of the writing host passes.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Advice, FileType};
use rustix::io::{Errno, Result};

use super::root::{How, Root, ask};

/// What a buffer and an offset are aligned to; enough for any file system.
const ALIGNMENT: usize = 4096;

/// Bytes read at once.
pub(super) const BLOCK: usize = 64 * 1024;

/// A file on the share, read past the cache.
pub(super) struct Reader<'a> {
    root: &'a Root,
    path: &'a Path,
    file: OwnedFd,
    direct: bool,
    buffer: Vec<u8>,
    /// Where in the buffer memory is aligned.
    start: usize,
    /// The file's length when it was opened.
    pub(super) length: u64,
}

impl<'a> Reader<'a> {
    /// Opens a file; none if there is none.
    pub(super) fn open(root: &'a Root, path: &'a Path) -> Result<Option<Self>> {
        let (file, direct) = match root.open(path, How::Read { direct: true }) {
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::INVAL) => (root.open(path, How::Read { direct: false })?, false),
            opened => (opened?, true),
        };
        let told = match ask(&file, Path::new("")) {
            Ok(told) if told.links > 0 => told,
            // It was opened by a name that is only remembered: others removed it.
            Ok(_) | Err(Errno::STALE) => {
                drop(file);
                root.forget(path)?;
                return Ok(None);
            }
            Err(errno) => return Err(errno),
        };
        if told.kind != FileType::RegularFile {
            return Err(Errno::ISDIR);
        }
        let buffer = vec![0; BLOCK + ALIGNMENT];
        let start = buffer.as_ptr().align_offset(ALIGNMENT);
        Ok(Some(Self {
            root,
            path,
            file,
            direct,
            start: if start < ALIGNMENT { start } else { 0 },
            buffer,
            length: told.length,
        }))
    }

    /// Where the block begins that holds `offset`.
    pub(super) fn block_of(offset: u64) -> u64 {
        offset - offset % BLOCK as u64
    }

    /// Reads the block at `offset`, which begins one; less than a block at the end of the file.
    pub(super) fn block(&mut self, offset: u64) -> Result<&[u8]> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.read(offset, filled) {
                Ok(0) => break,
                Ok(count) => filled += count,
                // Some file systems refuse only here (open(2)).
                Err(Errno::INVAL) if self.direct => {
                    self.file = self.root.open(self.path, How::Read { direct: false })?;
                    self.direct = false;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
            if self.direct && filled % ALIGNMENT != 0 {
                break; // Only the end of a file is so short.
            }
        }
        Ok(&self.buffer[self.start..self.start + filled])
    }

    fn read(&mut self, offset: u64, filled: usize) -> Result<usize> {
        let at = offset + filled as u64;
        if !self.direct {
            rustix::fs::fadvise(&self.file, at, None, Advice::DontNeed)?;
        }
        let target = &mut self.buffer[self.start + filled..self.start + BLOCK];
        rustix::io::pread(&self.file, target, at)
    }
}
