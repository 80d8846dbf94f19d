//! `greasestatus` without a command: what is wrong now, first.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use grease_core::debugging::read::{Answer, End, Query, Run, Sources, State};
use grease_core::model::harmless;
use jiff::Timestamp;

use super::answer::Reply;
use super::context::Context;
use super::hosts::rows;
use super::table::table;
use super::{names, when, words};
use crate::failure::Failure;

/// What is looked back on.
const WINDOW: Duration = Duration::from_hours(24);

/// Lines of each kind.
const LINES_MAX: usize = 20;

/// A job whose last run failed.
struct Failing<'a> {
    last: &'a Run,
    /// When the first of its failures in a row started.
    since: Option<Timestamp>,
    failures: usize,
    all: usize,
}

/// Answers.
pub(super) fn overview(context: &Context, sources: &Sources<'_>) -> Result<Reply, Failure> {
    let begun = Instant::now();
    let query = Query {
        since: Some(context.now - WINDOW),
        ..Query::default()
    };
    let answer = sources.runs(&query)?;
    names::remember(context, sources, &answer.runs);
    let failing = failing(&answer.runs);
    let mut out = first_line(context, sources, &answer, &failing, begun.elapsed());
    out.push_str(&of_failing(context, &failing, answer.hosts.now));
    out.push_str(&of_lost(context, &answer));
    out.push_str(&of_hosts(context, &answer));
    out.push_str(&of_shipping(context));
    let next = failing
        .first()
        .map(|worst| format!("next: greasestatus why {}\n", worst.last.short()));
    out.push_str(&next.unwrap_or_default());
    let lost = answer
        .runs
        .iter()
        .filter(|run| matches!(run.state, State::Lost(_)))
        .count();
    Ok(Reply {
        code: if failing.is_empty() && lost == 0 {
            0
        } else {
            super::answer::FOUND
        },
        out: harmless(&out, &['\n'], usize::MAX),
        troubles: answer.troubles,
    })
}

/// The jobs whose last run failed, that which failed last first.
fn failing(runs: &[Run]) -> Vec<Failing<'_>> {
    let mut of_jobs: HashMap<(&str, &str), Vec<(&Run, &End)>> = HashMap::new();
    for run in runs {
        let end = run
            .end
            .as_ref()
            .filter(|end| end.is_success() || end.is_failure());
        if let Some(end) = end {
            of_jobs
                .entry((&run.user, &run.job))
                .or_default()
                .push((run, end));
        }
    }
    let mut failing: Vec<Failing<'_>> = of_jobs
        .into_values()
        .filter_map(|runs| {
            let (last, end) = runs.first()?;
            let streak = runs.iter().take_while(|(_, end)| end.is_failure());
            end.is_failure().then(|| Failing {
                last,
                since: streak.last().and_then(|(run, _)| run.start),
                failures: runs.iter().filter(|(_, end)| end.is_failure()).count(),
                all: runs.len(),
            })
        })
        .collect();
    failing.sort_by_key(|one| std::cmp::Reverse(one.last.id));
    failing
}

fn first_line(
    context: &Context,
    sources: &Sources<'_>,
    answer: &Answer,
    failing: &[Failing<'_>],
    lasted: Duration,
) -> String {
    let count = |is: &dyn Fn(&Run) -> bool| answer.runs.iter().filter(|run| is(run)).count();
    let result =
        |word: &'static str| count(&|run| run.end.as_ref().is_some_and(|end| &*end.result == word));
    let lost = count(&|run| matches!(run.state, State::Lost(_)));
    let doubtful = count(&|run| matches!(run.state, State::Silent(_)));
    let mut parts = Vec::new();
    match failing.len() {
        0 if lost == 0 => parts.push("nothing is failing".to_owned()),
        0 => {}
        1 => parts.push("1 job failing".to_owned()),
        jobs => parts.push(format!("{jobs} jobs failing")),
    }
    if lost > 0 {
        parts.push(format!("{lost} lost?"));
    }
    let running = count(&|run| run.state.is_live());
    let doubt = if doubtful > 0 {
        format!(" ({doubtful}?)")
    } else {
        String::new()
    };
    parts.push(format!("{running} running{doubt}"));
    parts.push(format!("{} ok in 24h", result("success")));
    let skipped = result("skip");
    if skipped > 0 {
        parts.push(format!("{skipped} left out"));
    }
    let place = match (sources.share, &context.share) {
        (Some(share), _) => format!("share {}, {:.1} s", share.display(), lasted.as_secs_f64()),
        (None, Some(_)) => "this host only".to_owned(),
        (None, None) => "this host only; no share (`common.file_logger`)".to_owned(),
    };
    format!("{}    {place}\n", parts.join(" · "))
}

fn of_failing(context: &Context, failing: &[Failing<'_>], now: Timestamp) -> String {
    if failing.is_empty() {
        return String::new();
    }
    let rows = failing.iter().take(LINES_MAX).map(|one| {
        [
            one.last.job.to_string(),
            when::recent(one.since, now, &context.zone),
            format!("{}/{}", one.failures, one.all),
            one.last.host.to_string(),
            one.last.short(),
            words::why(one.last, now),
        ]
    });
    let mut text = table(
        ["FAILING", "SINCE", "FAILED", "HOST", "RUN", "WHY"],
        rows.collect(),
    );
    more(&mut text, failing.len());
    text
}

/// Runs that are probably no more, those of a host together.
fn of_lost(context: &Context, answer: &Answer) -> String {
    let mut of_hosts: BTreeMap<(&str, Option<Timestamp>), Vec<&Run>> = BTreeMap::new();
    for run in &answer.runs {
        if let State::Lost(since) = run.state {
            of_hosts.entry((&run.host, since)).or_default().push(run);
        }
    }
    if of_hosts.is_empty() {
        return String::new();
    }
    let now = answer.hosts.now;
    let rows = of_hosts
        .iter()
        .take(LINES_MAX)
        .map(|((host, since), runs)| {
            let why = match since {
                Some(since) => {
                    let silence =
                        Duration::try_from(now.duration_since(*since)).unwrap_or_default();
                    format!(
                        "host seen {} ago; {} runs",
                        when::about(silence),
                        runs.len()
                    )
                }
                None => format!("{} runs", runs.len()),
            };
            let since = since.or_else(|| runs.iter().filter_map(|run| run.start).min());
            [
                (*host).to_owned(),
                when::recent(since, now, &context.zone),
                runs[0].short(),
                format!("{why}: {}", runs[0].job),
            ]
        });
    let mut text = table(["LOST?", "SINCE", "RUN", "WHY"], rows.collect());
    more(&mut text, of_hosts.len());
    text
}

/// Hosts that cannot ship, or are silent.
fn of_hosts(context: &Context, answer: &Answer) -> String {
    let found = rows(context, answer);
    let mut rows: Vec<[String; 3]> = found
        .iter()
        .map(|row| {
            [
                row.place.to_string(),
                row.user.to_string(),
                row.wrong(answer),
            ]
        })
        .filter(|[_, _, wrong]| !wrong.is_empty())
        .collect();
    let count = rows.len();
    rows.truncate(LINES_MAX);
    if rows.is_empty() {
        return String::new();
    }
    let mut text = table(["HOST", "USER", "WHAT"], rows);
    more(&mut text, count);
    text
}

/// What this host's own shipping is stuck in.
fn of_shipping(context: &Context) -> String {
    let mut text = String::new();
    for spool in context.spools.iter().filter(|_| context.share.is_some()) {
        let path = spool.dir.join("ship/state");
        let read = grease_core::sys::fs::read_bounded(&path, 64 << 10).ok();
        let state = read.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        let Some(state) = state else { continue };
        let word = state["state"].as_str().unwrap_or_default();
        if matches!(word, "ok" | "") {
            continue;
        }
        let error = state["error"]
            .as_str()
            .or_else(|| state["op"].as_str())
            .unwrap_or_default();
        writeln!(
            text,
            "shipping from this host: {word} since {}: {error}",
            state["since"].as_str().unwrap_or("?")
        )
        .expect("in memory");
    }
    text
}

fn more(text: &mut String, count: usize) {
    if count > LINES_MAX {
        writeln!(text, "and {} more", count - LINES_MAX).expect("in memory");
    }
}
