//! The config file: JSON with environment variables in its text, checked as a whole.
//!
//! Keys that begin with `_` are comments and may repeat. `null` is as if the key were absent.
//! What a file does not say is as in [`Config::default`], object by object; lists are replaced
//! as a whole. `docs/config.md` lists the keys.

mod expand;
mod load;
mod problem;
mod reference;
mod review;
mod schema;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use load::{Absent, Loaded, load, parse};
pub use problem::{Error, Problem};
pub use reference::reference;
pub use schema::schema;

use crate::model::jobs::Jobs;
use crate::model::{AbsolutePath, Flaw};
use crate::{arbitration, debugging, deployment, dispatch, execution};

/// The file that is read if no other is named.
pub const DEFAULT_FILE: &str = "/etc/scalegrease.json";

/// The whole config; its default is what an empty file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
#[schemars(title = "Scalegrease config")]
pub struct Config {
    /// Places that all programs use.
    pub common: Common,
    /// Where jars come from.
    pub artifacts: deployment::config::Artifacts,
    /// When a host takes another job.
    pub guard: arbitration::config::Guard,
    /// What jobs are given and what they are held to, by runner and by name.
    pub jobs: Jobs,
    /// The site's own runners, by name; the name is in lower case.
    pub runners: BTreeMap<String, execution::config::CustomRunner>,
    /// The runner `luigi`.
    #[serde(rename = "LuigiRunner")]
    pub luigi_runner: execution::config::LuigiRunner,
    /// The runner `hadoop`.
    #[serde(rename = "HadoopRunner")]
    pub hadoop_runner: execution::config::HadoopRunner,
    /// The runner `shell`; it has no keys.
    #[serde(rename = "ShellRunner")]
    pub shell_runner: execution::config::ShellRunner,
    /// The runner `python`; it has no keys.
    #[serde(rename = "PythonRunner")]
    pub python_runner: execution::config::PythonRunner,
    /// Where crontabs are published, and what they are called where they are installed.
    pub launch: dispatch::config::Launch,
    /// Which published crontabs are installed on this host.
    pub snatch: dispatch::config::Snatch,
    /// How much of a job's output is kept, for how long, and who is told.
    pub logs: debugging::config::Logs,
}

/// Places that all programs use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Common {
    /// The root of the log tree on shared storage; logs stay on the host if absent.
    pub file_logger: Option<AbsolutePath>,
    /// One directory for all that is kept on this host, for tests and trials; the system's
    /// places if absent. On a local file system.
    pub state_dir: Option<AbsolutePath>,
    /// Where scratch directories of jobs are made; under the state directory if absent. On a
    /// file system that allows programs to be executed.
    pub scratch_dir: Option<AbsolutePath>,
}

impl Config {
    /// What contradicts the rules of a section, with the keys' full paths.
    fn check(&self) -> Vec<Flaw> {
        let sections = [
            ("artifacts", self.artifacts.check()),
            ("guard", self.guard.check()),
            ("jobs", self.jobs.check()),
            ("runners", execution::config::check_runners(&self.runners)),
            ("launch", self.launch.check()),
            ("snatch", self.snatch.check()),
            ("logs", self.logs.check()),
        ];
        sections
            .into_iter()
            .flat_map(|(section, flaws)| {
                flaws
                    .into_iter()
                    .map(move |flaw| Flaw::new(format!("{section}.{}", flaw.key), flaw.message))
            })
            .collect()
    }

    /// Names under `jobs.runners` that no runner has, as paths of keys.
    fn unknown_runners(&self) -> impl Iterator<Item = &str> {
        self.jobs
            .runners
            .keys()
            .map(String::as_str)
            .filter(|name| !execution::config::is_runner(name, &self.runners))
    }
}
