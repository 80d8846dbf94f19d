//! Programs of which only the command line is there yet.

use std::process::ExitCode;

use clap::Command;
use grease_core::model::ErrorKind;

use crate::exit_code;
use crate::failure::Failure;
use crate::shared::Color;
use crate::terminal::Terminal;

/// Parses the arguments, and says that there is nothing behind them yet.
pub(crate) fn main(name: &str, command: Command) -> ExitCode {
    match command.try_get_matches() {
        Ok(_) => {
            let text = format!("`{name}` does nothing yet in this version");
            let failure = Failure::new(ErrorKind::Usage, text);
            Terminal::new(Color::Auto, false).say(&failure.render());
            ExitCode::from(failure.exit_code())
        }
        Err(error) => usage(&error),
    }
}

/// Shows help or version, or what is wrong with the command line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    error.print().ok(); // Nobody reads it.
    if error.use_stderr() {
        ExitCode::from(exit_code::USAGE)
    } else {
        ExitCode::SUCCESS
    }
}
