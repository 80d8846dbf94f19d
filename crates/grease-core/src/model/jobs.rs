//! The settings of a job, by runner and by name: the section `jobs` of the config.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::limits::{IoNice, Limit, Resource};
use crate::model::quantity::{Bytes, Span, Wait};
use crate::model::{Flaw, Glob};

/// What jobs are given and what they are held to.
///
/// A job's settings are those of `defaults`, over them those of its runner, over them those of
/// every entry of `match` that covers its name, in the order of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Jobs {
    /// For every job.
    pub defaults: Settings,
    /// By runner, in lower case: `shell`, `hadoop`, `luigi`, `python` or a name from `runners`.
    pub runners: BTreeMap<String, Settings>,
    /// By the job's name; where several entries cover it, a later one wins.
    #[serde(rename = "match")]
    pub matches: Vec<Match>,
}

impl Default for Jobs {
    fn default() -> Self {
        // The client of a cluster mostly waits: half the cost of a job that computes here.
        let client = Settings {
            cost: Some(0.5),
            ..Settings::default()
        };
        let hadoop = Settings {
            mem: Some(Bytes::mebibytes(512)),
            ..client.clone()
        };
        Self {
            defaults: JobSettings::default().into(),
            runners: [("hadoop", hadoop), ("luigi", client)]
                .map(|(runner, settings)| (runner.to_owned(), settings))
                .into(),
            matches: Vec::new(),
        }
    }
}

impl Jobs {
    /// The settings of the job named `key` under `runner`, which is compared without case.
    pub fn settings(&self, runner: &str, key: &str) -> JobSettings {
        let mut settings = JobSettings::default();
        settings.apply(&self.defaults);
        if let Some(of_runner) = self.runners.get(&runner.to_lowercase()) {
            settings.apply(of_runner);
        }
        for entry in self.matches.iter().filter(|entry| entry.key.matches(key)) {
            settings.apply(&entry.settings());
        }
        settings
    }

    /// What contradicts the rules of the section.
    pub fn check(&self) -> Vec<Flaw> {
        self.runners
            .keys()
            .filter(|runner| **runner != runner.to_lowercase())
            .map(|runner| {
                let lower = runner.to_lowercase();
                Flaw::new(
                    format!("runners.{runner}"),
                    format!("a runner's name is in lower case here: `{lower}`"),
                )
            })
            .collect()
    }
}

/// Defines the optional settings once, for `Settings` and, with a pattern before them, `Match`.
macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident: $type:ty,)*) => {
        /// Settings of a job; what is absent is left as the level below has it.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(default, expecting = "an object")]
        pub struct Settings {
            $(
                $(#[$attribute])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
        }

        /// Settings of the jobs whose name a pattern covers.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(expecting = "an object")]
        pub struct Match {
            /// The jobs: a pattern over `group:artifact#part`, in which `*` stands for any text
            /// and `?` for one character.
            pub key: Glob,
            $(
                $(#[$attribute])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
        }

        impl Match {
            /// The settings without the pattern.
            pub fn settings(&self) -> Settings {
                Settings { $($name: self.$name.clone(),)* }
            }
        }
    };
}

settings! {
    /// How much of the host's capacity it takes, in CPUs; counted against `guard.cost_capacity`.
    #[schemars(range(min = 0.01, max = 1024))]
    cost: f64,
    /// Memory that the guard sets aside for it; 0 sets nothing aside.
    mem: Bytes,
    /// Disk space that must be free in the scratch directory beyond `guard.disk`; 0 asks for
    /// nothing.
    disk: Bytes,
    /// Who goes first when the host is busy, and who is dropped first.
    priority: Priority,
    /// What happens if it still runs when it is started again; if absent, `forbid` for a
    /// scheduled start and `allow` for any other.
    overlap: Overlap,
    /// How many of it may run at a time on a host when `overlap` is `allow`; any number if absent.
    #[schemars(range(min = 1, max = 1000))]
    max_running: u32,
    /// Where a scheduled tick runs once: on every `host` that has the crontab line, or on one
    /// host of the `farm`, which has the effect of `host` in this version.
    single_run: SingleRun,
    /// Longest run, `forever` for no limit; then it is asked to end, and after `grace` killed.
    timeout: Wait,
    /// From the request to end (SIGTERM) to the kill.
    grace: Span,
    /// How long output is read on after the job has ended and something still holds its stdout.
    drain: Span,
    /// What it reads: nothing (`null`), or what greaserun was given (`inherit`).
    stdin: Stdin,
    /// Its niceness, setpriority(2); greaserun's own if that is higher.
    #[schemars(range(min = -20, max = 19))]
    nice: i32,
    /// Its I/O scheduling class, `ioprio_set(2)`; as greaserun's if absent.
    ionice: IoNice,
    /// Its `oom_score_adj`, proc(5): the higher, the sooner it dies for lack of memory.
    #[schemars(range(min = -1000, max = 1000))]
    oom_score_adj: i32,
    /// Its resource limits, hard and soft, by the names of setrlimit(2): `as`, `core`, `cpu`,
    /// `data`, `fsize`, `memlock`, `nofile`, `nproc`, `stack`.
    rlimits: BTreeMap<Resource, Limit>,
    /// What happens to processes of a run whose greaserun was killed: they are killed by the
    /// next run on the host, or left alone and counted by the guard.
    on_supervisor_death: OnSupervisorDeath,
    /// What happens to processes that outlive the job's first process: they are killed, waited
    /// for, or left to themselves.
    leftovers: Leftovers,
}

/// The settings that a run goes by.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSettings {
    /// Share of the host's capacity, in CPUs.
    pub cost: f64,
    /// Memory set aside.
    pub mem: Option<Bytes>,
    /// Disk space that must be free beyond the guard's limit.
    pub disk: Option<Bytes>,
    /// Who goes first.
    pub priority: Priority,
    /// What happens if it still runs; by the trigger if absent.
    pub overlap: Option<Overlap>,
    /// How many may run at a time when they may overlap; any number if absent.
    pub max_running: Option<u32>,
    /// Where a tick runs once.
    pub single_run: SingleRun,
    /// Longest run.
    pub timeout: Option<Duration>,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// How long output is read on after the job's end.
    pub drain: Duration,
    /// What the job reads.
    pub stdin: Stdin,
    /// Its niceness; greaserun's own if that is higher.
    pub nice: i32,
    /// Its I/O scheduling class, if it differs from greaserun's.
    pub ionice: Option<IoNice>,
    /// Its `oom_score_adj`.
    pub oom_score_adj: i32,
    /// Its resource limits.
    pub rlimits: BTreeMap<Resource, Limit>,
    /// What happens to its processes when greaserun is killed.
    pub on_supervisor_death: OnSupervisorDeath,
    /// What happens to processes that outlive it.
    pub leftovers: Leftovers,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            cost: 1.0,
            mem: None,
            disk: None,
            priority: Priority::Normal,
            overlap: None,
            max_running: None,
            single_run: SingleRun::Host,
            timeout: None,
            grace: Duration::from_secs(30),
            drain: Duration::from_secs(2),
            stdin: Stdin::Null,
            nice: 5,
            ionice: None,
            oom_score_adj: 300,
            rlimits: BTreeMap::from([(Resource::Core, Limit::At(0))]),
            on_supervisor_death: OnSupervisorDeath::Kill,
            leftovers: Leftovers::Kill,
        }
    }
}

impl JobSettings {
    /// Lays `over` over these settings; resource limits are laid over one by one.
    pub fn apply(&mut self, over: &Settings) {
        set(&mut self.cost, over.cost);
        set(&mut self.mem, over.mem.map(more_than_none));
        set(&mut self.disk, over.disk.map(more_than_none));
        set(&mut self.priority, over.priority);
        set(&mut self.overlap, over.overlap.map(Some));
        set(&mut self.max_running, over.max_running.map(Some));
        set(&mut self.single_run, over.single_run);
        set(&mut self.timeout, over.timeout.map(Wait::limit));
        set(&mut self.grace, over.grace.map(Span::get));
        set(&mut self.drain, over.drain.map(Span::get));
        set(&mut self.stdin, over.stdin);
        set(&mut self.nice, over.nice);
        set(&mut self.ionice, over.ionice.map(Some));
        set(&mut self.oom_score_adj, over.oom_score_adj);
        self.rlimits.extend(over.rlimits.iter().flatten());
        set(&mut self.on_supervisor_death, over.on_supervisor_death);
        set(&mut self.leftovers, over.leftovers);
    }
}

impl From<JobSettings> for Settings {
    fn from(settings: JobSettings) -> Self {
        let timeout = settings.timeout.map(|limit| Wait::AtMost(Span::new(limit)));
        Self {
            cost: Some(settings.cost),
            mem: settings.mem,
            disk: settings.disk,
            priority: Some(settings.priority),
            overlap: settings.overlap,
            max_running: settings.max_running,
            single_run: Some(settings.single_run),
            timeout: Some(timeout.unwrap_or(Wait::Forever)),
            grace: Some(Span::new(settings.grace)),
            drain: Some(Span::new(settings.drain)),
            stdin: Some(settings.stdin),
            nice: Some(settings.nice),
            ionice: settings.ionice,
            oom_score_adj: Some(settings.oom_score_adj),
            rlimits: Some(settings.rlimits),
            on_supervisor_death: Some(settings.on_supervisor_death),
            leftovers: Some(settings.leftovers),
        }
    }
}

fn set<T>(target: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *target = value;
    }
}

fn more_than_none(bytes: Bytes) -> Option<Bytes> {
    (bytes.get() > 0).then_some(bytes)
}

/// Who goes first when the host is busy, and who is dropped first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Priority {
    /// Goes last: backfills.
    Low,
    /// Goes by the order of arrival.
    Normal,
    /// Goes first.
    High,
}

impl fmt::Display for Priority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        })
    }
}

/// What happens to a start while the job still runs on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Overlap {
    /// The new run is skipped.
    Forbid,
    /// The new run waits; of several that wait, only the newest runs.
    Queue,
    /// Both run; beyond `max_running` the new run waits.
    Allow,
    /// The old run is ended.
    Replace,
}

/// Where one tick of a schedule runs once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum SingleRun {
    /// On each host that has the crontab line.
    Host,
    /// On one host of all that share the log tree.
    Farm,
}

/// What a job reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Stdin {
    /// Nothing: `/dev/null`.
    Null,
    /// What greaserun was given.
    Inherit,
}

/// What happens to processes of a run whose greaserun was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum OnSupervisorDeath {
    /// The next run on the host kills them.
    Kill,
    /// They go on, and the guard counts their cost.
    Count,
}

/// What happens to processes that outlive the job's first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Leftovers {
    /// They are asked to end, and killed after `grace`.
    Kill,
    /// The run goes on until they have ended.
    Wait,
    /// They are recorded and left to themselves.
    Detach,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_built_in_settings_are_those_of_a_job_that_nothing_is_said_about() {
        assert_eq!(
            Jobs::default().settings("shell", "g:a#x"),
            JobSettings::default()
        );
    }

    #[test]
    fn a_later_level_wins_and_says_nothing_about_the_rest() {
        let jobs: Jobs = serde_json::from_str(
            r#"{
                "defaults": {"nice": 1, "grace": "1s", "timeout": "1h", "mem": "1GiB"},
                "runners": {"hadoop": {"nice": 2, "rlimits": {"nofile": 99}}},
                "match": [
                    {"key": "g:*", "nice": 3, "timeout": "forever"},
                    {"key": "g:a#*", "nice": 4, "mem": 0},
                    {"key": "other", "nice": 5}
                ]
            }"#,
        )
        .unwrap();
        let settings = jobs.settings("HADOOP", "g:a#x");
        assert_eq!(settings.nice, 4);
        assert_eq!(settings.grace, Duration::from_secs(1));
        assert_eq!(settings.timeout, None);
        assert_eq!(settings.mem, None);
        assert_eq!(
            settings.rlimits,
            BTreeMap::from([
                (Resource::Core, Limit::At(0)),
                (Resource::Nofile, Limit::At(99))
            ])
        );
        assert_eq!(
            jobs.settings("shell", "none").timeout,
            Some(Duration::from_hours(1))
        );
    }

    fn any_settings() -> impl Strategy<Value = Settings> {
        (
            proptest::option::of(-20..20_i32),
            proptest::option::of(0..3_u64),
            proptest::option::of(any::<bool>()),
            proptest::option::of(0..4_u64),
        )
            .prop_map(|(nice, mem, farm, nofile)| Settings {
                nice,
                mem: mem.map(Bytes::new),
                single_run: farm.map(|farm| {
                    if farm {
                        SingleRun::Farm
                    } else {
                        SingleRun::Host
                    }
                }),
                rlimits: nofile.map(|limit| BTreeMap::from([(Resource::Nofile, Limit::At(limit))])),
                ..Settings::default()
            })
    }

    proptest! {
        #[test]
        fn the_last_level_that_says_something_wins(levels in proptest::collection::vec(any_settings(), 0..6)) {
            let mut merged = JobSettings::default();
            for level in &levels {
                merged.apply(level);
            }
            let last = |nice: fn(&Settings) -> Option<i32>| levels.iter().rev().find_map(nice);
            prop_assert_eq!(merged.nice, last(|level| level.nice).unwrap_or(5));
            let mem = levels.iter().rev().find_map(|level| level.mem).filter(|mem| mem.get() > 0);
            prop_assert_eq!(merged.mem, mem);
            let mut again = merged.clone();
            again.apply(&merged.clone().into());
            prop_assert_eq!(&again.rlimits, &merged.rlimits);
            prop_assert_eq!(again.nice, merged.nice);
        }
    }
}
