//! Jobs run by the real Luigi, the real Hadoop client and from a jar that the real Maven built.
//!
//! What a test needs comes by `cargo xtask setup`; without it the test is skipped and says so.

mod example;
mod fat_jar;
mod hadoop;
mod luigi;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Finished, Run, Sandbox};

/// A sandbox whose jobs find the programs of some components.
struct Site {
    sandbox: Sandbox,
    path: OsString,
}

impl Site {
    /// A site where programs are looked for in `directories`, then in those of the system.
    fn new(directories: &[PathBuf]) -> Self {
        let system = ["/usr/bin", "/bin"].map(PathBuf::from);
        Self {
            sandbox: Sandbox::new(env!("CARGO_BIN_EXE_greaserun")),
            path: std::env::join_paths(directories.iter().chain(&system)).unwrap(),
        }
    }

    /// `greaserun -r RUNNER JAR WORDS`.
    fn greaserun(&self, runner: &str, jar: &Path, words: &[&str]) -> Run {
        self.sandbox
            .greaserun(["-r", runner])
            .arguments([jar])
            .arguments(words)
            .env("PATH", &self.path)
    }
}

/// Asserts an exit code and gives the standard output.
#[track_caller]
fn output_with_code(finished: &Finished, code: i32) -> String {
    assert_eq!(finished.code, Some(code), "{}", finished.all());
    finished.out()
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
