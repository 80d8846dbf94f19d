//! What our programs keep of what they did, for those who look for a fault in them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use grease_testkit::sandbox::{Sandbox, wait_until};
use serde_json::json;

use crate::share::{kill, shippers};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

fn directory(sandbox: &Sandbox) -> PathBuf {
    sandbox.spool().join("diagnostics")
}

/// All that a program kept.
fn kept(sandbox: &Sandbox, program: &str) -> String {
    let mut text = String::new();
    for entry in fs_err::read_dir(directory(sandbox)).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with(program)
        {
            text.push_str(&fs_err::read_to_string(path).unwrap());
        }
    }
    text
}

const JOB: [&str; 6] = ["-r", "shell", "-", "--", "sh", "-c"];

#[test]
fn a_run_of_which_there_is_nothing_to_tell_leaves_nothing() {
    let sandbox = sandbox();
    let finished = sandbox.greaserun(JOB).arguments(["true"]).finish();
    assert_eq!(finished.code, Some(0));
    assert!(!directory(&sandbox).exists());
}

#[test]
fn what_goes_wrong_with_the_share_is_kept_by_both_programs_without_secrets() {
    let sandbox = sandbox();
    let share = sandbox.path("no-such-share-hunter2222");
    fs_err::write(
        sandbox.path("scalegrease.json"),
        json!({"common": {"state_dir": sandbox.path("state"), "file_logger": share}}).to_string(),
    )
    .unwrap();
    let run = sandbox.greaserun(["--force"]).arguments(JOB);
    let finished = run
        .env("SHARE_PASSWORD", "hunter2222")
        .arguments(["true"])
        .finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    wait_until("the shipper tells", || {
        kept(&sandbox, "shipper").contains("no-such-share-[REDACTED]")
    });
    for pid in shippers(&sandbox) {
        kill(pid);
    }
    let told = kept(&sandbox, "greaserun");
    assert!(
        told.contains("INFO") && told.contains("not yet on the share"),
        "{told}"
    );
    for program in ["greaserun", "shipper"] {
        let kept = kept(&sandbox, program);
        assert!(!kept.contains("hunter2222"), "{kept}");
    }
}

#[test]
fn why_a_run_came_to_nothing_is_kept() {
    let sandbox = sandbox();
    let finished = sandbox
        .greaserun(["-r", "shell", "no-such.jar", "true"])
        .finish();
    assert_ne!(finished.code, Some(0));
    let kept = kept(&sandbox, "greaserun");
    assert!(
        kept.contains("WARN") && kept.contains("no-such.jar"),
        "{kept}"
    );
}

#[test]
fn the_child_that_fetches_is_heard_and_shown_to_those_who_ask() {
    let sandbox = sandbox();
    let nobody = "http://127.0.0.1:9"; // discard, which nobody serves here
    let repositories = json!({"artifacts": {"repositories": [{"id": "corp", "url": nobody}]}});
    sandbox.config(&repositories.to_string());
    let finished = sandbox
        .greaserun(["-v", "-r", "shell", "com.acme:etl:1.0", "true"])
        .finish();
    assert_eq!(finished.code, Some(69), "{}", finished.all());
    assert!(kept(&sandbox, "greaserun").contains("maven_fetch"));
    assert!(finished.err().contains("maven_fetch"), "{}", finished.err());
}

#[test]
fn a_place_that_cannot_be_written_to_changes_nothing() {
    let sandbox = sandbox();
    let warning = || {
        sandbox
            .greaserun(["-r", "shell", "no-such.jar", "true"])
            .finish()
    };
    let before = warning();
    let day = fs_err::read_dir(directory(&sandbox))
        .unwrap()
        .next()
        .unwrap();
    let day = day.unwrap().path();
    fs_err::remove_file(&day).unwrap();
    fs_err::create_dir(&day).unwrap(); // Not even root appends to a directory.
    let after = warning();
    assert_eq!(after.code, before.code);
    assert_eq!(after.err().lines().count(), before.err().lines().count());
    fs_err::remove_dir_all(directory(&sandbox)).unwrap();
    fs_err::write(directory(&sandbox), "").unwrap();
    let permissions = std::fs::Permissions::from_mode(0o400);
    fs_err::set_permissions(directory(&sandbox), permissions).unwrap();
    assert_eq!(warning().code, before.code);
}
