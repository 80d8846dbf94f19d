//! Execution: how a job is run and supervised.
//!
//! A [`runner`] makes a [`command::Command`] out of the jar and the words of the command line;
//! [`supervise()`] starts it through a stub ([`stub`]), watches over everything that it starts
//! and returns how it ended.

pub mod command;
pub mod config;
mod diagnosis;
pub mod on_kill;
pub mod placeholder;
pub mod runner;
pub mod scratch;
pub mod stub;
pub mod supervise;
pub mod survivors;

use std::path::PathBuf;

use crate::jar;
use crate::model::{ErrorKind, Explain};

pub use diagnosis::SpawnFailure;
pub use supervise::{Event, Outcome, supervise};

/// Why a job could not be planned or started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No runner of that name.
    #[error("there is no runner `{name}`")]
    UnknownRunner {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The runner has nothing to run.
    #[error("runner `{runner}` needs a command after ARTIFACT")]
    NoCommand {
        /// The runner's name.
        runner: &'static str,
    },
    /// ARTIFACT is `-`, and the runner lives off a jar.
    #[error("runner `{runner}` needs an artifact, and ARTIFACT is `-`")]
    ArtifactNeeded {
        /// The runner's name.
        runner: &'static str,
    },
    /// A placeholder stands for something that this run does not have.
    #[error("`{{{name}}}` stands for nothing, since ARTIFACT is `-`")]
    PlaceholderWithoutArtifact {
        /// The placeholder's name.
        name: &'static str,
    },
    /// The artifact is no archive.
    #[error("runner `{runner}` needs a jar, and `{path}` is none")]
    NotAJar {
        /// The runner's name.
        runner: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The jar is broken or hostile, or does not hold what the runner needs.
    #[error(transparent)]
    Jar {
        /// What is wrong with it.
        source: jar::Error,
    },
    /// The scratch directory cannot be made.
    #[error("cannot make a scratch directory below `{root}`")]
    Scratch {
        /// The configured place.
        root: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Supervision cannot be set up.
    #[error("cannot supervise the job: {action} failed")]
    Supervise {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The job's program cannot be started.
    #[error(transparent)]
    Spawn(#[from] SpawnFailure),
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownRunner { .. }
            | Self::NoCommand { .. }
            | Self::ArtifactNeeded { .. }
            | Self::PlaceholderWithoutArtifact { .. } => ErrorKind::Usage,
            Self::NotAJar { .. } => ErrorKind::BadInput,
            Self::Jar { source } => source.kind(),
            Self::Scratch { source, .. } if is_permission(source) => ErrorKind::Permission,
            Self::Scratch { .. } | Self::Supervise { .. } => ErrorKind::Io,
            Self::Spawn(failure) => failure.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownRunner { known, .. } => Some(format!(
                "there are: {}; more can be defined under `runners` in the config",
                known.join(", ")
            )),
            Self::NoCommand { .. } => {
                Some("greaserun -r RUNNER ARTIFACT COMMAND...; see greaserun --help".to_owned())
            }
            Self::Scratch { .. } => {
                Some("set `common.scratch_dir` in the config to a directory with room".to_owned())
            }
            Self::Jar { source } => source.hint(),
            Self::Spawn(failure) => failure.hint(),
            Self::ArtifactNeeded { .. }
            | Self::PlaceholderWithoutArtifact { .. }
            | Self::NotAJar { .. }
            | Self::Supervise { .. } => None,
        }
    }
}

fn is_permission(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::PermissionDenied
}
