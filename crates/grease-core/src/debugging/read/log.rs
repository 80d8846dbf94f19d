//! Logs and digests on the share.

use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::run::Run;
use crate::debugging::share::dir::Dir;
use crate::debugging::share::layout;

/// Bytes read at once.
const PIECE: usize = 256 << 10;

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
#[derive(Debug)]
pub struct Tail<'a> {
    root: &'a Dir,
    user: &'a str,
    path: &'a Path,
    offset: u64,
}

impl<'a> Tail<'a> {
    /// Reads the log at `path` below the directory of `user`, from `offset` on.
    pub fn new(root: &'a Dir, user: &'a str, path: &'a Path, offset: u64) -> Self {
        Self {
            root,
            user,
            path,
            offset,
        }
    }

    /// The next bytes.
    pub fn more(&mut self) -> io::Result<Piece> {
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

    /// A log that is compressed has ended: the rest of it comes in one piece of bounded length.
    fn next_compressed(&mut self, dir: &Dir, name: &str) -> io::Result<Piece> {
        let file = match dir.open_file(&format!("{name}{COMPRESSED}")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Piece::Absent),
            Err(error) => return Err(error),
        };
        let mut log = zstd::Decoder::new(file)?;
        io::copy(&mut (&mut log).take(self.offset), &mut io::sink())?;
        let mut bytes = Vec::new();
        log.take(16 * PIECE as u64).read_to_end(&mut bytes)?;
        Ok(self.got(bytes))
    }

    fn got(&mut self, bytes: Vec<u8>) -> Piece {
        self.offset += bytes.len() as u64;
        if bytes.is_empty() {
            Piece::Nothing
        } else {
            Piece::Bytes(bytes)
        }
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
