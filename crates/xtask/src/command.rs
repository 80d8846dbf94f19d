//! Programs that chores start.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// How many lines of a failed program's output its error carries.
const LINES_OF_OUTPUT_MAX: usize = 20;

/// A program to start, found on `PATH`, with no standard input.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "chores start build tools, not jobs"
    )]
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// Runs a program in silence; where it fails, the error ends with the end of its output.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start `{name}`"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let end = lines.len().saturating_sub(LINES_OF_OUTPUT_MAX);
    bail!(
        "`{name}` failed with {}\n{}",
        output.status,
        lines
            .iter()
            .skip(end)
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    )
}
