//! The child that fetches: it can be abandoned when a name server or a file system over a network
//! hangs, and what it used of threads and memory ends with it.
//!
//! The same program, started again as `greaserun __fetch`, gets its task as JSON on standard input
//! and tells what happens, one JSON object in a line, on standard output. An artifact that lies on a
//! file system over a network is copied into the cache, so that neither greaserun nor the job ever
//! touches it there.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use super::config::Artifacts;
use super::maven::{self, Error, Here, Manner, Setting, Watch};
use crate::diagnostics;
use crate::model::{ErrorKind, Explain as _};
use crate::sys::env::Env;
use crate::sys::{clock, fs};

/// First argument by which a program knows that it is this child.
pub const ARGUMENT: &str = "__fetch";

/// Our own program, whatever its path was and whether it is there still.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Longest silence. The child is silent while it waits for another process that fetches the same, for
/// a minute after that one last moved, and while it asks, for half a minute each time.
const SILENCE_MAX: Duration = Duration::from_secs(150);

/// How often greaserun looks whether it is to give up.
const STOP_LOOK: Duration = Duration::from_millis(100);

/// Distance of the child's reports of progress.
const PROGRESS: Duration = Duration::from_millis(100);

/// Longest task, and longest line of an answer: some kilobytes are usual.
const BYTES_MAX: u64 = 4 << 20;

/// What the child is to do. The environment it simply has.
#[derive(Serialize, Deserialize)]
struct Task {
    /// Process id of greaserun.
    parent: i32,
    coordinates: String,
    artifacts: Artifacts,
    home: PathBuf,
    cache: PathBuf,
    manner: Manner,
}

/// What the child tells.
#[derive(Serialize, Deserialize)]
enum Message {
    Progress {
        file: String,
        received: u64,
        total: Option<u64>,
    },
    Here(Here),
    Failed(Told),
    /// What is for the diagnostics of the one that keeps them.
    Event(String),
}

/// An error of the child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Told {
    pub(super) kind: ErrorKind,
    /// With its causes.
    text: String,
    pub(super) hint: Option<String>,
}

/// Does what the task on standard input says; returns an exit code.
pub fn run() -> u8 {
    let mut text = String::new();
    let read = io::stdin().take(BYTES_MAX).read_to_string(&mut text);
    let task: Task = match read.map(|_| serde_json::from_str(&text)) {
        Ok(Ok(task)) => task,
        Ok(Err(_)) | Err(_) => return 64, // It is started by greaserun alone.
    };
    if !is_bound_to(task.parent) {
        return 70; // Nobody waits for it any more.
    }
    diagnostics::pass_on(|text| tell(&Message::Event(text.to_owned())));
    let answer = match work(&task) {
        Ok(here) => Message::Here(here),
        Err(error) => Message::Failed(told(&error)),
    };
    tell(&answer);
    0
}

/// Lets go of what the caller of greaserun left open, a lock for one, and ends with greaserun.
fn is_bound_to(parent: i32) -> bool {
    for descriptor in fs::open_descriptors() {
        if descriptor > 2 {
            nix::unistd::close(descriptor).ok(); // That of the directory just read is closed already.
        }
    }
    set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
        && getppid().is_some_and(|now| now.as_raw_nonzero().get() == parent)
}

fn work(task: &Task) -> Result<Here, Error> {
    let env = Env::read();
    let setting = Setting {
        config: &task.artifacts,
        env: &env,
        home: &task.home,
        cache: &task.cache,
        manner: task.manner,
    };
    let mut last = Instant::now();
    let mut watch = Watch {
        now: clock::local(&env),
        stop: &|| false, // greaserun ends it.
        progress: &mut |file, received, total| {
            if last.elapsed() >= PROGRESS {
                last = Instant::now();
                let file = file.to_owned();
                tell(&Message::Progress {
                    file,
                    received,
                    total,
                });
            }
        },
    };
    let coordinates = maven::coordinates(&task.coordinates)?;
    maven::fetch_to_local_disk(&coordinates, &setting, &mut watch)
}

fn tell(message: &Message) {
    let mut line = serde_json::to_vec(message).expect("texts and numbers can be written as JSON");
    line.push(b'\n');
    io::stdout().write_all(&line).ok(); // Nobody waits for it any more.
}

fn told(error: &Error) -> Told {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    Told {
        kind: error.kind(),
        text,
        hint: error.hint(),
    }
}

/// Has a child bring the artifact, and gives it up when it is silent for too long.
pub(super) fn fetch(
    argument: &str,
    setting: &Setting<'_>,
    watch: &mut Watch<'_>,
) -> Result<Here, Error> {
    let task = Task {
        parent: std::process::id().cast_signed(),
        coordinates: argument.to_owned(),
        artifacts: setting.config.clone(),
        home: setting.home.to_owned(),
        cache: setting.cache.to_owned(),
        manner: setting.manner,
    };
    let task = serde_json::to_vec(&task).map_err(|error| Error::Child(error.into()))?;
    let mut child = start(setting.env, &task).map_err(Error::Child)?;
    let mut output = child.stdout.take().expect("it was piped");
    let mut lines = Lines::default();
    loop {
        let begun = Instant::now();
        let line = loop {
            if (watch.stop)() {
                abandon(&mut child);
                return Err(Error::Stopped);
            }
            if let Some(line) = lines.next(&mut output, STOP_LOOK).map_err(Error::Child)? {
                break line;
            }
            if begun.elapsed() > SILENCE_MAX {
                abandon(&mut child);
                return Err(Error::Silent);
            }
        };
        match serde_json::from_slice(&line).map_err(|error| Error::Child(error.into()))? {
            Message::Progress {
                file,
                received,
                total,
            } => (watch.progress)(&file, received, total),
            Message::Event(text) => tracing::debug!("{text}"),
            Message::Here(here) => {
                child.wait().ok(); // It has said all.
                return Ok(here);
            }
            Message::Failed(told) => {
                child.wait().ok();
                return Err(Error::Told(told));
            }
        }
    }
}

fn start(env: &Env, task: &[u8]) -> io::Result<Child> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is our own program, and no job"
    )]
    let mut child = std::process::Command::new(OWN_PROGRAM)
        .arg(ARGUMENT)
        .env_clear()
        .envs(env.iter())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Whoever waits for the end of ours must not wait for one that was given up.
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(task)?;
    Ok(child)
}

/// Ends a child that may be unable to end: it is not waited for.
fn abandon(child: &mut Child) {
    child.kill().ok();
    child.try_wait().ok();
}

/// Lines out of a pipe, each within a time.
#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// The next line; none if there is none in time. The end of the pipe is an error.
    fn next(&mut self, pipe: &mut ChildStdout, within: Duration) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            if self.buffer.len() as u64 > BYTES_MAX {
                return Err(io::Error::other("it says more than it can have to say"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).expect("minutes fit");
            let mut ready = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
            match poll(&mut ready, Some(&timeout)) {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    let mut piece = [0; 8192];
                    let count = pipe.read(&mut piece)?;
                    if count == 0 {
                        return Err(io::Error::other("it ended without an answer"));
                    }
                    self.buffer.extend_from_slice(&piece[..count]);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_says_nothing_is_not_waited_for_and_what_was_half_said_is_kept() {
        #[expect(
            clippy::disallowed_methods,
            reason = "no job, but something that is silent"
        )]
        let mut child = std::process::Command::new("sh")
            .args(["-c", "printf 'one\\ntw'; read -r go; printf 'o\\n'"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut lines = Lines::default();
        let mut next = |within| lines.next(&mut output, within);
        let long = Duration::from_secs(30);
        assert_eq!(next(long).unwrap().as_deref(), Some(&b"one\n"[..]));
        assert_eq!(next(Duration::from_millis(50)).unwrap(), None);
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        assert_eq!(next(long).unwrap().as_deref(), Some(&b"two\n"[..]));
        assert!(next(long).is_err(), "it ended without an answer");
        child.wait().unwrap();
    }
}
