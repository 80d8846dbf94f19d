//! Waiting on a terminal.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ChildStdin;

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Running, Sandbox, state, wait_until};
use rustix::process::Signal;
use serde_json::json;

use super::{Held, hold, kill, only, sandbox_with, wait_until_waiting};

/// Starts a run on a terminal of its own, whose content goes to the file `terminal`; none without
/// script(1).
fn on_terminal(sandbox: &Sandbox, job: &str) -> Option<(Running, ChildStdin)> {
    let script = require(Component::Script)?;
    let command = format!(
        "exec {} -c {} --job {job} -r shell - -- true",
        sandbox.programs().join("greaserun").display(),
        sandbox.path("scalegrease.json").display()
    );
    let run = sandbox.program(script.path).arguments(["-qefc", &command]);
    let run = run.arguments([sandbox.path("terminal")]);
    let run = run.env("TERM", "xterm").env("SHELL", "/bin/sh");
    Some(run.start_and_type())
}

fn shown(sandbox: &Sandbox) -> String {
    let bytes = fs_err::read(sandbox.path("terminal")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_person_sees_what_a_run_waits_for_and_for_how_long_until_it_runs() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1, "max_wait": {"manual": "forever"}}));
    let holder = hold(&sandbox, "holder", &[]);
    let Some((running, keys)) = on_terminal(&sandbox, "watched") else {
        return;
    };
    // The line goes on.
    wait_until("the line has changed", || {
        let shown = shown(&sandbox);
        let lines = shown.split("waiting ").skip(1);
        let times: BTreeSet<_> = lines.filter_map(|line| line.split_once(" s")).collect();
        times.len() > 2
    });
    let line = shown(&sandbox);
    for part in [
        "jobs with this one: 2 (at most 1)",
        "--force starts it anyway",
    ] {
        assert!(line.contains(part), "{line}");
    }
    holder.finish();
    let finished = running.finish();
    drop(keys);
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    let shown = shown(&sandbox);
    assert!(!shown.contains("waits: "), "{shown}");
    assert!(shown.contains("greaserun: watched starts, run "), "{shown}");
}

#[test]
fn one_that_a_person_stops_while_it_waits_is_in_nobodys_way() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let holder = hold(&sandbox, "holder", &[]);
    let Some((running, mut keys)) = on_terminal(&sandbox, "stopped") else {
        return;
    };
    let waiter = wait_until_waiting(&sandbox, "stopped");
    let pid = i32::try_from(waiter["pid"].as_i64().unwrap()).unwrap();
    keys.write_all(b"\x1a").unwrap(); // Ctrl-Z
    wait_until("it is stopped", || state(pid) == Some('T'));
    let next = Held::start(&sandbox, "next", &["--max-wait", "forever"]);
    // It looks at the slots itself, and is not told that others come before.
    let waiter = wait_until_waiting(&sandbox, "next");
    assert_eq!(waiter["why"], "jobs with this one: 2 (at most 1)");
    holder.finish();
    next.wait_until_it_runs();
    // script(1) stops with what it runs.
    running.signal(Signal::CONT);
    kill(pid, Signal::CONT);
    next.finish();
    let finished = running.finish();
    drop(keys);
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    assert_eq!(only(&sandbox, "stopped").words(), ("success", ""));
}
