//! Readers of the job's output that are slow, gone, stuck or never read, and disks that are full.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Sandbox, wait_for_file, wait_until};
use rustix::process::Signal;

use super::{
    Killed, assert_clean, code, job, kill, log, peak_kib, record, sandbox, shell, spawn, through,
};

#[test]
fn a_reader_that_leaves_ends_the_echo_and_not_the_job() {
    let sandbox = sandbox();
    // More than all buffers on the way take.
    let script = "seq 1000000; echo > finished; exit 6";
    let line = r#"("$@"; echo $? > code) | head -n 1"#;
    let finished = through(
        &sandbox,
        &["sh", "-c", line, "sh"],
        &[],
        &["sh", "-c", script],
    )
    .finish();
    assert_eq!(finished.out(), "1\n");
    assert!(
        !finished.err().contains("cannot pass"),
        "{}",
        finished.err()
    );
    assert_eq!(wait_for_file(&sandbox.work("code")), "6\n");
    assert!(sandbox.work("finished").exists());
    assert!(log(&sandbox).contains("stdout F 1000000\n"));
}

/// Whether a child writes a line with `text` to the pipe that is its standard error.
fn wait_for_words(child: &mut Killed, text: &str) -> String {
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let found = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(text)));
    found.expect("it is said").unwrap()
}

#[test]
fn a_reader_that_never_reads_is_named_after_a_while_and_does_not_make_greaserun_deaf() {
    let sandbox = sandbox();
    let mut command = shell(&sandbox, &["-q"], "echo > ready; yes").into_command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command);
    wait_for_file(&sandbox.work("ready"));
    let said = wait_for_words(&mut child, "has not read for 10 s");
    assert!(said.contains("whoever reads greaserun's stdout"), "{said}");
    let peak = peak_kib(child.0.id());
    assert!(peak < 40 * 1024, "{peak} KiB");
    kill(child.0.id().cast_signed(), Signal::TERM);
    assert_eq!(code(child), Some(143));
    assert_eq!(record(&sandbox)["result"], "cancellation");
    assert_clean(&sandbox);
}

#[test]
fn a_reader_that_reads_neither_stream_does_not_make_greaserun_deaf() {
    let sandbox = sandbox();
    let (_reader, writer) = std::io::pipe().unwrap();
    let script = "yes >&2 & yes | { head -c 4000000; echo > full; cat; }";
    let mut command = shell(&sandbox, &["-q"], script).into_command();
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let child = spawn(command);
    // More than fits on the way: without a reader, nothing moves any more.
    wait_until("the job is held up", || is_blocked_on_output(&sandbox));
    kill(child.0.id().cast_signed(), Signal::TERM);
    assert_eq!(code(child), Some(143));
    assert_clean(&sandbox);
}

#[test]
fn a_reader_that_is_stuck_from_the_start_does_not_make_greaserun_deaf() {
    let sandbox = sandbox();
    let (_reader, mut writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty()).unwrap();
    let mut command = shell(&sandbox, &[], "exit 0").into_command();
    command.stdout(Stdio::null()).stderr(writer);
    let mut child = spawn(command);
    let pid = child.0.id();
    wait_until("it says that the job starts, and cannot", || {
        let place = fs_err::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
        place.contains("pipe_write")
    });
    kill(pid.cast_signed(), Signal::TERM);
    wait_until("greaserun ends", || child.0.try_wait().unwrap().is_some());
    assert_clean(&sandbox);
}

/// Whether a `yes` of the sandbox waits for room in its pipe, in two looks.
fn is_blocked_on_output(sandbox: &Sandbox) -> bool {
    let blocked = |pid: &i32| {
        let read = |name: &str| fs_err::read_to_string(format!("/proc/{pid}/{name}"));
        let read = |name: &str| read(name).unwrap_or_default();
        read("comm") == "yes\n" && read("wchan").contains("pipe_write")
    };
    sandbox
        .processes()
        .iter()
        .filter(|pid| blocked(pid))
        .count()
        == 2
}

#[test]
fn a_job_that_has_ended_waits_for_a_slow_reader_and_loses_nothing() {
    let sandbox = sandbox();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = shell(&sandbox, &["-q"], "seq 300000; echo > ended").into_command();
    command.stdout(writer).stderr(Stdio::null());
    let child = spawn(command);
    wait_for_file(&sandbox.work("ended"));
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    assert_eq!(output.lines().count(), 300_000);
    assert_eq!(code(child), Some(0));
}

#[test]
fn one_byte_at_a_time_to_a_reader_that_never_reads_takes_little_memory() {
    if require(Component::Python).is_none() {
        return;
    }
    let sandbox = sandbox();
    let (_reader, writer) = std::io::pipe().unwrap();
    let drip = "
import os
for count in range(300_000): os.write(1, b'x')
open('written', 'w').write('\\n')
while not os.path.exists('go'): pass
";
    let mut command = job(&sandbox, &["-q"], &["python3", "-c", drip]).into_command();
    command.stdout(writer).stderr(Stdio::null());
    let child = spawn(command);
    wait_for_file(&sandbox.work("written"));
    let peak = peak_kib(child.0.id());
    kill(child.0.id().cast_signed(), Signal::TERM);
    assert_eq!(code(child), Some(143));
    assert!(peak < 30 * 1024, "{peak} KiB");
}

fn with_stdout(sandbox: &Sandbox, path: &Path, script: &str) -> (Option<i32>, String) {
    let mut command = shell(sandbox, &[], script).into_command();
    let output = fs_err::OpenOptions::new().write(true).open(path).unwrap();
    command.stdout(output.into_parts().0).stderr(Stdio::piped());
    let mut child = spawn(command);
    let mut said = String::new();
    child
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (code(child), said)
}

#[test]
fn output_to_a_full_disk_is_noticed_and_the_job_runs_on() {
    let sandbox = sandbox();
    let script = "seq 1000000; echo last; exit 5";
    let (code, said) = with_stdout(&sandbox, Path::new("/dev/full"), script);
    assert_eq!(code, Some(5));
    let notices = said
        .matches("cannot pass the job's stdout on: No space left")
        .count();
    assert_eq!(notices, 1, "{said}");
    assert!(log(&sandbox).contains("stdout F last\n"));
}

#[test]
fn output_that_somebody_made_non_blocking_loses_nothing() {
    let sandbox = sandbox();
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    let script = "seq 1000000; seq 1000000 >&2";
    let mut command = shell(&sandbox, &["-q"], script).into_command();
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let child = spawn(command);
    let mut output = Vec::new();
    reader.read_to_end(&mut output).unwrap();
    assert_eq!(code(child), Some(0));
    assert_eq!(
        String::from_utf8(output).unwrap().lines().count(),
        2_000_000
    );
}
