//! A host that remembers names the server does not have any more, as a client of NFS does: what it opens
//! by such a name is a file that nobody else will ever see.

use std::path::{Path, PathBuf};
use std::time::Duration;

use grease_testkit::faultfs::FaultFs;
use grease_testkit::sandbox::wait_until;

use super::Host;

/// For how long names and attributes are believed: longer than any test lasts.
const MEMORY: Duration = Duration::from_hours(1);

/// A log is whole, another removes something, and the log is read back: it opens and it is right.
fn removed_before_it_is_read_back(remove: impl FnOnce(&Path)) {
    let Some(host) = Host::on(FaultFs::mount_with_memory(MEMORY)) else {
        return;
    };
    host.run("echo before");
    // The second look, which would find it, is not due again while the test lasts.
    let looked = host.sandbox.spool().join("ship/rechecked");
    wait_until("it was looked at again", || looked.exists());
    host.share.rules("open-read@/logs/later/=hang");
    let job = ["-r", "shell", "--job", "later", "-", "--", "echo", "later"];
    let running = host.sandbox.greaserun(job).start();
    wait_until("it is read back", || !host.share.waiting().is_empty());
    let logs = host.files("logs");
    let is_later = |log: &&PathBuf| log.iter().any(|part| part == "later");
    remove(logs.iter().find(is_later).expect("what is read back"));
    host.share.rules("");
    assert_eq!(running.finish().code, Some(0));
    host.assert_arrives();
}

#[test]
fn a_log_that_is_removed_while_its_name_is_remembered_is_not_taken_for_shipped() {
    removed_before_it_is_read_back(|log| fs_err::remove_file(log).unwrap());
}

#[test]
fn a_log_whose_directory_is_removed_while_that_is_remembered_is_not_taken_for_shipped() {
    removed_before_it_is_read_back(|log| fs_err::remove_dir_all(log.parent().unwrap()).unwrap());
}

#[test]
fn a_tree_that_is_removed_while_its_names_are_remembered_is_filled_again() {
    let Some(host) = Host::on(FaultFs::mount_with_memory(MEMORY)) else {
        return;
    };
    let running = host.start("echo the job writes");
    wait_until("a log is on the share", || !host.files("logs").is_empty());
    fs_err::remove_dir_all(host.tree()).unwrap();
    host.release(running);
    host.assert_arrives();
}
