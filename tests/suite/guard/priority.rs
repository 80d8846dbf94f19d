//! Who goes first.

use grease_testkit::sandbox::wait_until;
use serde_json::json;

use super::herd::Herd;
use super::{Held, configure, hold, only, sandbox_with, shell, wait_until_waiting, waiters};

#[test]
fn those_of_higher_priority_go_first_though_they_came_last() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let holder = hold(&sandbox, "holder", &[]);
    let mut herd = Herd::start(&sandbox, []);
    for (priority, number) in [("low", 2), ("normal", 4), ("high", 6)] {
        for _ in 0..2 {
            let options = ["--priority", priority, "--max-wait", "forever"];
            let script = format!("echo {priority} >> order; sleep 0.2");
            herd.add(shell(&sandbox, &options, &script));
        }
        wait_until("all of them wait", || waiters(&sandbox).len() == number);
    }
    holder.finish();
    for ended in herd.finish() {
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
    let order = fs_err::read_to_string(sandbox.work("order")).unwrap();
    assert_eq!(order, "high\nhigh\nnormal\nnormal\nlow\nlow\n");
}

#[test]
fn one_of_low_priority_goes_before_a_waiting_one_of_high_only_once_it_is_old() {
    let sandbox = sandbox_with(&json!({"cost_capacity": 8}));
    let holder = hold(&sandbox, "holder", &["--cost", "4"]);
    let high = Held::start(&sandbox, "high", &["--cost", "8", "--priority", "high"]);
    wait_until_waiting(&sandbox, "high");
    let low = |job: &str, wait: &str| {
        let options = ["--job", job, "--priority", "low", "--max-wait", wait];
        let finished = shell(&sandbox, &options, "exit 0").finish();
        (finished.code, only(&sandbox, job))
    };
    // There is room for it all the time.
    let (code, kept) = low("young", "1s");
    assert_eq!((code, kept.words()), (Some(75), ("skip", "guard-priority")));
    configure(
        &sandbox,
        &json!({"cost_capacity": 8, "aging": "500ms"}),
        &json!({}),
    );
    let (code, kept) = low("old", "forever");
    assert_eq!(code, Some(0));
    let waited = kept.execute["guard"]["waited_ms"].as_u64();
    assert!(waited >= Some(500), "{waited:?}");
    assert!(!high.runs());
    holder.finish();
    high.finish();
}

#[test]
fn the_slots_that_are_reserved_are_only_for_high_priority() {
    let sandbox = sandbox_with(&json!({"max_jobs": 3, "reserved_high": 1}));
    let normal = ["a", "b"].map(|name| hold(&sandbox, name, &[]));
    let options = ["--max-wait", "0", "--job", "third"];
    let third = shell(&sandbox, &options, "exit 0").finish();
    assert_eq!(third.code, Some(75), "{}", third.all());
    let high = hold(&sandbox, "high", &["--priority", "high", "--max-wait", "0"]);
    for held in normal.into_iter().chain([high]) {
        held.finish();
    }
}

#[test]
fn a_costly_job_is_admitted_though_cheap_ones_keep_coming() {
    let sandbox = sandbox_with(&json!({"cost_capacity": 8}));
    let cheap = |number: usize| {
        let job = format!("cheap-{number}");
        let options = ["-q", "--job", &job, "--max-wait", "forever"];
        shell(&sandbox, &options, "sleep 0.1")
    };
    // At any time there are twelve of them that run or wait: more than fit.
    let mut herd = Herd::start(&sandbox, (0..12).map(cheap));
    let mut started = 12;
    let costly = Held::start(
        &sandbox,
        "costly",
        &["--cost", "8", "--max-wait", "forever"],
    );
    wait_until("the costly one runs", || {
        while herd.alive().len() < 12 && !costly.runs() {
            herd.add(cheap(started));
            started += 1;
        }
        costly.runs()
    });
    costly.finish();
    for ended in herd.finish() {
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
    let kept = only(&sandbox, "costly");
    let seen = &kept.execute["guard"];
    assert_eq!(seen["slots_used"], 0, "{seen}");
}

#[test]
fn one_that_waits_only_for_what_it_asks_for_itself_lets_others_pass() {
    let sandbox = sandbox_with(&json!({}));
    let disk = rustix::fs::statvfs(sandbox.path("")).unwrap();
    let all_of_it = format!("{}KiB", disk.f_blocks * disk.f_frsize / 1024);
    let options = ["--job", "large", "--disk", &all_of_it];
    let large = shell(&sandbox, &options, "exit 0").start();
    let waiter = wait_until_waiting(&sandbox, "large");
    let why = waiter["why"].as_str().unwrap();
    assert!(why.starts_with("MiB free for `scratch`"), "{why}");
    let other = shell(&sandbox, &["--max-wait", "forever"], "exit 0").finish();
    assert_eq!(other.code, Some(0), "{}", other.all());
    large.signal(rustix::process::Signal::TERM);
    assert_eq!(large.finish().code, Some(143));
}
