//! A real Luigi workflow, alone and against a real central scheduler.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use grease_testkit::component::{Component, workspace};
use grease_testkit::pack::pack;

use super::{Site, assert_code, directory_of, run};

/// How long a scheduler may take to answer, and a job to end, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// What Luigi is told to exit with when nothing is wrong but somebody else runs the task.
const ALREADY_RUNNING: i32 = 10;

/// What Luigi is told to exit with when input is missing.
const MISSING_DATA: i32 = 20;

/// What Luigi is told to exit with when a task failed.
const TASK_FAILED: i32 = 30;

/// A site with Luigi.
fn luigi() -> Option<Site> {
    Some(Site::new(&[&directory_of(Component::Luigi)?]))
}

/// One task of the workflow, from a jar that is made for the site, with its output in `out`.
fn task(site: &Site, name: &str, out: &Path) -> Command {
    let jar = site.directory().join("jobs.jar");
    let project = workspace().join("tests/fixtures/projects/luigi");
    pack(&project).unwrap().write(&jar);
    let mut job = site.greaserun("luigi");
    job.arg(jar)
        .args(["--module", "jobs", name, "--no-lock", "--out"])
        .arg(out);
    job
}

/// One task of the workflow, without a central scheduler.
fn local_task(site: &Site, name: &str) -> Command {
    let mut job = task(site, name, &site.directory().join("out"));
    job.args(["--local-scheduler", "--day", "2026-11-24"]);
    job
}

/// The tasks that were executed, in order.
fn executions(out: &Path) -> Vec<String> {
    let lines = fs_err::read_to_string(out.join("executions")).unwrap_or_default();
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn a_workflow_makes_its_output_and_a_second_run_does_nothing() {
    let Some(site) = luigi() else { return };
    let out = site.directory().join("out");
    run(&mut local_task(&site, "Top"), 0);
    assert_eq!(
        fs_err::read_to_string(out.join("top-2026-11-24.txt")).unwrap(),
        "b\n"
    );
    assert_eq!(executions(&out), ["Extract", "Count", "Top"]);

    run(&mut local_task(&site, "Top"), 0);
    assert_eq!(executions(&out), ["Extract", "Count", "Top"]);
}

#[test]
fn a_failing_task_is_no_success() {
    let Some(site) = luigi() else { return };
    run(&mut local_task(&site, "Failing"), TASK_FAILED);
    assert_eq!(executions(&site.directory().join("out")), ["Failing"]);
}

#[test]
fn a_task_whose_input_is_missing_exits_with_its_own_code() {
    let Some(site) = luigi() else { return };
    run(&mut local_task(&site, "Waiting"), MISSING_DATA);
    assert!(executions(&site.directory().join("out")).is_empty());
}

#[test]
fn two_hosts_at_the_same_time_run_a_task_once() {
    let Some(first) = luigi() else { return };
    let second = luigi().expect("it was there a moment ago");
    let scheduler = Scheduler::start(&first);
    let out = first.directory().join("out");
    let start = |site: &Site| {
        let mut job = task(site, "Slow", &out);
        job.args(["--day", "2026-11-24", "--scheduler-host", "127.0.0.1"])
            .arg("--scheduler-port")
            .arg(scheduler.port.to_string())
            .spawn()
            .unwrap()
    };
    let mut runs = vec![start(&first), start(&second)];

    // The task ends only after `go` is there, so whichever run ends before is not executing it.
    let refused = wait_for("one of the two runs to leave the task to the other", || {
        runs.iter_mut()
            .position(|run| run.try_wait().unwrap().is_some())
    });
    let refused = runs.swap_remove(refused).wait_with_output().unwrap();
    fs_err::write(out.join("go"), "").unwrap();
    let executed = runs.swap_remove(0).wait_with_output().unwrap();

    assert_code(&refused, ALREADY_RUNNING);
    assert_code(&executed, 0);
    assert_eq!(executions(&out), ["Slow"]);
    assert!(out.join("slow-2026-11-24.txt").exists());
}

/// A central scheduler of Luigi, which ends with its owner.
struct Scheduler {
    child: Child,
    port: u16,
}

impl Scheduler {
    fn start(site: &Site) -> Self {
        // The port is free again before the scheduler takes it: nothing hands it a socket.
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let log = fs_err::File::create(site.directory().join("luigid.log")).unwrap();
        let child = site
            .command("luigid")
            .args(["--address", "127.0.0.1", "--port", &port.to_string()])
            .arg("--state-path")
            .arg(site.directory().join("luigid.state"))
            .stdout(log.file().try_clone().unwrap())
            .stderr(log.into_file())
            .spawn()
            .unwrap();
        let mut scheduler = Self { child, port };
        wait_for("luigid to answer", || {
            let ended = scheduler.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", log_of(site));
            answers(port).then_some(())
        });
        scheduler
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.child.kill().ok(); // It may have ended by itself.
        self.child.wait().ok();
    }
}

fn log_of(site: &Site) -> String {
    let path: PathBuf = site.directory().join("luigid.log");
    fs_err::read_to_string(path).unwrap_or_default()
}

/// Whether the scheduler's API answers a question.
fn answers(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /api/graph HTTP/1.0\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

/// Looks again and again until there is an answer, and fails after [`PATIENCE`].
#[track_caller]
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(PAUSE);
    }
}
