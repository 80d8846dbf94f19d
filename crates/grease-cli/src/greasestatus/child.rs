//! The child that reads the share: it can be given up when the share hangs, and this program cannot.
//!
//! `greasestatus __read COLOUR ARGUMENTS` is the same program with the same arguments. What it finds
//! it prints; on standard error each NUL says that it got on. One that has been silent for too long
//! waits in the kernel: it is killed and not waited for.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use grease_core::debugging::read;
use grease_core::diagnostics::TOLD;
use grease_core::sys::clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// First argument of the child.
pub(super) const ARGUMENT: &str = "__read";

/// Our own program, whatever its path was and whether it is there still.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Longest silence of a child that gets on.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Distance of the child's signs of life.
const TICK_MS: u64 = 200;

/// Longest text of errors that is kept.
const ERRORS_BYTES_MAX: usize = 64 << 10;

/// A child that reads.
pub(super) struct Reader {
    child: Child,
    /// None once it has ended.
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    heard: Instant,
    /// What it said on standard error.
    pub(super) errors: Vec<u8>,
}

/// What came of a child.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Some of its output.
    Output(Vec<u8>),
    /// Nothing within the time asked for.
    Nothing,
    /// Nothing for [`SILENCE_MAX`].
    Silent,
    /// It has ended with this exit code.
    Ended(u8),
}

impl Reader {
    /// Starts it with arguments.
    pub(super) fn start(arguments: &[OsString]) -> io::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "it is our own program, and no job"
        )]
        let mut child = std::process::Command::new(OWN_PROGRAM)
            .arg(ARGUMENT)
            .arg(std::process::id().to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
            heard: Instant::now(),
            errors: Vec::new(),
        })
    }

    /// For how long nothing has been heard of it.
    pub(super) fn silence(&self) -> Duration {
        self.heard.elapsed()
    }

    /// Waits for what it says next.
    pub(super) fn next(&mut self, within: Duration) -> io::Result<Heard> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = left.min(SILENCE_MAX.saturating_sub(self.silence()));
            if self.stdout.is_none() && self.stderr.is_none() {
                if let Some(status) = self.child.try_wait()? {
                    let code = status.code().and_then(|code| u8::try_from(code).ok());
                    return Ok(Heard::Ended(code.unwrap_or(70)));
                }
                std::thread::sleep(left.min(Duration::from_millis(2)));
            } else if let Some(bytes) = self.listen(left)? {
                return Ok(Heard::Output(bytes));
            }
            if self.silence() >= SILENCE_MAX {
                let pid = self.child.id();
                tracing::warn!(target: TOLD, "process {pid}, which reads the share, is silent: given up");
                return Ok(Heard::Silent);
            }
            if Instant::now() >= deadline {
                return Ok(Heard::Nothing);
            }
        }
    }

    fn listen(&mut self, within: Duration) -> io::Result<Option<Vec<u8>>> {
        let mut fds = Vec::new();
        fds.extend(
            self.stdout
                .as_ref()
                .map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
        );
        fds.extend(
            self.stderr
                .as_ref()
                .map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
        );
        let timeout = Timespec::try_from(within).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        let is_output = self.stdout.is_some() && ready.next() == Some(true);
        let is_error = self.stderr.is_some() && ready.next() == Some(true);
        self.heard = Instant::now();
        let mut bytes = vec![0; 64 << 10];
        if is_error && let Some(stderr) = &mut self.stderr {
            let count = stderr.read(&mut bytes)?;
            if count == 0 {
                self.stderr = None;
            }
            let told = bytes[..count].iter().copied().filter(|byte| *byte != 0);
            let room = ERRORS_BYTES_MAX.saturating_sub(self.errors.len());
            self.errors.extend(told.take(room));
        }
        if is_output && let Some(stdout) = &mut self.stdout {
            let count = stdout.read(&mut bytes)?;
            if count == 0 {
                self.stdout = None;
            } else {
                bytes.truncate(count);
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Gives it up.
    pub(super) fn abandon(&mut self) {
        self.stdout = None;
        self.stderr = None;
        self.child.kill().ok();
        self.child.try_wait().ok();
    }

    /// Whether one that was given up is gone. It cannot end while it waits for the share.
    pub(super) fn is_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Binds the child to its parent: it ends with it, and has nothing open of what that had.
pub(super) fn is_bound_to(parent: &str) -> bool {
    read::close_inherited();
    set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
        && getppid().is_some_and(|now| now.as_raw_nonzero().get().to_string() == parent)
}

/// Tells the parent, now and then, that the child gets on.
pub(super) fn tick() {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = u64::try_from(clock::since_boot().as_millis()).unwrap_or(u64::MAX);
    let last = LAST.load(Ordering::Relaxed);
    if now >= last + TICK_MS
        && LAST
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    {
        io::stderr().write_all(&[0]).ok(); // Nobody waits for it any more.
    }
}
