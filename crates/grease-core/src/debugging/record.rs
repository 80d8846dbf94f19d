//! Reading the record of a run out of its directory.

use std::io::{self, Read as _};
use std::path::Path;

use super::frame;
use crate::model::{EndEvent, ExecuteEvent, StartEvent, harmless};
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

/// Name of the log in the directory of a run.
pub const LOG: &str = "log";

/// Name of the end event in the directory of a run; with it the run is complete.
pub const SEALED: &str = "sealed";

/// Longest line that is shown to people, in characters.
const SHOWN_LINE_CHARS_MAX: usize = 500;

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
    let mut ownership = frame::Ownership::default();
    while !text.ends_with(b"\n") {
        let mut line = Vec::new();
        log.read_until(b'\n', &mut line)?;
        match frame::parse(&line) {
            Some((stream, piece)) if line.ends_with(b"\n") && ownership.is_own(stream, &piece) => {
                text.extend(piece);
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(text))
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
