//! How far scheduled starts are put off.

use grease_testkit::sandbox::{Run, Sandbox, wait_until};
use serde_json::json;

use super::faked::{Faked, cpus};
use super::herd::Herd;
use super::{kept, only, sandbox_with, shell};

fn sandbox_spreading(mode: &str, max: &str) -> Sandbox {
    sandbox_with(&json!({"jitter": {"mode": mode, "max": max, "noise": 0}}))
}

/// How long starts of a job were put off, milliseconds.
fn delays(sandbox: &Sandbox, job: &str) -> Vec<u64> {
    let delay = |kept: &super::Kept| kept.execute["delay_ms"].as_u64().unwrap();
    kept(sandbox, job).iter().map(delay).collect()
}

/// Scheduled starts, all at once.
fn all_at_once(sandbox: &Sandbox, runs: impl IntoIterator<Item = Run>) {
    for ended in Herd::start(sandbox, runs).finish() {
        assert_eq!((ended.code, ended.said.as_str()), (Some(0), ""));
    }
}

fn scheduled(sandbox: &Sandbox, job: &str) -> Run {
    let options = ["--cron", "--overlap", "allow", "--job", job];
    shell(sandbox, &options, "exit 0")
}

#[test]
fn by_hash_a_job_is_always_put_off_by_the_same_time_and_others_by_others() {
    let sandbox = sandbox_spreading("hash", "2s");
    let jobs: Vec<String> = (0..6).map(|number| format!("job-{number}")).collect();
    for _ in 0..2 {
        all_at_once(&sandbox, jobs.iter().map(|job| scheduled(&sandbox, job)));
    }
    let mut of_all: Vec<u64> = Vec::new();
    for job in &jobs {
        let [first, second] = delays(&sandbox, job)[..] else {
            panic!("two runs of {job}");
        };
        assert_eq!(first, second);
        assert!(first < 2000);
        of_all.push(first);
    }
    of_all.sort_unstable();
    of_all.dedup();
    assert!(of_all.len() > 3, "{of_all:?}");
}

#[test]
fn at_random_a_job_is_put_off_by_another_time_at_every_start() {
    let sandbox = sandbox_spreading("random", "2s");
    all_at_once(&sandbox, (0..6).map(|_| scheduled(&sandbox, "job")));
    let mut delays = delays(&sandbox, "job");
    assert!(delays.iter().all(|delay| *delay < 2000), "{delays:?}");
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 3, "{delays:?}");
}

#[test]
fn nothing_is_put_off_but_what_is_scheduled_and_not_told_to_start_at_once() {
    let sandbox = sandbox_spreading("random", "1h");
    let now = ["--cron", "-D", "--job", "now"];
    let mut inside = shell(&sandbox, &["--job", "inside"], "exit 0");
    inside = inside
        .env("GREASE_ENTRY", "g:a/x#y")
        .env("GREASE_RUN_ID", "gone");
    let runs = [
        shell(&sandbox, &now, "exit 0"),
        shell(&sandbox, &["--job", "manual"], "exit 0"),
        shell(&sandbox, &["--job", "ci"], "exit 0").env("CI", "true"),
        inside,
    ];
    for ended in Herd::start(&sandbox, runs).finish() {
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
    for job in ["now", "manual", "ci", "inside"] {
        assert_eq!(delays(&sandbox, job), [0], "{job}");
    }
    let sandbox = sandbox_spreading("none", "1h");
    all_at_once(&sandbox, [scheduled(&sandbox, "job")]);
    assert_eq!(delays(&sandbox, "job"), [0]);
}

#[test]
fn a_bid_is_the_later_the_more_loaded_the_host_is() {
    // The host takes jobs up to a load of ten for each CPU.
    let each = 10.0;
    let sandbox = sandbox_with(&json!({
        "jitter": {"mode": "bid", "max": "1s", "noise": 0},
        "load1_per_core": {"low": each, "normal": each, "high": each},
    }));
    let full = each * f64::from(cpus());
    let Some(host) = Faked::with_load(&sandbox, 0.0) else {
        return;
    };
    for (job, load, expected) in [("idle", 0.0, 0), ("half", 0.5, 500), ("busy", 0.9, 900)] {
        host.set_load(full * load);
        let finished = host.shell(&["--cron", "--job", job], "exit 0").finish();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        let delays = delays(&sandbox, job);
        // What jobs of before added to the load is taken off again.
        let is_expected = |delay: &u64| (expected - expected / 20..=expected).contains(delay);
        assert!(delays.iter().all(is_expected), "{job}: {delays:?}");
    }
}

#[test]
fn a_bid_rises_with_the_load_while_it_is_slept_for() {
    let sandbox = sandbox_with(&json!({
        "jitter": {"mode": "bid", "max": "8s", "noise": 0},
        "load1_per_core": {"low": 10, "normal": 10, "high": 10},
    }));
    let full = 10.0 * f64::from(cpus());
    let Some(host) = Faked::with_load(&sandbox, full / 4.0) else {
        return;
    };
    let running = host.shell(&["--cron", "--job", "job"], "exit 0").start();
    wait_until("it has begun", || sandbox.live().len() == 1);
    host.set_load(full / 2.0);
    let finished = running.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    let delay = only(&sandbox, "job").execute["delay_ms"].as_u64().unwrap();
    assert!((3900..=4000).contains(&delay), "{delay}");
}
