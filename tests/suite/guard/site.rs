//! The site's own command.

use serde_json::{Value, json};

use super::{Kept, assert_all_is_free, only, sandbox_with, shell};
use grease_testkit::sandbox::{Finished, Sandbox, is_running};

/// A run on a host whose own command is this piece of shell.
fn run(sandbox: &Sandbox, job: &str) -> (Finished, Kept) {
    let options = ["--job", job, "--max-wait", "600ms"];
    let finished = shell(sandbox, &options, "exit 0").finish();
    (finished, only(sandbox, job))
}

fn sandbox_asking(script: &str) -> Sandbox {
    sandbox_with(&json!({"command": ["sh", "-c", script]}))
}

/// What the command said.
fn check(seen: &Value) -> Option<&Value> {
    let mut checks = seen["checks"].as_array().unwrap().iter();
    checks.find(|check| check["signal"] == "command")
}

#[test]
fn it_admits_with_0_and_refuses_with_1() {
    let sandbox = sandbox_asking("exit $(cat answer)");
    fs_err::write(sandbox.work("answer"), "0").unwrap();
    let (finished, kept) = run(&sandbox, "admitted");
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    assert_eq!(check(&kept.execute["guard"]).unwrap()["value"], 0.0);

    fs_err::write(sandbox.work("answer"), "1").unwrap();
    let (finished, kept) = run(&sandbox, "dropped");
    assert_eq!(finished.code, Some(75), "{}", finished.all());
    assert_eq!(kept.words(), ("skip", "guard-command"));
    let check = check(&kept.end["guard"]).unwrap();
    let expected = json!({
        "signal": "command", "value": 1.0, "limit": 0.0, "what": "exit code of `sh`",
        "refuses": true,
    });
    assert_eq!(check, &expected);
    let forced = shell(&sandbox, &["--force"], "exit 0").finish();
    assert_eq!(forced.code, Some(0), "{}", forced.all());
    assert_all_is_free_but_for_the_command(&sandbox);
}

fn assert_all_is_free_but_for_the_command(sandbox: &Sandbox) {
    fs_err::write(sandbox.work("answer"), "0").unwrap();
    assert_all_is_free(sandbox, &["--cost", "1000"]);
}

#[test]
fn one_that_fails_is_gone_without_and_that_is_said_once() {
    for (script, why) in [
        ("exit 7", "`sh` gave 7, neither 0 nor 1"),
        ("kill -9 $$", "`sh` was ended by a signal"),
    ] {
        let sandbox = sandbox_asking(script);
        let (finished, kept) = run(&sandbox, "first");
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        let warning =
            format!("warning: the guard goes without a signal of this host: command: {why}");
        assert_eq!(
            finished.err().matches(&warning).count(),
            1,
            "{}",
            finished.err()
        );
        assert_eq!(check(&kept.execute["guard"]), None);
        let (finished, _) = run(&sandbox, "second");
        assert!(!finished.err().contains("warning"), "{}", finished.err());
    }
    let sandbox = sandbox_with(&json!({"command": ["/no/such/command"]}));
    let (finished, _) = run(&sandbox, "absent");
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    assert!(
        finished
            .err()
            .contains("`/no/such/command` cannot be run: "),
        "{}",
        finished.err()
    );
}

#[test]
fn one_that_hangs_is_killed_and_gone_without() {
    let sandbox = sandbox_asking("echo $$ > asked; exec sleep 1000");
    let finished = shell(&sandbox, &["--max-wait", "0"], "exit 0").finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    let why = "command: it took longer than 5 s";
    assert!(finished.err().contains(why), "{}", finished.err());
    assert!(!is_running(super::pid_in(&sandbox, "asked")));
}
