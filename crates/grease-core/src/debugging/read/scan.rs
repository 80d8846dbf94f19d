//! Reading many index files: lines that may matter are found by their bytes before they are parsed.
//!
//! A file is read from its end: the end of a run comes before its start, which then need not be parsed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fs_err::os::unix::fs::FileExt as _;
use memchr::memmem::Finder;
use memchr::memrchr;

use super::head::{Head, occurs};
use super::source::Trouble;
use crate::debugging::share::dir::Dir;

/// Bytes read at once. Of the file of a host and day there are mostly fewer.
const BLOCK: usize = 1 << 20;

/// Longest line that is looked at; ours have at most 8 KiB.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Largest file that is read; a host that runs a job each second writes a thousandth of it in a day.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// Blocks of nothing but NULs, as a hole has them, after which the rest of a file is passed over.
const HOLES_MAX: usize = 16;

/// How long files are read: others can put there what makes it long.
const READ_MAX: Duration = Duration::from_mins(1);

/// Threads at most: they wait for the server more than they compute.
const THREADS_MAX: usize = 8;

/// An index file.
#[derive(Debug, Clone)]
pub(super) struct IndexFile {
    /// The directory that it is in.
    pub(super) dir: PathBuf,
    /// Its name.
    pub(super) name: String,
    /// Whose runs are in it.
    pub(super) user: Arc<str>,
    /// The name that the host has there.
    pub(super) place: Arc<str>,
    /// Whether it is in the spool of this host.
    pub(super) is_local: bool,
}

/// What takes lines of files, the last line of each first.
pub(super) trait Take: Send {
    /// Takes a line that the sieve let pass.
    fn take(&mut self, file: &IndexFile, line: &[u8]);

    /// Takes note that there are no more lines of a file.
    fn file_ends(&mut self);

    /// Takes note that there are no more files; some of the work is done here, by each thread.
    fn finish(&mut self);
}

/// Which lines may matter, told by their bytes alone.
///
/// Index lines are written without blanks, and a quotation mark in a text is escaped there: what is
/// searched for with its quotation marks is found in its own field only.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    any_of: Vec<Finder<'static>>,
    none_of: Vec<Finder<'static>>,
    only_ends: bool,
}

impl Sieve {
    /// Lets only lines pass in which one of the texts given here occurs: before the time of the event,
    /// which is to say in its run or its job.
    pub(super) fn or_with(&mut self, text: &str) {
        self.any_of.push(Finder::new(text).into_owned());
    }

    /// Lets no line pass in which the text occurs.
    pub(super) fn without(&mut self, text: &str) {
        self.none_of.push(Finder::new(text).into_owned());
    }

    /// Lets no start pass.
    pub(super) fn only_ends(&mut self) {
        self.only_ends = true;
    }

    pub(super) fn passes(&self, line: &[u8]) -> bool {
        let head = Head::of(line);
        let head = head.as_ref();
        !(self.only_ends && head.is_some_and(Head::is_before_end))
            && (self.any_of.is_empty()
                || self.any_of.iter().any(|finder| occurs(finder, line, head)))
            && !self
                .none_of
                .iter()
                .any(|finder| finder.find(line).is_some())
    }
}

/// Reads files with several threads, each with a `Take` of its own.
/// Calls `tick` whenever something was read.
pub(super) fn scan<T: Take>(
    files: &[IndexFile],
    sieve: &Sieve,
    tick: &(dyn Fn() + Sync),
    make: impl Fn() -> T + Sync,
) -> (Vec<T>, Vec<Trouble>) {
    let next = AtomicUsize::new(0);
    let until = Instant::now() + READ_MAX;
    let work = || {
        let mut state = make();
        let mut troubles = Vec::new();
        let mut reader = Reader::default();
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut each = |line: &[u8]| {
                if sieve.passes(line) {
                    state.take(file, line);
                }
            };
            match reader.read(file, until, tick, &mut each) {
                Ok(()) => {}
                // Removed by retention since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => troubles.push(Trouble::new(file.dir.join(&file.name), &error)),
            }
            state.file_ends();
        }
        state.finish();
        (state, troubles)
    };
    let threads = THREADS_MAX.min(files.len());
    let mut states = Vec::new();
    let mut troubles = Vec::new();
    if threads <= 1 {
        let (state, found) = work();
        return (vec![state], found);
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (state, found) = worker.join().expect("it does not panic");
            states.push(state);
            troubles.extend(found);
        }
    });
    (states, troubles)
}

/// What one thread reads with.
#[derive(Default)]
struct Reader<'a> {
    /// The directory of the last file: the next one is mostly in the same.
    dir: Option<(&'a Path, Dir)>,
    block: Vec<u8>,
    /// The end of a line whose beginning is in the block before.
    rest: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Hands out the whole lines of a file, the last one first.
    fn read(
        &mut self,
        file: &'a IndexFile,
        until: Instant,
        tick: &(dyn Fn() + Sync),
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<()> {
        if Instant::now() >= until {
            return Err(took_too_long());
        }
        let dir = match self.dir.take().filter(|(path, _)| *path == file.dir) {
            Some((_, dir)) => dir,
            None => Dir::open(&file.dir)?,
        };
        let (_, dir) = self.dir.insert((&file.dir, dir));
        let opened = dir.open_file(&file.name)?;
        let mut end = opened.metadata()?.len();
        if end > FILE_BYTES_MAX {
            return Err(passed_over(format!("it has {end} bytes")));
        }
        let mut holes = 0;
        self.rest.clear();
        let mut is_whole = false; // What is behind the last line feed is not whole yet.
        while end > 0 {
            let begin = end.saturating_sub(BLOCK as u64);
            let wanted = usize::try_from(end - begin).unwrap_or(BLOCK);
            self.block.resize(wanted, 0);
            let count = read_at(&opened, &mut self.block, begin)?;
            tick();
            if count < wanted {
                self.block.truncate(count); // It was cut meanwhile.
                self.rest.clear();
                is_whole = false;
            }
            self.split(&mut is_whole, each);
            end = begin;
            holes += usize::from(self.block.iter().all(|byte| *byte == 0));
            if holes > HOLES_MAX {
                return Err(passed_over("it has a hole"));
            }
            if Instant::now() >= until && end > 0 {
                return Err(took_too_long());
            }
        }
        if is_whole {
            each(&self.rest);
        }
        Ok(())
    }

    /// Hands out the lines of which the block has the beginning.
    fn split(&mut self, is_whole: &mut bool, each: &mut dyn FnMut(&[u8])) {
        let length = self.block.len();
        self.block.append(&mut self.rest);
        let (mut before, mut end) = (length, self.block.len());
        while let Some(feed) = memrchr(b'\n', &self.block[..before]) {
            if *is_whole && end - feed - 1 <= LINE_BYTES_MAX {
                each(&self.block[feed + 1..end]);
            }
            *is_whole = true;
            (before, end) = (feed, feed);
        }
        if end > LINE_BYTES_MAX {
            *is_whole = false; // Nothing of ours.
        } else {
            self.rest.extend_from_slice(&self.block[..end]);
        }
    }
}

fn passed_over(why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{why}: the rest of it is passed over"))
}

fn took_too_long() -> io::Error {
    passed_over(format!("reading took {} s", READ_MAX.as_secs()))
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &fs_err::File, buffer: &mut [u8], begin: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read_at(&mut buffer[count..], begin + count as u64) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Lines(Vec<Vec<u8>>);

    impl Take for Lines {
        fn take(&mut self, _: &IndexFile, line: &[u8]) {
            self.0.push(line.to_vec());
        }

        fn file_ends(&mut self) {}

        fn finish(&mut self) {}
    }

    fn all(content: &[u8], sieve: &Sieve) -> Vec<Vec<u8>> {
        let place = tempfile::tempdir().unwrap();
        fs_err::write(place.path().join("h.jsonl"), content).unwrap();
        let file = IndexFile {
            dir: place.path().to_owned(),
            name: "h.jsonl".to_owned(),
            user: "u".into(),
            place: "h".into(),
            is_local: false,
        };
        let (states, troubles) = scan(&[file], sieve, &|| (), Lines::default);
        assert!(troubles.is_empty());
        let mut lines: Vec<_> = states.into_iter().flat_map(|lines| lines.0).collect();
        lines.reverse();
        lines
    }

    #[test]
    fn lines_come_whole_across_blocks_and_a_torn_end_does_not_come() {
        let line = [b"x".repeat(1000), b"\n".to_vec()].concat();
        let mut content = line.repeat(3 * BLOCK / 1001);
        content.extend(b"torn");
        let lines = all(&content, &Sieve::default());
        assert_eq!(lines.len(), 3 * BLOCK / 1001);
        assert!(lines.iter().all(|found| found[..] == line[..1000]));
    }

    #[test]
    fn what_is_too_long_to_be_ours_is_passed_over_in_little_memory() {
        let content = [b"y".repeat(3 * BLOCK), b"\nours\n".to_vec()].concat();
        assert_eq!(all(&content, &Sieve::default()).last().unwrap(), b"ours");
    }

    #[test]
    fn a_file_with_holes_is_passed_over_and_hides_no_other() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str| IndexFile {
            dir: place.path().to_owned(),
            name: name.to_owned(),
            user: "u".into(),
            place: "h".into(),
            is_local: false,
        };
        let files = [file("long"), file("hole"), file("good")];
        for (file, bytes) in files.iter().zip([1 << 40, 1 << 30, 0]) {
            let path = place.path().join(&file.name);
            let made = fs_err::File::create(&path).unwrap();
            made.set_len(bytes).unwrap();
            let line = format!("\n{}\n", file.name);
            made.write_all_at(line.as_bytes(), bytes).unwrap();
        }
        let reads = AtomicUsize::new(0);
        let tick = || {
            reads.fetch_add(1, Ordering::Relaxed);
        };
        let (states, troubles) = scan(&files, &Sieve::default(), &tick, Lines::default);
        assert!(reads.into_inner() < 30, "1 GiB has 1024 blocks");
        let mut passed: Vec<_> = troubles
            .iter()
            .filter_map(|one| one.path.file_name())
            .collect();
        passed.sort();
        assert_eq!(passed, ["hole", "long"]);
        let lines = || states.iter().flat_map(|lines| &lines.0);
        for (name, is_read) in [(&b"good"[..], true), (b"hole", true), (b"long", false)] {
            assert_eq!(lines().any(|line| line == name), is_read, "{name:?}");
        }
    }

    #[test]
    fn the_sieve_takes_one_of_what_is_wanted_and_nothing_that_is_not() {
        let mut sieve = Sieve::default();
        sieve.or_with("\"a\"");
        sieve.or_with("\"b\"");
        sieve.without("\"c\"");
        let lines = all(b"\"a\"\n\"b\"\n\"a\"\"c\"\n\\\"a\\\"\n", &sieve);
        assert_eq!(lines, [b"\"a\"".to_vec(), b"\"b\"".to_vec()]);
    }

    #[test]
    fn a_head_is_searched_where_there_is_one_and_else_the_whole_line() {
        let run = "01M7BNNEXDEZ82TRP1EPE1JMB1";
        let mut sieve = Sieve::default();
        sieve.or_with("\"job\":\"a\"");
        sieve.only_ends();
        for (line, passes) in [
            (
                format!(r#"{{"v":1,"event":"end","run":"{run}","job":"a","time":"t"}}"#),
                true,
            ),
            (
                format!(r#"{{"v":1,"event":"end","run":"{run}","job":"b","msg":"\"job\":\"a\""}}"#),
                false,
            ),
            (
                format!(r#"{{"v":1,"event":"start","run":"{run}","job":"a","time":"t"}}"#),
                false,
            ),
            (
                format!(r#"{{"event":"end","v":2,"run":"{run}","job":"a","time":"t"}}"#),
                true,
            ),
        ] {
            assert_eq!(sieve.passes(line.as_bytes()), passes, "{line}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_file_its_lines_come_as_if_it_was_read_from_the_front(
            pieces in prop::collection::vec((any::<u8>(), 0..3 * LINE_BYTES_MAX), 0..20)
        ) {
            let mut content = Vec::new();
            for (byte, count) in pieces {
                match byte {
                    0..64 => content.push(b'\n'),
                    byte => content.extend(vec![byte; count]),
                }
            }
            let mut expected: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
            expected.pop(); // Not whole.
            expected.retain(|line| line.len() <= LINE_BYTES_MAX);
            prop_assert_eq!(all(&content, &Sieve::default()), expected);
        }
    }
}
