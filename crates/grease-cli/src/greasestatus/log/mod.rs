//! `greasestatus log`: what a run printed, wherever it runs.

mod follow;
mod out;
mod source;
pub(super) mod view;

use grease_core::model::{ErrorKind, Stream, harmless};
use grease_core::sys::env::Env;

use super::answer::shared_log;
use super::arguments::Log;
use super::context::Context;
use super::find::Resolved;
use super::when;
use crate::failure::Failure;
use crate::terminal;
use follow::Follower;
pub(super) use follow::resolve;
use out::Out;
use source::Source;
use view::{Choice, View};

/// Shows the log of a run; returns the exit code.
pub(super) fn log(
    context: &Context,
    asked: &Log,
    run: &Resolved,
    env: &Env,
) -> Result<u8, Failure> {
    if asked.path {
        return path(context, run);
    }
    let choice = Choice {
        last: asked.number,
        since: asked
            .since
            .as_ref()
            .map(|since| when::parse(since, context.now, &context.zone))
            .transpose()?,
        grep: asked.grep.clone(),
        stream: match (asked.stdout, asked.stderr) {
            (true, _) => Some(Stream::Stdout),
            (_, true) => Some(Stream::Stderr),
            _ => None,
        },
        raw: asked.raw,
    };
    let view = View::new(choice, run.id, context.zone.clone(), context.colored);
    let source = Source::of(context, run, asked.follow).ok_or_else(|| nowhere(run))?;
    let mut out = if asked.follow || asked.raw {
        Out::plain(context)
    } else {
        Out::paged(context, env)
    };
    out.say(&begin(context, run));
    Follower::new(context, run, source, view, out, asked.follow).run()
}

fn path(context: &Context, run: &Resolved) -> Result<u8, Failure> {
    let here = context.spools.iter().find_map(|spool| spool.log(run.id));
    let here = here.map(|log| log.display().to_string());
    let path = here.or_else(|| shared_log(context, &run.user, run.log.as_deref()));
    let path = path.ok_or_else(|| nowhere(run))?;
    terminal::print(&format!("{}\n", harmless(&path, &[], usize::MAX)));
    Ok(0)
}

fn nowhere(run: &Resolved) -> Failure {
    let Resolved {
        id, host, outcome, ..
    } = run;
    let text =
        format!("the log of run {id} on {host} is neither here nor on the share ({outcome})");
    Failure::new(ErrorKind::Io, harmless(&text, &[], 500))
}

fn begin(context: &Context, run: &Resolved) -> String {
    let Resolved {
        job, host, outcome, ..
    } = run;
    let start = when::day_and_time(run.start, &context.zone);
    format!(
        "run {} of {job} on {host}, started {start}: {outcome}",
        run.short()
    )
}
