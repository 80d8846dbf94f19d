//! Names for the completion in a shell: jobs and runs of the last days.

use std::collections::BTreeSet;
use std::time::Duration;

use grease_core::debugging::read::{Query, Sources};

use super::answer::Reply;
use crate::failure::Failure;

/// How far back names are completed.
const AGE: Duration = Duration::from_hours(48);

/// Runs that are offered.
const RUNS_MAX: usize = 200;

/// Answers with a name in a line.
pub(super) fn names(sources: &Sources<'_>) -> Result<Reply, Failure> {
    let query = Query {
        since: Some(sources.now - AGE),
        ..Query::default()
    };
    let answer = sources.runs(&query)?;
    let is_plain = |name: &str| !name.chars().any(|c| c.is_control() || c.is_whitespace());
    let jobs: BTreeSet<&str> = answer.runs.iter().map(|run| &*run.job).collect();
    let jobs = jobs
        .into_iter()
        .filter(|job| is_plain(job))
        .map(|job| format!("{job}\n"));
    let runs = answer
        .runs
        .iter()
        .take(RUNS_MAX)
        .map(|run| format!("{}\n", run.short()));
    Ok(Reply {
        out: jobs.chain(runs).collect(),
        troubles: answer.troubles,
        code: 0,
    })
}
