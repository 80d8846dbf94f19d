//! `greasestatus`: show what runs, what failed and why, on this host and on the farm.

mod arguments;
mod artifacts;
mod check;
mod finding;
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
    Arguments::command().mut_subcommand("check", |check| {
        check.after_long_help(exit_code::help_of_check())
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
    let Some(Subcommand::Check(check)) = &arguments.command else {
        return to_come::main("greasestatus", command());
    };
    let env = Env::read();
    let terminal = Terminal::of_output(arguments.shared.color, env.is_set("NO_COLOR"));
    ExitCode::from(check::run(&arguments.shared, check, &env, terminal))
}
