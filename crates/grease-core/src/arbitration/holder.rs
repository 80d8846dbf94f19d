//! The run in a slot, as it stands in a file that other users may write.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::model::harmless;
use crate::model::jobs::Priority;

/// Longest text out of a file, in characters: as long as the name of a job can be.
const CHARACTERS_MAX: usize = 200;

/// The run in a slot. Its texts are [`harmless`] when they were read from a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// Version of this format.
    pub v: u32,
    /// The host's boot.
    pub boot: String,
    /// The run.
    #[serde(deserialize_with = "text")]
    pub run: String,
    /// Its job.
    #[serde(deserialize_with = "text")]
    pub job: String,
    /// Its user.
    #[serde(deserialize_with = "text")]
    pub user: String,
    /// Process id of its greaserun.
    pub pid: u32,
    /// Share of the host's capacity, in CPUs.
    pub cost: f64,
    /// Memory set aside, bytes.
    pub mem_bytes: u64,
    /// Its priority.
    pub priority: Priority,
    /// When it was admitted, seconds since boot.
    pub admitted_s: f64,
}

#[cfg(test)]
impl Holder {
    /// The holder of tests: a run of cost 1 in a boot called `boot`.
    pub(super) fn of(run: &str) -> Self {
        Self {
            v: 1,
            boot: "boot".to_owned(),
            run: run.to_owned(),
            job: "g:a#x".to_owned(),
            user: "etl".to_owned(),
            pid: 1,
            cost: 1.0,
            mem_bytes: 0,
            priority: Priority::Normal,
            admitted_s: 0.0,
        }
    }
}

/// Reads a text that people will see.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(harmless(&text, &[], CHARACTERS_MAX))
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, run, user, .. } = self;
        write!(formatter, "{job} (run {run} of {user})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_steer_a_terminal() {
        let long = "x".repeat(500);
        let json = serde_json::json!({
            "v": 1, "boot": "boot", "run": "R\u{7}", "job": long, "user": "\u{1b}]0;root\u{7}",
            "pid": 1, "cost": 1.0, "mem_bytes": 0, "priority": "normal", "admitted_s": 0.0,
        });
        let holder: Holder = serde_json::from_value(json).unwrap();
        let job = "x".repeat(CHARACTERS_MAX);
        let expected = format!("{job}… (run R\\u{{7}} of \\u{{1b}}]0;root\\u{{7}})");
        assert_eq!(holder.to_string(), expected);
    }
}
