//! `greaselaunch`: publish the crontabs of a project to all workers.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::shared::Shared;
use crate::to_come;

/// Publish the crontabs of a project to all workers
///
/// This program is not there yet: this version answers only --help and --version.
#[derive(Debug, Parser)]
#[command(name = "greaselaunch", version)]
struct Arguments {
    #[command(flatten)]
    shared: Shared,
}

/// The command line.
pub(crate) fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program.
pub fn main() -> ExitCode {
    to_come::main("greaselaunch", command())
}
