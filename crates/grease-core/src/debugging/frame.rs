//! Lines of a run's log file, in the format of the container runtime interface.
//!
//! `<time> stdout|stderr F|P <bytes>`: UTC with microseconds, `F` for a line that ended in a
//! line feed, `P` for a piece of one that goes on. The bytes are the job's, whatever they are;
//! only a line feed frames. Described in `docs/formats.md`.

use std::io::Write as _;

use jiff::Timestamp;

use crate::model::Stream;

/// Longest piece of a line; a longer line is split, so that a reader needs little memory.
pub const PIECE_BYTES_MAX: usize = 16 * 1024;

/// Appends the log lines of `bytes`, which came from `stream` at `time`, to `out`.
///
/// Bytes after the last line feed become a `P` piece of their own.
pub fn append(out: &mut Vec<u8>, time: Timestamp, stream: Stream, bytes: &[u8]) {
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
            line_of(out, &head, if last { "F" } else { "P" }, piece);
        }
    }
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

    fn unframed(log: &[u8], wanted: Stream) -> Vec<u8> {
        let lines = log.split_inclusive(|byte| *byte == b'\n');
        let parsed = lines.map(|line| parse(line).unwrap());
        parsed
            .filter(|(stream, _)| *stream == wanted)
            .flat_map(|(_, bytes)| bytes)
            .collect()
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

    fn chunks() -> impl Strategy<Value = Vec<(Stream, Vec<u8>)>> {
        let stream = prop::sample::select(&[Stream::Stdout, Stream::Stderr][..]);
        let byte = prop_oneof![3 => Just(b'\n'), 3 => Just(b' '), 10 => any::<u8>()];
        prop::collection::vec((stream, prop::collection::vec(byte, 0..200)), 0..20)
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_come_back(chunks in chunks()) {
            let log = framed(&chunks);
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
