//! Runs whose greaserun was killed with SIGKILL, and what the next run makes of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use grease_core::model::RunId;
use grease_testkit::length::rounds;
use grease_testkit::sandbox::{Running, Sandbox, is_running, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{assert_clean, kill, pid_in, sandbox, sandbox_with, shell, wait_until_empty};

/// A job with a child in a session of its own; both have written their ids.
const FAMILY: &str = "setsid sleep 1000 & echo $! > child; echo $$ > leader; sleep 1000";

/// Starts [`FAMILY`] and kills its greaserun; gives the child's id.
fn kill_supervisor_of_family(sandbox: &Sandbox) -> i32 {
    let running = shell(sandbox, &[], FAMILY).start();
    let [child, leader] = ["child", "leader"].map(|file| pid_in(sandbox, file));
    running.signal(Signal::KILL);
    running.finish();
    wait_until("the job's first process is gone", || !is_running(leader));
    child
}

/// The end event in the directory of a finished run.
fn end_in(dir: &Path) -> Value {
    serde_json::from_str(&fs_err::read_to_string(dir.join("sealed")).unwrap()).unwrap()
}

fn run_next(sandbox: &Sandbox) -> String {
    let finished = shell(sandbox, &[], "exit 0").finish();
    assert_eq!(finished.code, Some(0), "{}", finished.err());
    finished.err()
}

#[test]
fn the_next_run_ends_what_a_killed_greaserun_left_and_completes_its_record() {
    let sandbox = sandbox();
    let child = kill_supervisor_of_family(&sandbox);
    assert!(is_running(child), "only the next run can find it");
    let [scratch] = <[PathBuf; 1]>::try_from(sandbox.scratches()).unwrap();
    fs_err::write(scratch.join("file"), "").unwrap();
    let [live] = <[PathBuf; 1]>::try_from(sandbox.live()).unwrap();
    let run = live.file_name().unwrap().to_str().unwrap();

    let said = run_next(&sandbox);
    assert!(
        said.contains(&format!("killed what run {run} of ")),
        "{said}"
    );
    wait_until("the child is gone", || !is_running(child));
    assert_clean(&sandbox);
    let end = end_in(&sandbox.spool().join("sealed").join(run));
    assert_eq!(end["result"], "error");
    assert_eq!(end["error"], "supervisor-killed");
    let log = fs_err::read_to_string(sandbox.spool().join("sealed").join(run).join("log"));
    assert!(log.unwrap().contains("supervisor-killed"));
}

#[test]
fn survivors_are_left_alone_where_the_config_says_so() {
    let sandbox = sandbox_with(r#"{"nice": 0, "on_supervisor_death": "count"}"#);
    let child = kill_supervisor_of_family(&sandbox);
    run_next(&sandbox);
    assert!(is_running(child));
    assert!(sandbox.live().is_empty());
    kill(child, Signal::KILL);
}

#[test]
fn a_run_beside_is_never_touched() {
    let sandbox = sandbox();
    let beside = shell(&sandbox, &[], FAMILY).start();
    let [child, leader] = ["child", "leader"].map(|file| pid_in(&sandbox, file));
    let scratches = sandbox.scratches();
    for _ in 0..3 {
        run_next(&sandbox);
    }
    assert!(is_running(child) && is_running(leader));
    assert_eq!((sandbox.scratches(), sandbox.live().len()), (scratches, 1));
    beside.signal(Signal::TERM);
    assert_eq!(beside.finish().code, Some(143));
    assert_clean(&sandbox);
}

/// Plants a dead run as a greaserun that was killed would leave it.
fn plant(sandbox: &Sandbox, run: RunId, meta: &str) -> PathBuf {
    let dir = sandbox.spool().join("runs").join(run.to_string());
    fs_err::create_dir_all(&dir).unwrap();
    fs_err::write(dir.join("lock"), "").unwrap();
    fs_err::write(dir.join("meta.json"), meta).unwrap();
    dir
}

fn meta(run: RunId, boot: &str, scratch: &Path) -> String {
    json!({
        "v": 1, "run": run.to_string(), "job": "g:a#x", "boot": boot, "pid": 1,
        "scratch": scratch, "kill_survivors": true,
    })
    .to_string()
}

fn this_boot() -> String {
    fs_err::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn a_run_of_an_earlier_boot_is_recorded_as_such_and_nothing_is_killed() {
    let sandbox = sandbox();
    let run = RunId::new();
    let scratch = sandbox.spool().join("scratch").join(run.to_string());
    fs_err::create_dir_all(&scratch).unwrap();
    plant(&sandbox, run, &meta(run, "another-boot", &scratch));
    let bystander = sandbox
        .program("sleep")
        .arguments(["1000"])
        .env("GREASE_RUN_ID", run.to_string())
        .start();
    run_next(&sandbox);
    assert!(is_running(bystander.pid()));
    assert_eq!(end_in(&sandbox.sealed()[0])["error"], "host-reboot");
    assert!(sandbox.live().is_empty() && sandbox.scratches().is_empty());
}

#[test]
fn a_dead_run_without_a_readable_meta_is_completed_and_what_it_left_is_ended() {
    for torn in ["", "{\"v\": 1", "[]", "\u{0}\u{0}"] {
        let sandbox = sandbox();
        let run = RunId::new();
        let scratch = sandbox.spool().join("scratch").join(run.to_string());
        fs_err::create_dir_all(&scratch).unwrap();
        plant(&sandbox, run, torn);
        let survivor = sandbox
            .program("sleep")
            .arguments(["1000"])
            .env("GREASE_RUN_ID", run.to_string())
            .start();
        run_next(&sandbox);
        assert_eq!(
            end_in(&sandbox.sealed()[0])["error"],
            "supervisor-killed",
            "{torn:?}"
        );
        assert_eq!(survivor.finish().signal, Some(9), "{torn:?}");
        assert_clean(&sandbox);
    }
}

#[test]
fn a_run_that_died_before_its_first_event_is_recorded_with_what_is_known_of_it() {
    let host = || fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for has_meta in [true, false] {
        let sandbox = sandbox();
        let run = RunId::new();
        let scratch = sandbox.spool().join("scratch").join(run.to_string());
        let meta = meta(run, &this_boot(), &scratch);
        plant(&sandbox, run, if has_meta { &meta } else { "" });
        run_next(&sandbox);
        let config = sandbox.path("scalegrease.json");
        let reader = sandbox
            .program("greasestatus")
            .arguments(["-c".as_ref(), config.as_os_str()])
            .arguments(["runs", "--json"])
            .finish();
        let shown: Vec<Value> = serde_json::from_slice(&reader.stdout)
            .or_else(|_| reader.out().lines().map(serde_json::from_str).collect())
            .unwrap_or_else(|error| panic!("{error}: {}", reader.all()));
        let shown = shown
            .iter()
            .find(|shown| shown["run"] == run.to_string())
            .unwrap_or_else(|| panic!("{}", reader.all()));
        let job = if has_meta { "g:a#x" } else { "unknown" };
        let user = grease_core::sys::host::account().name;
        assert_eq!(shown["job"], job);
        assert_eq!(shown["user"], user.as_str());
        assert_eq!(shown["host"], host().trim());
        let start: jiff::Timestamp = shown["start"].as_str().unwrap().parse().unwrap();
        assert_eq!(Some(start), run.drawn_at());
        let end = end_in(&sandbox.spool().join("sealed").join(run.to_string()));
        assert!(
            end["log"]
                .as_str()
                .unwrap()
                .ends_with(&format!("{run}.log"))
        );
    }
}

#[test]
fn a_dead_run_cannot_make_the_next_one_remove_something_else() {
    let sandbox = sandbox();
    let victim = sandbox.path("victim");
    fs_err::create_dir(&victim).unwrap();
    fs_err::write(victim.join("precious"), "").unwrap();
    let other_run = victim.join(RunId::new().to_string());
    fs_err::create_dir(&other_run).unwrap();
    let run = RunId::new();
    let link = sandbox.path(&run.to_string());
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    plant(&sandbox, run, &meta(run, &this_boot(), &link));
    for scratch in [&victim, &other_run, &victim.join("..")] {
        let run = RunId::new();
        plant(&sandbox, run, &meta(run, &this_boot(), scratch));
    }
    run_next(&sandbox);
    assert!(victim.join("precious").exists() && other_run.exists() && link.exists());
    assert!(sandbox.live().is_empty());
}

#[test]
fn many_runs_that_find_the_same_dead_one_complete_it_once() {
    let sandbox = sandbox();
    let child = kill_supervisor_of_family(&sandbox);
    let next: Vec<Running> = (0..8)
        .map(|_| shell(&sandbox, &[], "exit 0").start())
        .collect();
    for running in next {
        assert_eq!(running.finish().code, Some(0));
    }
    wait_until("the child is gone", || !is_running(child));
    assert_clean(&sandbox);
    let dead = |dir: &&PathBuf| end_in(dir)["error"] == "supervisor-killed";
    let sealed = sandbox.sealed();
    assert_eq!((sealed.len(), sealed.iter().filter(dead).count()), (9, 1));
}

#[test]
fn a_greaserun_inside_a_dead_run_does_not_kill_itself() {
    let sandbox = sandbox();
    let running = shell(&sandbox, &[], FAMILY).start();
    pid_in(&sandbox, "leader");
    let [live] = <[PathBuf; 1]>::try_from(sandbox.live()).unwrap();
    running.signal(Signal::KILL);
    running.finish();
    // As a process of the dead job would start it.
    let run = live.file_name().unwrap();
    let finished = shell(&sandbox, &[], "exit 6")
        .env("GREASE_RUN_ID", run)
        .finish();
    assert_eq!(finished.code, Some(6), "{}", finished.all());
    wait_until_empty(&sandbox);
    assert_clean(&sandbox);
}

#[test]
fn a_kill_at_any_moment_leaves_nothing_that_the_next_run_does_not_find() {
    let sandbox = sandbox();
    let script = "setsid sleep 1000 & (sleep 1000; true) & sleep 0.02; exit 0";
    for round in 0..rounds(40) {
        let running = shell(&sandbox, &["--leftovers", "detach"], script).start();
        let since = Instant::now();
        let moment = Duration::from_millis(u64::from(round % 40) * 3 / 2);
        wait_until("its moment has come", || since.elapsed() >= moment);
        running.signal(Signal::KILL);
        running.finish();
        run_next(&sandbox);
        wait_until_empty(&sandbox);
        assert!(
            sandbox.scratches().is_empty(),
            "round {round}: {:?}",
            sandbox.scratches()
        );
        // A registration that was cut short is no run yet, and goes when it is old.
        let live = sandbox.live();
        let runs = live.iter().filter(|dir| dir.extension().is_none());
        assert_eq!(runs.count(), 0, "round {round}: {live:?}");
    }
}
