//! The guard's own state when it cannot be used: full and read-only disks, things in the place of
//! its files, what stood there before the host was restarted.

use std::path::Path;

use grease_testkit::sandbox::{Finished, Sandbox, wait_for_file, wait_until};
use serde_json::{Value, json};

use super::faked::Faked;
use super::{
    Tally, assert_all_is_free, configure, guard, hold, holding, kept, let_go, names, only,
    sandbox_with, shell,
};

/// Says that the guard could not be asked.
const WARNING: &str = "warning: the state of the guard cannot be used: ";

/// A small file system in the place of the guard's directory.
fn small_disk(options: &str) -> String {
    format!("mkdir -p state/guard; mount -t tmpfs -o size=16k,{options} none state/guard")
}

#[track_caller]
fn assert_ran_with_a_warning(finished: &Finished, context: &str) {
    let said = finished.err();
    assert_eq!(finished.code, Some(0), "{context}: {said}");
    assert!(said.contains(WARNING), "{context}: {said}");
}

#[test]
fn on_a_full_or_read_only_disk_jobs_start_with_a_warning_or_not_at_all_as_the_site_wants() {
    for disk in [
        small_disk("ro"),
        small_disk("nr_inodes=1"),
        small_disk("nr_inodes=2"),
        format!(
            "{}; cat /dev/zero > state/guard/filler || true",
            small_disk("nr_inodes=50")
        ),
    ] {
        let sandbox = sandbox_with(&json!({}));
        let Some(host) = Faked::new(&sandbox, &disk) else {
            return;
        };
        let finished = host.shell(&[], "exit 0").finish();
        assert_ran_with_a_warning(&finished, &disk);

        configure(&sandbox, &json!({"on_guard_error": "refuse"}), &json!({}));
        let finished = host.shell(&["--job", "refused"], "touch ran").finish();
        assert_eq!(finished.code, Some(75), "{disk}: {}", finished.all());
        let said = finished.err();
        assert!(
            said.contains("refused was dropped: the state of the guard"),
            "{said}"
        );
        assert_eq!(only(&sandbox, "refused").words(), ("skip", "guard-state"));
        assert!(!sandbox.work("ran").exists());
    }
}

#[test]
fn on_a_disk_that_fills_up_later_the_guard_goes_on_with_the_slots_it_has() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let Some(host) = Faked::new(&sandbox, &small_disk("nr_inodes=50")) else {
        return;
    };
    assert_eq!(host.shell(&[], "exit 0").finish().code, Some(0));
    let line = "cat /dev/zero > ../state/guard/filler; true";
    let words = ["sh", "-c", line].map(std::path::PathBuf::from);
    assert_eq!(host.program(&words).finish().code, Some(0));
    let holder = host.shell(&[], &holding("holder")).start();
    wait_for_file(&sandbox.work("holder.runs"));
    let dropped = host.shell(&["--max-wait", "0"], "exit 0").finish();
    assert_eq!(dropped.code, Some(75), "{}", dropped.all());
    let_go(&sandbox, "holder");
    let holder = holder.finish();
    assert_eq!(holder.code, Some(0));
    assert!(!holder.err().contains("warning"), "{}", holder.err());
}

/// Puts something else in the place of a file.
fn plant(kind: &str, target: &Path, place: &Path) {
    fs_err::remove_file(place).ok(); // It may not be there yet.
    match kind {
        "link" => fs_err::os::unix::fs::symlink(target, place).unwrap(),
        "hard link" => fs_err::hard_link(target, place).unwrap(),
        "directory" => fs_err::create_dir(place).unwrap(),
        "pipe" => {
            let mode = rustix::fs::Mode::from_raw_mode(0o666);
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, place, kind, mode, 0).unwrap();
        }
        other => panic!("{other}"),
    }
}

#[test]
fn nothing_in_the_place_of_a_file_of_the_guard_is_followed_or_waited_for() {
    for kind in ["link", "hard link", "directory", "pipe"] {
        let sandbox = sandbox_with(&json!({"max_jobs": 1}));
        let holder = hold(&sandbox, "holder", &[]);
        // Who has to wait makes the turnstile.
        for options in [&SAME[..], &["--max-wait", "100ms"]] {
            assert_eq!(shell(&sandbox, options, "exit 0").finish().code, Some(75));
        }
        holder.finish();
        let key = names(&guard(&sandbox, "key")).remove(0);
        for name in ["slot.000", "gate", "turn.normal", &format!("key/{key}")] {
            let place = guard(&sandbox, name);
            assert_not_followed(&sandbox, kind, &place);
            let is_directory = place.is_dir() && !place.is_symlink();
            if is_directory {
                fs_err::remove_dir(place).unwrap();
            } else {
                fs_err::remove_file(place).unwrap();
            }
        }
        assert_all_is_free(&sandbox, &["--cost", "1000"]);
    }
}

/// Options of a run that asks for a key.
const SAME: [&str; 6] = [
    "--key",
    "same",
    "--overlap",
    "forbid",
    "--max-wait",
    "100ms",
];

/// Runs with something in the place of a file of the guard.
#[track_caller]
fn assert_not_followed(sandbox: &Sandbox, kind: &str, place: &Path) {
    let context = format!("a {kind} as {}", place.display());
    let held = format!("held-{kind}-{}", place.file_name().unwrap().display()).replace(' ', "-");
    let start = |on_guard_error: &str| {
        let config = json!({"max_jobs": 1, "on_guard_error": on_guard_error});
        configure(sandbox, &config, &json!({}));
        shell(sandbox, &SAME, "echo >> ran").finish()
    };
    let target = sandbox.path("target");
    fs_err::write(&target, "precious").unwrap();
    let before = fs_err::metadata(&target).unwrap();
    // The turn matters only to those who have to wait for it.
    let holder = place
        .ends_with("turn.normal")
        .then(|| hold(sandbox, &held, &[]));
    plant(kind, &target, place);
    let finished = start("admit");
    assert_ran_with_a_warning(&finished, &context);
    let said = finished.err();
    assert!(said.contains(&place.display().to_string()), "{said}");
    let after = fs_err::metadata(&target).unwrap();
    assert_eq!(fs_err::read_to_string(&target).unwrap(), "precious");
    assert_eq!(before.permissions(), after.permissions(), "{context}");
    fs_err::remove_file(sandbox.work("ran")).unwrap();
    let finished = start("refuse");
    assert_eq!(finished.code, Some(75), "{context}: {}", finished.all());
    assert!(!sandbox.work("ran").exists());
    if let Some(holder) = holder {
        holder.finish();
    }
    fs_err::remove_file(target).unwrap();
}

#[test]
fn somebody_who_keeps_the_gate_for_ever_stops_no_job() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    assert_eq!(shell(&sandbox, &[], "exit 0").finish().code, Some(0));
    let gate = guard(&sandbox, "gate");
    let lock = sandbox.program("flock").arguments([&gate]);
    let keeper = lock.arguments(["sleep", "1000"]).start();
    let is_held = || fs_err::File::open(&gate).unwrap().try_lock().is_err();
    wait_until("the gate is held", is_held);
    let finished = shell(&sandbox, &["--max-wait", "0"], "exit 0").finish();
    assert_ran_with_a_warning(&finished, "the gate is held");
    assert!(
        finished.err().contains("`fuser` tells who that is"),
        "{}",
        finished.err()
    );
    drop(keeper);
}

/// Changes the record in a file of the guard, as far as it is one.
fn rewrite(path: &Path, change: impl Fn(&mut Value)) {
    let text = fs_err::read_to_string(path).unwrap();
    let mut record: Value = serde_json::from_str(&text).unwrap();
    change(&mut record);
    let text = format!("{:<1024}", record.to_string());
    let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(file.file(), text.as_bytes(), 0).unwrap();
}

#[test]
fn what_stood_there_before_the_host_was_restarted_counts_nothing() {
    let guard_config = json!({"start_spacing": "1h", "cost_capacity": 4});
    let sandbox = sandbox_with(&guard_config);
    let start = |job: &str| {
        let options = ["--job", job, "--max-wait", "0", "--cost", "3"];
        shell(&sandbox, &options, "exit 0").finish().code
    };
    assert_eq!(start("first"), Some(0));
    assert_eq!(start("too-soon"), Some(75));
    assert_eq!(
        only(&sandbox, "too-soon").words(),
        ("skip", "guard-spacing")
    );
    let reboot = |record: &mut Value| record["boot"] = "another boot".into();
    rewrite(&guard(&sandbox, "gate"), reboot);
    assert_eq!(start("after"), Some(0));

    // The record of a slot that nobody holds any more: the host went down while a job ran.
    configure(&sandbox, &json!({"cost_capacity": 4}), &json!({}));
    let killed = hold(&sandbox, "killed", &["--cost", "3"]);
    killed.running.signal(rustix::process::Signal::KILL);
    killed.running.finish();
    rewrite(&guard(&sandbox, "slot.000"), |record| {
        reboot(record);
        record["admitted_s"] = 1e9.into();
    });
    assert_eq!(start("next"), Some(0));
    let seen = kept(&sandbox, "next").remove(0).execute["guard"].clone();
    assert_eq!(seen["slots_used"], 0, "{seen}");
}

#[test]
fn garbage_in_the_files_of_the_guard_takes_no_slot_away() {
    let sandbox = sandbox_with(&json!({"max_jobs": 2}));
    assert_eq!(shell(&sandbox, &[], "exit 0").finish().code, Some(0));
    for garbage in [
        "",
        "\0\0",
        "{\"v\":1,\"boot\":",
        "[1e999]",
        &"x".repeat(100_000),
    ] {
        for file in [
            "gate",
            "slot.000",
            "slot.001",
            "slot.4095",
            "slot.x",
            "turn.normal",
        ] {
            fs_err::write(guard(&sandbox, file), garbage).unwrap();
        }
        fs_err::remove_file(sandbox.work("tally")).ok(); // Of the round before.
        let both = ["a", "b"];
        let held = both.map(|name| hold(&sandbox, name, &["--max-wait", "0"]));
        assert_eq!(
            shell(&sandbox, &["--max-wait", "0"], "exit 0")
                .finish()
                .code,
            Some(75)
        );
        for held in held {
            held.finish();
        }
        assert_eq!(
            Tally::read(&sandbox),
            Tally {
                started: 2,
                most: 2
            }
        );
        for name in both {
            for end in ["go", "runs"] {
                fs_err::remove_file(sandbox.work(&format!("{name}.{end}"))).unwrap();
            }
        }
    }
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
}

#[test]
fn what_the_record_of_a_held_slot_says_is_believed_within_reason() {
    let sandbox = sandbox_with(&json!({"cost_capacity": 3}));
    let holder = hold(&sandbox, "holder", &[]);
    let admitted = |job: &str| {
        let options = ["--job", job, "--max-wait", "0"];
        let finished = shell(&sandbox, &options, "exit 0").finish();
        assert!(!finished.err().contains("warning"), "{}", finished.err());
        finished.code == Some(0)
    };
    let slot = guard(&sandbox, "slot.000");
    // One that cannot be read counts as a job of the usual cost.
    for (cost, expected) in [
        (json!(-5.0), true),
        (json!(1e300), false),
        (json!("much"), true),
        (Value::Null, true),
    ] {
        rewrite(&slot, |record| record["cost"] = cost.clone());
        assert_eq!(
            admitted(&format!("cost-{}", cost.to_string().trim_matches('"'))),
            expected,
            "{cost}"
        );
    }
    fs_err::write(&slot, "garbage").unwrap();
    assert!(admitted("garbage"));
    holder.finish();
}

/// A run in a sandbox whose guard has nothing but the slots to go by.
fn run(host: &Faked<'_>, job: &str) -> Finished {
    host.shell(&["--job", job, "--max-wait", "0"], "exit 0")
        .finish()
}

#[test]
fn signals_that_cannot_be_read_are_gone_without_and_the_host_is_told_once() {
    for garbage in [
        "garbage\n",
        "",
        "-1.0 0 0 1/1 1\n",
        "nan nan nan\n",
        "1e999 1 1 1/1 1\n",
    ] {
        let sandbox = sandbox_with(&json!({
            "max_jobs": 1, "load1_per_core": {"low": 4, "normal": 4, "high": 4},
            "pressure": {"memory_full_avg10": 10, "io_full_avg60": 80, "cpu_some_avg60": 90},
        }));
        let Some(host) = Faked::with_load(&sandbox, 0.0) else {
            return;
        };
        fs_err::create_dir(sandbox.path("pressure")).unwrap();
        let hide = "mount --bind ../pressure /proc/pressure";
        let hidden = host.program(&["sh", "-c", hide].map(std::path::PathBuf::from));
        assert_eq!(hidden.finish().code, Some(0));
        fs_err::write(sandbox.path("loadavg"), garbage).unwrap();

        let first = run(&host, "first");
        assert_eq!(first.code, Some(0), "{garbage:?}: {}", first.all());
        for signal in ["load", "pressure cpu", "pressure memory", "pressure io"] {
            let warning =
                format!("warning: the guard goes without a signal of this host: {signal}: ");
            let count = first.err().matches(&warning).count();
            assert_eq!(count, 1, "{garbage:?}, {signal}: {}", first.err());
        }
        assert_only_others(&only(&sandbox, "first").execute["guard"]);
        let second = run(&host, "second");
        assert_eq!(second.code, Some(0));
        assert!(!second.err().contains("warning"), "{}", second.err());

        // What can be read decides as ever.
        let holder = host.shell(&[], &holding("holder")).start();
        wait_for_file(&sandbox.work("holder.runs"));
        assert_eq!(run(&host, "third").code, Some(75));
        assert_only_others(&only(&sandbox, "third").end["guard"]);
        let_go(&sandbox, "holder");
        assert_eq!(holder.finish().code, Some(0));
    }
}

/// The signals that are gone without are not among those of a record.
#[track_caller]
fn assert_only_others(seen: &Value) {
    let checks = seen["checks"].as_array().unwrap().iter();
    let signals: Vec<&str> = checks
        .map(|check| check["signal"].as_str().unwrap())
        .collect();
    assert!(
        signals.contains(&"jobs") && signals.contains(&"memory"),
        "{signals:?}"
    );
    let gone = ["load", "cpu-pressure", "memory-pressure", "io-pressure"];
    assert!(
        !signals.iter().any(|signal| gone.contains(signal)),
        "{signals:?}"
    );
}
