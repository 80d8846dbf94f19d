//! `greasestatus hosts`: who is there, what runs there, and what waits to be shipped.
//!
//! What runs is told of the records, as everywhere; what waits, and since when nothing was heard, of the
//! heartbeats. Of this host the spool itself tells, which is newer and there without a share.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use grease_core::debugging::read::{
    Answer, Heartbeat, Query, Run, SILENT_MAX, Sources, Spool, State,
};
use grease_core::debugging::ship;
use grease_core::model::harmless_json;
use serde_json::{Value, json};

use super::answer::Reply;
use super::arguments::Hosts;
use super::context::Context;
use super::table::table;
use super::{when, words};
use crate::failure::Failure;

/// A clock that is off by more is told.
const OFFSET_MAX_MS: u64 = 5000;

/// What is known of a user's runs on a host.
pub(super) struct Row<'a> {
    pub(super) user: Arc<str>,
    /// The name that the host has on the share.
    pub(super) place: Arc<str>,
    beat: Option<&'a Heartbeat>,
    /// Runs without an end that may live.
    live: Vec<&'a Run>,
    /// Runs without an end that probably do not.
    lost: Vec<&'a Run>,
    /// What its spool says to wait there, if it is this host.
    waiting_here: Option<u64>,
    /// Why nothing is shipped from it, if it is this host.
    refused_here: Option<String>,
}

/// Answers `hosts`.
pub(super) fn hosts(
    context: &Context,
    asked: &Hosts,
    sources: &Sources<'_>,
) -> Result<Reply, Failure> {
    let query = Query {
        since: Some(context.now),
        ..Query::default()
    };
    let answer = sources.runs(&query)?;
    let rows = rows(context, &answer);
    let out = if asked.json {
        let lines = rows.iter().map(|row| format!("{}\n", row.json(&answer)));
        harmless_json(&lines.collect::<String>())
    } else if rows.is_empty() {
        "no host has shipped anything\n".to_owned()
    } else {
        let several = rows
            .iter()
            .map(|row| &row.user)
            .collect::<HashSet<_>>()
            .len()
            > 1;
        let cells = rows.iter().map(|row| row.cells(&answer, several));
        table(
            ["HOST", "SEEN", "LIVE", "BACKLOG", "CLOCK", "NOTE"],
            cells.collect(),
        )
    };
    Ok(Reply {
        out,
        troubles: answer.troubles,
        code: 0,
    })
}

/// A row for each host that beats, that has runs without an end, or that is this one.
pub(super) fn rows<'a>(context: &Context, answer: &'a Answer) -> Vec<Row<'a>> {
    let mut rows: BTreeMap<(Arc<str>, Arc<str>), Row<'a>> = BTreeMap::new();
    let mut row = |user: &Arc<str>, place: &Arc<str>, add: &mut dyn FnMut(&mut Row<'a>)| {
        let row = rows
            .entry((place.clone(), user.clone()))
            .or_insert_with(|| Row {
                user: user.clone(),
                place: place.clone(),
                beat: answer.hosts.beats.get(&(user.clone(), place.clone())),
                live: Vec::new(),
                lost: Vec::new(),
                waiting_here: None,
                refused_here: None,
            });
        add(row);
    };
    for (user, place) in answer.hosts.beats.keys() {
        row(user, place, &mut |_| ());
    }
    for spool in &context.spools {
        let waiting = context
            .share
            .as_ref()
            .map_or(0, |_| ship::backlog(&spool.dir));
        let state = context.share.as_ref().and_then(|_| ship::state(&spool.dir));
        let refused = state.and_then(|state| state.error);
        row(&spool.user, &spool.place(), &mut |row| {
            *row.waiting_here.get_or_insert(0) += waiting;
            row.refused_here = row.refused_here.take().or_else(|| refused.clone());
        });
    }
    let here = context.spools.first().map(Spool::place);
    for run in &answer.runs {
        let place = here.as_ref().filter(|_| run.is_local).unwrap_or(&run.place);
        match run.state {
            State::Done => {}
            State::Lost(_) => row(&run.user, place, &mut |row| row.lost.push(run)),
            _ => row(&run.user, place, &mut |row| row.live.push(run)),
        }
    }
    rows.into_values().collect()
}

impl Row<'_> {
    /// What is not on the share yet, as far as is known.
    fn backlog(&self) -> Option<u64> {
        let told = self.beat.map(|beat| beat.backlog_bytes);
        self.waiting_here.or(told)
    }

    /// Why it cannot ship; of this host the spool knows, even if no heartbeat arrives.
    fn error(&self) -> Option<&str> {
        let told = self.beat.and_then(|beat| beat.error.as_deref());
        match self.waiting_here {
            Some(_) => self.refused_here.as_deref(),
            None => told,
        }
    }

    /// Whether what the host told last need not be so any more; of this host that is no matter.
    fn is_stale(&self, answer: &Answer) -> bool {
        let is_stale = |beat| answer.hosts.is_stale(beat);
        self.waiting_here.is_none() && self.beat.is_none_or(is_stale)
    }

    fn cells(&self, answer: &Answer, with_user: bool) -> [String; 6] {
        let Self { user, place, .. } = self;
        let unknown = || "–".to_owned();
        let silence = self.beat.map(|beat| answer.hosts.silence(beat));
        // Of before it fell silent.
        let doubt = if self.is_stale(answer) { "?" } else { "" };
        let counted = |count: u64, text: String| match count {
            0 => text,
            _ => text + doubt,
        };
        let count = self.live.len();
        let backlog = self
            .backlog()
            .map(|bytes| counted(bytes, words::size(bytes)));
        let offset = self.beat.and_then(|beat| beat.clock_offset_ms);
        [
            if with_user {
                format!("{user}@{place}")
            } else {
                place.to_string()
            },
            silence.map_or_else(unknown, when::about),
            counted(count as u64, count.to_string()),
            backlog.unwrap_or_else(unknown),
            offset.map_or_else(unknown, |offset| format!("{offset:+} ms")),
            self.note(answer),
        ]
    }

    /// What is wrong with the host, and whether it is this one.
    fn note(&self, answer: &Answer) -> String {
        let here = self.waiting_here.map(|_| "this host".to_owned());
        let lost = match self.lost.len() {
            0 => None,
            1 => Some("1 run lost?".to_owned()),
            count => Some(format!("{count} runs lost?")),
        };
        let refused = self.refused_here.as_deref().map(of_share);
        let wrong = Some(self.wrong(answer)).filter(|wrong| !wrong.is_empty());
        let notes = here.into_iter().chain(refused).chain(wrong).chain(lost);
        notes.collect::<Vec<_>>().join("; ")
    }

    /// What is wrong with the host, but for the runs that it lost, and for what the spool of this host says.
    pub(super) fn wrong(&self, answer: &Answer) -> String {
        let mut notes = Vec::new();
        let beat = self.beat;
        let silence = beat.map(|beat| answer.hosts.silence(beat));
        let has_work = !self.live.is_empty()
            || !self.lost.is_empty()
            || self.backlog().is_some_and(|bytes| bytes > 0);
        if self.is_stale(answer) && silence >= Some(SILENT_MAX) && has_work {
            notes.push("silent".to_owned());
        }
        let told = self.error().filter(|_| self.waiting_here.is_none());
        notes.extend(told.map(of_share));
        let offset = beat.and_then(|beat| beat.clock_offset_ms);
        if offset.is_some_and(|offset| offset.unsigned_abs() > OFFSET_MAX_MS) {
            notes.push("clock off".to_owned());
        }
        notes.join("; ")
    }

    fn json(&self, answer: &Answer) -> Value {
        let ids = |runs: &[&Run]| -> Vec<String> {
            let ids = runs.iter().map(|run| run.id.to_string());
            ids.collect()
        };
        let beat = self.beat;
        json!({
            "v": 1,
            "host": &*self.place,
            "user": &*self.user,
            "here": self.waiting_here.is_some(),
            "seen": beat.map(|beat| format!("{:.6}", beat.seen)),
            "silent_s": beat.map(|beat| answer.hosts.silence(beat).as_secs()),
            "stale": self.is_stale(answer),
            "live": ids(&self.live),
            "lost": ids(&self.lost),
            "backlog_bytes": self.backlog(),
            "clock_offset_ms": beat.and_then(|beat| beat.clock_offset_ms),
            "version": beat.map(|beat| &*beat.version),
            "error": self.error(),
            "note": self.note(answer),
        })
    }
}

fn of_share(error: &str) -> String {
    format!("share: {error}")
}
