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
/// as another user, or started its program with a cleared environment, is not seen.
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
    let holds = |pid: &i32| process::environment_holds(*pid, &variable);
    let found = process::all().into_iter().filter(holds).filter_map(process::stat);
    found.filter(|found| found.state != 'Z').collect()
}
