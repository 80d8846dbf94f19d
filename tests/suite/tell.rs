//! Who else is told of a run: what greaserun leaves in its spool reaches servers and commands.

use std::time::Duration;

use grease_core::debugging::config::Hooks;
use grease_core::debugging::tell::Telling;
use grease_testkit::listener::Listener;
use grease_testkit::sandbox::Sandbox;
use serde_json::Value;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

/// Lets a script be run as the job `name`.
fn run(sandbox: &Sandbox, name: &str, script: &str) {
    sandbox
        .greaserun(["-q", "--job", name, "-r", "shell", "-", "sh", "-c", script])
        .finish();
}

/// Tells of what lies in the spool, as the shipper does.
fn tell(sandbox: &Sandbox, hooks: &str) {
    let hooks: Hooks = serde_json::from_str(hooks).unwrap();
    let telling = Telling::start(&sandbox.spool(), &hooks, "etl", false).unwrap();
    telling.finish(Duration::from_mins(1));
}

#[test]
fn a_run_is_pinged_with_its_exit_code_and_the_end_of_its_digest() {
    let sandbox = sandbox();
    let server = Listener::start(&["200 OK\r\nPing-Body-Limit: 4000"]);
    run(
        &sandbox,
        "com.acme:etl",
        "echo reading; echo no input partition >&2; exit 4",
    );
    tell(
        &sandbox,
        &format!(r#"{{"ping_url": "{}/KEY"}}"#, server.url()),
    );
    let heard = server.wait_for(2);
    assert!(
        heard[0]
            .line
            .starts_with("POST /KEY/com-acme-etl/start?rid="),
        "{heard:?}"
    );
    assert!(
        heard[1].line.starts_with("POST /KEY/com-acme-etl/4?rid="),
        "{heard:?}"
    );
    assert!(heard[1].body.contains("no input partition"), "{heard:?}");
    let rid = |line: &str| line.split_once("rid=").unwrap().1.to_owned();
    assert_eq!(rid(&heard[0].line), rid(&heard[1].line));
}

#[test]
fn a_webhook_gets_a_ready_text_the_end_event_and_the_digest() {
    let sandbox = sandbox();
    let server = Listener::start(&["204 No Content"]);
    let hooks = format!(r#"{{"notify": [{{"url": "{}/hook"}}]}}"#, server.url());
    for script in ["exit 0", "echo broken >&2; exit 1", "exit 1", "exit 0"] {
        run(&sandbox, "etl", script);
        tell(&sandbox, &hooks);
    }
    let heard = server.wait_for(2);
    assert_eq!(heard.len(), 2, "{heard:?}");
    let [failed, recovered] =
        [0, 1].map(|n| serde_json::from_str::<Value>(&heard[n].body).unwrap());
    assert_eq!(failed["when"], "first-failure");
    let text = failed["text"].as_str().unwrap();
    assert!(
        text.starts_with("etl: failed with exit code 1: broken, after "),
        "{text}"
    );
    assert!(
        failed["digest"].as_str().unwrap().contains("broken"),
        "{failed}"
    );
    assert_eq!(
        (&failed["end"]["exit"], &failed["end"]["result"]),
        (&1.into(), &"failure".into())
    );
    assert_eq!(
        (&recovered["when"], &recovered["failures"]),
        (&"recovered".into(), &2.into())
    );
}

#[test]
fn a_server_that_refuses_or_is_not_there_changes_nothing_for_the_job() {
    let sandbox = sandbox();
    run(&sandbox, "etl", "exit 0");
    tell(&sandbox, r#"{"ping_url": "http://127.0.0.1:1/KEY"}"#);
    let (trouble, waiting) = grease_core::debugging::tell::trouble(&sandbox.spool());
    assert!(trouble.unwrap().text.contains("127.0.0.1"));
    assert_eq!(waiting, 2);
}

#[test]
fn wrong_rules_are_told_with_their_place() {
    let sandbox = sandbox();
    for (notify, expected) in [
        (r#"{"when": ["often"], "command": "x"}"#, "after:N"),
        (r"{}", "neither a `command` nor a `url`"),
        (
            r#"{"command": "x", "url": "https://h/"}"#,
            "an entry for each",
        ),
        (r#"{"url": "chat.example"}"#, "expected an address"),
    ] {
        sandbox.config(&format!(
            r#"{{"logs": {{"hooks": {{"notify": [{notify}]}}}}}}"#
        ));
        let finished = sandbox
            .greaserun(["-q", "-r", "shell", "-", "true"])
            .finish();
        assert_eq!(finished.code, Some(78), "{notify}");
        let told = finished.err();
        assert!(
            told.contains(expected) && told.contains("logs.hooks.notify[0]"),
            "{told}"
        );
    }
}
