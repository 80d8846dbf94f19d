//! Lines of a run's log file, in the format of the container runtime interface.
//!
//! `<time> stdout|stderr F|P <bytes>`: UTC with microseconds, `F` for a line that ended in a
//! line feed, `P` for a piece of one that goes on. The bytes are the job's, whatever they are;
//! only a line feed frames. Lines of greaserun's own begin with `greaserun: ` on `stderr`, and no
//! piece of a job's does. Described in `docs/formats.md`.

use std::io::Write as _;

use jiff::Timestamp;

use crate::model::Stream;

/// Longest piece of a line; a longer line is split, so that a reader needs little memory.
pub const PIECE_BYTES_MAX: usize = 16 * 1024;

/// What stands before each line of greaserun's own.
pub const OWN: &str = "greaserun: ";

/// Appends the log lines of `bytes`, which a job wrote to `stream` at `time`, to `out`.
///
/// Bytes after the last line feed become a `P` piece of their own. A piece that would look like a line of
/// greaserun's own is parted after its first byte: a reader of lines sees the same line, and a reader
/// of pieces whose it is.
pub fn append(out: &mut Vec<u8>, time: Timestamp, stream: Stream, bytes: &[u8]) {
    append_pieces(out, time, stream, bytes, |piece| {
        stream == Stream::Stderr && piece.starts_with(OWN.as_bytes())
    });
}

/// Appends a line of greaserun's own.
pub fn append_own(out: &mut Vec<u8>, time: Timestamp, text: &str) {
    let line = format!("{OWN}{text}\n");
    append_pieces(out, time, Stream::Stderr, line.as_bytes(), |_| false);
}

fn append_pieces(
    out: &mut Vec<u8>,
    time: Timestamp,
    stream: Stream,
    bytes: &[u8],
    is_parted: impl Fn(&[u8]) -> bool,
) {
    let head = format!("{time:.6} {} ", stream.name());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (content, full) = match line.strip_suffix(b"\n") {
            Some(content) => (content, true),
            None => (line, false),
        };
        let mut pieces = content.chunks(PIECE_BYTES_MAX).peekable();
        if pieces.peek().is_none() {
            line_of(out, &head, "F", &[]);
        }
        while let Some(piece) = pieces.next() {
            let last = full && pieces.peek().is_none();
            let (first, rest) = piece.split_at(usize::from(is_parted(piece)));
            if !first.is_empty() {
                line_of(out, &head, "P", first);
            }
            line_of(out, &head, if last { "F" } else { "P" }, rest);
        }
    }
}

/// How many of these bytes are framed at once: if not all, then up to the end of a line or of a piece.
pub fn portion(bytes: &[u8], most: usize) -> usize {
    let Some(first) = bytes.get(..most) else {
        return bytes.len();
    };
    let line_end = first.iter().rposition(|byte| *byte == b'\n');
    line_end.map_or(most, |at| at + 1)
}

fn line_of(out: &mut Vec<u8>, head: &str, tag: &str, content: &[u8]) {
    // Writing to memory does not fail.
    write!(out, "{head}{tag} ").expect("in memory");
    out.extend_from_slice(content);
    out.push(b'\n');
}

/// Takes a log line apart: its stream and the bytes it stands for, line feed included.
///
/// `None` for what is no whole line of this format.
pub fn parse(line: &[u8]) -> Option<(Stream, Vec<u8>)> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut fields = line.splitn(4, |byte| *byte == b' ');
    fields.next()?;
    let stream = match fields.next()? {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    let full = match fields.next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    let mut content = fields.next()?.to_vec();
    if full {
        content.push(b'\n');
    }
    Some((stream, content))
}

/// Tells greaserun's own lines from the job's, piece by piece.
#[derive(Debug, Default)]
pub struct Ownership {
    /// A line of greaserun's own goes on in the next piece: its pieces are written at once.
    goes_on: bool,
}

impl Ownership {
    /// Whether the next piece of a log is greaserun's own; `content` as [`parse`] gives it.
    pub fn is_own(&mut self, stream: Stream, content: &[u8]) -> bool {
        if stream != Stream::Stderr {
            return false;
        }
        let is_own = self.goes_on || content.starts_with(OWN.as_bytes());
        self.goes_on = is_own && !content.ends_with(b"\n");
        is_own
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(chunks: &[(Stream, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (stream, bytes) in chunks {
            append(&mut out, Timestamp::UNIX_EPOCH, *stream, bytes);
        }
        out
    }

    /// What a job wrote to a stream.
    fn unframed(log: &[u8], wanted: Stream) -> Vec<u8> {
        let lines = log.split_inclusive(|byte| *byte == b'\n');
        let parsed = lines.map(|line| parse(line).unwrap());
        let mut ownership = Ownership::default();
        parsed
            .filter(|(stream, content)| !ownership.is_own(*stream, content))
            .filter(|(stream, _)| *stream == wanted)
            .flat_map(|(_, bytes)| bytes)
            .collect()
    }

    #[test]
    fn portions_end_with_a_line_or_a_piece() {
        let lines = [vec![b'x'; 100], b"\n".to_vec()].concat().repeat(1000);
        assert_eq!(portion(&lines, 32 * 1024) % 101, 0);
        assert_eq!(portion(&[b'x'; 300], 100), 100);
        assert_eq!(portion(b"x", 100), 1);
    }

    #[test]
    fn lines_carry_time_stream_and_whether_they_are_whole() {
        let log = framed(&[
            (Stream::Stdout, b"a\n\nb".to_vec()),
            (Stream::Stderr, b"\xff\0 x\n".to_vec()),
        ]);
        let expected: &[u8] = b"1970-01-01T00:00:00.000000Z stdout F a\n\
            1970-01-01T00:00:00.000000Z stdout F \n\
            1970-01-01T00:00:00.000000Z stdout P b\n\
            1970-01-01T00:00:00.000000Z stderr F \xff\0 x\n";
        assert_eq!(log, expected);
    }

    #[test]
    fn a_line_longer_than_a_piece_comes_back_whole() {
        let line = [vec![b'x'; 3 * PIECE_BYTES_MAX], b"\n".to_vec()].concat();
        let log = framed(&[(Stream::Stdout, line.clone())]);
        assert_eq!(log.split(|byte| *byte == b'\n').count(), 3 + 1);
        assert_eq!(unframed(&log, Stream::Stdout), line);
    }

    #[test]
    fn a_line_of_a_job_that_looks_like_one_of_greaseruns_own_is_parted() {
        let log = framed(&[
            (Stream::Stdout, b"greaserun: a\n".to_vec()),
            (Stream::Stderr, b"greaserun: b\n".to_vec()),
        ]);
        let expected: &[u8] = b"1970-01-01T00:00:00.000000Z stdout F greaserun: a\n\
            1970-01-01T00:00:00.000000Z stderr P g\n\
            1970-01-01T00:00:00.000000Z stderr F reaserun: b\n";
        assert_eq!(log, expected);
    }

    #[test]
    fn a_long_line_of_greaseruns_own_is_its_own_to_the_end() {
        let mut log = framed(&[(Stream::Stderr, b"begun, ".to_vec())]);
        append_own(
            &mut log,
            Timestamp::UNIX_EPOCH,
            &"x".repeat(3 * PIECE_BYTES_MAX),
        );
        append(&mut log, Timestamp::UNIX_EPOCH, Stream::Stderr, b"ended\n");
        assert_eq!(unframed(&log, Stream::Stderr), b"begun, ended\n");
    }

    fn chunks() -> impl Strategy<Value = Vec<(Stream, Vec<u8>)>> {
        let stream = prop::sample::select(&[Stream::Stdout, Stream::Stderr][..]);
        let byte = prop_oneof![3 => Just(b'\n'), 3 => Just(b' '), 10 => any::<u8>()];
        let word = prop_oneof![10 => byte.prop_map(|byte| vec![byte]), 1 => Just(OWN.into())];
        let bytes = prop::collection::vec(word, 0..100).prop_map(|words| words.concat());
        prop::collection::vec((stream, bytes), 0..20)
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_come_back(chunks in chunks()) {
            let mut log = Vec::new();
            for (stream, bytes) in &chunks {
                append(&mut log, Timestamp::UNIX_EPOCH, *stream, bytes);
                append_own(&mut log, Timestamp::UNIX_EPOCH, "a remark");
            }
            for wanted in [Stream::Stdout, Stream::Stderr] {
                let sent: Vec<u8> = chunks
                    .iter()
                    .filter(|(stream, _)| *stream == wanted)
                    .flat_map(|(_, bytes)| bytes.clone())
                    .collect();
                prop_assert_eq!(unframed(&log, wanted), sent);
            }
        }
    }
}
