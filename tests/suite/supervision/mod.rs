//! Supervision of a job, through the real program: from its start to the end of all it started.

mod dead_runs;
mod exit_codes;
mod leftovers;
mod output;
mod scratch;
mod signals;
mod surroundings;
mod terminal;

use grease_testkit::sandbox::{Run, Sandbox, wait_until};
use rustix::process::Signal;
use serde_json::Value;

/// A place for one test.
fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

/// A place for one test, with settings for all jobs.
fn sandbox_with(settings: &str) -> Sandbox {
    let sandbox = sandbox();
    sandbox.config(&format!(r#"{{"jobs": {{"defaults": {settings}}}}}"#));
    sandbox
}

/// `greaserun OPTIONS -r shell - -- WORDS`.
fn job(sandbox: &Sandbox, options: &[&str], words: &[&str]) -> Run {
    let fixed = ["-r", "shell", "-", "--"];
    sandbox.greaserun(options.iter().chain(&fixed).chain(words))
}

/// A job that is a piece of shell.
fn shell(sandbox: &Sandbox, options: &[&str], script: &str) -> Run {
    job(sandbox, options, &["sh", "-c", script])
}

/// The end event of the last run that was sealed.
fn record(sandbox: &Sandbox) -> Value {
    let dir = sandbox.sealed().pop().expect("a run was sealed");
    let text = fs_err::read_to_string(dir.join("sealed")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The log of the last run that was sealed.
fn log(sandbox: &Sandbox) -> String {
    let dir = sandbox.sealed().pop().expect("a run was sealed");
    String::from_utf8_lossy(&fs_err::read(dir.join("log")).unwrap()).into_owned()
}

/// The process id that a job wrote to a file in its directory.
fn pid_in(sandbox: &Sandbox, file: &str) -> i32 {
    grease_testkit::sandbox::wait_for_file(&sandbox.work(file)).trim().parse().unwrap()
}

/// Sends a signal to any process.
fn kill(pid: i32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Waits until nothing that was started in the sandbox runs any more.
fn wait_until_empty(sandbox: &Sandbox) {
    wait_until("nothing of the job is left", || sandbox.processes().is_empty());
}

/// Asserts that a finished run has left neither process, nor scratch directory, nor live run.
#[track_caller]
fn assert_clean(sandbox: &Sandbox) {
    assert_eq!(sandbox.processes(), [0; 0], "processes are left");
    assert!(sandbox.scratches().is_empty(), "{:?}", sandbox.scratches());
    assert!(sandbox.live().is_empty(), "{:?}", sandbox.live());
}
