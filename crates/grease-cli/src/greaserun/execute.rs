//! A planned job: unpacked, supervised, and cleaned up after.

use std::cell::Cell;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use grease_core::debugging::Journal;
use grease_core::execution::scratch::Scratch;
use grease_core::execution::supervise::{Job, Signals};
use grease_core::execution::{Error, Event, Outcome, supervise};
use grease_core::model::ErrorKind;
use grease_core::model::jobs::Stdin;
use grease_core::sys::clock;

use super::caller::Caller;
use super::on_kill::Elsewhere;
use super::plan::Plan;
use super::report::Report;
use super::ship::Shipping;
use super::{dry_run, patience};
use crate::failure::Failure;

/// Unpacks what the job needs, runs it, and removes what was unpacked.
pub(super) fn execute(
    plan: &Plan,
    caller: &Caller,
    scratch: PathBuf,
    signals: &Signals,
    report: &Report<'_>,
    (journal, shipping): (&mut Journal, &mut Shipping),
) -> Result<Outcome, Failure> {
    let root = scratch.parent().unwrap_or(Path::new("/")).to_owned();
    let scratch = Scratch::create(scratch).map_err(|source| Error::Scratch { root, source })?;
    for notice in &plan.command.notices {
        report.warn(notice);
    }
    unpack(plan, scratch.path(), signals)?;
    report.detail(&dry_run::command_line(plan, caller));
    let own = |stream: BorrowedFd<'_>| {
        let copy = report.streams().then(|| stream.try_clone_to_owned());
        copy.transpose().map_err(|source| Error::Supervise {
            action: "copying output",
            source,
        })
    };
    let job = Job {
        words: &plan.command.words,
        environment: &plan.environment,
        directory: plan.directory.clone(),
        umask: caller.umask,
        on_terminal: caller.on_terminal,
        inherit_stdin: caller.on_terminal || plan.settings.stdin == Stdin::Inherit,
        is_aftermath: false,
        settings: &plan.settings,
        stdout: own(std::io::stdout().as_fd())?,
        stderr: own(std::io::stderr().as_fd())?,
    };
    let mut elsewhere = Elsewhere::new(plan);
    let outcome = supervise(job, signals, &mut |event| match event {
        Event::Output { stream, bytes } => {
            elsewhere.see(stream, bytes);
            journal.note(clock::now(), stream, bytes);
        }
        Event::Notice(text) => {
            journal.remark(clock::now(), &text);
            report.notice(&text);
        }
        Event::Pulse => shipping.look(),
        Event::Started { pid } => report.detail(&format!("the job's process is {pid}")),
    });
    if outcome
        .as_ref()
        .is_ok_and(|outcome| outcome.cause.is_some())
    {
        elsewhere.end(plan, caller, signals, report);
    }
    if let Err(error) = scratch.remove() {
        report.warn(&format!(
            "something of the job's scratch directory stays: {error}"
        ));
    }
    outcome.map_err(|error| explain_missing(plan, Failure::from(error)))
}

/// A program that is not found may have been meant to come out of the jar.
fn explain_missing(plan: &Plan, failure: Failure) -> Failure {
    let jar = plan
        .artifact
        .as_ref()
        .filter(|artifact| artifact.jar.is_some());
    let looked_into = plan.runner == "shell" && plan.command.unpack.is_none();
    match (failure.kind, jar, plan.command.words.first()) {
        (ErrorKind::CommandNotFound, Some(_), Some(word)) if looked_into => {
            let text = format!("the jar has no entry `{}` either", word.to_string_lossy());
            failure.hinting(text)
        }
        _ => failure,
    }
}

/// Unpacks what the job needs, unless somebody ends greaserun meanwhile.
fn unpack(plan: &Plan, scratch: &Path, signals: &Signals) -> Result<(), Failure> {
    let ending = Cell::new(None);
    let stop = || {
        ending.set(ending.get().or_else(|| signals.ending()));
        ending.get().is_some()
    };
    let artifact = plan.artifact.as_ref();
    let jar = artifact.and_then(|artifact| artifact.jar.as_ref());
    let unpacked = match (jar, &plan.command.unpack) {
        (Some(jar), Some(unpack)) => jar.unpack(unpack, scratch, &stop),
        _ => Ok(()),
    };
    if stop() {
        let signal = ending.get().expect("that is why it stops");
        return Err(patience::cancelled(signal));
    }
    Ok(unpacked?)
}
