//! Waiting for a slot: the order of it, and those who wait and are stopped, ended or killed.

use grease_core::arbitration::config::{Jitter, JitterMode};
use grease_core::arbitration::spread;
use grease_core::model::quantity::Span;
use grease_core::sys::host;
use grease_testkit::sandbox::{Running, Sandbox, state, wait_until};
use rustix::process::Signal;
use serde_json::json;

use super::{
    Held, Tally, assert_all_is_free, guard, hold, is_long, kept, let_go, names, only, sandbox_with,
    shell, wait_until_waiting,
};

#[test]
fn the_slot_of_a_killed_run_is_taken_by_the_next_that_waits() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let killed = hold(&sandbox, "killed", &[]);
    let waits = Held::start(&sandbox, "waits", &["--max-wait", "forever"]);
    wait_until_waiting(&sandbox, "waits");
    killed.running.signal(Signal::KILL);
    assert_eq!(killed.running.finish().signal, Some(9));
    waits.wait_until_it_runs();
    waits.finish();
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
}

/// One that holds the only slot, one whose turn it is, and two behind that one.
fn queue(sandbox: &Sandbox) -> [Held<'_>; 4] {
    let holder = hold(sandbox, "holder", &[]);
    let [head, second, third] = ["head", "second", "third"].map(|name| {
        let held = Held::start(sandbox, name, &["--max-wait", "forever"]);
        let waiter = wait_until_waiting(sandbox, name);
        let is_head = waiter["why"] == "jobs with this one: 2 (at most 1)";
        assert_eq!(is_head, name == "head", "{waiter}");
        assert!(is_head || waiter["why"] == "others wait", "{waiter}");
        held
    });
    [holder, head, second, third]
}

#[test]
fn when_the_one_whose_turn_it_is_is_killed_the_next_in_the_queue_has_it() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let [holder, head, second, third] = queue(&sandbox);
    head.running.signal(Signal::KILL);
    assert_eq!(head.running.finish().signal, Some(9));
    let next = |held: &Held| {
        let waiter = wait_until_waiting(&sandbox, held.name);
        waiter["why"] != "others wait"
    };
    wait_until("another has the turn", || next(&second) || next(&third));
    holder.finish();
    // Either may have been the next.
    for held in [&second, &third] {
        let_go(&sandbox, held.name);
    }
    for held in [second, third] {
        held.finish();
    }
    assert_eq!(
        Tally::read(&sandbox),
        Tally {
            started: 3,
            most: 1
        }
    );
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
}

/// When the one whose turn it is last said that it is alive, milliseconds since boot.
fn beat(sandbox: &Sandbox) -> u64 {
    let text = fs_err::read_to_string(guard(sandbox, "turn.normal")).unwrap();
    text.trim().parse().unwrap()
}

/// Makes the one whose turn it is look as if it had been silent for 31 seconds.
fn age_the_beat(sandbox: &Sandbox) {
    let older = format!("{:>20}\n", beat(sandbox).checked_sub(31_000).unwrap());
    let path = guard(sandbox, "turn.normal");
    let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(file.file(), older.as_bytes(), 0).unwrap();
}

#[test]
fn others_go_past_one_that_is_stopped_and_when_it_goes_on_it_gets_no_slot_beside_them() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let [holder, head, second, third] = queue(&sandbox);
    head.running.signal(Signal::STOP);
    let pid = head.running.pid();
    wait_until("it is stopped", || state(pid) == Some('T'));
    holder.finish();
    // The slot is free, and yet nobody has taken it: all respect the turn for 30 seconds.
    assert!(!second.runs() && !third.runs());
    if !is_long() {
        age_the_beat(&sandbox);
    }
    wait_until("one goes past it", || second.runs() || third.runs());
    let before = beat(&sandbox);
    head.running.signal(Signal::CONT);
    wait_until("it looks again", || beat(&sandbox) != before);
    let (past, other) = if second.runs() {
        (second, third)
    } else {
        (third, second)
    };
    assert!(!head.runs() && !other.runs());
    // Either may come first.
    for held in [&head, &other] {
        let_go(&sandbox, held.name);
    }
    for held in [past, head, other] {
        held.finish();
    }
    assert_eq!(
        Tally::read(&sandbox),
        Tally {
            started: 4,
            most: 1
        }
    );
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
}

/// Ends a run that waits, and asserts that it says so and keeps nobody from anything.
#[track_caller]
fn assert_cancelled(sandbox: &Sandbox, job: &str, running: Running) {
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert_eq!(finished.code, Some(143), "{}", finished.all());
    assert_eq!(only(sandbox, job).words(), ("cancellation", "signal"));
}

#[test]
fn a_run_that_waits_ends_when_it_is_asked_to() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let holder = hold(&sandbox, "holder", &[]);
    let [head, behind] = ["head", "behind"].map(|job| {
        let running = shell(&sandbox, &["--job", job], "touch ran").start();
        wait_until_waiting(&sandbox, job);
        running
    });
    assert_cancelled(&sandbox, "behind", behind);
    assert_cancelled(&sandbox, "head", head);
    assert_eq!(names(&guard(&sandbox, "waiting")), [""; 0]);
    holder.finish();
    assert!(!sandbox.work("ran").exists());
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
}

#[test]
fn a_run_that_waits_for_another_of_its_job_ends_when_it_is_asked_to() {
    let sandbox = sandbox_with(&json!({}));
    let options = ["--key", "same", "--overlap", "queue"];
    let holder = hold(&sandbox, "holder", &options);
    let options = [&["--job", "next"][..], &options].concat();
    let next = shell(&sandbox, &options, "touch ran").start();
    wait_until("it has begun", || sandbox.live().len() == 2);
    assert_cancelled(&sandbox, "next", next);
    holder.finish();
    assert!(!sandbox.work("ran").exists());
    assert_all_is_free(
        &sandbox,
        &["--cost", "1000", "--key", "same", "--overlap", "forbid"],
    );
}

#[test]
fn a_run_that_is_put_off_ends_when_it_is_asked_to() {
    let sandbox = sandbox_with(&json!({"jitter": {"mode": "hash", "max": "1h"}}));
    let jitter = Jitter {
        mode: JitterMode::Hash,
        max: Span::minutes(60),
        ..Jitter::default()
    };
    let is_late =
        |key: &String| spread::delay(&jitter, &host::name(), key, 0.0) > Span::minutes(30).get();
    let key = (0..10_000)
        .map(|number| format!("key-{number}"))
        .find(is_late);
    let options = ["--cron", "--job", "late", "--key", &key.unwrap()];
    let late = shell(&sandbox, &options, "touch ran").start();
    wait_until("it has begun", || sandbox.live().len() == 1);
    assert_cancelled(&sandbox, "late", late);
    assert!(!sandbox.work("ran").exists());
}

#[test]
fn runs_that_are_killed_while_they_wait_are_recorded_and_forgotten_by_the_next() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let [holder, head, second, third] = queue(&sandbox);
    for held in [head, second, third] {
        held.running.signal(Signal::KILL);
        assert_eq!(held.running.finish().signal, Some(9));
    }
    holder.finish();
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
    for job in ["head", "second", "third"] {
        assert_eq!(only(&sandbox, job).words(), ("error", "supervisor-killed"));
    }
    assert_eq!(kept(&sandbox, "holder").len(), 1);
}

#[test]
fn who_waits_without_a_terminal_says_so_once() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let holder = hold(&sandbox, "holder", &[]);
    let dropped = shell(&sandbox, &["--max-wait", "2500ms"], "exit 0").finish();
    assert_eq!(dropped.code, Some(75));
    let said = dropped.err();
    let line = "greaserun: waits: jobs with this one: 2 (at most 1)\n";
    assert_eq!(said.matches("waits: ").count(), 1, "{said}");
    assert!(said.contains(line), "{said}");
    assert!(
        said.contains("was dropped after 2.5 s: jobs with this one: 2"),
        "{said}"
    );
    holder.finish();
}
