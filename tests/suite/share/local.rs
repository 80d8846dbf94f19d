//! A spool without room, or that cannot be written: the job runs, and the share gets what there is.

use grease_testkit::sandbox::wait_until;
use rustix::mount::{MountFlags, mount_remount};

use super::refusal::Mounted;
use super::{Host, end};

#[test]
fn a_spool_that_fills_neither_stops_the_job_nor_hides_how_it_ended() {
    let Some(host) = Host::new() else {
        return;
    };
    let spool = Mounted::tmpfs(host.sandbox.path("state"), "size=2m");
    let script = "head -c 8000000 /dev/zero | tr '\\0' x; echo; echo the end >&2; exit 3";
    let finished = host.shell(script).finish();
    assert_eq!((finished.code, finished.stdout.len()), (Some(3), 8_000_001));
    let run = host.sandbox.sealed().pop().expect("its end is recorded");
    assert_eq!(end(&run)["exit"], 3);
    host.assert_arrives();
    let index = host.files("index").pop().unwrap();
    let index = fs_err::read_to_string(index).unwrap();
    assert!(index.contains("\"event\":\"end\""), "{index}");
    host.kill_shipper(); // It has files open there.
    drop(spool);
}

#[test]
fn a_spool_that_cannot_be_written_does_not_keep_a_job_from_running() {
    let Some(host) = Host::new() else {
        return;
    };
    host.run("echo before");
    host.assert_arrives();
    host.kill_shipper();
    let spool = Mounted::tmpfs(host.sandbox.path("state"), "size=2m");
    mount_remount(&spool.0, MountFlags::RDONLY, c"").unwrap();
    let finished = host.shell("echo output; exit 5").finish();
    assert_eq!(finished.code, Some(5), "{}", finished.all());
    assert!(finished.out().contains("output"));
    drop(spool);
    host.run("echo after");
    host.assert_arrives();
}

#[test]
fn what_lies_in_a_spool_that_turns_read_only_arrives_when_it_can_be_written_again() {
    let Some(host) = Host::new() else {
        return;
    };
    let spool = Mounted::tmpfs(host.sandbox.path("state"), "size=20m");
    host.share.rules("write=EIO");
    host.waits("0s");
    host.run("echo one");
    mount_remount(&spool.0, MountFlags::RDONLY, c"").ok(); // Refused while files are open for writing.
    host.kill_shipper();
    wait_until("it is read-only", || {
        mount_remount(&spool.0, MountFlags::RDONLY, c"").is_ok()
    });
    host.share.rules("");
    let finished = host.shell("echo two; exit 6").finish();
    assert_eq!(finished.code, Some(6), "{}", finished.all());
    mount_remount(&spool.0, MountFlags::empty(), c"").unwrap();
    host.run("echo three");
    host.assert_arrives();
    host.kill_shipper();
    drop(spool);
}
