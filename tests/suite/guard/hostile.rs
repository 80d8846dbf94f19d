//! Several users on one host, who share its slots.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use grease_testkit::sandbox::{Finished, Run, Running, Sandbox, wait_for_file};
use serde_json::json;

use super::{Held, configure, guard, hold, holding, let_go, names, only, sandbox_with, shell};

/// A user of no name.
const USER: u32 = 54_321;

/// Where the kernel says whether a file in a sticky directory may be opened with `O_CREAT`.
const PROTECTED: &str = "/proc/sys/fs/protected_regular";

/// Makes the kernel as strict as it can be about files of others, until this value is dropped; where
/// that is not allowed, it stays as it is.
struct Strict(String);

impl Strict {
    fn new() -> Self {
        let before = fs_err::read_to_string(PROTECTED).unwrap_or_default();
        fs_err::write(PROTECTED, "2").ok();
        Self(before)
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        fs_err::write(PROTECTED, &self.0).ok(); // Then it was not changed either.
    }
}

/// A sandbox that two users share; root's first run has made it ready.
struct Host {
    sandbox: Sandbox,
    program: PathBuf,
}

impl Host {
    /// None unless we are root, who alone can become somebody else.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let sandbox = sandbox_with(&json!({"max_jobs": 1}));
        fs_err::write(sandbox.work("tally"), "").unwrap();
        for (name, mode) in [
            (".", 0o755),
            ("home", 0o777),
            ("work", 0o777),
            ("work/tally", 0o666),
        ] {
            let mode = std::fs::Permissions::from_mode(mode);
            fs_err::set_permissions(sandbox.path(name), mode).unwrap();
        }
        // Where ours is, others may not come.
        let program = sandbox.path("greaserun");
        fs_err::copy(sandbox.programs().join("greaserun"), &program).unwrap();
        let first = shell(&sandbox, &[], "exit 0").finish();
        assert_eq!(first.code, Some(0), "{}", first.all());
        Some(Self { sandbox, program })
    }

    /// `greaserun OPTIONS -r shell - -- sh -c SCRIPT` of the other user.
    fn other(&self, options: &[&str], script: &str) -> Run {
        let id = [format!("--reuid={USER}"), format!("--regid={USER}")];
        let setpriv = self.sandbox.program("setpriv").arguments(id);
        let setpriv = setpriv.arguments(["--clear-groups", "--"]);
        let greaserun = setpriv.arguments([&self.program]).arguments(["-c"]);
        greaserun
            .arguments([self.sandbox.path("scalegrease.json")])
            .arguments(options)
            .arguments(["-r", "shell", "-", "--", "sh", "-c", script])
    }

    fn hold_as_other(&self, name: &str, options: &[&str]) -> Running {
        let options = [&["--job", name], options].concat();
        let running = self.other(&options, &holding(name)).start();
        wait_for_file(&self.sandbox.work(&format!("{name}.runs")));
        running
    }

    #[track_caller]
    fn finish(&self, name: &str, running: Running) {
        let_go(&self.sandbox, name);
        let finished = running.finish();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        assert!(!finished.err().contains("warning"), "{}", finished.err());
    }
}

#[track_caller]
fn assert_dropped(finished: &Finished, holder: &str) {
    assert_eq!(finished.code, Some(75), "{}", finished.all());
    let said = finished.err();
    assert!(said.contains("jobs with this one: 2 (at most 1)"), "{said}");
    assert!(
        said.contains(&format!("what runs longest: {holder} (run ")),
        "{said}"
    );
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn users_share_the_slots_whoever_made_the_files() {
    let Some(host) = Host::new() else { return };
    let _strict = Strict::new();
    for name in [".", "key", "waiting"] {
        let found = fs_err::metadata(guard(&host.sandbox, name)).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid()), (0o1777, 0), "{name}");
    }
    let nothing_waits = ["--max-wait", "0"];
    let in_line = ["--max-wait", "100ms"];
    // Root made the slot, and then the other user does.
    for round in ["root", "other"] {
        let names = ["a", "b"].map(|name| format!("{name}-{round}"));
        let [ours, theirs] = &names;
        let holder = hold(&host.sandbox, ours, &nothing_waits);
        assert_dropped(&host.other(&in_line, "exit 0").finish(), ours);
        holder.finish();
        let holder = host.hold_as_other(theirs, &nothing_waits);
        assert_dropped(
            &shell(&host.sandbox, &nothing_waits, "exit 0").finish(),
            theirs,
        );
        host.finish(theirs, holder);
        if round == "root" {
            for name in ["gate", "slot.000", "turn.normal"] {
                fs_err::remove_file(guard(&host.sandbox, name)).unwrap();
            }
            assert_eq!(host.other(&[], "exit 0").finish().code, Some(0));
        }
    }
    for name in ["gate", "slot.000", "turn.normal"] {
        let found = fs_err::metadata(guard(&host.sandbox, name)).unwrap();
        assert_eq!((found.mode() & 0o777, found.uid()), (0o666, USER), "{name}");
    }
}

#[test]
fn users_wait_for_each_other() {
    let Some(host) = Host::new() else { return };
    let _strict = Strict::new();
    let holder = hold(&host.sandbox, "first", &[]);
    let options = ["--job", "second", "--max-wait", "forever"];
    let second = host.other(&options, &holding("second")).start();
    super::wait_until_waiting(&host.sandbox, "second");
    let third = Held::start(&host.sandbox, "third", &["--max-wait", "forever"]);
    super::wait_until_waiting(&host.sandbox, "third");
    holder.finish();
    wait_for_file(&host.sandbox.work("second.runs"));
    assert!(!third.runs());
    host.finish("second", second);
    third.wait_until_it_runs();
    third.finish();
    assert_eq!(names(&guard(&host.sandbox, "waiting")), [""; 0]);
}

#[test]
fn nobody_replaces_the_run_of_another_user() {
    let Some(host) = Host::new() else { return };
    configure(&host.sandbox, &json!({}), &json!({}));
    let replace = ["--key", "same", "--overlap", "replace"];
    let mut theirs = host.hold_as_other("theirs", &replace);
    let options = [&["--job", "ours"][..], &replace].concat();
    let finished = shell(&host.sandbox, &options, "exit 0").finish();
    assert_eq!(finished.code, Some(75), "{}", finished.all());
    let said = finished.err();
    assert!(
        said.contains("cannot be ended: no greaserun of root has it"),
        "{said}"
    );
    assert_eq!(only(&host.sandbox, "ours").words(), ("skip", "overlap"));
    assert!(!theirs.has_ended());
    host.finish("theirs", theirs);
}

#[test]
fn what_another_user_plants_is_not_followed() {
    let Some(host) = Host::new() else { return };
    let target = host.sandbox.path("target");
    fs_err::write(&target, "precious").unwrap();
    let slot = guard(&host.sandbox, "slot.000");
    fs_err::remove_file(&slot).unwrap();
    fs_err::os::unix::fs::symlink(&target, &slot).unwrap();
    std::os::unix::fs::lchown(&slot, Some(USER), Some(USER)).unwrap();
    let finished = shell(&host.sandbox, &[], "exit 0").finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    let said = finished.err();
    assert!(
        said.contains("warning: the state of the guard cannot be used: "),
        "{said}"
    );
    let found = fs_err::metadata(&target).unwrap();
    assert_eq!((found.uid(), found.len()), (0, "precious".len() as u64));
}
