//! Faults that were found, each by its symptom.

use grease_testkit::sandbox::wait_until;
use rustix::process::Signal;
use serde_json::json;

use super::{Held, guard, hold, holding, kept, sandbox_with, shell, wait_until_waiting};

/// Options of runs that are the same job.
const REPLACE: [&str; 4] = ["--key", "victim", "--overlap", "replace"];

#[test]
fn a_run_of_another_key_was_ended_since_the_file_of_the_key_named_it() {
    let sandbox = sandbox_with(&json!({}));
    let in_the_way = hold(&sandbox, "a", &REPLACE);
    let innocent = hold(&sandbox, "b", &["--key", "other"]);
    let innocent_run = sandbox
        .live()
        .into_iter()
        .find(|dir| super::kept_in(dir).start["job"] == "b")
        .unwrap();
    let innocent_run = innocent_run.file_name().unwrap().to_str().unwrap();
    let directory = guard(&sandbox, "key");
    let names = super::names(&directory);
    let name = names.iter().find(|name| name.ends_with(".0")).unwrap();
    let text = fs_err::read_to_string(directory.join(name)).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["run"] = innocent_run.into();
    let forged = format!("{:1024}", record.to_string());
    fs_err::write(directory.join(name), forged).unwrap();
    let newer = shell(&sandbox, &REPLACE, "true").finish();
    assert_eq!(newer.code, Some(75), "{}", newer.all());
    innocent.finish();
    in_the_way.finish();
}

#[test]
fn of_starts_by_continuous_integration_all_but_the_first_were_dropped_for_being_too_close() {
    let sandbox = sandbox_with(&json!({"start_spacing": "250ms"}));
    let starts = [(); 3].map(|()| shell(&sandbox, &[], "true").env("CI", "1").start());
    for start in starts {
        let finished = start.finish();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
    }
}

#[test]
fn a_job_that_must_not_overlap_started_beside_one_in_a_later_place() {
    let sandbox = sandbox_with(&json!({}));
    let first = hold(&sandbox, "first", &["--key", "k", "--overlap", "allow:2"]);
    let second = hold(&sandbox, "second", &["--key", "k", "--overlap", "allow:2"]);
    first.finish();
    let third = shell(&sandbox, &["--key", "k", "--overlap", "forbid"], "true").finish();
    assert_eq!(third.code, Some(75), "{}", third.all());
    second.finish();
}

#[test]
fn drops_that_could_not_be_counted_were_never_told() {
    let sandbox = sandbox_with(&json!({"command": "false"}));
    fs_err::create_dir_all(sandbox.spool()).unwrap();
    fs_err::write(
        sandbox.spool().join("drops"),
        "in the place of the directory",
    )
    .unwrap();
    let finished = shell(&sandbox, &["--cron", "--max-wait", "0"], "true").finish();
    assert_eq!(finished.code, Some(75));
    assert!(finished.err().contains("was dropped"), "{}", finished.all());
}

#[test]
fn what_a_killed_run_left_ran_beside_the_one_that_had_waited_for_it() {
    let sandbox = sandbox_with(&json!({}));
    let options = ["--key", "k", "--overlap", "queue"];
    let first = hold(&sandbox, "first", &options);
    let script = "sh -c 'echo > left.runs; sleep 600; true' & wait";
    let with_child = ["--key", "k2", "--overlap", "queue"];
    let leaving = shell(&sandbox, &with_child, script).start();
    wait_until("its child runs", || sandbox.work("left.runs").exists());
    let before = sandbox.processes().len();
    let next = Held::start(&sandbox, "next", &with_child);
    wait_until("it waits, or is about to", || sandbox.live().len() == 3);
    leaving.signal(Signal::KILL);
    next.wait_until_it_runs();
    // Its own processes are as many as those of the one it waited for at most.
    assert!(sandbox.processes().len() <= before + 1);
    let sleepers = kept(&sandbox, "sh");
    assert_eq!(sleepers[0].words(), ("error", "supervisor-killed"));
    next.finish();
    first.finish();
}

#[test]
fn a_start_of_the_future_stopped_the_host_for_ever() {
    let sandbox = sandbox_with(&json!({"start_spacing": "100ms"}));
    hold(&sandbox, "first", &[]).finish();
    let gate = guard(&sandbox, "gate");
    let text = fs_err::read_to_string(&gate).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["last_start_s"] = 99_999_999.0.into();
    record["residue"]["at_s"] = 99_999_999.0.into();
    fs_err::write(&gate, format!("{:1024}", record.to_string())).unwrap();
    let next = shell(&sandbox, &["--max-wait", "0"], "true").finish();
    assert_eq!(next.code, Some(0), "{}", next.all());
}

#[test]
fn a_run_that_had_ended_another_was_dropped_itself_and_neither_ran() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let old = Held::start(&sandbox, "old", &REPLACE);
    old.wait_until_it_runs();
    let between = Held::start(&sandbox, "between", &[]);
    wait_until_waiting(&sandbox, "between");
    let options = [&REPLACE[..], &["--job", "new"]].concat();
    let new = shell(&sandbox, &options, &holding("new"))
        .env("CI", "1")
        .start();
    between.wait_until_it_runs();
    wait_until_waiting(&sandbox, "new");
    between.finish();
    super::let_go(&sandbox, "new");
    let finished = new.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    drop(old);
}
