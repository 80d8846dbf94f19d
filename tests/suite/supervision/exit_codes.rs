//! What greaserun exits with, and what it says when there is nothing to run.

use std::os::unix::fs::PermissionsExt;

use grease_testkit::component::{Component, require};
use grease_testkit::jar::JarBuilder;
use grease_testkit::sandbox::{Finished, Running, Sandbox};

use super::{assert_clean, job, record, sandbox, sandbox_with, shell};

/// How many runs go on at a time.
const BATCH: usize = 16;

/// Signals whose default action does not end a process: CHLD, CONT, STOP, TSTP, TTIN, TTOU,
/// URG and WINCH.
const HARMLESS: [i32; 8] = [17, 18, 19, 20, 21, 22, 23, 28];

/// Signals that belong to the C library: when it starts a process, it makes them ignored.
const OF_THE_C_LIBRARY: [i32; 2] = [32, 33];

/// Runs a script for each number, some at a time, and gives the exit codes.
fn codes_of(sandbox: &Sandbox, numbers: &[i32], script: impl Fn(i32) -> String) -> Vec<i32> {
    let mut codes = Vec::new();
    for batch in numbers.chunks(BATCH) {
        let start = |number: &i32| shell(sandbox, &["-q"], &script(*number)).start();
        let running: Vec<Running> = batch.iter().map(start).collect();
        codes.extend(
            running
                .into_iter()
                .map(|running| running.finish().code.unwrap()),
        );
    }
    codes
}

#[test]
fn every_exit_code_of_a_job_passes_through() {
    let sandbox = sandbox();
    let codes: Vec<i32> = (0..=255).collect();
    assert_eq!(
        codes_of(&sandbox, &codes, |code| format!("exit {code}")),
        codes
    );
    assert_clean(&sandbox);
}

#[test]
fn every_signal_that_ends_a_job_is_128_more() {
    let sandbox = sandbox();
    let excepted = [&HARMLESS[..], &OF_THE_C_LIBRARY[..]].concat();
    let signals: Vec<i32> = (1..=64)
        .filter(|signal| !excepted.contains(signal))
        .collect();
    let expected: Vec<i32> = signals.iter().map(|signal| 128 + signal).collect();
    assert_eq!(
        codes_of(&sandbox, &signals, |signal| format!("kill -{signal} $$")),
        expected
    );
    assert_clean(&sandbox);
}

#[test]
fn signals_that_end_nothing_do_not_end_the_job() {
    let sandbox = sandbox();
    let ignored = [17, 18, 23, 28];
    let codes = codes_of(&sandbox, &ignored, |signal| {
        format!("kill -{signal} $$; exit 3")
    });
    assert_eq!(codes, [3; 4]);
}

#[test]
fn a_job_that_dumps_core_is_told_by_its_signal() {
    let sandbox = sandbox_with(r#"{"nice": 0, "rlimits": {"core": "unlimited"}}"#);
    let finished = shell(&sandbox, &[], "kill -SEGV $$").finish();
    assert_eq!(finished.code, Some(139));
    assert_eq!(record(&sandbox)["signal"], 11);
    assert!(
        finished.err().contains("was ended by signal 11 (SIGSEGV)"),
        "{}",
        finished.err()
    );
}

/// Asserts code and words of a run whose job could not be started, and that a record says so.
#[track_caller]
fn assert_not_started(sandbox: &Sandbox, finished: &Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.code, Some(code), "{}", finished.err());
    for word in words {
        assert!(
            finished.err().contains(word),
            "`{word}` is not in:\n{}",
            finished.err()
        );
    }
    let record = record(sandbox);
    assert_eq!(
        (&record["result"], &record["error"]),
        (&"error".into(), &"spawn".into())
    );
    assert_clean(sandbox);
}

#[test]
fn a_missing_command_is_127_and_shows_where_it_was_looked_for() {
    let sandbox = sandbox();
    let finished = job(&sandbox, &[], &["no-such-command"]).finish();
    let words = [
        "cannot execute `no-such-command`",
        "PATH is /usr/local/bin:/usr/bin:/bin",
    ];
    assert_not_started(&sandbox, &finished, 127, &words);
    let finished = job(&sandbox, &[], &["./absent"]).finish();
    assert_not_started(&sandbox, &finished, 127, &["cannot execute `./absent`"]);
}

#[test]
fn a_shell_line_in_one_word_is_127_and_the_hint_says_how_to_write_it() {
    let sandbox = sandbox();
    let finished = job(&sandbox, &[], &["echo hello world"]).finish();
    assert_not_started(&sandbox, &finished, 127, &["sh -c 'echo hello world'"]);
}

#[test]
fn a_file_without_the_executable_bit_is_126_and_the_hint_is_chmod() {
    let sandbox = sandbox();
    fs_err::write(sandbox.work("script"), "#!/bin/sh\n").unwrap();
    let finished = job(&sandbox, &[], &["./script"]).finish();
    assert_not_started(
        &sandbox,
        &finished,
        126,
        &["cannot execute `./script`", "chmod +x"],
    );
}

#[test]
fn a_directory_as_a_command_is_126_and_is_called_one() {
    let sandbox = sandbox();
    fs_err::create_dir(sandbox.work("dir")).unwrap();
    let finished = job(&sandbox, &[], &["./dir"]).finish();
    assert_not_started(&sandbox, &finished, 126, &["is a directory"]);
}

fn executable(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.work(name);
    fs_err::write(&path, text).unwrap();
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_script_whose_interpreter_is_missing_is_127_and_names_the_interpreter() {
    let sandbox = sandbox();
    executable(&sandbox, "script", "#!/no/such/python3 -u\nprint()\n");
    let finished = job(&sandbox, &[], &["./script"]).finish();
    assert_not_started(
        &sandbox,
        &finished,
        127,
        &["the interpreter `/no/such/python3`"],
    );
}

#[test]
fn a_script_with_line_ends_of_windows_is_127_and_the_hint_says_so() {
    let sandbox = sandbox();
    executable(&sandbox, "script", "#!/bin/sh\r\necho hello\r\n");
    let finished = job(&sandbox, &[], &["./script"]).finish();
    assert_not_started(&sandbox, &finished, 127, &["CR LF", r"`/bin/sh\r`"]);
}

#[test]
fn a_script_without_an_interpreter_line_is_run_by_the_shell_as_everywhere() {
    let sandbox = sandbox();
    executable(&sandbox, "script", "echo by the shell; exit 5\n");
    let finished = job(&sandbox, &[], &["./script"]).finish();
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(5), "by the shell\n")
    );
}

#[test]
fn a_scratch_directory_on_a_noexec_mount_is_126_and_names_mount_and_key() {
    if require(Component::MountNamespace).is_none() {
        return;
    }
    let sandbox = sandbox();
    let scratch = sandbox.path("noexec");
    fs_err::create_dir(&scratch).unwrap();
    sandbox.config_with_scratch(&scratch);
    let jar = sandbox.path("job.jar");
    JarBuilder::new()
        .script("run.sh", "#!/bin/sh\necho never\n")
        .write(&jar);
    let script = r#"mount -t tmpfs -o noexec none "$1" && shift && exec "$@""#;
    let run = sandbox
        .program("unshare")
        .arguments(["--mount", "sh", "-c", script, "sh"]);
    let finished = run
        .arguments([&scratch, &sandbox.programs().join("greaserun")])
        .arguments(["-c".as_ref(), sandbox.path("scalegrease.json").as_os_str()])
        .arguments([
            "-r".as_ref(),
            "shell".as_ref(),
            jar.as_os_str(),
            "run.sh".as_ref(),
        ])
        .finish();
    let mount = format!("`{}` is mounted noexec", scratch.display());
    assert_not_started(&sandbox, &finished, 126, &[&mount, "common.scratch_dir"]);
}
