//! The index of this user's runs on this host: every event, one JSON line each, a file for each day.
//!
//! Files are only ever appended to, one write for each line, since a copy of their bytes is made
//! while they grow. What a full disk or a power failure cut ends with the next event.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::share::layout;
use crate::sys;

/// Directory of the files, below the spool.
pub const DIRECTORY: &str = "index";

/// Longest line, its line feed included.
pub const LINE_BYTES_MAX: usize = 8 * 1024;

/// What an argument is cut to if a line is too long.
const ARGUMENT_CHARS_MAX: usize = 200;

/// Looks at a lock that somebody else holds, and the pause between them: it is held for a moment,
/// unless its holder was stopped. Nobody waits for that one.
const LOCK_LOOKS_MAX: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(4);

/// The file of a day's events.
pub fn path(spool: &Path, time: Timestamp) -> PathBuf {
    spool
        .join(DIRECTORY)
        .join(format!("{}.jsonl", layout::day(time)))
}

/// Appends an event to the index of the UTC day of `time`.
pub fn append(spool: &Path, time: Timestamp, event: &impl Serialize) -> io::Result<()> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;

    sys::fs::private_dir(&spool.join(DIRECTORY))?;
    let path = path(spool, time);
    let mut file = fs_err::OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)?;
    lock(&file)?;
    let mut line = Vec::new();
    if is_torn(&mut file)? {
        line.push(b'\n');
    }
    line.extend_from_slice(line_of(event)?.as_bytes());
    line.push(b'\n');
    // In one call: without the lock, too, no other's line comes between.
    let written = file.write(&line)?;
    if written < line.len() {
        let text = format!("`{}` takes no whole line: the disk is full", path.display());
        return Err(io::Error::new(io::ErrorKind::StorageFull, text));
    }
    Ok(())
}

fn lock(file: &fs_err::File) -> io::Result<()> {
    for _ in 0..LOCK_LOOKS_MAX {
        match file.file().try_lock() {
            Ok(()) => return Ok(()),
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the last line was not written whole.
fn is_torn(file: &mut fs_err::File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(io::SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// An event as one line that is not too long.
fn line_of(event: &impl Serialize) -> io::Result<String> {
    let whole = serde_json::to_string(event)?;
    if whole.len() < LINE_BYTES_MAX {
        return Ok(whole);
    }
    let mut value = serde_json::to_value(event)?;
    for step in [shorten_arguments, halve_arguments, drop_guard, cut_texts] {
        step(&mut value);
        let line = value.to_string();
        if line.len() < LINE_BYTES_MAX {
            return Ok(line);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "the event is too long for the index",
    ))
}

fn shorten_arguments(event: &mut Value) {
    for argument in event["args"].as_array_mut().into_iter().flatten() {
        shorten(argument, ARGUMENT_CHARS_MAX);
    }
}

/// As many of the first arguments as fit into half a line; the last one tells that there were more.
fn halve_arguments(event: &mut Value) {
    if let Some(arguments) = event["args"].as_array_mut() {
        let mut room = LINE_BYTES_MAX / 2;
        let fitting = arguments.iter().take_while(|argument| {
            let length = argument.to_string().len() + 1;
            let fits = length <= room;
            room = room.saturating_sub(length);
            fits
        });
        let count = fitting.count();
        if count < arguments.len() {
            arguments.truncate(count);
            arguments.push(Value::from("…"));
        }
    }
}

fn drop_guard(event: &mut Value) {
    if let Some(fields) = event.as_object_mut() {
        fields.remove("guard");
    }
}

fn cut_texts(event: &mut Value) {
    for (_, field) in event.as_object_mut().into_iter().flatten() {
        shorten(field, ARGUMENT_CHARS_MAX);
    }
}

fn shorten(value: &mut Value, chars_max: usize) {
    if let Value::String(text) = value
        && text.chars().count() > chars_max
    {
        *text = text.chars().take(chars_max - 1).chain(['…']).collect();
    }
}

/// Which files of an index are so old that they go, out of the names of all: those of days before
/// the last `days`.
pub fn outdated(names: &[String], now: Timestamp, days: u32) -> Vec<String> {
    let limit = now
        .checked_sub(Duration::from_secs(u64::from(days) * 86_400))
        .map_or_else(|_| String::new(), layout::day);
    let is_old = |name: &&String| {
        let day = name.split('.').next().unwrap_or_default();
        let is_day = day.len() == 10 && day.chars().all(|c| c.is_ascii_digit() || c == '-');
        is_day && day < limit.as_str()
    };
    names.iter().filter(is_old).cloned().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOON: &str = "2026-11-24T12:00:00Z";

    fn noon() -> Timestamp {
        NOON.parse().unwrap()
    }

    fn lines(spool: &Path) -> Vec<Value> {
        let text = fs_err::read(path(spool, noon())).unwrap();
        let lines = text.split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }

    #[test]
    fn events_stand_in_the_file_of_their_day_in_order() {
        let spool = tempfile::tempdir().unwrap();
        for number in 0..3 {
            append(spool.path(), noon(), &json!({ "n": number })).unwrap();
        }
        append(spool.path(), Timestamp::UNIX_EPOCH, &json!({ "n": 3 })).unwrap();
        assert_eq!(lines(spool.path()), [0, 1, 2].map(|n| json!({ "n": n })));
        assert!(spool.path().join("index/1970-01-01.jsonl").exists());
    }

    #[test]
    fn a_line_is_short_however_long_the_event_is() {
        let guard = json!({ "holders": "h".repeat(9000) });
        for event in [
            json!({ "v": 1, "run": "R", "args": ["short", "x".repeat(100_000)] }),
            json!({ "v": 1, "run": "R", "args": vec!["\u{1}".repeat(50); 4000] }),
            json!({ "v": 1, "run": "R", "args": [], "guard": guard }),
            json!({ "v": 1, "run": "R", "artifact": "a".repeat(9000) }),
        ] {
            let line = line_of(&event).unwrap();
            assert!(line.len() < LINE_BYTES_MAX);
            let read: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&read["v"], &read["run"]), (&json!(1), &json!("R")));
        }
        let event = json!({ "args": ["short", "x".repeat(9000)] });
        let read: Value = serde_json::from_str(&line_of(&event).unwrap()).unwrap();
        assert_eq!(read["args"][0], "short");
        assert!(read["args"][1].as_str().unwrap().ends_with("x…"));
    }

    #[test]
    fn many_writers_lose_no_line() {
        let spool = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let spool = spool.path();
                scope.spawn(move || {
                    for number in 0..50 {
                        append(spool, noon(), &json!({ "w": writer, "n": number })).unwrap();
                    }
                });
            }
        });
        assert_eq!(lines(spool.path()).len(), 400);
    }

    #[test]
    fn a_writer_that_was_stopped_with_the_lock_stops_nobody() {
        let spool = tempfile::tempdir().unwrap();
        append(spool.path(), noon(), &json!({ "n": 0 })).unwrap();
        let held = fs_err::File::open(path(spool.path(), noon())).unwrap();
        held.file().try_lock().unwrap();
        append(spool.path(), noon(), &json!({ "n": 1 })).unwrap();
        assert_eq!(lines(spool.path()).len(), 2);
    }

    #[test]
    fn old_days_go_and_nothing_else_does() {
        let names = [
            "2026-10-24.jsonl",
            "2026-10-25.jsonl",
            "2026-10-24.off",
            "2026-11-24.jsonl",
            "x",
        ];
        let names = names.map(ToOwned::to_owned);
        assert_eq!(
            outdated(&names, noon(), 30),
            ["2026-10-24.jsonl", "2026-10-24.off"]
        );
        assert_eq!(outdated(&names, noon(), u32::MAX), [""; 0]);
    }

    proptest! {
        #[test]
        fn a_cut_at_any_byte_costs_the_line_it_is_in_and_no_other(cut in 0_usize..60) {
            let spool = tempfile::tempdir().unwrap();
            for number in 0..3 {
                append(spool.path(), noon(), &json!({ "number": number })).unwrap();
            }
            let file = path(spool.path(), noon());
            let text = fs_err::read(&file).unwrap();
            let cut = cut.min(text.len());
            fs_err::write(&file, &text[..cut]).unwrap();
            append(spool.path(), noon(), &json!({ "number": "next" })).unwrap();
            let whole = (0..3).map(|number| json!({ "number": number }));
            let whole = whole.take(text[..cut].split(|byte| *byte == b'\n').filter(|line| {
                serde_json::from_slice::<Value>(line).is_ok()
            }).count());
            let expected: Vec<Value> = whole.chain([json!({ "number": "next" })]).collect();
            prop_assert_eq!(lines(spool.path()), expected);
        }
    }
}
