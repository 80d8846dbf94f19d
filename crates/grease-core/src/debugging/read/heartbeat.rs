//! What the heartbeats of hosts tell: who is there, what runs there, and what waits to be shipped.
//!
//! Only the host that ran a run writes its end. Of a run without one the reader judges, and what it
//! judges has a question mark: a host that is silent may be cut off, and its jobs may run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::run::{Run, State};
use crate::debugging::expiry;
use crate::debugging::share::dir::Dir;
use crate::debugging::share::layout;

/// Heartbeats come each 30 s: after three that did not come a host counts as silent.
const FRESH_MAX: Duration = Duration::from_secs(100);

/// A host that has been silent for so long has probably lost what ran on it.
pub const SILENT_MAX: Duration = Duration::from_mins(10);

/// A heartbeat that lists so many runs may not list all.
const LIVE_MAX: usize = 100;

/// Longest heartbeat that is read; ours have 4 KiB.
const BYTES_MAX: u64 = 64 << 10;

/// A heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Heartbeat {
    /// The host's name.
    #[serde(default)]
    pub host: String,
    /// Its boot.
    #[serde(default)]
    pub boot: String,
    /// The runs that live there.
    #[serde(default)]
    pub live: Vec<String>,
    /// Bytes that wait there to be shipped.
    #[serde(default)]
    pub backlog_bytes: u64,
    /// How far the host's clock is behind that of the share, milliseconds.
    #[serde(default)]
    pub clock_offset_ms: Option<i64>,
    /// Version of Scalegrease.
    #[serde(default)]
    pub version: String,
    /// What is wrong with shipping there.
    #[serde(default)]
    pub error: Option<String>,
    /// When it was written, by the clock of the share.
    #[serde(skip)]
    pub seen: Timestamp,
}

/// The heartbeats of all hosts, by user and by the host's name on the share.
#[derive(Debug)]
pub struct Hosts {
    /// The heartbeats.
    pub beats: HashMap<(Arc<str>, Arc<str>), Heartbeat>,
    /// Now, by the clock of the share as far as it is known.
    pub now: Timestamp,
}

impl Hosts {
    /// No heartbeats: there is no share.
    pub fn none(now: Timestamp) -> Self {
        Self {
            beats: HashMap::new(),
            now,
        }
    }

    /// Reads the heartbeats of users, on the hosts that are wanted; what is none is passed over.
    pub(super) fn read(
        root: &Dir,
        users: &[Arc<str>],
        now: Timestamp,
        tick: &dyn Fn(),
        is_wanted: impl Fn(&str, &str) -> bool,
    ) -> Self {
        let mut beats = HashMap::new();
        for user in users {
            let opened = root.child(user).and_then(|dir| dir.child(layout::HOSTS));
            let Ok(dir) = opened else { continue };
            for entry in dir.entries().unwrap_or_default() {
                tick();
                let Some(place) = entry.name.strip_suffix(".json") else {
                    continue;
                };
                if !is_wanted(user, place) {
                    continue;
                }
                if let Some(beat) = one(&dir, &entry.name) {
                    beats.insert((user.clone(), place.into()), beat);
                }
            }
        }
        let seen = || beats.values().map(|beat| beat.seen);
        let told = (!is_sure(seen(), now)).then(|| ask(root)).flatten();
        Self {
            now: time_of_share(seen(), now, told),
            beats,
        }
    }

    /// Whether a host has been silent for so long that what it told last need not be so any more.
    pub fn is_stale(&self, beat: &Heartbeat) -> bool {
        self.silence(beat) >= FRESH_MAX
    }

    /// For how long a host has been silent.
    pub fn silence(&self, beat: &Heartbeat) -> Duration {
        Duration::try_from(self.now.duration_since(beat.seen)).unwrap_or_default()
    }

    /// What a run without an end does now.
    pub(super) fn judge(&self, run: &Run) -> State {
        let beat = self.beats.get(&(run.user.clone(), run.place.clone()));
        judge(run, beat, self.now)
    }

    /// The runs that hosts say to be alive, with whose they are.
    pub(super) fn live(&self) -> HashSet<(&Arc<str>, &str)> {
        self.beats
            .iter()
            .flat_map(|((user, _), beat)| beat.live.iter().map(move |id| (user, id.as_str())))
            .collect()
    }
}

/// Whether heartbeats tell what time it is on the share. Where the newest is old nobody has written for a
/// while, or the clock here is ahead; where it is ahead the clock here is behind, or somebody set its time.
fn is_sure(seen: impl Iterator<Item = Timestamp>, now: Timestamp) -> bool {
    seen.max()
        .is_none_or(|newest| now.duration_since(newest).unsigned_abs() < FRESH_MAX)
}

/// The share's clock itself, if we may write to it.
fn ask(root: &Dir) -> Option<Timestamp> {
    let own = layout::file_name(&crate::sys::host::account().name);
    let dir = root.child(&own).ok()?;
    expiry::time_of_share(&dir).ok()
}

/// Now, by the clock of the share: as it told, else not before the newest heartbeat that is not ahead of here.
fn time_of_share(
    seen: impl Iterator<Item = Timestamp>,
    now: Timestamp,
    told: Option<Timestamp>,
) -> Timestamp {
    let near = seen.filter(|seen| {
        Duration::try_from(seen.duration_since(now)).unwrap_or_default() < FRESH_MAX
    });
    told.unwrap_or_else(|| near.fold(now, Timestamp::max))
}

fn one(dir: &Dir, name: &str) -> Option<Heartbeat> {
    let bytes = dir.read(name, BYTES_MAX).ok()?;
    let facts = dir.facts(name).ok()?;
    let mut beat: Heartbeat = serde_json::from_slice(&bytes).ok()?;
    beat.seen = Timestamp::from_second(i64::try_from(facts.modified.as_secs()).ok()?).ok()?;
    Some(beat)
}

fn judge(run: &Run, beat: Option<&Heartbeat>, now: Timestamp) -> State {
    let running = if run.is_executing {
        State::Executing
    } else {
        State::Pending
    };
    let Some(beat) = beat else {
        return State::Lost(None);
    };
    let silence = Duration::try_from(now.duration_since(beat.seen)).unwrap_or_default();
    let is_of_other_boot = run.boot.as_deref().is_some_and(|boot| boot != beat.boot);
    let is_listed = !is_of_other_boot && beat.live.contains(&run.id.to_string());
    // It started after the last heartbeat, by the clock of the share, which has whole seconds here; and
    // its start event came before the next.
    let behind =
        SignedDuration::from_millis(beat.clock_offset_ms.unwrap_or(0).saturating_add(1000));
    let is_younger = !is_of_other_boot
        && run
            .start
            .and_then(|start| start.checked_add(behind).ok())
            .is_some_and(|start| start >= beat.seen);
    // It lists the youngest of many.
    let id = run.id.to_string();
    let is_beyond = !is_of_other_boot
        && beat.live.len() >= LIVE_MAX
        && beat.live.iter().all(|listed| *listed > id);
    match silence {
        silence if silence >= SILENT_MAX => State::Lost(Some(beat.seen)),
        silence if silence >= FRESH_MAX => State::Silent(beat.seen),
        _ if is_listed || is_younger || is_beyond => running,
        _ => State::Lost(Some(beat.seen)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debugging::read::event::Line;
    use crate::debugging::read::run::Names;

    #[test]
    fn a_heartbeat_from_the_future_does_not_silence_the_others() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
        for (seen, told, is_known, expected) in [
            (vec![], None, true, 0),
            (vec![-30, -9000], None, true, 0),
            (vec![20, -30], None, true, 20),
            (vec![-9000], None, false, 0),
            (vec![-9000], Some(-8990), false, -8990),
            (vec![6 * 3600, -30], None, false, 0),
            (vec![6 * 3600, 20], None, false, 20),
            (vec![6 * 3600, -30], Some(1), false, 1),
        ] {
            let beats = || seen.iter().map(|seconds| at(*seconds));
            assert_eq!(is_sure(beats(), now), is_known, "{seen:?}");
            let time = time_of_share(beats(), now, told.map(at));
            assert_eq!(time, at(expected), "{seen:?} {told:?}");
        }
    }

    #[test]
    fn a_run_without_an_end_is_judged_by_its_host() {
        let id = crate::model::RunId::new();
        let text = format!(
            r#"{{"event":"start","run":"{id}","job":"j","time":"2026-11-24T10:00:00Z","boot":"b"}}"#
        );
        let line = Line::parse(text.as_bytes()).unwrap();
        let mut run = Run::of(&line, id, (&"u".into(), &"h".into()), &mut Names::default());
        run.is_executing = true;
        let seen: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let beat = |boot: &str, live: bool| Heartbeat {
            host: "h".to_owned(),
            boot: boot.to_owned(),
            live: live.then(|| id.to_string()).into_iter().collect(),
            backlog_bytes: 0,
            clock_offset_ms: None,
            version: String::new(),
            error: None,
            seen,
        };
        let lost = State::Lost(Some(seen));
        for (boot, live, minutes, expected) in [
            ("b", true, 0, State::Executing),
            ("b", true, 1, State::Executing),
            ("b", true, 5, State::Silent(seen)),
            ("b", true, 11, lost.clone()),
            ("b", false, 0, lost.clone()),
            ("after a restart", true, 0, lost.clone()),
            // A silent host may still run it, whatever it said last.
            ("b", false, 5, State::Silent(seen)),
        ] {
            let now = seen + Duration::from_mins(minutes);
            assert_eq!(
                judge(&run, Some(&beat(boot, live)), now),
                expected,
                "{boot} {live} {minutes}"
            );
        }
        assert_eq!(judge(&run, None, seen), State::Lost(None));
        let mut full = beat("b", false);
        full.live = vec![crate::model::RunId::new().to_string(); LIVE_MAX];
        assert_eq!(judge(&run, Some(&full), seen), State::Executing);
        run.start = Some(seen + Duration::from_secs(1));
        assert_eq!(judge(&run, Some(&beat("b", false)), seen), State::Executing);
        // By the host's clock it started an hour earlier, and that clock is an hour behind.
        run.start = Some(seen - Duration::from_hours(1));
        let mut beat = beat("b", false);
        assert_eq!(judge(&run, Some(&beat), seen), lost);
        beat.clock_offset_ms = Some(3_600_000);
        assert_eq!(judge(&run, Some(&beat), seen), State::Executing);
    }
}
