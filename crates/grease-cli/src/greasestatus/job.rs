//! `greasestatus job JOB`: how a job has been doing.

use std::time::Duration;

use grease_core::debugging::read::{End, Found, Query, Run, Sources, Wanted, find};
use grease_core::model::{Glob, harmless, harmless_json};
use serde_json::json;

use super::answer::{Reply, missing};
use super::arguments::Job;
use super::context::Context;
use super::report::fact;
use super::{when, words};
use crate::failure::Failure;

/// Runs shown in the strip.
const STRIP: usize = 60;

/// Answers `job`.
pub(super) fn job(context: &Context, asked: &Job, sources: &Sources<'_>) -> Result<Reply, Failure> {
    let user = asked.user.as_ref().map(Glob::new);
    let newest = match find(sources, &Wanted::parse(&asked.name), user.as_ref())? {
        Found::Run(run) => run,
        other => return Err(missing(sources, &asked.name, other)),
    };
    let query = Query {
        since: Some(when::parse(&asked.since, context.now, &context.zone)?),
        job: Some(Glob::new(&*newest.job)),
        user,
        ..Query::default()
    };
    let answer = sources.runs(&query)?;
    let now = answer.hosts.now;
    let mut runs = answer.runs;
    if runs.is_empty() {
        runs.push(*newest);
    }
    let out = if asked.json {
        harmless_json(&format!("{}\n", object(&runs)))
    } else {
        text(context, &runs, now)
    };
    Ok(Reply {
        out,
        troubles: answer.troubles,
        code: 0,
    })
}

/// Counts and durations of runs, newest first.
struct Summary {
    successes: usize,
    failures: usize,
    others: usize,
    /// Of those that succeeded, sorted.
    durations_ms: Vec<u64>,
}

impl Summary {
    fn of(runs: &[Run]) -> Self {
        let ends: Vec<&End> = runs.iter().filter_map(|run| run.end.as_ref()).collect();
        let successes = ends.iter().filter(|end| end.is_success());
        let mut durations_ms: Vec<u64> = successes
            .clone()
            .filter_map(|end| end.duration_ms)
            .collect();
        durations_ms.sort_unstable();
        let successes = successes.count();
        let failures = ends.iter().filter(|end| end.is_failure()).count();
        Self {
            successes,
            failures,
            others: ends.len() - successes - failures,
            durations_ms,
        }
    }

    fn percentile_ms(&self, percent: usize) -> Option<u64> {
        percentile(&self.durations_ms, percent)
    }

    /// Percent, rounded down: 99.9 is not all.
    fn success_pct(&self) -> Option<usize> {
        (self.successes * 100).checked_div(self.successes + self.failures)
    }
}

/// The smallest number that so many percent of them do not exceed (nearest rank), of sorted ones.
pub(super) fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

fn text(context: &Context, runs: &[Run], now: jiff::Timestamp) -> String {
    let summary = Summary::of(runs);
    let strip: String = runs.iter().take(STRIP).rev().map(words::mark).collect();
    let mut text = String::new();
    let newest = &runs[0];
    fact(&mut text, "job", [newest.job.to_string()]);
    fact(&mut text, "last runs", [strip]);
    let rate = summary
        .success_pct()
        .map_or_else(|| "–".to_owned(), |pct| format!("{pct} %"));
    let Summary {
        successes,
        failures,
        others,
        ..
    } = &summary;
    let counts = format!(
        "{rate} of {}: {successes} succeeded, {failures} failed, {others} left out or ended",
        successes + failures
    );
    fact(&mut text, "success", [counts]);
    let took = |percent| when::took(summary.percentile_ms(percent).map(Duration::from_millis));
    fact(
        &mut text,
        "took",
        [format!(
            "half {}, 90 % {}, 99 % {}, longest {}",
            took(50),
            took(90),
            took(99),
            took(100)
        )],
    );
    let last = |is: fn(&End) -> bool| {
        let run = runs.iter().find(|run| run.end.as_ref().is_some_and(is));
        run.map(|run| {
            let start = when::day_and_time(run.start, &context.zone);
            format!(
                "{start} on {}, run {}: {}",
                run.host,
                run.short(),
                words::why(run, now)
            )
        })
    };
    fact(&mut text, "last success", last(End::is_success));
    fact(&mut text, "last failure", last(End::is_failure));
    if newest.end.is_none() {
        let state = words::state(&newest.state, now);
        fact(
            &mut text,
            "now",
            [format!(
                "{state} on {}, run {}",
                newest.host,
                newest.short()
            )],
        );
    }
    harmless(&text, &['\n'], usize::MAX)
}

fn object(runs: &[Run]) -> serde_json::Value {
    let summary = Summary::of(runs);
    json!({
        "v": 1,
        "job": &*runs[0].job,
        "runs": runs.len(),
        "successes": summary.successes,
        "failures": summary.failures,
        "others": summary.others,
        "duration_ms": {
            "p50": summary.percentile_ms(50),
            "p90": summary.percentile_ms(90),
            "p99": summary.percentile_ms(99),
            "max": summary.percentile_ms(100),
        },
        "last": runs[0].json(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let summary = |durations: &[u64]| Summary {
            successes: 999,
            failures: 1,
            others: 0,
            durations_ms: durations.to_vec(),
        };
        let hundred: Vec<u64> = (1..=100).collect();
        for (percent, expected) in [(0, 1), (50, 50), (90, 90), (99, 99), (100, 100)] {
            assert_eq!(summary(&hundred).percentile_ms(percent), Some(expected));
        }
        assert_eq!(summary(&[7]).percentile_ms(50), Some(7));
        assert_eq!(summary(&[]).percentile_ms(50), None);
        assert_eq!(summary(&[]).success_pct(), Some(99));
    }
}
