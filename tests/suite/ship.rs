//! What a run leaves on the share, and that no state of the share is any of the run's business.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use grease_core::debugging::share::{layout, marker};
use grease_core::debugging::ship;
use grease_testkit::length::rounds;
use grease_testkit::sandbox::{CALM, DEADLINE, Finished, Run, Sandbox, is_running, wait_until};
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

/// A greaserun with another config, for a job that starts it.
fn inner(host: &Host, script: &str) -> String {
    let program = host.sandbox.programs().join("greaserun");
    let config = host.sandbox.path("inner.json");
    let [program, config] = [&program, &config].map(|path| path.display());
    format!("{program} -c {config} -r shell - -- sh -c '{script}'")
}

#[test]
fn a_shipper_that_a_greaserun_inside_a_job_started_outlives_the_job() {
    let (_place, host) = Host::new();
    // Only the inner one has a share, so that no shipper is there before it.
    fs_err::rename(
        host.sandbox.path("scalegrease.json"),
        host.sandbox.path("inner.json"),
    )
    .unwrap();
    host.sandbox
        .config(r#"{"jobs": {"defaults": {"nice": 0}}}"#);
    let quick = host.run(&format!("{}; exit 4", inner(&host, "echo inner")));
    assert_eq!(quick.code, Some(4), "{}", quick.all());
    assert!(!quick.err().contains("outlived"), "{}", quick.err());
    let shipper = host.shipper().unwrap();
    assert!(is_running(shipper), "{}", quick.all());

    // And when all of the job is killed while the inner one is the shipper's parent.
    let stubborn = r#"trap "" TERM; sleep 1000"#;
    let mut running = host.shell(&inner(&host, stubborn)).start();
    wait_until("the inner job runs", || host.sandbox.live().len() == 2);
    kill(&host);
    wait_until("the inner run starts another one", || {
        host.shipper()
            .is_some_and(|now| now != shipper && is_running(now))
    });
    wait_until("a second request kills them all", || {
        running.signal(Signal::TERM);
        running.has_ended()
    });
    assert_eq!(running.finish().code, Some(143));
    assert!(is_running(host.shipper().unwrap()));
    assert_eq!(host.sandbox.processes(), [host.shipper().unwrap()]);
}

#[test]
fn a_shipper_makes_way_for_jobs() {
    let (_place, host) = Host::new();
    assert_eq!(host.run("echo once").code, Some(0));
    let shipper = host.shipper().unwrap();
    let class = host
        .sandbox
        .program("ionice")
        .arguments(["-p", &shipper.to_string()])
        .finish();
    assert_eq!(class.out().trim(), "idle", "{}", class.all());
    let pid = Pid::from_raw(shipper);
    assert_eq!(rustix::process::getpriority_process(pid).unwrap(), 5);
}

/// Largest resident memory of a process so far, KiB.
fn peak_kib(pid: i32) -> u64 {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

/// Runs a job that writes much, with a share; gives what greaserun and the shipper needed at most, KiB.
///
/// On the share and by `greasestatus log --raw` are the exact bytes, of which the job keeps a copy.
fn bring(script: &str) -> [u64; 2] {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    fs_err::create_dir(&root).unwrap();
    let host = Host::with(root, r#"{"wait": "1s", "limits": {"run": "64GiB"}}"#);
    let script = format!("{{ {script}; }} | tee copy; until [ -e go ]; do sleep 0.02; done");
    let words = ["--cron", "-r", "shell", "-", "--", "sh", "-c", &script];
    let running = host.sandbox.greaserun(words).start();
    let length = |path: PathBuf| fs_err::metadata(path).map_or(0, |found| found.len());
    wait_until("the shipper has begun", || {
        host.user().exists() && !files_in(&host.user()).is_empty()
    });
    let copy = || length(host.sandbox.work("copy"));
    let is_written = || {
        let log = host.sandbox.live().pop().map(|run| length(run.join("log")));
        log.is_some_and(|log| log > copy()) && copy() > 0 && !is_writing(&host)
    };
    go_on(copy, is_written);
    let shipper = host.shipper().unwrap();
    fs_err::write(host.sandbox.work("go"), "").unwrap();
    let greaserun = peak_kib(running.pid());
    assert_eq!(running.finish().code, Some(0));
    let on_share = || {
        files_in(&host.user())
            .into_iter()
            .map(length)
            .max()
            .unwrap_or(0)
    };
    go_on(on_share, || on_share() > copy());
    // To read it back takes its time as well.
    let until = Instant::now() + DEADLINE * rounds(1);
    let is_shipped = || {
        host.sandbox
            .sealed()
            .iter()
            .all(|run| run.join("shipped").exists())
    };
    while !is_shipped() {
        assert!(Instant::now() < until, "it is not on the share");
        std::thread::sleep(Duration::from_millis(20));
    }
    let peaks = [greaserun, peak_kib(shipper)];
    host.assert_identical();
    let config = host.sandbox.path("scalegrease.json");
    let status = host.sandbox.programs().join("greasestatus");
    let compare = format!(
        "{} -c {} log sh --raw | cmp - copy",
        status.display(),
        config.display()
    );
    let compared = host
        .sandbox
        .program("sh")
        .arguments(["-c", &compare])
        .finish();
    assert_eq!(compared.code, Some(0), "{}", compared.all());
    peaks
}

/// Waits for as long as something grows.
fn go_on(length: impl Fn() -> u64, is_done: impl Fn() -> bool) {
    while !is_done() {
        let before = length();
        wait_until("it goes on", || is_done() || length() > before);
    }
}

/// Whether the job has more to write than it has: its writer runs.
fn is_writing(host: &Host) -> bool {
    let command = |pid: i32| fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_writer = |pid: i32| command(pid).starts_with(b"tee\0");
    host.sandbox.processes().into_iter().any(is_writer)
}

#[test]
fn much_without_a_line_break_and_single_bytes_arrive_exactly_and_need_little_memory() {
    let idle = bring("echo little");
    // 32 MB, and 1 GB where tests are 32 times as long: numbers, so that every place differs.
    let much = format!("seq -s , 1 1000000000 | head -c {}", rounds(32) * 1_000_000);
    let bytes = "seq 20000 | dd bs=1 2>/dev/null";
    for script in [&*much, bytes] {
        for (peak, idle) in bring(script).into_iter().zip(idle) {
            assert!(
                peak < idle + 8 * 1024,
                "{peak} KiB of `{script}`, {idle} of none"
            );
        }
    }
}

#[test]
fn what_this_host_has_lost_of_its_index_stays_on_the_share() {
    let (_place, host) = Host::new();
    assert_eq!(host.run("echo first; exit 3").code, Some(3));
    host.wait_until_shipped();
    let first = host.sandbox.sealed().remove(0);
    let first = first.file_name().unwrap().to_str().unwrap().to_owned();
    for file in files_in(&host.sandbox.spool().join("index")) {
        fs_err::remove_file(file).unwrap();
    }
    assert_eq!(host.run("echo second").code, Some(0));
    host.wait_until_shipped();
    host.assert_identical();
    let files = files_in(&host.user());
    let mut indexes = files
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    let has_first = |path: &PathBuf| fs_err::read_to_string(path).unwrap().contains(&first);
    assert!(indexes.any(has_first), "{files:?}");
}

#[test]
fn neither_a_digest_nor_a_link_that_is_refused_keeps_a_log_away() {
    let (_place, host) = Host::new();
    assert_eq!(host.run("echo first").code, Some(0));
    host.wait_until_shipped();
    let latest = host.user().join("latest");
    let link = fs_err::read_dir(&latest).unwrap().next().unwrap().unwrap();
    fs_err::remove_file(link.path()).unwrap();
    fs_err::create_dir(link.path()).unwrap();
    let log = files_in(
        &host
            .user()
            .join(layout::day(grease_core::sys::clock::now())),
    );
    let day = log[0].parent().unwrap().ancestors();
    let day = day
        .filter(|dir| dir.join("logs").exists())
        .last()
        .unwrap()
        .to_owned();
    fs_err::write(day.join("failed"), "").unwrap();
    assert_eq!(host.run("seq 100000; exit 3").code, Some(3));
    wait_until("the log is there, whole", || {
        let logs = files_in(&day.join("logs"));
        let is_whole = |run: &PathBuf| {
            let ours = fs_err::metadata(run.join("log")).map_or(0, |found| found.len());
            let arrived = |log: &PathBuf| fs_err::metadata(log).is_ok_and(|log| log.len() == ours);
            logs.iter().any(arrived)
        };
        host.sandbox.sealed().iter().all(is_whole)
    });
    assert_eq!(host.run("echo another").code, Some(0));
    wait_until(
        "the last thing went well, and what fails is told still",
        || {
            let state = ship::state(&host.sandbox.spool()).unwrap();
            state.state == ship::Word::Ok && state.error.is_some_and(|text| text.contains("digest"))
        },
    );
    fs_err::remove_file(day.join("failed")).unwrap();
    host.wait_until_shipped();
}
