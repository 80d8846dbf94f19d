//! `greasestatus`: show what runs, what failed and why, on this host and on the farm.

mod arguments;
mod artifacts;
mod check;
mod finding;
mod guard;
mod report;
mod witnesses;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use grease_core::sys::env::Env;

use crate::exit_code;
use crate::terminal::Terminal;
use crate::to_come;
use arguments::{Arguments, Subcommand};

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
    let parsed = command()
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return to_come::usage(&error),
    };
    let env = Env::read();
    let shared = &arguments.shared;
    let terminal = Terminal::of_output(shared.color, env.is_set("NO_COLOR"));
    let code = match &arguments.command {
        Some(Subcommand::Check(check)) => check::run(shared, check, &env, terminal),
        Some(Subcommand::Guard(guard)) => guard::run(shared, guard, &env, terminal),
        None => return to_come::main("greasestatus", command()),
    };
    ExitCode::from(code)
}
