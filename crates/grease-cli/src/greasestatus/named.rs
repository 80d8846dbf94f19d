//! `JOB@13:05`: the run of a job that started then.

use grease_core::debugging::read::{At, Found, Moment, Run, Sources, Wanted, at as look, find};
use grease_core::model::{ErrorKind, Glob, harmless};

use super::answer::missing;
use super::context::Context;
use super::{when, words};
use crate::failure::Failure;

/// Runs that are told of where several may be meant.
const TOLD_MAX: usize = 10;

/// The job and the moment of `JOB@TIME`; none of any other name.
pub(super) fn parted<'n>(context: &Context, name: &'n str) -> Option<(&'n str, Moment)> {
    let (job, time) = name.rsplit_once('@')?;
    let moment = when::moment(time, context.now, &context.zone)?;
    Some((job, moment))
}

/// The run of a job that started at a moment; of several those that are `preferred`.
pub(super) fn at(
    context: &Context,
    sources: &Sources<'_>,
    (job, moment): (&str, Moment),
    user: Option<&Glob>,
    preferred: impl Fn(&Run) -> bool,
) -> Result<Box<Run>, Failure> {
    let last = match find(sources, &Wanted::parse(job), user)? {
        Found::Run(run) => run,
        other => return Err(missing(sources, job, other)),
    };
    let shown = |runs: &[Run]| {
        let runs = runs.iter().take(TOLD_MAX);
        let runs: Vec<String> = runs.map(|run| line(context, run)).collect();
        runs.join(", ")
    };
    let job = harmless(&last.job, &[], 200);
    let time = when::day_and_time(Some(moment.from), &context.zone);
    let failure = |text| Failure::new(ErrorKind::Usage, text);
    match look(sources, &last.job, user, moment, preferred)? {
        At::Run(run) => Ok(run),
        At::Several(runs) => {
            let count = runs.len();
            let text = format!("{count} runs of `{job}` started about {time}");
            Err(failure(text).hinting(format!("say which: {}", shown(&runs))))
        }
        At::None(near) => {
            let text = format!("no run of `{job}` started about {time}");
            let hint = if near.is_empty() {
                format!(
                    "nor within a day of it; its last one is {}",
                    line(context, &last)
                )
            } else {
                format!("the nearest: {}", shown(&near))
            };
            Err(failure(text).hinting(hint))
        }
    }
}

/// A run in a few words: `1jmb1 (24 Nov 13:05:02 on dp-007: ✗ exit 1)`.
fn line(context: &Context, run: &Run) -> String {
    let start = when::day_and_time(run.start, &context.zone);
    let outcome = words::outcome(run, context.now);
    let text = format!("{} ({start} on {}: {outcome})", run.short(), run.host);
    harmless(&text, &[], 200)
}
