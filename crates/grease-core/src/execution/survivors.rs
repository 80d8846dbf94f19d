//! Processes of a job that outlived their greaserun.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::model::RunId;
use crate::sys::process;

/// How long survivors are given to go, in all.
const KILL_MAX: Duration = Duration::from_secs(2);

/// Pause between two passes.
const PASS_PAUSE: Duration = Duration::from_millis(10);

/// Kills all processes whose environment names `run`, and returns how many there were.
///
/// Reads the environment of every process of the host, so it is for dead runs only. What runs
/// as another user, or started its program with a cleared environment, is not seen; this
/// process itself, which a survivor may have started, is left out.
pub fn kill(run: RunId) -> usize {
    let deadline = Instant::now() + KILL_MAX;
    let mut killed = std::collections::BTreeSet::new();
    loop {
        let survivors = find(run);
        for survivor in &survivors {
            process::signal(survivor.pid, survivor.started, Signal::KILL);
            killed.insert((survivor.pid, survivor.started));
        }
        if survivors.is_empty() || Instant::now() > deadline {
            return killed.len();
        }
        std::thread::sleep(PASS_PAUSE);
    }
}

fn find(run: RunId) -> Vec<process::Stat> {
    let variable = format!("GREASE_RUN_ID={run}");
    let own = rustix::process::getpid().as_raw_pid();
    let others = process::all().into_iter().filter(|pid| *pid != own);
    // The start time is read first: if the id is given to another process in between, that one
    // has another start time and is not signalled.
    let alive = others
        .filter_map(process::stat)
        .filter(process::Stat::is_alive);
    alive
        .filter(|found| process::environment_holds(found.pid, &variable))
        .collect()
}
