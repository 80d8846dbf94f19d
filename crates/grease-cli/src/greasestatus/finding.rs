//! Something that a person should look at.

use std::fmt::Write as _;
use std::io;

use grease_core::config::Problem;
use grease_core::model::{ErrorKind, Explain, harmless};
use serde_json::{Value, json};

use crate::exit_code;

/// What to do about an unknown key that resembles no known one.
const UNKNOWN_KEY: &str = "take it out, or look up its name in docs/config.md";

/// Something that a person should look at.
#[derive(Debug)]
pub(super) struct Finding {
    /// What kind of error it is; none for what is only doubtful.
    error: Option<ErrorKind>,
    /// What it is, in one line.
    pub(super) text: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
}

impl Finding {
    /// Something doubtful.
    pub(super) fn warning(text: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            error: None,
            text: text.into(),
            hint,
        }
    }

    /// An error with its causes.
    pub(super) fn error<E: Explain>(error: &E) -> Self {
        Self {
            error: Some(error.kind()),
            ..Self::doubt(error)
        }
    }

    /// The same where nothing depends on it.
    pub(super) fn doubt<E: Explain>(error: &E) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        Self::warning(text, error.hint())
    }

    /// What the system refuses to do, after its reason.
    pub(super) fn refused_by_system(text: impl Into<String>, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            _ => ErrorKind::Io,
        };
        Self {
            error: Some(kind),
            ..Self::warning(text, None)
        }
    }

    /// Why a config is refused.
    pub(super) fn refused(problem: &Problem) -> Self {
        Self {
            error: Some(ErrorKind::Config),
            ..Self::warning(problem.to_string(), problem.hint.clone())
        }
    }

    /// What is odd in a config: an unknown key is an error here.
    pub(super) fn odd(problem: &Problem) -> Self {
        let mut finding = Self::warning(problem.to_string(), problem.hint.clone());
        if problem.is_unknown_key {
            finding.error = Some(ErrorKind::Config);
            finding.hint.get_or_insert_with(|| UNKNOWN_KEY.to_owned());
        }
        finding
    }

    fn severity(&self) -> &'static str {
        match self.error {
            Some(_) => "error",
            None => "warning",
        }
    }

    /// For people: one line, and one with what to do about it.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.severity(), shown(&self.text));
        if let Some(hint) = &self.hint {
            writeln!(text, "hint: {}", shown(hint)).expect("in memory");
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({"severity": self.severity(), "text": self.text, "hint": self.hint})
    }
}

/// A text fit for a terminal: other users choose the names of their files.
fn shown(text: &str) -> String {
    harmless(text, &['\n'], usize::MAX)
}

/// The exit code: that of the first error, else whether there was anything.
pub(super) fn exit_code(findings: &[Finding]) -> u8 {
    let error = findings.iter().find_map(|finding| finding.error);
    match (error, findings) {
        (Some(kind), _) => exit_code::of(kind),
        (None, []) => 0,
        (None, _) => exit_code::FOUND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_cannot_steer_a_terminal() {
        let finding = Finding::warning("a\x1b[2J", Some("b\rc\nd".to_owned()));
        assert_eq!(finding.text(), "warning: a\\u{1b}[2J\nhint: b\\rc\nd\n");
    }

    #[test]
    fn the_first_error_decides_the_exit_code_and_then_whether_there_is_anything() {
        let warning = || Finding::warning("w", None);
        let error = |kind| Finding {
            error: Some(kind),
            ..warning()
        };
        assert_eq!(exit_code(&[]), 0);
        assert_eq!(exit_code(&[warning()]), 1);
        let findings = [
            warning(),
            error(ErrorKind::Config),
            error(ErrorKind::Permission),
        ];
        assert_eq!(exit_code(&findings), 78);
    }
}
