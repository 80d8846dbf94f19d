//! What is kept of one run: its log file, its record, and its last lines for people.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::frame;
use crate::model::{EndEvent, ExecuteEvent, StartEvent, Stream, harmless};
use crate::sys;

/// Longest start event that is read: the job's words are at most 2 MiB (`execve(2)`), and JSON
/// makes six bytes of one.
const START_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Longest end event that is read.
const END_BYTES_MAX: u64 = 1024 * 1024;

/// What stands before a start event in the log.
const START: &[u8] = b"greaserun: start ";

/// What stands before the event of the job's start.
const EXECUTE: &[u8] = b"greaserun: execute ";

/// What stands before each line of greaserun's own.
const OWN: &[u8] = b"greaserun: ";

/// Name of the log in the directory of a run.
pub const LOG: &str = "log";

/// Name of the end event in the directory of a run; with it the run is complete.
const SEALED: &str = "sealed";

/// Bytes of output that are kept from the beginning.
const HEAD_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes of output that are kept from the end.
const TAIL_BYTES_MAX: usize = 1024 * 1024;

/// Pieces of output that are kept from the end: small ones cost more than their bytes.
const TAIL_PIECES_MAX: usize = 8192;

/// Longest line that is shown to people, in characters.
const SHOWN_LINE_CHARS_MAX: usize = 500;

/// The journal of one run. Trouble with the file never disturbs the run: it is remembered,
/// and what could not be written is counted.
#[derive(Debug)]
pub struct Journal {
    log: Option<fs_err::File>,
    /// Bytes of output in the file.
    written: u64,
    /// Bytes of output that are neither in the file nor in the tail any more.
    omitted: u64,
    tail: VecDeque<Piece>,
    tail_bytes: usize,
    trouble: Option<io::Error>,
}

/// A piece of output as it came.
#[derive(Debug)]
struct Piece {
    time: Timestamp,
    stream: Stream,
    bytes: Box<[u8]>,
    in_file: bool,
}

impl Journal {
    /// Opens the journal of a run in its directory; without one, only the tail is kept.
    pub fn open(dir: Option<&Path>, start: &StartEvent) -> Self {
        let opened = dir
            .map(|dir| fs_err::File::create_new(dir.join(LOG)))
            .transpose();
        let (log, trouble) = match opened {
            Ok(log) => (log, None),
            Err(error) => (None, Some(error)),
        };
        let mut journal = Self {
            log,
            written: 0,
            omitted: 0,
            tail: VecDeque::new(),
            tail_bytes: 0,
            trouble,
        };
        journal.event("start", start);
        journal
    }

    /// Notes that the job is about to be started.
    pub fn execute(&mut self, event: &ExecuteEvent) {
        self.event("execute", event);
    }

    /// Notes a piece of the job's output.
    pub fn note(&mut self, time: Timestamp, stream: Stream, bytes: &[u8]) {
        let mut in_file = false;
        if self.written < HEAD_BYTES_MAX && self.log.is_some() {
            let mut lines = Vec::with_capacity(bytes.len() + bytes.len() / 2);
            frame::append(&mut lines, time, stream, bytes);
            in_file = self.write(&lines);
            self.written += if in_file { bytes.len() as u64 } else { 0 };
        }
        self.tail_bytes += bytes.len();
        self.tail.push_back(Piece {
            time,
            stream,
            bytes: bytes.into(),
            in_file,
        });
        while self.tail_bytes > TAIL_BYTES_MAX || self.tail.len() > TAIL_PIECES_MAX {
            let Some(oldest) = self.tail.pop_front() else {
                break;
            };
            self.tail_bytes -= oldest.bytes.len();
            self.omitted += if oldest.in_file {
                0
            } else {
                oldest.bytes.len() as u64
            };
        }
    }

    /// Notes a line of greaserun's own.
    pub fn remark(&mut self, time: Timestamp, text: &str) {
        self.own_line(time, &shown(text.as_bytes()));
    }

    /// The last lines of the job's output, harmless on a terminal, oldest first.
    ///
    /// Lines are put together for each stream, and stand in the order in which they ended.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let mut lines = VecDeque::new();
        let mut open = [Vec::new(), Vec::new()];
        for piece in &self.tail {
            let open = &mut open[usize::from(piece.stream == Stream::Stderr)];
            for part in piece.bytes.split_inclusive(|byte| *byte == b'\n') {
                open.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    lines.push_back(shown(&open[..open.len() - 1]));
                    open.clear();
                }
                if lines.len() > count {
                    lines.pop_front();
                }
            }
        }
        lines.extend(
            open.iter()
                .filter(|rest| !rest.is_empty())
                .map(|rest| shown(rest)),
        );
        let surplus = lines.len().saturating_sub(count);
        lines.into_iter().skip(surplus).collect()
    }

    /// Completes the log and the record; returns what went wrong with the file, if anything.
    pub fn close(mut self, dir: Option<&Path>, end: &EndEvent) -> Option<io::Error> {
        let earlier = self.trouble.take();
        if earlier.is_some() {
            self.write(b"\n"); // There may be room again, behind a line that was cut.
        }
        self.write_tail();
        self.event("end", end);
        let sealed = dir.map_or(Ok(()), |dir| seal(dir, end));
        earlier.or(self.trouble).or(sealed.err())
    }

    /// Writes the part of the tail that is not in the file yet.
    fn write_tail(&mut self) {
        let missing: Vec<Piece> = self.tail.drain(..).filter(|piece| !piece.in_file).collect();
        let Some(first) = missing.first() else { return };
        if self.omitted > 0 {
            let text = format!("{} bytes of output are not kept here", self.omitted);
            self.remark(first.time, &text);
        }
        let mut lines = Vec::with_capacity(2 * TAIL_BYTES_MAX);
        for piece in &missing {
            frame::append(&mut lines, piece.time, piece.stream, &piece.bytes);
        }
        self.write(&lines);
    }

    fn event(&mut self, word: &str, event: &impl Serialize) {
        if let Ok(json) = serde_json::to_string(event) {
            self.own_line(sys::clock::now(), &format!("{word} {json}"));
        }
    }

    fn own_line(&mut self, time: Timestamp, text: &str) {
        let mut line = Vec::new();
        frame::append(
            &mut line,
            time,
            Stream::Stderr,
            format!("greaserun: {text}\n").as_bytes(),
        );
        self.write(&line);
    }

    /// Appends to the file; after a failure the file is left alone until the end.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let Some(log) = &mut self.log else {
            return false;
        };
        if self.trouble.is_some() {
            return false;
        }
        match log.write_all(bytes) {
            Ok(()) => true,
            Err(error) => {
                self.trouble = Some(error);
                false
            }
        }
    }
}

/// Completes the record of a run whose greaserun cannot do it any more.
///
/// A record that is complete stays: its greaserun died, or found no room, at the very last step.
pub fn seal_dead(dir: &Path, end: &EndEvent) -> io::Result<()> {
    if fs_err::exists(dir.join(SEALED))? {
        return Ok(());
    }
    let json = serde_json::to_string(end).map_err(io::Error::from)?;
    let mut line = Vec::new();
    line.push(b'\n'); // The last line may have been cut.
    let text = format!("greaserun: end {json}\n");
    frame::append(
        &mut line,
        sys::clock::now(),
        Stream::Stderr,
        text.as_bytes(),
    );
    let mut log = fs_err::OpenOptions::new()
        .append(true)
        .create(true)
        .open(dir.join(LOG))?;
    log.write_all(&line)?;
    seal(dir, end)
}

fn seal(dir: &Path, end: &EndEvent) -> io::Result<()> {
    let json = serde_json::to_vec(end).map_err(io::Error::from)?;
    sys::fs::write_atomic(&dir.join(SEALED), &json)
}

/// Reads the start event out of the log in the directory of a run, with what the run fetched.
pub fn start_of(dir: &Path) -> io::Result<StartEvent> {
    let path = dir.join(LOG);
    let mut log = io::BufReader::new(sys::fs::open_regular(&path)?).take(START_BYTES_MAX);
    let text = own_line_of(&mut log)?.unwrap_or_default();
    let json = text.strip_prefix(START).unwrap_or_default();
    let mut start: StartEvent = serde_json::from_slice(json).map_err(|_| {
        let text = format!("`{}` does not begin with a start event", path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    })?;
    // Remarks may stand before it, the job's output stands behind it.
    while let Some(text) = own_line_of(&mut log)? {
        if let Some(json) = text.strip_prefix(EXECUTE) {
            let execute: Option<ExecuteEvent> = serde_json::from_slice(json).ok();
            start.fetched = start
                .fetched
                .or(execute.and_then(|execute| execute.fetched));
            break;
        }
    }
    Ok(start)
}

/// The next line of the log, with its pieces put together, if it is one of greaserun's own.
fn own_line_of(log: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    while !text.ends_with(b"\n") {
        let mut line = Vec::new();
        log.read_until(b'\n', &mut line)?;
        match frame::parse(&line) {
            Some((Stream::Stderr, piece)) if line.ends_with(b"\n") => text.extend(piece),
            _ => break,
        }
    }
    Ok(text.starts_with(OWN).then_some(text))
}

/// Reads the end event in the directory of a finished run.
pub fn end_of(dir: &Path) -> io::Result<EndEvent> {
    let file = sys::fs::open_regular(&dir.join(SEALED))?;
    Ok(serde_json::from_reader(io::BufReader::new(
        file.take(END_BYTES_MAX),
    ))?)
}

/// A line as it may be shown on a terminal: control characters escaped, over-long ones cut.
pub fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    harmless(text.trim_end_matches('\r'), &['\t'], SHOWN_LINE_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ErrorWord, ResultWord, VERSION};

    fn start() -> StartEvent {
        StartEvent {
            v: VERSION,
            event: "start".to_owned(),
            run: "R".to_owned(),
            job: "g:a#x".to_owned(),
            user: "u".to_owned(),
            host: "h".to_owned(),
            boot: "b".to_owned(),
            time: "2026-11-24T00:00:00.000000Z".to_owned(),
            trigger: "manual".to_owned(),
            runner: "shell".to_owned(),
            artifact: None,
            fetched: None,
            args: vec!["line\nfeed".repeat(100)],
            parent: None,
            pid: 1,
            log: None,
        }
    }

    fn end() -> EndEvent {
        EndEvent {
            v: VERSION,
            event: "end".to_owned(),
            run: "R".to_owned(),
            job: "g:a#x".to_owned(),
            time: "2026-11-24T00:00:01.000000Z".to_owned(),
            result: ResultWord::Failure,
            error: Some(ErrorWord::Exit),
            exit: Some(3),
            signal: None,
            msg: None,
            guard: None,
            drops: None,
            usage: None,
            leftovers: 0,
            facts: None,
            log_bytes: None,
            omitted_bytes: 0,
        }
    }

    fn note(journal: &mut Journal, stream: Stream, bytes: &[u8]) {
        journal.note(Timestamp::UNIX_EPOCH, stream, bytes);
    }

    #[test]
    fn the_log_stands_between_its_two_events() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(Some(dir.path()), &start());
        note(&mut journal, Stream::Stdout, b"hello\n");
        assert!(journal.close(Some(dir.path()), &end()).is_none());
        let log = fs_err::read_to_string(dir.path().join(LOG)).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        let json = |line: &str| {
            line.split_once('{')
                .map(|(_, json)| format!("{{{json}"))
                .unwrap()
        };
        assert_eq!(
            serde_json::from_str::<StartEvent>(&json(lines[0])).unwrap(),
            start()
        );
        assert_eq!(lines[1], "1970-01-01T00:00:00.000000Z stdout F hello");
        assert_eq!(
            serde_json::from_str::<EndEvent>(&json(lines[2])).unwrap(),
            end()
        );
        let sealed = fs_err::read_to_string(dir.path().join(SEALED)).unwrap();
        assert_eq!(serde_json::from_str::<EndEvent>(&sealed).unwrap(), end());
    }

    #[test]
    fn too_much_output_loses_its_middle_and_says_how_much() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(Some(dir.path()), &start());
        let chunk = [vec![b'x'; 65_535], b"\n".to_vec()].concat();
        for _ in 0..200 {
            note(&mut journal, Stream::Stdout, &chunk);
        }
        note(&mut journal, Stream::Stdout, b"the last line\n");
        assert!(journal.close(Some(dir.path()), &end()).is_none());
        let log = fs_err::read(dir.path().join(LOG)).unwrap();
        assert!(log.len() < 8 * 1024 * 1024);
        let text = String::from_utf8(log).unwrap();
        let kept: u64 = text
            .lines()
            .filter(|line| line.contains(" stdout "))
            .map(content_bytes)
            .sum();
        let omitted = 200 * 65_536 + "the last line\n".len() as u64 - kept;
        assert!(text.contains(&format!("{omitted} bytes of output are not kept here")));
        assert!(text.contains("stdout F the last line\n"));
    }

    fn content_bytes(line: &str) -> u64 {
        frame::parse(line.as_bytes()).unwrap().1.len() as u64
    }

    #[test]
    fn last_lines_are_whole_harmless_and_in_order() {
        let mut journal = Journal::open(None, &start());
        note(&mut journal, Stream::Stdout, b"one\ntw");
        note(&mut journal, Stream::Stderr, b"\x1b[31merr\xff\r\n");
        note(&mut journal, Stream::Stdout, b"o\nthree");
        assert_eq!(
            journal.last_lines(10),
            ["one", "\\u{1b}[31merr\u{fffd}", "two", "three"]
        );
        assert_eq!(journal.last_lines(2), ["two", "three"]);
        assert_eq!(journal.last_lines(0), [""; 0]);
    }

    #[test]
    fn events_are_read_again_however_long_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let long = StartEvent {
            args: vec!["\u{1}".repeat(100_000)],
            ..start()
        };
        let mut journal = Journal::open(Some(dir.path()), &long);
        note(&mut journal, Stream::Stdout, b"hello\n");
        assert_eq!(start_of(dir.path()).unwrap(), long);
        end_of(dir.path()).unwrap_err();
        assert!(journal.close(Some(dir.path()), &end()).is_none());
        assert_eq!(end_of(dir.path()).unwrap(), end());
    }

    #[test]
    fn a_log_that_lost_its_start_event_has_none() {
        let dir = tempfile::tempdir().unwrap();
        drop(Journal::open(Some(dir.path()), &start()));
        let log = dir.path().join(LOG);
        let whole = fs_err::read(&log).unwrap();
        for rest in [&b""[..], &whole[..whole.len() - 1], b"\n", b"x"] {
            fs_err::write(&log, rest).unwrap();
            let error = start_of(dir.path()).unwrap_err();
            assert!(error.to_string().contains("start event"), "{error}");
        }
    }

    #[test]
    fn a_directory_that_is_gone_is_trouble_and_nothing_more() {
        let gone = Path::new("/nonexistent/run");
        let mut journal = Journal::open(Some(gone), &start());
        note(&mut journal, Stream::Stdout, b"x\n");
        assert_eq!(journal.last_lines(5), ["x"]);
        assert!(journal.close(Some(gone), &end()).is_some());
    }
}
