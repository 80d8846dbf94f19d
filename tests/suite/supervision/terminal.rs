//! A job on a terminal: it shares greaserun's, and job control works as with any program.

use std::io::Write as _;
use std::process::ChildStdin;

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Finished, Running, Sandbox, state, wait_for_file, wait_until};

use super::{assert_clean, pid_in, record, sandbox, wait_until_empty};

/// What a terminal makes of these keys.
const CTRL_C: &[u8] = b"\x03";
const CTRL_Z: &[u8] = b"\x1a";

/// A shell on a terminal of its own, in a sandbox.
struct Session {
    sandbox: Sandbox,
    running: Running,
    keys: ChildStdin,
}

impl Session {
    /// Starts an interactive shell on a terminal; `None` without script(1).
    fn start() -> Option<Self> {
        let script = require(Component::Script)?.path;
        let sandbox = sandbox();
        let (running, keys) = sandbox
            .program(script)
            .arguments(["-qec", "bash --norc --noprofile -i", "/dev/null"])
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", sandbox.programs().display()),
            )
            .env("SHELL", "/bin/sh")
            .env("TERM", "dumb")
            .env("PS1", "")
            .start_and_type();
        Some(Self {
            sandbox,
            running,
            keys,
        })
    }

    /// Types some keys.
    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
        self.keys.flush().unwrap();
    }

    /// Types a line of shell.
    fn line(&mut self, line: &str) {
        self.press(format!("{line}\n").as_bytes());
    }

    /// Types a line that runs a script, which lies in a file, as a job.
    fn job(&mut self, options: &str, script: &str, behind: &str) {
        fs_err::write(self.sandbox.work("script"), script).unwrap();
        let config = self.sandbox.path("scalegrease.json");
        let config = config.display();
        self.line(&format!(
            "greaserun -c {config} {options} -r shell - -- sh script{behind}"
        ));
    }

    /// Ends the shell, and gives what was on the terminal.
    fn exit(mut self) -> (Sandbox, Finished) {
        self.line("exit 0");
        let Self {
            sandbox,
            running,
            keys,
        } = self;
        let finished = running.finish();
        drop(keys);
        (sandbox, finished)
    }
}

#[test]
fn ctrl_c_reaches_the_job_once_and_its_code_comes_back() {
    let Some(mut session) = Session::start() else {
        return;
    };
    let script = "trap 'echo >> interrupts' INT; echo > ready
        until [ -s interrupts ]; do sleep 0.02; done
        sleep 0.3; exit 9";
    session.job("", script, "; echo $? > code");
    wait_for_file(&session.sandbox.work("ready"));
    session.press(CTRL_C);
    assert_eq!(wait_for_file(&session.sandbox.work("code")), "9\n");
    let (sandbox, _) = session.exit();
    let interrupts = fs_err::read_to_string(sandbox.work("interrupts")).unwrap();
    assert_eq!(interrupts.lines().count(), 1);
    assert_eq!(record(&sandbox)["result"], "cancellation");
    assert_clean(&sandbox);
}

#[test]
fn ctrl_c_ends_a_process_that_left_the_terminal_too() {
    let Some(mut session) = Session::start() else {
        return;
    };
    let script = "setsid env --default-signal sh -c 'echo $$ > away; exec sleep 1000' &
        until [ -s away ]; do sleep 0.02; done
        echo > ready; sleep 1000";
    session.job("--grace 1h", script, "; echo $? > code");
    wait_for_file(&session.sandbox.work("ready"));
    session.press(CTRL_C);
    assert_eq!(wait_for_file(&session.sandbox.work("code")), "130\n");
    let (sandbox, _) = session.exit();
    wait_until_empty(&sandbox);
    assert_eq!(record(&sandbox)["leftovers"], 0);
}

#[test]
fn ctrl_z_stops_the_job_and_fg_continues_it() {
    let Some(mut session) = Session::start() else {
        return;
    };
    let script = "echo $PPID > greaserun; mkfifo go; echo $$ > job; read -r line < go; exit 5";
    for round in 0..2 {
        for file in ["greaserun", "job", "go", "code"] {
            fs_err::remove_file(session.sandbox.work(file)).ok(); // Of the round before.
        }
        session.job("", script, "");
        let pids = ["greaserun", "job"].map(|file| pid_in(&session.sandbox, file));
        session.press(CTRL_Z);
        wait_until("both are stopped", || {
            pids.iter().all(|pid| state(*pid) == Some('T'))
        });
        session.line("fg; echo $? > code");
        wait_until("both go on", || {
            pids.iter().all(|pid| state(*pid) != Some('T'))
        });
        fs_err::write(session.sandbox.work("go"), "now\n").unwrap();
        assert_eq!(
            wait_for_file(&session.sandbox.work("code")),
            "5\n",
            "round {round}"
        );
    }
    let (sandbox, _) = session.exit();
    assert_clean(&sandbox);
}

#[test]
fn a_job_reads_what_is_typed_and_may_change_the_terminal() {
    let Some(mut session) = Session::start() else {
        return;
    };
    let script = "[ -t 0 ] || exit 1; stty -echo < /dev/tty || exit 2; echo > ready
        read -r line; stty echo; echo \"got $line\" > got; exit 6";
    session.job("", script, "; echo $? > code");
    wait_for_file(&session.sandbox.work("ready"));
    session.line("some words");
    assert_eq!(
        wait_for_file(&session.sandbox.work("got")),
        "got some words\n"
    );
    assert_eq!(wait_for_file(&session.sandbox.work("code")), "6\n");
    session.exit();
}

#[test]
fn a_job_in_the_background_that_reads_the_terminal_stops_until_it_is_in_front() {
    let Some(mut session) = Session::start() else {
        return;
    };
    let script =
        "echo $PPID > greaserun; echo $$ > job; read -r line; echo \"got $line\" > got; exit 6";
    session.job("", script, " &");
    let pids = ["greaserun", "job"].map(|file| pid_in(&session.sandbox, file));
    wait_until("both are stopped", || {
        pids.iter().all(|pid| state(*pid) == Some('T'))
    });
    session.line("fg; echo $? > code");
    wait_until("both go on", || {
        pids.iter().all(|pid| state(*pid) != Some('T'))
    });
    session.line("some words");
    assert_eq!(
        wait_for_file(&session.sandbox.work("got")),
        "got some words\n"
    );
    assert_eq!(wait_for_file(&session.sandbox.work("code")), "6\n");
    session.exit();
}

#[test]
fn a_terminal_that_goes_away_ends_the_job() {
    let Some(mut session) = Session::start() else {
        return;
    };
    let script = "trap 'echo >> hangups; exit 3' HUP; echo > ready; while :; do sleep 0.02; done";
    session.job("", script, "");
    wait_for_file(&session.sandbox.work("ready"));
    let Session {
        sandbox,
        running,
        keys,
    } = session;
    drop(running); // script(1) is killed, and with it the terminal.
    wait_until_empty(&sandbox);
    assert!(sandbox.work("hangups").exists());
    assert_eq!(record(&sandbox)["result"], "cancellation");
    assert_clean(&sandbox);
    drop(keys);
}

#[test]
fn ctrl_c_reaches_a_job_whose_input_is_a_pipe() {
    let Some(mut session) = Session::start() else {
        return;
    };
    // Not on the terminal, so it has a session of its own; greaserun passes the signal on.
    let script =
        "trap 'echo >> interrupts; exit 9' INT; echo > ready; while :; do sleep 0.02; done";
    fs_err::write(session.sandbox.work("script"), script).unwrap();
    let config = session.sandbox.path("scalegrease.json");
    let config = config.display();
    session.line(&format!(
        "true | greaserun -c {config} -r shell - -- sh script; echo $? > code"
    ));
    wait_for_file(&session.sandbox.work("ready"));
    session.press(CTRL_C);
    wait_for_file(&session.sandbox.work("interrupts"));
    wait_until_clean(&session.sandbox);
    let (sandbox, _) = session.exit();
    assert_eq!(record(&sandbox)["exit"], 9);
}

/// Waits until the run has been sealed.
fn wait_until_clean(sandbox: &Sandbox) {
    wait_until("the run is sealed", || sandbox.sealed().len() == 1);
}
