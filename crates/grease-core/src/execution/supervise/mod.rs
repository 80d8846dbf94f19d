//! Supervision of one job: start, output, signals, time, and the end of all that it started.
//!
//! One thread, in `supervisor`, waits for everything at once: signals, the job's two pipes,
//! and the moments at which `lifecycle` wants to decide something. Effects are in the one,
//! decisions in the other.

mod echo;
mod lifecycle;
mod meter;
mod pipes;
mod signals;
mod start;
mod supervisor;
mod tree;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use super::Error;
use crate::model::Stream;
use crate::model::jobs::JobSettings;
use crate::sys::env::Env;
use supervisor::Supervisor;

pub use lifecycle::Cause;
pub use signals::{Signals, Waited};
pub use tree::Remnant;

/// What happens while a job runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// The job's first process has become the job.
    Started {
        /// Its process id.
        pid: i32,
    },
    /// The job has written something.
    Output {
        /// Where to.
        stream: Stream,
        /// The bytes, exactly.
        bytes: &'a [u8],
    },
    /// Something that a person should know, in one line.
    Notice(String),
    /// Memory was looked at, which is done every 5 s, and more often in the beginning: for what else is
    /// to be done now and then, without a wake-up of its own.
    Pulse,
}

/// A job that is ready to be started.
#[derive(Debug)]
pub struct Job<'a> {
    /// Program and arguments.
    pub words: &'a [OsString],
    /// The whole environment.
    pub environment: &'a Env,
    /// Where it starts; `None` for the caller's directory.
    pub directory: Option<PathBuf>,
    /// The file mode creation mask; `None` for the caller's.
    pub umask: Option<u32>,
    /// Whether it shares greaserun's terminal, and so its session and process group.
    pub on_terminal: bool,
    /// Whether it reads what greaserun was given, or nothing.
    pub inherit_stdin: bool,
    /// Whether it is no job but cleans up after one that was asked to end: HUP, which a closing
    /// terminal sends more than once, and signals that only inform the job do not reach it.
    pub is_aftermath: bool,
    /// Its settings.
    pub settings: &'a JobSettings,
    /// Where its standard output is passed on to, if it is.
    pub stdout: Option<OwnedFd>,
    /// Where its standard error is passed on to, if it is.
    pub stderr: Option<OwnedFd>,
}

/// How the job's first process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
    /// It hangs in the kernel and cannot be killed.
    Unkillable,
}

/// What a run used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// From start to end, without pauses by job control.
    pub duration: Duration,
    /// CPU time in user mode, of all processes that have ended.
    pub user: Duration,
    /// CPU time in the kernel, of all processes that have ended.
    pub system: Duration,
    /// Largest resident memory of any one process, KiB (`getrusage(2)`).
    pub process_peak_kib: u64,
    /// Largest resident memory of all processes together, KiB; sampled, so a short peak may be
    /// missed.
    pub tree_peak_kib: u64,
    /// Bytes that came out of its standard output.
    pub stdout_bytes: u64,
    /// Bytes that came out of its standard error.
    pub stderr_bytes: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How the job's first process ended.
    pub end: End,
    /// Why it was asked to end; `None` if it ended by itself.
    pub cause: Option<Cause>,
    /// Processes that outlived the first one and the drain.
    pub leftovers: Vec<Remnant>,
    /// Processes that are still there and cannot be killed.
    pub unkillable: Vec<Remnant>,
    /// Whether the reader of the output had not taken all of it when the run, which somebody or
    /// its timeout had asked to end, ended: to say anything more to it might wait for ever.
    pub unread: bool,
    /// What it used.
    pub usage: Usage,
}

/// Runs a job to its end and returns how it ended.
///
/// `signals` are those of greaserun, blocked since before anything was made that would have to
/// be cleaned up. Must be called from the main thread: the job is tied to the thread that
/// starts it (`PR_SET_PDEATHSIG`).
pub fn supervise(
    job: Job<'_>,
    signals: &Signals,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, Error> {
    Supervisor::start(job, signals)?.run(on_event)
}
