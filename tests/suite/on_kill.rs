//! What a job started elsewhere is ended when the job is: the hook `on_kill`.
//!
//! The cluster's client and `yarn` are stand-ins that say what those of Hadoop 3 say.

use std::path::Path;
use std::time::{Duration, Instant};

use grease_testkit::jar::JarBuilder;
use grease_testkit::length::rounds;
use grease_testkit::sandbox::{Run, Running, Sandbox, is_running, wait_for_file, wait_until};
use rustix::process::Signal;

/// What `yarn` is called with for the application that the stand-in submits.
const KILL: &str = "application -kill application_1700000000000_0042\n";

/// A client that submits an application and waits for it, until it is asked to end.
const CLIENT: &str = "\
echo '26/11/24 12:00:00 INFO impl.YarnClientImpl: Submitted application application_1700000000000_0042' >&2
echo '26/11/24 12:00:00 INFO mapreduce.Job: Running job: job_1700000000000_0042' >&2
echo started >> started
exec sleep 1000";

/// A `yarn` that notes how it is called, and succeeds.
const YARN: &str = "cat; echo \"$@\" >> calls";

/// A host with a Hadoop whose client and `yarn` are these pieces of shell.
fn host(client: &str, yarn: &str) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    fs_err::create_dir(sandbox.path("bin")).unwrap();
    program(&sandbox.path("bin/hadoop"), client);
    program(&sandbox.path("bin/yarn"), yarn);
    JarBuilder::new()
        .file("com/acme/Load.class", "")
        .write(&sandbox.work("etl.jar"));
    sandbox
}

fn program(path: &Path, script: &str) {
    fs_err::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(path, mode).unwrap();
}

/// `greaserun OPTIONS etl.jar com.acme.Load`.
fn greaserun(sandbox: &Sandbox, options: &[&str]) -> Run {
    let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
    sandbox
        .greaserun(options)
        .arguments(["etl.jar", "com.acme.Load"])
        .env("PATH", path)
}

/// A job of Hadoop that has submitted its application.
fn submitted(sandbox: &Sandbox, options: &[&str]) -> Running {
    let running = greaserun(sandbox, &[&["-r", "hadoop"], options].concat()).start();
    wait_for_file(&sandbox.work("started"));
    running
}

/// How `yarn` was called.
fn calls(sandbox: &Sandbox) -> String {
    fs_err::read_to_string(sandbox.work("calls")).unwrap_or_default()
}

/// The log of the last run that was sealed.
fn log(sandbox: &Sandbox) -> String {
    let dir = sandbox.sealed().pop().unwrap();
    fs_err::read_to_string(dir.join("log")).unwrap()
}

#[test]
fn a_job_that_times_out_takes_its_application_with_it() {
    let sandbox = host(CLIENT, YARN);
    let finished = greaserun(&sandbox, &["-r", "hadoop", "--timeout", "2s"]).finish();
    assert_eq!(finished.code, Some(124), "{}", finished.all());
    assert_eq!(calls(&sandbox), KILL);
    let told = "ended application_1700000000000_0042 by `yarn application -kill`";
    assert!(finished.err().contains(told), "{}", finished.err());
    assert!(log(&sandbox).contains(told), "{}", log(&sandbox));
}

#[test]
fn a_job_that_is_ended_by_a_signal_takes_its_application_with_it() {
    let sandbox = host(CLIENT, YARN);
    let running = submitted(&sandbox, &[]);
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert_eq!(finished.code, Some(143), "{}", finished.all());
    assert_eq!(calls(&sandbox), KILL);
}

#[test]
fn every_application_of_a_job_is_ended_by_one_call() {
    let client = "\
        echo 'Submitted application application_17_0001'; echo 'Running job: job_17_0002' >&2
        printf 'Submitted applic'; sleep 0.2; echo 'ation application_17_0003'
        echo > started; exec sleep 1000";
    let sandbox = host(client, YARN);
    let running = submitted(&sandbox, &["-q", "--output", "none"]);
    running.signal(Signal::INT);
    running.finish();
    let called = calls(&sandbox);
    let mut words: Vec<&str> = called.split_whitespace().collect();
    words.sort_unstable(); // The streams are two: which id comes first is not defined.
    let expected = [
        "-kill",
        "application",
        "application_17_0001",
        "application_17_0002",
    ];
    assert_eq!(words, [&expected[..], &["application_17_0003"]].concat());
}

#[test]
fn a_job_that_ends_by_itself_leaves_its_application_alone() {
    for code in [0, 3] {
        let client = CLIENT.replace("exec sleep 1000", &format!("exit {code}"));
        let sandbox = host(&client, YARN);
        let finished = greaserun(&sandbox, &["-r", "hadoop"]).finish();
        assert_eq!(finished.code, Some(code), "{}", finished.all());
        assert_eq!(calls(&sandbox), "");
    }
}

#[test]
fn a_job_that_showed_no_application_has_none_to_end() {
    let sandbox = host("echo > started; exec sleep 1000", YARN);
    let running = submitted(&sandbox, &[]);
    running.signal(Signal::TERM);
    assert_eq!(running.finish().code, Some(143));
    assert_eq!(calls(&sandbox), "");
}

#[test]
fn the_hook_can_be_turned_off() {
    let sandbox = host(CLIENT, YARN);
    sandbox.config(r#"{"HadoopRunner": {"on_kill": "off"}}"#);
    let running = submitted(&sandbox, &[]);
    running.signal(Signal::TERM);
    assert_eq!(running.finish().code, Some(143));
    assert_eq!(calls(&sandbox), "");
}

#[test]
fn a_runner_of_the_site_ends_by_its_own_command_in_the_jobs_environment() {
    let sandbox = host("", "");
    program(
        &sandbox.path("bin/submit"),
        "echo $GREASE_RUN_ID > id; echo job_17_0001; echo > started; exec sleep 1000",
    );
    program(
        &sandbox.path("bin/withdraw"),
        "cat; test -d \"$GREASE_SCRATCH_DIR\" && echo $GREASE_RUN_ID \"$@\" >> calls",
    );
    sandbox.config(
        r#"{"runners": {"farm": {"command": "submit {jar_path}", "on_kill": "withdraw '{jar_path}' -x"}}}"#,
    );
    let running = greaserun(&sandbox, &["-r", "farm"]).start();
    wait_for_file(&sandbox.work("started"));
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert_eq!(finished.code, Some(143), "{}", finished.all());
    let run = fs_err::read_to_string(sandbox.work("id")).unwrap();
    assert_eq!(
        calls(&sandbox),
        format!("{} {{jar_path}} -x\n", run.trim_end())
    );
    let told = "ended what the job started elsewhere by `withdraw '{jar_path}' -x`";
    assert!(finished.err().contains(told), "{}", finished.err());
}

#[test]
fn a_hook_that_fails_changes_no_exit_code_and_names_the_command_to_repeat() {
    let sandbox = host(
        CLIENT,
        "echo first; echo 'no such \u{1b}server' >&2; exit 5",
    );
    let options = ["-r", "hadoop", "--cron", "-D", "--timeout", "2s"];
    let finished = greaserun(&sandbox, &options).finish();
    assert_eq!(finished.code, Some(124), "{}", finished.all());
    let told = "warning: application_1700000000000_0042 may still run, since \
                `yarn application -kill application_1700000000000_0042` failed with exit code 5; \
                it said: no such \\u{1b}server\n";
    assert!(finished.err().contains(told), "{}", finished.err());
    assert!(log(&sandbox).contains(told), "{}", log(&sandbox));
}

#[test]
fn a_hook_that_cannot_be_started_is_told() {
    let sandbox = host(CLIENT, "");
    fs_err::remove_file(sandbox.path("bin/yarn")).unwrap();
    sandbox.config(r#"{"HadoopRunner": {"on_kill": ["no-such-yarn", "-kill"]}}"#);
    let running = submitted(&sandbox, &[]);
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert_eq!(finished.code, Some(143), "{}", finished.all());
    let told = "`no-such-yarn -kill application_1700000000000_0042` cannot be run: ";
    assert!(finished.err().contains(told), "{}", finished.err());
}

/// A job whose `yarn` hangs, and the process id of that one's child.
fn hanging(sandbox: &Sandbox) -> (Running, i32) {
    let running = submitted(sandbox, &[]);
    running.signal(Signal::TERM);
    let child = wait_for_file(&sandbox.work("hangs")).trim().parse();
    (running, child.unwrap())
}

/// A `yarn` that does not let itself be ended, nor does its child.
const HANGING: &str = "trap '' TERM INT; sleep 1000 & echo $! > hangs; wait";

#[test]
fn a_second_signal_ends_a_hook_that_hangs() {
    for signal in [Signal::TERM, Signal::INT] {
        let sandbox = host(CLIENT, HANGING);
        let (running, child) = hanging(&sandbox);
        running.signal(signal);
        let finished = running.finish();
        assert_eq!(finished.code, Some(143), "{}", finished.all());
        assert!(!is_running(child));
        let told = "`yarn application -kill application_1700000000000_0042` was ended by signal";
        assert!(finished.err().contains(told), "{}", finished.err());
    }
}

#[test]
fn a_hook_that_hangs_is_given_a_minute() {
    if rounds(1) == 1 {
        return; // Only where there is time for it.
    }
    let sandbox = host(CLIENT, HANGING);
    let (mut running, child) = hanging(&sandbox);
    let begun = Instant::now();
    wait_until("most of the minute is over", || {
        begun.elapsed() > Duration::from_secs(50)
    });
    assert!(!running.has_ended(), "it gives the hook a minute");
    let finished = running.finish();
    assert_eq!(finished.code, Some(143), "{}", finished.all());
    assert!(!is_running(child));
    assert!(
        finished.err().contains("_0042` timed out"),
        "{}",
        finished.err()
    );
}

#[test]
fn a_terminal_that_closes_does_not_end_the_hook() {
    let yarn = "echo $$ > called; until test -e go; do sleep 0.02; done; echo \"$@\" >> calls";
    let sandbox = host(CLIENT, yarn);
    let running = submitted(&sandbox, &[]);
    running.signal(Signal::HUP);
    let hook = wait_for_file(&sandbox.work("called"));
    for signal in [Signal::HUP, Signal::USR1] {
        running.signal(signal);
        wait_until("it is taken", || !is_pending(running.pid(), signal));
    }
    assert!(is_running(hook.trim().parse().unwrap()));
    fs_err::write(sandbox.work("go"), "").unwrap();
    let finished = running.finish();
    assert_eq!(finished.code, Some(129), "{}", finished.all());
    assert_eq!(calls(&sandbox), KILL);
}

/// Whether a signal to a process has not been taken yet.
fn is_pending(pid: i32, signal: Signal) -> bool {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    mask & (1 << (signal.as_raw() - 1)) != 0
}

#[test]
fn a_run_that_is_replaced_has_the_time_to_end_its_application_before_the_next_one_starts() {
    let client = CLIENT.replace(
        "echo started >> started",
        "echo started | tee -a calls >> started",
    );
    // Longer than a run without a hook would be given, whose grace is over.
    let sandbox = host(&client, "sleep 6; echo \"$@\" >> calls");
    let options = ["--overlap", "replace", "--grace", "0s"];
    let first = submitted(&sandbox, &options);
    let second = greaserun(&sandbox, &[&["-r", "hadoop"], &options[..]].concat()).start();
    let first = first.finish();
    assert_eq!(first.code, Some(143), "{}", first.all());
    let expected = format!("started\n{KILL}started\n");
    wait_until("the second one has started", || calls(&sandbox) == expected);
    drop(second);
}
