//! Supervision of a job, through the real program: from its start to the end of all it started.

mod dead_runs;
mod exit_codes;
mod leftovers;
mod output;
mod readers;
mod scratch;
mod signals;
mod surroundings;
mod terminal;

use std::process::{Child, Command, Stdio};

use grease_testkit::sandbox::{Run, Sandbox, wait_for_file, wait_until};
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

/// `WRAPPER greaserun OPTIONS -r shell - -- WORDS`, for a wrapper that executes its arguments.
fn through(sandbox: &Sandbox, wrapper: &[&str], options: &[&str], words: &[&str]) -> Run {
    let (program, rest) = wrapper.split_first().expect("a program");
    sandbox
        .program(program)
        .arguments(rest)
        .arguments([sandbox.programs().join("greaserun")])
        .arguments(["-c".as_ref(), sandbox.path("scalegrease.json").as_os_str()])
        .arguments(options)
        .arguments(["-r", "shell", "-", "--"])
        .arguments(words)
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
    wait_for_file(&sandbox.work(file)).trim().parse().unwrap()
}

/// Sends a signal to any process.
fn kill(pid: i32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Waits until nothing that was started in the sandbox runs any more.
fn wait_until_empty(sandbox: &Sandbox) {
    wait_until("nothing of the job is left", || {
        sandbox.processes().is_empty()
    });
}

/// Asserts that a finished run has left neither process, nor scratch directory, nor live run.
#[track_caller]
fn assert_clean(sandbox: &Sandbox) {
    assert_eq!(sandbox.processes(), [0; 0], "processes are left");
    assert!(sandbox.scratches().is_empty(), "{:?}", sandbox.scratches());
    assert!(sandbox.live().is_empty(), "{:?}", sandbox.live());
}

/// Largest resident memory of a process so far, KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A child that is killed if the test fails before its end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok(); // It has ended if all went well.
        self.0.wait().ok();
    }
}

/// Starts a program whose output is the test's to read, or not to.
fn spawn(mut command: Command) -> Killed {
    Killed(command.stdin(Stdio::null()).spawn().unwrap())
}

/// Waits for the end of a program and gives its exit code.
fn code(mut child: Killed) -> Option<i32> {
    wait_until("greaserun ends", || child.0.try_wait().unwrap().is_some());
    child.0.wait().unwrap().code()
}
