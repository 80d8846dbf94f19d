//! The job's output on its way through greaserun, whoever reads it and however.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Sandbox, wait_for_file, wait_until};
use rustix::process::Signal;

use super::{assert_clean, job, kill, log, record, sandbox, shell};

/// Bytes of the block that the large outputs repeat; no divisor of any buffer.
const BLOCK_BYTES: usize = 1_000_003;

/// A block in which every window of a few bytes is at one place only.
fn block() -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(BLOCK_BYTES).collect()
}

/// Counts the bytes of a stream and compares them with repetitions of `block`.
fn compare(mut stream: impl std::io::Read + Send + 'static, block: Vec<u8>) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        let mut total = 0;
        loop {
            let room = buffer.len().min(block.len() - total % block.len());
            let count = stream.read(&mut buffer[..room]).unwrap();
            if count == 0 {
                return total;
            }
            let at = total % block.len();
            assert!(buffer[..count] == block[at..at + count], "a byte before {total} is wrong");
            total += count;
        }
    })
}

/// Largest resident memory of a process so far, KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
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

fn spawn(mut command: Command) -> Killed {
    Killed(command.stdin(Stdio::null()).spawn().unwrap())
}

fn code(mut child: Killed) -> Option<i32> {
    wait_until("greaserun ends", || child.0.try_wait().unwrap().is_some());
    child.0.wait().unwrap().code()
}

#[test]
fn two_hundred_megabytes_arrive_byte_for_byte_in_little_memory() {
    let sandbox = sandbox();
    fs_err::write(sandbox.work("block"), block()).unwrap();
    let script = "blocks() { for i in $(seq 100); do cat block; done; }
        blocks & blocks >&2 & wait; echo > written; until [ -e go ]; do sleep 0.02; done; exit 3";
    let mut command = shell(&sandbox, &["-q"], script).into_command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command);
    let stdout = compare(child.0.stdout.take().unwrap(), block());
    let mut stderr = child.0.stderr.take().unwrap();
    let stderr = std::thread::spawn(move || {
        let expected = block();
        let mut exact = stderr.by_ref().take(100 * BLOCK_BYTES as u64);
        let mut read = vec![0; BLOCK_BYTES];
        for repetition in 0..100 {
            exact.read_exact(&mut read).unwrap();
            assert!(read == expected, "repetition {repetition} of the block is wrong");
        }
        let mut rest = String::new(); // Of greaserun itself.
        stderr.read_to_string(&mut rest).unwrap();
        rest
    });
    wait_for_file(&sandbox.work("written"));
    let peak = peak_kib(child.0.id());
    fs_err::write(sandbox.work("go"), "").unwrap();
    assert_eq!(code(child), Some(3));
    assert_eq!(stdout.join().unwrap(), 100 * BLOCK_BYTES);
    let rest = stderr.join().unwrap();
    assert!(rest.starts_with("greaserun: ") && rest.lines().count() == 1, "{rest}");
    assert!(peak < 40 * 1024, "{peak} KiB");
    let usage = &record(&sandbox)["usage"];
    let bytes = 100 * BLOCK_BYTES;
    assert_eq!((&usage["out_bytes"], &usage["err_bytes"]), (&bytes.into(), &bytes.into()));
}

#[test]
fn bytes_that_are_no_text_and_a_line_of_ten_megabytes_arrive_exactly() {
    let sandbox = sandbox();
    let block = block();
    let mut bytes = vec![0; 10_000_000];
    bytes.extend_from_slice(&block); // Invalid UTF-8, and no line feed at the end.
    bytes.extend_from_slice(b"\r\x1b[2J\xff\xfe");
    fs_err::write(sandbox.work("bytes"), &bytes).unwrap();
    let finished = shell(&sandbox, &["-q"], "cat bytes; cat bytes >&2").finish();
    assert_eq!(finished.code, Some(0));
    assert!(finished.stdout == bytes && finished.stderr == bytes, "not the same bytes");
}

#[test]
fn output_is_passed_on_while_the_job_runs() {
    let sandbox = sandbox();
    let script = "printf no-line-feed; printf prompt >&2; until [ -e go ]; do sleep 0.02; done";
    let mut command = shell(&sandbox, &["-q"], script).into_command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command);
    let mut seen = [0; 12];
    child.0.stdout.as_mut().unwrap().read_exact(&mut seen).unwrap();
    let mut prompt = [0; 6];
    child.0.stderr.as_mut().unwrap().read_exact(&mut prompt).unwrap();
    assert_eq!((&seen, &prompt), (b"no-line-feed", b"prompt"));
    fs_err::write(sandbox.work("go"), "").unwrap();
    assert_eq!(code(child), Some(0));
}

#[test]
fn very_many_tiny_writes_are_all_there() {
    let sandbox = sandbox();
    let script = "i=0; while [ $i -lt 50000 ]; do echo $i; i=$((i + 1)); done";
    let finished = shell(&sandbox, &["-q"], script).finish();
    let expected: String = (0..50_000).map(|number| format!("{number}\n")).collect();
    assert!(finished.out() == expected, "{} bytes", finished.stdout.len());
}

#[test]
fn a_reader_that_leaves_ends_the_echo_and_not_the_job() {
    let sandbox = sandbox();
    // More than all buffers on the way take.
    let script = "seq 1000000; echo > finished; exit 6";
    let line = r#"("$@"; echo $? > code) | head -n 1"#;
    let finished = sandbox
        .program("sh")
        .arguments(["-c", line, "sh"])
        .arguments([sandbox.programs().join("greaserun")])
        .arguments(["-c".as_ref(), sandbox.path("scalegrease.json").as_os_str()])
        .arguments(["-r", "shell", "-", "--", "sh", "-c", script])
        .finish();
    assert_eq!(finished.out(), "1\n");
    assert!(!finished.err().contains("cannot pass"), "{}", finished.err());
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
    sandbox.processes().iter().filter(|pid| blocked(pid)).count() == 2
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

#[test]
fn output_that_was_closed_by_the_caller_is_no_failure() {
    for closed in [">&-", "2>&-", ">&- 2>&-", "<&-"] {
        let sandbox = sandbox();
        let line = format!(r#""$@" {closed}"#);
        let finished = sandbox
            .program("sh")
            .arguments(["-c", &line, "sh"])
            .arguments([sandbox.programs().join("greaserun")])
            .arguments(["-c".as_ref(), sandbox.path("scalegrease.json").as_os_str()])
            .arguments(["-r", "shell", "-", "--", "sh", "-c", "echo out; echo err >&2; exit 5"])
            .finish();
        assert_eq!(finished.code, Some(5), "{closed}: {}", finished.err());
        assert!(log(&sandbox).contains("stdout F out\n"), "{closed}");
        assert!(log(&sandbox).contains("stderr F err\n"), "{closed}");
    }
}

fn with_stdout(sandbox: &Sandbox, path: &Path, script: &str) -> (Option<i32>, String) {
    let mut command = shell(sandbox, &[], script).into_command();
    let output = fs_err::OpenOptions::new().write(true).open(path).unwrap();
    command.stdout(output.into_parts().0).stderr(Stdio::piped());
    let mut child = spawn(command);
    let mut said = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (code(child), said)
}

#[test]
fn output_to_a_full_disk_is_noticed_and_the_job_runs_on() {
    let sandbox = sandbox();
    let script = "seq 1000000; echo last; exit 5";
    let (code, said) = with_stdout(&sandbox, Path::new("/dev/full"), script);
    assert_eq!(code, Some(5));
    let notices = said.matches("cannot pass the job's stdout on: No space left").count();
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
    assert_eq!(output.iter().filter(|byte| **byte == b'\n').count(), 2_000_000);
}

#[test]
fn a_job_does_not_eat_the_input_of_the_loop_around_it() {
    let sandbox = sandbox();
    let line = r#"while read -r host; do echo "$host"; "$@"; done"#;
    let finished = sandbox
        .program("sh")
        .arguments(["-c", line, "sh"])
        .arguments([sandbox.programs().join("greaserun")])
        .arguments(["-c".as_ref(), sandbox.path("scalegrease.json").as_os_str()])
        .arguments(["-q", "-r", "shell", "-", "--", "cat"])
        .stdin("a\nb\n")
        .finish();
    assert_eq!((finished.code, finished.out().as_str()), (Some(0), "a\nb\n"));
}

#[test]
fn a_job_reads_what_greaserun_was_given_only_when_that_is_asked_for() {
    let sandbox = sandbox();
    let finished = job(&sandbox, &["-q"], &["cat"]).stdin("data").finish();
    assert_eq!(finished.out(), "");
    let finished = job(&sandbox, &["-q", "--stdin", "inherit"], &["cat"]).stdin("data").finish();
    assert_eq!(finished.out(), "data");
}
