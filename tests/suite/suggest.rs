//! `greasestatus suggest`: what a job's runs say about its timeout, memory and cost.

use grease_testkit::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::records::{self, status};

/// A sandbox with a share, on which the records of two other hosts are: the n-th run took n minutes,
/// n times 100 MiB, and half a CPU; each twentieth failed.
fn farm(runs: u64) -> Sandbox {
    let match_load = json!({"key": "g:a#load", "timeout": "1h", "mem": "100MiB"});
    let sandbox = records::sandbox(&json!({"match": [match_load]}));
    let now = jiff::Timestamp::now();
    for number in 1..=runs {
        let host = ["one", "two"][usize::from(number % 2 == 0)];
        let start = now - std::time::Duration::from_secs(3600 * number);
        let mut end = records::end("g:a#load", host, start, 60 * number, number % 20 == 0);
        end["usage"] = json!({
            "duration_ms": 60_000 * number, "cpu_ms": 30_000 * number,
            "maxrss_kb": 1, "tree_rss_kb": 102_400 * number, "out_bytes": 0, "err_bytes": 0,
        });
        records::write(&sandbox, &end);
    }
    sandbox
}

#[test]
fn timeout_memory_and_cost_follow_from_runs_of_all_hosts() {
    let sandbox = farm(40);
    let shown = status(&sandbox, &["suggest", "load"]);
    assert_eq!(shown.code, Some(0), "{}", shown.all());
    let out = shown.out();
    assert!(out.contains("38 runs that succeeded"), "{out}");
    assert!(out.contains("on 2 hosts (--since 30d)"), "{out}");
    assert!(out.contains("not counted: 2 failed"), "{out}");
    // The longest of 38 took 39 minutes, and 3900 MiB.
    let options = "--timeout 1h20m --mem 5GiB --cost 0.5";
    assert!(out.contains(&format!("\n  {options}\n")), "{out}");
    assert!(out.contains("2 killed by signal 9"), "{out}");
    let now = |name: &str| {
        let line = out.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(2).unwrap().to_owned()
    };
    assert_eq!(
        ["timeout", "mem", "cost"].map(now),
        ["1h", "100MiB", "1"].map(ToOwned::to_owned)
    );

    let told = status(&sandbox, &["suggest", "g:a#load", "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["sample"]["runs"], 38);
    assert_eq!(told["duration_ms"]["p99"], 39 * 60_000);
    assert_eq!(told["suggestion"]["timeout_s"], 80 * 60);
    assert_eq!(told["suggestion"]["options"], options);
}

#[test]
fn what_is_suggested_can_be_pasted() {
    let sandbox = farm(20);
    let told = status(&sandbox, &["suggest", "load", "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let suggestion = &told["suggestion"];
    let options = suggestion["options"].as_str().unwrap();
    let dry = sandbox
        .greaserun(["--dry-run", "-r", "shell"])
        .arguments(options.split(' '))
        .arguments(["-", "--", "true"])
        .finish();
    assert!(dry.out().contains("timeout     2400s\n"), "{}", dry.all());
    // The entry, in a config, gives the job the same.
    sandbox.config(&json!({"jobs": {"match": [suggestion["match"]]}}).to_string());
    let checked = status(&sandbox, &["check"]);
    assert!(!checked.out().contains("unknown"), "{}", checked.all());
    let told = status(&sandbox, &["guard", "g:a#load", "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["request"]["mem_bytes"], suggestion["mem_bytes"]);
    assert_eq!(told["request"]["cost"], suggestion["cost"]);
}

#[test]
fn of_few_runs_nothing_is_guessed() {
    let sandbox = farm(9);
    for (words, sample) in [
        (&["suggest", "load"][..], "9 runs that succeeded"),
        (
            &["suggest", "load", "--since", "90m"],
            "1 run that succeeded",
        ),
    ] {
        let shown = status(&sandbox, words);
        assert_eq!((shown.code, shown.err()), (Some(1), String::new()));
        assert!(shown.out().contains(sample), "{}", shown.out());
        assert!(shown.out().contains("Nothing is suggested: that takes 10"));
        assert!(!shown.out().contains("--timeout"), "{}", shown.out());
    }
    let told = status(&sandbox, &["suggest", "load", "--json"]);
    assert_eq!(told.code, Some(1));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["suggestion"], Value::Null);
    assert_eq!(told["sample"]["runs_needed"], 10);
    let unknown = status(&sandbox, &["suggest", "nope"]);
    assert_eq!(unknown.code, Some(64), "{}", unknown.all());
}

#[test]
fn a_name_that_steers_a_terminal_does_not_in_json_either() {
    let sandbox = records::sandbox(&json!({}));
    let name = "a\u{9b}2J\u{202e}b";
    let end = records::end(name, "one", jiff::Timestamp::now(), 1, false);
    records::write(&sandbox, &end);
    let told = status(&sandbox, &["suggest", name, "--json"]);
    let text = told.out();
    assert!(!text.contains(['\u{9b}', '\u{202e}']), "{}", told.all());
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["job"], name);
}
