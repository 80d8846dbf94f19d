//! How long runs stay on the share: old days go, old logs are compressed.
//!
//! Any host may do it, at any time, more than once and at the same time as others: what is done
//! already is passed over. A directory made for the day keeps hosts from doing it all at once; nothing
//! depends on it. What stands on the share is untrusted: only days of this user are touched, by
//! descriptor, and no link is followed.

mod act;
mod compress;
mod plan;

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;

pub use act::{Budget, Report, act};
pub use plan::{Day, Facts, Step, plan};

use super::config::Retention;
use super::share::dir::Dir;
use super::share::layout;
use crate::model::RunId;

/// What stands in front of a directory that is being removed.
const TRASH: &str = ".trash-";

/// What stands in front of the directory by which hosts know that one has begun today.
const LEASE: &str = ".expiry-";

/// Largest heartbeat that is read.
const HEARTBEAT_BYTES_MAX: u64 = 64 * 1024;

/// Name of the file in a day that says how much it holds, so that it need not be counted each day.
const WEIGHT: &str = ".bytes";

/// Days in which nothing is final yet: theirs is counted each time, and never removed for its size.
const YOUNG_DAYS: i32 = 2;

/// Largest difference of the clocks of this host and of the share at which anything is removed.
const CLOCKS_APART_MAX: Duration = Duration::from_hours(24);

/// Names deeper than this below a day are nobody's of ours.
const DEPTH_MAX: usize = 4;

/// Who asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A shipper, once a day: another host may have begun.
    Daily,
    /// A person: now.
    Now,
    /// A person who wants to know what would be done.
    DryRun,
}

/// Does what is to be done for one user, within the budget; `root` is that of the right share.
///
/// Returns the steps that there were as well.
pub fn pass(
    root: &Dir,
    user: &str,
    retention: &Retention,
    manner: Manner,
    budget: Budget,
) -> io::Result<(Vec<Step>, Report)> {
    let user = root.child(user)?;
    let now = trusted(time_of_share(&user)?)?;
    let lease = format!("{LEASE}{}", layout::day(now));
    if manner == Manner::Daily && !take(&user, &lease)? {
        return Ok((Vec::new(), Report::default()));
    }
    let done = look(&user, now, retention).map(|facts| {
        let steps = plan(&facts, retention);
        let report = match manner {
            Manner::DryRun => Report::default(),
            Manner::Daily | Manner::Now => act(&user, &steps, &facts, budget),
        };
        (steps, report)
    });
    if manner == Manner::Daily && done.as_ref().map_or(true, |(_, report)| report.more) {
        user.remove_dir(&lease).ok(); // Whoever comes next goes on.
    }
    done
}

/// Takes the lease of the day, and removes those of others; false if it is taken.
fn take(user: &Dir, lease: &str) -> io::Result<bool> {
    if !user.make_new_dir(lease)? {
        return Ok(false);
    }
    for entry in user.entries()? {
        if entry.is_dir && entry.name.starts_with(LEASE) && entry.name != lease {
            user.remove_dir(&entry.name).ok(); // One more empty directory.
        }
    }
    Ok(true)
}

/// What time it is on the share, by what a server stamps in the directory of a user that is ours.
pub(in crate::debugging) fn time_of_share(user: &Dir) -> io::Result<Timestamp> {
    let probe = format!("{LEASE}probe-{}", RunId::new());
    user.make_new_dir(&probe)?;
    let made = user.facts(&probe);
    user.remove_dir(&probe).ok(); // It is empty, and removed with the leases else.
    let seconds = i64::try_from(made?.modified.as_secs()).unwrap_or(0);
    Timestamp::from_second(seconds).map_err(io::Error::other)
}

/// The time of the share, if it is ours too: a clock that is wrong must not make all days old.
fn trusted(theirs: Timestamp) -> io::Result<Timestamp> {
    let ours = crate::sys::clock::now();
    if ours.duration_since(theirs).unsigned_abs() > CLOCKS_APART_MAX {
        let text = format!(
            "nothing is removed: here it is {ours:.0}, on the share {theirs:.0}; one of the two clocks is wrong"
        );
        return Err(io::Error::other(text));
    }
    Ok(theirs)
}

/// Sees what there is.
fn look(user: &Dir, now: Timestamp, retention: &Retention) -> io::Result<Facts> {
    let today = now.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let mut facts = Facts {
        now: Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0)),
        today,
        days: Vec::new(),
        trash: Vec::new(),
        live: live(user),
    };
    let weighs = retention.max_size.get() > 0;
    for entry in user.entries()?.into_iter().filter(|entry| entry.is_dir) {
        if entry.name.starts_with(TRASH) {
            facts.trash.push(entry.name);
        } else if let Some(date) = date(&entry.name) {
            let is_young = date.saturating_add(YOUNG_DAYS.days()) > today;
            let bytes = if weighs {
                weight(user, &entry.name, is_young)
            } else {
                0
            };
            let name = entry.name;
            facts.days.push(Day { name, date, bytes });
        }
    }
    Ok(facts)
}

/// The day that a name stands for, if it is exactly one.
fn date(name: &str) -> Option<Date> {
    let date: Date = name.parse().ok()?;
    (date.to_string() == name).then_some(date)
}

/// The runs that some host says it runs: their logs are still written, however old.
fn live(user: &Dir) -> BTreeSet<RunId> {
    #[derive(Deserialize)]
    struct Heartbeat {
        #[serde(default)]
        live: Vec<String>,
    }
    let Ok(hosts) = user.child(layout::HOSTS) else {
        return BTreeSet::new();
    };
    let of_host = |name: &str| -> Option<Vec<String>> {
        let bytes = hosts.read(name, HEARTBEAT_BYTES_MAX).ok()?;
        Some(serde_json::from_slice::<Heartbeat>(&bytes).ok()?.live)
    };
    let entries = hosts.entries().unwrap_or_default();
    let runs = entries
        .iter()
        .filter_map(|entry| of_host(&entry.name))
        .flatten();
    runs.filter_map(|run| run.parse().ok()).collect()
}

/// How much a day holds, as far as it can be seen.
fn weight(user: &Dir, day: &str, is_young: bool) -> u64 {
    let Ok(dir) = user.child(day) else { return 0 };
    let known = dir.read(WEIGHT, 32).ok();
    let known = known.and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok());
    if let Some(known) = known.filter(|_| !is_young) {
        return known;
    }
    let bytes = walk(&dir, DEPTH_MAX);
    if !is_young {
        dir.unlink(WEIGHT).ok(); // What is no number.
        dir.write_new(WEIGHT, format!("{bytes}\n").as_bytes()).ok(); // It is counted again else.
    }
    bytes
}

fn walk(dir: &Dir, depth: usize) -> u64 {
    let entries = dir.entries().unwrap_or_default();
    let of = |entry: &super::share::dir::Entry| match (entry.is_dir, depth) {
        (true, 0) => 0,
        (true, _) => dir
            .child(&entry.name)
            .map_or(0, |child| walk(&child, depth - 1)),
        (false, _) => dir.facts(&entry.name).map_or(0, |facts| facts.bytes),
    };
    entries.iter().map(of).fold(0, u64::saturating_add)
}

/// The run that a log or digest is of: its id ends the name, before the endings.
fn run_of(name: &str) -> Option<RunId> {
    let stem = name.split_once(".log").map_or(name, |(stem, _)| stem);
    let stem = stem.strip_suffix(".txt").unwrap_or(stem);
    stem.rsplit_once('-')?.1.parse().ok()
}

/// Until when a pass goes on.
fn is_over(until: Instant) -> bool {
    Instant::now() >= until
}

#[cfg(test)]
mod tests;
