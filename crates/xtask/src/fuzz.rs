//! Fuzzing: builds the targets of `crates/fuzz` and runs each for a while on its corpus.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use grease_testkit::{component, length};
use tempfile::TempDir;

use crate::command::command;

/// How long each target runs in an ordinary run, in seconds.
const SECONDS: u32 = 5;

/// After how many seconds one input counts as a stall: a thousand times what the slowest takes, for
/// a machine that does other things too.
const INPUT_SECONDS_MAX: u32 = 20;

/// Memory that a target may use: all of them stay below 100 MB.
const MEMORY_MB_MAX: u32 = 1024;

/// A directory in memory, where there is one.
const MEMORY: &str = "/dev/shm";

/// How many lines of its output are shown of a target that found something.
const LINES_MAX: usize = 40;

/// Runs the named targets, or all, for `minutes` each, or else as long as `SCALEGREASE_LENGTH` says.
pub(crate) fn fuzz(names: &[String], minutes: Option<u32>) -> Result<ExitCode> {
    let seconds = minutes.map_or_else(
        || length::rounds(SECONDS),
        |minutes| minutes.saturating_mul(60),
    );
    let fuzz = Fuzz::new()?;
    let known = targets(&fuzz.directory)?;
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        bail!(
            "there is no fuzz target `{unknown}`, only {}",
            known.join(", ")
        );
    }
    let chosen = if names.is_empty() { &known } else { names };
    let built = fuzz.cargo(&["build", "--release", "--bins"]).status()?;
    ensure!(built.success(), "cannot build the fuzz targets");
    let mut success = true;
    for name in chosen {
        success &= fuzz.run(name, seconds)?;
    }
    Ok(if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Names of all targets.
fn targets(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(directory.join("fuzz_targets"))? {
        let path = entry?.path();
        let name = path.file_stem().context("a file has a name")?;
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

struct Fuzz {
    /// The crate.
    directory: PathBuf,
    /// Where inputs are kept that no commit has.
    kept: PathBuf,
    /// For the files that targets make; in memory, since some do nothing but write files.
    scratch: TempDir,
}

impl Fuzz {
    fn new() -> Result<Self> {
        let root = component::workspace();
        Ok(Self {
            directory: root.join("crates/fuzz"),
            kept: root.join("target/fuzz-inputs"),
            scratch: tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir())?,
        })
    }

    /// Cargo in the crate, whose config has the flags for coverage: those of the caller would
    /// replace them.
    fn cargo(&self, arguments: &[&str]) -> std::process::Command {
        let mut cargo = command("cargo");
        cargo
            .args(arguments)
            .current_dir(&self.directory)
            .env("TMPDIR", self.scratch.path())
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo
    }

    /// Runs one target; tells whether it found nothing.
    fn run(&self, name: &str, seconds: u32) -> Result<bool> {
        let seeds = self.directory.join("corpus").join(name);
        ensure!(seeds.exists(), "the fuzz target `{name}` has no corpus");
        let corpus = self.kept.join(name);
        let findings = self.kept.join("findings");
        for directory in [&corpus, &findings] {
            fs_err::create_dir_all(directory)?;
        }
        let log = self.kept.join(format!("{name}.log"));
        let output = fs_err::File::create(&log)?.into_file();
        let status = self
            .cargo(&["run", "--quiet", "--release", "--bin", name, "--"])
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MB_MAX}"))
            .arg(format!("-artifact_prefix={}/{name}-", findings.display()))
            .arg("-print_final_stats=1")
            .args([&corpus, &seeds])
            .stderr(output)
            .status()?;
        let output = String::from_utf8_lossy(&fs_err::read(&log)?).into_owned();
        if !status.success() {
            eprintln!("{}", reason(&output));
            println!(
                "fuzz {name}: FAILED; crates/fuzz/README.md says how to go on; all output: {}",
                log.display()
            );
            return Ok(false);
        }
        let runs = inputs_run(&output).context("a fuzz target says how many inputs it ran")?;
        println!("fuzz {name}: nothing found with {runs} inputs in {seconds} s");
        Ok(true)
    }
}

/// The part of a target's output that says what it found: from the panic on, else the end.
fn reason(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let panic = lines.iter().position(|line| line.contains("panicked at"));
    let start = panic.unwrap_or(lines.len().saturating_sub(LINES_MAX));
    let shown: Vec<&str> = lines.into_iter().skip(start).take(LINES_MAX).collect();
    shown.join("\n")
}

/// How many inputs were run, by the last lines of libFuzzer.
fn inputs_run(output: &str) -> Option<u64> {
    let count = output
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_corpus_and_is_built() {
        let directory = component::workspace().join("crates/fuzz");
        let manifest = fs_err::read_to_string(directory.join("Cargo.toml")).unwrap();
        let names = targets(&directory).unwrap();
        assert!(names.contains(&"metadata".to_owned()));
        for name in names {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            assert!(directory.join("corpus").join(&name).exists(), "{name}");
        }
    }

    #[test]
    fn the_panic_is_shown_whatever_comes_after_it() {
        let more = "frame\n".repeat(1000);
        let shown = reason(&format!(
            "{more}thread panicked at a.rs:\nhalf a file\n{more}"
        ));
        assert!(
            shown.starts_with("thread panicked at a.rs:\nhalf a file\n"),
            "{shown}"
        );
        assert_eq!(shown.lines().count(), LINES_MAX);
        assert!(reason(&format!("{more}ALARM: timeout")).ends_with("\nALARM: timeout"));
    }

    #[test]
    fn the_number_of_inputs_is_read() {
        let output = "#2 DONE\nstat::number_of_executed_units: 164607\nstat::peak_rss_mb: 28\n";
        assert_eq!(inputs_run(output), Some(164_607));
        assert_eq!(inputs_run("error: no such target"), None);
    }
}
