//! Names for the completion in a shell: jobs and runs that this host knows by itself, and jobs of the
//! farm that were seen when the share was last asked what is wrong.
//!
//! A shell waits for them at the press of a key, so the share, which may hang, is not asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::time::Duration;

use grease_core::debugging::read::{Query, Run, Sources};
use grease_core::debugging::share::layout;
use grease_core::sys::fs;
use jiff::civil::Date;

use super::arguments::Names;
use super::context::Context;
use crate::failure::Failure;
use crate::terminal;

/// How far back names are completed: a monthly job is among them.
const AGE: Duration = Duration::from_hours(24 * 35);

/// File in the cache of the jobs of the farm: in each line a day and the name of a job that was seen then
/// last.
const FILE: &str = "names";

/// Longest such file that is read; of 10,000 jobs it has half of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Runs that are offered.
const RUNS_MAX: usize = 200;

/// What may stand behind the name of a job.
const WHICH: [&str; 2] = ["@failed", "@-2"];

/// Prints what begins with the word, a name in a line.
pub(super) fn print(context: &Context, asked: &Names) -> Result<u8, Failure> {
    let query = Query {
        since: Some(context.now - AGE),
        ..Query::default()
    };
    let runs = context.local().runs(&query)?.runs;
    let farm = recalled(context);
    let own = runs.iter().map(|run| &*run.job);
    let jobs: BTreeSet<&str> = own.chain(farm.keys().map(String::as_str)).collect();
    let ids = runs.iter().take(RUNS_MAX).map(Run::short);
    let mut text = String::new();
    for name in fitting(&jobs, ids, &asked.word) {
        text.push_str(&name);
        text.push('\n');
    }
    terminal::print(&text);
    Ok(0)
}

/// Keeps the names of jobs that were read from the share.
pub(super) fn remember(context: &Context, sources: &Sources<'_>, runs: &[Run]) {
    if sources.share.is_none() {
        return; // What this host knows by itself, it will find again.
    }
    let before = recalled(context);
    let mut jobs = before.clone();
    let today = layout::day(context.now);
    let names = runs.iter().map(|run| &*run.job).filter(|job| is_plain(job));
    jobs.extend(names.map(|job| (job.to_owned(), today.clone())));
    if jobs != before {
        let lines = jobs.iter().map(|(job, day)| format!("{day} {job}"));
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        fs::write_atomic(&context.cache.join(FILE), text.as_bytes()).ok(); // Some are not offered.
    }
}

/// The jobs of the farm that were kept, with the day on which each was seen last.
fn recalled(context: &Context) -> BTreeMap<String, String> {
    let mut text = String::new();
    let read = fs::open_regular(&context.cache.join(FILE))
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    if read.is_err() {
        return BTreeMap::new(); // There is none yet.
    }
    let oldest = layout::day(context.now - AGE);
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let is_recent = |day: &str| day.parse::<Date>().is_ok() && *day >= *oldest;
    let known = lines.filter(|(day, job)| is_recent(day) && is_plain(job));
    known
        .map(|(day, job)| (job.to_owned(), day.to_owned()))
        .collect()
}

/// Whether a shell takes a name as it is.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// The names that begin with a word. Of none at all only jobs, by their short names where these are
/// of one job only.
fn fitting(jobs: &BTreeSet<&str>, ids: impl Iterator<Item = String>, word: &str) -> Vec<String> {
    let mut short: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for job in jobs {
        let part = job.split_once('#').map_or(*job, |(_, part)| part);
        short.entry(part).or_default().push(job);
    }
    let parts = short.iter().flat_map(|(part, jobs)| match &jobs[..] {
        [_] => vec![*part],
        several => several.to_vec(),
    });
    let mut names: BTreeSet<String> = parts.map(ToOwned::to_owned).collect();
    if !word.is_empty() {
        names.extend(jobs.iter().map(|job| (*job).to_owned()));
        names.extend(ids);
    }
    if word.contains('@') {
        names = names
            .iter()
            .flat_map(|name| WHICH.iter().map(move |which| format!("{name}{which}")))
            .collect();
    }
    let names = names.into_iter().filter(|name| is_plain(name));
    names.filter(|name| name.starts_with(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_begins_with_what_was_typed() {
        let jobs = BTreeSet::from([
            "com.acme:etl#load.sh",
            "com.acme:web#load.sh",
            "g:a#top",
            "x y",
        ]);
        let of = |word| {
            let ids = ["1jmb1", "top55"].map(ToOwned::to_owned).into_iter();
            fitting(&jobs, ids, word).join(" ")
        };
        for (word, expected) in [
            ("", "com.acme:etl#load.sh com.acme:web#load.sh top"),
            ("com.acme:e", "com.acme:etl#load.sh"),
            ("t", "top top55"),
            ("g:a#", "g:a#top"),
            ("1j", "1jmb1"),
            ("top@", "top@-2 top@failed"),
            ("nope", ""),
        ] {
            assert_eq!(of(word), expected, "{word}");
        }
    }
}
