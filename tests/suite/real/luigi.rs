//! A real Luigi workflow, alone and against a real central scheduler.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use grease_testkit::component::{Component, workspace};
use grease_testkit::pack::pack;
use grease_testkit::sandbox::{DEADLINE, Run, Running, wait_until};

use super::{Site, directory_of, output_with_code};

/// What Luigi is told to exit with when nothing is wrong but somebody else runs the task.
const ALREADY_RUNNING: i32 = 10;

/// What Luigi is told to exit with when input is missing.
const MISSING_DATA: i32 = 20;

/// What Luigi is told to exit with when a task failed.
const TASK_FAILED: i32 = 30;

/// A site with Luigi, and the jar of the workflow.
fn luigi() -> Option<(Site, PathBuf)> {
    let site = Site::new(&[directory_of(Component::Luigi)?]);
    let jar = site.sandbox.path("jobs.jar");
    let project = workspace().join("tests/fixtures/projects/luigi");
    pack(&project).unwrap().write(&jar);
    Some((site, jar))
}

/// One task of the workflow, for one day, with its output in `out`.
fn task(site: &Site, jar: &Path, name: &str, out: &Path) -> Run {
    // Luigi's own lock, one for each command line and host, would hide what the scheduler does.
    site.greaserun("luigi", jar, &["--module", "jobs", name, "--no-lock"])
        .arguments(["--day", "2026-11-24", "--out"])
        .arguments([out])
}

/// Runs one task of the workflow without a central scheduler and asserts its exit code.
#[track_caller]
fn run_locally(site: &Site, jar: &Path, name: &str, code: i32) {
    let job = task(site, jar, name, &site.sandbox.path("out"));
    output_with_code(&job.arguments(["--local-scheduler"]).finish(), code);
}

/// The tasks that were executed, in order.
fn executions(out: &Path) -> Vec<String> {
    let lines = fs_err::read_to_string(out.join("executions")).unwrap_or_default();
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn a_workflow_makes_its_output_and_a_second_run_does_nothing() {
    let Some((site, jar)) = luigi() else { return };
    let out = site.sandbox.path("out");
    run_locally(&site, &jar, "Top", 0);
    let top = fs_err::read_to_string(out.join("top-2026-11-24.txt")).unwrap();
    assert_eq!(top, "b\n");
    assert_eq!(executions(&out), ["Extract", "Count", "Top"]);

    run_locally(&site, &jar, "Top", 0);
    assert_eq!(executions(&out), ["Extract", "Count", "Top"]);
}

#[test]
fn a_failing_task_is_no_success() {
    let Some((site, jar)) = luigi() else { return };
    run_locally(&site, &jar, "Failing", TASK_FAILED);
    assert_eq!(executions(&site.sandbox.path("out")), ["Failing"]);
}

#[test]
fn a_task_whose_input_is_missing_exits_with_its_own_code() {
    let Some((site, jar)) = luigi() else { return };
    run_locally(&site, &jar, "Waiting", MISSING_DATA);
    assert!(executions(&site.sandbox.path("out")).is_empty());
}

#[test]
fn two_hosts_at_the_same_time_run_a_task_once() {
    let Some((first, jar)) = luigi() else { return };
    let (second, _) = luigi().expect("it was there a moment ago");
    let scheduler = Scheduler::start(&first);
    let out = first.sandbox.path("out");
    let start = |site: &Site| {
        task(site, &jar, "Slow", &out)
            .arguments(["--scheduler-host", "127.0.0.1", "--scheduler-port"])
            .arguments([scheduler.port.to_string()])
            .start()
    };
    let mut runs = vec![start(&first), start(&second)];

    // The task ends only after `go` is there, so whichever run ends before is not executing it.
    let mut refused = None;
    wait_until("one of the two runs leaves the task to the other", || {
        refused = runs.iter_mut().position(Running::has_ended);
        refused.is_some()
    });
    let refused = runs
        .swap_remove(refused.expect("it was waited for"))
        .finish();
    fs_err::write(out.join("go"), "").unwrap();
    let executed = runs.swap_remove(0).finish();

    output_with_code(&refused, ALREADY_RUNNING);
    output_with_code(&executed, 0);
    assert_eq!(executions(&out), ["Slow"]);
    assert!(out.join("slow-2026-11-24.txt").exists());
}

/// A central scheduler of Luigi, which ends with its owner.
struct Scheduler {
    _daemon: Running,
    port: u16,
}

impl Scheduler {
    fn start(site: &Site) -> Self {
        // The port is free again before the scheduler takes it: nothing hands it a socket.
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let luigid = directory_of(Component::Luigi).unwrap().join("luigid");
        let mut daemon = site
            .sandbox
            .program(luigid)
            .arguments(["--address", "127.0.0.1", "--port", &port.to_string()])
            .arguments(["--state-path".into(), site.sandbox.path("luigid.state")])
            .start();
        wait_until("luigid answers", || {
            assert!(!daemon.has_ended(), "luigid ended before it answered");
            answers(port)
        });
        Self {
            _daemon: daemon,
            port,
        }
    }
}

/// Whether the scheduler's API answers a question.
fn answers(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(b"GET /api/graph HTTP/1.0\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}
