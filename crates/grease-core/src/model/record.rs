//! The record of a run: what `docs/formats.md` calls its start and its end event.

use serde::{Deserialize, Serialize};

use super::guard::GuardRecord;

/// Version of the events written here; readers accept all older ones.
pub const VERSION: u32 = 1;

/// A run has begun: it may have to wait, and its artifact to be fetched, before its job starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartEvent {
    /// Version of this format.
    pub v: u32,
    /// `start`.
    pub event: String,
    /// The run's id.
    pub run: String,
    /// The job's name.
    pub job: String,
    /// Login name.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// The id of the host's boot.
    pub boot: String,
    /// When, in UTC with microseconds.
    pub time: String,
    /// `scheduled`, `manual` or `ci`.
    pub trigger: String,
    /// The runner's name.
    pub runner: String,
    /// The artifact, unless there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// What was fetched out of a repository, in records of before there was an [`ExecuteEvent`].
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub fetched: Option<FetchedRecord>,
    /// The words after ARTIFACT; bytes that are no UTF-8 are replaced.
    pub args: Vec<String>,
    /// The run that started this one, if a job did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Process id of greaserun.
    pub pid: u32,
    /// Where the log will be on the share, below the user's directory; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// The job of a run is about to be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecuteEvent {
    /// Version of this format.
    pub v: u32,
    /// `execute`.
    pub event: String,
    /// The run's id.
    pub run: String,
    /// The job's name.
    pub job: String,
    /// When, in UTC with microseconds.
    pub time: String,
    /// How long the start was put off to spread the starts of a minute, milliseconds.
    pub delay_ms: u64,
    /// How long it waited for other runs of its job, milliseconds.
    pub overlap_ms: u64,
    /// What the guard saw; absent if it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<GuardRecord>,
    /// How long it took to bring the artifact and to look into it, milliseconds.
    pub fetch_ms: u64,
    /// The artifact as resolved, unless there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// What was fetched out of a repository, or found here under its coordinates.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub fetched: Option<FetchedRecord>,
}

impl ExecuteEvent {
    /// What the index has of it: of what the guard saw, only what refused. The rest is in the log; it
    /// would be most of what a run writes into the index, through all of which readers look.
    #[must_use]
    pub fn for_index(&self) -> Self {
        let guard = self.guard.as_ref().map(GuardRecord::of_refusals);
        Self {
            guard,
            ..self.clone()
        }
    }
}

/// An artifact under its coordinates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedRecord {
    /// The version; a snapshot's with its time stamp.
    pub version: String,
    /// The id of the repository that it came from; absent for what was installed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Size.
    pub size_bytes: u64,
    /// SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Why it may not be the newest, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<StaleRecord>,
}

/// Why an artifact may not be the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleRecord {
    /// Why, for people.
    pub reason: String,
    /// How many seconds ago it was certain, if it ever was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_s: Option<u64>,
}

/// A run has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndEvent {
    /// Version of this format.
    pub v: u32,
    /// `end`.
    pub event: String,
    /// The run's id.
    pub run: String,
    /// The job's name.
    pub job: String,
    /// When, in UTC with microseconds.
    pub time: String,
    /// How it ended.
    pub result: ResultWord,
    /// Why, unless it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorWord>,
    /// The exit code of the job's first process, if it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The signal that ended the job's first process, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The reason in words, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// What the guard saw, of a run that it dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<GuardRecord>,
    /// The job's drops and skips in a row, this one included; of such a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drops: Option<u32>,
    /// What was used; absent for a run that did not get so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageRecord>,
    /// Processes that outlived the job's first one.
    pub leftovers: usize,
    /// What the start event said, so that the end alone tells of the run; absent in older records. Of a
    /// run whose start cannot be read, what whoever completed its record knows.
    #[serde(flatten)]
    pub facts: Option<RunFacts>,
    /// How long the log is; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// Bytes of output that the log lacks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted_bytes: u64,
}

/// What is known of a run when it starts, and said again when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Login name.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// When it started, in UTC with microseconds.
    pub start: String,
    /// `scheduled`, `manual` or `ci`.
    pub trigger: String,
    /// The runner's name.
    pub runner: String,
    /// The artifact as resolved, unless there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// Where the log is on the share, below the user's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What a run used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// Milliseconds from start to end, by a clock that does not jump.
    pub duration_ms: u64,
    /// Milliseconds of CPU, user and system together.
    pub cpu_ms: u64,
    /// Largest resident memory of one process, KiB.
    pub maxrss_kb: u64,
    /// Largest resident memory of all processes together, KiB, sampled.
    pub tree_rss_kb: u64,
    /// Bytes written to standard output.
    pub out_bytes: u64,
    /// Bytes written to standard error.
    pub err_bytes: u64,
}

/// How a run ended (OpenTelemetry `cicd.pipeline.result`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultWord {
    /// The job did its work.
    Success,
    /// The job failed.
    Failure,
    /// Scalegrease could not run the job, or lost it.
    Error,
    /// The job took too long.
    Timeout,
    /// There was nothing to do, or not now.
    Skip,
    /// Somebody ended greaserun.
    Cancellation,
}

/// Why a run did not succeed (OpenTelemetry `error.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorWord {
    /// The job exited with a code other than 0.
    Exit,
    /// A signal ended the job.
    Signal,
    /// It was ended after its timeout.
    Timeout,
    /// The job could not be started.
    Spawn,
    /// The command line was wrong.
    Usage,
    /// The config was wrong.
    Config,
    /// The artifact was not found.
    ArtifactNotFound,
    /// The repository of the artifact could not be reached.
    ArtifactFetch,
    /// The artifact is broken, hostile, or lacks what the runner needs.
    ArtifactBad,
    /// The host did not let us: disk, permission, processes.
    Host,
    /// greaserun itself was killed.
    SupervisorKilled,
    /// The host was restarted during the run.
    HostReboot,
    /// Another run does the same already (Luigi's exit code 10).
    AlreadyRunning,
    /// Input is not there yet (Luigi's exit code 20).
    MissingInput,
    /// The job still runs, or enough of it does.
    Overlap,
    /// Too many jobs run.
    GuardJobs,
    /// Their costs add up to too much.
    GuardCost,
    /// Another job has just started.
    GuardSpacing,
    /// Jobs of higher priority wait.
    GuardPriority,
    /// The load is too high.
    GuardLoad,
    /// CPUs are under too much pressure.
    GuardCpuPressure,
    /// Memory is.
    GuardMemoryPressure,
    /// I/O is.
    GuardIoPressure,
    /// Too little memory is available.
    GuardMemory,
    /// Too little swap space is free.
    GuardSwap,
    /// Too little disk space is free.
    GuardDisk,
    /// Too few inodes are free.
    GuardInodes,
    /// Too few processes still fit.
    GuardProcesses,
    /// The site's own command refuses.
    GuardCommand,
    /// The guard's own state cannot be used, and the config says that nothing runs then.
    GuardState,
}
