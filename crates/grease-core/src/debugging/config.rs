//! The section `logs` of the config: how much is kept, where, and who is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tell::rules::{Notify, check_address};
use crate::model::quantity::{Bytes, Percent, Span};
use crate::model::{AbsolutePath, Flaw, Glob};

/// How much of a job's output is kept, for how long, and who is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Logs {
    /// How long greaserun waits at most, after the job, for the log to reach the shared tree.
    pub wait: Span,
    /// The group that may read the shared tree; everybody may if absent.
    pub group: Option<String>,
    /// How much is kept.
    pub limits: Limits,
    /// How long it is kept on the shared tree.
    pub retention: Retention,
    /// Names of environment variables, as patterns, whose values are masked in what is kept.
    pub redact: Vec<Glob>,
    /// Who else is told of every run.
    pub hooks: Hooks,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            wait: Span::seconds(2),
            group: None,
            limits: Limits::default(),
            retention: Retention::default(),
            redact: [
                "*_PASSWORD",
                "*_SECRET",
                "*_TOKEN",
                "*_PRIVATE_KEY",
                "*_ACCESS_KEY",
                "*_SECRET_KEY",
                "*_API_KEY",
                "*_CONNECTION_STRING",
            ]
            .map(Glob::new)
            .into(),
            hooks: Hooks::default(),
        }
    }
}

/// How much is kept of a run, and on this host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Limits {
    /// Longest log of a run; what is too much is cut out of its middle.
    pub run: Bytes,
    /// How much of its end a cut log keeps.
    pub tail: Bytes,
    /// Most that the logs waiting on this host may take, for each user.
    pub spool: Bytes,
    /// The same as a share of the file system; the smaller of both holds.
    pub spool_pct: Percent,
    /// Space that is left free on the file system of the waiting logs.
    pub spool_min_free: Bytes,
    /// The same as a share of the file system; the larger of both holds.
    pub spool_min_free_pct: Percent,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            run: Bytes::gibibytes(1),
            tail: Bytes::mebibytes(16),
            spool: Bytes::gibibytes(10),
            spool_pct: Percent::new(20),
            spool_min_free: Bytes::gibibytes(1),
            spool_min_free_pct: Percent::new(5),
        }
    }
}

/// How long runs are kept on the shared tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Retention {
    /// Days that a run's record and log are kept.
    #[schemars(range(min = 1, max = 36500))]
    pub days: u32,
    /// Days that those of a failed run are kept.
    #[schemars(range(min = 1, max = 36500))]
    pub failed_days: u32,
    /// Most that a user's runs may take; the oldest days go first.
    pub max_size: Bytes,
    /// Days after which logs are compressed, as `.log.zst`; fewer than 2 count as 2.
    #[schemars(range(min = 1, max = 36500))]
    pub compress_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            days: 30,
            failed_days: 90,
            max_size: Bytes::gibibytes(200),
            compress_days: 7,
        }
    }
}

/// Who else is told of every run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Hooks {
    /// A directory whose `*.prom` files a monitoring agent reads (textfile collector).
    pub textfile_dir: Option<AbsolutePath>,
    /// The address that is asked at each start and end of a run, as healthchecks.io defines it;
    /// the job's name is appended.
    pub ping_url: Option<String>,
    /// Who is told of jobs that fail, or work again.
    pub notify: Vec<Notify>,
}

impl Hooks {
    /// Whether nobody is told of anything.
    pub fn is_empty(&self) -> bool {
        self.textfile_dir.is_none() && self.ping_url.is_none() && self.notify.is_empty()
    }
}

impl Logs {
    /// What contradicts the rules of the section.
    pub fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let Limits { run, tail, .. } = self.limits;
        if tail > run {
            flaws.push(Flaw::new(
                "limits.tail",
                format!("the end kept, {tail}, is longer than the log, {run} (`limits.run`)"),
            ));
        }
        let Retention {
            days, failed_days, ..
        } = self.retention;
        if failed_days < days {
            flaws.push(Flaw::new(
                "retention.failed_days",
                format!("failed runs would be kept for {failed_days} days, others for {days} (`retention.days`)"),
            ));
        }
        let ping_url = self.hooks.ping_url.as_deref();
        flaws.extend(ping_url.and_then(|url| check_address(url, "hooks.ping_url")));
        for (index, notify) in self.hooks.notify.iter().enumerate() {
            flaws.extend(notify.check(&format!("hooks.notify[{index}]")));
        }
        flaws
    }
}
