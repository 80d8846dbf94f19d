//! Why a run was started.

/// Names of programs that start jobs on a schedule, as the kernel shows them.
const CRON_DAEMONS: [&str; 8] = [
    "cron",
    "CRON",
    "crond",
    "CROND",
    "anacron",
    "fcron",
    "bcron-start",
    "bcron-exec",
];

/// Why a run was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// By a schedule.
    Scheduled,
    /// By a person, or by a job.
    Manual,
    /// By continuous integration.
    Ci,
}

/// What is known about the start of this process.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one question with two answers"
)]
pub struct Facts {
    /// `GREASE_RUN_ID` is set: a job started us.
    pub inside_a_run: bool,
    /// `GREASE_ENTRY` is set, or `--cron` was given.
    pub declared: bool,
    /// `CI` is set.
    pub ci: bool,
    /// Names of the ancestor processes; `None` where they cannot be seen.
    pub ancestors: Option<Vec<String>>,
    /// There is a controlling terminal.
    pub terminal: bool,
    /// `TERM` or `SSH_CONNECTION` is set.
    pub session: bool,
}

impl Trigger {
    /// Decides by the rules of `docs/running.md`, first match first.
    pub fn of(facts: &Facts) -> Self {
        if facts.inside_a_run {
            return Self::Manual;
        }
        if facts.declared {
            return Self::Scheduled;
        }
        let by_cron = match &facts.ancestors {
            Some(names) => names
                .iter()
                .any(|name| CRON_DAEMONS.contains(&name.as_str())),
            None => !facts.terminal && !facts.session && !facts.ci,
        };
        match (by_cron, facts.ci) {
            (true, _) => Self::Scheduled,
            (false, true) => Self::Ci,
            (false, false) => Self::Manual,
        }
    }

    /// The word for environment and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Manual => "manual",
            Self::Ci => "ci",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_pipeline_or_a_script_without_a_terminal_is_not_cron() {
        let facts = Facts {
            ancestors: Some(names(&["bash", "sshd", "systemd"])),
            ..Facts::default()
        };
        assert_eq!(Trigger::of(&facts), Trigger::Manual);
    }

    #[test]
    fn a_cron_daemon_among_the_ancestors_is_a_schedule() {
        for daemon in ["cron", "crond", "CRON"] {
            let facts = Facts {
                ancestors: Some(names(&["sh", daemon, "systemd"])),
                ..Facts::default()
            };
            assert_eq!(Trigger::of(&facts), Trigger::Scheduled, "{daemon}");
        }
    }

    #[test]
    fn continuous_integration_is_told_by_its_variable() {
        let facts = Facts {
            ci: true,
            ancestors: Some(names(&["sh"])),
            ..Facts::default()
        };
        assert_eq!(Trigger::of(&facts), Trigger::Ci);
    }

    #[test]
    fn with_hidden_ancestors_only_a_bare_start_counts_as_a_schedule() {
        assert_eq!(Trigger::of(&Facts::default()), Trigger::Scheduled);
        for facts in [
            Facts {
                terminal: true,
                ..Facts::default()
            },
            Facts {
                session: true,
                ..Facts::default()
            },
        ] {
            assert_eq!(Trigger::of(&facts), Trigger::Manual);
        }
        assert_eq!(
            Trigger::of(&Facts {
                ci: true,
                ..Facts::default()
            }),
            Trigger::Ci
        );
    }

    #[test]
    fn a_run_inside_a_run_is_manual_whatever_else_is_set() {
        let facts = Facts {
            inside_a_run: true,
            declared: true,
            ci: true,
            ancestors: Some(names(&["cron"])),
            ..Facts::default()
        };
        assert_eq!(Trigger::of(&facts), Trigger::Manual);
    }
}
