//! `greasesnatch`: install the crontabs that projects have published on this worker.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::shared::Shared;
use crate::to_come;

/// Install the crontabs that projects have published on this worker
///
/// This program is not there yet: this version answers only --help and --version.
#[derive(Debug, Parser)]
#[command(name = "greasesnatch", version)]
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
    to_come::main("greasesnatch", command())
}
