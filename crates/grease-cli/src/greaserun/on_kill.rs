//! What a job started elsewhere, and its end when the job was ended.

use std::ffi::OsString;
use std::time::Duration;

use grease_core::debugging::journal::shown;
use grease_core::execution::on_kill::{Applications, OnKill};
use grease_core::execution::supervise::{End, Job, Signals};
use grease_core::execution::{Event, supervise};
use grease_core::model::jobs::{JobSettings, Leftovers};
use grease_core::model::{ResultWord, Stream};

use super::caller::Caller;
use super::dry_run::quoted;
use super::ended;
use super::plan::Plan;
use super::report::Report;
use crate::failure::Failure;

/// Longest that the command may take, killing it included: a client of YARN needs some seconds, and
/// without an answer from its server it would ask again for a quarter of an hour.
pub(super) const TIME_MAX: Duration = Duration::from_mins(1);

/// From the request to end to the kill, of a command that takes too long or is not wanted any more.
const GRACE: Duration = Duration::from_secs(2);

/// Bytes that are kept of what the command says, for its last line.
const OUTPUT_BYTES_MAX: usize = 4096;

/// What one job started elsewhere.
pub(super) struct Elsewhere<'a> {
    hook: Option<&'a OnKill>,
    applications: Applications,
}

impl<'a> Elsewhere<'a> {
    /// Nothing yet.
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self {
            hook: plan.on_kill.as_ref(),
            applications: Applications::default(),
        }
    }

    /// Looks through a piece of the job's output.
    pub(super) fn see(&mut self, stream: Stream, bytes: &[u8]) {
        if self.hook.is_some_and(|hook| hook.takes_applications) {
            self.applications.see(stream, bytes);
        }
    }

    /// Ends it, since the job was ended. Trouble with it is told, and changes nothing.
    ///
    /// Another TERM, INT or QUIT ends the command that does it.
    pub(super) fn end(self, plan: &Plan, caller: &Caller, signals: &Signals, report: &Report<'_>) {
        let Some(hook) = self.hook else { return };
        let applications = self.applications.into_ids();
        if hook.takes_applications && applications.is_empty() {
            return;
        }
        let target = if applications.is_empty() {
            "what the job started elsewhere".to_owned()
        } else {
            applications.join(", ")
        };
        let own: Vec<OsString> = hook.command.as_slice().iter().map(Into::into).collect();
        let ids = applications.into_iter().map(OsString::from);
        let words: Vec<OsString> = own.iter().cloned().chain(ids).collect();
        match carry_out(&words, plan, caller, signals, report) {
            Ok(()) => report.remark(&format!("ended {target} by `{}`", line(&own))),
            Err(why) => {
                let command = line(&words);
                report.warn(&format!("{target} may still run, since `{command}` {why}"));
            }
        }
    }
}

/// Runs a command in the job's surroundings; fails with what is to be said behind its name.
fn carry_out(
    words: &[OsString],
    plan: &Plan,
    caller: &Caller,
    signals: &Signals,
    report: &Report<'_>,
) -> Result<(), String> {
    signals.ending(); // What has arrived was meant for the job.
    let settings = JobSettings {
        timeout: Some(TIME_MAX.saturating_sub(GRACE)),
        grace: GRACE,
        drain: GRACE,
        leftovers: Leftovers::Kill,
        ..plan.settings.clone()
    };
    let command = Job {
        words,
        environment: &plan.environment,
        directory: plan.directory.clone(),
        umask: caller.umask,
        on_terminal: false,
        inherit_stdin: false,
        is_aftermath: true,
        settings: &settings,
        stdout: None,
        stderr: None,
    };
    let mut output = Vec::new();
    let outcome = supervise(command, signals, &mut |event| match event {
        Event::Output { bytes, .. } => {
            output.extend_from_slice(bytes);
            let surplus = output.len().saturating_sub(OUTPUT_BYTES_MAX);
            output.drain(..surplus);
        }
        Event::Notice(text) => report.detail(&text),
        Event::Started { .. } | Event::Pulse => {}
    });
    let outcome =
        outcome.map_err(|error| format!("cannot be run: {}", Failure::from(error).line()))?;
    if outcome.cause.is_none() && outcome.end == End::Exited(0) {
        return Ok(());
    }
    let how = ended::reason(ResultWord::Failure, &outcome);
    Err(match last_line(&output) {
        Some(said) => format!("{how}; it said: {said}"),
        None => how,
    })
}

/// The last line with anything in it, harmless on a terminal.
fn last_line(output: &[u8]) -> Option<String> {
    let mut lines = output.rsplit(|byte| *byte == b'\n');
    let last = lines.find(|line| !line.trim_ascii().is_empty())?;
    Some(shown(last))
}

/// Words as a shell takes them.
fn line(words: &[OsString]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}
