//! What would become of a job that came now.

use grease_core::arbitration::config::OnGuardError;

/// Whether this user can use the guard's own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Yes; or there is none yet.
    Usable,
    /// It can be looked at, and no slot be taken.
    Unwritable,
    /// No.
    Unusable,
}

/// What would become of a job that came now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It would start; with the reason if nobody would ask the guard.
    Start(Option<&'static str>),
    /// It would wait, and be dropped in the end.
    Wait,
    /// It would be dropped at once, for this reason.
    Drop(&'static str),
    /// It can never start on this host.
    Never,
}

impl Verdict {
    /// Decides as greaserun does. The guard is none if it is off.
    pub(super) fn of(
        guard: Option<(State, OnGuardError)>,
        is_impossible: bool,
        refuses: bool,
    ) -> Self {
        let Some((state, on_guard_error)) = guard else {
            return Self::Start(Some("the guard is off (`guard.enabled`)"));
        };
        let without_slot = || match on_guard_error {
            OnGuardError::Admit => Self::Start(Some(
                "the guard's own state cannot be used (`guard.on_guard_error`)",
            )),
            OnGuardError::Refuse => {
                Self::Drop("the guard's own state cannot be used (`guard.on_guard_error`)")
            }
        };
        match state {
            State::Usable | State::Unwritable if is_impossible => Self::Never,
            State::Usable | State::Unwritable if refuses => Self::Wait,
            State::Unusable | State::Unwritable => without_slot(),
            State::Usable => Self::Start(None),
        }
    }

    /// The word for programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Wait => "wait",
            Self::Drop(_) => "drop",
            Self::Never => "never",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_what_greaserun_would_do() {
        use OnGuardError::{Admit, Refuse};
        use State::{Unusable, Unwritable, Usable};

        for (guard, is_impossible, refuses, expected) in [
            (None, true, true, "start"),
            (Some((Usable, Refuse)), false, false, "start"),
            (Some((Usable, Admit)), false, true, "wait"),
            (Some((Usable, Admit)), true, true, "never"),
            (Some((Unwritable, Admit)), false, true, "wait"),
            (Some((Unwritable, Admit)), false, false, "start"),
            (Some((Unwritable, Refuse)), false, false, "drop"),
            (Some((Unusable, Admit)), true, true, "start"),
            (Some((Unusable, Refuse)), false, false, "drop"),
        ] {
            let verdict = Verdict::of(guard, is_impossible, refuses);
            assert_eq!(
                verdict.word(),
                expected,
                "{guard:?} {is_impossible} {refuses}"
            );
        }
    }
}
