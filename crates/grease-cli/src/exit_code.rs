//! The exit codes of all programs.
//!
//! A job's own code passes through unchanged, so the record of a run, not the code, tells
//! whether the job or the tool failed.

use std::fmt::Write as _;

use grease_core::model::ErrorKind;

/// Something was found that a person should look at.
pub(crate) const FOUND: u8 = 1;

/// The command line cannot be acted upon.
pub(crate) const USAGE: u8 = 64;

/// The job was ended after its timeout.
pub(crate) const TIMEOUT: u8 = 124;

/// Added to the number of the signal that ended a job.
pub(crate) const SIGNAL_BASE: u8 = 128;

/// All codes that Scalegrease gives by itself, with their meaning.
const CODES: &[(u8, &str)] = &[
    (0, "the job succeeded; or there was nothing to do here"),
    (64, "the command line is wrong"),
    (
        65,
        "bad input: a jar that is broken, hostile or lacks what the runner needs",
    ),
    (
        69,
        "the artifact was not found, or its repository cannot be reached",
    ),
    (70, "a fault of Scalegrease; please report it"),
    (74, "reading or writing failed"),
    (
        75,
        "not now: the host is busy, or the job still runs; it may work later",
    ),
    (77, "permission or credentials are missing"),
    (78, "the configuration is wrong"),
    (124, "the job was ended after its timeout"),
    (126, "the job's program cannot be executed"),
    (127, "the job's program was not found"),
];

/// The code for a kind of error.
pub(crate) fn of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage => USAGE,
        ErrorKind::BadInput => 65,
        ErrorKind::Unavailable | ErrorKind::Unreachable => 69,
        ErrorKind::Bug => 70,
        ErrorKind::Io => 74,
        ErrorKind::NotNow => 75,
        ErrorKind::Permission => 77,
        ErrorKind::Config => 78,
        ErrorKind::CannotExecute => 126,
        ErrorKind::CommandNotFound => 127,
    }
}

/// `docs/exit-codes.md`, which is made from this table.
pub fn reference() -> String {
    let mut text = String::from(
        "# Exit codes\n\n\
         The job's own exit code passes through unchanged, and a signal n that ended it gives \
         128+n.\nThe record of the run tells the two apart where a job uses one of these \
         numbers itself.\n\n\
         | code | meaning |\n|---|---|\n",
    );
    let (success, others) = CODES.split_at(1);
    let found = (
        FOUND,
        "`greasestatus check` found something; `greasestatus guard`: no such job would start now",
    );
    for (code, meaning) in success.iter().chain([&found]).chain(others) {
        writeln!(text, "| {code} | {meaning} |").expect("in memory");
    }
    text.push_str("| 128+n | signal n ended the job |\n");
    text
}

/// The codes as a section of a `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (code, meaning) in CODES {
        writeln!(text, "  {code:>5}  {meaning}").expect("in memory");
    }
    text.push_str("  128+n  signal n ended the job\n  Any other code is the job's own.");
    text
}

/// The codes of a program that runs no job, as a section of a `--help`.
pub(crate) fn help_of_check() -> String {
    format!(
        "Exit codes:\n  0   all is well\n  {FOUND}   something was found\n  {}  the config or \
         Maven's settings cannot be used, or a key of the config is unknown",
        of(ErrorKind::Config)
    )
}

/// The codes of `greasestatus guard`, as a section of its `--help`.
pub(crate) fn help_of_guard() -> String {
    format!(
        "Exit codes:\n  0       such a job would start now\n  {FOUND}       it would not\n  {}, {}  the \
         guard's state cannot be used by this user\n  {}      the config cannot be used",
        of(ErrorKind::Io),
        of(ErrorKind::Permission),
        of(ErrorKind::Config)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_a_documented_code() {
        for kind in [
            ErrorKind::Usage,
            ErrorKind::BadInput,
            ErrorKind::Unavailable,
            ErrorKind::Unreachable,
            ErrorKind::Bug,
            ErrorKind::Io,
            ErrorKind::NotNow,
            ErrorKind::Permission,
            ErrorKind::Config,
            ErrorKind::CannotExecute,
            ErrorKind::CommandNotFound,
        ] {
            assert!(CODES.iter().any(|(code, _)| *code == of(kind)), "{kind:?}");
        }
    }
}
