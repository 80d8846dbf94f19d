//! A share that refuses: full, over quota, read-only, forbidden. Nothing is lost, and nothing loops.

use std::time::Duration;

use grease_testkit::sandbox::{Sandbox, wait_until};
use rustix::mount::MountFlags;
use serde_json::Value;

use super::{CHANGES, Host, SHARE_ID, arrives, configure, kill, mark, shell, shippers};

/// What the shipper says of itself.
fn said(host: &Host) -> Value {
    let text = fs_err::read_to_string(host.sandbox.spool().join("ship/state"));
    serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default()
}

/// Runs jobs while the share refuses with an error; says so, and brings all of it afterwards.
fn refuses(rules: &str, error: &str) {
    let Some(host) = Host::new() else {
        return;
    };
    host.run("echo before");
    host.assert_arrives();
    host.share.rules(rules);
    host.share.forget();
    host.run("echo during");
    let failed = host.shell("echo it fails; exit 3").finish();
    assert_eq!(failed.code, Some(3), "{}", failed.all());
    wait_until("the shipper says why", || {
        said(&host)["error"]
            .as_str()
            .is_some_and(|text| text.contains(error))
    });
    assert!(host.share.asked().len() < 200, "no busy loop");
    let config = host.sandbox.path("scalegrease.json");
    for words in [&[][..], &["hosts"]] {
        let status = host.sandbox.program("greasestatus");
        let status = status.arguments(["-c".as_ref(), config.as_os_str()]);
        let status = status.arguments(words).finish();
        assert!(status.out().contains(error), "{}", status.all());
    }
    host.recover();
    host.assert_arrives();
}

#[test]
fn a_full_share_loses_nothing() {
    refuses("write=ENOSPC", "No space left");
}

#[test]
fn a_quota_loses_nothing() {
    refuses("write,create,mkdir=EDQUOT", "quota");
}

#[test]
fn a_share_that_turns_read_only_loses_nothing() {
    refuses(&format!("{CHANGES}=EROFS"), "Read-only");
}

#[test]
fn a_share_without_permission_loses_nothing() {
    refuses(&format!("{CHANGES}=EACCES"), "Permission denied");
}

#[test]
fn what_an_fsync_lost_is_written_again() {
    let Some(host) = Host::new() else {
        return;
    };
    // As on NFS: all writes are accepted, the error comes once, the next fsync succeeds.
    host.share
        .rules("fsync@/logs/=lose:ENOSPC*1 fsync@/index/=lose:ENOSPC*1");
    host.run("head -c 500000 /dev/zero | tr '\\0' x");
    host.recover();
    host.assert_arrives();
}

#[test]
fn the_index_and_the_reason_of_a_failure_come_first_when_there_is_room_again() {
    let Some(host) = Host::new() else {
        return;
    };
    host.run("echo before");
    host.assert_arrives();
    host.share.rules("write@/logs/=ENOSPC");
    let failed = host.shell("echo why it fails >&2; exit 3").finish();
    assert_eq!(failed.code, Some(3));
    wait_until("the digest is there without the log", || {
        let digests = host.files("failed");
        let text = digests
            .first()
            .and_then(|path| fs_err::read_to_string(path).ok());
        text.is_some_and(|text| text.contains("why it fails"))
    });
    let index = host.files("index").pop().unwrap();
    wait_until("the index has the end", || {
        let text = fs_err::read_to_string(&index).unwrap();
        text.lines().count() >= 6 // Start, execute and end of two runs.
    });
    host.recover();
    host.assert_arrives();
}

#[test]
fn a_small_disk_that_fills_takes_the_rest_when_it_has_grown() {
    let Some(healthy) = Host::new() else {
        return; // It may not mount.
    };
    drop(healthy);
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    let share = Mounted::tmpfs(sandbox.path("share"), "size=1m");
    mark(&share.0, SHARE_ID);
    configure(&sandbox, &share.0, "1s");
    let finished = shell(&sandbox, "head -c 3000000 /dev/zero | tr '\\0' x").finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    wait_until("it is full", || {
        let space = rustix::fs::statvfs(&share.0).unwrap();
        space.f_bavail < 16
    });
    rustix::mount::mount_remount(&share.0, MountFlags::empty(), c"size=64m").unwrap();
    for pid in shippers(&sandbox) {
        kill(pid);
    }
    assert_eq!(shell(&sandbox, "echo after").finish().code, Some(0));
    arrives(&sandbox, &share.0);
    for pid in shippers(&sandbox) {
        kill(pid); // It has files open there.
        wait_until("the shipper is gone", || {
            !grease_testkit::sandbox::is_running(pid)
        });
    }
}

/// A mount that goes with the test.
pub(super) struct Mounted(pub(super) std::path::PathBuf);

impl Mounted {
    pub(super) fn tmpfs(path: std::path::PathBuf, options: &str) -> Self {
        fs_err::create_dir_all(&path).unwrap();
        let options = std::ffi::CString::new(options).unwrap();
        rustix::mount::mount("tmpfs", &path, "tmpfs", MountFlags::empty(), &*options).unwrap();
        Self(path)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH).ok();
    }
}

#[test]
fn a_refusing_share_is_asked_seldom() {
    let Some(host) = Host::new() else {
        return;
    };
    host.share.rules(&format!("{CHANGES}=EACCES"));
    let running = host.start("while sleep 0.02; do test -e go && break; echo line; done");
    wait_until("the shipper met the refusal", || {
        said(&host)["error"].is_string()
    });
    host.share.forget();
    std::thread::sleep(Duration::from_secs(3)); // The time in which a loop would show.
    let asked = host.share.asked();
    assert!(
        asked.len() < 100,
        "{} requests in 3 s: {:?}",
        asked.len(),
        asked.get(..20)
    );
    host.release(running);
    host.recover();
    host.assert_arrives();
}
