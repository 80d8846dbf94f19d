//! Files on the share that others remove, cut or change, and a server that loses what it has accepted.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use grease_testkit::sandbox::{Running, wait_until};

use super::Host;

/// A script that writes 200,000 bytes.
const MUCH: &str = "head -c 200000 /dev/zero | tr '\\0' x; echo";

/// Starts a job that goes on, and waits until the log of its run is on the share as far as it goes.
fn live(host: &Host) -> (Running, PathBuf) {
    let before = host.files("logs");
    let running = host.start(MUCH);
    let mut log = None;
    wait_until("its log is on the share", || {
        let new = host
            .files("logs")
            .into_iter()
            .find(|path| !before.contains(path));
        log = new.filter(|path| fs_err::metadata(path).is_ok_and(|file| file.len() > 200_000));
        log.is_some()
    });
    (running, log.unwrap())
}

/// Something happens to the files on the share while a run is live; all is mended by its end.
fn damaged(damage: impl FnOnce(&Host, PathBuf)) {
    let Some(host) = Host::new() else {
        return;
    };
    host.run("echo before");
    let (running, log) = live(&host);
    damage(&host, log);
    host.release(running);
    host.assert_arrives();
}

#[test]
fn a_log_that_another_removes_is_shipped_again_whole() {
    damaged(|_, log| fs_err::remove_file(log).unwrap());
}

#[test]
fn an_index_that_another_removes_is_shipped_again_whole() {
    damaged(|host, _| {
        for index in host.files("index") {
            fs_err::remove_file(index).unwrap();
        }
    });
}

#[test]
fn a_log_that_another_cuts_is_mended() {
    damaged(|_, log| {
        let file = fs_err::OpenOptions::new().write(true).open(log).unwrap();
        file.set_len(70_001).unwrap();
    });
}

#[test]
fn a_log_that_another_empties_and_stretches_is_mended() {
    damaged(|_, log| {
        let file = fs_err::OpenOptions::new().write(true).open(log).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(0).unwrap();
        file.set_len(length).unwrap(); // The length of before, and nothing but NUL bytes.
    });
}

#[test]
fn a_log_with_a_strangers_bytes_at_its_end_is_mended() {
    damaged(|_, log| {
        let file = fs_err::OpenOptions::new().write(true).open(log).unwrap();
        let length = file.metadata().unwrap().len();
        file.file()
            .write_all_at(b"from another host\n", length)
            .unwrap();
    });
}

#[test]
fn an_index_with_a_strangers_bytes_at_its_end_is_mended() {
    damaged(|host, _| {
        let index = host.files("index").pop().unwrap();
        let file = fs_err::OpenOptions::new().write(true).open(index).unwrap();
        let length = file.metadata().unwrap().len();
        file.file().write_all_at(b"{\"v\":1}\n", length).unwrap();
    });
}

#[test]
fn a_log_that_differs_on_the_server_is_found_past_the_cache() {
    damaged(|host, log| {
        host.share.rules("open=keep-cache");
        let file = fs_err::OpenOptions::new().write(true).open(log).unwrap();
        file.file().write_all_at(&[0; 4096], 8192).unwrap();
    });
}

#[test]
fn a_directory_that_is_removed_and_made_again_is_filled_again() {
    damaged(|host, _| {
        let tree = host.tree();
        fs_err::remove_dir_all(&tree).unwrap();
        fs_err::create_dir(&tree).unwrap();
        forget_what_arrived(host);
        host.kill_shipper(); // It knows what arrived.
    });
}

#[test]
fn an_index_that_is_lost_while_nothing_is_written_to_it_is_found_by_the_second_look() {
    let Some(host) = Host::new() else {
        return;
    };
    let (running, _) = live(&host);
    let looked = host.sandbox.spool().join("ship/rechecked");
    wait_until("it was looked at", || looked.exists());
    let index = host.files("index").pop().unwrap();
    fs_err::remove_file(&index).unwrap();
    fs_err::remove_file(&looked).unwrap(); // It is time again.
    wait_until("the index is there again", || index.exists());
    host.release(running);
    host.assert_arrives();
}

/// Has the runs that were shipped before shipped again: finished ones are looked at once a day.
fn forget_what_arrived(host: &Host) {
    for run in host.sandbox.sealed() {
        fs_err::remove_file(run.join("shipped")).ok();
    }
}

#[test]
fn stale_handles_are_opened_anew() {
    damaged(|host, _| host.share.rules("write,fsync,getattr=ESTALE*4"));
}

#[test]
fn a_server_that_loses_the_end_of_a_live_log_gets_it_again() {
    let Some(host) = Host::new() else {
        return;
    };
    host.share.rules("fsync@/logs/=drop-tail*1");
    host.run(MUCH);
    host.assert_arrives();
}

#[test]
fn a_server_that_loses_the_end_of_a_finished_log_gets_it_again() {
    let Some(host) = Host::new() else {
        return;
    };
    let (running, _) = live(&host);
    host.share.rules("fsync@/logs/=drop-tail*3");
    host.release(running);
    host.assert_arrives();
}

#[test]
fn a_reply_that_is_lost_does_no_harm() {
    let Some(host) = Host::new() else {
        return;
    };
    host.share
        .rules("link,rename,mkdir,create,symlink=done:EIO*8");
    let failed = host.shell("echo it fails; exit 3").finish();
    assert_eq!(failed.code, Some(3));
    host.run("echo next");
    host.recover();
    host.assert_arrives();
    assert_eq!(host.files("failed").len(), 1);
}
