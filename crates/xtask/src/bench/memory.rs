//! Resident memory of a process that runs, as the kernel counts it.

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::machine::field;

/// The same where the process ends soon.
const SHORT_PAUSE: Duration = Duration::from_micros(500);

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
    of_process(child.id())
}

/// Memory of a process; `None` if it has ended and was not waited for.
pub(super) fn of_process(pid: u32) -> Result<Option<Memory>> {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status"))?;
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

/// Runs a command to its end, however it ends; returns the MiB that it and the children that it started
/// had resident at most, all together.
pub(super) fn of_family(mut command: Command) -> Result<f64> {
    let mut child = command.spawn()?;
    let mut peaks: BTreeMap<u32, f64> = BTreeMap::new();
    while child.try_wait()?.is_none() {
        let pid = child.id();
        let children = fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default(); // It may just have ended.
        let pids = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        for pid in pids.chain([pid]) {
            if let Ok(Some(memory)) = of_process(pid) {
                peaks.insert(pid, memory.peak);
            }
        }
        thread::sleep(SHORT_PAUSE);
    }
    Ok(peaks.into_values().sum())
}
