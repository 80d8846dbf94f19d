//! `greasestatus`: show what runs, what failed and why, on this host and on the farm.

mod answer;
mod arguments;
mod artifacts;
mod check;
mod child;
mod context;
mod find;
mod finding;
mod guard;
mod hosts;
mod job;
mod log;
mod named;
mod names;
mod overview;
mod report;
mod runs;
mod screen;
mod share;
mod stop;
mod suggest;
mod table;
mod tail;
mod when;
mod why;
mod witnesses;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use grease_core::sys::env::Env;

use crate::exit_code;
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::to_come;
use arguments::{Arguments, Subcommand};
use context::Context;

/// The command line.
pub(crate) fn command() -> clap::Command {
    Arguments::command()
        .mut_subcommand("check", |check| {
            check.after_long_help(exit_code::help_of_check())
        })
        .mut_subcommand("guard", |guard| {
            guard.after_long_help(exit_code::help_of_guard())
        })
}

/// Runs the program.
pub fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let child = Child::of(&mut words);
    let parsed = command()
        .try_get_matches_from(&words)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return to_come::usage(&error),
    };
    let env = Env::read();
    if let Some(Child { colored }) = child {
        return ExitCode::from(answer::as_child(&arguments, &env, colored));
    }
    let shared = &arguments.shared;
    let terminal = Terminal::of_output(shared.color, env.is_set("NO_COLOR"));
    let code = match &arguments.command {
        Some(Subcommand::Check(check)) => check::run(shared, check, &env, terminal),
        Some(Subcommand::Guard(guard)) => guard::run(shared, guard, &env, terminal),
        command => {
            let context = Context::read(shared, &env, terminal.is_colored(), true);
            let done =
                context.and_then(|context| of_runs(&context, command.as_ref(), &words, &env));
            done.unwrap_or_else(|failure| {
                Terminal::new(shared.color, env.is_set("NO_COLOR")).say(&failure.render());
                failure.exit_code()
            })
        }
    };
    ExitCode::from(code)
}

/// What is about runs.
fn of_runs(
    context: &Context,
    command: Option<&Subcommand>,
    words: &[OsString],
    env: &Env,
) -> Result<u8, Failure> {
    match command {
        Some(Subcommand::Log(asked)) => {
            let run = log::resolve(context, &asked.name, asked.user.as_deref(), true)?;
            log::log(context, asked, &run, env)
        }
        Some(Subcommand::Names(asked)) => names::print(context, asked),
        Some(Subcommand::Share(_) | Subcommand::Gc(_)) => {
            share::by_child(words.get(1..).unwrap_or_default())
        }
        Some(Subcommand::Stop(asked)) => {
            let run = log::resolve(context, &asked.name, None, true)?;
            stop::stop(context, asked, &run)
        }
        command => answer::ask(context, command, words.get(1..).unwrap_or_default()),
    }
}

/// This process is a child that reads the share for its parent.
struct Child {
    /// Whether colours may be shown where its output goes.
    colored: bool,
}

impl Child {
    /// Takes what makes it one out of the words of the command line: `__read PARENT COLOUR`.
    fn of(words: &mut Vec<OsString>) -> Option<Self> {
        if words.get(1).is_none_or(|word| word != child::ARGUMENT) || words.len() < 4 {
            return None;
        }
        let parent = words[2].to_string_lossy().into_owned();
        let colored = words[3] == "colour";
        words.drain(1..4);
        child::is_bound_to(&parent).then_some(Self { colored })
    }
}
