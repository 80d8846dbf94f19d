//! `greasestatus hosts`: who is there, what runs there, and what waits to be shipped.

use std::collections::HashSet;

use grease_core::debugging::read::{Heartbeat, Query, SILENT_MAX, Sources};
use grease_core::model::quantity::Bytes;
use serde_json::json;

use super::answer::Reply;
use super::arguments::Hosts;
use super::context::Context;
use super::table::table;
use super::when;
use crate::failure::Failure;

/// A clock that is off by more is told.
const OFFSET_MAX_MS: u64 = 5000;

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
    let hosts = &answer.hosts;
    let mut beats: Vec<_> = hosts.beats.iter().collect();
    beats.sort_by_key(|((user, place), _)| (place.clone(), user.clone()));
    if asked.json {
        let line = |((user, place), beat): &(&(_, _), &Heartbeat)| -> String {
            let (user, place): (&std::sync::Arc<str>, &std::sync::Arc<str>) = (user, place);
            let object = json!({
                "v": 1,
                "host": &**place,
                "user": &**user,
                "seen": format!("{:.6}", beat.seen),
                "silent_s": hosts.silence(beat).as_secs(),
                "live": beat.live,
                "backlog_bytes": beat.backlog_bytes,
                "clock_offset_ms": beat.clock_offset_ms,
                "version": beat.version,
                "error": beat.error,
                "note": note(beat, hosts),
            });
            format!("{object}\n")
        };
        return Ok(Reply {
            out: beats.iter().map(line).collect(),
            troubles: answer.troubles,
            code: 0,
        });
    }
    let users: HashSet<_> = beats.iter().map(|((user, _), _)| user).collect();
    let rows: Vec<[String; 6]> = beats
        .iter()
        .map(|((user, place), beat)| {
            let is_silent = hosts.silence(beat) >= SILENT_MAX && !beat.live.is_empty();
            let doubt = if is_silent { "?" } else { "" };
            let host = if users.len() > 1 {
                format!("{user}@{place}")
            } else {
                place.to_string()
            };
            [
                host,
                when::about(hosts.silence(beat)),
                format!("{}{doubt}", beat.live.len()),
                format!("{}{doubt}", Bytes::new(beat.backlog_bytes)),
                beat.clock_offset_ms
                    .map_or_else(|| "–".to_owned(), |offset| format!("{offset:+} ms")),
                note(beat, hosts),
            ]
        })
        .collect();
    let out = if rows.is_empty() {
        "no host has shipped anything\n".to_owned()
    } else {
        table(["HOST", "SEEN", "LIVE", "BACKLOG", "CLOCK", "NOTE"], rows)
    };
    Ok(Reply {
        out,
        troubles: answer.troubles,
        code: 0,
    })
}

/// What is wrong with a host.
pub(super) fn note(beat: &Heartbeat, hosts: &grease_core::debugging::read::Hosts) -> String {
    let mut notes = Vec::new();
    let has_work = !beat.live.is_empty() || beat.backlog_bytes > 0;
    if has_work && hosts.silence(beat) >= SILENT_MAX {
        notes.push("silent".to_owned());
    }
    notes.extend(beat.error.as_ref().map(|error| format!("share: {error}")));
    if beat
        .clock_offset_ms
        .is_some_and(|offset| offset.unsigned_abs() > OFFSET_MAX_MS)
    {
        notes.push("clock off".to_owned());
    }
    notes.join("; ")
}
