//! A share that hangs with a request taken: one process waits for it, and nobody else.

use std::collections::BTreeSet;

use grease_testkit::sandbox::{Running, state, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::Host;

/// The processes that wait for the share.
fn stuck(host: &Host) -> BTreeSet<i32> {
    let waiting = host.share.waiting();
    waiting.iter().map(|request| request.pid).collect()
}

/// Runs end with their jobs while requests of a kind hang; one process waits; then all arrives once.
fn hang_in(operation: &str) {
    let Some(host) = Host::new() else {
        return;
    };
    host.run("echo before");
    host.share.rules(&format!("{operation}=hang"));
    let failed = host.shell("echo it fails; exit 3").finish();
    assert_eq!(failed.code, Some(3), "{}", failed.all());
    wait_until("a request hangs", || !stuck(&host).is_empty());
    let before = stuck(&host);
    assert_eq!((before.len(), host.shippers().len()), (1, 1));

    for _ in 0..5 {
        let running: Vec<Running> = (0..10).map(|_| host.shell("echo beside").start()).collect();
        for run in running {
            let finished = run.finish();
            assert_eq!(finished.code, Some(0), "{}", finished.all());
        }
    }
    assert_eq!(stuck(&host), before, "no further process waits");
    assert_eq!(host.shippers().len(), 1);
    host.assert_only_shippers_asked();

    host.share.rules("");
    host.assert_arrives();
    assert_eq!(host.sandbox.sealed().len(), 52);
    assert_eq!(host.files("logs").len(), 52);
}

#[test]
fn runs_end_with_their_jobs_while_a_write_hangs() {
    hang_in("write");
}

#[test]
fn runs_end_with_their_jobs_while_an_fsync_hangs() {
    hang_in("fsync");
}

#[test]
fn runs_end_with_their_jobs_while_an_open_hangs() {
    hang_in("open,create");
}

#[test]
fn runs_end_with_their_jobs_while_looking_at_files_hangs() {
    hang_in("lookup,getattr");
}

#[test]
fn a_share_that_hangs_from_the_start_is_as_good() {
    let Some(host) = Host::new() else {
        return;
    };
    host.share.rules("*=hang");
    for _ in 0..3 {
        host.run("echo nobody has seen the share yet");
    }
    wait_until("a request hangs", || !stuck(&host).is_empty());
    assert_eq!(stuck(&host).len(), 1);
    host.share.rules("");
    host.assert_arrives();
}

#[test]
fn a_shipper_that_waits_for_good_is_not_joined_by_another_when_it_is_killed() {
    let Some(host) = Host::new() else {
        return;
    };
    host.run("echo before");
    host.share.rules("fsync=hang");
    host.run("echo during");
    wait_until("a request hangs", || !stuck(&host).is_empty());
    let before = stuck(&host);
    let pid = *before.first().unwrap();
    super::kill(pid); // It stays, and holds its lock, until the share answers.
    wait_until("it cannot be killed", || state(pid) == Some('D'));
    for _ in 0..3 {
        host.run("echo beside");
    }
    assert_eq!(stuck(&host), before);
    host.share.rules("");
    host.run("echo after");
    host.assert_arrives();
}

#[test]
fn the_output_of_a_job_is_recorded_while_the_share_hangs() {
    let Some(host) = Host::new() else {
        return;
    };
    let running = host.start("echo early");
    wait_until("the log has a beginning on the share", || {
        !host.files("logs").is_empty()
    });
    host.share.rules("write,fsync=hang");
    let second = host
        .shell("head -c 3000000 /dev/zero | tr '\\0' x")
        .finish();
    assert_eq!((second.code, second.stdout.len()), (Some(0), 3_000_000));
    host.release(running);
    host.share.rules("");
    host.assert_arrives();
}

#[test]
fn a_reader_answers_from_the_spool_while_the_share_hangs() {
    let Some(host) = Host::new() else {
        return;
    };
    host.run("echo it ran");
    host.assert_arrives();
    host.kill_shipper();
    host.share.rules("*=hang");
    host.share.forget();
    let config = host.sandbox.path("scalegrease.json");
    let reader = host
        .sandbox
        .program("greasestatus")
        .arguments(["-c".as_ref(), config.as_os_str()])
        .arguments(["runs"])
        .start();
    let pid = reader.pid();
    let finished = reader.finish();
    assert_eq!(finished.code, Some(75), "{}", finished.all());
    assert!(finished.out().contains("  sh  "), "{}", finished.all());
    assert!(finished.err().contains("not respond"), "{}", finished.err());
    assert!(!stuck(&host).contains(&pid));
    host.assert_only_shippers_asked();
}

#[test]
fn what_a_shipper_starts_has_no_file_of_the_share() {
    let Some(host) = Host::new() else {
        return;
    };
    let told = host.sandbox.path("told");
    let script = format!("cat >> {}", told.display());
    let hook = json!({"when": ["every"], "command": ["sh", "-c", script]});
    let config = host.sandbox.path("scalegrease.json");
    let text = fs_err::read_to_string(&config).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["logs"]["hooks"] = json!({"notify": [hook]});
    fs_err::write(&config, value.to_string()).unwrap();
    let live = host.start("echo its log is open on the share");
    wait_until("the log is there", || !host.files("logs").is_empty());
    assert_eq!(host.shell("exit 3").finish().code, Some(3));
    wait_until("a command was told", || told.exists());
    let killed = host.shell("sleep 1000").start();
    wait_until("it runs", || host.sandbox.live().len() == 2);
    killed.signal(Signal::KILL);
    wait_until("a process completes its record", || {
        host.sandbox.live().len() == 1
    });
    host.assert_only_shippers_asked();
    host.release(live);
    host.assert_arrives();
}
