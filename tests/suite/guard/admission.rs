//! Slots: how many jobs run at a time, and what happens to those that find none.

use grease_testkit::length::rounds;
use grease_testkit::sandbox::wait_until;
use serde_json::json;

use super::herd::Herd;
use super::{
    BRIEF, Held, Tally, assert_all_is_free, guard, hold, holding, kept_in, let_go, names, only,
    sandbox_with, shell, wait_until_waiting, waiters,
};

#[test]
fn of_a_thousand_starts_at_once_all_run_and_never_more_than_there_are_slots() {
    let sandbox = sandbox_with(&json!({"max_jobs": 8}));
    let number = rounds(150).min(1000);
    let options = ["-q", "--max-wait", "forever"];
    let run = |_| shell(&sandbox, &options, BRIEF);
    for ended in Herd::start(&sandbox, (0..number).map(run)).finish() {
        assert_eq!((ended.code, ended.said.as_str()), (Some(0), ""));
    }
    let tally = Tally::read(&sandbox);
    assert_eq!(tally.started, number as usize);
    assert!(tally.most <= 8, "{tally:?}");
    let slots = names(&guard(&sandbox, "."));
    let slots = slots.iter().filter(|name| name.starts_with("slot."));
    assert!(slots.count() <= 8, "a slot was made that nobody may take");
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
}

#[test]
fn every_slot_is_used_and_each_that_becomes_free_takes_one_of_those_that_wait() {
    let sandbox = sandbox_with(&json!({"max_jobs": 3}));
    let first = ["a", "b", "c"].map(|name| hold(&sandbox, name, &[]));
    let next = ["d", "e"].map(|name| Held::start(&sandbox, name, &[]));
    wait_until("both wait", || waiters(&sandbox).len() == 2);
    assert!(!next.iter().any(Held::runs));
    let [a, b, c] = first;
    a.finish();
    wait_until("one of them runs", || next.iter().any(Held::runs));
    assert!(!next.iter().all(Held::runs));
    b.finish();
    wait_until("both run", || next.iter().all(Held::runs));
    for held in next.into_iter().chain([c]) {
        held.finish();
    }
    assert_eq!(
        Tally::read(&sandbox),
        Tally {
            started: 5,
            most: 3
        }
    );
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
}

#[test]
fn of_a_crowd_that_waits_too_long_the_first_run_and_the_others_are_dropped_without_a_word() {
    let sandbox = sandbox_with(&json!({
        "max_jobs": 4, "pressure": {"memory_full_avg10": 100, "io_full_avg60": 100},
    }));
    let number = rounds(40).min(1000) as usize;
    let runs = (0..number).map(|number| {
        let key = format!("key-{number}");
        let options = [
            "--cron",
            "--max-wait",
            "1s",
            "--job",
            &key,
            "--overlap",
            "allow",
        ];
        shell(&sandbox, &options, &holding("crowd"))
    });
    let mut herd = Herd::start(&sandbox, runs);
    wait_until("all but four are dropped", || herd.ended() == number - 4);
    let_go(&sandbox, "crowd");
    let ended = herd.finish();
    assert_eq!(
        Tally::read(&sandbox),
        Tally {
            started: 4,
            most: 4
        }
    );
    let mut codes = Vec::new();
    for ended in ended {
        assert_eq!(ended.said, "");
        codes.push(ended.code.unwrap());
    }
    codes.sort_unstable();
    assert_eq!(codes[..4], [0; 4]);
    assert!(codes[4..].iter().all(|code| *code == 75), "{codes:?}");
    let sealed = sandbox.sealed();
    assert_eq!(sealed.len(), number);
    let kept = sealed.iter().map(|dir| kept_in(dir));
    let mut succeeded = 0;
    for kept in kept {
        assert_eq!(kept.start["trigger"], "scheduled");
        match kept.words() {
            ("success", "") => succeeded += 1,
            ("skip", "guard-jobs") => assert_drop_is_explained(&kept.end),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(succeeded, 4);
}

/// The record of a drop says of every signal what it was and what it may be.
#[track_caller]
fn assert_drop_is_explained(end: &serde_json::Value) {
    let seen = &end["guard"];
    assert!(seen["waited_ms"].as_u64() >= Some(900), "{end}");
    assert_eq!(
        (&seen["slots_used"], &seen["slots"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(seen["holders"].as_array().map(Vec::len), Some(4), "{end}");
    assert_eq!(end["drops"], 1);
    let checks = seen["checks"].as_array().unwrap();
    let of = |signal: &str| {
        let found = checks.iter().find(|check| check["signal"] == signal);
        found.unwrap_or_else(|| panic!("no {signal} in {end}"))
    };
    for signal in expected_signals() {
        let check = of(signal);
        assert!(check["value"].is_number() && check["limit"].is_number());
        assert!(!check["what"].as_str().unwrap().is_empty());
        assert_eq!(check["refuses"] == true, signal == "jobs", "{check}");
    }
    assert_eq!(
        (&of("jobs")["value"], &of("jobs")["limit"]),
        (&json!(5.0), &json!(4.0))
    );
}

/// The signals that this machine has.
fn expected_signals() -> Vec<&'static str> {
    let mut signals = vec!["jobs", "cost", "spacing", "memory", "disk"];
    let machine = grease_core::sys::machine::read(&[]);
    signals.extend(machine.load1.map(|_| "load"));
    signals.extend(machine.memory_full_avg10.map(|_| "memory-pressure"));
    signals.extend(machine.io_full_avg60.map(|_| "io-pressure"));
    signals.extend(machine.processes.map(|_| "processes"));
    signals
}

#[test]
fn of_starts_at_the_same_moment_that_do_not_wait_all_run_where_there_is_room() {
    let sandbox = sandbox_with(&json!({}));
    let run = |priority: &&str| {
        let options = ["-q", "--max-wait", "0", "--priority", priority];
        shell(&sandbox, &options, BRIEF)
    };
    let priorities = ["low", "normal", "high"].repeat(10);
    for ended in Herd::start(&sandbox, priorities.iter().map(run)).finish() {
        assert_eq!((ended.code, ended.said.as_str()), (Some(0), ""));
    }
    assert_eq!(Tally::read(&sandbox).started, 30);
}

#[test]
fn a_start_by_continuous_integration_does_not_wait() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let holder = hold(&sandbox, "holder", &[]);
    let first = Held::start(&sandbox, "first", &[]);
    wait_until_waiting(&sandbox, "first");
    // Otherwise it would wait for ten minutes.
    let finished = shell(&sandbox, &["--job", "ci"], "touch ran")
        .env("CI", "true")
        .finish();
    assert_eq!(finished.code, Some(75), "{}", finished.all());
    let said = finished.err();
    assert!(said.contains("jobs with this one: 2 (at most 1)"), "{said}");
    assert!(said.contains("hint: greasestatus guard -c"), "{said}");
    assert!(!sandbox.work("ran").exists());
    let kept = only(&sandbox, "ci");
    assert_eq!(
        (kept.words(), &kept.start["trigger"]),
        (("skip", "guard-jobs"), &json!("ci"))
    );
    holder.finish();
    first.finish();
}

#[test]
fn force_starts_a_job_at_once_and_it_counts_like_any_other() {
    let sandbox = sandbox_with(&json!({"max_jobs": 2}));
    let holders = ["a", "b"].map(|name| hold(&sandbox, name, &[]));
    let waits = Held::start(&sandbox, "waits", &[]);
    wait_until_waiting(&sandbox, "waits");
    let forced = hold(&sandbox, "forced", &["--force"]);
    for held in holders {
        held.finish();
    }
    waits.wait_until_it_runs();
    let third = Held::start(&sandbox, "third", &[]);
    let waiter = wait_until_waiting(&sandbox, "third");
    assert_eq!(waiter["why"], "jobs with this one: 3 (at most 2)");
    for held in [forced, waits, third] {
        held.finish();
    }
    let kept = only(&sandbox, "forced");
    assert_eq!(kept.execute["guard"]["forced"], true);
    let log = sandbox.sealed();
    assert!(log.iter().any(|dir| {
        let log = fs_err::read_to_string(dir.join("log")).unwrap();
        log.contains("greaserun: forced: jobs with this one: 3 (at most 2)")
    }));
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
}

#[test]
fn without_the_guard_all_run_at_once() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1, "enabled": false}));
    let all = ["a", "b", "c"].map(|name| hold(&sandbox, name, &["--max-wait", "0"]));
    for held in all {
        held.finish();
    }
    assert_eq!(
        Tally::read(&sandbox),
        Tally {
            started: 3,
            most: 3
        }
    );
    assert!(only(&sandbox, "a").execute["guard"].is_null());
}

#[test]
fn a_request_that_can_never_be_met_fails_at_once() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1, "cost_capacity": 4}));
    // Alone on the host, and behind others that wait.
    for busy in [false, true] {
        let others = busy.then(|| {
            let holder = hold(&sandbox, "holder", &[]);
            let waits = Held::start(&sandbox, "waits", &[]);
            wait_until_waiting(&sandbox, "waits");
            [holder, waits]
        });
        for (option, value, what) in [
            ("--cost", "4.5", "cost of the job alone: 4.50 (at most 4)"),
            ("--mem", "900TiB", "MiB of memory for the job alone"),
            ("--disk", "900TiB", "MiB of disk space for the job alone"),
        ] {
            let job = format!("big{option}{busy}");
            let options = ["--job", &job, option, value, "--max-wait", "forever"];
            let finished = shell(&sandbox, &options, "touch ran").finish();
            assert_eq!(finished.code, Some(78), "{}", finished.all());
            assert!(finished.err().contains(what), "{}", finished.err());
            assert_eq!(only(&sandbox, &job).words(), ("error", "config"));
        }
        for held in others.into_iter().flatten() {
            held.finish();
        }
    }
    assert!(!sandbox.work("ran").exists());
}

#[test]
fn memory_is_set_aside_for_a_job_before_it_takes_any() {
    let sandbox = sandbox_with(&json!({}));
    let memory = grease_core::sys::machine::read(&[]).memory.unwrap();
    // More than half of what there is.
    let mem = format!("{}MiB", (memory.available_bytes >> 20) * 6 / 10);
    let holder = hold(&sandbox, "holder", &["--mem", &mem]);
    let start = |job: &str, mem: &str| {
        let options = ["--job", job, "--mem", mem, "--max-wait", "0"];
        let finished = shell(&sandbox, &options, "exit 0").finish();
        (finished.code, only(&sandbox, job))
    };
    let (code, kept) = start("large", &mem);
    assert_eq!((code, kept.words()), (Some(75), ("skip", "guard-memory")));
    assert_eq!(start("small", "1MiB").0, Some(0));
    holder.finish();
    assert_eq!(start("after", &mem).0, Some(0));
}
