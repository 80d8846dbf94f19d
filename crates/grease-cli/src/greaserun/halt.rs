//! Why a run does not come to its job's start or end.

use grease_core::model::ErrorWord;
use grease_core::model::guard::GuardRecord;

use crate::failure::Failure;

/// Why a run has no outcome.
pub(super) enum Halt {
    /// Something went wrong.
    Failed(Failure),
    /// Not now: that is the host's choice, and nobody's failure.
    Dropped(Box<Dropped>),
}

/// A run that was not started because it was not the time for it.
pub(super) struct Dropped {
    /// Which runs are the same job.
    pub(super) key: String,
    /// The record's word for it.
    pub(super) word: ErrorWord,
    /// What became of it and why, to stand behind the job's name: "was dropped after 10 s: ..."
    pub(super) text: String,
    /// What else there is to know, and what to do; one hint each.
    pub(super) hints: Vec<String>,
    /// What the guard saw.
    pub(super) guard: Option<GuardRecord>,
}

impl<F: Into<Failure>> From<F> for Halt {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}
