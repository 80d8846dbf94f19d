//! The way of every request: it is noted, judged, done or not, and answered.

use std::ffi::OsStr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{Errno, Generation, INodeNo, ReplyEmpty, ReplyEntry, Request, TimeOrNow};
use rustix::fs::{Timespec, UTIME_NOW, UTIME_OMIT};

use super::control::Control;
use super::disk::{Disk, Owner};
use super::rules::Verdict;

/// For how long the kernel believes what it was told of names and files.
static MEMORY: OnceLock<Duration> = OnceLock::new();

/// For how long that is: unless it was set, the kernel asks anew whenever it wants to know.
pub(super) fn memory() -> Duration {
    MEMORY.get().copied().unwrap_or_default()
}

/// Sets it, once in a process.
pub(super) fn remember(time: Duration) {
    MEMORY.set(time).expect("it is set once");
}

/// A directory with faults.
#[derive(Debug)]
pub(super) struct PassThrough {
    pub(super) disk: Arc<Disk>,
    control: Arc<Control>,
}

/// What is asked for: an operation on a path, with so many bytes.
pub(super) struct Asked {
    pid: u32,
    operation: &'static str,
    path: String,
    bytes: usize,
}

impl Asked {
    /// The same with so many bytes.
    pub(super) fn with(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

impl PassThrough {
    pub(super) fn new(disk: Disk, control: Arc<Control>) -> Self {
        let disk = Arc::new(disk);
        Self { disk, control }
    }

    /// A request on a node.
    pub(super) fn on(&self, request: &Request, operation: &'static str, ino: INodeNo) -> Asked {
        Asked {
            pid: request.pid(),
            operation,
            path: self.disk.path(ino),
            bytes: 0,
        }
    }

    /// A request on a name in a directory.
    pub(super) fn at(
        &self,
        request: &Request,
        operation: &'static str,
        parent: INodeNo,
        name: &OsStr,
    ) -> Asked {
        let parent = self.disk.path(parent);
        let path = format!(
            "{}/{}",
            parent.trim_end_matches('/'),
            name.to_string_lossy()
        );
        Asked {
            pid: request.pid(),
            operation,
            path,
            bytes: 0,
        }
    }

    /// Judges a request, does it unless it is to fail, and answers.
    ///
    /// One that waits gets a thread of its own, so that the others are served.
    pub(super) fn serve<R: Send + 'static, A>(
        &self,
        asked: Asked,
        reply: R,
        fail: fn(R, Errno),
        act: impl FnOnce(&Disk, Verdict) -> rustix::io::Result<A> + Send + 'static,
        succeed: impl FnOnce(R, A) + Send + 'static,
    ) {
        let Asked {
            pid,
            operation,
            path,
            bytes,
        } = asked;
        let request = self.control.ask(pid, operation, path, bytes);
        let verdict = request.verdict;
        let disk = Arc::clone(&self.disk);
        let serve = move || {
            let done = match verdict.error {
                Some(errno) => Err(errno),
                None => act(&disk, verdict),
            };
            match (done, verdict.done) {
                (Ok(_), Some(errno)) | (Err(errno), _) => {
                    fail(reply, Errno::from_i32(errno.raw_os_error()));
                }
                (Ok(answer), None) => succeed(reply, answer),
            }
        };
        if verdict.waits() {
            let control = Arc::clone(&self.control);
            std::thread::spawn(move || {
                control.wait(&request);
                serve();
            });
        } else {
            serve();
        }
    }

    /// The same for what answers with the attributes of a name.
    pub(super) fn enter(
        &self,
        asked: Asked,
        reply: ReplyEntry,
        act: impl FnOnce(&Disk) -> rustix::io::Result<fuser::FileAttr> + Send + 'static,
    ) {
        self.serve(
            asked,
            reply,
            ReplyEntry::error,
            |disk, _| act(disk),
            |reply, attributes| reply.entry(&memory(), &attributes, Generation(0)),
        );
    }

    /// The same for what has no answer but that it is done.
    pub(super) fn perform(
        &self,
        asked: Asked,
        reply: ReplyEmpty,
        act: impl FnOnce(&Disk, Verdict) -> rustix::io::Result<()> + Send + 'static,
    ) {
        self.serve(asked, reply, ReplyEmpty::error, act, |reply, ()| reply.ok());
    }
}

/// Whom a file belongs to that a request makes.
pub(super) fn owner(request: &Request) -> Owner {
    Owner {
        user: request.uid(),
        group: request.gid(),
    }
}

/// A time that a request sets, as utimensat(2) wants it.
pub(super) fn timespec(time: Option<TimeOrNow>) -> Timespec {
    let special = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    match time {
        None => special(UTIME_OMIT),
        Some(TimeOrNow::Now) => special(UTIME_NOW),
        Some(TimeOrNow::SpecificTime(time)) => {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            Timespec {
                tv_sec: since.as_secs().cast_signed(),
                tv_nsec: i64::from(since.subsec_nanos()),
            }
        }
    }
}
