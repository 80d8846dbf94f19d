//! The beginning of a shipper's process: its task, its surroundings, its lock.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::SigSet;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit};

use super::place::Place;
use super::shipper::Shipper;
use super::start::{DETACHED, detach};
use super::{TASK_BYTES_MAX, Task};
use crate::debugging::redact::Redactor;
use crate::diagnostics::{self, Mask};
use crate::model::limits::IoNice;
use crate::sys::env::Env;
use crate::sys::{clock, process};

/// How much nicer than its caller it is.
const NICE: i32 = 5;

/// How long the lock is tried: whoever only looks whether it is held has it for a moment.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// Pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Ships what the task on standard input says; returns an exit code. `stage` is what follows
/// [`super::ARGUMENT`].
pub fn run(stage: Option<&std::ffi::OsStr>) -> u8 {
    if stage.is_none_or(|stage| stage != DETACHED) {
        return u8::from(detach().is_err()) * 71;
    }
    let Some(task) = take_task() else {
        return 64; // It is started by our own programs alone.
    };
    settle();
    ship(task).map_or(74, |()| 0)
}

/// Reads the task on standard input; what is told from then on is kept in its spool.
pub fn take_task() -> Option<Task> {
    let mut text = String::new();
    io::stdin()
        .take(TASK_BYTES_MAX)
        .read_to_string(&mut text)
        .ok()?;
    let task = serde_json::from_str(&text).ok()?;
    keep_diagnostics(&task);
    Some(task)
}

/// Nobody reads what a shipper prints.
fn keep_diagnostics(task: &Task) {
    let redactor = Redactor::new(&task.logs.redact, &Env::read(), &[]);
    let mask: Mask = Arc::new(move |text| redactor.text(text));
    diagnostics::keep(Some(&task.spool), "shipper", &mask, None);
    diagnostics::tell_of_panics();
}

/// Takes the lock, and ships until there is nothing to do.
fn ship(task: Task) -> io::Result<()> {
    let place = Place::make(&task.spool)?;
    let begun = clock::since_boot();
    loop {
        if let Some(lock) = place.try_lock()? {
            process::set_io_class(IoNice::Idle).ok(); // Where there is no ionice(1), it is nicer only.
            return Shipper::new(task, place, lock)?.run();
        }
        if clock::since_boot() > begun + LOCK_PATIENCE {
            return Ok(()); // Another one ships.
        }
        std::thread::sleep(LOCK_PAUSE);
    }
}

/// Makes the process one of its own. What cannot be had of this, it does without.
fn settle() {
    SigSet::empty().thread_set_mask().ok();
    if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        rustix::stdio::dup2_stdin(null).ok();
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rustix::process::nice(NICE).ok();
    // Two descriptors for each live run.
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, all).ok();
}
