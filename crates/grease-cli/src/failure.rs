//! A failure on its way to a person and to the exit code.

use std::error::Error;
use std::fmt::Write as _;

use grease_core::model::{ErrorKind, Explain};

use crate::exit_code;

/// Why a program ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What kind of trouble it is.
    pub(crate) kind: ErrorKind,
    error: anyhow::Error,
    hint: Option<String>,
    /// The exit code, where the kind does not decide it.
    code: Option<u8>,
}

impl Failure {
    /// A failure that is told in one line.
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            error: anyhow::Error::msg(text.into()),
            hint: None,
            code: None,
        }
    }

    /// A signal came before there was a job to pass it on to.
    pub(crate) fn cancelled(signal: i32, text: impl Into<String>) -> Self {
        let code = u8::try_from(signal)
            .ok()
            .map(|signal| exit_code::SIGNAL_BASE + signal);
        Self {
            code,
            ..Self::new(ErrorKind::NotNow, text)
        }
    }

    /// What another process told of its failure.
    pub(crate) fn retold(code: u8, text: &str) -> Self {
        Self {
            code: Some(code),
            ..Self::new(ErrorKind::Bug, text)
        }
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        self.code.unwrap_or(exit_code::of(self.kind))
    }

    /// Puts another hint in front of what there is.
    pub(crate) fn hinting(mut self, text: String) -> Self {
        self.hint = Some(match self.hint {
            Some(hint) => format!("{text}; {hint}"),
            None => text,
        });
        self
    }

    /// Whether a signal ended the run before there was a job.
    pub(crate) fn is_cancellation(&self) -> bool {
        self.code.is_some()
    }

    /// What happened, in one line.
    pub(crate) fn line(&self) -> String {
        format!("{:#}", self.error)
    }

    /// What happened, why, and what to do next.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("error: {}\n", self.error);
        for cause in self.error.chain().skip(1) {
            writeln!(text, "caused by: {cause}").expect("in memory");
        }
        if let Some(hint) = &self.hint {
            writeln!(text, "hint: {hint}").expect("in memory");
        }
        text
    }
}

impl<E: Explain + Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            kind: error.kind(),
            hint: error.hint(),
            error: error.into(),
            code: None,
        }
    }
}
