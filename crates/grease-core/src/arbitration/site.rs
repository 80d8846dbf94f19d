//! The site's own command, which is asked as well: exit 0 admits, 1 refuses.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal as ProcessSignal};

use super::decision::at_most;
use super::view::View;
use crate::model::Words;
use crate::model::guard::{Check, Signal};

/// How long the command may take: it is in the way of every start.
const TIME_MAX: Duration = Duration::from_secs(5);

/// How long an answer holds.
const FRESH: Duration = Duration::from_secs(5);

/// Distance of two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// The command and its last answer.
pub(super) struct Site<'a> {
    command: Option<&'a Words>,
    answer: Option<(Instant, Result<Check, String>)>,
}

impl<'a> Site<'a> {
    pub(super) fn new(command: Option<&'a Words>) -> Self {
        Self {
            command,
            answer: None,
        }
    }

    /// Whether there is a command without a fresh answer.
    pub(super) fn is_to_be_asked(&self) -> bool {
        let is_fresh = |(asked, _): &(Instant, _)| asked.elapsed() < FRESH;
        self.command.is_some() && !self.answer.as_ref().is_some_and(is_fresh)
    }

    /// Asks, if there is a command; takes five seconds at most.
    pub(super) fn ask(&mut self) {
        if let Some(command) = self.command {
            let answer = ask(command);
            self.answer = Some((Instant::now(), answer));
        }
    }

    /// Adds the answer to what is known.
    pub(super) fn add_to(&self, view: &mut View) {
        match &self.answer {
            Some((_, Ok(check))) => view.checks.push(check.clone()),
            Some((_, Err(why))) => {
                let unreadable = &mut view.machine.unreadable;
                unreadable.insert("command".to_owned(), why.clone());
            }
            None => {}
        }
    }
}

fn ask(command: &Words) -> Result<Check, String> {
    let (program, arguments) = command.as_slice().split_first().ok_or("it has no words")?;
    #[expect(clippy::disallowed_methods, reason = "it is the site's, and no job")]
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    match code_of(&mut child)? {
        Some(code @ (0 | 1)) => {
            let what = format!("exit code of `{program}`");
            Ok(at_most(Signal::Command, f64::from(code), 0.0, &what))
        }
        Some(code) => Err(format!("`{program}` gave {code}, neither 0 nor 1")),
        None => Err(format!("`{program}` was ended by a signal")),
    }
}

/// Kills a command with what it has started, as far as that stayed in its group.
fn kill_group(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        rustix::process::kill_process_group(group, ProcessSignal::KILL).ok();
    }
}

fn code_of(child: &mut Child) -> Result<Option<i32>, String> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.code()),
            Ok(None) if begun.elapsed() < TIME_MAX => std::thread::sleep(LOOK),
            Ok(None) => {
                kill_group(child); // It may end at this moment.
                child.wait().ok();
                return Err(format!("it took longer than {} s", TIME_MAX.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
