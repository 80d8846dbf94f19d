//! The load average, as the kernel says it and corrected for what it does not know yet.

use grease_testkit::length::rounds;
use grease_testkit::sandbox::wait_until;
use serde_json::{Value, json};

use super::faked::{Faked, cpus};
use super::herd::Herd;
use super::{Tally, configure, holding, let_go, only, sandbox_with, wait_until_waiting};

/// Limits of the load, in all and for every priority.
fn load_limit(load: f64) -> Value {
    let each = load / f64::from(cpus());
    json!({"low": each, "normal": each, "high": each})
}

#[test]
fn of_many_starts_at_once_no_more_are_admitted_than_the_load_allows_though_it_does_not_move() {
    let load = 10.0 + f64::from(cpus());
    let sandbox = sandbox_with(&json!({"load1_per_core": load_limit(load + 4.5)}));
    let Some(host) = Faked::with_load(&sandbox, load) else {
        return;
    };
    let number = rounds(40).min(200) as usize;
    let options = ["-q", "--max-wait", "1s"];
    let run = |_| host.shell(&options, &holding("crowd"));
    let mut herd = Herd::start(&sandbox, (0..number).map(run));
    wait_until("the first are in and the others dropped", || {
        let admitted = Tally::read(&sandbox).most;
        herd.ended() + admitted == number
    });
    let_go(&sandbox, "crowd");
    let ended = herd.finish();
    let admitted = ended.iter().filter(|ended| ended.code == Some(0)).count();
    let dropped = ended.iter().filter(|ended| ended.code == Some(75)).count();
    assert_eq!(admitted + dropped, number, "{ended:?}");
    // Four fit; what they add fades while the kernel's number stays, so some more may come later.
    assert!((4..=7).contains(&admitted), "{admitted}");
}

#[test]
fn a_run_that_waits_for_the_load_starts_when_that_goes() {
    let sandbox = sandbox_with(&json!({"load1_per_core": load_limit(4.0), "min_running": 0}));
    let limit = 4.0_f64.max(1.0 + 0.5 * f64::from(cpus()));
    let Some(host) = Faked::with_load(&sandbox, 90.25) else {
        return;
    };
    let waits = host.shell(&["--job", "waits"], "exit 3").start();
    let waiter = wait_until_waiting(&sandbox, "waits");
    let why = format!("corrected load with this job: 91.25 (at most {limit})");
    assert_eq!(waiter["why"], why.as_str());
    host.set_load(0.0);
    let finished = waits.finish();
    assert_eq!(finished.code, Some(3), "{}", finished.all());
    let said = format!("greaserun: waits: {why}");
    assert!(
        finished.err().matches(&said).count() <= 1,
        "{}",
        finished.err()
    );
}

#[test]
fn a_host_that_others_keep_busy_still_takes_one_job_after_half_of_its_wait() {
    let sandbox = sandbox_with(&json!({"load1_per_core": load_limit(4.0)}));
    let Some(host) = Faked::with_load(&sandbox, 900.0) else {
        return;
    };
    let job = |name: &str| {
        let finished = host
            .shell(&["--job", name, "--max-wait", "2s"], "exit 0")
            .finish();
        (finished.code, only(&sandbox, name))
    };
    let (code, kept) = job("alone");
    assert_eq!(code, Some(0));
    let waited = kept.execute["guard"]["waited_ms"].as_u64();
    assert!(waited >= Some(1000), "{waited:?}");

    // Only one, and only where the site wants it.
    let alone = host.shell(&["--max-wait", "2s"], &holding("first")).start();
    grease_testkit::sandbox::wait_for_file(&sandbox.work("first.runs"));
    let (code, kept) = job("second");
    assert_eq!((code, kept.words()), (Some(75), ("skip", "guard-load")));
    let_go(&sandbox, "first");
    assert_eq!(alone.finish().code, Some(0));
    configure(
        &sandbox,
        &json!({"load1_per_core": load_limit(4.0), "min_running": 0}),
        &json!({}),
    );
    let (code, kept) = job("third");
    assert_eq!((code, kept.words()), (Some(75), ("skip", "guard-load")));
}

#[test]
fn a_job_that_just_ended_is_no_load_any_more_though_the_kernel_still_counts_it() {
    // What the kernel says when a job has run for long and ended now.
    let sandbox = sandbox_with(&json!({"load1_per_core": load_limit(4.0), "min_running": 0}));
    let Some(host) = Faked::with_load(&sandbox, 0.0) else {
        return;
    };
    let idle = 0.5 * f64::from(cpus());
    let cost = idle.max(4.0).to_string();
    let options = ["--job", "brief", "--cost", &cost];
    let finished = host.shell(&options, "sleep 1").finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    let seen = |name: &str, load: f64| {
        host.set_load(load);
        let finished = host.shell(&["--job", name], "exit 0").finish();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        let kept = only(&sandbox, name);
        let checks = kept.execute["guard"]["checks"].as_array().unwrap().clone();
        let load = checks
            .iter()
            .find(|check| check["signal"] == "load")
            .unwrap();
        load["value"].as_f64().unwrap()
    };
    // It ran for a second or more, so a sixtieth of it or more has come into the average.
    let value = seen("next", 2.0);
    assert!(value < 3.0 - 0.9 * 4.0 / 60.0, "{value}");
}
