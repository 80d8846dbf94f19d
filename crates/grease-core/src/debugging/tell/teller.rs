//! What is known, counted and still to be said; kept in the spool, so that it outlives its process.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::message;
use super::metrics::{self, Metrics, Status};
use super::queue::{AGE_MAX, Item, Queue, Target, What};
use super::rules::{Before, Turn, turn};
use super::send::Refusal;
use super::spool::{added, digest};
use crate::debugging::config::Hooks;
use crate::model::{EndEvent, ExecuteEvent, StartEvent};
use crate::sys;

/// Directory of what is kept here, below the spool.
pub(super) const DIRECTORY: &str = "tell";

/// Name of the state in it.
const STATE: &str = "state.json";

/// Largest state that is read: a thousand things that wait, each with an event of 8 KiB, and some.
const STATE_BYTES_MAX: u64 = 64 << 20;

/// How long a digest is waited for that is not there when its run has ended.
const DIGEST_WAIT: Duration = Duration::from_secs(2);

/// The last thing that went wrong, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When.
    pub time: String,
    /// What.
    pub text: String,
    /// How much was given up so far.
    pub given_up: u64,
}

/// What is kept, version 1.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    v: u32,
    /// How far the index of each day was read.
    read: BTreeMap<String, u64>,
    metrics: Metrics,
    pub(super) queue: Queue,
    /// How long the body of a ping may be, if the server said so.
    pub(super) body_limit: Option<usize>,
    trouble: Option<Trouble>,
}

/// Whoever is told, and what of. Does nothing by itself that may take time.
#[derive(Debug)]
pub struct Teller {
    pub(super) spool: PathBuf,
    pub(super) hooks: Hooks,
    user: String,
    pub(super) state: State,
    /// There was no state: what lies in the spool is no news.
    is_first: bool,
    is_changed: bool,
    written: String,
    news: Vec<String>,
}

impl Teller {
    /// Takes up what was left in the spool.
    pub fn new(spool: &Path, hooks: &Hooks, user: &str) -> Self {
        let path = spool.join(DIRECTORY).join(STATE);
        let read = sys::fs::read_bounded(&path, STATE_BYTES_MAX);
        let mut news = Vec::new();
        let state = match read.map(|text| serde_json::from_str(&text)) {
            Ok(Ok(state)) => Some(state),
            Ok(Err(error)) => {
                news.push(format!(
                    "`{}` is broken and made anew: {error}",
                    path.display()
                ));
                None
            }
            Err(_) => None,
        };
        Self {
            spool: spool.to_owned(),
            hooks: hooks.clone(),
            user: user.to_owned(),
            is_first: state.is_none(),
            state: state.unwrap_or_default(),
            is_changed: false,
            written: String::new(),
            news,
        }
    }

    /// A run has begun.
    pub fn started(&mut self, event: &StartEvent) {
        self.is_changed = true;
        self.state.metrics.started(event);
        if self.hooks.ping_url.is_some() && self.is_news(&event.time) {
            let what = What::Ping {
                check: message::slug(&event.job),
                action: "start".to_owned(),
                run: event.run.clone(),
                text: String::new(),
            };
            self.push(what, None);
        }
    }

    /// A job was started.
    pub fn executing(&mut self, event: &ExecuteEvent) {
        self.is_changed = true;
        self.state.metrics.executing(event);
    }

    /// A run has ended.
    pub fn ended(&mut self, event: &EndEvent) {
        self.is_changed = true;
        self.state.metrics.ended(event);
        if !self.is_news(&event.time) {
            return;
        }
        let turn = turn(event.result);
        // It is written shortly before or after.
        let waits = turn == Some(Turn::Failed) && digest(&self.spool, &event.run).is_none();
        let due = waits.then(|| Instant::now() + DIGEST_WAIT);
        if self.hooks.ping_url.is_some() {
            let what = What::Ping {
                check: message::slug(&event.job),
                action: message::action(event),
                run: event.run.clone(),
                text: message::in_one_line(event),
            };
            self.push(what, due);
        }
        let of_job = self
            .hooks
            .notify
            .iter()
            .any(|rule| rule.jobs.matches(&event.job));
        if of_job && turn.is_some() {
            let end = Box::new(event.clone());
            self.push(What::Judge { end, quiet: false }, due);
        }
    }

    fn is_news(&mut self, time: &str) -> bool {
        let is_old = message::is_old(time, sys::clock::now(), AGE_MAX);
        if is_old && !self.is_first && !self.hooks.is_empty() {
            self.trouble(
                format!("what happened at {time} was found too late to be told"),
                true,
            );
        }
        !is_old
    }

    fn push(&mut self, what: What, due: Option<Instant>) {
        if let Some(text) = self.state.queue.push(what, sys::clock::now(), due) {
            self.trouble(text, true);
        }
    }

    /// It is known how often the job had failed before an end: tells those who asked for it.
    ///
    /// `alone` is said where other hosts could not be asked.
    pub(super) fn judged(&mut self, item: &Item, before: Before, alone: bool) {
        let What::Judge { end, quiet } = &item.what else {
            return;
        };
        self.is_changed = true;
        if alone {
            self.state.queue.hush(item.id);
        } else {
            self.state.queue.remove(item.id);
        }
        let Some(turn) = turn(end.result).filter(|_| !quiet) else {
            return;
        };
        let failures = match (before, turn) {
            (Before::Failures(before), Turn::Failed) => before.saturating_add(1),
            (Before::Failures(before), Turn::Succeeded) => before,
            (Before::Late, _) => 1,
        };
        for rule in self.hooks.notify.clone() {
            let target = match (&rule.command, &rule.url) {
                (Some(words), _) => Target::Command(words.clone()),
                (None, Some(url)) => Target::Url(url.clone()),
                (None, None) => continue,
            };
            let Some(when) = rule
                .asks(before, turn)
                .filter(|_| rule.jobs.matches(&end.job))
            else {
                continue;
            };
            let payload = message::payload(when, end, failures, alone);
            let run = end.run.clone();
            self.push(
                What::Notify {
                    target,
                    payload,
                    run,
                },
                item.due,
            );
        }
    }

    /// What an attempt came to.
    pub(super) fn tried(&mut self, id: u64, outcome: &Result<(), Refusal>) {
        self.is_changed = true;
        if let Some((text, is_last)) = self.state.queue.tried(id, outcome, Instant::now()) {
            self.trouble(text, is_last);
        }
    }

    pub(super) fn trouble(&mut self, text: String, is_given_up: bool) {
        self.is_changed = true;
        self.state.metrics.given_up += u64::from(is_given_up);
        self.state.trouble = Some(Trouble {
            time: sys::clock::now().to_string(),
            text: text.clone(),
            given_up: self.state.metrics.given_up,
        });
        self.news.push(text);
    }

    /// What went wrong since this was last asked.
    pub fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    /// Reads what was added to the index.
    pub fn look(&mut self) {
        for text in self.state.queue.expire(sys::clock::now()) {
            self.trouble(text, true);
        }
        let directory = self.spool.join("index");
        let entries = fs_err::read_dir(&directory).into_iter().flatten().flatten();
        let day = |path: PathBuf| {
            let is_index = path.extension().is_some_and(|ending| ending == "jsonl");
            let day = path.file_stem()?.to_str()?.to_owned();
            is_index.then_some((day, path))
        };
        let days: BTreeMap<String, PathBuf> =
            entries.filter_map(|entry| day(entry.path())).collect();
        self.state.read.retain(|day, _| days.contains_key(day));
        for (day, path) in days {
            let from = self.state.read.get(&day).copied().unwrap_or(0);
            if let Ok((lines, to)) = added(&path, from) {
                for line in lines.split(|byte| *byte == b'\n') {
                    self.line(line);
                }
                self.is_changed |= to != from;
                self.state.read.insert(day, to);
            }
        }
        self.is_first = false;
    }

    /// What is no event of ours, or torn, is passed over, as all readers of the index do.
    fn line(&mut self, line: &[u8]) {
        #[derive(Deserialize)]
        struct Kind<'a> {
            event: &'a str,
        }
        let kind = serde_json::from_slice::<Kind<'_>>(line).map(|kind| kind.event);
        match kind.unwrap_or_default() {
            "start" => {
                if let Ok(event) = serde_json::from_slice(line) {
                    self.started(&event);
                }
            }
            "execute" => {
                if let Ok(event) = serde_json::from_slice(line) {
                    self.executing(&event);
                }
            }
            "end" => {
                if let Ok(event) = serde_json::from_slice(line) {
                    self.ended(&event);
                }
            }
            _ => {}
        }
    }

    /// Asks this host alone how often jobs had failed, where the share has not been asked for so long.
    pub(super) fn judge_alone(&mut self, patience: Duration) {
        let patience = jiff::SignedDuration::try_from(patience).unwrap_or_default();
        let has_share = !patience.is_zero();
        for item in self.state.queue.overdue(sys::clock::now(), patience) {
            let before = self.directory().and_then(|directory| {
                let dir = crate::debugging::share::dir::Dir::open(&directory)?;
                super::note(&dir, &item)
            });
            match before {
                Ok(before) => self.judged(&item, before, has_share),
                Err(error) => {
                    let text = format!("nobody is told of run {}: {error}", run_of(&item));
                    self.state.queue.remove(item.id);
                    self.trouble(text, true);
                }
            }
        }
    }

    fn directory(&self) -> io::Result<PathBuf> {
        let directory = self.spool.join(DIRECTORY);
        sys::fs::private_dir(&directory)?;
        Ok(directory)
    }

    /// Writes the file for the monitoring agent, if it is wanted and has changed.
    pub fn status(&mut self, status: Status) {
        let Some(directory) = self.hooks.textfile_dir.clone() else {
            return;
        };
        let runs = self.spool.join("runs");
        self.state.metrics.keep_live(|run| runs.join(run).exists());
        let text = self.state.metrics.text(&self.user, status);
        if text == self.written {
            return;
        }
        let uid = rustix::process::geteuid().as_raw();
        match metrics::write(directory.as_path(), uid, &text) {
            Ok(()) => self.written = text,
            Err(error) => {
                let text = format!("no metrics (`logs.hooks.textfile_dir`): {error}");
                let is_new = self
                    .state
                    .trouble
                    .as_ref()
                    .is_none_or(|known| known.text != text);
                if is_new {
                    self.trouble(text, false);
                }
            }
        }
    }

    /// The text for the monitoring agent.
    #[cfg(test)]
    pub(super) fn state_text(&self) -> String {
        self.state.metrics.text(&self.user, Status::default())
    }

    /// Keeps what has changed.
    pub fn save(&mut self) {
        if !self.is_changed {
            return;
        }
        self.is_changed = false;
        self.state.v = 1;
        let saved = self.directory().and_then(|directory| {
            let json = serde_json::to_vec(&self.state).map_err(io::Error::from)?;
            sys::fs::write_atomic(&directory.join(STATE), &json)
        });
        if let Err(error) = saved {
            self.news
                .push(format!("what was told already may be told again: {error}"));
        }
    }
}

fn run_of(item: &Item) -> &str {
    match &item.what {
        What::Judge { end, .. } => &end.run,
        What::Ping { run, .. } | What::Notify { run, .. } => run,
    }
}

/// What last went wrong with telling others, and how much waits to be said.
pub fn trouble(spool: &Path) -> (Option<Trouble>, usize) {
    let path = spool.join(DIRECTORY).join(STATE);
    let text = sys::fs::read_bounded(&path, STATE_BYTES_MAX).unwrap_or_default();
    let state: State = serde_json::from_str(&text).unwrap_or_default();
    (state.trouble, state.queue.len())
}
