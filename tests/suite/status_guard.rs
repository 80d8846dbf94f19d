//! `greasestatus guard`: whether a host takes jobs, who holds its slots, and who waits.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use grease_core::model::RunId;
use grease_testkit::component::{Component, require, workspace};
use grease_testkit::sandbox::{CALM, Finished, Run, Running, Sandbox, wait_until};
use rustix::process::Signal;
use serde_json::{Map, Value, json};

/// A sandbox whose guard is calm but for some keys of its section in the config.
fn sandbox(guard: Value) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    configure(&sandbox, guard, json!({}));
    sandbox
}

fn configure(sandbox: &Sandbox, guard: Value, jobs: Value) {
    let calm = format!("{{{}}}", CALM.trim_start_matches(','));
    let mut config: Value = serde_json::from_str(&calm).unwrap();
    let Value::Object(keys) = guard else {
        panic!("an object")
    };
    config["guard"].as_object_mut().unwrap().extend(keys);
    config["jobs"] = jobs;
    sandbox.config(&config.to_string());
}

/// So many slots, and none that only some may take.
fn slots(count: u32) -> Value {
    json!({"max_jobs": count, "reserved_high": 0})
}

fn guard(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox
        .program("greasestatus")
        .arguments(command(sandbox, arguments))
}

fn command(sandbox: &Sandbox, arguments: &[&str]) -> Vec<PathBuf> {
    let words = [
        "guard".into(),
        "-c".into(),
        sandbox.path("scalegrease.json"),
    ];
    let arguments = arguments.iter().map(PathBuf::from);
    words.into_iter().chain(arguments).collect()
}

/// What `--json` shows, and the exit code.
fn json_of(sandbox: &Sandbox, arguments: &[&str]) -> (Value, Option<i32>) {
    let finished = guard(sandbox, arguments).arguments(["--json"]).finish();
    assert_eq!(finished.err(), "");
    (
        serde_json::from_slice(&finished.stdout).unwrap(),
        finished.code,
    )
}

fn first_line(finished: &Finished) -> String {
    finished.out().lines().next().unwrap_or_default().to_owned()
}

/// The lines of the text that begin a fact or go on with it.
fn lines_of(finished: &Finished, fact: &str) -> Vec<String> {
    let out = finished.out();
    let mut lines = out.lines().skip_while(|line| !line.starts_with(fact));
    let first = lines.next().map(ToOwned::to_owned);
    let rest = lines.take_while(|line| line.starts_with(' '));
    first
        .into_iter()
        .chain(rest.map(ToOwned::to_owned))
        .collect()
}

fn job(sandbox: &Sandbox, options: &[&str], words: &[&str]) -> Run {
    sandbox
        .greaserun(["-r", "shell"])
        .arguments(options)
        .arguments(["-"])
        .arguments(words)
}

/// Starts runs that hold slots until they are ended.
fn hold(sandbox: &Sandbox, count: usize) -> Vec<Running> {
    let runs = (0..count).map(|_| job(sandbox, &["--mem", "1MiB"], &["sleep", "600"]).start());
    let runs = runs.collect();
    wait_until("the slots are held", || {
        json_of(sandbox, &[]).0["held"].as_array().unwrap().len() == count
    });
    runs
}

fn end(runs: Vec<Running>) {
    for run in &runs {
        run.signal(Signal::TERM);
    }
    for run in runs {
        run.finish();
    }
}

/// Runs a job to its end, so that the guard's directory is there.
fn use_guard(sandbox: &Sandbox) {
    let finished = job(sandbox, &[], &["true"]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.err());
}

/// All that is below a directory, but for what is in files.
fn tree(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs_err::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.insert(path);
    }
    found
}

#[test]
fn an_idle_host_takes_jobs_and_nothing_is_held() {
    let sandbox = sandbox(slots(2));
    use_guard(&sandbox);
    let finished = guard(&sandbox, &[]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    assert_eq!(first_line(&finished), "takes jobs");
    let directory = sandbox.path("state/guard");
    let guard_line = format!("guard             on, {}", directory.display());
    assert_eq!(lines_of(&finished, "guard"), [guard_line]);
    let slots = "slots             0 held, 2 for normal priority";
    assert_eq!(lines_of(&finished, "slots"), [slots]);
    assert_eq!(lines_of(&finished, "waiting"), ["waiting           nobody"]);
    let (shown, code) = json_of(&sandbox, &[]);
    assert_eq!((code, &shown["verdict"]), (Some(0), &json!("start")));
    assert_eq!(shown["slots"], json!({"used": 0, "for_priority": 2}));
    assert_eq!(shown["directory"], json!(directory));
    assert_eq!(
        (&shown["held"], &shown["waiting"]),
        (&json!([]), &json!([]))
    );
    let signals: Vec<&str> = shown["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["signal"].as_str().unwrap())
        .collect();
    for signal in ["jobs", "cost", "memory", "disk"] {
        assert!(signals.contains(&signal), "{signals:?}");
    }
}

#[test]
fn who_holds_slots_and_who_waits_for_what_is_told_until_they_have_ended() {
    let sandbox = sandbox(json!({"max_jobs": 3, "reserved_high": 1}));
    let mut runs = hold(&sandbox, 2);
    runs.push(job(&sandbox, &["--job", "third"], &["true"]).start());
    wait_until("the third waits", || {
        json_of(&sandbox, &[]).0["waiting"] != json!([])
    });

    let (shown, code) = json_of(&sandbox, &[]);
    assert_eq!((code, &shown["verdict"]), (Some(1), &json!("wait")));
    let held = shown["held"].as_array().unwrap();
    assert_eq!((&held[0]["slot"], &held[1]["slot"]), (&json!(0), &json!(1)));
    for one in held {
        assert_eq!(
            (&one["job"], &one["priority"]),
            (&json!("sleep"), &json!("normal"))
        );
        assert_eq!(
            (&one["cost"], &one["mem_bytes"]),
            (&json!(1.0), &json!(1 << 20))
        );
        assert!(one["since_s"].as_f64().unwrap() >= 0.0, "{one}");
    }
    let pids: BTreeSet<i64> = held
        .iter()
        .map(|one| one["pid"].as_i64().unwrap())
        .collect();
    let started = runs[..2].iter().map(|run| i64::from(run.pid()));
    assert_eq!(pids, started.collect());
    let waiting = &shown["waiting"][0];
    assert_eq!(waiting["job"], "third");
    let why = waiting["why"].as_str().unwrap();
    assert!(why.contains("jobs with this one: 3 (at most 2)"), "{why}");

    let finished = guard(&sandbox, &[]).finish();
    assert_eq!(finished.code, Some(1));
    let line = first_line(&finished);
    let reason = "takes no jobs now: jobs with this one: 3 (at most 2); runs of normal priority";
    assert!(line.starts_with(reason), "{line}");
    let refusing = lines_of(&finished, "signals").join("\n");
    assert!(refusing.contains("REFUSES"), "{refusing}");
    let slots = lines_of(&finished, "slots");
    assert_eq!(slots[0], "slots             2 held, 2 for normal priority");
    for (line, one) in slots[2..].iter().zip(held) {
        let run = one["run"].as_str().unwrap();
        assert!(
            line.contains(run) && line.contains(" ago") && line.contains("1MiB"),
            "{line}"
        );
    }
    let waiters = lines_of(&finished, "waiting");
    assert_eq!(waiters.len(), 3, "{waiters:?}");
    let run = waiting["run"].as_str().unwrap();
    assert!(
        waiters[2].contains(run) && waiters[2].ends_with(why),
        "{waiters:?}"
    );

    let verdict = |priority| first_line(&guard(&sandbox, &["--priority", priority]).finish());
    assert_eq!(verdict("high"), "would start now");
    let of_low = verdict("low");
    assert!(
        of_low.contains("runs of normal priority that wait and go first"),
        "{of_low}"
    );

    end(runs);
    let (shown, code) = json_of(&sandbox, &[]);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(
        (&shown["held"], &shown["waiting"]),
        (&json!([]), &json!([]))
    );
}

#[test]
fn what_a_refusal_prints_explains_it() {
    let sandbox = sandbox(slots(1));
    let runs = hold(&sandbox, 1);
    let options = [
        "--max-wait",
        "0",
        "--cost",
        "2.5",
        "--mem",
        "3MiB",
        "--disk",
        "5GiB",
    ];
    let refused = job(&sandbox, &options, &["true"]).finish();
    assert_eq!(refused.code, Some(75), "{}", refused.err());
    let err = refused.err();
    let line = |start| err.lines().find_map(|line: &str| line.split_once(start));
    let (_, reason) = line("was dropped: ").unwrap();
    let (_, command) = line("hint: greasestatus guard").unwrap();
    let path = format!("{}:/usr/bin:/bin", sandbox.programs().display());
    let explained = sandbox
        .program("/bin/sh")
        .arguments(["-c", &format!("greasestatus guard{command}")])
        .env("PATH", path)
        .finish();
    assert_eq!(explained.code, Some(1), "{}", explained.all());
    assert_eq!(first_line(&explained), format!("would wait: {reason}"));
    let asked = "job               of default settings, runner shell: normal priority, cost 2.50, \
                 3MiB of memory, 5GiB of disk space";
    assert_eq!(lines_of(&explained, "job"), [asked]);
    end(runs);
    let explained = guard(&sandbox, &["--explain"]).finish();
    assert_eq!(explained.code, Some(0), "{}", explained.all());
    assert_eq!(first_line(&explained), "would start now");
}

#[test]
fn a_request_that_no_idle_host_of_this_kind_could_meet_is_told_as_such() {
    let sandbox = sandbox(json!({"cost_capacity": 10}));
    let refused = job(&sandbox, &["--cost", "500"], &["true"]).finish();
    assert_eq!(refused.code, Some(78), "{}", refused.err());
    let finished = guard(&sandbox, &["--explain", "--cost", "500"]).finish();
    assert_eq!(finished.code, Some(1), "{}", finished.all());
    let reason = "cost of the job alone: 500 (at most 10)";
    assert_eq!(
        first_line(&finished),
        format!("could never start: {reason}")
    );
    assert!(refused.err().contains(reason), "{}", refused.err());
    let (shown, _) = json_of(&sandbox, &["--cost", "500"]);
    assert_eq!(shown["verdict"], "never");
    assert_eq!(shown["impossible"]["limit"], 10.0);
    let (shown, _) = json_of(&sandbox, &["--cost", "9"]);
    assert_eq!(
        (&shown["verdict"], &shown["impossible"]),
        (&json!("start"), &Value::Null)
    );
}

#[test]
fn a_job_is_asked_for_with_its_settings_and_flags_win() {
    let sandbox = sandbox(json!({}));
    let jobs = json!({"match": [{"key": "g:a#*", "priority": "high", "mem": "1GiB"}]});
    configure(&sandbox, json!({}), jobs);
    let request = |arguments: &[&str]| json_of(&sandbox, arguments).0["request"].clone();
    let expected = |runner: &str, cost: f64, disk: u64| {
        json!({"job": "g:a#x", "runner": runner, "priority": "high", "cost": cost,
               "mem_bytes": 1 << 30, "disk_bytes": disk})
    };
    assert_eq!(request(&["g:a#x"]), expected("shell", 1.0, 0));
    assert_eq!(
        request(&["g:a#x", "-r", "Hadoop"]),
        expected("hadoop", 0.5, 0)
    );
    let flags = [
        "g:a#x", "--runner", "hadoop", "--cost", "3", "--disk", "1MiB",
    ];
    assert_eq!(request(&flags), expected("hadoop", 3.0, 1 << 20));
    let plain = request(&[]);
    assert_eq!(
        (&plain["priority"], &plain["mem_bytes"]),
        (&json!("normal"), &json!(0))
    );
    let unknown = guard(&sandbox, &["g:a#x", "-r", "hadop"]).finish();
    assert!(
        unknown.code != Some(0) && unknown.err().contains("hadop"),
        "{}",
        unknown.all()
    );
}

#[test]
fn where_no_run_has_been_the_machine_is_shown_and_nothing_is_made() {
    let sandbox = sandbox(json!({}));
    let finished = guard(&sandbox, &[]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    let line = "guard             on, no run has been here yet";
    assert_eq!(lines_of(&finished, "guard"), [line]);
    assert!(
        lines_of(&finished, "signals").len() > 2,
        "{}",
        finished.out()
    );
    assert!(!sandbox.path("state").exists());
    assert_eq!(json_of(&sandbox, &[]).0["directory"], Value::Null);

    // Nor is anything made in a directory that lacks some of what runs make when they need it.
    let directory = sandbox.path("state/guard");
    fs_err::create_dir_all(&directory).unwrap();
    for used in [false, true] {
        if used {
            use_guard(&sandbox);
        }
        let before = tree(&sandbox.path("state"));
        assert_eq!(json_of(&sandbox, &[]).1, Some(0));
        assert_eq!(tree(&sandbox.path("state")), before);
        assert_eq!(directory.join("gate").exists(), used);
    }
}

#[test]
fn what_others_wrote_into_the_files_is_shown_harmlessly() {
    let sandbox = sandbox(json!({}));
    use_guard(&sandbox);
    let (hidden, _) = json_of(&sandbox, &[]);
    let record = |run: &str, job: &str, user: &str| {
        json!({"v": 1, "boot": hidden["boot"], "run": run, "job": job, "user": user, "pid": 1,
               "cost": 1e300, "mem_bytes": u64::MAX, "priority": "low", "admitted_s": -1e300,
               "why": "\u{1b}[2J\u{202e}gone"})
    };
    let directory = sandbox.path("state/guard");
    let waiting = directory.join("waiting").join(RunId::new().to_string());
    fs_err::create_dir_all(waiting.parent().unwrap()).unwrap();
    let odd = record("R\n\u{7}", "\u{9b}31mjob", "\u{1b}]0;root\u{7}");
    let files = [
        (directory.join("slot.000"), odd.to_string()),
        (
            directory.join("slot.001"),
            record("R", &"x".repeat(4096), "u").to_string(),
        ),
        (directory.join("slot.002"), "\u{1b}[2J {not json".to_owned()),
        (directory.join("slot.003"), String::new()),
        (directory.join("slot.99999999999"), odd.to_string()),
        (waiting, odd.to_string()),
    ];
    let locked = files.map(|(path, text)| {
        fs_err::write(&path, text).unwrap();
        let file = fs_err::File::open(path).unwrap();
        file.try_lock().unwrap();
        file
    });
    for flags in [
        &[][..],
        &["--json"],
        &["--quiet"],
        &["--explain", "--color", "never"],
    ] {
        let finished = guard(&sandbox, flags).finish();
        assert_eq!(finished.err(), "");
        let out = finished.out();
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!out.contains(steers), "{flags:?}: {out:?}");
        assert!(out.lines().all(|line| line.chars().count() < 600), "{out}");
    }
    let (shown, _) = json_of(&sandbox, &[]);
    let held = shown["held"].as_array().unwrap();
    assert_eq!(held.len(), 4, "{shown}");
    assert_eq!(held[0]["user"], "\\u{1b}]0;root\\u{7}");
    assert_eq!(
        (&held[0]["cost"], &held[0]["since_s"]),
        (&json!(1024.0), &Value::Null)
    );
    for one in &held[1..] {
        assert_eq!(
            (&one["run"], &one["cost"]),
            (&Value::Null, &json!(1.0)),
            "{one}"
        );
    }
    assert_eq!(shown["waiting"][0]["why"], "\\u{1b}[2J\\u{202e}gone");
    drop(locked);
}

#[test]
fn a_guard_that_is_off_is_told() {
    let sandbox = sandbox(json!({"enabled": false, "cost_capacity": 0.5}));
    let finished = guard(&sandbox, &[]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    let line = "takes jobs, unasked: the guard is off (`guard.enabled`)";
    assert_eq!(first_line(&finished), line);
    assert_eq!(json_of(&sandbox, &[]).0["enabled"], false);
    assert_eq!(job(&sandbox, &[], &["true"]).finish().code, Some(0));
}

#[test]
fn quiet_tells_only_why_a_job_would_not_start() {
    let sandbox = sandbox(slots(1));
    assert_eq!(guard(&sandbox, &["-q"]).finish().out(), "");
    let runs = hold(&sandbox, 1);
    let out = guard(&sandbox, &["-q"]).finish().out();
    assert_eq!(
        out,
        "takes no jobs now: jobs with this one: 2 (at most 1)\n"
    );
    end(runs);
}

/// The same for which permissions count even if root runs the test.
fn without_privileges(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    if !rustix::process::geteuid().is_root() {
        return guard(sandbox, arguments);
    }
    sandbox
        .program("setpriv")
        .arguments(["--bounding-set", "-dac_override,-dac_read_search"])
        .arguments([sandbox.programs().join("greasestatus")])
        .arguments(command(sandbox, arguments))
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;

    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn who_may_not_write_the_slots_is_told_so_and_sees_them() {
    let sandbox = sandbox(slots(2));
    let runs = hold(&sandbox, 1);
    let directory = sandbox.path("state/guard");
    for path in tree(&directory) {
        set_mode(&path, if path.is_dir() { 0o555 } else { 0o444 });
    }
    set_mode(&directory, 0o555);
    let finished = without_privileges(&sandbox, &[]).finish();
    assert_eq!(finished.code, Some(77), "{}", finished.all());
    assert!(
        first_line(&finished).starts_with("takes jobs, unasked: "),
        "{}",
        finished.out()
    );
    let error = format!(
        "error: the state of the guard cannot be used: `{}` cannot be written: Permission denied",
        directory.display()
    );
    assert!(finished.out().contains(&error), "{}", finished.out());
    assert!(
        lines_of(&finished, "slots")[2].contains("sleep"),
        "{}",
        finished.out()
    );

    // Who may not even read sees the machine.
    set_mode(&directory, 0o000);
    let finished = without_privileges(&sandbox, &[]).finish();
    assert_eq!(finished.code, Some(77), "{}", finished.all());
    assert!(
        finished.out().contains("Permission denied"),
        "{}",
        finished.out()
    );
    assert!(
        lines_of(&finished, "signals").len() > 2,
        "{}",
        finished.out()
    );
    set_mode(&directory, 0o755);
    end(runs);
}

#[test]
fn slots_on_a_read_only_file_system_are_shown_with_exit_code_74() {
    let Some(unshare) = require(Component::MountNamespace) else {
        return;
    };
    let sandbox = sandbox(slots(1));
    let runs = hold(&sandbox, 1);
    let directory = sandbox.path("state/guard");
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let finished = sandbox
        .program(unshare.path)
        .arguments(["--mount", "sh", "-ec", script])
        .arguments([&directory, &sandbox.programs().join("greasestatus")])
        .arguments(command(&sandbox, &[]))
        .finish();
    assert_eq!(finished.code, Some(74), "{}", finished.all());
    assert!(
        first_line(&finished).starts_with("takes no jobs now: jobs"),
        "{}",
        finished.out()
    );
    assert!(
        finished.out().contains("Read-only file system"),
        "{}",
        finished.out()
    );
    assert!(
        lines_of(&finished, "slots")[2].contains("sleep"),
        "{}",
        finished.out()
    );
    end(runs);
}

#[test]
fn a_directory_that_someone_else_could_replace_is_not_looked_into() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can give files away.
    }
    for (policy, verdict) in [("admit", "start"), ("refuse", "drop")] {
        let sandbox = sandbox(json!({"on_guard_error": policy}));
        use_guard(&sandbox);
        std::os::unix::fs::chown(sandbox.path("state/guard"), Some(1234), None).unwrap();
        let (shown, code) = json_of(&sandbox, &[]);
        assert_eq!((code, &shown["verdict"]), (Some(77), &json!(verdict)));
        let text = shown["findings"][0]["text"].as_str().unwrap();
        assert!(text.contains("belongs to user 1234"), "{text}");
        let run = job(&sandbox, &[], &["true"]).finish();
        assert_eq!(run.code == Some(0), verdict == "start", "{}", run.err());
    }
}

/// The names of all fields in an object, of lists as in their first element.
fn names(object: &Map<String, Value>, into: &mut BTreeSet<String>) {
    for (name, value) in object.iter().filter(|(name, _)| *name != "unreadable") {
        into.insert(name.clone());
        let one = value.as_array().and_then(|list| list.first());
        if let Some(inner) = one.unwrap_or(value).as_object() {
            names(inner, into);
        }
    }
}

#[test]
fn every_field_for_programs_is_documented() {
    let sandbox = sandbox(slots(1));
    let mut runs = hold(&sandbox, 1);
    runs.push(job(&sandbox, &[], &["true"]).start());
    let mut shown = Value::Null;
    wait_until("the second waits", || {
        shown = json_of(&sandbox, &["--cost", "1000"]).0;
        shown["waiting"] != json!([])
    });
    end(runs);
    let mut fields = BTreeSet::new();
    names(shown.as_object().unwrap(), &mut fields);
    assert!(fields.len() > 30, "{fields:?}");
    let text = fs_err::read_to_string(workspace().join("docs/status.md")).unwrap();
    let is_missing = |field: &&String| !text.contains(&format!("`{field}`"));
    let missing: Vec<&String> = fields.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_config_that_cannot_be_used_is_refused() {
    let sandbox = sandbox(json!({}));
    let missing: &OsStr = "missing.json".as_ref();
    let finished = sandbox
        .program("greasestatus")
        .arguments(["guard".as_ref(), "-c".as_ref(), missing])
        .finish();
    assert_eq!((finished.code, finished.out()), (Some(78), String::new()));
}
