//! Compresses one log: never one that is still written, and the plain one goes last.

use std::io::{self, Read, Seek as _, Write as _};
use std::time::Duration;

use crate::debugging::share::dir::Dir;
use crate::model::RunId;

/// Size of what is compressed as one frame, which can be read without those before it.
const FRAME_BYTES: usize = 1 << 20;

/// The level at which zstd is about as fast as a network.
const LEVEL: i32 = 3;

/// How long a log must not have been written: its shipper looks at it once more for a day.
const QUIET: Duration = Duration::from_hours(48);

/// How much of the end is looked at for the end event.
const END_BYTES: u64 = 64 * 1024;

/// What the line of an end event begins with, behind its time and stream; a long one is in pieces.
const ENDS: [&[u8]; 2] = [b" stderr F greaserun: end {", b" stderr P greaserun: end {"];

/// What became of a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compressed {
    /// It is compressed, and so much smaller.
    Yes {
        /// Bytes.
        saved: u64,
    },
    /// Its run has no end that is on the share, or it was written not long ago.
    NotYet,
}

/// Compresses a log in its directory; `now` is the time of the share.
pub(super) fn log(dir: &Dir, name: &str, now: Duration) -> io::Result<Compressed> {
    let before = dir.facts(name)?;
    if !before.is_file || before.modified + QUIET > now {
        return Ok(Compressed::NotYet);
    }
    let mut plain = dir.open_file(name)?;
    if !has_end(&mut plain, before.bytes)? {
        return Ok(Compressed::NotYet);
    }
    let temporary = format!(".{}.tmp", RunId::new());
    let written = write(dir, &mut plain, &temporary)
        .and_then(|()| verify(dir, &mut plain, &temporary))
        .and_then(|()| {
            // What changed meanwhile is still written by somebody.
            let is_same = dir.facts(name)? == before;
            if is_same {
                dir.rename(&temporary, &format!("{name}.zst"))?;
            }
            Ok(is_same)
        });
    if !matches!(written, Ok(true)) {
        dir.unlink(&temporary).ok(); // The outcome that counts is known.
        return written.map(|_| Compressed::NotYet);
    }
    let after = dir.facts(&format!("{name}.zst"))?;
    dir.unlink(name)?;
    Ok(Compressed::Yes {
        saved: before.bytes.saturating_sub(after.bytes),
    })
}

/// Whether a file was left by a host that died while it compressed.
pub(super) fn is_left_over(dir: &Dir, name: &str, now: Duration) -> bool {
    let is_ours =
        name.starts_with('.') && name.rsplit_once('.').is_some_and(|(_, end)| end == "tmp");
    is_ours
        && dir
            .facts(name)
            .is_ok_and(|facts| facts.modified + QUIET < now)
}

fn has_end(plain: &mut fs_err::File, bytes: u64) -> io::Result<bool> {
    plain.seek(io::SeekFrom::Start(bytes.saturating_sub(END_BYTES)))?;
    let mut end = Vec::new();
    plain.take(END_BYTES).read_to_end(&mut end)?;
    let has = |wanted: &[u8]| end.windows(wanted.len()).any(|window| window == wanted);
    Ok(end.ends_with(b"\n") && ENDS.iter().any(|wanted| has(wanted)))
}

fn write(dir: &Dir, plain: &mut fs_err::File, temporary: &str) -> io::Result<()> {
    plain.rewind()?;
    let mut compressed = dir.create(temporary)?;
    let mut piece = Vec::with_capacity(FRAME_BYTES);
    loop {
        piece.clear();
        Read::by_ref(plain)
            .take(FRAME_BYTES as u64)
            .read_to_end(&mut piece)?;
        if piece.is_empty() {
            return compressed.sync_all();
        }
        compressed.write_all(&zstd::bulk::compress(&piece, LEVEL)?)?;
    }
}

fn verify(dir: &Dir, plain: &mut fs_err::File, temporary: &str) -> io::Result<()> {
    plain.rewind()?;
    let mut again = zstd::stream::read::Decoder::new(dir.open_file(temporary)?)?;
    let mut wanted = Vec::with_capacity(FRAME_BYTES);
    let mut found = Vec::with_capacity(FRAME_BYTES);
    loop {
        wanted.clear();
        found.clear();
        Read::by_ref(plain)
            .take(FRAME_BYTES as u64)
            .read_to_end(&mut wanted)?;
        Read::by_ref(&mut again)
            .take(FRAME_BYTES as u64)
            .read_to_end(&mut found)?;
        if wanted != found {
            return Err(io::Error::other(
                "compressed, it does not come out as it went in",
            ));
        }
        if wanted.is_empty() {
            return Ok(());
        }
    }
}
