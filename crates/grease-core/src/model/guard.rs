//! What the guard looked at, as it stands in records and is shown to people.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ErrorWord;

/// What the guard looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// Jobs that run.
    Jobs,
    /// The sum of their costs.
    Cost,
    /// The time since the last start.
    Spacing,
    /// Jobs of higher priority that wait.
    Priority,
    /// The corrected load average.
    Load,
    /// Pressure stall information of CPU.
    CpuPressure,
    /// Of memory.
    MemoryPressure,
    /// Of I/O.
    IoPressure,
    /// Available memory.
    Memory,
    /// Free swap space.
    Swap,
    /// Free disk space.
    Disk,
    /// Free inodes.
    Inodes,
    /// Room for further processes.
    Processes,
    /// The site's own command.
    Command,
}

impl Signal {
    /// The word for a run that was dropped because of it.
    pub fn error(self) -> ErrorWord {
        match self {
            Self::Jobs => ErrorWord::GuardJobs,
            Self::Cost => ErrorWord::GuardCost,
            Self::Spacing => ErrorWord::GuardSpacing,
            Self::Priority => ErrorWord::GuardPriority,
            Self::Load => ErrorWord::GuardLoad,
            Self::CpuPressure => ErrorWord::GuardCpuPressure,
            Self::MemoryPressure => ErrorWord::GuardMemoryPressure,
            Self::IoPressure => ErrorWord::GuardIoPressure,
            Self::Memory => ErrorWord::GuardMemory,
            Self::Swap => ErrorWord::GuardSwap,
            Self::Disk => ErrorWord::GuardDisk,
            Self::Inodes => ErrorWord::GuardInodes,
            Self::Processes => ErrorWord::GuardProcesses,
            Self::Command => ErrorWord::GuardCommand,
        }
    }
}

/// One signal with its limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The signal.
    pub signal: Signal,
    /// What it is, with the job.
    pub value: f64,
    /// What it may be at most, or must be at least.
    pub limit: f64,
    /// Whether the limit is the least.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// What it is called, with its unit.
    pub what: String,
    /// Whether it speaks against a start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refuses: bool,
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, .. } = self;
        let (value, limit) = (short(self.value), short(self.limit));
        let bound = if self.at_least { "at least" } else { "at most" };
        write!(formatter, "{what}: {value} ({bound} {limit})")
    }
}

/// A number with no more digits than people need.
pub fn short(number: f64) -> String {
    if number.fract() == 0.0 || number.abs() >= 1000.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.2}")
    }
}

/// What the guard saw when it admitted or dropped a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GuardRecord {
    /// How long the run waited, milliseconds.
    pub waited_ms: u64,
    /// Slots that are held.
    pub slots_used: usize,
    /// Slots that there are for its priority.
    pub slots: usize,
    /// Runs that wait beside it.
    pub waiting: usize,
    /// Whether it started without being asked for its right to (`--force`, or the guard's own
    /// trouble).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    /// Every signal that could be read, with its limit.
    pub checks: Vec<Check>,
    /// The runs in the slots with the longest first, at most five; of a drop only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<String>,
}

impl GuardRecord {
    /// What speaks against a start.
    pub fn refusals(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.refuses)
    }

    /// The same without the signals that did not refuse.
    #[must_use]
    pub fn of_refusals(&self) -> Self {
        Self {
            checks: self.refusals().cloned().collect(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_reads_as_a_sentence() {
        let check = |value, at_least, what: &str| Check {
            signal: Signal::Load,
            value,
            limit: 10.0,
            at_least,
            what: what.to_owned(),
            refuses: true,
        };
        assert_eq!(
            check(11.256, false, "load").to_string(),
            "load: 11.26 (at most 10)"
        );
        let text = check(9.0, true, "MiB of memory left").to_string();
        assert_eq!(text, "MiB of memory left: 9 (at least 10)");
    }
}
