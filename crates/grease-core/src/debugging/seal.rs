//! The end of a run's record, whoever writes it: greaserun, or the one that finds it dead.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::last::Lines;
use super::record::{LOG, SEALED, end_of, start_of};
use super::share::layout;
use super::{digest, frame, index, tail};
use crate::model::{EndEvent, RunFacts, StartEvent, Stream};
use crate::sys;

/// Name of the file that keeps room for the end of a run, should the disk fill up.
const RESERVE: &str = "reserve";

/// How much room that is.
const RESERVE_BYTES: u64 = 1024 * 1024;

/// Longest `msg` of an end event, in bytes.
const MSG_BYTES_MAX: usize = 300;

/// End of a log that the last lines of a run are looked for in.
const LAST_BYTES: u64 = 128 * 1024;

/// Keeps room for the end of a run; without it, a disk that is full by then costs the end.
pub(super) fn reserve(dir: &Path) {
    let path = dir.join(RESERVE);
    let made = fs_err::File::create_new(&path).map(|file| {
        let flags = rustix::fs::FallocateFlags::empty();
        rustix::fs::fallocate(file.file(), flags, 0, RESERVE_BYTES)
    });
    if !matches!(made, Ok(Ok(()))) {
        fs_err::remove_file(path).ok(); // Not every file system can do that.
    }
}

/// Gives that room back.
pub(super) fn release(dir: &Path) {
    fs_err::remove_file(dir.join(RESERVE)).ok(); // There may be none.
}

/// A line of greaserun's own.
pub(super) fn own_line(time: Timestamp, text: &str) -> Vec<u8> {
    let mut line = Vec::new();
    frame::append_own(&mut line, time, text);
    line
}

/// The end event, which tells how long the log is with it, and its line for a log of `length`.
pub(super) fn with_length(mut end: EndEvent, length: u64, time: Timestamp) -> (EndEvent, Vec<u8>) {
    // The number is a part of what it counts; its digits settle at once.
    for _ in 0..3 {
        let line = end_line(&end, time);
        let whole = Some(length + line.len() as u64);
        if end.log_bytes == whole {
            return (end, line);
        }
        end.log_bytes = whole;
    }
    let line = end_line(&end, time);
    (end, line)
}

fn end_line(end: &EndEvent, time: Timestamp) -> Vec<u8> {
    let json = serde_json::to_string(end).unwrap_or_default();
    own_line(time, &format!("end {json}"))
}

fn ends_in_line(log: &Path) -> io::Result<bool> {
    let mut log = fs_err::File::open(log)?;
    let mut last = [b'\n'];
    if log.metadata()?.len() > 0 {
        log.seek(io::SeekFrom::End(-1))?;
        log.read_exact(&mut last)?;
    }
    Ok(last == *b"\n")
}

/// The spool that a run's directory is in: `SPOOL/runs/RUN`.
pub(super) fn spool_of(dir: &Path) -> Option<&Path> {
    dir.parent()?.parent()
}

/// Appends an event of that time to the index of a spool.
pub(super) fn index_in(spool: &Path, time: &str, event: &impl Serialize) -> io::Result<()> {
    let time = time.parse().unwrap_or_else(|_| sys::clock::now());
    index::append(spool, time, event)
}

/// What the end says again of the start.
pub(super) fn facts(start: &StartEvent, artifact: Option<String>) -> RunFacts {
    RunFacts {
        user: start.user.clone(),
        host: start.host.clone(),
        start: start.time.clone(),
        trigger: start.trigger.clone(),
        runner: start.runner.clone(),
        artifact,
        log: start.log.clone(),
    }
}

/// Where a log will be on the share.
pub(super) fn shared_log(share: Option<&Path>, facts: Option<&RunFacts>) -> Option<PathBuf> {
    let log = facts?.log.as_ref()?;
    Some(share?.join(layout::file_name(&facts?.user)).join(log))
}

/// Puts what standard error told behind the reason in words.
pub(super) fn with_reason(msg: &str, reason: Option<&str>) -> String {
    let mut whole = reason.map_or_else(|| msg.to_owned(), |reason| format!("{msg}: {reason}"));
    if reason.is_some() && whole.len() > MSG_BYTES_MAX {
        whole.truncate(whole.floor_char_boundary(MSG_BYTES_MAX - '…'.len_utf8()));
        whole.push('…');
    }
    whole
}

/// What standard error told about why the job failed.
pub(super) fn reason(lines: &[(Stream, String)]) -> Option<String> {
    let errors = lines.iter().filter(|(stream, _)| *stream == Stream::Stderr);
    digest::reason(errors.map(|(_, line)| line.as_str())).map(ToOwned::to_owned)
}

/// Completes the record of a run whose greaserun cannot do it any more; `share` is the root of the
/// tree on the share.
///
/// A record that is complete stays: its greaserun died, or found no room, at the very last step.
pub fn seal_dead(dir: &Path, end: EndEvent, share: Option<&Path>) -> io::Result<()> {
    release(dir);
    let end = match end_of(dir) {
        Ok(complete) => complete,
        Err(_) => bury(dir, end, share)?,
    };
    match spool_of(dir) {
        Some(spool) => index_in(spool, &end.time, &end),
        None => Ok(()),
    }
}

fn bury(dir: &Path, end: EndEvent, share: Option<&Path>) -> io::Result<EndEvent> {
    let start = start_of(dir).ok();
    let mut log = fs_err::OpenOptions::new()
        .append(true)
        .create(true)
        .open(dir.join(LOG))?;
    let omitted_bytes = tail::join(dir, &mut log)?;
    let lines = last_lines(dir, digest::LINES).unwrap_or_default();
    if !ends_in_line(&dir.join(LOG))? {
        log.write_all(b"\n")?; // The last line was cut.
    }
    let told = start.map(|start| facts(&start, start.artifact.clone()));
    let end = EndEvent {
        facts: told.or(end.facts),
        omitted_bytes,
        ..end
    };
    let (end, line) = with_length(end, log.metadata()?.len(), sys::clock::now());
    log.write_all(&line)?;
    let shared = shared_log(share, end.facts.as_ref());
    complete(dir, &end, shared.as_deref(), &lines)?;
    Ok(end)
}

/// Writes the digest, and then the end event.
pub(super) fn complete(
    dir: &Path,
    end: &EndEvent,
    shared: Option<&Path>,
    lines: &[String],
) -> io::Result<()> {
    let digest = if digest::is_due(end.result) {
        let log = shared.map_or_else(|| sealed_log(dir), Path::to_owned);
        let text = digest::compose(end, &log, lines);
        sys::fs::write_atomic(&dir.join(digest::FILE), text.as_bytes())
    } else {
        Ok(())
    };
    let json = serde_json::to_vec(end).map_err(io::Error::from)?;
    sys::fs::write_atomic(&dir.join(SEALED), &json).and(digest)
}

/// Where the log of a run in `SPOOL/runs` is when it is finished.
fn sealed_log(dir: &Path) -> PathBuf {
    let spool = spool_of(dir).unwrap_or(dir);
    let run = dir.file_name().unwrap_or_default();
    spool.join("sealed").join(run).join(LOG)
}

/// The last lines of the job's in a run's log, put together, harmless on a terminal.
fn last_lines(dir: &Path, count: usize) -> io::Result<Vec<String>> {
    let mut log = sys::fs::open_regular(&dir.join(LOG))?;
    let length = log.metadata()?.len();
    log.seek(io::SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
    let mut bytes = Vec::new();
    log.take(LAST_BYTES).read_to_end(&mut bytes)?;
    let mut lines = Lines::new(count);
    let mut ownership = frame::Ownership::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Some((stream, piece)) = frame::parse(line)
            && !ownership.is_own(stream, &piece)
        {
            lines.push(stream, &piece);
        }
    }
    Ok(lines.shown().into_iter().map(|(_, line)| line).collect())
}
