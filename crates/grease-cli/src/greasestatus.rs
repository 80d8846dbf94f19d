//! `greasestatus`: show what runs, what failed and why, on this host and on the farm.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::shared::Shared;
use crate::to_come;

/// Show what runs, what failed and why, on this host and on the farm
///
/// This program is not there yet: this version answers only --help and --version.
#[derive(Debug, Parser)]
#[command(name = "greasestatus", version)]
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
    to_come::main("greasestatus", command())
}
