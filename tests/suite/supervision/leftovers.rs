//! What outlives a job's first process.

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{is_running, state, wait_for_file, wait_until};
use rustix::process::Signal;

use super::{assert_clean, job, kill, pid_in, record, sandbox, sandbox_with, shell, through};

/// Little patience, for tests in which something has to be waited out.
const BRISK: &str = r#"{"nice": 0, "drain": "200ms", "grace": "200ms"}"#;

#[test]
fn a_process_in_its_own_session_is_ended_and_named() {
    let sandbox = sandbox_with(BRISK);
    let finished = shell(&sandbox, &[], "setsid sleep 1000 & echo $! > pid").finish();
    let pid = pid_in(&sandbox, "pid");
    assert_eq!(finished.code, Some(0));
    let named = format!("processes outlived the job: {pid} (sleep)");
    assert!(finished.err().contains(&named), "{}", finished.err());
    let record = record(&sandbox);
    assert_eq!(
        (&record["result"], &record["leftovers"]),
        (&"success".into(), &1.into())
    );
    assert_clean(&sandbox);
}

#[test]
fn a_process_that_merely_calls_itself_our_shipper_is_ended() {
    let sandbox = sandbox_with(BRISK);
    // Its second word is what a shipper is known by, but its program is a shell.
    fs_err::write(sandbox.work("__ship"), "echo $$ > pid; sleep 1000; true\n").unwrap();
    let script = "setsid sh __ship & until [ -s pid ]; do sleep 0.01; done; exit 4";
    let finished = shell(&sandbox, &[], script).finish();
    assert_eq!(finished.code, Some(4));
    assert!(!is_running(pid_in(&sandbox, "pid")));
    assert_eq!(record(&sandbox)["leftovers"], 2);
    assert_clean(&sandbox);
}

#[test]
fn a_daemon_that_forked_twice_is_ended() {
    let sandbox = sandbox_with(BRISK);
    let daemon = "(setsid sh -c 'echo $$ > pid; exec sleep 1000' > /dev/null 2>&1 &)
        until [ -s pid ]; do sleep 0.01; done; exit 4";
    let finished = shell(&sandbox, &[], daemon).finish();
    assert_eq!(finished.code, Some(4));
    assert!(!is_running(pid_in(&sandbox, "pid")));
    assert_eq!(record(&sandbox)["leftovers"], 1);
    assert_clean(&sandbox);
}

#[test]
fn a_grandchild_that_holds_the_output_does_not_hold_the_run() {
    let sandbox = sandbox_with(BRISK);
    let finished = shell(&sandbox, &[], "echo before; sleep 1000 & exit 3").finish();
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(3), "before\n")
    );
    assert_clean(&sandbox);
}

#[test]
fn a_stranger_that_holds_the_output_does_not_hold_the_run() {
    let sandbox = sandbox_with(BRISK);
    let script = "echo $$ > pid; until [ -e go ]; do sleep 0.01; done; echo bye; exit 5";
    let running = shell(&sandbox, &[], script).start();
    let output = format!("/proc/{}/fd/1", pid_in(&sandbox, "pid"));
    let held = fs_err::OpenOptions::new().write(true).open(output).unwrap();
    fs_err::write(sandbox.work("go"), "").unwrap();
    let finished = running.finish();
    assert_eq!((finished.code, finished.out().as_str()), (Some(5), "bye\n"));
    drop(held);
}

#[test]
fn output_that_a_child_writes_shortly_after_the_jobs_end_is_kept() {
    let sandbox = sandbox();
    let finished = shell(&sandbox, &[], "(sleep 0.3; echo late) & exit 0").finish();
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(0), "late\n")
    );
    assert_eq!(record(&sandbox)["leftovers"], 0);
}

#[test]
fn orphans_of_a_nested_subreaper_are_ended_with_it() {
    if require(Component::Python).is_none() {
        return;
    }
    let sandbox = sandbox_with(BRISK);
    let reaper = "
import ctypes, os, time
if os.fork():
    while not os.path.exists('orphan'): time.sleep(0.01)
    os._exit(0)
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        while os.getppid() == 1: time.sleep(0.01)
        open('orphan.new', 'w').write('%d\\n' % os.getpid())
        os.rename('orphan.new', 'orphan')
        time.sleep(1000)
    os._exit(0)
time.sleep(1000)
";
    let finished = job(&sandbox, &[], &["python3", "-c", reaper]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.err());
    assert!(!is_running(pid_in(&sandbox, "orphan")));
    assert_eq!(record(&sandbox)["leftovers"], 2);
    assert_clean(&sandbox);
}

#[test]
fn a_process_whose_main_thread_has_exited_is_no_zombie_and_is_ended() {
    if require(Component::Python).is_none() {
        return;
    }
    let sandbox = sandbox_with(BRISK);
    let threads = "
import ctypes, os, threading, time
pid = os.fork()
if pid:
    def state(): return open('/proc/%d/stat' % pid).read().rsplit(') ', 1)[1][0]
    while state() != 'Z': time.sleep(0.01)
    open('pid', 'w').write('%d\\n' % pid)
    os._exit(0)
libc = ctypes.CDLL(None)
threading.Thread(target=libc.sleep, args=(1000,)).start()
libc.pthread_exit(None)
";
    let finished = job(&sandbox, &[], &["python3", "-c", threads]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.err());
    let pid = pid_in(&sandbox, "pid");
    let named = format!("processes outlived the job: {pid} (python3)");
    assert!(finished.err().contains(&named), "{}", finished.err());
    assert_eq!(state(pid), None, "it is still there");
}

#[test]
fn a_tree_that_ignores_term_is_killed_after_timeout_and_grace() {
    let sandbox = sandbox();
    let script = "trap '' TERM; setsid sh -c 'while :; do sleep 0.1; done' &
        (sleep 1000) & while :; do sleep 0.1; done";
    let finished = shell(
        &sandbox,
        &["--timeout", "500ms", "--grace", "300ms"],
        script,
    )
    .finish();
    assert_eq!(finished.code, Some(124));
    assert!(finished.err().contains("timed out"), "{}", finished.err());
    assert_eq!(record(&sandbox)["result"], "timeout");
    assert_clean(&sandbox);
}

#[test]
fn leftovers_can_be_waited_for() {
    let sandbox = sandbox_with(BRISK);
    let script = "setsid sh -c 'until [ -e go ]; do sleep 0.01; done; echo late' & exit 6";
    let mut running = shell(&sandbox, &["--leftovers", "wait"], script).start();
    // The drain and the grace are over long before the test notices that nothing ends.
    let started = std::time::Instant::now();
    wait_until("drain and grace are over", || {
        started.elapsed().as_millis() > 1000
    });
    assert!(!running.has_ended());
    fs_err::write(sandbox.work("go"), "").unwrap();
    let finished = running.finish();
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(6), "late\n")
    );
    assert_eq!(record(&sandbox)["leftovers"], 0);
}

#[test]
fn leftovers_are_waited_for_until_the_timeout_at_most() {
    let sandbox = sandbox_with(BRISK);
    let options = ["--leftovers", "wait", "--timeout", "1s"];
    let finished = shell(&sandbox, &options, "setsid sleep 1000 & exit 0").finish();
    assert_eq!(finished.code, Some(124));
    assert_clean(&sandbox);
}

#[test]
fn detached_leftovers_are_named_and_run_on() {
    let sandbox = sandbox_with(BRISK);
    let script = "setsid sleep 1000 & echo $! > pid; exit 0";
    let finished = shell(&sandbox, &["--leftovers", "detach"], script).finish();
    let pid = pid_in(&sandbox, "pid");
    assert_eq!(finished.code, Some(0));
    let named = format!("processes outlived the job: {pid} (sleep)");
    assert!(finished.err().contains(&named), "{}", finished.err());
    // Neither the end of the run nor the next one touches it.
    assert_eq!(shell(&sandbox, &[], "exit 0").finish().code, Some(0));
    assert!(is_running(pid));
    kill(pid, Signal::KILL);
}

#[test]
fn a_timeout_ends_the_whole_job_though_leftovers_would_be_detached() {
    let sandbox = sandbox_with(BRISK);
    let options = ["--leftovers", "detach", "--timeout", "500ms"];
    let finished = shell(&sandbox, &options, "setsid sleep 1000 & sleep 1000").finish();
    assert_eq!(finished.code, Some(124));
    assert_clean(&sandbox);
}

#[test]
fn a_storm_of_forks_is_killed_to_the_last_process() {
    let sandbox = sandbox_with(BRISK);
    let script = "trap '' TERM
        storm() { [ $1 -gt 0 ] && { storm $(($1 - 1)) & storm $(($1 - 1)) & }; sleep 1000; }
        storm 6 & sleep 0.2; exit 2";
    let finished = shell(&sandbox, &[], script).finish();
    assert_eq!(finished.code, Some(2));
    assert_clean(&sandbox);
}

#[test]
fn a_process_that_is_never_the_same_for_long_is_killed() {
    if require(Component::Python).is_none() {
        return;
    }
    let sandbox = sandbox_with(BRISK);
    // Each lives for about as long as it takes to fork the next one.
    let relay = "
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os._exit(0)
for count in range(200_000):
    if os.fork():
        os._exit(0)
open('survived', 'w')
";
    let finished = job(&sandbox, &[], &["python3", "-c", relay]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.err());
    assert!(!sandbox.work("survived").exists());
    assert_clean(&sandbox);
}

#[test]
fn a_chain_of_daemons_is_waited_for_to_its_last_link() {
    if require(Component::Python).is_none() {
        return;
    }
    let sandbox = sandbox_with(BRISK);
    // At no moment is there more than one that lives on, and it is always another.
    let chain = "
import os, time
for count in range(2000):
    if os.fork():
        os._exit(0)
time.sleep(0.5)
print('last')
";
    let finished = job(
        &sandbox,
        &["--leftovers", "wait"],
        &["python3", "-c", chain],
    )
    .finish();
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(0), "last\n")
    );
    assert_eq!(record(&sandbox)["leftovers"], 0);
}

#[test]
fn children_that_the_caller_had_before_are_not_the_jobs() {
    let sandbox = sandbox_with(BRISK);
    // A shell that executes greaserun in its own place leaves its children to it.
    let script = r#"sleep 1000 & echo $! > stranger; exec "$@""#;
    let job = ["sh", "-c", "sleep 1000 & exit 7"];
    let mut command = through(&sandbox, &["sh", "-c", script, "sh"], &[], &job).into_command();
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    assert_eq!(command.status().unwrap().code(), Some(7));
    let stranger: i32 = wait_for_file(&sandbox.work("stranger"))
        .trim()
        .parse()
        .unwrap();
    assert_eq!(record(&sandbox)["leftovers"], 1);
    assert!(
        is_running(stranger),
        "a process that is not the job's was killed"
    );
    kill(stranger, Signal::KILL);
    wait_until("it is gone", || !is_running(stranger));
    assert_clean(&sandbox);
}

#[test]
fn output_that_goes_through_a_process_substitution_is_whole() {
    let sandbox = sandbox_with(BRISK);
    // Such a shell executes greaserun in its own place, with `tee` as its child.
    let script = r#""$@" > >(tee copy)"#;
    let finished = through(
        &sandbox,
        &["bash", "-c", script, "bash"],
        &[],
        &["seq", "100000"],
    )
    .finish();
    assert_eq!(finished.code, Some(0));
    assert_eq!(finished.out().lines().count(), 100_000);
    assert_eq!(record(&sandbox)["leftovers"], 0);
}
