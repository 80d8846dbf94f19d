//! What is wrong with a config file, with file, line and key.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{ErrorKind, Explain};

/// Something wrong, or doubtful, in a config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The key's path: `guard.max_jobs`, `jobs.match[2].cost`; empty for the file as a whole.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it, if there is something to say.
    pub hint: Option<String>,
    /// Nobody knows the key: without effect when a job runs, since a farm must not stop because one
    /// host has a newer file, and an error when the config is checked.
    pub is_unknown_key: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: ", self.file.display(), self.line)?;
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)
    }
}

/// What there is to say about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The key's path.
    pub(super) path: String,
    /// What there is to say.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
    /// Nobody knows the key.
    pub(super) is_unknown_key: bool,
}

impl Finding {
    /// A finding without a hint.
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            hint: None,
            is_unknown_key: false,
        }
    }
}

/// Why there is no config to go by.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read as text.
    #[error("cannot read config `{}`", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What reading it said.
        #[source]
        source: io::Error,
    },
    /// The file's text is not a config; there is at least one problem.
    #[error("{}", problems_text(file, problems))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// All that is wrong, in the order of the file.
        problems: Vec<Problem>,
        /// What is doubtful besides, in the order of the file.
        warnings: Vec<Problem>,
    },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } => ErrorKind::Config,
            Self::Read { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::Permission,
                io::ErrorKind::NotFound
                | io::ErrorKind::InvalidData
                | io::ErrorKind::FileTooLarge
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::NotADirectory => ErrorKind::Config,
                _ => ErrorKind::Io,
            },
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { problems, .. } => match problems.as_slice() {
                [problem] => problem.hint.clone(),
                _ => None, // Each stands beside its problem.
            },
            Self::Read { .. } => None,
        }
    }
}

fn problems_text(file: &Path, problems: &[Problem]) -> String {
    if let [problem] = problems {
        return problem.to_string();
    }
    let count = problems.len();
    let lines = problems.iter().map(|problem| match &problem.hint {
        Some(hint) => format!("\n  {problem} ({hint})"),
        None => format!("\n  {problem}"),
    });
    format!("{count} problems in config `{}`", file.display()) + &lines.collect::<String>()
}
