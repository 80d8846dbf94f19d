//! Resident memory of a process that runs, as the kernel counts it.

use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::machine::field;

/// Pause between two looks at a process whose peak is wanted.
const PAUSE: Duration = Duration::from_millis(5);

/// MB in a MiB, in which the aims are set.
pub(super) const MB_IN_A_MIB: f64 = 1.048_576;

/// MiB of memory in the fields of `/proc/PID/status` (`proc(5)`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Resident now: `VmRSS`.
    pub(super) resident: f64,
    /// Of these, memory that is not part of a file: `RssAnon`.
    pub(super) anonymous: f64,
    /// The most that was ever resident: `VmHWM`.
    pub(super) peak: f64,
}

/// Memory of a child; `None` if it has ended.
pub(super) fn of(child: &Child) -> Result<Option<Memory>> {
    let status = fs_err::read_to_string(format!("/proc/{}/status", child.id()))?;
    let mib = |name| {
        let kib = field(&status, name)?
            .strip_suffix(" kB")?
            .parse::<f64>()
            .ok()?;
        Some(kib / 1024.0)
    };
    let all = (mib("VmRSS"), mib("RssAnon"), mib("VmHWM"));
    let (Some(resident), Some(anonymous), Some(peak)) = all else {
        return Ok(None);
    };
    Ok(Some(Memory {
        resident,
        anonymous,
        peak,
    }))
}

/// Runs a command to its end; returns the last that was seen of its memory.
pub(super) fn to_the_end(mut command: Command) -> Result<Memory> {
    let mut child = command.spawn()?;
    let mut last = None;
    let status = loop {
        last = of(&child)?.or(last);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(PAUSE);
    };
    ensure!(status.success(), "{command:?} failed with {status}");
    last.context("the command ended at once")
}
