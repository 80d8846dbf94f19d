//! `greasestatus suggest JOB`: a timeout, memory and cost for a job, from what its runs took.

mod advice;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use grease_core::debugging::read::{End, Found, Query, Run, Sources, Wanted, find};
use grease_core::model::quantity::Span;
use grease_core::model::{Glob, harmless, harmless_json};
use serde_json::{Value, json};

use super::answer::{FOUND, Reply, missing};
use super::arguments::Suggest;
use super::context::Context;
use super::job::percentile;
use super::report::fact;
use super::table::table;
use super::when;
use crate::failure::Failure;
use advice::{Advice, COST_PERCENT, MEM_MARGIN_PERCENT, TIMEOUT_FACTOR, TIMEOUT_PERCENT, Used};

/// Runs that succeeded without which nothing is suggested: of fewer, the longest says little.
const RUNS_MIN: usize = 10;

/// Runs of a job by how they ended.
struct Sample<'a> {
    runs: Vec<&'a Run>,
    failed: usize,
    timed_out: usize,
    /// Of those that failed.
    killed: usize,
    others: usize,
}

/// Answers.
pub(super) fn suggest(
    context: &Context,
    asked: &Suggest,
    sources: &Sources<'_>,
) -> Result<Reply, Failure> {
    let of_user = asked.user.as_ref().map(Glob::new);
    let newest = match find(sources, &Wanted::parse(&asked.name), of_user.as_ref())? {
        Found::Run(run) => run,
        other => return Err(missing(sources, &asked.name, other)),
    };
    let query = Query {
        since: Some(when::parse(&asked.since, context.now, &context.zone)?),
        job: Some(Glob::new(&*newest.job)),
        user: of_user,
        ..Query::default()
    };
    let mut answer = sources.runs(&query)?;
    answer.runs.retain(|run| run.job == newest.job);
    let sample = Sample::of(&answer.runs);
    let used = Used::by(&sample.runs);
    let advice = (sample.runs.len() >= RUNS_MIN)
        .then(|| used.advice())
        .flatten();
    let out = if asked.json {
        let object = object(&newest.job, &asked.since, &sample, &used, advice.as_ref());
        harmless_json(&format!("{object}\n"))
    } else {
        let text = text(context, asked, &newest, &sample, &used, advice.as_ref());
        harmless(&text, &['\n'], usize::MAX)
    };
    Ok(Reply {
        out,
        troubles: answer.troubles,
        code: if advice.is_some() { 0 } else { FOUND },
    })
}

impl<'a> Sample<'a> {
    fn of(runs: &'a [Run]) -> Self {
        let is = |of: fn(&End) -> bool| {
            let ended = runs
                .iter()
                .filter(move |run| run.end.as_ref().is_some_and(of));
            ended.collect::<Vec<&Run>>()
        };
        let succeeded = is(|end| end.is_success() && end.duration_ms.is_some());
        let failed = is(|end| end.is_failure() && &*end.result != "timeout").len();
        let timed_out = is(|end| &*end.result == "timeout").len();
        Self {
            killed: is(|end| end.signal == Some(9) && &*end.result == "failure").len(),
            others: runs.len() - succeeded.len() - failed - timed_out,
            runs: succeeded,
            failed,
            timed_out,
        }
    }

    /// Why it is this sample, in words.
    fn shown(&self, context: &Context, since: &str) -> String {
        let first = self.runs.iter().filter_map(|run| run.start).min();
        let last = self.runs.iter().filter_map(|run| run.start).max();
        let hosts: BTreeSet<&str> = self.runs.iter().map(|run| &*run.host).collect();
        let mut text = match self.runs.len() {
            1 => "1 run that succeeded".to_owned(),
            count => format!("{count} runs that succeeded"),
        };
        if first.is_some() {
            let day = |time| when::day_and_time(time, &context.zone);
            let hosts = match hosts.len() {
                1 => "1 host".to_owned(),
                count => format!("{count} hosts"),
            };
            write!(text, ", {} to {}, on {hosts}", day(first), day(last)).expect("in memory");
        }
        text + &format!(" (--since {since})")
    }

    fn left_out(&self) -> Option<String> {
        let counts = [
            (self.failed, "failed"),
            (self.timed_out, "ended by a timeout"),
            (self.others, "left out, cancelled or without an end"),
        ];
        let told = counts.iter().filter(|(count, _)| *count > 0);
        let told: Vec<String> = told
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        (!told.is_empty()).then(|| format!("not counted: {}", told.join(", ")))
    }

    /// What speaks against a suggestion.
    fn doubts(&self, used: &Used, advice: &Advice) -> Vec<String> {
        let limit = u64::try_from(advice.timeout.get().as_millis()).unwrap_or(u64::MAX);
        let longer: Vec<&u64> = used.durations_ms.iter().filter(|ms| **ms > limit).collect();
        let longest = longer.last().map(|ms| took(**ms));
        let counts = [
            (
                longer.len(),
                format!(
                    "took longer and succeeded (up to {}): that timeout would have ended them",
                    longest.unwrap_or_default()
                ),
            ),
            (
                self.timed_out,
                "ended by a timeout: if they were slow and not stuck, it was too short".to_owned(),
            ),
            (
                self.killed,
                "killed by signal 9: if that was for lack of memory, they need more".to_owned(),
            ),
        ];
        let told = counts.into_iter().filter(|(count, _)| *count > 0);
        told.map(|(count, what)| format!("{count} {what}"))
            .collect()
    }
}

fn took(milliseconds: u64) -> String {
    when::took(Some(Duration::from_millis(milliseconds)))
}

fn size(kib: u64) -> String {
    format!("{} MiB", kib.div_ceil(1024))
}

fn cpus(milli: u64) -> String {
    format!("{}.{:02}", milli / 1000, milli % 1000 / 10)
}

fn text(
    context: &Context,
    asked: &Suggest,
    newest: &Run,
    sample: &Sample<'_>,
    used: &Used,
    advice: Option<&Advice>,
) -> String {
    let mut text = String::new();
    fact(&mut text, "job", [newest.job.to_string()]);
    let sampled = sample.shown(context, &asked.since);
    fact(
        &mut text,
        "sample",
        [sampled].into_iter().chain(sample.left_out()),
    );
    let Some(advice) = advice else {
        let why = format!(
            "Nothing is suggested: that takes {RUNS_MIN} runs that succeeded. `--since 90d` looks further back.\n"
        );
        return text + "\n" + &why;
    };
    text.push('\n');
    text.push_str(&table(
        ["", "SUGGESTED", "NOW", "BECAUSE"],
        rows(context, newest, used, advice),
    ));
    for doubt in sample.doubts(used, advice) {
        writeln!(text, "but {doubt}").expect("in memory");
    }
    text + &format!(
        "\nfor one line of a crontab, behind greaserun:\n  {}\nfor all, in `jobs.match` of the config:\n  {}\n",
        advice.options(),
        advice.entry(&newest.job)
    )
}

fn rows(context: &Context, newest: &Run, used: &Used, advice: &Advice) -> Vec<[String; 4]> {
    let runner = newest.runner.as_deref().unwrap_or_default();
    let now = context.jobs.settings(runner, &newest.job);
    let of = |numbers: &[u64], percent, shown: fn(u64) -> String| {
        percentile(numbers, percent).map_or_else(|| "?".to_owned(), shown)
    };
    let row = |name: &str, suggested: String, now: String, why: String| {
        [name.to_owned(), suggested, now, why]
    };
    let timeout = now.timeout.map(Span::new);
    let (durations, memory, busy) = (&used.durations_ms, &used.memory_kib, &used.cpus_milli);
    vec![
        row(
            "timeout",
            advice.timeout.to_string(),
            timeout.map_or_else(|| "forever".to_owned(), |timeout| timeout.to_string()),
            format!(
                "{TIMEOUT_FACTOR} x {}, as long as {TIMEOUT_PERCENT} % took at most; half took {}, the longest {}",
                of(durations, TIMEOUT_PERCENT, took),
                of(durations, 50, took),
                of(durations, 100, took),
            ),
        ),
        row(
            "mem",
            advice.mem.to_string(),
            now.mem
                .map_or_else(|| "none".to_owned(), |mem| mem.to_string()),
            format!(
                "{}, the most of all processes together, + {MEM_MARGIN_PERCENT} %; half took {}",
                of(memory, 100, size),
                of(memory, 50, size),
            ),
        ),
        row(
            "cost",
            advice.cost(),
            now.cost.to_string(),
            format!(
                "{} CPUs, which {COST_PERCENT} % kept busy at most; half {}, the most {}",
                of(busy, COST_PERCENT, cpus),
                of(busy, 50, cpus),
                of(busy, 100, cpus),
            ),
        ),
    ]
}

fn object(
    job: &str,
    since: &str,
    sample: &Sample<'_>,
    used: &Used,
    advice: Option<&Advice>,
) -> Value {
    let of = |numbers: &[u64]| {
        let [p50, p90, p99, max] = [50, 90, 99, 100].map(|percent| percentile(numbers, percent));
        json!({"p50": p50, "p90": p90, "p99": p99, "max": max})
    };
    let advice = advice.map(|advice| {
        let entry: Option<Value> = serde_json::from_str(&advice.entry(job)).ok();
        json!({
            "timeout_s": advice.timeout.get().as_secs(),
            "mem_bytes": advice.mem.get(),
            "cost": entry.as_ref().map(|entry| entry["cost"].clone()),
            "options": advice.options(),
            "match": entry,
            "doubts": sample.doubts(used, advice),
        })
    });
    let starts = || sample.runs.iter().filter_map(|run| run.start);
    let time = |time: Option<jiff::Timestamp>| time.map(|time| format!("{time:.6}"));
    json!({
        "v": 1,
        "job": job,
        "since": since,
        "sample": {
            "runs": sample.runs.len(),
            "runs_needed": RUNS_MIN,
            "first": time(starts().min()),
            "last": time(starts().max()),
            "failed": sample.failed,
            "timed_out": sample.timed_out,
            "killed": sample.killed,
            "others": sample.others,
        },
        "duration_ms": of(&used.durations_ms),
        "memory_kib": of(&used.memory_kib),
        "cpus_milli": of(&used.cpus_milli),
        "suggestion": advice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_a_timeout_would_have_ended_are_told() {
        let mut durations_ms = vec![10_000; 200];
        durations_ms.push(86_400_000);
        let used = Used {
            durations_ms,
            memory_kib: vec![1],
            cpus_milli: vec![1],
        };
        let doubts = Sample::of(&[]).doubts(&used, &used.advice().unwrap());
        let [doubt] = &doubts[..] else {
            panic!("{doubts:?}")
        };
        assert!(doubt.starts_with("1 took longer and succeeded (up to 1d00h)"));
    }
}
