//! The sections of the config about runners: how a job's command is made.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Flaw, Words};

/// The runners that are built in; no entry of `runners` may have such a name.
const BUILT_IN: [&str; 4] = ["shell", "hadoop", "luigi", "python"];

/// A runner made by the site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(expecting = "an object with `command`")]
pub struct CustomRunner {
    /// The words that stand before the job's own; `{jar_path}` and `{artifact_spec}` in them are
    /// replaced.
    pub command: Words,
    /// The command that ends what a job started elsewhere, run in the job's environment when a
    /// timeout or a signal to greaserun has ended the job; nothing is replaced in it. `off`, or
    /// absent: none.
    #[serde(default, skip_serializing_if = "Hook::is_off")]
    pub on_kill: Hook,
}

/// A command that is run at some event, or none.
///
/// None is `off`, since `null` in the config stands for the default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Words", into = "Words")]
#[schemars(inline)]
pub enum Hook {
    /// No command.
    #[default]
    Off,
    /// The words of the command.
    Run(Words),
}

impl Hook {
    /// The word that stands for none.
    const OFF: &str = "off";

    /// The command, if there is one.
    pub fn command(&self) -> Option<&Words> {
        match self {
            Self::Off => None,
            Self::Run(words) => Some(words),
        }
    }

    fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

impl From<Words> for Hook {
    fn from(words: Words) -> Self {
        if words.as_slice() == [Self::OFF] {
            Self::Off
        } else {
            Self::Run(words)
        }
    }
}

impl From<Hook> for Words {
    fn from(hook: Hook) -> Self {
        match hook {
            Hook::Off => Self::split(Hook::OFF).expect("one word"),
            Hook::Run(words) => words,
        }
    }
}

/// The runner `luigi`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct LuigiRunner {
    /// The words that start Luigi, before the job's own.
    pub command: Words,
}

impl Default for LuigiRunner {
    fn default() -> Self {
        Self {
            command: Words::split("luigi").expect("one word"),
        }
    }
}

/// The runner `hadoop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct HadoopRunner {
    /// The words that start a Hadoop job, before the jar's path.
    pub command: Words,
    /// The words that end YARN applications, before their ids: run when a timeout or a signal to
    /// greaserun has ended a job whose output showed any. `off` leaves them running.
    pub on_kill: Hook,
}

impl Default for HadoopRunner {
    fn default() -> Self {
        Self {
            command: Words::split("hadoop jar").expect("two words"),
            on_kill: Hook::Run(Words::split("yarn application -kill").expect("three words")),
        }
    }
}

/// The runner `shell`; it has no keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct ShellRunner {}

/// The runner `python`; it has no keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct PythonRunner {}

/// Whether `name` is a runner that is built in or in `runners`, without case.
pub fn is_runner(name: &str, runners: &BTreeMap<String, CustomRunner>) -> bool {
    let name = name.to_lowercase();
    BUILT_IN.contains(&name.as_str()) || runners.contains_key(&name)
}

/// What is wrong with the names of the site's own runners.
///
/// They are in lower case, so that two names never differ in case only.
pub fn check_runners(runners: &BTreeMap<String, CustomRunner>) -> Vec<Flaw> {
    runners
        .keys()
        .filter_map(|name| {
            let message = if BUILT_IN.contains(&name.as_str()) {
                format!("`{name}` is built in and cannot be defined again")
            } else if is_name(name) {
                return None;
            } else {
                format!(
                    "`{}` is no name for a runner: a lower-case letter, then lower-case letters, digits, `_` and `-`",
                    name.escape_debug()
                )
            };
            Some(Flaw::new(name, message))
        })
        .collect()
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_a_command_or_off_and_is_written_as_it_is_read() {
        for (json, expected) in [
            (r#""off""#, None),
            (r#"["off"]"#, None),
            (
                r#""yarn application -kill""#,
                Some("yarn application -kill"),
            ),
            (r#"["off", "x"]"#, Some("off x")),
        ] {
            let hook: Hook = serde_json::from_str(json).unwrap();
            let words = expected.map(|text| Words::split(text).unwrap());
            assert_eq!(hook.command(), words.as_ref(), "{json}");
            let written = serde_json::to_string(&hook).unwrap();
            assert_eq!(serde_json::from_str::<Hook>(&written).unwrap(), hook);
        }
        assert!(serde_json::from_str::<Hook>("[]").is_err());
    }
}
