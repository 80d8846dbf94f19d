//! Where benchmarks run: release builds of the programs, and a directory for what they need.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use grease_testkit::component;
use tempfile::TempDir;

use crate::command::{command, run_quietly};

/// The programs, built for release, and a directory for everything that is read and written.
pub(super) struct Ground {
    directory: TempDir,
    programs: PathBuf,
    greaserun: PathBuf,
    examples: PathBuf,
    config: PathBuf,
    rounds: Option<u32>,
}

impl Ground {
    /// Builds the programs and makes the directory, in the system's place for temporary files.
    pub(super) fn prepare(rounds: Option<u32>) -> Result<Self> {
        eprintln!("building the release programs");
        let programs = build()?;
        let directory = tempfile::tempdir()?;
        let config = directory.path().join("scalegrease.json");
        let settings = serde_json::json!({
            "common": { "state_dir": directory.path().join("state") },
            "guard": { "enabled": false },
        });
        fs_err::write(&config, settings.to_string())?;
        Ok(Self {
            greaserun: programs.join("greaserun"),
            examples: programs.join("examples"),
            programs,
            directory,
            config,
            rounds,
        })
    }

    /// The directory; it goes when the benchmarks have ended.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A path in the directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// How often each contestant is measured, unless the caller said otherwise.
    pub(super) fn rounds(&self, usual: u32) -> u32 {
        self.rounds.unwrap_or(usual)
    }

    /// `greaserun` with a runner and what follows, without guard and share, and without a word
    /// about what went well.
    pub(super) fn greaserun(&self, runner: &str, jar: &Path, words: &[&str]) -> Command {
        let mut greaserun = self.greaserun_under(&self.config);
        greaserun.args(["--stdin", "inherit", "--runner", runner]);
        greaserun.arg(jar).arg("--").args(words);
        greaserun
    }

    /// `greaserun` with a config, without a word about what went well; what it is to do is to be
    /// added.
    pub(super) fn greaserun_under(&self, config: &Path) -> Command {
        let mut greaserun = silent(&self.greaserun);
        greaserun.arg("--quiet").arg("--config-file").arg(config);
        greaserun
    }

    /// `greasestatus` with a config; what it is asked is to be added.
    pub(super) fn greasestatus(&self, config: &Path) -> Command {
        let mut greasestatus = silent(self.programs.join("greasestatus"));
        greasestatus.arg("--config-file").arg(config);
        greasestatus
    }

    /// The config without guard and share.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// The path of `greaserun`.
    pub(super) fn program(&self) -> &Path {
        &self.greaserun
    }

    /// A program that does one thing with nothing but a library: an example of its crate.
    pub(super) fn example(&self, name: &str) -> Command {
        silent(self.examples.join(name))
    }
}

/// Starts a greaserun whose job says `runs`, and then runs until its input ends; returns once it
/// does.
pub(super) fn until_it_runs(mut greaserun: Command) -> Result<Child> {
    let mut child = greaserun
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("standard output is a pipe")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    ensure!(line == "runs\n", "the job said `{line}`");
    Ok(child)
}

/// Lets such a job end, which must succeed.
pub(super) fn let_go(mut greaserun: Child) -> Result<()> {
    drop(greaserun.stdin.take());
    let status = greaserun.wait()?;
    ensure!(status.success(), "greaserun failed with {status}");
    Ok(())
}

/// A command that prints to nowhere.
pub(super) fn silent(program: impl AsRef<OsStr>) -> Command {
    let mut command = command(program);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The first line that a program says about itself; `None` if this machine does not have it.
pub(super) fn version_of(program: &str, argument: &str) -> Option<String> {
    let output = command(program).arg(argument).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default().trim();
    output.status.success().then(|| line.to_owned())
}

/// Builds the programs for release; returns the directory that they are in.
fn build() -> Result<PathBuf> {
    let cargo = |words: &[&str]| {
        let mut cargo = command("cargo");
        cargo.args(words).current_dir(component::workspace());
        cargo
    };
    let mut build = cargo(&["build", "--release", "--bin", "greaserun"]);
    build.args(["--bin", "greasestatus"]);
    for package in ["scalegrease", "grease-core", "maven-fetch"] {
        build.args(["--package", package]);
    }
    for example in ["unpack", "farm", "fetch", "warm"] {
        build.args(["--example", example]);
    }
    run_quietly(&mut build)?;
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]).output()?;
    ensure!(metadata.status.success(), "`cargo metadata` failed");
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    let target = metadata["target_directory"].as_str();
    Ok(Path::new(target.context("cargo names its target directory")?).join("release"))
}
