//! The run that a person means: by the end of its id, or by its job.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;

use super::query::{Query, quoted};
use super::run::Run;
use super::scan::Sieve;
use super::source::{Sources, Trouble};
use crate::debugging::share::layout;
use crate::model::{Glob, RunId};

/// Characters of an id that are enough to name a run.
const SUFFIX_MIN: usize = 5;

/// Days before a run in which its job's last success is looked for.
const SUCCESS_DAYS_MAX: usize = 30;

/// How far back jobs are looked for whose names are like one that nobody knows.
const NEAR: Duration = Duration::from_hours(48);

/// Such jobs that are told of.
const NEAREST_MAX: usize = 3;

/// From where on two names are alike: 1 is the same.
const LIKE_MIN: f64 = 0.85;

/// What a person may mean by a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// A job, or what stands behind the `#` in its name, or the end of a run's id.
    name: String,
    /// The same as it would stand in an id; none if it cannot be one.
    suffix: Option<String>,
    /// Which one of the job's runs, from the last one backwards.
    back: usize,
    /// Only runs that failed are counted.
    failed: bool,
    /// Runs that were left out are not counted: they have no log.
    ran: bool,
}

/// What was found of what a person may mean.
#[derive(Debug)]
pub enum Found {
    /// This run.
    Run(Box<Run>),
    /// Several jobs, or several runs.
    Ambiguous(Vec<String>),
    /// Nothing of that name.
    Nothing,
}

impl Wanted {
    /// Reads `RUN`, `JOB`, `JOB@-2` (the last but one) or `JOB@failed` (the last that failed).
    pub fn parse(text: &str) -> Self {
        let (name, back, failed) = match text.rsplit_once('@') {
            Some((name, "failed")) => (name, 1, true),
            Some((name, back)) => match back.strip_prefix('-').and_then(|back| back.parse().ok()) {
                Some(back) => (name, back, false),
                None => (text, 1, false),
            },
            None => (text, 1, false),
        };
        let is_digit = |c: char| c.is_ascii_alphanumeric() && !"iloILOuU".contains(c);
        let is_id = name.len() >= SUFFIX_MIN && name.len() <= 26 && name.chars().all(is_digit);
        Self {
            suffix: is_id.then(|| name.to_ascii_uppercase()),
            name: name.to_owned(),
            back: back.max(1),
            failed,
            ran: false,
        }
    }

    /// The last run of the job that has exactly this name.
    pub fn job(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            suffix: None,
            back: 1,
            failed: false,
            ran: false,
        }
    }

    /// Only runs of a job that failed are meant.
    #[must_use]
    pub fn that_failed(mut self) -> Self {
        self.failed |= self.back == 1;
        self
    }

    /// Only runs of a job that were not left out are meant.
    #[must_use]
    pub fn that_ran(mut self) -> Self {
        self.ran = true;
        self
    }

    pub(super) fn fits(&self, job: &str, run: &str) -> bool {
        self.names(job) || self.is_end_of(run)
    }

    fn names(&self, job: &str) -> bool {
        let part = job.split_once('#').map(|(_, part)| part);
        job == self.name || part == Some(&self.name)
    }

    fn is_end_of(&self, run: &str) -> bool {
        self.suffix
            .as_deref()
            .is_some_and(|suffix| run.ends_with(suffix))
    }

    pub(super) fn sieve(&self, sieve: &mut Sieve) {
        let name = quoted(&self.name);
        sieve.or_with(&format!(r#""job":{name}"#));
        // What is behind the `#`, with its end.
        if let Some(name) = name.strip_prefix('"') {
            sieve.or_with(&format!("#{name}"));
        }
        if let Some(suffix) = &self.suffix {
            sieve.or_with(&format!(r#"{suffix}""#));
        }
    }

    /// Chooses among the runs that fit, newest first; none if older ones must be looked at.
    fn choose(&self, runs: &[Run]) -> Option<Found> {
        let counts = |run: &&Run| {
            let end = run.end.as_ref();
            (!self.failed || end.is_some_and(super::run::End::is_failure))
                && (!self.ran || end.is_none_or(|end| &*end.result != "skip"))
        };
        if self
            .suffix
            .as_ref()
            .is_some_and(|suffix| suffix.len() == 26)
        {
            return of_ids(runs);
        }
        let exact: Vec<&Run> = runs.iter().filter(|run| *run.job == self.name).collect();
        let of_job = if exact.is_empty() {
            runs.iter().filter(|run| self.names(&run.job)).collect()
        } else {
            exact
        };
        if let Some(first) = of_job.first() {
            let mut jobs: Vec<String> = of_job.iter().map(|run| run.job.to_string()).collect();
            jobs.sort();
            jobs.dedup();
            if jobs.len() > 1 {
                return Some(Found::Ambiguous(jobs));
            }
            let same = of_job.iter().filter(|run| run.job == first.job).copied();
            let run = same.filter(counts).nth(self.back - 1);
            return run.map(|run| Found::Run(Box::new(run.clone())));
        }
        of_ids(runs)
    }
}

/// The one run that there is. Others can write the id of a run into their directories: what this host
/// ran itself is meant then.
fn of_ids(runs: &[Run]) -> Option<Found> {
    let is_one = runs.iter().all(|run| run.id == runs[0].id);
    let here = runs.iter().find(|run| is_one && run.is_local);
    match (here, runs) {
        (_, []) => None,
        (Some(run), _) | (None, [run]) => Some(Found::Run(Box::new(run.clone()))),
        (None, several) => {
            let names = several.iter().map(|run| {
                let of = is_one.then(|| format!(" --user {}", run.user));
                format!("{}{} ({})", run.id, of.unwrap_or_default(), run.job)
            });
            Some(Found::Ambiguous(names.collect()))
        }
    }
}

/// Looks for a run, among the newest first.
///
/// A job that is named in full is looked for in the newest day first; anything else in two days at
/// least, since the same word may mean something else there.
pub fn find(sources: &Sources<'_>, wanted: &Wanted, user: Option<&Glob>) -> Result<Found, Trouble> {
    let root = sources.root()?;
    let days = sources.days(root.as_ref(), user);
    let query = Query {
        wanted: Some(wanted.clone()),
        user: user.cloned(),
        ..Query::default()
    };
    let mut runs: Vec<Run> = Vec::new();
    let mut found = Found::Nothing;
    for (number, batch) in batches(&days).enumerate() {
        let (oldest, newest) = (&batch[batch.len() - 1], &batch[0]);
        runs.extend(sources.runs_of_days(&query, (oldest, newest))?.runs);
        // The end of one may be in the file of a later day than its start.
        runs.sort_by(|one, other| order(one).cmp(&order(other)));
        runs.dedup_by(|next, kept| next.id == kept.id && next.user == kept.user);
        let Some(chosen) = wanted.choose(&runs) else {
            continue;
        };
        let is_sure = match &chosen {
            Found::Run(run) => began_by(run, oldest) && (number > 0 || *run.job == wanted.name),
            _ => number > 0,
        };
        found = chosen;
        if is_sure {
            break;
        }
    }
    Ok(found)
}

/// The newest first; of what is told of one, its end.
fn order(run: &Run) -> (Reverse<RunId>, &str, bool) {
    (Reverse(run.id), &run.user, run.end.is_none())
}

/// Days in batches, each twice as long as the last: most of what is looked for is recent.
fn batches(days: &[String]) -> impl Iterator<Item = &[String]> {
    let (mut rest, mut count) = (days, 1);
    std::iter::from_fn(move || {
        let (batch, older) = rest.split_at(count.min(rest.len()));
        (rest, count) = (older, count * 2);
        (!batch.is_empty()).then_some(batch)
    })
}

/// Whether a run began on a day or after it: then there is no newer one whose start is in the file of
/// a day before.
fn began_by(run: &Run, day: &str) -> bool {
    run.id
        .drawn_at()
        .is_none_or(|drawn| *layout::day(drawn) >= *day)
}

/// Jobs of the last days whose names are like one that nobody knows, the most alike first.
pub fn nearest(sources: &Sources<'_>, name: &str) -> Vec<String> {
    let query = Query {
        since: sources.now.checked_sub(NEAR).ok(),
        ..Query::default()
    };
    let runs = sources
        .runs(&query)
        .map_or_else(|_| Vec::new(), |answer| answer.runs);
    let jobs: std::collections::BTreeSet<&str> = runs.iter().map(|run| &*run.job).collect();
    let name = name.split('@').next().unwrap_or(name).to_lowercase();
    let likeness = |job: &str| {
        let job = job.to_lowercase();
        if !name.is_empty() && job.contains(&name) {
            return 1.0;
        }
        let parts = [&*job].into_iter().chain(job.split([':', '#']));
        let alike = parts.map(|part| strsim::jaro_winkler(part, &name));
        alike.fold(0.0, f64::max)
    };
    let alike = jobs.into_iter().map(|job| (likeness(job), job));
    let mut alike: Vec<(f64, &str)> = alike.filter(|(like, _)| *like >= LIKE_MIN).collect();
    alike.sort_by(|one, other| other.0.total_cmp(&one.0));
    let alike = alike.into_iter().take(NEAREST_MAX);
    alike.map(|(_, job)| job.to_owned()).collect()
}

/// The last success of a run's job before it.
pub fn last_success(sources: &Sources<'_>, run: &Run) -> Result<Option<Run>, Trouble> {
    let root = sources.root()?;
    let until = run.start.unwrap_or(Timestamp::MAX);
    let day = layout::day(until);
    let user = Glob::new(&*run.user);
    let days = sources.days(root.as_ref(), Some(&user));
    let days: Vec<String> = days.into_iter().filter(|other| *other <= day).collect();
    let days = &days[..days.len().min(SUCCESS_DAYS_MAX)];
    let query = Query {
        until: Some(until),
        job: Some(Glob::new(&*run.job)),
        user: Some(user),
        result: Some("success".to_owned()),
        ..Query::default()
    };
    let mut last: Option<Run> = None;
    for batch in batches(days) {
        let (oldest, newest) = (&batch[batch.len() - 1], &batch[0]);
        let found = sources.runs_of_days(&query, (oldest, newest))?.runs;
        let before = found.into_iter().filter(|other| other.id < run.id);
        last = before.chain(last).max_by_key(|run| run.id);
        if last.as_ref().is_some_and(|last| began_by(last, oldest)) {
            break;
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_job_or_the_end_of_an_id() {
        for (text, job, run, fits) in [
            ("daily", "daily", "01ARZ", true),
            ("daily", "g:a#daily", "01ARZ", true),
            ("daily", "g:a#daily2", "01ARZ", false),
            ("1jmb1", "x", "01M7BNNEXDEZ82TRP1EPE1JMB1", true),
            ("jmb1", "x", "01M7BNNEXDEZ82TRP1EPE1JMB1", false), // Too short.
            ("g:a#x@-2", "g:a#x", "0", true),
            ("a@home", "a@home", "0", true),
        ] {
            assert_eq!(Wanted::parse(text).fits(job, run), fits, "{text}");
        }
        let parsed = Wanted::parse("j@failed");
        assert_eq!((parsed.back, parsed.failed), (1, true));
        assert_eq!(Wanted::parse("j@-3").back, 3);
    }

    #[test]
    fn the_sieve_lets_pass_what_fits() {
        for (text, line) in [
            ("a\"b", r#"{"run":"X","job":"a\"b"}"#),
            ("load.sh", r#"{"run":"X","job":"g:a#load.sh","time":""}"#),
            ("1jmb1", r#"{"run":"01M7BNNEXDEZ82TRP1EPE1JMB1","job":"x"}"#),
        ] {
            let mut sieve = Sieve::default();
            Wanted::parse(text).sieve(&mut sieve);
            assert!(sieve.passes(line.as_bytes()), "{text}");
        }
    }

    /// An id that was drawn at a time.
    fn id(time: &str, number: u128) -> RunId {
        let time: Timestamp = time.parse().unwrap();
        let bits = u128::try_from(time.as_millisecond()).unwrap() << 80 | 7 << 76 | 2 << 62;
        let digits = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let digit = |place: u32| {
            char::from(digits[usize::try_from((bits | number) >> (5 * place) & 31).unwrap()])
        };
        (0..26)
            .rev()
            .map(digit)
            .collect::<String>()
            .parse()
            .unwrap()
    }

    /// A share with the index files of some days; lines are `EVENT RUN`.
    fn share(days: &[(&str, &[(&str, RunId)])]) -> tempfile::TempDir {
        let share = tempfile::tempdir().unwrap();
        fs_err::write(share.path().join(layout::MARKER), "{}").unwrap();
        for (day, lines) in days {
            let dir = share.path().join("u").join(day).join(layout::INDEX);
            fs_err::create_dir_all(&dir).unwrap();
            let line = |(event, run): &(&str, RunId)| {
                format!(
                    r#"{{"v":1,"event":"{event}","run":"{run}","job":"j","time":"{day}T12:00:00Z","user":"u","host":"h","result":"success"}}"#
                ) + "\n"
            };
            let text: String = lines.iter().map(line).collect();
            fs_err::write(dir.join("h.jsonl"), text).unwrap();
        }
        share
    }

    #[track_caller]
    fn found(share: &std::path::Path, word: &str) -> RunId {
        let sources = Sources {
            share: Some(share),
            spools: &[],
            now: "2026-11-24T13:00:00Z".parse().unwrap(),
            tick: &|| (),
        };
        match find(&sources, &Wanted::parse(word), None).unwrap() {
            Found::Run(run) => run.id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_run_that_ended_today_is_not_the_last_one_if_a_younger_one_began_before_today() {
        let old = id("2026-11-22T10:00:00Z", 1);
        let young = id("2026-11-23T10:00:00Z", 2);
        let share = share(&[
            ("2026-11-22", &[("start", old)]),
            ("2026-11-23", &[("start", young), ("end", young)]),
            ("2026-11-24", &[("end", old)]),
        ]);
        assert_eq!(found(share.path(), "j"), young);
        assert_eq!(found(share.path(), "j@-2"), old);
    }
}
