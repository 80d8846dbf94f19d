//! The digest of a run that did not succeed: who, what, why, its last lines, and where the rest is.
//!
//! It is what a person reads first, and goes to the share before the log does.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{EndEvent, ResultWord, harmless};

/// Name of the digest in the directory of a run.
pub const FILE: &str = "digest";

/// Longest digest.
pub const BYTES_MAX: usize = 16 * 1024;

/// Lines of the job's output in it.
pub const LINES: usize = 40;

/// Longest value of a field, in characters.
const VALUE_CHARS_MAX: usize = 500;

/// Whether such a run has a digest.
pub fn is_due(result: ResultWord) -> bool {
    !matches!(result, ResultWord::Success | ResultWord::Skip)
}

/// The digest of a run whose log is at `log`: `key: value` lines, an empty one, the last lines of its
/// output, as many of them as fit.
pub fn compose(end: &EndEvent, log: &Path, lines: &[String]) -> String {
    let facts = end.facts.as_ref();
    let mut rows = vec![("job", end.job.clone())];
    let error = end.error.map(|error| format!(" ({})", word(error)));
    rows.push(("result", word(end.result) + &error.unwrap_or_default()));
    rows.extend(end.exit.map(|code| ("exit", code.to_string())));
    rows.extend(end.signal.map(|signal| ("signal", signal.to_string())));
    rows.extend(end.msg.clone().map(|msg| ("msg", msg)));
    if let Some(facts) = facts {
        rows.push(("host", facts.host.clone()));
        rows.push(("user", facts.user.clone()));
        rows.push(("trigger", facts.trigger.clone()));
        rows.push(("start", facts.start.clone()));
    }
    rows.push(("when", end.time.clone()));
    rows.extend(took(end).map(|took| ("took", took)));
    rows.extend(
        facts
            .and_then(|facts| facts.artifact.clone())
            .map(|artifact| ("artifact", artifact)),
    );
    rows.push(("run", end.run.clone()));
    rows.push(("log", log.display().to_string()));
    rows.push(("more", format!("greasestatus why {}", end.run)));
    let mut text = String::new();
    for (key, value) in rows {
        let value = harmless(&value, &[], VALUE_CHARS_MAX);
        writeln!(text, "{key}: {value}").expect("in memory");
    }
    text.push('\n');
    let mut room = BYTES_MAX.saturating_sub(text.len());
    let fitting = lines.iter().rev().take(LINES).take_while(|line| {
        let fits = line.len() < room;
        room = room.saturating_sub(line.len() + 1);
        fits
    });
    let count = fitting.count();
    for line in &lines[lines.len() - count..] {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// How long the run took: by the clock that does not jump, if that is known.
fn took(end: &EndEvent) -> Option<String> {
    let measured = end
        .usage
        .map(|usage| Duration::from_millis(usage.duration_ms));
    let by_clock = || {
        let start: Timestamp = end.facts.as_ref()?.start.parse().ok()?;
        let time: Timestamp = end.time.parse().ok()?;
        Duration::try_from(time.duration_since(start)).ok()
    };
    let seconds = measured.or_else(by_clock)?.as_secs_f64();
    Some(format!("{seconds:.1} s"))
}

/// A word of the record as it is written.
fn word(word: impl Serialize) -> String {
    let value = serde_json::to_value(word).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// What the last lines of a failed job's standard error say about why: the last one that looks like an
/// error, else the last one.
pub fn reason<'a>(lines: impl DoubleEndedIterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let mut told = lines.map(str::trim).filter(|line| !line.is_empty());
    let error = told.clone().rev().find(|line| looks_like_an_error(line));
    error.or_else(|| told.next_back())
}

fn looks_like_an_error(line: &str) -> bool {
    const WORDS: [&str; 8] = [
        "Exception",
        "Error",
        "ERROR",
        "error:",
        "FATAL",
        "fatal:",
        "panicked at",
        "command not found",
    ];
    // A frame of a stack may name a class that is called so.
    let is_frame = line.starts_with("at ") || line.starts_with("File \"");
    !is_frame && WORDS.iter().any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ErrorWord, RunFacts, VERSION};

    fn end() -> EndEvent {
        let facts = RunFacts {
            user: "etl".to_owned(),
            host: "dp-007".to_owned(),
            start: "2026-11-24T13:05:02.000000Z".to_owned(),
            trigger: "scheduled".to_owned(),
            runner: "luigi".to_owned(),
            artifact: Some("com.acme:etl:1.4.11".to_owned()),
            log: None,
        };
        EndEvent {
            v: VERSION,
            event: "end".to_owned(),
            run: "01M7BNNEXDEZ82TRP1EPE1JMB1".to_owned(),
            job: "daily".to_owned(),
            time: "2026-11-24T13:09:11.500000Z".to_owned(),
            result: ResultWord::Failure,
            error: Some(ErrorWord::Exit),
            exit: Some(1),
            signal: None,
            msg: Some("failed with exit code 1: \u{1b}[31mno input".to_owned()),
            guard: None,
            drops: None,
            usage: None,
            leftovers: 0,
            facts: Some(facts),
            log_bytes: None,
            omitted_bytes: 0,
        }
    }

    #[test]
    fn a_digest_tells_who_what_why_and_where() {
        let lines = ["one", "two"].map(ToOwned::to_owned);
        let text = compose(&end(), Path::new("/logs/etl/x.log"), &lines);
        insta::assert_snapshot!(text, @r"
        job: daily
        result: failure (exit)
        exit: 1
        msg: failed with exit code 1: \u{1b}[31mno input
        host: dp-007
        user: etl
        trigger: scheduled
        start: 2026-11-24T13:05:02.000000Z
        when: 2026-11-24T13:09:11.500000Z
        took: 249.5 s
        artifact: com.acme:etl:1.4.11
        run: 01M7BNNEXDEZ82TRP1EPE1JMB1
        log: /logs/etl/x.log
        more: greasestatus why 01M7BNNEXDEZ82TRP1EPE1JMB1

        one
        two
        ");
    }

    #[test]
    fn a_digest_is_short_and_keeps_the_last_lines() {
        let lines: Vec<String> = (0..100)
            .map(|number| format!("{number} {}", "x".repeat(900)))
            .collect();
        let text = compose(&end(), Path::new("/x"), &lines);
        assert!(text.len() <= BYTES_MAX && text.len() > BYTES_MAX - 1000);
        assert!(text.lines().last().unwrap().starts_with("99 "));
        let lines: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let text = compose(&end(), Path::new("/x"), &lines);
        assert_eq!(
            text.split_once("\n\n").unwrap().1.lines().next(),
            Some("60")
        );
    }

    #[test]
    fn the_reason_is_the_last_error_and_not_a_frame_of_its_stack() {
        for (lines, expected) in [
            (
                &[
                    "a",
                    "java.io.IOException: gone",
                    "\tat com.acme.ErrorHandler.run(X.java)",
                ][..],
                Some("java.io.IOException: gone"),
            ),
            (
                &[
                    "Traceback (most recent call last):",
                    "  File \"Error.py\", line 1",
                    "ValueError: 3",
                ],
                Some("ValueError: 3"),
            ),
            (&["careful", "  done  ", ""], Some("done")),
            (&["", " "], None),
        ] {
            assert_eq!(reason(lines.iter().copied()), expected);
        }
    }
}
