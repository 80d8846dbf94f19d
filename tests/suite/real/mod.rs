//! Jobs run by the real Luigi, the real Hadoop client and from a jar that the real Maven built.
//!
//! What a test needs comes by `cargo xtask setup`; without it the test is skipped and says so.

mod example;
mod fat_jar;
mod hadoop;
mod luigi;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use grease_testkit::component::{Component, require};
use tempfile::TempDir;

/// A directory with a config file, where nothing of the machine's own Scalegrease is used.
struct Site {
    directory: TempDir,
    path: OsString,
}

impl Site {
    /// A site where programs are looked for in `directories`, then in those of the system.
    fn new(directories: &[&Path]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "common": { "state_dir": directory.path().join("state") },
            "guard": { "enabled": false },
        });
        fs_err::write(
            directory.path().join("scalegrease.json"),
            config.to_string(),
        )
        .unwrap();
        let system = [Path::new("/usr/bin"), Path::new("/bin")];
        let path = std::env::join_paths(directories.iter().copied().chain(system)).unwrap();
        Self { directory, path }
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A program of this site, in its directory, without the environment of the tests.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        #[expect(
            clippy::disallowed_methods,
            reason = "the test stands outside of the program"
        )]
        let mut command = Command::new(program);
        command
            .current_dir(self.directory())
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `greaserun` with this site's config and a runner; the jar and the job's words come next.
    fn greaserun(&self, runner: &str) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_greaserun"));
        command
            .arg("-c")
            .arg(self.directory().join("scalegrease.json"))
            .args(["-r", runner]);
        command
    }
}

/// Runs a program, asserts its exit code, and gives its standard output.
#[track_caller]
fn run(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_code(&output, code);
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "standard output:\n{}\nstandard error:\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The directory of a component's program, for a search path.
fn directory_of(component: Component) -> Option<PathBuf> {
    let path = require(component)?.path;
    Some(if path.is_dir() {
        path
    } else {
        path.parent().unwrap().to_owned()
    })
}
