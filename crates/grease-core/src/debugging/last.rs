//! The last output of a run: in memory while it lives, and as lines for people.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::record::shown;
use crate::model::Stream;

/// Bytes that are kept of each stream.
const BYTES_MAX: usize = 64 * 1024;

/// Pieces that are kept of each stream: small ones cost more than their bytes.
const PIECES_MAX: usize = 2048;

/// Longest line that is put together; what is behind that is not shown anyway.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// The last output of both streams; one that is flooded takes nothing from the other.
#[derive(Debug, Default)]
pub(super) struct Last {
    streams: [VecDeque<Piece>; 2],
    bytes: [usize; 2],
    number: u64,
}

/// A piece of output as it came.
#[derive(Debug)]
pub(super) struct Piece {
    /// When it came.
    pub(super) time: Timestamp,
    /// Out of which stream.
    pub(super) stream: Stream,
    /// What it is.
    pub(super) bytes: Box<[u8]>,
    /// Whether it is in the log.
    pub(super) is_logged: bool,
    number: u64,
}

fn place(stream: Stream) -> usize {
    usize::from(stream == Stream::Stderr)
}

impl Last {
    /// Takes a piece; returns how many bytes are lost by now: neither in the log nor here any more.
    pub(super) fn push(
        &mut self,
        time: Timestamp,
        stream: Stream,
        bytes: &[u8],
        is_logged: bool,
    ) -> u64 {
        let (cut, kept) = bytes.split_at(bytes.len().saturating_sub(BYTES_MAX));
        let mut lost = if is_logged { 0 } else { cut.len() as u64 };
        let place = place(stream);
        let pieces = &mut self.streams[place];
        self.bytes[place] += kept.len();
        self.number += 1;
        pieces.push_back(Piece {
            time,
            stream,
            bytes: kept.into(),
            is_logged,
            number: self.number,
        });
        while self.bytes[place] > BYTES_MAX || pieces.len() > PIECES_MAX {
            let Some(oldest) = pieces.pop_front() else {
                break;
            };
            self.bytes[place] -= oldest.bytes.len();
            lost += if oldest.is_logged {
                0
            } else {
                oldest.bytes.len() as u64
            };
        }
        lost
    }

    /// All pieces in the order in which they came.
    pub(super) fn pieces(&self) -> Vec<&Piece> {
        let mut pieces: Vec<&Piece> = self.streams.iter().flatten().collect();
        pieces.sort_unstable_by_key(|piece| piece.number);
        pieces
    }

    /// The same, to be marked.
    pub(super) fn pieces_mut(&mut self) -> Vec<&mut Piece> {
        let mut pieces: Vec<&mut Piece> = self.streams.iter_mut().flatten().collect();
        pieces.sort_unstable_by_key(|piece| piece.number);
        pieces
    }
}

/// Puts the pieces of two streams together to lines, in the order in which these end, and keeps the
/// last ones.
#[derive(Debug)]
pub(super) struct Lines {
    count: usize,
    whole: VecDeque<(Stream, Vec<u8>)>,
    open: [Vec<u8>; 2],
}

impl Lines {
    /// Keeps `count` lines.
    pub(super) fn new(count: usize) -> Self {
        Self {
            count,
            whole: VecDeque::new(),
            open: [Vec::new(), Vec::new()],
        }
    }

    /// Takes a piece of output.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let open = &mut self.open[place(stream)];
            let content = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LINE_BYTES_MAX - open.len();
            open.extend_from_slice(&content[..content.len().min(room)]);
            if content.len() < part.len() {
                self.whole.push_back((stream, std::mem::take(open)));
            }
            if self.whole.len() > self.count {
                self.whole.pop_front();
            }
        }
    }

    /// The lines, harmless on a terminal, oldest first; those that have not ended stand last.
    pub(super) fn shown(self) -> Vec<(Stream, String)> {
        let mut lines = self.whole;
        for (stream, rest) in [Stream::Stdout, Stream::Stderr].into_iter().zip(self.open) {
            if !rest.is_empty() {
                lines.push_back((stream, rest));
            }
        }
        let surplus = lines.len().saturating_sub(self.count);
        let kept = lines.into_iter().skip(surplus);
        kept.map(|(stream, line)| (stream, shown(&line))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_on_one_stream_leaves_the_other() {
        let mut last = Last::default();
        let mut gone = last.push(Timestamp::UNIX_EPOCH, Stream::Stderr, b"why\n", false);
        for _ in 0..10 {
            gone += last.push(
                Timestamp::UNIX_EPOCH,
                Stream::Stdout,
                &vec![b'x'; 30_000],
                false,
            );
        }
        let kept: usize = last.pieces().iter().map(|piece| piece.bytes.len()).sum();
        assert_eq!(&*last.pieces()[0].bytes, b"why\n");
        assert_eq!(gone + kept as u64, 300_000 + 4);
        assert!(kept <= BYTES_MAX + 4);
    }

    #[test]
    fn a_piece_that_is_too_long_keeps_its_end() {
        let mut last = Last::default();
        let bytes = [vec![b'x'; BYTES_MAX], b"end".to_vec()].concat();
        assert_eq!(
            last.push(Timestamp::UNIX_EPOCH, Stream::Stdout, &bytes, false),
            3
        );
        assert!(last.pieces()[0].bytes.ends_with(b"xend"));
        assert_eq!(
            last.push(Timestamp::UNIX_EPOCH, Stream::Stdout, &bytes, true),
            BYTES_MAX as u64
        );
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_is_whole() {
        let mut lines = Lines::new(2);
        for _ in 0..10 {
            lines.push(Stream::Stdout, &[b'x'; 10_000]);
        }
        lines.push(Stream::Stdout, b"\nnext\n");
        let shown = lines.shown();
        assert!(shown[0].1.ends_with("x…"));
        assert_eq!(shown[1], (Stream::Stdout, "next".to_owned()));
    }
}
