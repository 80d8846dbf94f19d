//! Logs and digests on the share.

use std::fmt;
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::run::Run;
use crate::debugging::share::dir::Dir;
use crate::debugging::share::layout;

/// Bytes read at once.
const PIECE: usize = 256 << 10;

/// Bytes of what is compressed that are taken at once.
const DECODED: u64 = 16 * PIECE as u64;

/// Longest digest that is read; ours have 16 KiB.
const DIGEST_BYTES_MAX: u64 = 64 << 10;

/// What follows the name of a log that is compressed.
const COMPRESSED: &str = ".zst";

/// Bytes of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The next ones.
    Bytes(Vec<u8>),
    /// There are no more now.
    Nothing,
    /// There is no such file.
    Absent,
}

/// Reads on in a log that grows.
///
/// It is opened, read and closed each time: over NFS a file that is kept open shows what was written
/// to it seconds later, and one that was replaced never. A file that is shorter than it was is being
/// mended with the same bytes: what was read of it stays read.
pub struct Tail<'a> {
    root: &'a Dir,
    user: &'a str,
    path: &'a Path,
    offset: u64,
    decoder: Option<Decoder>,
}

/// What decodes a log that is compressed: it is read once, from its beginning.
struct Decoder {
    bytes: zstd::Decoder<'static, BufReader<fs_err::File>>,
    /// Bytes before those that are wanted.
    before: u64,
}

impl fmt::Debug for Tail<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, offset, .. } = self;
        let mut told = formatter.debug_struct("Tail");
        told.field("path", path).field("offset", offset);
        told.finish_non_exhaustive()
    }
}

impl<'a> Tail<'a> {
    /// Reads the log at `path` below the directory of `user`, from `offset` on.
    pub fn new(root: &'a Dir, user: &'a str, path: &'a Path, offset: u64) -> Self {
        Self {
            root,
            user,
            path,
            offset,
            decoder: None,
        }
    }

    /// The next bytes.
    pub fn more(&mut self) -> io::Result<Piece> {
        if let Some(decoder) = &mut self.decoder {
            let bytes = decoder.more()?;
            return Ok(self.got(bytes));
        }
        let (dir, name) = match open_dir(self.root, self.user, self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Piece::Absent),
            Err(error) => return Err(error),
        };
        match dir.open_file(name) {
            Ok(file) => {
                let mut bytes = vec![0; PIECE];
                let count = file.file().read_at(&mut bytes, self.offset)?;
                bytes.truncate(count);
                Ok(self.got(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.next_compressed(&dir, name)
            }
            Err(error) => Err(error),
        }
    }

    /// A log that is compressed has ended.
    fn next_compressed(&mut self, dir: &Dir, name: &str) -> io::Result<Piece> {
        let file = match dir.open_file(&format!("{name}{COMPRESSED}")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Piece::Absent),
            Err(error) => return Err(error),
        };
        let decoder = self.decoder.insert(Decoder {
            bytes: zstd::Decoder::new(file)?,
            before: self.offset,
        });
        let bytes = decoder.more()?;
        Ok(self.got(bytes))
    }

    fn got(&mut self, bytes: Vec<u8>) -> Piece {
        self.offset += bytes.len() as u64;
        let is_on_its_way = self
            .decoder
            .as_ref()
            .is_some_and(|decoder| decoder.before > 0);
        if bytes.is_empty() && !is_on_its_way {
            Piece::Nothing
        } else {
            Piece::Bytes(bytes)
        }
    }
}

impl Decoder {
    /// The next bytes; none at the end, or while there are some before what is wanted.
    fn more(&mut self) -> io::Result<Vec<u8>> {
        if self.before > 0 {
            let mut passed = self.bytes.by_ref().take(self.before.min(DECODED));
            let count = io::copy(&mut passed, &mut io::sink())?;
            self.before = if count == 0 { 0 } else { self.before - count };
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        self.bytes.by_ref().take(DECODED).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// How long a log is now; none if it is not there, or compressed.
pub fn length(root: &Dir, user: &str, path: &Path) -> Option<u64> {
    let (dir, name) = open_dir(root, user, path).ok()?;
    dir.facts(name).ok().map(|facts| facts.bytes)
}

/// The digest of a failed run, if there is one.
pub fn digest(root: &Dir, run: &Run) -> Option<Vec<u8>> {
    let start = run.start?;
    [&run.host, &run.place].into_iter().find_map(|host| {
        let path = layout::digest(start, &run.job, host, run.id);
        let (dir, name) = open_dir(root, &run.user, &path).ok()?;
        dir.read(name, DIGEST_BYTES_MAX).ok()
    })
}

/// Opens the directory of a path below that of a user, following no links.
fn open_dir<'p>(root: &Dir, user: &str, path: &'p Path) -> io::Result<(Dir, &'p str)> {
    let invalid = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a path below the directory",
        )
    };
    let mut dir = root.child(user)?;
    let mut parts = path.iter().map(|part| part.to_str().ok_or_else(invalid));
    let mut name = parts.next().ok_or_else(invalid)??;
    for next in parts {
        dir = dir.child(name)?;
        name = next?;
    }
    Ok((dir, name))
}
