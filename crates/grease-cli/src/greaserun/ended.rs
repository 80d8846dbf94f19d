//! How a run ended: the record's words for it, and the exit code.

use std::time::Duration;

use grease_core::debugging::share::layout;
use grease_core::execution::Outcome;
use grease_core::execution::supervise::{Cause, End};
use grease_core::model::{
    EndEvent, ErrorKind, ErrorWord, ResultWord, RunFacts, RunId, UsageRecord, VERSION,
};
use grease_core::sys::clock;

use super::halt::Dropped;
use crate::exit_code;
use crate::failure::Failure;

/// What nobody knows any more of a run that died at its very beginning.
pub(super) const UNKNOWN: &str = "unknown";

/// Exit codes that the runner `luigi` makes Luigi give, with what they mean.
const LUIGI: [(i32, ErrorWord); 2] = [
    (10, ErrorWord::AlreadyRunning),
    (20, ErrorWord::MissingInput),
];

/// The exit code of greaserun.
pub(super) fn exit_code(outcome: &Outcome) -> u8 {
    if outcome.cause == Some(Cause::Timeout) {
        return exit_code::TIMEOUT;
    }
    match outcome.end {
        End::Exited(code) => u8::try_from(code & 0xff).expect("eight bits"),
        End::Signalled(signal) => {
            let signal = u8::try_from(signal).expect("signals are below 65");
            exit_code::SIGNAL_BASE + signal
        }
        // As if the last signal that it was sent, SIGKILL, had done its work.
        End::Unkillable => exit_code::SIGNAL_BASE + 9,
    }
}

/// The record of a run that was started.
pub(super) fn of_outcome(run: RunId, job: &str, runner: &str, outcome: &Outcome) -> EndEvent {
    let (result, error) = words(runner, outcome);
    let (exit, signal) = match outcome.end {
        End::Exited(code) => (Some(code), None),
        End::Signalled(signal) => (None, Some(signal)),
        End::Unkillable => (None, None),
    };
    let usage = &outcome.usage;
    EndEvent {
        exit,
        signal,
        msg: (result != ResultWord::Success).then(|| reason(result, outcome)),
        usage: Some(UsageRecord {
            duration_ms: milliseconds(usage.duration),
            cpu_ms: milliseconds(usage.user + usage.system),
            maxrss_kb: usage.process_peak_kib,
            tree_rss_kb: usage.tree_peak_kib,
            out_bytes: usage.stdout_bytes,
            err_bytes: usage.stderr_bytes,
        }),
        leftovers: outcome.leftovers.len() + outcome.unkillable.len(),
        ..event(run, job, result, error)
    }
}

/// The record of a run that did not start.
pub(super) fn of_failure(run: RunId, job: &str, failure: &Failure) -> EndEvent {
    let msg = Some(failure.line());
    if failure.is_cancellation() {
        let cancelled = event(run, job, ResultWord::Cancellation, Some(ErrorWord::Signal));
        return EndEvent { msg, ..cancelled };
    }
    let error = match failure.kind {
        ErrorKind::Usage => ErrorWord::Usage,
        ErrorKind::BadInput => ErrorWord::ArtifactBad,
        ErrorKind::Unavailable => ErrorWord::ArtifactNotFound,
        ErrorKind::Unreachable => ErrorWord::ArtifactFetch,
        ErrorKind::Config => ErrorWord::Config,
        ErrorKind::CannotExecute | ErrorKind::CommandNotFound => ErrorWord::Spawn,
        ErrorKind::Bug | ErrorKind::Io | ErrorKind::NotNow | ErrorKind::Permission => {
            ErrorWord::Host
        }
    };
    EndEvent {
        msg,
        ..event(run, job, ResultWord::Error, Some(error))
    }
}

/// The record of a run that was not started because it was not the time for it; `drops` is how many
/// of its job there were in a row.
pub(super) fn of_drop(run: RunId, job: &str, dropped: &Dropped, drops: Option<u32>) -> EndEvent {
    EndEvent {
        msg: Some(dropped.text.clone()),
        guard: dropped.guard.clone(),
        drops,
        ..event(run, job, ResultWord::Skip, Some(dropped.word))
    }
}

/// The record of a run whose greaserun is gone. It was this user's and on this host, as its spool is; the
/// rest is what is known of one that died before it wrote its start event.
pub(super) fn of_dead(run: RunId, job: &str, same_boot: bool, user: &str, host: &str) -> EndEvent {
    let error = if same_boot {
        ErrorWord::SupervisorKilled
    } else {
        ErrorWord::HostReboot
    };
    let start = run.drawn_at().unwrap_or_default();
    let log = layout::log(start, job, host, run);
    let facts = RunFacts {
        user: user.to_owned(),
        host: host.to_owned(),
        start: format!("{start:.6}"),
        trigger: UNKNOWN.to_owned(),
        runner: UNKNOWN.to_owned(),
        artifact: None,
        log: log.to_str().map(ToOwned::to_owned),
    };
    EndEvent {
        facts: Some(facts),
        ..event(run, job, ResultWord::Error, Some(error))
    }
}

/// Why a run did not succeed, in words for people.
pub(super) fn reason(result: ResultWord, outcome: &Outcome) -> String {
    match (outcome.cause, outcome.end) {
        (_, End::Exited(code)) if result == ResultWord::Skip => {
            format!("had nothing to do (exit code {code})")
        }
        (Some(Cause::Timeout), _) => "timed out".to_owned(),
        (Some(Cause::Signal(signal)), _) => {
            format!(
                "was ended by signal {} to greaserun",
                signal_name(signal.as_raw())
            )
        }
        (None, End::Exited(code)) => format!("failed with exit code {code}"),
        (None, End::Signalled(signal)) => format!("was ended by signal {}", signal_name(signal)),
        (None, End::Unkillable) => "hangs in the kernel and cannot be killed".to_owned(),
    }
}

fn words(runner: &str, outcome: &Outcome) -> (ResultWord, Option<ErrorWord>) {
    match (outcome.cause, outcome.end) {
        (Some(Cause::Timeout), _) => (ResultWord::Timeout, Some(ErrorWord::Timeout)),
        (Some(Cause::Signal(_)), _) => (ResultWord::Cancellation, Some(ErrorWord::Signal)),
        (None, End::Exited(0)) => (ResultWord::Success, None),
        (None, End::Exited(code)) => {
            let skipped = LUIGI.iter().find(|(known, _)| *known == code);
            match skipped.filter(|_| runner == "luigi") {
                Some((_, error)) => (ResultWord::Skip, Some(*error)),
                None => (ResultWord::Failure, Some(ErrorWord::Exit)),
            }
        }
        (None, End::Signalled(_) | End::Unkillable) => {
            (ResultWord::Failure, Some(ErrorWord::Signal))
        }
    }
}

fn event(run: RunId, job: &str, result: ResultWord, error: Option<ErrorWord>) -> EndEvent {
    EndEvent {
        v: VERSION,
        event: "end".to_owned(),
        run: run.to_string(),
        job: job.to_owned(),
        time: format!("{:.6}", clock::now()),
        result,
        error,
        exit: None,
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

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn signal_name(number: i32) -> String {
    const NAMES: [(i32, &str); 15] = [
        (1, "HUP"),
        (2, "INT"),
        (3, "QUIT"),
        (4, "ILL"),
        (5, "TRAP"),
        (6, "ABRT"),
        (7, "BUS"),
        (8, "FPE"),
        (9, "KILL"),
        (10, "USR1"),
        (11, "SEGV"),
        (12, "USR2"),
        (13, "PIPE"),
        (14, "ALRM"),
        (15, "TERM"),
    ];
    let known = NAMES.iter().find(|(known, _)| *known == number);
    known.map_or_else(
        || number.to_string(),
        |(_, name)| format!("{number} (SIG{name})"),
    )
}
