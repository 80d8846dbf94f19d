//! What every error of the engine can say beside its text.

use serde::{Deserialize, Serialize};

/// What kind of trouble it is; decides the exit code (`docs/exit-codes.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The command line cannot be acted upon.
    Usage,
    /// A jar, checksum, crontab or other input is broken or hostile.
    BadInput,
    /// An artifact was not found.
    Unavailable,
    /// The repository of an artifact cannot be reached.
    Unreachable,
    /// A fault of Scalegrease itself.
    Bug,
    /// Reading or writing failed.
    Io,
    /// It may work later: the machine is busy, a lock is held, a share is away.
    NotNow,
    /// Permission or credentials are missing.
    Permission,
    /// The configuration is wrong.
    Config,
    /// The job's program exists and cannot be executed.
    CannotExecute,
    /// The job's program does not exist.
    CommandNotFound,
}

/// An error that a person can act upon.
pub trait Explain: std::error::Error {
    /// What kind of trouble it is.
    fn kind(&self) -> ErrorKind;

    /// What to do about it, if there is something to say.
    fn hint(&self) -> Option<String> {
        None
    }
}
