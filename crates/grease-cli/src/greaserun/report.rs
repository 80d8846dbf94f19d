//! What the user sees of a run, by its trigger.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;

use grease_core::config::DEFAULT_FILE;
use grease_core::debugging::drops;
use grease_core::debugging::redact::Redactor;
use grease_core::diagnostics::TOLD;
use grease_core::dispatch::Trigger;
use grease_core::execution::Outcome;
use grease_core::execution::supervise::Remnant;
use grease_core::model::{ResultWord, RunId};

use super::arguments::{Arguments, Output};
use super::caller::Caller;
use super::dry_run::quoted;
use super::halt::Dropped;
use super::record::Left;
use crate::failure::Failure;
use crate::terminal::{self, Terminal, duration};

/// Lines of the job's output in a digest.
const LINES: usize = 20;

/// Tells the user what a run does. A digest is put together of what was held back until then.
pub(super) struct Report<'a> {
    terminal: Terminal,
    output: Output,
    quiet: bool,
    verbose: bool,
    caller: &'a Caller,
    /// Options by which `greasestatus` reads the same config, each behind a blank.
    options: String,
    words: &'a [OsString],
    /// How many of the words, at their end, are ARTIFACT and the job's.
    job_words: usize,
    /// Every warning so far and what else there is to say, for the log.
    remarks: RefCell<Vec<String>>,
    holds: Cell<bool>,
    asks_first: Cell<bool>,
    held_back: RefCell<String>,
    /// Masks secrets in what is mailed.
    redactor: RefCell<Redactor>,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        arguments: &Arguments,
        caller: &'a Caller,
        terminal: Terminal,
        words: &'a [OsString],
    ) -> Self {
        let by_trigger = match caller.trigger {
            Trigger::Scheduled => Output::Digest,
            Trigger::Manual | Trigger::Ci => Output::Stream,
        };
        Self {
            terminal,
            output: arguments.output.unwrap_or(by_trigger),
            quiet: arguments.shared.quiet,
            verbose: arguments.shared.verbose,
            caller,
            options: options(&arguments.shared.config_file, &caller.directory),
            words,
            job_words: arguments.words.len(),
            remarks: RefCell::default(),
            holds: Cell::new(false),
            asks_first: Cell::new(false),
            held_back: RefCell::default(),
            redactor: RefCell::default(),
        }
    }

    /// Masks secrets from now on in what a schedule is told, since that is kept in mailboxes. What a
    /// person sees on a terminal stays as it is.
    pub(super) fn redact(&self, redactor: &Redactor) {
        self.redactor.replace(redactor.clone());
    }

    /// Whether the job's output is passed on as it comes.
    pub(super) fn streams(&self) -> bool {
        self.output == Output::Stream
    }

    /// Tells something that may be wrong: at once, or with the digest of a failure, since cron
    /// mails whatever is printed.
    pub(super) fn warn(&self, text: &str) {
        tracing::warn!(target: TOLD, "{text}");
        let text = format!("warning: {text}");
        self.tell(&format!("{text}\n"));
        self.remarks.borrow_mut().push(text);
    }

    /// Takes the warnings and remarks so far, for the log: from cron, those of a good run are not
    /// told.
    pub(super) fn take_remarks(&self) -> Vec<String> {
        self.remarks.take()
    }

    /// Tells what was done, and notes it in the log.
    pub(super) fn remark(&self, text: &str) {
        tracing::info!(target: TOLD, "{text}");
        if self.streams() && !self.quiet {
            self.tell(&format!("greaserun: {text}\n"));
        }
        self.remarks.borrow_mut().push(text.to_owned());
    }

    /// Whether a person looks on, on a terminal.
    pub(super) fn is_watched(&self) -> bool {
        self.streams() && !self.quiet && std::io::stderr().is_terminal()
    }

    /// Whether details of what is done are shown as they come.
    pub(super) fn shows_details(&self) -> bool {
        self.verbose && self.streams()
    }

    /// Tells what is done, with `--verbose`.
    pub(super) fn detail(&self, text: &str) {
        if self.verbose {
            self.tell(&format!("greaserun: {text}\n"));
        }
    }

    /// Tells of something that happened while the job runs, unless that was passed on already.
    pub(super) fn notice(&self, text: &str) {
        if !self.streams() {
            self.warn(text);
        }
    }

    fn tell(&self, text: &str) {
        let is_free = !self.holds.get() && self.held_back.borrow().is_empty();
        if self.streams() && is_free && (!self.asks_first.get() || terminal::can_take()) {
            self.terminal.say(text);
        } else {
            self.held_back.borrow_mut().push_str(text);
        }
    }

    /// Tells nothing from now on that would have to be waited for: a reader that does not read must
    /// not make us deaf while signals are blocked.
    pub(super) fn never_wait_to_tell(&self) {
        self.asks_first.set(true);
    }

    /// Holds back what there is to tell: the job's output goes the same way.
    pub(super) fn hold(&self) {
        self.holds.set(true);
    }

    /// Tells what was held back, unless it belongs to a digest.
    pub(super) fn release(&self) {
        self.holds.set(false);
        if self.streams() {
            self.terminal.say(&self.held_back.take());
        }
    }

    /// The job is about to start.
    pub(super) fn started(&self, run: RunId, job: &str) {
        if self.streams() && !self.quiet {
            self.tell(&format!("greaserun: {job} starts, run {run}\n"));
        }
    }

    /// Greaserun could not do what it was asked for.
    pub(super) fn failed(&self, failure: &Failure, left: &Left) {
        let mut text = String::new();
        if self.output == Output::Digest {
            writeln!(
                text,
                "greaserun: {} could not be run on {}",
                left.closed.end.job, self.caller.host
            )
            .expect("in memory");
        }
        text.push_str(&self.held_back.take());
        text.push_str(&failure.render());
        if self.output == Output::Digest {
            text.push_str(&self.whereabouts(left));
        }
        self.say(&text);
    }

    /// The run was dropped or skipped. A schedule is told so of every `notify_each`-th in a row, and
    /// then less and less often.
    pub(super) fn dropped(&self, dropped: &Dropped, left: &Left, notify_each: u32) {
        let end = &left.closed.end;
        let mut text = format!("greaserun: {} {}", end.job, dropped.text);
        match self.output {
            Output::Stream => text.push('\n'),
            Output::Digest => {
                if end
                    .drops
                    .is_some_and(|drops| !drops::is_told(drops, notify_each))
                {
                    return;
                }
                let times = match end.drops {
                    Some(drops) => format!("This was the {drops}. time in a row"),
                    None => "How often in a row is not known".to_owned(),
                };
                writeln!(text, "\n{times} on {}.", self.caller.host).expect("in memory");
            }
            Output::None => return,
        }
        text.push_str(&self.held_back.take());
        for hint in &dropped.hints {
            writeln!(text, "hint: {hint}").expect("in memory");
        }
        if self.output == Output::Digest {
            text.push_str(&self.whereabouts(left));
        }
        self.say(&text);
    }

    /// The job has ended.
    pub(super) fn ended(&self, left: &Left, outcome: &Outcome) {
        let end = &left.closed.end;
        let good = matches!(end.result, ResultWord::Success | ResultWord::Skip);
        let how = left.closed.how.as_deref().unwrap_or("succeeded");
        let mut text = format!("greaserun: {} {how}", end.job);
        let lasted = duration(outcome.usage.duration);
        match self.output {
            Output::Stream if self.quiet && good => return,
            Output::Stream => {
                write!(text, " after {lasted}").expect("in memory");
                if let Some(log) = left.log() {
                    write!(text, "; log {}", log.display()).expect("in memory");
                }
                text.push('\n');
                text.push_str(&remnants(outcome));
                let is_ended_by_hand = end.result == ResultWord::Cancellation;
                if !good && !is_ended_by_hand && !self.quiet && left.dir.is_some() {
                    writeln!(text, "greaserun: more: {}", self.why(&end.run)).expect("in memory");
                }
            }
            Output::Digest if !good => {
                writeln!(text, " after {lasted} on {}", self.caller.host).expect("in memory");
                text.push_str(&remnants(outcome));
                text.push_str(&self.held_back.take());
                text.push_str(&self.digest(left));
            }
            Output::Digest | Output::None => return,
        }
        self.say(&text);
    }

    fn say(&self, text: &str) {
        if self.output == Output::Digest {
            self.terminal.say(&self.redactor.borrow().text(text));
        } else {
            self.terminal.say(text);
        }
    }

    fn digest(&self, left: &Left) -> String {
        let lines = &left.closed.lines;
        let lines = &lines[lines.len().saturating_sub(LINES)..];
        let mut text = String::new();
        let reason = left.closed.reason.as_ref();
        // Else it stands among the lines anyway.
        if let Some(reason) =
            reason.filter(|reason| !lines.iter().any(|line| line.trim() == **reason))
        {
            writeln!(text, "\n{reason}").expect("in memory");
        }
        if lines.is_empty() {
            text.push_str("\nThe job wrote nothing.\n");
        } else {
            let count = lines.len();
            let noun = if count == 1 {
                "The last line"
            } else {
                "The last lines"
            };
            writeln!(text, "\n{noun} of its output:").expect("in memory");
            for line in lines {
                writeln!(text, "    {line}").expect("in memory");
            }
        }
        text + &self.whereabouts(left)
    }

    /// Where to look on, and how to try again.
    fn whereabouts(&self, left: &Left) -> String {
        let end = &left.closed.end;
        let mut text = String::from("\n");
        let mut row = |key: &str, value: &str| {
            writeln!(text, "{key:<8}{value}").expect("in memory");
        };
        row("run", &end.run);
        row("user", &self.caller.account.name);
        row("ended", &end.time);
        if let Some(log) = left.log() {
            row("log", &format!("less {}", quoted(log.as_os_str())));
        }
        if let Some(log) = left.log().and(left.closed.shared_log.as_ref()) {
            row("share", &format!("less {}", quoted(log.as_os_str())));
        }
        if left.dir.is_some() {
            row("why", &self.why(&end.run));
        }
        row("again", &self.again());
        text
    }

    /// The command that tells why a run failed.
    fn why(&self, run: &str) -> String {
        format!("greasestatus why {run}{}", self.options)
    }

    /// The command that runs the same by hand: in the same directory, with no more of the
    /// environment than cron gives, and without a terminal.
    fn again(&self) -> String {
        let (program, rest) = self.words.split_first().expect("a program has a name");
        let (own, of_job) = rest.split_at(rest.len() - self.job_words);
        let own = own.iter().filter(|word| *word != "--cron");
        let variables = ["HOME", "LOGNAME", "PATH", "SHELL"]
            .iter()
            .filter_map(|name| {
                let value = self.caller.env.raw(name)?;
                Some(format!("{name}={}", quoted(value)))
            });
        let words = [program].into_iter().chain(own).chain(of_job);
        let words = words.map(|word| quoted(word));
        let command: Vec<String> = variables.chain(words).collect();
        let directory = quoted(self.caller.directory.as_os_str());
        format!("cd {directory} && env -i {} < /dev/null", command.join(" "))
    }
}

/// Names the config file, unless it is the one that is read anyway.
fn options(config_file: &Path, directory: &Path) -> String {
    if config_file == Path::new(DEFAULT_FILE) {
        String::new()
    } else {
        let config_file = directory.join(config_file);
        format!(" -c {}", quoted(config_file.as_os_str()))
    }
}

/// What the job left behind, one line each.
fn remnants(outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut tell = |what: &str, remnants: &[Remnant]| {
        if remnants.is_empty() {
            return;
        }
        let shown: Vec<String> = remnants
            .iter()
            .map(|process| match process.waits_in.as_str() {
                "" => format!("{} ({})", process.pid, process.name),
                place => format!("{} ({}, waits in {place})", process.pid, process.name),
            })
            .collect();
        writeln!(text, "warning: {what}: {}", shown.join(", ")).expect("in memory");
    };
    tell("processes outlived the job", &outcome.leftovers);
    tell("processes cannot be killed", &outcome.unkillable);
    text
}
