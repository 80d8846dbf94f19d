//! `greasestatus runs` and `failures`.

use std::fmt::Write as _;

use grease_core::debugging::read::{Answer, Query, Run, Sources};
use grease_core::model::{Glob, harmless_json};

use super::answer::Reply;
use super::arguments::{Failures, Runs, Which};
use super::context::Context;
use super::table::table;
use super::{when, words};
use crate::exit_code;
use crate::failure::Failure;

/// Answers `runs`.
pub(super) fn runs(
    context: &Context,
    asked: &Runs,
    sources: &Sources<'_>,
) -> Result<Reply, Failure> {
    let time = |text: &String| when::parse(text, context.now, &context.zone);
    let query = Query {
        until: asked.until.as_ref().map(time).transpose()?,
        failed: asked.failed,
        result: asked.result.clone(),
        ..query(&asked.which, asked.number)
    };
    let since = Some(time(&asked.since)?);
    let answer = sources.runs(&Query { since, ..query })?;
    Ok(Reply {
        out: shown(context, &answer, asked.json),
        troubles: answer.troubles,
        code: 0,
    })
}

/// Answers `failures`.
pub(super) fn failures(
    context: &Context,
    asked: &Failures,
    sources: &Sources<'_>,
) -> Result<Reply, Failure> {
    let query = Query {
        since: Some(when::parse(&asked.since, context.now, &context.zone)?),
        failed: true,
        ..query(&asked.which, asked.number)
    };
    let answer = sources.runs(&query)?;
    Ok(Reply {
        out: shown(context, &answer, asked.json),
        code: if answer.matched > 0 {
            exit_code::FOUND
        } else {
            0
        },
        troubles: answer.troubles,
    })
}

fn query(which: &Which, number: usize) -> Query {
    let glob = |pattern: &Option<String>| pattern.as_ref().map(Glob::new);
    Query {
        job: glob(&which.job),
        host: glob(&which.host),
        user: glob(&which.user),
        limit: Some(number).filter(|number| *number > 0),
        ..Query::default()
    }
}

fn shown(context: &Context, answer: &Answer, json: bool) -> String {
    if json {
        let mut text = String::new();
        for run in &answer.runs {
            writeln!(text, "{}", run.json()).expect("in memory");
        }
        return harmless_json(&text);
    }
    if answer.runs.is_empty() {
        return "none\n".to_owned();
    }
    let mut text = list(context, &answer.runs, answer.hosts.now);
    let more = answer.matched.saturating_sub(answer.runs.len());
    if more > 0 {
        writeln!(text, "and {more} older ones (-n 0 shows all)").expect("in memory");
    }
    text
}

/// Runs, a line each.
pub(super) fn list(context: &Context, runs: &[Run], now: jiff::Timestamp) -> String {
    let several_users = runs.iter().any(|run| run.user != runs[0].user);
    let rows = runs.iter().map(|run| {
        let host = if several_users {
            format!("{}@{}", run.user, run.host)
        } else {
            run.host.to_string()
        };
        [
            when::day_and_time(run.start, &context.zone),
            run.job.to_string(),
            host,
            when::took(run.took(now)),
            run.short(),
            match &run.end {
                Some(end) if end.is_success() => words::mark(run).to_string(),
                Some(_) => format!("{} {}", words::mark(run), words::why(run, now)),
                None => words::outcome(run, now),
            },
        ]
    });
    table(
        ["START", "JOB", "HOST", "TOOK", "RUN", "RESULT"],
        rows.collect(),
    )
}
