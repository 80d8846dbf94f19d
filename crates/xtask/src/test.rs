//! The test command of the repository.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context as _, Result};
use grease_testkit::{component, length};

use crate::command::command;
use crate::count::Count;
use crate::setup;

/// Where the last line of a run is kept, for who runs further checks after the tests.
const SUMMARY: &str = "target/test-summary.txt";

/// Fetches components, runs the tests, and ends with what was skipped and one line of counts.
///
/// With `arguments`, which select tests, doc tests do not run.
pub(crate) fn test(arguments: &[OsString], times_longer: Option<u32>) -> Result<ExitCode> {
    // A component that cannot be had is reported there, and its tests are skipped or fail.
    setup::setup()?;
    if component::skipped_tests().exists() {
        fs_err::remove_file(component::skipped_tests())?;
    }
    let mut count = Count::default();
    let mut success = true;
    for mut runner in runners(arguments) {
        if let Some(times) = times_longer {
            runner.env(length::LENGTH_VARIABLE, times.to_string());
        }
        success &= run_counting(&mut runner, &mut count)?.success();
    }
    let skipped = fs_err::read_to_string(component::skipped_tests()).unwrap_or_default();
    let skipped: BTreeSet<_> = skipped.lines().collect();
    // A test that lacks two components is one test.
    let tests: BTreeSet<_> = skipped
        .iter()
        .filter_map(|line| line.split_once(component::NEEDS))
        .map(|(test, _)| test)
        .collect();
    count.skip(tests.len().try_into()?);
    for line in &skipped {
        println!("{line}");
    }
    println!("{count}");
    fs_err::write(component::workspace().join(SUMMARY), format!("{count}\n"))?;
    Ok(if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The commands that run the tests, one after the other.
fn runners(arguments: &[OsString]) -> Vec<Command> {
    let cargo = |words: &[&str]| {
        let mut cargo = command("cargo");
        cargo.args(words).current_dir(component::workspace());
        cargo
    };
    let nextest = cargo(&["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut runner = if nextest {
        cargo(&["nextest", "run"])
    } else {
        cargo(&["test", "--no-fail-fast"])
    };
    if arguments.is_empty() {
        runner.arg("--workspace");
    }
    runner.args(arguments);
    if nextest && arguments.is_empty() {
        vec![runner, cargo(&["test", "--workspace", "--doc"])]
    } else {
        vec![runner]
    }
}

/// Runs a program, shows what it prints, and counts the tests in it.
fn run_counting(command: &mut Command, count: &mut Count) -> Result<ExitStatus> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start `cargo`")?;
    let output = child.stdout.take().context("standard output is a pipe")?;
    let errors = child.stderr.take().context("standard error is a pipe")?;
    let errors = thread::spawn(move || show_counting(errors, std::io::stderr()));
    let from_output = show_counting(output, std::io::stdout())?;
    let from_errors = errors
        .join()
        .map_err(|_| anyhow::anyhow!("showing standard error panicked"))??;
    for part in [from_output, from_errors] {
        count.passed += part.passed;
        count.failed += part.failed;
    }
    Ok(child.wait()?)
}

fn show_counting(from: impl Read, mut to: impl Write) -> Result<Count> {
    let mut count = Count::default();
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        count.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(count)
}
