//! What a run leaves behind: when its slot and its key are free again.

use grease_testkit::sandbox::{Sandbox, is_running, wait_until};
use rustix::process::Signal;
use serde_json::json;

use super::{Held, configure, hold, kill, only, pid_in, sandbox_with, shell, wait_until_waiting};

/// A job that leaves a process in a session of its own.
const LEAVES: &str = "setsid sleep 1000 > /dev/null 2>&1 & echo $! > left; sleep 0.1";

/// Options of a run of the one job there may be.
const SAME: [&str; 6] = ["--key", "same", "--overlap", "forbid", "--max-wait", "0"];

#[track_caller]
fn assert_free(sandbox: &Sandbox) {
    let finished = shell(sandbox, &SAME, "exit 0").finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
}

#[test]
fn what_outlives_a_job_holds_neither_its_slot_nor_its_key() {
    for (leftovers, policy) in [("kill", "kill"), ("detach", "kill"), ("detach", "count")] {
        let sandbox = sandbox_with(&json!({}));
        let guard = json!({"max_jobs": 1});
        configure(
            &sandbox,
            &guard,
            &json!({"on_supervisor_death": policy, "drain": "100ms"}),
        );
        let options = [&["--leftovers", leftovers][..], &SAME].concat();
        let finished = shell(&sandbox, &options, LEAVES).finish();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        let left = pid_in(&sandbox, "left");
        assert_eq!(is_running(left), leftovers == "detach");
        assert_free(&sandbox);
    }
}

/// Starts a job with a process that outlives it and kills its greaserun; gives that process.
fn kill_supervisor(sandbox: &Sandbox, policy: &str) -> i32 {
    configure(
        sandbox,
        &json!({"max_jobs": 1}),
        &json!({"on_supervisor_death": policy}),
    );
    let options = [&["--job", "killed"][..], &SAME].concat();
    let script = format!("{LEAVES}; echo $$ > leader; exec sleep 1000");
    let running = shell(sandbox, &options, &script).start();
    let [left, leader] = ["left", "leader"].map(|file| pid_in(sandbox, file));
    running.signal(Signal::KILL);
    running.finish();
    wait_until("the job's first process is gone", || !is_running(leader));
    assert!(is_running(left), "only the next run can find it");
    left
}

#[test]
fn slot_and_key_of_a_killed_run_are_free_at_once_and_the_next_kills_what_is_left() {
    let sandbox = sandbox_with(&json!({}));
    let left = kill_supervisor(&sandbox, "kill");
    assert_free(&sandbox);
    wait_until("nothing is left", || !is_running(left));
    assert_eq!(
        only(&sandbox, "killed").words(),
        ("error", "supervisor-killed")
    );
}

#[test]
fn what_is_left_of_a_killed_run_keeps_slot_and_key_where_the_config_says_that_it_counts() {
    let sandbox = sandbox_with(&json!({}));
    let left = kill_supervisor(&sandbox, "count");
    let options = [&["--job", "same"][..], &SAME].concat();
    let same = shell(&sandbox, &options, "exit 0").finish();
    assert_eq!(same.code, Some(75), "{}", same.all());
    assert_eq!(only(&sandbox, "same").words(), ("skip", "overlap"));
    let other = shell(&sandbox, &["--job", "other", "--max-wait", "0"], "exit 0").finish();
    assert_eq!(other.code, Some(75), "{}", other.all());
    assert_eq!(only(&sandbox, "other").words(), ("skip", "guard-jobs"));
    assert_eq!(
        only(&sandbox, "killed").words(),
        ("error", "supervisor-killed")
    );

    let waits = Held::start(&sandbox, "waits", &["--max-wait", "forever"]);
    wait_until_waiting(&sandbox, "waits");
    assert!(is_running(left));
    kill(left, Signal::KILL);
    waits.wait_until_it_runs();
    waits.finish();
    assert_free(&sandbox);
}

#[test]
fn a_run_whose_job_cannot_be_started_keeps_nothing() {
    let sandbox = sandbox_with(&json!({}));
    configure(
        &sandbox,
        &json!({"max_jobs": 1}),
        &json!({"on_supervisor_death": "count"}),
    );
    let absent = [&SAME[..], &["-r", "shell", "-", "--", "no-such-program"]].concat();
    assert_eq!(sandbox.greaserun(absent).finish().code, Some(127));
    assert_free(&sandbox);
    let absent = [&SAME[..], &["-r", "shell", "no-such.jar", "--", "true"]].concat();
    assert_ne!(sandbox.greaserun(absent).finish().code, Some(0));
    let held = hold(&sandbox, "held", &SAME);
    held.finish();
}
