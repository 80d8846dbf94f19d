//! What is kept of one run: its log file, its record, its digest, its lines in the index.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::last::{Last, Lines};
use super::redact::{self, Redactor};
use super::tail::{self, Tail};
use super::{digest, frame, seal};
use crate::model::{EndEvent, ExecuteEvent, ResultWord, StartEvent, Stream};
use crate::sys;

pub use super::record::{LOG, SEALED, end_of, shown, start_of};
pub use super::seal::seal_dead;

/// Output that is framed at a time.
const PORTION_BYTES_MAX: usize = 2 * frame::PIECE_BYTES_MAX;

/// The same where the end of a log is short, so that it is not longer by the portion that comes last.
const PORTION_BYTES_MIN: usize = 1024;

/// An empty line in the log is so much longer than in the output.
const FRAMED_BYTES_MAX: u64 = 40;

/// Pause after a write that failed: there may be room again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// How a run is kept.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// Longest log; what is too much is cut out of its middle.
    pub run_bytes: u64,
    /// How much of its end a cut log keeps at least.
    pub tail_bytes: u64,
    /// Masks secrets.
    pub redactor: Redactor,
    /// The root of the tree on the share, if there is one: told, and not touched.
    pub share: Option<PathBuf>,
}

/// What became of a run's record.
#[derive(Debug)]
pub struct Closed {
    /// The end event as it was written.
    pub end: EndEvent,
    /// Where the log will be on the share.
    pub shared_log: Option<PathBuf>,
    /// How the run ended, in words for people; absent if it succeeded.
    pub how: Option<String>,
    /// The last lines of the job's output, harmless on a terminal.
    pub lines: Vec<String>,
    /// What the job's standard error says about why it failed.
    pub reason: Option<String>,
    /// What went wrong with the files, if anything.
    pub trouble: Option<io::Error>,
}

/// The journal of one run. Trouble with the file never disturbs the run: it is remembered,
/// and what could not be written is counted.
#[derive(Debug)]
pub struct Journal {
    /// The run's directory.
    dir: Option<PathBuf>,
    keeping: Keeping,
    start: StartEvent,
    artifact: Option<String>,
    log: Option<fs_err::File>,
    /// How long the log is.
    length: u64,
    tail: Option<Tail>,
    /// Nothing is cut any more: only the end event comes yet.
    is_joined: bool,
    streams: [redact::Stream; 2],
    last: Last,
    /// Bytes of output that are lost, and not told of in the log yet.
    lost: u64,
    /// Bytes of output that are lost and told of.
    told: u64,
    trouble: Option<io::Error>,
    /// The rest of lines of which only a part could be written.
    owed: Vec<u8>,
    /// When a write failed, in time since boot, if the last one did.
    failed_at: Option<Duration>,
    buffer: Vec<u8>,
}

impl Journal {
    /// Opens the journal of a run in its directory, which is `SPOOL/runs/RUN`; without one, only the
    /// last output is kept, in memory.
    pub fn open(dir: Option<&Path>, start: &StartEvent, keeping: Keeping) -> Self {
        let opened = dir
            .map(|dir| fs_err::File::create_new(dir.join(LOG)))
            .transpose();
        let (log, trouble) = match opened {
            Ok(log) => (log, None),
            Err(error) => (None, Some(error)),
        };
        let redactor = &keeping.redactor;
        let start = StartEvent {
            args: redactor.words(&start.args),
            artifact: start
                .artifact
                .as_deref()
                .map(|artifact| redactor.text(artifact)),
            ..start.clone()
        };
        let streams = [redactor.stream(), redactor.stream()];
        let mut journal = Self {
            dir: dir.map(Path::to_owned),
            artifact: start.artifact.clone(),
            keeping,
            log,
            length: 0,
            tail: None,
            is_joined: false,
            streams,
            last: Last::default(),
            lost: 0,
            told: 0,
            trouble,
            owed: Vec::new(),
            failed_at: None,
            buffer: Vec::new(),
            start,
        };
        let start = journal.start.clone();
        journal.event("start", &start);
        journal.index(&start.time, &start);
        journal
    }

    /// Notes that the job is about to be started, and sees to it that there is room for its end.
    pub fn execute(&mut self, event: &ExecuteEvent) {
        if event.artifact.is_some() {
            self.artifact.clone_from(&event.artifact);
        }
        self.event("execute", event);
        self.index(&event.time, &event.for_index());
        if let Some(dir) = self.dir.as_ref().filter(|_| self.log.is_some()) {
            seal::reserve(dir);
        }
    }

    /// Notes a piece of the job's output.
    pub fn note(&mut self, time: Timestamp, stream: Stream, bytes: &[u8]) {
        let place = usize::from(stream == Stream::Stderr);
        let mut masked = std::mem::take(&mut self.streams[place]);
        self.put(time, stream, masked.push(bytes));
        self.streams[place] = masked;
    }

    /// Notes a line of greaserun's own.
    pub fn remark(&mut self, time: Timestamp, text: &str) {
        let text = self.keeping.redactor.text(text);
        self.own_line(time, &shown(text.as_bytes()));
    }

    /// Completes the log and the record, after all output.
    pub fn close(mut self, end: EndEvent) -> Closed {
        let now = sys::clock::now();
        for (place, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            let mut masked = std::mem::take(&mut self.streams[place]);
            self.put(now, stream, masked.finish());
        }
        let mut last = Lines::new(usize::MAX);
        for piece in self.last.pieces() {
            last.push(piece.stream, &piece.bytes);
        }
        let last = last.shown();
        let reason = (end.result == ResultWord::Failure)
            .then(|| seal::reason(&last))
            .flatten();
        let surplus = last.len().saturating_sub(digest::LINES);
        let lines: Vec<String> = last
            .into_iter()
            .skip(surplus)
            .map(|(_, line)| line)
            .collect();

        let omitted_bytes = self.complete_output();
        let how = end
            .msg
            .as_deref()
            .map(|msg| self.keeping.redactor.text(msg));
        let msg = how
            .as_deref()
            .map(|how| seal::with_reason(how, reason.as_deref()));
        let end = EndEvent {
            msg,
            facts: Some(seal::facts(&self.start, self.artifact.clone())),
            omitted_bytes,
            ..end
        };
        let (end, line) = seal::with_length(end, self.length, now);
        self.write(&line);
        let shared_log = seal::shared_log(self.keeping.share.as_deref(), end.facts.as_ref());
        let sealed = self.dir.as_ref().map_or(Ok(()), |dir| {
            seal::complete(dir, &end, shared_log.as_deref(), &lines)
        });
        self.index(&end.time.clone(), &end);
        Closed {
            end,
            shared_log,
            how,
            lines,
            reason,
            trouble: self.trouble.or(sealed.err()),
        }
    }

    /// Brings all output into the log that is kept; returns how much is missing there.
    fn complete_output(&mut self) -> u64 {
        let Some(dir) = self.dir.clone() else {
            return 0;
        };
        seal::release(&dir);
        if self.failed_at.is_some() && self.catch_up() && self.told == 0 {
            self.trouble = None; // Nothing is missing.
        }
        let mut missing = 0;
        self.is_joined = true;
        if let (Some(log), Some(_)) = (&mut self.log, self.tail.take()) {
            match tail::join(&dir, log) {
                Ok(cut) => missing = cut,
                Err(error) => self.fail(error),
            }
            tail::discard(&dir);
            if let Some(found) = self.log.as_ref().and_then(|log| log.metadata().ok()) {
                self.length = found.len();
            }
        }
        missing + self.told + self.lost
    }

    /// Keeps output of which no secret is a part any more.
    fn put(&mut self, time: Timestamp, stream: Stream, mut bytes: &[u8]) {
        let most = usize::try_from(self.part_bytes() / FRAMED_BYTES_MAX)
            .unwrap_or(PORTION_BYTES_MAX)
            .clamp(PORTION_BYTES_MIN, PORTION_BYTES_MAX);
        while !bytes.is_empty() {
            let portion;
            (portion, bytes) = bytes.split_at(frame::portion(bytes, most));
            let mut lines = std::mem::take(&mut self.buffer);
            lines.clear();
            frame::append(&mut lines, time, stream, portion);
            let is_logged = self.write(&lines);
            self.buffer = lines;
            self.lost += self.last.push(time, stream, portion, is_logged);
        }
    }

    fn event(&mut self, word: &str, event: &impl Serialize) {
        if let Ok(json) = serde_json::to_string(event) {
            self.own_line(sys::clock::now(), &format!("{word} {json}"));
        }
    }

    fn own_line(&mut self, time: Timestamp, text: &str) {
        self.write(&seal::own_line(time, text));
    }

    /// Appends an event to the index.
    fn index(&mut self, time: &str, event: &impl Serialize) {
        let Some(spool) = self.dir.as_deref().and_then(seal::spool_of) else {
            return;
        };
        if let Err(error) = seal::index_in(spool, time, event) {
            self.trouble.get_or_insert(error);
        }
    }

    /// Appends whole lines; after a failure the files are left alone for a while.
    fn write(&mut self, lines: &[u8]) -> bool {
        if self.log.is_none() {
            return false;
        }
        if let Some(failed_at) = self.failed_at {
            let is_early = sys::clock::since_boot().saturating_sub(failed_at) < RETRY_PAUSE;
            if is_early || !self.catch_up() {
                return false;
            }
        }
        match self.append(lines) {
            Ok(()) => true,
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    /// Appends to the log, or to what becomes its end when it is long enough. What was begun counts
    /// as appended: the rest is owed.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let part_bytes = self.part_bytes();
        let (Some(log), Some(dir)) = (&mut self.log, &self.dir) else {
            return Ok(());
        };
        let head_bytes = self.keeping.run_bytes - 2 * part_bytes;
        let is_full = self.length > 0 && self.length + lines.len() as u64 > head_bytes;
        if is_full && self.tail.is_none() && !self.is_joined {
            self.tail = Some(Tail::new(dir, self.length, part_bytes));
        }
        if let Some(tail) = &mut self.tail {
            return tail.write(lines);
        }
        let (written, error) = write_part(log, lines);
        self.length += written as u64;
        match error {
            Some(error) if written == 0 => Err(error),
            Some(error) => {
                self.owed = lines[written..].to_vec();
                self.fail(error);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Length of one of the two files that hold the end: at least one is full by the time that
    /// anything is missing.
    fn part_bytes(&self) -> u64 {
        self.keeping.tail_bytes.min(self.keeping.run_bytes / 2)
    }

    fn fail(&mut self, error: io::Error) {
        self.trouble.get_or_insert(error);
        self.failed_at = Some(sys::clock::since_boot());
    }

    /// Writes what is not in the log yet, after a failure; returns whether that went well.
    fn catch_up(&mut self) -> bool {
        let mut last = std::mem::take(&mut self.last);
        let written = self.write_missing(&mut last);
        self.last = last;
        if let Err(error) = written {
            self.fail(error);
        } else if self.owed.is_empty() {
            self.failed_at = None;
        }
        self.failed_at.is_none()
    }

    fn write_missing(&mut self, kept: &mut Last) -> io::Result<()> {
        let owed = std::mem::take(&mut self.owed);
        if let Some(log) = self.log.as_mut().filter(|_| !owed.is_empty()) {
            let (written, error) = write_part(log, &owed);
            self.length += written as u64;
            if let Some(error) = error {
                self.owed = owed[written..].to_vec();
                return Err(error);
            }
        }
        if self.lost > 0 {
            let lost = format!(
                "{} bytes of output are not kept here: no room on the disk",
                self.lost
            );
            self.append(&seal::own_line(sys::clock::now(), &lost))?;
            self.told += std::mem::take(&mut self.lost);
        }
        for piece in kept
            .pieces_mut()
            .into_iter()
            .filter(|piece| !piece.is_logged)
        {
            if !self.owed.is_empty() {
                break;
            }
            let mut lines = Vec::new();
            frame::append(&mut lines, piece.time, piece.stream, &piece.bytes);
            self.append(&lines)?;
            piece.is_logged = true;
        }
        Ok(())
    }
}

/// Writes as much as there is room for; returns how much that is, and why it is not all.
fn write_part(log: &mut fs_err::File, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while written < bytes.len() {
        match log.write(&bytes[written..]) {
            Ok(0) => return (written, Some(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ErrorWord, VERSION};

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

    fn keeping() -> Keeping {
        Keeping {
            run_bytes: 1 << 30,
            tail_bytes: 16 << 20,
            ..Keeping::default()
        }
    }

    /// A spool with the directory of one run.
    fn spool() -> (tempfile::TempDir, PathBuf) {
        let spool = tempfile::tempdir().unwrap();
        let dir = spool.path().join("runs/R");
        fs_err::create_dir_all(&dir).unwrap();
        (spool, dir)
    }

    fn note(journal: &mut Journal, stream: Stream, bytes: &[u8]) {
        journal.note(Timestamp::UNIX_EPOCH, stream, bytes);
    }

    fn json(line: &str) -> &str {
        line.get(line.find('{').unwrap()..).unwrap()
    }

    #[test]
    fn the_log_stands_between_its_two_events() {
        let (_spool, dir) = spool();
        let mut journal = Journal::open(Some(&dir), &start(), keeping());
        note(&mut journal, Stream::Stdout, b"hello\n");
        let closed = journal.close(end());
        assert!(closed.trouble.is_none(), "{:?}", closed.trouble);
        let log = fs_err::read_to_string(dir.join(LOG)).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(
            serde_json::from_str::<StartEvent>(json(lines[0])).unwrap(),
            start()
        );
        assert_eq!(lines[1], "1970-01-01T00:00:00.000000Z stdout F hello");
        assert_eq!(
            serde_json::from_str::<EndEvent>(json(lines[2])).unwrap(),
            closed.end
        );
        assert_eq!(end_of(&dir).unwrap(), closed.end);
        assert_eq!(closed.end.log_bytes, Some(log.len() as u64));
        assert_eq!(closed.end.facts.unwrap().user, "u");
    }

    #[test]
    fn events_stand_in_the_index_too() {
        let (spool, dir) = spool();
        let start = StartEvent {
            time: "2026-11-23T23:59:59.000000Z".to_owned(),
            ..start()
        };
        let closed = Journal::open(Some(&dir), &start, keeping()).close(end());
        let index = |day: &str| {
            fs_err::read_to_string(spool.path().join(format!("index/{day}.jsonl"))).unwrap()
        };
        assert_eq!(
            serde_json::from_str::<StartEvent>(&index("2026-11-23")).unwrap(),
            start
        );
        assert_eq!(
            serde_json::from_str::<EndEvent>(&index("2026-11-24")).unwrap(),
            closed.end
        );
    }

    #[test]
    fn too_much_output_loses_its_middle_and_says_how_much() {
        let (_spool, dir) = spool();
        let keeping = Keeping {
            run_bytes: 1 << 20,
            tail_bytes: 200 << 10,
            ..Keeping::default()
        };
        let mut journal = Journal::open(Some(&dir), &start(), keeping);
        let mut whole = fs_err::metadata(dir.join(LOG)).unwrap().len();
        let mut framed = Vec::new();
        for number in 0..50_000 {
            let line = format!("line {number} {}\n", "x".repeat(number % 80));
            note(&mut journal, Stream::Stdout, line.as_bytes());
            framed.clear();
            frame::append(
                &mut framed,
                Timestamp::UNIX_EPOCH,
                Stream::Stdout,
                line.as_bytes(),
            );
            whole += framed.len() as u64;
        }
        let closed = journal.close(end());
        assert!(closed.trouble.is_none(), "{:?}", closed.trouble);
        let log = fs_err::read_to_string(dir.join(LOG)).unwrap();
        assert!(log.len() < (1 << 20) + 4096, "{}", log.len());
        let marker = log
            .lines()
            .position(|line| line.contains("bytes of the log are not kept here"));
        let (head, tail) = log.split_at(
            log.lines()
                .take(marker.unwrap())
                .map(|line| line.len() + 1)
                .sum(),
        );
        let (marker, tail) = tail.split_once('\n').unwrap();
        let (tail, _end) = tail.trim_end().rsplit_once('\n').unwrap();
        assert!(tail.len() > 199 << 10, "{}", tail.len());
        assert!(tail.ends_with(&"x".repeat(49_999 % 80)));
        assert_eq!(
            closed.end.omitted_bytes,
            whole - (head.len() + tail.len() + 1) as u64
        );
        assert!(
            marker.contains(&format!(" {} bytes", closed.end.omitted_bytes)),
            "{marker}"
        );
        assert_eq!(closed.end.log_bytes, Some(log.len() as u64));
    }

    #[test]
    fn output_that_comes_at_once_makes_a_log_no_longer_than_it_may_be() {
        let (_spool, dir) = spool();
        let keeping = Keeping {
            run_bytes: 1 << 20,
            tail_bytes: 128 << 10,
            ..Keeping::default()
        };
        let mut journal = Journal::open(Some(&dir), &start(), keeping);
        for _ in 0..4 {
            note(&mut journal, Stream::Stdout, &vec![b'\n'; 64 << 10]);
        }
        let closed = journal.close(end());
        assert!(closed.end.omitted_bytes > 8 << 20);
        let length = fs_err::metadata(dir.join(LOG)).unwrap().len();
        assert!(length < (1 << 20) + 4096, "{length}");
    }

    #[test]
    fn a_run_that_dies_after_the_cut_is_completed_by_another() {
        let (spool, dir) = spool();
        let keeping = Keeping {
            run_bytes: 64 << 10,
            tail_bytes: 16 << 10,
            ..Keeping::default()
        };
        let mut journal = Journal::open(Some(&dir), &start(), keeping);
        for number in 0..5000 {
            note(
                &mut journal,
                Stream::Stdout,
                format!("line {number}\n").as_bytes(),
            );
        }
        note(&mut journal, Stream::Stderr, b"the last words");
        drop(journal);
        for _ in 0..2 {
            seal_dead(&dir, end(), Some(Path::new("/logs"))).unwrap();
        }
        let log = fs_err::read_to_string(dir.join(LOG)).unwrap();
        assert!(log.contains("line 0\n") && log.contains("line 4999\n") && log.len() < 80 << 10);
        let sealed = end_of(&dir).unwrap();
        assert!(sealed.omitted_bytes > 0 && sealed.facts.is_some());
        assert_eq!(sealed.log_bytes, Some(log.len() as u64));
        let digest = fs_err::read_to_string(dir.join(digest::FILE)).unwrap();
        assert!(digest.ends_with("line 4999\nthe last words\n"), "{digest}");
        let index = fs_err::read_to_string(spool.path().join("index/2026-11-24.jsonl")).unwrap();
        assert_eq!(
            index
                .lines()
                .filter(|line| line.contains("\"end\""))
                .count(),
            2
        );
    }

    #[test]
    fn last_lines_are_whole_harmless_and_in_order() {
        let mut journal = Journal::open(None, &start(), keeping());
        note(&mut journal, Stream::Stdout, b"one\ntw");
        note(&mut journal, Stream::Stderr, b"\x1b[31merr\xff\r\n");
        note(&mut journal, Stream::Stdout, b"o\nthree");
        assert_eq!(
            journal.close(end()).lines,
            ["one", "\\u{1b}[31merr\u{fffd}", "two", "three"]
        );
    }

    #[test]
    fn secrets_are_in_nothing_that_is_kept() {
        let (spool, dir) = spool();
        let names = [crate::model::Glob::new("*_TOKEN")];
        let env = [("MY_TOKEN", "s3cret-value")].into_iter().collect();
        let keeping = Keeping {
            redactor: Redactor::new(&names, &env, &[]),
            ..keeping()
        };
        let with_secret = StartEvent {
            args: ["--token", "other", "a s3cret-value"]
                .map(ToOwned::to_owned)
                .into(),
            ..start()
        };
        let mut journal = Journal::open(Some(&dir), &with_secret, keeping);
        for byte in b"stdout s3cret-value\n" {
            note(&mut journal, Stream::Stdout, &[*byte]);
        }
        note(&mut journal, Stream::Stderr, b"Error: s3cret-");
        note(&mut journal, Stream::Stderr, b"value");
        journal.remark(Timestamp::UNIX_EPOCH, "remark s3cret-value");
        let closed = journal.close(EndEvent {
            msg: Some("failed with s3cret-value".to_owned()),
            ..end()
        });
        let msg = closed.end.msg.unwrap();
        assert_eq!(msg, "failed with [REDACTED]: Error: [REDACTED]");
        let index = spool.path().join("index/2026-11-24.jsonl");
        for file in [
            dir.join(LOG),
            dir.join(SEALED),
            dir.join(digest::FILE),
            index,
        ] {
            let text = fs_err::read_to_string(&file).unwrap();
            assert!(!text.contains("s3cret"), "{}: {text}", file.display());
        }
        let log = fs_err::read(dir.join(LOG)).unwrap();
        let output: Vec<u8> = log
            .split_inclusive(|byte| *byte == b'\n')
            .filter_map(frame::parse)
            .filter(|(stream, _)| *stream == Stream::Stdout)
            .flat_map(|(_, bytes)| bytes)
            .collect();
        assert_eq!(output, b"stdout [REDACTED]\n");
    }

    #[test]
    fn events_are_read_again_however_long_they_are() {
        let (_spool, dir) = spool();
        let long = StartEvent {
            args: vec!["\u{1}".repeat(100_000)],
            ..start()
        };
        let mut journal = Journal::open(Some(&dir), &long, keeping());
        note(&mut journal, Stream::Stdout, b"hello\n");
        assert_eq!(start_of(&dir).unwrap(), long);
        end_of(&dir).unwrap_err();
        let closed = journal.close(end());
        assert_eq!(end_of(&dir).unwrap(), closed.end);
    }

    #[test]
    fn a_log_that_lost_its_start_event_has_none() {
        let (_spool, dir) = spool();
        drop(Journal::open(Some(&dir), &start(), keeping()));
        let log = dir.join(LOG);
        let whole = fs_err::read(&log).unwrap();
        for rest in [&b""[..], &whole[..whole.len() - 1], b"\n", b"x"] {
            fs_err::write(&log, rest).unwrap();
            let error = start_of(&dir).unwrap_err();
            assert!(error.to_string().contains("start event"), "{error}");
        }
    }

    #[test]
    fn a_directory_that_is_gone_is_trouble_and_nothing_more() {
        let gone = Path::new("/proc/nonexistent/runs/R");
        let mut journal = Journal::open(Some(gone), &start(), keeping());
        note(&mut journal, Stream::Stdout, b"x\n");
        let closed = journal.close(end());
        assert_eq!(closed.lines, ["x"]);
        assert!(closed.trouble.is_some());
    }
}
