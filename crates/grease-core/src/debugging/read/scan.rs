//! Reading many index files: lines that may matter are found by their bytes before they are parsed.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use memchr::memchr;
use memchr::memmem::Finder;

use super::source::Trouble;
use crate::debugging::share::dir::Dir;

/// Bytes read at once. Of the file of a host and day there are mostly fewer.
const BLOCK: usize = 1 << 20;

/// Longest line that is looked at; ours have at most 8 KiB.
const LINE_BYTES_MAX: usize = 64 << 10;

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

/// Which lines may matter, told by their bytes alone.
///
/// Index lines are written without blanks, and a quotation mark in a text is escaped there: what is
/// searched for with its quotation marks is found in its own field only.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    any_of: Vec<Finder<'static>>,
    none_of: Vec<Finder<'static>>,
}

impl Sieve {
    /// Lets only lines pass in which one of the texts given here occurs.
    pub(super) fn or_with(&mut self, text: &str) {
        self.any_of.push(Finder::new(text).into_owned());
    }

    /// Lets no line pass in which the text occurs.
    pub(super) fn without(&mut self, text: &str) {
        self.none_of.push(Finder::new(text).into_owned());
    }

    pub(super) fn passes(&self, line: &[u8]) -> bool {
        let occurs = |finder: &Finder<'_>| finder.find(line).is_some();
        (self.any_of.is_empty() || self.any_of.iter().any(occurs))
            && !self.none_of.iter().any(occurs)
    }
}

/// Reads files with several threads; `make` gives each its own `take`, which gets the lines that pass.
/// Calls `tick` whenever something was read.
pub(super) fn scan<T: Send>(
    files: &[IndexFile],
    sieve: &Sieve,
    tick: &(dyn Fn() + Sync),
    make: impl Fn() -> T + Sync,
    take: impl Fn(&mut T, &IndexFile, &[u8]) + Sync,
) -> (Vec<T>, Vec<Trouble>) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut state = make();
        let mut troubles = Vec::new();
        let mut buffer = Vec::new();
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut each = |line: &[u8]| {
                if sieve.passes(line) {
                    take(&mut state, file, line);
                }
            };
            match lines(file, &mut buffer, tick, &mut each) {
                Ok(()) => {}
                // Removed by retention since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => troubles.push(Trouble::new(file.dir.join(&file.name), &error)),
            }
        }
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

fn lines(
    file: &IndexFile,
    buffer: &mut Vec<u8>,
    tick: &(dyn Fn() + Sync),
    each: &mut dyn FnMut(&[u8]),
) -> io::Result<()> {
    let mut opened = Dir::open(&file.dir)?.open_file(&file.name)?;
    buffer.clear();
    loop {
        let begin = buffer.len();
        let count = (&mut opened).take(BLOCK as u64).read_to_end(buffer)?;
        tick();
        let rest = split(buffer, begin, each);
        if count == 0 {
            return Ok(()); // What is left of a line is not whole yet.
        }
        let rest = if buffer.len() - rest > LINE_BYTES_MAX {
            buffer.len() // Nothing of ours. What follows of it does not parse.
        } else {
            rest
        };
        buffer.drain(..rest);
    }
}

/// Hands out whole lines; those before `begin` are known to have no end. Returns where the rest begins.
fn split(buffer: &[u8], begin: usize, each: &mut dyn FnMut(&[u8])) -> usize {
    let (mut start, mut from) = (0, begin);
    while let Some(found) = memchr(b'\n', &buffer[from..]) {
        let end = from + found;
        if end - start <= LINE_BYTES_MAX {
            each(&buffer[start..end]);
        }
        start = end + 1;
        from = start;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let take = |lines: &mut Vec<Vec<u8>>, _: &IndexFile, line: &[u8]| lines.push(line.to_vec());
        let (states, troubles) = scan(&[file], sieve, &|| (), Vec::new, take);
        assert!(troubles.is_empty());
        states.concat()
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
    fn the_sieve_takes_one_of_what_is_wanted_and_nothing_that_is_not() {
        let mut sieve = Sieve::default();
        sieve.or_with("\"a\"");
        sieve.or_with("\"b\"");
        sieve.without("\"c\"");
        let lines = all(b"\"a\"\n\"b\"\n\"a\"\"c\"\n\\\"a\\\"\n", &sieve);
        assert_eq!(lines, [b"\"a\"".to_vec(), b"\"b\"".to_vec()]);
    }
}
