//! The job's output on its way through greaserun, whoever reads it and however.

use std::io::Read as _;
use std::process::Stdio;
use std::thread::JoinHandle;

use grease_testkit::sandbox::wait_for_file;

use super::{code, job, log, peak_kib, record, sandbox, shell, spawn, through};

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
            assert!(
                buffer[..count] == block[at..at + count],
                "a byte before {total} is wrong"
            );
            total += count;
        }
    })
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
            assert!(
                read == expected,
                "repetition {repetition} of the block is wrong"
            );
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
    assert!(
        rest.starts_with("greaserun: ") && rest.lines().count() == 1,
        "{rest}"
    );
    assert!(peak < 40 * 1024, "{peak} KiB");
    let usage = &record(&sandbox)["usage"];
    let bytes = 100 * BLOCK_BYTES;
    assert_eq!(
        (&usage["out_bytes"], &usage["err_bytes"]),
        (&bytes.into(), &bytes.into())
    );
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
    assert!(
        finished.stdout == bytes && finished.stderr == bytes,
        "not the same bytes"
    );
}

#[test]
fn output_is_passed_on_while_the_job_runs() {
    let sandbox = sandbox();
    let script = "printf no-line-feed; printf prompt >&2; until [ -e go ]; do sleep 0.02; done";
    let mut command = shell(&sandbox, &["-q"], script).into_command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command);
    let mut seen = [0; 12];
    child
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut seen)
        .unwrap();
    let mut prompt = [0; 6];
    child
        .0
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut prompt)
        .unwrap();
    assert_eq!((&seen, &prompt), (b"no-line-feed", b"prompt"));
    fs_err::write(sandbox.work("go"), "").unwrap();
    assert_eq!(code(child), Some(0));
}

#[test]
fn very_many_tiny_writes_are_all_there() {
    let sandbox = sandbox();
    let script = "i=0; while [ $i -lt 50000 ]; do echo $i; i=$((i + 1)); done";
    let finished = shell(&sandbox, &["-q"], script).finish();
    let expected = (0..50_000).fold(String::new(), |text, number| text + &format!("{number}\n"));
    assert!(
        finished.out() == expected,
        "{} bytes",
        finished.stdout.len()
    );
}

#[test]
fn output_that_was_closed_by_the_caller_is_no_failure() {
    for closed in [">&-", "2>&-", ">&- 2>&-", "<&-"] {
        let sandbox = sandbox();
        let line = format!(r#""$@" {closed}"#);
        let script = "echo out; echo err >&2; exit 5";
        let wrapper = ["sh", "-c", &line, "sh"];
        let finished = through(&sandbox, &wrapper, &[], &["sh", "-c", script]).finish();
        assert_eq!(finished.code, Some(5), "{closed}: {}", finished.err());
        assert!(log(&sandbox).contains("stdout F out\n"), "{closed}");
        assert!(log(&sandbox).contains("stderr F err\n"), "{closed}");
    }
}

#[test]
fn a_job_does_not_eat_the_input_of_the_loop_around_it() {
    let sandbox = sandbox();
    let line = r#"while read -r host; do echo "$host"; "$@"; done"#;
    let finished = through(&sandbox, &["sh", "-c", line, "sh"], &["-q"], &["cat"])
        .stdin("a\nb\n")
        .finish();
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(0), "a\nb\n")
    );
}

#[test]
fn a_job_reads_what_greaserun_was_given_only_when_that_is_asked_for() {
    let sandbox = sandbox();
    let finished = job(&sandbox, &["-q"], &["cat"]).stdin("data").finish();
    assert_eq!(finished.out(), "");
    let finished = job(&sandbox, &["-q", "--stdin", "inherit"], &["cat"])
        .stdin("data")
        .finish();
    assert_eq!(finished.out(), "data");
}
