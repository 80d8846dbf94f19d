//! Starting the job through the stub.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::process::Stdio;

use rustix::io::{Errno, FdFlags};
use rustix::pipe::PipeFlags;
use rustix::process::Pid;

use super::Job;
use crate::execution::diagnosis::Program;
use crate::execution::stub::{self, Spec};
use crate::execution::{Error, SpawnFailure};

/// This program, also when its file has been replaced meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Longest report that a stub can have a reason to write, in bytes.
const REPORT_BYTES_MAX: usize = 64 * 1024;

/// A stub on its way to become the job.
pub(super) struct Started {
    pub(super) leader: Pid,
    pub(super) report: Report,
}

/// What the stub reports; closed without a failure, it has become the job.
pub(super) struct Report {
    pipe: OwnedFd,
    text: Vec<u8>,
    program: Program,
}

pub(super) fn start(job: &Job<'_>, stdout: OwnedFd, stderr: OwnedFd) -> Result<Started, Error> {
    let failed = |action| {
        move |errno: Errno| Error::Supervise {
            action,
            source: errno.into(),
        }
    };
    let (report, report_end) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(failed("making a pipe"))?;
    rustix::fs::fcntl_setfl(&report, rustix::fs::OFlags::NONBLOCK)
        .map_err(failed("setting up a pipe"))?;
    // The stub inherits this one, and closes it on exec. No other process is started here.
    rustix::io::fcntl_setfd(&report_end, FdFlags::empty()).map_err(failed("setting up a pipe"))?;
    let settings = job.settings;
    let spec = Spec {
        parent: rustix::process::getpid().as_raw_pid(),
        report: report_end.as_raw_fd(),
        session: !job.on_terminal,
        umask: job.umask,
        directory: job.directory.clone(),
        nice: settings.nice,
        ionice: settings.ionice,
        oom_score_adj: settings.oom_score_adj,
        limits: settings.rlimits.clone(),
    };
    let program = program(job);
    let stdin = if job.inherit_stdin {
        Stdio::inherit()
    } else {
        Stdio::null()
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the job is started"
    )]
    let child = std::process::Command::new(OWN_PROGRAM)
        .args(stub::arguments(&spec, job.words))
        .env_clear()
        .envs(job.environment.iter())
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .map_err(|error| match error.raw_os_error().unwrap_or(0) {
            // The stub takes little more than the job would have.
            errno if errno == Errno::TOOBIG.raw_os_error() => {
                SpawnFailure::of_program(&program, errno)
            }
            errno => SpawnFailure::at("start a process".to_owned(), errno),
        })?;
    let leader = Pid::from_child(&child); // Waited for by `Tree`, not through `child`.
    Ok(Started {
        leader,
        report: Report {
            pipe: report,
            text: Vec::new(),
            program,
        },
    })
}

fn program(job: &Job<'_>) -> Program {
    let words = job.words.iter().map(|word| word.len() + 1);
    let variables = job
        .environment
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2);
    let current = std::env::current_dir().unwrap_or_default();
    Program {
        word: job.words[0].clone(),
        directory: job.directory.clone().unwrap_or(current),
        path: job.environment.raw("PATH").map(ToOwned::to_owned),
        bytes: words.chain(variables).sum(),
    }
}

impl Report {
    /// Reads what has come; returns whether it is complete.
    pub(super) fn read(&mut self) -> bool {
        let mut chunk = [0; 4096];
        loop {
            match rustix::io::read(&self.pipe, &mut chunk) {
                Ok(0) => return true,
                Ok(count) => self.text.extend_from_slice(&chunk[..count]),
                Err(Errno::AGAIN) => return false,
                Err(Errno::INTR) => {}
                Err(_) => return true,
            }
            if self.text.len() > REPORT_BYTES_MAX {
                return true;
            }
        }
    }

    /// What the report says: warnings, and why the job did not start, if it did not.
    pub(super) fn conclude(self) -> (Vec<String>, Option<SpawnFailure>) {
        let mut warnings = Vec::new();
        let mut failure = None;
        for line in self.text.split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(stub::Report::Warning { action, errno }) => {
                    let why = std::io::Error::from_raw_os_error(errno);
                    warnings.push(format!("cannot {action} for the job: {why}"));
                }
                Ok(stub::Report::Failure {
                    action: Some(action),
                    errno,
                }) => {
                    failure = Some(SpawnFailure::at(action, errno));
                }
                Ok(stub::Report::Failure {
                    action: None,
                    errno,
                }) => {
                    failure = Some(SpawnFailure::of_program(&self.program, errno));
                }
                Err(_) => {} // The empty end of the text.
            }
        }
        (warnings, failure)
    }
}

impl AsFd for Report {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
