//! A share that is not there, or is another one: nothing is written until the right one is.

use std::path::Path;

use grease_testkit::sandbox::wait_until;
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use serde_json::Value;

use super::{Host, SHARE_ID, arrives, configure, files_below, mark};

/// How the share is, in the shipper's words.
fn word(host: &Host) -> String {
    let text = fs_err::read_to_string(host.sandbox.spool().join("ship/state"));
    let state: Value = serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default();
    state["state"].as_str().unwrap_or_default().to_owned()
}

/// Asserts that nothing lies in the directory where the share was.
#[track_caller]
fn assert_empty(mount_point: &Path) {
    let found = files_below(mount_point);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn nothing_is_written_to_an_empty_mount_point() {
    let Some(mut host) = Host::new() else {
        return;
    };
    host.run("echo before");
    host.assert_arrives();
    host.share.unmount();
    host.kill_shipper(); // What it has open is still the share.
    let finished = host.shell("echo during; exit 4").finish();
    assert_eq!(finished.code, Some(4), "{}", finished.all());
    wait_until("the shipper sees it", || word(&host) == "no-share");
    assert_empty(&host.share.path());
    host.share.mount_again();
    host.run("echo after");
    host.assert_arrives();
}

#[test]
fn nothing_is_written_to_an_empty_mount_point_in_the_middle_of_a_run() {
    let Some(mut host) = Host::new() else {
        return;
    };
    let running = host.start("while test ! -e go; do echo line; sleep 0.01; done");
    wait_until("its log is on the share", || !host.files("logs").is_empty());
    host.share.unmount();
    host.kill_shipper(); // What it has open is still the share.
    host.release(running);
    host.run("echo next");
    assert_empty(&host.share.path());
    host.share.mount_again();
    host.run("echo after");
    host.assert_arrives();
}

#[test]
fn nothing_is_written_to_another_share() {
    let Some(host) = Host::new() else {
        return;
    };
    host.run("echo before");
    host.assert_arrives();
    let other = host.sandbox.path("other");
    fs_err::create_dir(&other).unwrap();
    mark(&other, "0192d0b4-7c7e-7000-8000-00000000000f");
    mount_bind(&other, host.share.path()).unwrap();
    host.kill_shipper();
    host.run("echo during");
    wait_until("the shipper sees it", || word(&host) == "wrong-share");
    assert_eq!(files_below(&other).len(), 1, "{:?}", files_below(&other));
    unmount(host.share.path(), UnmountFlags::DETACH).unwrap();
    host.run("echo after");
    host.assert_arrives();
    assert_eq!(files_below(&other).len(), 1);
}

#[test]
fn a_server_that_dies_and_comes_back_has_everything() {
    let Some(mut host) = Host::new() else {
        return;
    };
    let running = host.start("while test ! -e go; do echo line; sleep 0.01; done");
    wait_until("its log is on the share", || !host.files("logs").is_empty());
    host.share.mount_again(); // What is open fails with ENOTCONN.
    host.release(running);
    host.run("echo after");
    host.assert_arrives();
}

#[test]
fn a_share_that_is_missing_is_not_made_and_is_used_once_it_is_there() {
    let Some(host) = Host::new() else {
        return;
    };
    let root = host.sandbox.path("nowhere/share");
    configure(&host.sandbox, &root, "30s");
    let finished = host.run("echo local");
    assert!(finished.out().contains("local"));
    wait_until("the shipper sees it", || word(&host) == "no-share");
    assert!(!root.parent().unwrap().exists());
    fs_err::create_dir_all(&root).unwrap();
    mark(&root, SHARE_ID);
    assert_eq!(host.shell("echo after").finish().code, Some(0));
    arrives(&host.sandbox, &root);
    assert!(host.share.asked().is_empty());
}
