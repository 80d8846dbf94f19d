//! Clocks that jump and clocks that are wrong: of the host that runs, and of whoever looks.

use std::collections::BTreeSet;

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Run, Sandbox, wait_until};
use serde_json::Value;

use super::{Host, configure, end};

/// The library behind `faketime(1)`; the loader finds the directory of the machine's kind.
const LIBRARY: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";

/// A host whose wall clock can be set while programs run; since boot there is but one time.
struct Clocked {
    host: Host,
    /// Another one, on which people look.
    elsewhere: Sandbox,
}

impl Clocked {
    fn new() -> Option<Self> {
        require(Component::Faketime)?;
        let host = Host::new()?;
        let elsewhere = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
        configure(&elsewhere, &host.share.path(), "30s");
        let clocked = Self { host, elsewhere };
        clocked.set(0);
        Some(clocked)
    }

    /// Sets how many seconds the clock of this host is ahead.
    fn set(&self, ahead: i64) {
        let new = self.host.sandbox.path("clock.new");
        fs_err::write(&new, format!("{ahead:+}\n")).unwrap();
        fs_err::rename(new, self.host.sandbox.path("clock")).unwrap();
    }

    /// Has a program see the clock of this host.
    fn here(&self, run: Run) -> Run {
        run.env("LD_PRELOAD", LIBRARY)
            .env("FAKETIME_TIMESTAMP_FILE", self.host.sandbox.path("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    #[track_caller]
    fn run(&self, script: &str) {
        let finished = self.here(self.host.shell(script)).finish();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
    }

    /// What `greasestatus` answers on the other host, with this clock or the true one.
    fn ask(&self, question: &[&str], with_this_clock: bool) -> Vec<Value> {
        let config = self.elsewhere.path("scalegrease.json");
        let asked = self
            .elsewhere
            .program("greasestatus")
            .arguments(["-c".as_ref(), config.as_os_str()])
            .arguments(question);
        let answer = if with_this_clock {
            self.here(asked).finish()
        } else {
            asked.finish()
        };
        let text = answer.out();
        let lines: serde_json::Result<Vec<Value>> =
            text.lines().map(serde_json::from_str).collect();
        lines.unwrap_or_else(|error| panic!("{error}: {}", answer.all()))
    }
}

#[test]
fn a_clock_that_jumps_changes_neither_durations_nor_what_arrives() {
    let Some(host) = Clocked::new() else {
        return;
    };
    let script = "echo one; until test -e go; do sleep 0.01; done; echo two";
    let running = host.here(host.host.shell(script)).start();
    wait_until("its log is on the share", || {
        !host.host.files("logs").is_empty()
    });
    // An hour, and days: over the end of one, since what happens is filed by the day.
    for ahead in [3600, -3600, 2 * 86_400, -2 * 86_400] {
        host.set(ahead);
        host.run("echo beside");
        let failed = host.here(host.host.shell("exit 3")).finish();
        assert_eq!(failed.code, Some(3), "{}", failed.all());
    }
    fs_err::write(host.host.sandbox.work("go"), "").unwrap();
    assert_eq!(running.finish().code, Some(0));
    host.host.assert_arrives();

    let ends: Vec<Value> = host
        .host
        .sandbox
        .sealed()
        .iter()
        .map(|run| end(run))
        .collect();
    for end in &ends {
        let duration = end["usage"]["duration_ms"].as_u64().unwrap();
        assert!(duration < 600_000, "{end}");
    }
    let ids: BTreeSet<&str> = ends
        .iter()
        .map(|end| end["run"].as_str().unwrap())
        .collect();
    assert_eq!((ends.len(), ids.len()), (9, 9));
    let shown = host.ask(&["runs", "--since", "30d", "--json"], false);
    let shown: BTreeSet<&str> = shown
        .iter()
        .map(|run| run["run"].as_str().unwrap())
        .collect();
    assert_eq!(shown, ids, "a reader finds each of them, once");
}

#[test]
fn a_host_whose_clock_is_wrong_is_told_of_and_its_runs_are_not_lost() {
    let Some(host) = Clocked::new() else {
        return;
    };
    for ahead in [7200, -7200] {
        host.host.kill_shipper();
        host.set(ahead);
        let start = || {
            let script = "until test -e go; do sleep 0.01; done";
            host.here(host.host.shell(script)).start()
        };
        fs_err::remove_file(host.host.sandbox.work("go")).ok(); // Of the round before.
        let mut running = vec![start()];
        wait_until("people see how far its clock is behind", || {
            let hosts = host.ask(&["hosts", "--json"], false);
            let lives = |host: &&Value| !host["live"].as_array().unwrap().is_empty();
            let offset = |host: &Value| host["clock_offset_ms"].as_i64().unwrap();
            let offset = hosts.iter().find(lives).map_or(0, offset);
            (offset + 1000 * ahead).abs() < 60_000
        });
        running.push(start()); // The heartbeat does not tell of this one yet.
        wait_until("people see both", || {
            let runs = host.ask(&["runs", "--since", "30d", "--json"], false);
            let runs_there = host.ask(&["runs", "--since", "30d", "--json"], true);
            let live = |run: &&Value| run["end"].is_null();
            for run in runs.iter().chain(&runs_there).filter(live) {
                let state = run["state"].as_str().unwrap();
                assert!(["pending", "executing"].contains(&state), "{run}");
            }
            runs.iter().filter(live).count() == 2
        });
        fs_err::write(host.host.sandbox.work("go"), "").unwrap();
        for running in running {
            assert_eq!(running.finish().code, Some(0));
        }
    }
    host.host.assert_arrives();
}
