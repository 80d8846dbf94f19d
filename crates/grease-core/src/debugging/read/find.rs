//! The run that a person means: by the end of its id, or by its job.

use jiff::Timestamp;

use super::query::{Query, quoted};
use super::run::Run;
use super::scan::Sieve;
use super::source::{Sources, Trouble};
use crate::debugging::share::layout;
use crate::model::Glob;

/// Characters of an id that are enough to name a run.
const SUFFIX_MIN: usize = 5;

/// Days before a run in which its job's last success is looked for.
const SUCCESS_DAYS_MAX: usize = 30;

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
            return runs.first().map(|run| Found::Run(Box::new(run.clone())));
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
        match runs {
            [] => None,
            [run] => Some(Found::Run(Box::new(run.clone()))),
            several => {
                let names = several
                    .iter()
                    .map(|run| format!("{} ({})", run.id, run.job));
                Some(Found::Ambiguous(names.collect()))
            }
        }
    }
}

/// Looks for a run, among the newest first.
pub fn find(sources: &Sources<'_>, wanted: &Wanted, user: Option<&Glob>) -> Result<Found, Trouble> {
    let root = sources.root()?;
    let days = sources.days(root.as_ref(), user);
    let query = Query {
        wanted: Some(wanted.clone()),
        user: user.cloned(),
        ..Query::default()
    };
    let mut runs: Vec<Run> = Vec::new();
    let (mut rest, mut count) = (&days[..], 2);
    while !rest.is_empty() {
        let (batch, older) = rest.split_at(count.min(rest.len()));
        let [newest, .., oldest] = [&batch[0], &batch[batch.len() - 1]];
        for run in sources.runs_of_days(&query, (oldest, newest))?.runs {
            match runs.iter_mut().find(|known| known.id == run.id) {
                // Its end is in the file of a later day than its start.
                Some(known) if known.end.is_some() => {}
                Some(known) => *known = run,
                None => runs.push(run),
            }
        }
        runs.sort_by_key(|run| std::cmp::Reverse(run.id));
        if let Some(found) = wanted.choose(&runs) {
            return Ok(found);
        }
        (rest, count) = (older, count * 2);
    }
    Ok(Found::Nothing)
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
    let (mut rest, mut count) = (days, 2);
    while !rest.is_empty() {
        let (batch, older) = rest.split_at(count.min(rest.len()));
        let [newest, .., oldest] = [&batch[0], &batch[batch.len() - 1]];
        let found = sources.runs_of_days(&query, (oldest, newest))?.runs;
        if let Some(success) = found.into_iter().find(|other| other.id < run.id) {
            return Ok(Some(success));
        }
        (rest, count) = (older, count * 2);
    }
    Ok(None)
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
}
