//! Questions about runs: asked of the share by a child, and of this host if that does not answer.

use std::ffi::OsString;
use std::io::Write as _;
use std::time::Duration;

use grease_core::debugging::read::{Found, Sources, Trouble, nearest};
use grease_core::model::{ErrorKind, harmless};
use grease_core::sys::env::Env;

use super::arguments::{Arguments, Subcommand};
use super::child::{self, Heard, Reader};
use super::context::Context;
use super::{find, hosts, job, overview, runs, share, suggest, tail, why};
use crate::exit_code;
use crate::failure::Failure;
use crate::terminal;

/// Output that is held back until it is sure that the share answers.
const HELD_BYTES_MAX: usize = 4 << 20;

/// Exit code of a child that cannot read the share.
const UNREADABLE: u8 = 75;

/// What there is to say.
pub(super) struct Reply {
    pub(super) out: String,
    /// What could not be read.
    pub(super) troubles: Vec<Trouble>,
    pub(super) code: u8,
}

/// Answers a question out of what is to be read.
pub(super) fn reply(
    context: &Context,
    command: Option<&Subcommand>,
    sources: &Sources<'_>,
) -> Result<Reply, Failure> {
    match command {
        None => overview::overview(context, sources),
        Some(Subcommand::Runs(asked)) => runs::runs(context, asked, sources),
        Some(Subcommand::Failures(asked)) => runs::failures(context, asked, sources),
        Some(Subcommand::Why(asked)) => why::why(context, asked, sources),
        Some(Subcommand::Job(asked)) => job::job(context, asked, sources),
        Some(Subcommand::Suggest(asked)) => suggest::suggest(context, asked, sources),
        Some(Subcommand::Hosts(asked)) => hosts::hosts(context, asked, sources),
        Some(Subcommand::Find(asked)) => find::find(context, asked, sources),
        Some(_) => Err(Failure::new(ErrorKind::Bug, "no question about runs")),
    }
}

/// What is to be said if a name is not that of one run.
pub(super) fn missing(sources: &Sources<'_>, name: &str, found: Found) -> Failure {
    let Found::Ambiguous(names) = found else {
        return unknown(name, &nearest(sources, name));
    };
    let name = harmless(name, &[], 100);
    let count = names.len();
    let names: Vec<String> = names
        .iter()
        .take(10)
        .map(|name| harmless(name, &[], 200))
        .collect();
    Failure::new(ErrorKind::Usage, format!("`{name}` may be {count} things"))
        .hinting(format!("say which: {}", names.join(", ")))
}

/// Nothing has a name; some jobs have names like it.
fn unknown(name: &str, like: &[String]) -> Failure {
    let text = format!("there is no job and no run `{}`", harmless(name, &[], 100));
    let names: Vec<String> = like
        .iter()
        .map(|name| format!("`{}`", harmless(name, &[], 200)))
        .collect();
    let hint = if names.is_empty() {
        "`greasestatus runs --since 30d` lists what there is".to_owned()
    } else {
        format!("there is {}", names.join(", "))
    };
    Failure::new(ErrorKind::Usage, text).hinting(hint)
}

/// The child's whole work; returns its exit code.
pub(super) fn as_child(arguments: &Arguments, env: &Env, colored: bool) -> u8 {
    let terminal = crate::terminal::Terminal::new(arguments.shared.color, env.is_set("NO_COLOR"));
    let done = Context::read(&arguments.shared, env, colored, false).and_then(|context| {
        let sources = context.all(&child::tick);
        if let Some(Subcommand::Tail(asked)) = &arguments.command {
            return tail::copy(asked, &sources);
        }
        match &arguments.command {
            Some(Subcommand::Share(asked)) => return share::share(&context, asked),
            Some(Subcommand::Gc(asked)) => return share::gc(&context, asked),
            _ => {}
        }
        let reply = reply(&context, arguments.command.as_ref(), &sources)?;
        terminal::print(&reply.out);
        terminal.say(&told(&reply.troubles));
        Ok(reply.code)
    });
    done.unwrap_or_else(|failure| {
        terminal.say(&failure.render());
        failure.exit_code()
    })
}

/// What could not be read, in a few lines.
fn told(troubles: &[Trouble]) -> String {
    let shown = troubles.iter().take(3).map(|Trouble { path, why }| {
        let text = format!("cannot read `{}`: {why}", path.display());
        format!("warning: {}\n", harmless(&text, &[], 300))
    });
    let more = troubles.len().saturating_sub(3);
    let rest = (more > 0).then(|| format!("warning: and {more} more could not be read\n"));
    shown.chain(rest).collect()
}

/// Asks, prints the answer, and gives the exit code.
pub(super) fn ask(
    context: &Context,
    command: Option<&Subcommand>,
    words: &[OsString],
) -> Result<u8, Failure> {
    let (out, errors, code) = collect(context, command, words, true)?;
    context.errors.say(&errors);
    std::io::stdout().write_all(&out).ok(); // Nobody reads it.
    Ok(code)
}

/// Asks; returns what the answer is, what is to be told beside it, and the exit code.
///
/// Output beyond [`HELD_BYTES_MAX`] goes to standard output at once, if that is `streamed`.
pub(super) fn collect(
    context: &Context,
    command: Option<&Subcommand>,
    words: &[OsString],
    streamed: bool,
) -> Result<(Vec<u8>, String, u8), Failure> {
    let local = || {
        let reply = reply(context, command, &context.local())?;
        Ok((reply.out.into_bytes(), told(&reply.troubles), reply.code))
    };
    let Some(share) = &context.share else {
        return local();
    };
    let colour = if context.colored { "colour" } else { "plain" };
    let arguments: Vec<OsString> = std::iter::once(colour.into())
        .chain(words.iter().cloned())
        .collect();
    let cannot = |error| {
        Failure::new(
            ErrorKind::Io,
            format!("cannot start a process that reads the share: {error}"),
        )
    };
    let mut reader = Reader::start(&arguments).map_err(cannot)?;
    let mut held: Vec<u8> = Vec::new();
    let mut is_streaming = false;
    let why = loop {
        match reader.next(Duration::from_secs(1)).map_err(cannot)? {
            Heard::Nothing => {}
            Heard::Output(bytes) if is_streaming => {
                if std::io::stdout().write_all(&bytes).is_err() {
                    return Ok((Vec::new(), String::new(), 0)); // Nobody reads any more.
                }
            }
            Heard::Output(bytes) => {
                held.extend(bytes);
                if streamed && held.len() > HELD_BYTES_MAX {
                    std::io::stdout().write_all(&held).ok();
                    held.clear();
                    is_streaming = true;
                }
            }
            Heard::Silent => {
                break format!("the share `{}` has not responded for 5 s", share.display());
            }
            Heard::Ended(UNREADABLE) => break first_line(&reader.errors),
            Heard::Ended(code) => {
                let errors = String::from_utf8_lossy(&reader.errors).into_owned();
                return Ok((held, errors, code));
            }
        }
    };
    reader.abandon();
    if is_streaming {
        return Ok((
            Vec::new(),
            format!("warning: {why}: what was shown is not all\n"),
            UNREADABLE,
        ));
    }
    let warning = format!("warning: {why}; this is what this host knows by itself\n");
    match local() {
        Ok((out, errors, _)) => Ok((out, warning + &errors, UNREADABLE)),
        Err(failure) => {
            let text = format!("{why}, and this host does not know: {}", failure.line());
            Err(Failure::new(ErrorKind::NotNow, text))
        }
    }
}

fn first_line(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    let line = text.lines().find_map(|line| line.strip_prefix("error: "));
    line.unwrap_or("the share cannot be read").to_owned()
}

/// Where a log is on the share, for people.
pub(super) fn shared_log(context: &Context, user: &str, log: Option<&str>) -> Option<String> {
    let share = context.share.as_ref()?;
    Some(share.join(user).join(log?).display().to_string())
}

/// The code of a question whose answer is not what was hoped for.
pub(super) const FOUND: u8 = exit_code::FOUND;

/// The failure that a child told as text, with its exit code.
pub(super) fn retold(errors: &str, code: u8) -> Failure {
    let of = |word: &str| errors.lines().find_map(|line| line.strip_prefix(word));
    let failure = Failure::retold(
        code,
        of("error: ").unwrap_or("the child that reads has died"),
    );
    match of("hint: ") {
        Some(hint) => failure.hinting(hint.to_owned()),
        None => failure,
    }
}
