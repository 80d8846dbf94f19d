//! The private directory of a run, and runs on a host whose disk is full or read-only.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Finished, Sandbox};

use super::{assert_clean, record, sandbox, shell, through};

#[test]
fn it_is_private_though_the_callers_umask_is_open() {
    let sandbox = sandbox();
    let line = r#"umask 0; exec "$@""#;
    let script = r#"stat -c %a "$GREASE_SCRATCH_DIR"; umask"#;
    let finished = through(
        &sandbox,
        &["sh", "-c", line, "sh"],
        &[],
        &["sh", "-c", script],
    )
    .finish();
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(0), "700\n0000\n")
    );
    let spool = fs_err::metadata(sandbox.spool())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(spool & 0o777, 0o700);
    assert_clean(&sandbox);
}

#[test]
fn it_lies_where_the_config_says_and_two_runs_have_two() {
    let sandbox = sandbox();
    let place = sandbox.path("elsewhere/scratch");
    sandbox.config_with_scratch(&place);
    let show = || {
        shell(&sandbox, &[], r#"echo "$GREASE_SCRATCH_DIR""#)
            .finish()
            .out()
    };
    let (first, second) = (show(), show());
    assert_ne!(first, second);
    assert_eq!(Path::new(first.trim()).parent(), Some(place.as_path()));
    assert_eq!(
        fs_err::read_dir(&place).unwrap().count(),
        0,
        "both are gone"
    );
}

#[test]
fn it_goes_though_the_job_filled_it_and_took_its_own_rights_away() {
    let sandbox = sandbox();
    let script = r#"cd "$GREASE_SCRATCH_DIR" && mkdir -p a/b/c && seq 100000 > a/b/c/file
        ln -s / root && mkfifo fifo && chmod 000 a/b/c a/b a . && exit 5"#;
    let finished = shell(&sandbox, &[], script).finish();
    assert_eq!(finished.code, Some(5), "{}", finished.err());
    assert!(!finished.err().contains("warning"), "{}", finished.err());
    assert_clean(&sandbox);
}

#[test]
fn a_job_may_remove_it_itself() {
    let sandbox = sandbox();
    let finished = shell(&sandbox, &[], r#"rm -r "$GREASE_SCRATCH_DIR""#).finish();
    assert_eq!(finished.code, Some(0));
    assert!(!finished.err().contains("warning"), "{}", finished.err());
    assert_clean(&sandbox);
}

#[test]
fn it_goes_when_the_job_cannot_be_started_or_is_ended_by_its_timeout() {
    let sandbox = sandbox();
    assert_eq!(
        super::job(&sandbox, &[], &["absent"]).finish().code,
        Some(127)
    );
    assert_clean(&sandbox);
    let finished = shell(&sandbox, &["--timeout", "200ms"], "sleep 1000").finish();
    assert_eq!(finished.code, Some(124));
    assert_clean(&sandbox);
}

#[test]
fn a_place_where_it_cannot_be_made_is_told_with_the_key_that_names_it() {
    let sandbox = sandbox();
    fs_err::write(sandbox.path("file"), "").unwrap();
    let place = sandbox.path("file/below");
    sandbox.config_with_scratch(&place);
    let finished = shell(&sandbox, &[], "echo never").finish();
    assert_eq!((finished.code, finished.out().as_str()), (Some(74), ""));
    let said = finished.err();
    let first = format!(
        "cannot make a scratch directory below `{}`",
        place.display()
    );
    assert!(
        said.contains(&first) && said.contains("common.scratch_dir"),
        "{said}"
    );
    let record = record(&sandbox);
    assert_eq!(
        (&record["result"], &record["error"]),
        (&"error".into(), &"host".into())
    );
    assert_clean(&sandbox);
}

/// Runs a job with a small file system in the place of the state directory.
fn on_small_disk(sandbox: &Sandbox, prepare: &str, script: &str) -> Finished {
    let line = format!(
        r#"export state=$1; shift; mkdir -p "$state" && mount -t tmpfs -o size=128k,nr_inodes=24 none "$state" &&
        {{ {prepare}; }} && exec "$@""#
    );
    sandbox
        .program("unshare")
        .arguments(["--mount", "sh", "-c", &line, "sh"])
        .arguments([sandbox.path("state"), sandbox.programs().join("greaserun")])
        .arguments(["-c".as_ref(), sandbox.path("scalegrease.json").as_os_str()])
        .arguments(["-r", "shell", "-", "--", "sh", "-c", script])
        .finish()
}

/// Fills the small disk to the last byte and the last inode.
const FILL: &str = r#"cd "$state" && { cat /dev/zero > filler; i=0
    while touch file$i; do i=$((i + 1)); done; cd /; } 2> /dev/null; true"#;

/// Makes the spool, as an earlier run would have.
const SPOOL: &str = r#"mkdir -p "$state/spool" && chmod 700 "$state/spool" &&
    mkdir -p "$state/spool/$(id -u)/scratch" && chmod 700 "$state/spool/$(id -u)""#;

#[track_caller]
fn assert_ran_with_a_warning(finished: &Finished) {
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(5), "ran\n"),
        "{}",
        finished.err()
    );
    assert!(finished.err().contains("warning: "), "{}", finished.err());
}

#[test]
fn a_job_runs_though_the_disk_of_the_state_is_full_or_read_only() {
    if require(Component::MountNamespace).is_none() {
        return;
    }
    let read_only = r#"mount -o remount,ro "$state""#;
    for prepare in [
        FILL.to_owned(),
        format!("{SPOOL}; {FILL}"),
        read_only.to_owned(),
        format!("{SPOOL}; {read_only}"),
    ] {
        let sandbox = sandbox();
        let finished = on_small_disk(&sandbox, &prepare, "echo ran; exit 5");
        assert_ran_with_a_warning(&finished);
    }
}

#[test]
fn a_job_runs_to_its_end_though_the_disk_fills_up_meanwhile() {
    if require(Component::MountNamespace).is_none() {
        return;
    }
    let sandbox = sandbox();
    let script = "seq 100000 >&2; echo ran; exit 5";
    let finished = on_small_disk(&sandbox, "true", script);
    assert_ran_with_a_warning(&finished);
    assert!(
        finished
            .err()
            .contains("the log of this run is not complete"),
        "no word of it"
    );
    assert!(finished.err().contains("\n100000\n"));
}

#[test]
fn a_scratch_place_that_another_user_could_replace_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can give a directory away.
    }
    let sandbox = sandbox();
    let place = sandbox.path("theirs");
    fs_err::create_dir(&place).unwrap();
    std::os::unix::fs::chown(&place, Some(1234), None).unwrap();
    let text = fs_err::read_to_string(sandbox.path("scalegrease.json")).unwrap();
    let with_place = format!(r#"{{"common": {{"scratch_dir": "{}", "#, place.display());
    let text = text.replacen(r#"{"common": {"#, &with_place, 1);
    fs_err::write(sandbox.path("scalegrease.json"), text).unwrap();
    let finished = sandbox
        .greaserun(["-r", "shell", "-", "touch", "ran"])
        .finish();
    assert_eq!(finished.code, Some(77), "{}", finished.err());
    assert!(
        finished.err().contains("belongs to user 1234"),
        "{}",
        finished.err()
    );
    assert!(!sandbox.work("ran").exists());
}
