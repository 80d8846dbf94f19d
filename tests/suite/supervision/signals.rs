//! Signals to greaserun, and signals that its caller ignored or blocked.

use std::time::{Duration, Instant};

use grease_testkit::jar::write_large;
use grease_testkit::sandbox::{Running, Sandbox, state, wait_for_file, wait_until};
use rustix::process::Signal;

use super::{assert_clean, job, kill, pid_in, record, sandbox, shell, through, wait_until_empty};

/// Waits until a job has written `count` lines to a file in its directory.
fn wait_for_lines(sandbox: &Sandbox, file: &str, count: usize) {
    wait_until(&format!("{file} has {count} lines"), || {
        let text = fs_err::read_to_string(sandbox.work(file)).unwrap_or_default();
        text.lines().count() >= count
    });
}

#[test]
fn a_job_that_is_asked_to_end_keeps_its_last_words_and_its_code() {
    let sandbox = sandbox();
    let script = "trap 'echo caught; exit 9' TERM; echo > ready; while :; do sleep 0.02; done";
    let running = shell(&sandbox, &[], script).start();
    wait_for_file(&sandbox.work("ready"));
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(9), "caught\n")
    );
    let record = record(&sandbox);
    assert_eq!(record["result"], "cancellation");
    assert_eq!(
        (&record["error"], &record["exit"]),
        (&"signal".into(), &9.into())
    );
    assert_clean(&sandbox);
}

#[test]
fn each_signal_that_ends_a_program_is_passed_on_to_the_whole_job() {
    for (name, signal) in [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
    ] {
        let sandbox = sandbox();
        let child =
            format!("trap 'echo child; exit' {name}; echo > ready; while :; do sleep 0.02; done");
        let script = format!(
            r#"trap 'wait; echo leader; exit 7' {name}
            setsid env --default-signal sh -c "{child}" & while :; do sleep 0.02; done"#
        );
        let running = shell(&sandbox, &[], &script).start();
        wait_for_file(&sandbox.work("ready"));
        running.signal(signal);
        let finished = running.finish();
        let expected = (Some(7), "child\nleader\n".to_owned());
        assert_eq!((finished.code, finished.out()), expected, "{name}");
        assert_clean(&sandbox);
    }
}

/// A job that notes and survives each TERM, and a greaserun that would wait long for its end.
fn stubborn(sandbox: &Sandbox) -> Running {
    let script = "trap 'echo >> terms' TERM; sleep 1000 & echo > ready
        while :; do sleep 0.02; done";
    let running = shell(sandbox, &["--grace", "1h"], script).start();
    wait_for_file(&sandbox.work("ready"));
    running
}

#[test]
fn a_second_signal_kills_at_once_though_the_grace_is_long() {
    let sandbox = sandbox();
    let mut running = stubborn(&sandbox);
    running.signal(Signal::TERM);
    wait_for_lines(&sandbox, "terms", 1);
    let first = Instant::now();
    wait_until("a person loses patience", || {
        first.elapsed() > Duration::from_millis(500)
    });
    assert!(!running.has_ended(), "the first signal gives the grace");
    running.signal(Signal::INT);
    assert_eq!(running.finish().code, Some(137));
    assert_clean(&sandbox);
}

#[test]
fn one_request_that_arrives_twice_is_not_impatience() {
    let sandbox = sandbox();
    // timeout(1) signals its child and then its process group, so greaserun gets two.
    let script = "trap 'sleep 0.3; echo saved; exit 9' TERM; echo > ready
        while :; do sleep 0.02; done";
    for attempt in 0..10 {
        fs_err::remove_file(sandbox.work("ready")).ok(); // Not there at first.
        let running = shell(&sandbox, &["--grace", "1h"], script).start();
        wait_for_file(&sandbox.work("ready"));
        running.signal(Signal::TERM);
        wait_until("the first one has been read", || {
            !pending(running.pid(), Signal::TERM)
        });
        running.signal(Signal::TERM);
        let finished = running.finish();
        let got = (finished.code, finished.out());
        assert_eq!(got, (Some(9), "saved\n".to_owned()), "attempt {attempt}");
    }
}

/// Whether a signal to a process has not been taken yet.
fn pending(pid: i32, signal: Signal) -> bool {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("ShdPnd:"))
        .unwrap();
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
    mask & (1 << (signal.as_raw() - 1)) != 0
}

#[test]
fn a_hangup_that_comes_twice_is_not_impatience() {
    let sandbox = sandbox();
    let script = "trap 'echo >> hups' HUP; trap 'exit 4' USR1; echo > ready
        while :; do sleep 0.02; done";
    let running = shell(&sandbox, &["--grace", "1h"], script).start();
    wait_for_file(&sandbox.work("ready"));
    running.signal(Signal::HUP);
    wait_for_lines(&sandbox, "hups", 1);
    let first = Instant::now();
    wait_until("this is not one hangup", || {
        first.elapsed() > Duration::from_millis(500)
    });
    running.signal(Signal::HUP);
    // Taken in the order of their numbers, so that the answer comes after the hangup.
    running.signal(Signal::USR1);
    assert_eq!(running.finish().code, Some(4));
}

#[test]
fn signals_that_inform_reach_the_jobs_first_process_only() {
    let sandbox = sandbox();
    let script = "for name in USR1 USR2 WINCH; do trap \"echo $name >> got\" $name; done
        sleep 1000 & echo $! > child; while [ ! -e go ]; do sleep 0.02; done; kill $! && exit 3";
    let running = shell(&sandbox, &[], script).start();
    pid_in(&sandbox, "child");
    for signal in [Signal::USR1, Signal::USR2, Signal::WINCH] {
        running.signal(signal);
    }
    wait_for_lines(&sandbox, "got", 3);
    fs_err::write(sandbox.work("go"), "").unwrap();
    // `kill` succeeds only if the child is still there.
    assert_eq!(running.finish().code, Some(3));
    assert_eq!(record(&sandbox)["result"], "failure");
}

#[test]
fn a_hangup_after_nohup_is_ignored_by_greaserun_and_the_job() {
    let sandbox = sandbox();
    let script = "trap 'exit 4' USR1; kill -HUP $$; echo > ready; while :; do sleep 0.02; done";
    let running = through(&sandbox, &["nohup"], &[], &["sh", "-c", script]).start();
    wait_for_file(&sandbox.work("ready"));
    running.signal(Signal::HUP);
    running.signal(Signal::USR1);
    assert_eq!(running.finish().code, Some(4));
    assert_eq!(record(&sandbox)["result"], "failure");
}

/// The mask of ignored signals when no other than the C library's own two are.
const NONE_IGNORED: &str = "0000000180000000";

/// `env OPTIONS greaserun ... SCRIPT`.
fn under_env(sandbox: &Sandbox, options: &[&str], script: &str) -> Running {
    through(
        sandbox,
        &[&["env"], options].concat(),
        &[],
        &["sh", "-c", script],
    )
    .start()
}

#[test]
fn a_caller_that_ignores_the_end_of_children_does_not_lose_the_jobs_code() {
    let sandbox = sandbox();
    let script = "grep SigIgn /proc/$$/status; sleep 1000 & kill $!; wait $!; exit 7";
    let finished = under_env(&sandbox, &["--ignore-signal=CHLD"], script).finish();
    let expected = (Some(7), format!("SigIgn:\t{NONE_IGNORED}\n"));
    assert_eq!((finished.code, finished.out()), expected);
}

#[test]
fn the_job_starts_with_no_signal_blocked_or_ignored() {
    let sandbox = sandbox();
    let script = "grep -E 'Sig(Blk|Ign)' /proc/self/status; yes | head -1; exit 7";
    let options = ["--block-signal=TERM,INT,HUP,USR1,CHLD,ALRM,PIPE"];
    let finished = under_env(&sandbox, &options, script).finish();
    let expected = format!("SigBlk:\t0000000000000000\nSigIgn:\t{NONE_IGNORED}\ny\n");
    assert_eq!((finished.code, finished.out()), (Some(7), expected));
    assert_clean(&sandbox);
}

#[test]
fn a_caller_that_blocks_signals_does_not_make_greaserun_deaf() {
    let sandbox = sandbox();
    let script = "trap 'exit 9' TERM; echo > ready; while :; do sleep 0.02; done";
    let running = under_env(&sandbox, &["--block-signal=TERM,CHLD"], script);
    wait_for_file(&sandbox.work("ready"));
    running.signal(Signal::TERM);
    assert_eq!(running.finish().code, Some(9));
}

#[test]
fn a_stop_stops_job_and_greaserun_and_their_clock_until_they_are_continued() {
    let limit = Duration::from_secs(3);
    let script = "mkfifo go; sleep 1000 & echo $! > child; echo $$ > leader
        read -r line < go; kill $!; exit 5";
    let sandboxes = [Signal::TSTP, Signal::TTIN, Signal::TTOU].map(|signal| (signal, sandbox()));
    let stopped = sandboxes.each_ref().map(|(signal, sandbox)| {
        let running = shell(sandbox, &["--timeout", "3s"], script).start();
        let pids = [
            pid_in(sandbox, "child"),
            pid_in(sandbox, "leader"),
            running.pid(),
        ];
        running.signal(*signal);
        wait_until("all are stopped", || {
            pids.iter().all(|pid| state(*pid) == Some('T'))
        });
        running
    });
    let since = Instant::now();
    wait_until("more time has passed than the job has", || {
        since.elapsed() > limit
    });
    for (running, (signal, sandbox)) in stopped.into_iter().zip(&sandboxes) {
        running.signal(Signal::CONT);
        fs_err::write(sandbox.work("go"), "now\n").unwrap();
        let finished = running.finish();
        assert_eq!(finished.code, Some(5), "{signal:?}: {}", finished.err());
        let lasted = record(sandbox)["usage"]["duration_ms"].as_u64().unwrap();
        assert!(
            u128::from(lasted) < limit.as_millis(),
            "the pause counted: {lasted} ms"
        );
    }
}

#[test]
fn a_job_that_is_stopped_alone_goes_on_when_it_is_continued() {
    let sandbox = sandbox();
    let script = "echo $$ > pid; kill -STOP $$; exit 5";
    let mut running = shell(&sandbox, &[], script).start();
    let pid = pid_in(&sandbox, "pid");
    wait_until("the job is stopped", || state(pid) == Some('T'));
    assert!(!running.has_ended());
    kill(pid, Signal::CONT);
    assert_eq!(running.finish().code, Some(5));
}

#[test]
fn a_stopped_job_can_be_asked_to_end() {
    let sandbox = sandbox();
    let script = "trap 'exit 9' TERM; echo $$ > pid; kill -STOP $$; while :; do sleep 0.02; done";
    let running = shell(&sandbox, &["--grace", "1h"], script).start();
    let pid = pid_in(&sandbox, "pid");
    wait_until("the job is stopped", || state(pid) == Some('T'));
    running.signal(Signal::TERM);
    assert_eq!(running.finish().code, Some(9));
}

#[test]
fn a_request_to_end_that_comes_while_the_jar_is_unpacked_starts_no_job() {
    let sandbox = sandbox();
    let jar = sandbox.path("large.jar");
    write_large(&jar, 20_000, 20_000);
    let running = sandbox
        .greaserun(["-r", "python"])
        .arguments([&jar])
        .arguments(["touch".as_ref(), sandbox.work("started").as_os_str()])
        .start();
    wait_until("something has been unpacked", || {
        let scratch = sandbox.scratches().pop();
        scratch.is_some_and(|scratch| fs_err::read_dir(scratch).unwrap().count() > 0)
    });
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert_eq!(finished.code, Some(143), "{}", finished.err());
    assert!(!sandbox.work("started").exists());
    let record = record(&sandbox);
    assert_eq!(
        (&record["result"], &record["error"]),
        (&"cancellation".into(), &"signal".into())
    );
    assert_clean(&sandbox);
}

#[test]
fn a_request_to_end_at_any_moment_of_the_start_leaves_nothing_behind() {
    let sandbox = sandbox();
    for round in 0..grease_testkit::length::rounds(40) {
        let running = job(&sandbox, &["--grace", "1h"], &["sleep", "1000"]).start();
        let since = Instant::now();
        let moment = Duration::from_millis(u64::from(round % 40));
        wait_until("its moment has come", || since.elapsed() >= moment);
        running.signal(Signal::TERM);
        let finished = running.finish();
        // Before greaserun holds signals back, the signal ends it, as any other program.
        let by_default = finished.signal == Some(15);
        assert!(
            by_default || finished.code == Some(143),
            "{}: {}",
            round,
            finished.all()
        );
        wait_until_empty(&sandbox);
        assert_clean(&sandbox);
    }
}
