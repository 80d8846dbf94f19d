//! Who else is told of a run: what greaserun leaves in its spool its shipper brings to servers and commands.

use grease_core::debugging::share::marker;
use grease_testkit::listener::Listener;
use grease_testkit::sandbox::{CALM, Sandbox, is_running, wait_for_file, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::share::{kill, shippers, tree};

/// Some hosts on one share, all with these hooks.
fn hosts<const N: usize>(hooks: &Value) -> [Sandbox; N] {
    let hosts = std::array::from_fn(|_| Sandbox::new(env!("CARGO_BIN_EXE_greaserun")));
    let first: &Sandbox = &hosts[0];
    let share = first.path("share");
    fs_err::create_dir(&share).unwrap();
    marker::init(&share).unwrap();
    for host in &hosts {
        let config = json!({
            "common": {"state_dir": host.path("state"), "file_logger": share},
            "jobs": {"defaults": {"nice": 0}},
            "logs": {"hooks": hooks},
        });
        let config = config.to_string();
        let config = config.strip_suffix('}').unwrap();
        fs_err::write(host.path("scalegrease.json"), format!("{config}{CALM}}}")).unwrap();
    }
    hosts
}

/// Lets a script be run as the job `name`.
fn run(sandbox: &Sandbox, name: &str, script: &str) {
    sandbox
        .greaserun(["-q", "--job", name, "-r", "shell", "-", "sh", "-c", script])
        .finish();
}

/// A message as it was posted.
fn message(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

#[test]
fn a_run_is_pinged_with_its_exit_code_and_the_end_of_its_digest() {
    let server = Listener::start(&["200 OK\r\nPing-Body-Limit: 4000"]);
    let [sandbox] = hosts(&json!({"ping_url": format!("{}/KEY", server.url())}));
    run(
        &sandbox,
        "com.acme:etl",
        "echo reading; echo no input partition >&2; exit 4",
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
    let server = Listener::start(&["204 No Content"]);
    let url = format!("{}/hook", server.url());
    let [sandbox] = hosts(&json!({"notify": [{"url": url}]}));
    for script in ["exit 0", "echo broken >&2; exit 1", "exit 1", "exit 0"] {
        run(&sandbox, "etl", script);
    }
    let heard = server.wait_for(2);
    assert_eq!(heard.len(), 2, "{heard:?}");
    let [failed, recovered] = [0, 1].map(|n| message(&heard[n].body));
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
    let [sandbox] = hosts(&json!({"ping_url": "http://127.0.0.1:1/KEY"}));
    let finished = sandbox
        .greaserun(["-q", "-r", "shell", "-", "true"])
        .finish();
    assert_eq!((finished.code, finished.err()), (Some(0), String::new()));
    let trouble = || grease_core::debugging::tell::trouble(&sandbox.spool());
    wait_until("the shipper has tried", || trouble().0.is_some());
    let (trouble, waiting) = trouble();
    assert!(trouble.unwrap().text.contains("127.0.0.1"));
    assert!(waiting > 0, "it is tried again");
}

#[test]
fn two_hosts_send_one_message_of_a_failure_and_one_of_its_end() {
    let server = Listener::start(&["200 OK"]);
    let url = format!("{}/hook", server.url());
    let hosts: [Sandbox; 2] = hosts(&json!({"notify": [{"url": url}]}));
    // Both fail at the same time, and again.
    std::thread::scope(|scope| {
        for host in &hosts {
            scope.spawn(|| (0..2).for_each(|_| run(host, "etl", "exit 1")));
        }
    });
    server.wait_for(1);
    // Of a job of its own each host tells by itself: all before it is done with then.
    run(&hosts[0], "first", "exit 1");
    run(&hosts[1], "second", "exit 1");
    server.wait_for(3);
    run(&hosts[1], "etl", "exit 0");
    run(&hosts[0], "etl", "exit 0");
    run(&hosts[0], "first", "exit 0");
    run(&hosts[1], "second", "exit 0");
    let heard = server.wait_for(6);
    let mut told: Vec<(String, String)> = heard
        .iter()
        .map(|posted| message(&posted.body))
        .map(|told| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&told["end"]["job"]), text(&told["when"]))
        })
        .collect();
    told.sort();
    let expected = ["etl", "first", "second"]
        .map(|job| ["first-failure", "recovered"].map(|when| (job.to_owned(), when.to_owned())));
    assert_eq!(told, expected.concat());
}

#[test]
fn what_a_killed_shipper_did_not_tell_the_next_one_tells() {
    let server = Listener::start(&["503 Busy", "503 Busy", "200 OK"]);
    let url = format!("{}/hook", server.url());
    let [sandbox] = hosts(&json!({"notify": [{"url": url}]}));
    run(&sandbox, "etl", "echo broken >&2; exit 1");
    server.wait_for(1);
    for pid in shippers(&sandbox) {
        kill(pid);
    }
    run(&sandbox, "other", "exit 0");
    wait_until("the server took it", || {
        let heard = server.posted();
        heard.len() >= 3 && grease_core::debugging::tell::trouble(&sandbox.spool()).1 == 0
    });
    for posted in server.posted() {
        assert_eq!(message(&posted.body)["end"]["job"], "etl");
    }
}

#[test]
fn metrics_are_there_a_moment_after_a_run() {
    let place = tempfile::tempdir().unwrap();
    let [sandbox] = hosts(&json!({"textfile_dir": place.path()}));
    run(&sandbox, "etl", "exit 0");
    run(&sandbox, "etl", "exit 4");
    let uid = rustix::process::geteuid().as_raw();
    let path = place.path().join(format!("scalegrease_{uid}.prom"));
    let has = |name: &str, value: &str, parts: &[&str]| {
        let text = fs_err::read_to_string(&path).unwrap_or_default();
        text.lines().any(|line| {
            let is_it = line.starts_with(name) && line.ends_with(&format!("}} {value}"));
            is_it && parts.iter().all(|part| line.contains(part))
        })
    };
    let etl = r#"job="etl""#;
    wait_until("both runs are counted", || {
        ["success", "failure"].iter().all(|result| {
            let result = format!(r#"result="{result}""#);
            has("scalegrease_run_total{", "1", &[etl, &result])
        })
    });
    wait_until("the last exit code is told", || {
        has("scalegrease_job_last_exit_code{", "4", &[etl])
    });
    wait_until("all is on the share", || {
        has("scalegrease_ship_backlog_bytes{", "0", &[])
    });
}

#[test]
fn wrong_rules_are_told_with_their_place() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
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

#[test]
fn a_run_whose_greaserun_is_killed_is_told_and_on_the_share_though_no_other_run_follows() {
    let server = Listener::start(&["200 OK"]);
    let url = format!("{}/hook", server.url());
    let [sandbox] = hosts(&json!({"notify": [{"url": url}]}));
    let script = "setsid sleep 1000 & echo $! > child; sleep 1000";
    let running = sandbox
        .greaserun(["-q", "--job", "etl", "-r", "shell", "-", "sh", "-c", script])
        .start();
    let child: i32 = wait_for_file(&sandbox.work("child"))
        .trim()
        .parse()
        .unwrap();
    fs_err::remove_file(sandbox.path("scalegrease.json")).unwrap();
    running.signal(Signal::KILL);
    running.finish();
    let told = message(&server.wait_for(1)[0].body);
    assert_eq!(
        (&told["when"], &told["end"]["error"]),
        (&"first-failure".into(), &"supervisor-killed".into())
    );
    assert!(!is_running(child), "the job's rest is ended before that");
    assert!(sandbox.live().is_empty() && sandbox.scratches().is_empty());
    wait_until("the run is on the share", || {
        let runs = sandbox.sealed();
        runs.len() == 1 && runs[0].join("shipped").exists()
    });
    let run = sandbox.sealed().remove(0);
    let run = run.file_name().unwrap().to_str().unwrap();
    let start = told["end"]["start"].as_str().unwrap();
    let (day, _) = start.split_once('T').unwrap();
    let day = tree(&sandbox.path("share")).join(day);
    let failed = fs_err::read_dir(day.join("failed")).unwrap();
    let digests: Vec<_> = failed.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        digests.len() == 1 && digests[0].to_str().unwrap().contains(run),
        "{digests:?}"
    );
}
