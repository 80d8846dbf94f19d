//! The section `guard` of the config: when a host takes another job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::quantity::{Amount, Bytes, Percent, Span, Threshold, Wait};
use crate::model::{Flaw, Words};

/// When a host takes another job, how long a job waits, and how starts are spread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Guard {
    /// Whether the guard is asked at all; off, every job starts at once.
    pub enabled: bool,
    /// What happens when the guard's own state cannot be used: the job is admitted or refused.
    pub on_guard_error: OnGuardError,
    /// Most jobs that run on the host at a time.
    pub max_jobs: Amount,
    /// Most that the `cost` of the running jobs may add up to.
    pub cost_capacity: Amount,
    /// Slots that only jobs of high priority may take.
    #[schemars(range(max = 1000))]
    pub reserved_high: u32,
    /// So many jobs may run however loaded the host is, after half of `max_wait`; memory, disk
    /// and process limits hold even then.
    #[schemars(range(max = 1000))]
    pub min_running: u32,
    /// The load average of one minute, for each CPU and corrected for jobs that just started or
    /// ended, above which no job of that priority starts.
    pub load1_per_core: LoadLimits,
    /// Pressure stall information of the kernel from which on no job starts.
    pub pressure: PressureLimits,
    /// Memory that must be available.
    pub memory: MemoryLimits,
    /// Swap space that must be free while memory is short; a host without swap passes.
    pub swap_min_free: Percent,
    /// Disk space that must be free, by place.
    pub disk: DiskPlaces,
    /// Processes that must still fit into the limit of the control group.
    #[schemars(range(max = 1_000_000))]
    pub pids_headroom: u32,
    /// Shortest time between two starts on the host.
    pub start_spacing: Span,
    /// How long a job waits for the guard before it is dropped.
    pub max_wait: MaxWait,
    /// After so long a job of lower priority is treated as one of the next higher.
    pub aging: Span,
    /// What happens when jobs are dropped.
    pub drop: DropNotice,
    /// A command of the site that is asked as well: exit 0 admits, 1 refuses.
    pub command: Option<Words>,
    /// How scheduled starts of the same minute are spread.
    pub jitter: Jitter,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            enabled: true,
            on_guard_error: OnGuardError::Admit,
            max_jobs: Amount::EachCpu(4.0),
            cost_capacity: Amount::EachCpu(2.0),
            reserved_high: 1,
            min_running: 1,
            load1_per_core: LoadLimits::default(),
            pressure: PressureLimits::default(),
            memory: MemoryLimits::default(),
            swap_min_free: Percent::new(10),
            disk: DiskPlaces::default(),
            pids_headroom: 200,
            start_spacing: Span::milliseconds(250),
            max_wait: MaxWait::default(),
            aging: Span::minutes(5),
            drop: DropNotice::default(),
            command: None,
            jitter: Jitter::default(),
        }
    }
}

/// What happens when the guard's own state cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum OnGuardError {
    /// The job starts, with a warning.
    Admit,
    /// The job is dropped.
    Refuse,
}

/// Load averages for each CPU, by priority of the job.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct LoadLimits {
    /// For jobs of low priority.
    #[schemars(range(min = 0.01, max = 1000))]
    pub low: f64,
    /// For jobs of normal priority, at least `low`.
    #[schemars(range(min = 0.01, max = 1000))]
    pub normal: f64,
    /// For jobs of high priority, at least `normal`.
    #[schemars(range(min = 0.01, max = 1000))]
    pub high: f64,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self {
            low: 0.8,
            normal: 1.25,
            high: 1.75,
        }
    }
}

/// Shares of time that tasks stall, `/proc/pressure`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct PressureLimits {
    /// All tasks stalled for memory, over 10 seconds.
    pub memory_full_avg10: Threshold,
    /// All tasks stalled for I/O, over 60 seconds; jobs of high priority start nevertheless.
    pub io_full_avg60: Threshold,
    /// Some task stalled for CPU, over 60 seconds; a busy host is healthy at 50% and more.
    pub cpu_some_avg60: Threshold,
}

impl Default for PressureLimits {
    fn default() -> Self {
        Self {
            memory_full_avg10: Threshold::At(Percent::new(10)),
            io_full_avg60: Threshold::At(Percent::new(80)),
            cpu_some_avg60: Threshold::Off,
        }
    }
}

/// Memory that must be available once what running jobs reserve is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct MemoryLimits {
    /// The share of all memory that must be available.
    pub min_available: Percent,
    /// Never less than this.
    pub floor: Bytes,
    /// Never more than this, however large the host.
    pub cap: Bytes,
    /// How long after its start a job's `mem` is reserved rather than measured.
    pub ramp: Span,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self {
            min_available: Percent::new(5),
            floor: Bytes::mebibytes(512),
            cap: Bytes::gibibytes(4),
            ramp: Span::seconds(120),
        }
    }
}

/// The places whose disk space is watched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct DiskPlaces {
    /// Where scratch directories are made.
    pub scratch: DiskLimits,
    /// Where artifacts are kept.
    pub cache: DiskLimits,
    /// Where logs wait to be shipped.
    pub spool: DiskLimits,
}

impl Default for DiskPlaces {
    fn default() -> Self {
        Self {
            scratch: DiskLimits::default(),
            cache: DiskLimits::default(),
            spool: DiskLimits {
                min_free: Bytes::gibibytes(1),
                ..DiskLimits::default()
            },
        }
    }
}

/// What must be free in a place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
#[schemars(inline)]
pub struct DiskLimits {
    /// Space that must be free.
    pub min_free: Bytes,
    /// The same as a share of the file system; the larger of both holds.
    pub min_free_pct: Percent,
    /// The share of inodes that must be free.
    pub min_inodes_pct: Percent,
}

impl Default for DiskLimits {
    fn default() -> Self {
        Self {
            min_free: Bytes::gibibytes(2),
            min_free_pct: Percent::new(5),
            min_inodes_pct: Percent::new(2),
        }
    }
}

/// How long a job waits for the guard, by what started it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct MaxWait {
    /// Started by a schedule.
    pub scheduled: Wait,
    /// Started by a person; if absent, without an end on a terminal, else ten minutes.
    pub manual: Option<Wait>,
    /// Started by continuous integration.
    pub ci: Wait,
}

impl Default for MaxWait {
    fn default() -> Self {
        Self {
            scheduled: Wait::AtMost(Span::minutes(10)),
            manual: None,
            ci: Wait::AtMost(Span::seconds(0)),
        }
    }
}

/// What happens when jobs are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct DropNotice {
    /// A scheduled job is dropped without a word until so many drops in a row.
    #[schemars(range(min = 1, max = 1000))]
    pub notify_after_consecutive: u32,
}

impl Default for DropNotice {
    fn default() -> Self {
        Self {
            notify_after_consecutive: 3,
        }
    }
}

/// How scheduled starts of the same minute are spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Jitter {
    /// How a delay is found.
    pub mode: JitterMode,
    /// Longest delay; at most an hour.
    pub max: Span,
    /// Part of the delay that is drawn at random in mode `bid`.
    pub noise: Span,
}

impl Default for Jitter {
    fn default() -> Self {
        Self {
            mode: JitterMode::Hash,
            max: Span::seconds(59),
            noise: Span::seconds(2),
        }
    }
}

/// How the delay of a scheduled start is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum JitterMode {
    /// No delay.
    None,
    /// The same for a job and host at every tick.
    Hash,
    /// Drawn anew at every tick.
    Random,
    /// The longer, the more loaded the host, so that an idle host takes the tick.
    Bid,
}

impl Guard {
    /// What contradicts the rules of the section.
    pub fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let LoadLimits { low, normal, high } = self.load1_per_core;
        if low > normal || normal > high {
            flaws.push(Flaw::new(
                "load1_per_core",
                format!("expected low <= normal <= high, found {low}, {normal} and {high}"),
            ));
        }
        let MemoryLimits { floor, cap, .. } = self.memory;
        if floor > cap {
            flaws.push(Flaw::new(
                "memory.floor",
                format!("the floor, {floor}, is above the cap, {cap} (`memory.cap`)"),
            ));
        }
        let longest = Span::minutes(60);
        if self.jitter.max > longest {
            flaws.push(Flaw::new(
                "jitter.max",
                format!("at most {longest} is allowed, found {}", self.jitter.max),
            ));
        }
        flaws
    }
}
