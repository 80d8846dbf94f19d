//! A run as its records tell of it.

use std::collections::HashSet;
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::Line;
use crate::model::RunId;

/// Version of the objects that [`Run::json`] makes.
const JSON_VERSION: u32 = 1;

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The job's name.
    pub job: Arc<str>,
    /// Whose it is: the user in whose directory it stands, whatever its record says.
    pub user: Arc<str>,
    /// The host's name.
    pub host: Arc<str>,
    /// The name that the host has on the share.
    pub place: Arc<str>,
    /// The boot of the host, of a run without an end.
    pub boot: Option<Arc<str>>,
    /// When it started.
    pub start: Option<Timestamp>,
    /// `scheduled`, `manual` or `ci`.
    pub trigger: Option<Arc<str>>,
    /// The runner's name.
    pub runner: Option<Arc<str>>,
    /// The artifact, as resolved if the run has ended.
    pub artifact: Option<Arc<str>>,
    /// Where its log is on the share, below the user's directory.
    pub log: Option<Box<str>>,
    /// Whether its job was started, of a run without an end.
    pub is_executing: bool,
    /// Whether the spool of this host knows it.
    pub is_local: bool,
    /// How it ended, if that is known.
    pub end: Option<End>,
    /// What it does now.
    pub state: State,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct End {
    /// When.
    pub time: Option<Timestamp>,
    /// `success`, `failure`, `error`, `timeout`, `skip`, `cancellation`, or a later word.
    pub result: Arc<str>,
    /// Why, unless it succeeded.
    pub error: Option<Arc<str>>,
    /// The exit code of the job's first process.
    pub exit: Option<i64>,
    /// The signal that ended it.
    pub signal: Option<i64>,
    /// The reason for people.
    pub msg: Option<Box<str>>,
    /// How long it took, milliseconds.
    pub duration_ms: Option<u64>,
    /// CPU time, milliseconds.
    pub cpu_ms: Option<u64>,
    /// Largest resident memory of one process, KiB.
    pub maxrss_kb: Option<u64>,
    /// Largest resident memory of all processes together, KiB, sampled.
    pub tree_rss_kb: Option<u64>,
    /// How long the log is.
    pub log_bytes: Option<u64>,
    /// Bytes of output that the log lacks.
    pub omitted_bytes: u64,
}

/// What a run does, as far as can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It waits, or its artifact is fetched.
    Pending,
    /// Its job runs.
    Executing,
    /// It should be running, but its host has been silent since then.
    Silent(Timestamp),
    /// It is probably no more: its host says so, or has been silent for long, since then if ever.
    Lost(Option<Timestamp>),
    /// It has ended.
    Done,
}

impl State {
    /// The word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Executing => "executing",
            Self::Silent(_) => "running?",
            Self::Lost(_) => "lost?",
            Self::Done => "done",
        }
    }

    /// Whether it may still run.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Pending | Self::Executing | Self::Silent(_))
    }
}

impl End {
    /// Whether somebody should look at it: a run that was left out, or ended by somebody, is none.
    pub fn is_failure(&self) -> bool {
        !matches!(&*self.result, "success" | "skip" | "cancellation")
    }

    /// Whether the job did its work.
    pub fn is_success(&self) -> bool {
        &*self.result == "success"
    }

    fn of(line: &Line<'_>, names: &mut Names) -> Self {
        Self {
            time: line.time.parse().ok(),
            result: names.get(line.result.as_deref().unwrap_or("error")),
            error: line.error.as_deref().map(|error| names.get(error)),
            exit: line.exit,
            signal: line.signal,
            msg: line.msg.as_deref().map(Into::into),
            duration_ms: line.usage.map(|usage| usage.duration_ms),
            cpu_ms: line.usage.map(|usage| usage.cpu_ms),
            maxrss_kb: line.usage.map(|usage| usage.maxrss_kb),
            tree_rss_kb: line.usage.map(|usage| usage.tree_rss_kb),
            log_bytes: line.log_bytes,
            omitted_bytes: line.omitted_bytes,
        }
    }
}

impl Run {
    /// What one line tells; `user` and `place` are those of its file.
    pub(super) fn of(
        line: &Line<'_>,
        id: RunId,
        (user, place): (&Arc<str>, &Arc<str>),
        names: &mut Names,
    ) -> Self {
        let is_end = &*line.event == "end";
        let start = if is_end {
            line.start.as_deref()
        } else {
            Some(&*line.time)
        };
        let host = line.host.as_deref();
        Self {
            id,
            job: names.get(&line.job),
            user: user.clone(),
            host: host.map_or_else(|| place.clone(), |host| names.get(host)),
            place: place.clone(),
            boot: line.boot.as_deref().map(|boot| names.get(boot)),
            start: start
                .and_then(|start| start.parse().ok())
                .or_else(|| id.drawn_at()),
            trigger: line.trigger.as_deref().map(|trigger| names.get(trigger)),
            runner: line.runner.as_deref().map(|runner| names.get(runner)),
            artifact: line.artifact.as_deref().map(|artifact| names.get(artifact)),
            log: line
                .log
                .as_deref()
                .filter(|log| is_below(log))
                .map(Into::into),
            is_executing: false,
            is_local: false,
            end: is_end.then(|| End::of(line, names)),
            state: if is_end { State::Done } else { State::Pending },
        }
    }

    /// The end of a run does not tell what its start told, in older records.
    pub(super) fn complete_by(&mut self, start: &Self) {
        self.host = start.host.clone();
        self.start = start.start.or(self.start);
        self.trigger = self.trigger.take().or_else(|| start.trigger.clone());
        self.runner = self.runner.take().or_else(|| start.runner.clone());
        self.artifact = self.artifact.take().or_else(|| start.artifact.clone());
        self.log = self.log.take().or_else(|| start.log.clone());
    }

    /// The end of its id, by which people name it.
    pub fn short(&self) -> String {
        short(self.id, 5)
    }

    /// How long it took, or has been going on at `now`.
    pub fn took(&self, now: Timestamp) -> Option<Duration> {
        if let Some(end) = &self.end {
            return end.duration_ms.map(Duration::from_millis);
        }
        let start = self.start.filter(|_| self.state.is_live())?;
        Duration::try_from(now.duration_since(start)).ok()
    }

    /// For programs: one object.
    pub fn json(&self) -> Value {
        let end = self.end.as_ref();
        json!({
            "v": JSON_VERSION,
            "run": self.id.to_string(),
            "job": &*self.job,
            "user": &*self.user,
            "host": &*self.host,
            "state": self.state.word(),
            "start": self.start.map(|start| format!("{start:.6}")),
            "end": end.and_then(|end| end.time).map(|time| format!("{time:.6}")),
            "result": end.map(|end| &*end.result),
            "error": end.and_then(|end| end.error.as_deref()),
            "exit": end.and_then(|end| end.exit),
            "signal": end.and_then(|end| end.signal),
            "msg": end.and_then(|end| end.msg.as_deref()),
            "duration_ms": end.and_then(|end| end.duration_ms),
            "cpu_ms": end.and_then(|end| end.cpu_ms),
            "maxrss_kb": end.and_then(|end| end.maxrss_kb),
            "tree_rss_kb": end.and_then(|end| end.tree_rss_kb),
            "trigger": self.trigger.as_deref(),
            "runner": self.runner.as_deref(),
            "artifact": self.artifact.as_deref(),
            "log": self.log.as_deref(),
            "log_bytes": end.and_then(|end| end.log_bytes),
            "omitted_bytes": end.map(|end| end.omitted_bytes),
        })
    }
}

/// Whether a path stays below the directory that it is to be in.
fn is_below(path: &str) -> bool {
    let path = Path::new(path);
    let is_plain = |part| matches!(part, Component::Normal(_));
    path.file_name().is_some() && path.components().all(is_plain)
}

/// The last characters of an id.
fn short(id: RunId, count: usize) -> String {
    let id = id.to_string();
    let (_, tail) = id.split_at(id.len().saturating_sub(count));
    tail.to_lowercase()
}

/// Texts that many runs have in common, each kept once.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}
