//! What a run did, in a few words.

use std::time::Duration;

use grease_core::debugging::read::{End, Run, State};
use jiff::Timestamp;

use super::when;

/// One character for a result.
pub(super) fn mark(run: &Run) -> char {
    match (&run.end, &run.state) {
        (Some(end), _) if end.is_success() => '✓',
        (Some(end), _) if end.is_failure() => '✗',
        (Some(_), _) => '○',
        (None, State::Lost(_)) => '?',
        (None, _) => '▸',
    }
}

/// How it ended, or what it does: `✗ exit 1`, `○ skip guard-load`, `▸ executing`.
pub(super) fn outcome(run: &Run, now: Timestamp) -> String {
    let mark = mark(run);
    let Some(end) = &run.end else {
        return format!("{mark} {}", state(&run.state, now));
    };
    if end.is_success() {
        mark.to_string()
    } else {
        format!("{mark} {}", cause(end))
    }
}

/// The words for a state.
pub(super) fn state(state: &State, now: Timestamp) -> String {
    let silent = |since: Timestamp| {
        let silence = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        when::about(silence)
    };
    match state {
        State::Silent(since) => format!("running? host silent {}", silent(*since)),
        State::Lost(Some(since)) => format!("lost? host seen {} ago", silent(*since)),
        other => other.word().to_owned(),
    }
}

/// Why it did not succeed: `exit 1`, `signal 9`, `timeout`, `skip guard-load`.
pub(super) fn cause(end: &End) -> String {
    let error = end.error.as_deref();
    match (&*end.result, error, end.exit, end.signal) {
        ("failure", Some("exit"), Some(code), _) => format!("exit {code}"),
        ("failure", Some("signal"), _, Some(signal)) => format!("signal {signal}"),
        (result, Some(error), _, _) if result == error || result == "error" => error.to_owned(),
        (result, Some(error), _, _) => format!("{result} {error}"),
        (result, None, _, _) => result.to_owned(),
    }
}

/// The same with what it said itself.
pub(super) fn why(run: &Run, now: Timestamp) -> String {
    let Some(end) = &run.end else {
        return state(&run.state, now);
    };
    match &end.msg {
        Some(msg) if &*end.result == "failure" => msg.to_string(), // It names the exit code.
        Some(msg) => format!("{}: {msg}", cause(end)),
        None => cause(end),
    }
}

/// Bytes, roughly: `854 B`, `1.2 GiB`.
pub(super) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let factor = |power: usize| 1024_u64.saturating_pow(u32::try_from(power).unwrap_or(1));
    let fitting = (1..=units.len())
        .rev()
        .find(|power| bytes >= factor(*power));
    let Some(power) = fitting else {
        return format!("{bytes} B");
    };
    let tenths = u128::from(bytes) * 10 / u128::from(factor(power));
    format!("{}.{} {}", tenths / 10, tenths % 10, units[power - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rough() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_234_567, "1.1 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
