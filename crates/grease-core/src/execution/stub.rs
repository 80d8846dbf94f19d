//! The stub between greaserun and the job: the same program, started again as
//! `greaserun __exec SPEC -- COMMAND...`, prepares its own process and becomes the job.
//!
//! What other programs do between `fork` and `exec`, where hardly anything is allowed, this
//! does in an ordinary process with ordinary errors. Its process id is the job's.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use nix::sys::signal::SigSet;
use rustix::process::{Pid, Rlimit, Signal};
use serde::{Deserialize, Serialize};

use crate::model::limits::{IoNice, Limit, Resource};
use crate::sys::process;

/// First argument by which a program knows that it is the stub.
pub const ARGUMENT: &str = "__exec";

/// Exit code when the stub could not become the job; the reason went through the report.
const FAILED: u8 = 126;

/// What the stub does to its process before it becomes the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Process id of greaserun: if that has died meanwhile, the job must not start.
    pub parent: i32,
    /// Descriptor of the pipe that takes reports; closed on exec.
    pub report: i32,
    /// Whether to lead a session of its own, away from any terminal.
    pub session: bool,
    /// The file mode creation mask; `None` leaves the caller's.
    pub umask: Option<u32>,
    /// Where the job starts; `None` leaves the caller's directory.
    pub directory: Option<PathBuf>,
    /// Niceness, unless it is positive and the caller's is higher already.
    pub nice: i32,
    /// I/O scheduling class, set by `ionice(1)`.
    pub ionice: Option<IoNice>,
    /// Written to `/proc/self/oom_score_adj`, unless it is positive and the caller's is higher
    /// already.
    pub oom_score_adj: i32,
    /// Resource limits, soft and hard.
    pub limits: BTreeMap<Resource, Limit>,
}

/// What the stub tells greaserun, one JSON line each; none at all if all went well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The job starts all the same.
    Warning {
        /// What was tried.
        action: String,
        /// The error number.
        errno: i32,
    },
    /// The job does not start.
    Failure {
        /// What was tried; `None` for executing the program itself.
        action: Option<String>,
        /// The error number.
        errno: i32,
    },
}

/// Becomes the job; returns an exit code only if that failed.
pub fn run(arguments: &[OsString]) -> u8 {
    let Some((spec, words)) = parse(arguments) else {
        return FAILED;
    };
    let report_path = format!("/proc/self/fd/{}", spec.report);
    let mut report = fs_err::OpenOptions::new()
        .write(true)
        .open(report_path)
        .ok();
    // The inherited descriptor would keep the pipe open through exec; the new one does not.
    nix::unistd::close(spec.report).ok();
    let mut tell = |message: &Report| {
        if let (Some(pipe), Ok(mut line)) = (report.as_mut(), serde_json::to_vec(message)) {
            line.push(b'\n');
            pipe.write_all(&line).ok(); // Without a parent to read it, nobody is interested.
        }
    };
    if let Err(failure) = prepare(&spec, &mut tell) {
        tell(&failure);
        return FAILED;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the job is started"
    )]
    let error = std::process::Command::new(&words[0])
        .args(&words[1..])
        .exec();
    tell(&Report::Failure {
        action: None,
        errno: error.raw_os_error().unwrap_or(0),
    });
    FAILED
}

/// The command line that `parse` understands.
pub fn arguments(spec: &Spec, words: &[OsString]) -> Vec<OsString> {
    let spec = serde_json::to_string(spec).expect("plain data");
    let mut arguments = vec![ARGUMENT.into(), spec.into(), "--".into()];
    arguments.extend(words.iter().cloned());
    arguments
}

fn parse(arguments: &[OsString]) -> Option<(Spec, &[OsString])> {
    let spec = serde_json::from_str(arguments.first()?.to_str()?).ok()?;
    let words = arguments.get(2..).filter(|words| !words.is_empty())?;
    (arguments[1] == OsStr::new("--")).then_some((spec, words))
}

fn prepare(spec: &Spec, tell: &mut dyn FnMut(&Report)) -> Result<(), Report> {
    let fail = |action: &str, errno: rustix::io::Errno| Report::Failure {
        action: Some(action.to_owned()),
        errno: errno.raw_os_error(),
    };
    if spec.session {
        rustix::process::setsid().map_err(|errno| fail("start a session", errno))?;
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|errno| fail("tie the job's life to greaserun's", errno))?;
    if rustix::process::getppid().map(Pid::as_raw_pid) != Some(spec.parent) {
        return Err(fail(
            "start the job, since greaserun has died",
            rustix::io::Errno::SRCH,
        ));
    }
    soften(spec, tell);
    if let Some(mask) = spec.umask {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
    }
    if let Some(directory) = &spec.directory {
        let action = format!("enter the directory `{}`", directory.display());
        rustix::process::chdir(directory).map_err(|errno| fail(&action, errno))?;
    }
    // Blocked by greaserun so that none is lost; the job starts with the usual empty mask.
    SigSet::empty().thread_set_mask().map_err(|errno| {
        fail(
            "unblock signals",
            rustix::io::Errno::from_raw_os_error(errno as i32),
        )
    })
}

/// Applies what makes the job a better neighbour; none of it is worth failing the job for.
fn soften(spec: &Spec, tell: &mut dyn FnMut(&Report)) {
    let mut attempt = |action: String, result: Result<(), i32>| {
        if let Err(errno) = result {
            tell(&Report::Warning { action, errno });
        }
    };
    let raw = |errno: rustix::io::Errno| errno.raw_os_error();
    let oom_score_adj = softer(oom_score_adj(), spec.oom_score_adj);
    attempt(
        format!("set oom_score_adj to {oom_score_adj}"),
        set_oom_score_adj(oom_score_adj),
    );
    let nice = softer(
        rustix::process::getpriority_process(None).unwrap_or(0),
        spec.nice,
    );
    let result = rustix::process::setpriority_process(None, nice).map_err(raw);
    attempt(format!("set nice to {nice}"), result);
    // A session has an autogroup of its own (sched(7)), in which nice alone means nothing.
    if spec.session {
        write_autogroup(nice);
    }
    if let Some(class) = spec.ionice {
        attempt(
            format!("set the I/O class to {}", String::from(class)),
            process::set_io_class(class).map_err(raw),
        );
    }
    for (resource, value) in &spec.limits {
        let result = limit(*resource, *value).map_err(raw);
        let name = format!("{resource:?}").to_lowercase(); // As in the config.
        attempt(format!("set the limit `{name}` to {value}"), result);
    }
}

/// The value to set: a caller that made way for others already goes on doing so.
fn softer(current: i32, wanted: i32) -> i32 {
    if wanted < 0 {
        wanted
    } else {
        wanted.max(current)
    }
}

fn oom_score_adj() -> i32 {
    let text = std::fs::read("/proc/self/oom_score_adj").unwrap_or_default();
    String::from_utf8_lossy(&text).trim().parse().unwrap_or(0)
}

fn set_oom_score_adj(value: i32) -> Result<(), i32> {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open("/proc/self/oom_score_adj");
    file.and_then(|mut file| file.write_all(value.to_string().as_bytes()))
        .map_err(|error| error.raw_os_error().unwrap_or(0))
}

/// The file exists only where autogroups are built in and on, so a failure means nothing.
fn write_autogroup(nice: i32) {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open("/proc/self/autogroup");
    file.and_then(|mut file| file.write_all(nice.to_string().as_bytes()))
        .ok();
}

fn limit(resource: Resource, limit: Limit) -> Result<(), rustix::io::Errno> {
    use rustix::process::Resource as Kernel;

    let resource = match resource {
        Resource::As => Kernel::As,
        Resource::Core => Kernel::Core,
        Resource::Cpu => Kernel::Cpu,
        Resource::Data => Kernel::Data,
        Resource::Fsize => Kernel::Fsize,
        Resource::Memlock => Kernel::Memlock,
        Resource::Nofile => Kernel::Nofile,
        Resource::Nproc => Kernel::Nproc,
        Resource::Stack => Kernel::Stack,
    };
    let value = match limit {
        Limit::At(value) => Some(value),
        Limit::Unlimited => None,
    };
    rustix::process::setrlimit(
        resource,
        Rlimit {
            current: value,
            maximum: value,
        },
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn words_that_are_not_utf8_or_look_like_options_arrive_unchanged() {
        let spec = Spec {
            parent: 1,
            report: 9,
            session: true,
            umask: Some(0o22),
            directory: Some("/".into()),
            nice: 5,
            ionice: None,
            oom_score_adj: 300,
            limits: [(Resource::Core, Limit::At(0))].into(),
        };
        let words = [
            OsString::from_vec(vec![0xff, b'a']),
            "--".into(),
            "-x".into(),
        ];
        let arguments = arguments(&spec, &words);
        assert_eq!(parse(&arguments[1..]), Some((spec, &words[..])));
    }
}
