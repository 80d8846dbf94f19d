//! `greasestatus why`: what a run did, its last lines, and what was different when it worked.

use std::fmt::Write as _;

use grease_core::debugging::read::{
    End, Found, Piece, Run, Sources, Tail, Trouble, Wanted, digest, find, last_success, length,
};
use grease_core::model::{Glob, harmless};
use jiff::Timestamp;

use super::answer::{Reply, missing, shared_log};
use super::arguments::Why;
use super::context::Context;
use super::log::view::{self, View};
use super::report::fact;
use super::{named, when, words};
use crate::failure::Failure;

/// Last lines that are shown.
const LINES: usize = 30;

/// Bytes from the end of a log in which they are looked for.
const TAIL_BYTES: u64 = 256 << 10;

/// Answers.
pub(super) fn why(context: &Context, asked: &Why, sources: &Sources<'_>) -> Result<Reply, Failure> {
    let user = asked.user.as_ref().map(Glob::new);
    let at = named::parted(context, &asked.name);
    let wanted = Wanted::parse(at.map_or(&asked.name, |(job, _)| job));
    let mut never_failed = false;
    let run = if let Some(at) = at {
        let has_failed = |run: &Run| run.end.as_ref().is_some_and(End::is_failure);
        named::at(context, sources, at, user.as_ref(), has_failed)?
    } else {
        let mut found = find(sources, &wanted.clone().that_failed(), user.as_ref())?;
        if let Found::Nothing = found {
            found = find(sources, &wanted, user.as_ref())?;
            never_failed = true;
        }
        match found {
            Found::Run(run) => run,
            other => return Err(missing(sources, &asked.name, other)),
        }
    };
    let mut text = head(context, &run, sources.now);
    let hint = never_failed && run.end.as_ref().is_some_and(|end| !end.is_failure());
    if hint {
        text.push_str("no run of it failed; this is its last one\n");
    } else {
        text.push_str(&since_then(context, sources, &run)?);
    }
    let (log, lines) = lines(context, sources, &run)?;
    facts(&mut text, context, sources, &run, log)?;
    let mut text = harmless(&text, &['\n'], usize::MAX);
    if !lines.is_empty() {
        text.push('\n');
        for line in &lines {
            writeln!(text, "  {line}").expect("in memory");
        }
    }
    writeln!(text, "\nnext: greasestatus log {}", run.short()).expect("in memory");
    Ok(Reply {
        out: text,
        troubles: Vec::new(),
        code: 0,
    })
}

fn head(context: &Context, run: &Run, now: Timestamp) -> String {
    let (what, time) = match &run.end {
        Some(end) if end.is_success() => ("succeeded".to_owned(), end.time),
        Some(end) if end.is_failure() => (format!("FAILED ({})", words::cause(end)), end.time),
        Some(end) => (words::cause(end), end.time),
        None => (words::state(&run.state, now), run.start),
    };
    let trigger = run.trigger.as_deref().unwrap_or("?");
    let mut text = format!(
        "{}  {what} {}, took {}, {}@{}, {trigger}\n",
        run.job,
        when::full(time, &context.zone),
        when::took(run.took(now)),
        run.user,
        run.host,
    );
    if let Some(msg) = run.end.as_ref().and_then(|end| end.msg.as_deref()) {
        text.push_str(msg);
        text.push('\n');
    }
    text
}

/// What became of the job since, if it has run again.
fn since_then(context: &Context, sources: &Sources<'_>, run: &Run) -> Result<String, Trouble> {
    let user = Glob::new(&*run.user);
    let Found::Run(last) = find(sources, &Wanted::job(&run.job), Some(&user))? else {
        return Ok(String::new());
    };
    if last.id == run.id {
        return Ok(String::new());
    }
    let start = when::day_and_time(last.start, &context.zone);
    let outcome = words::outcome(&last, sources.now);
    Ok(format!(
        "since then: {outcome}, started {start} on {}, run {}\n",
        last.host,
        last.short()
    ))
}

fn facts(
    text: &mut String,
    context: &Context,
    sources: &Sources<'_>,
    run: &Run,
    log: Option<String>,
) -> Result<(), Trouble> {
    let success = last_success(sources, run)?;
    let artifact = run.artifact.as_deref().unwrap_or("none");
    let line = match &success {
        None => format!("{artifact}   <- no success before this is known"),
        Some(success) => {
            let at = when::day_and_time(success.start, &context.zone);
            let run = success.short();
            match success.artifact.as_deref().unwrap_or("none") {
                same if same == artifact => {
                    format!("{artifact}, as in the last success ({at}, {run})")
                }
                other => format!("{artifact}   <- the last success ran {other} ({at}, {run})"),
            }
        }
    };
    fact(text, "artifact", [line]);
    fact(text, "started", [when::full(run.start, &context.zone)]);
    fact(text, "run", [run.id.to_string()]);
    let omitted = run.end.as_ref().map_or(0, |end| end.omitted_bytes);
    let lacks = (omitted > 0).then(|| format!("; {omitted} bytes of its middle are not kept"));
    fact(text, "log", log.map(|log| log + &lacks.unwrap_or_default()));
    Ok(())
}

/// Where the log is, and its last lines: from here, or from the share's digest, or its log.
fn lines(
    context: &Context,
    sources: &Sources<'_>,
    run: &Run,
) -> Result<(Option<String>, Vec<String>), Failure> {
    let on_share = shared_log(context, &run.user, run.log.as_deref());
    let mut view = View::new(
        view::Choice::last(LINES),
        run.id,
        context.zone.clone(),
        false,
    );
    for spool in context.spools.iter().filter(|spool| spool.user == run.user) {
        if let Some(log) = spool.log(run.id) {
            read_end(&log, &mut view).ok(); // It may be removed meanwhile.
            return Ok((Some(log.display().to_string()), view.finish()));
        }
    }
    let Some(root) = sources.root()? else {
        return Ok((on_share, Vec::new()));
    };
    if let Some(digest) = digest(&root, run) {
        let text = String::from_utf8_lossy(&digest);
        let body = text
            .split_once("\n\n")
            .map(|(_, body)| body)
            .unwrap_or_default();
        let all: Vec<&str> = body.lines().collect();
        let last = all.iter().skip(all.len().saturating_sub(LINES));
        return Ok((
            on_share,
            last.map(|line| harmless(line, &['\t'], 500)).collect(),
        ));
    }
    if let Some(path) = &run.log {
        let path = path.as_ref().as_ref();
        let told = run.end.as_ref().and_then(|end| end.log_bytes);
        let bytes = told.or_else(|| length(&root, &run.user, path));
        let begin = bytes.unwrap_or(0).saturating_sub(TAIL_BYTES);
        let mut tail = Tail::new(&root, &run.user, path, begin);
        view.skip_first(begin > 0);
        while let Ok(Piece::Bytes(bytes)) = tail.more() {
            (sources.tick)();
            view.take(&bytes);
        }
    }
    Ok((on_share, view.finish()))
}

fn read_end(log: &std::path::Path, view: &mut View) -> std::io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};

    let mut file = grease_core::sys::fs::open_regular(log)?;
    let begin = file.metadata()?.len().saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(begin))?;
    view.skip_first(begin > 0);
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    view.take(&bytes);
    Ok(())
}
