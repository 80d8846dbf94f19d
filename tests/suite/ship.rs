//! What a run leaves on the share, and that no state of the share is any of the run's business.

use std::path::{Path, PathBuf};

use grease_core::debugging::share::{layout, marker};
use grease_core::debugging::ship;
use grease_testkit::length::rounds;
use grease_testkit::sandbox::{CALM, Finished, Run, Sandbox, wait_until};
use rustix::process::{Pid, Signal};
use serde_json::Value;

/// A host, with a share that another one may have too.
struct Host {
    sandbox: Sandbox,
    root: PathBuf,
}

impl Host {
    /// A host whose config names `root`, wherever that is and whether or not it exists.
    fn with(root: PathBuf, logs: &str) -> Self {
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
        let text = format!(
            r#"{{"common": {{"state_dir": "{}", "file_logger": "{}"}}{CALM},
                "jobs": {{"defaults": {{"nice": 0}}}}, "logs": {logs}}}"#,
            sandbox.path("state").display(),
            root.display()
        );
        fs_err::write(sandbox.path("scalegrease.json"), text).unwrap();
        Self { sandbox, root }
    }

    /// A host with an empty directory of its own in the place of a share.
    fn new() -> (tempfile::TempDir, Self) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs_err::create_dir(&root).unwrap();
        (place, Self::with(root, r#"{"wait": "30s"}"#))
    }

    fn shell(&self, script: &str) -> Run {
        let fixed = ["-r", "shell", "-", "--", "sh", "-c", script];
        self.sandbox.greaserun(fixed)
    }

    fn run(&self, script: &str) -> Finished {
        self.shell(script).finish()
    }

    /// The user's directory on the share.
    fn user(&self) -> PathBuf {
        let user = grease_core::sys::host::account().name;
        self.root.join(layout::file_name(&user))
    }

    /// Waits until all finished runs are on the share.
    fn wait_until_shipped(&self) {
        wait_until("all runs are on the share", || {
            let runs = self.sandbox.sealed();
            runs.iter().all(|run| run.join("shipped").exists())
        });
    }

    /// Asserts that each log, digest and index on the share is, byte for byte, that of the spool.
    #[track_caller]
    fn assert_identical(&self) {
        let host = fs_err::read_to_string(self.sandbox.spool().join("ship/host")).unwrap();
        for run in self.sandbox.sealed() {
            let end: Value =
                serde_json::from_str(&fs_err::read_to_string(run.join("sealed")).unwrap()).unwrap();
            let log = self.user().join(end["log"].as_str().unwrap());
            assert_same(&run.join("log"), &log);
            if run.join("digest").exists() {
                let start = end["start"].as_str().unwrap().parse().unwrap();
                let id = end["run"].as_str().unwrap().parse().unwrap();
                let name = [&end["job"], &end["host"]].map(|text| text.as_str().unwrap());
                let path = layout::digest(start, name[0], name[1], id);
                assert_same(&run.join("digest"), &self.user().join(path));
            }
        }
        for entry in fs_err::read_dir(self.sandbox.spool().join("index")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "jsonl") {
                let day = path.file_stem().unwrap().to_str().unwrap();
                assert_same(&path, &self.user().join(layout::index(day, &host)));
            }
        }
    }

    /// The process id of the shipper that runs, or ran last.
    fn shipper(&self) -> Option<i32> {
        let state = ship::state(&self.sandbox.spool())?;
        i32::try_from(state.pid).ok()
    }
}

#[track_caller]
fn assert_same(ours: &Path, theirs: &Path) {
    let read = |path: &Path| fs_err::read(path).unwrap();
    assert!(read(ours) == read(theirs), "{}", theirs.display());
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_in(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn log_digest_index_and_link_arrive_before_greaserun_ends() {
    let (_place, host) = Host::new();
    let finished = host.run("echo out; echo err >&2");
    assert_eq!(
        (finished.code, finished.out()),
        (Some(0), "out\n".to_owned())
    );
    assert!(!finished.err().contains("not yet"), "{}", finished.err());
    assert_eq!(host.run("echo no input >&2; exit 3").code, Some(3));
    host.wait_until_shipped();
    host.assert_identical();
    let links = files_in(&host.user().join("latest"));
    let [latest] = &links[..] else {
        panic!("{links:?}")
    };
    let last = host.sandbox.sealed().pop().unwrap();
    assert_same(&last.join("log"), latest);
    assert!(fs_err::read_link(latest).unwrap().is_relative());
    let left: Vec<_> = files_in(&host.root)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_log_can_be_read_on_the_share_while_its_job_runs() {
    let (_place, host) = Host::new();
    let running = host
        .shell("echo here I am; until test -e go; do sleep 0.01; done")
        .start();
    let is_there = || {
        let logs = files_in(&host.root);
        let mut logs = logs
            .iter()
            .filter(|path| path.extension() == Some("log".as_ref()));
        logs.any(|log| fs_err::read_to_string(log).unwrap().contains("here I am"))
    };
    wait_until("the line is on the share", is_there);
    fs_err::write(host.sandbox.work("go"), "").unwrap();
    assert_eq!(running.finish().code, Some(0));
    host.wait_until_shipped();
    host.assert_identical();
}

#[test]
fn a_shipper_is_no_leftover_of_the_job_and_ends_when_there_is_nothing_to_do() {
    let (_place, host) = Host::new();
    let finished = host.run("exit 0");
    assert!(!finished.err().contains("outlived"), "{}", finished.err());
    host.wait_until_shipped();
    wait_until("the shipper ends", || {
        !ship::is_running(&host.sandbox.spool())
    });
    let beats = files_in(&host.user().join("hosts"));
    let beat: Value = serde_json::from_str(&fs_err::read_to_string(&beats[0]).unwrap()).unwrap();
    assert_eq!(beat["live"], serde_json::json!([]));
    let state = ship::state(&host.sandbox.spool()).unwrap();
    assert_eq!((state.backlog_runs, state.backlog_bytes), (0, 0));
}

#[test]
fn a_root_that_does_not_exist_is_not_made_and_is_not_the_jobs_business() {
    let place = tempfile::tempdir().unwrap();
    let host = Host::with(place.path().join("absent/root"), r#"{"wait": "30s"}"#);
    let finished = host.run("echo out; exit 7");
    assert_eq!(
        (finished.code, finished.out()),
        (Some(7), "out\n".to_owned())
    );
    assert!(
        finished.err().contains("not yet on the share"),
        "{}",
        finished.err()
    );
    assert!(
        finished.err().contains("is never made"),
        "{}",
        finished.err()
    );
    assert_eq!(fs_err::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn without_the_marker_nothing_is_written_and_with_it_all_arrives() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    fs_err::create_dir(&root).unwrap();
    fs_err::write(root.join("of-another"), "").unwrap();
    let host = Host::with(root, r#"{"wait": "30s"}"#);
    let finished = host.run("exit 0");
    assert_eq!(finished.code, Some(0));
    assert!(
        finished.err().contains("greasestatus share init"),
        "{}",
        finished.err()
    );
    assert_eq!(files_in(&host.root).len(), 1);
    marker::init(&host.root).unwrap();
    ship::wake(&host.sandbox.spool());
    host.wait_until_shipped();
    host.assert_identical();
}

#[test]
fn nothing_is_written_to_another_share_in_the_place_of_the_one_that_was_seen() {
    let (place, host) = Host::new();
    host.run("exit 0");
    host.wait_until_shipped();
    let away = place.path().join("away");
    fs_err::rename(&host.root, &away).unwrap();
    fs_err::create_dir(&host.root).unwrap();
    marker::init(&host.root).unwrap();
    kill(&host);
    let finished = host.run("exit 0");
    assert!(
        finished.err().contains("is the share"),
        "{}",
        finished.err()
    );
    assert_eq!(files_in(&host.root).len(), 1, "its marker alone");
    fs_err::remove_dir_all(&host.root).unwrap();
    fs_err::rename(&away, &host.root).unwrap();
    ship::wake(&host.sandbox.spool());
    host.wait_until_shipped();
    host.assert_identical();
}

/// Kills the shipper of a host, if one runs.
fn kill(host: &Host) {
    if let Some(pid) = host.shipper().and_then(Pid::from_raw) {
        rustix::process::kill_process(pid, Signal::KILL).ok(); // It may have ended.
    }
    wait_until("the shipper is gone", || {
        !ship::is_running(&host.sandbox.spool())
    });
}

#[test]
fn a_shipper_that_is_killed_at_any_moment_costs_nothing() {
    let (_place, host) = Host::new();
    let script = "seq 1 20000; exit $(($$ % 2))";
    for round in 0..rounds(6) {
        let running = host.shell(script).start();
        // At another moment each time: before, while and after it ships.
        let looks = u64::from(round % 7) * 8;
        std::thread::sleep(std::time::Duration::from_millis(looks));
        if let Some(pid) = host.shipper().and_then(Pid::from_raw) {
            rustix::process::kill_process(pid, Signal::KILL).ok(); // It may have ended.
        }
        let finished = running.finish();
        assert!(
            finished.code.is_some_and(|code| code < 2),
            "{}",
            finished.err()
        );
    }
    host.run("exit 0");
    host.wait_until_shipped();
    host.assert_identical();
}

#[test]
fn two_hosts_of_one_name_do_not_meet_in_a_file() {
    let (_place, one) = Host::new();
    let other = Host::with(one.root.clone(), r#"{"wait": "30s"}"#);
    for host in [&one, &other, &one, &other] {
        assert_eq!(host.run("echo hello; exit 1").code, Some(1));
    }
    for host in [&one, &other] {
        host.wait_until_shipped();
        host.assert_identical();
    }
    let name = |host: &Host| fs_err::read_to_string(host.sandbox.spool().join("ship/host"));
    assert_ne!(name(&one).unwrap(), name(&other).unwrap());
    assert_eq!(files_in(&one.user().join("hosts")).len(), 2);
}

#[test]
fn what_was_lost_after_it_had_arrived_is_brought_again() {
    let (_place, host) = Host::new();
    host.run("seq 1 1000; exit 1");
    host.wait_until_shipped();
    let run = host.sandbox.sealed().pop().unwrap();
    kill(&host);
    for log in files_in(&host.user().join("latest")) {
        let log = fs_err::canonicalize(log).unwrap();
        fs_err::OpenOptions::new()
            .write(true)
            .open(log)
            .unwrap()
            .set_len(100)
            .unwrap();
    }
    fs_err::remove_file(host.sandbox.spool().join("ship/rechecked")).ok(); // It may not have come to it.
    assert_eq!(host.run("exit 0").code, Some(0));
    let log = fs_err::read(run.join("log")).unwrap();
    let is_whole = |path: &PathBuf| fs_err::read(path).unwrap() == log;
    wait_until("it is whole again", || {
        files_in(&host.root).iter().any(is_whole)
    });
    host.wait_until_shipped();
    host.assert_identical();
}

#[test]
fn a_shipper_keeps_nothing_that_its_caller_left_open() {
    let (_place, host) = Host::new();
    let config = host.sandbox.path("scalegrease.json");
    let program = host.sandbox.programs().join("greaserun");
    let lock = host.sandbox.path("lock");
    let mut run = host.sandbox.program("flock").arguments([lock.as_os_str()]);
    run = run.arguments([program.as_os_str(), "-c".as_ref(), config.as_os_str()]);
    let finished = run.arguments(["-r", "shell", "-", "--", "true"]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.err());
    assert!(ship::is_running(&host.sandbox.spool()));
    let lock = fs_err::File::open(lock).unwrap();
    lock.try_lock().unwrap();
}
