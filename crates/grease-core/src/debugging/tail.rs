//! The end of a log that grows too long, kept beside it until the run ends.
//!
//! What comes after the head goes to files of their own, `tail.CUT.START`: CUT is how long the log
//! was when it was cut, START where the file's first byte would stand in a log that was not. Two
//! files are kept, and at the end appended to the log, which itself is only ever appended to.

use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::frame;
use crate::sys;

/// What the files' names begin with.
pub(super) const PREFIX: &str = "tail.";

/// The end of one log, while its run lives.
#[derive(Debug)]
pub(super) struct Tail {
    dir: PathBuf,
    cut_at: u64,
    /// How long a file may become.
    bytes_max: u64,
    /// Where the next byte would stand in a log that was not cut.
    position: u64,
    current: Option<(fs_err::File, u64)>,
    previous: Option<PathBuf>,
}

impl Tail {
    /// Cuts a log that is `cut_at` bytes long; files of up to `bytes_max` bytes take what follows.
    pub(super) fn new(dir: &Path, cut_at: u64, bytes_max: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            cut_at,
            bytes_max,
            position: cut_at,
            current: None,
            previous: None,
        }
    }

    /// Takes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let is_full = |length: u64| length > 0 && length + lines.len() as u64 > self.bytes_max;
        if self
            .current
            .as_ref()
            .is_none_or(|(_, length)| is_full(*length))
        {
            self.next_file()?;
        }
        let Some((file, length)) = &mut self.current else {
            return Ok(());
        };
        if let Err(error) = file.write_all(lines) {
            // Half a line would spoil the next one. No copy is made of these files.
            file.set_len(*length)?;
            file.seek(io::SeekFrom::Start(*length))?;
            return Err(error);
        }
        *length += lines.len() as u64;
        self.position += lines.len() as u64;
        Ok(())
    }

    fn next_file(&mut self) -> io::Result<()> {
        let path = self
            .dir
            .join(format!("{PREFIX}{}.{}", self.cut_at, self.position));
        let file = fs_err::File::create(&path)?;
        let before = self.current.replace((file, 0));
        let Some((before, _)) = before else {
            return Ok(());
        };
        if let Some(oldest) = self.previous.replace(before.path().to_owned()) {
            fs_err::remove_file(oldest)?;
        }
        Ok(())
    }
}

/// A file of the end of a log.
struct Part {
    path: PathBuf,
    cut_at: u64,
    start: u64,
}

fn parts(dir: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let name = entry?.file_name();
        let numbers = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split_once('.'));
        let Some((cut_at, start)) = numbers else {
            continue;
        };
        if let (Ok(cut_at), Ok(start)) = (cut_at.parse(), start.parse()) {
            let path = dir.join(&name);
            parts.push(Part {
                path,
                cut_at,
                start,
            });
        }
    }
    parts.sort_by_key(|part| part.start);
    Ok(parts)
}

/// Appends to a log the end that was kept beside it, with a word of what is missing between, and
/// returns how many bytes that is. Goes on where it was interrupted.
pub(super) fn join(dir: &Path, log: &mut fs_err::File) -> io::Result<u64> {
    let parts = parts(dir)?;
    let Some(first) = parts.first() else {
        return Ok(0);
    };
    let missing = first.start.saturating_sub(first.cut_at);
    let mut marker = Vec::new();
    if missing > 0 {
        let text = format!("{missing} bytes of the log are not kept here: it is too long");
        frame::append_own(&mut marker, sys::clock::now(), &text);
    }
    let length = log.seek(io::SeekFrom::End(0))?;
    let joined = length.saturating_sub(first.cut_at + marker.len() as u64);
    if length <= first.cut_at {
        log.write_all(&marker)?;
    } else if joined == 0 && length < first.cut_at + marker.len() as u64 {
        log.write_all(b"\n")?; // It was interrupted in the marker.
        log.write_all(&marker)?;
    }
    let mut skip = joined;
    for part in &parts {
        let mut file = fs_err::File::open(&part.path)?;
        let length = file.metadata()?.len();
        let skipped = skip.min(length);
        skip -= skipped;
        file.seek(io::SeekFrom::Start(skipped))?;
        io::copy(&mut file.file(), &mut log.file())?;
    }
    for part in &parts {
        fs_err::remove_file(&part.path)?;
    }
    Ok(missing)
}

/// Removes what could not be joined.
pub(super) fn discard(dir: &Path) {
    for part in parts(dir).unwrap_or_default() {
        fs_err::remove_file(part.path).ok(); // It goes with its run.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log with a head of three lines, and the end of `count` lines of ten bytes beside it.
    fn cut(dir: &Path, count: usize) -> fs_err::File {
        let mut log = fs_err::File::create(dir.join("log")).unwrap();
        log.write_all(b"head 0001\nhead 0002\nhead 0003\n").unwrap();
        let mut tail = Tail::new(dir, 30, 100);
        for number in 0..count {
            tail.write(format!("tail {number:04}\n").as_bytes())
                .unwrap();
        }
        log
    }

    fn text(dir: &Path) -> String {
        fs_err::read_to_string(dir.join("log")).unwrap()
    }

    #[test]
    fn the_end_is_kept_and_what_is_missing_is_told() {
        for (count, first, missing) in [
            (0, 0, 0),
            (5, 0, 0),
            (20, 0, 0),
            (21, 10, 100),
            (99, 80, 800),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let mut log = cut(dir.path(), count);
            assert_eq!(join(dir.path(), &mut log).unwrap(), missing, "{count}");
            let text = text(dir.path());
            let kept: Vec<&str> = text
                .lines()
                .filter(|line| line.starts_with("tail"))
                .collect();
            let expected: Vec<String> = (first..count).map(|n| format!("tail {n:04}")).collect();
            assert_eq!(kept, expected);
            assert_eq!(
                text.contains(&format!("{missing} bytes")),
                missing > 0,
                "{text}"
            );
            assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_join_that_was_interrupted_anywhere_is_completed_without_a_repetition() {
        let whole = tempfile::tempdir().unwrap();
        let mut log = cut(whole.path(), 25);
        join(whole.path(), &mut log).unwrap();
        let whole = text(whole.path());
        let lines = |text: &str| -> Vec<String> {
            let known = |line: &&str| line.starts_with("head") || line.starts_with("tail");
            text.lines().filter(known).map(ToOwned::to_owned).collect()
        };
        for interrupted_at in 30..whole.len() {
            let dir = tempfile::tempdir().unwrap();
            let mut log = cut(dir.path(), 25);
            log.write_all(&whole.as_bytes()[30..interrupted_at])
                .unwrap();
            join(dir.path(), &mut log).unwrap();
            assert_eq!(lines(&text(dir.path())), lines(&whole), "{interrupted_at}");
        }
    }
}
