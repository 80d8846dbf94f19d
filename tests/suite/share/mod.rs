//! The fault matrix of shared storage: whatever it does, jobs do not notice, and all arrives in the end.
//!
//! Every test runs the programs with a share that fails as told (`grease_testkit::faultfs`). What it
//! asserts at its end is always the same: each file on the share is, byte for byte, that of the spool.

mod absent;
mod chaos;
mod clock;
mod damage;
mod hang;
mod hosts;
mod local;
mod memory;
mod property;
mod refusal;
mod slow;

use std::path::{Path, PathBuf};

use grease_core::debugging::share::layout;
use grease_testkit::faultfs::FaultFs;
use grease_testkit::sandbox::{CALM, Finished, Run, Running, Sandbox, is_running, wait_until};
use rustix::process::Signal;
use serde_json::Value;

/// Serves the file system when a test of this program asks for that.
#[test]
fn faultfs_server() {
    grease_testkit::faultfs::serve_if_asked();
}

/// The id of the share of every test.
const SHARE_ID: &str = "0192d0b4-7c7e-7000-8000-000000000001";

/// What changes something on the share, for rules.
const CHANGES: &str = "create,mkdir,open-write,write,truncate,unlink,rename,link,symlink";

/// A host with a share.
struct Host {
    share: FaultFs, // Dropped first, so that nothing hangs any more when the processes are ended.
    sandbox: Sandbox,
}

impl Host {
    /// A host with a healthy share that is initialised, or none where the machine has no FUSE.
    fn new() -> Option<Self> {
        Self::on(FaultFs::mount())
    }

    /// The same with this file system.
    fn on(share: Option<FaultFs>) -> Option<Self> {
        let share = share?;
        mark(&share.backing(), SHARE_ID);
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
        let host = Self { share, sandbox };
        host.waits("30s");
        Some(host)
    }

    /// Sets how long greaserun waits for its log to arrive. The long time of [`Host::new`] is for
    /// tests in which it must not wait at all: they would run into their deadline.
    fn waits(&self, time: &str) {
        configure(&self.sandbox, &self.share.path(), time);
    }

    /// Starts a job that is a piece of shell.
    fn shell(&self, script: &str) -> Run {
        shell(&self.sandbox, script)
    }

    /// Runs a job that must succeed.
    #[track_caller]
    fn run(&self, script: &str) -> Finished {
        let finished = self.shell(script).finish();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        finished
    }

    /// Starts a job that goes on until [`Host::release`].
    fn start(&self, script: &str) -> Running {
        fs_err::remove_file(self.sandbox.work("go")).ok(); // Of the job before.
        let script = format!("{script}; until test -e go; do sleep 0.01; done");
        self.shell(&script).start()
    }

    /// Ends a job of [`Host::start`].
    fn release(&self, running: Running) {
        fs_err::write(self.sandbox.work("go"), "").unwrap();
        assert_eq!(running.finish().code, Some(0));
    }

    /// Where everything of this user is on the disk of the share.
    fn tree(&self) -> PathBuf {
        tree(&self.share.backing())
    }

    /// The files of a kind on the disk of the share: `logs`, `failed`, `index`.
    fn files(&self, kind: &str) -> Vec<PathBuf> {
        let all = files_below(&self.share.backing());
        let is_of_kind = |path: &&PathBuf| path.iter().any(|part| part == kind);
        all.iter().filter(is_of_kind).cloned().collect()
    }

    /// The shippers of this host.
    fn shippers(&self) -> Vec<i32> {
        shippers(&self.sandbox)
    }

    /// Kills the shipper, if there is one.
    fn kill_shipper(&self) {
        for pid in self.shippers() {
            kill(pid);
            wait_until("the shipper is gone", || !is_running(pid));
        }
    }

    /// Ends all faults. A new shipper tries at once, where the one so far may rest for minutes.
    fn recover(&self) {
        self.share.rules("");
        self.kill_shipper();
        self.run("echo the share is well again");
    }

    /// Waits until everything has arrived, and compares every file.
    #[track_caller]
    fn assert_arrives(&self) {
        arrives(&self.sandbox, &self.share.backing());
        self.assert_only_shippers_asked();
    }

    /// Asserts that no process but shippers and reading children ever touched the share.
    #[track_caller]
    fn assert_only_shippers_asked(&self) {
        let asked = self.share.asked();
        let is_allowed = |command: &str| {
            ["__ship", "__read"]
                .iter()
                .any(|word| command.contains(word))
        };
        for request in &asked {
            // One that exits closes its files without a command line.
            let known = asked
                .iter()
                .any(|other| other.pid == request.pid && is_allowed(&other.command));
            let is_kernel = request.pid == 0;
            assert!(is_kernel || known, "{request:?}");
        }
    }
}

/// `greaserun -r shell - -- sh -c SCRIPT`.
fn shell(sandbox: &Sandbox, script: &str) -> Run {
    sandbox.greaserun(["-r", "shell", "-", "--", "sh", "-c", script])
}

/// A config with a share.
fn configure(sandbox: &Sandbox, share: &Path, wait: &str) {
    let (state, share) = (sandbox.path("state"), share.display());
    let text = format!(
        r#"{{"common": {{"state_dir": "{}", "file_logger": "{share}"}}{CALM},
            "jobs": {{"defaults": {{"nice": 0}}}}, "logs": {{"wait": "{wait}"}}}}"#,
        state.display()
    );
    fs_err::write(sandbox.path("scalegrease.json"), text).unwrap();
}

/// Makes a directory a share.
pub(crate) fn mark(root: &Path, id: &str) {
    let marker = format!(
        r#"{{"v":1,"share_id":"{id}","layout":1,"created":"2026-11-24T00:00:00.000000Z"}}"#
    );
    fs_err::write(root.join(layout::MARKER), marker + "\n").unwrap();
}

/// The directory of the only user on a share.
#[track_caller]
pub(crate) fn tree(root: &Path) -> PathBuf {
    let entries = fs_err::read_dir(root).unwrap();
    let dirs = entries.map(|entry| entry.unwrap().path());
    let dirs: Vec<PathBuf> = dirs.filter(|path| path.is_dir()).collect();
    let [user] = <[PathBuf; 1]>::try_from(dirs).expect("the tree of one user");
    user
}

/// All files below a directory, links too.
fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs_err::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                dirs.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The shippers of the host of a sandbox.
pub(crate) fn shippers(sandbox: &Sandbox) -> Vec<i32> {
    let is_shipper = |pid: &i32| {
        let command = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command
            .split(|byte| *byte == 0)
            .any(|word| word == b"__ship")
    };
    sandbox.processes().into_iter().filter(is_shipper).collect()
}

pub(crate) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).ok(); // It may have ended.
}

/// The end event of a finished run.
fn end(run: &Path) -> Value {
    serde_json::from_str(&fs_err::read_to_string(run.join("sealed")).unwrap()).unwrap()
}

/// Waits until all that a host has finished is on the disk of a share, and compares every file.
#[track_caller]
fn arrives(sandbox: &Sandbox, root: &Path) {
    wait_until("all runs are shipped", || {
        let runs = sandbox.sealed();
        runs.iter().all(|run| run.join("shipped").exists())
    });
    let index = sandbox.spool().join("index");
    let indexes: Vec<PathBuf> = files_below(&index)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    assert!(!indexes.is_empty(), "a spool with runs has an index");
    let tree = tree(root);
    let host = fs_err::read_to_string(sandbox.spool().join("ship/host")).unwrap();
    for local in indexes {
        let day = local.file_stem().unwrap().to_str().unwrap();
        assert_equal(&local, &tree.join(layout::index(day, host.trim_end())));
    }
    for run in sandbox.sealed() {
        let end = end(&run);
        let text = |key: &str| {
            end[key]
                .as_str()
                .unwrap_or_else(|| panic!("{key} in {end}"))
        };
        assert_equal(&run.join("log"), &tree.join(text("log")));
        let start = text("start").parse().unwrap();
        let id = text("run").parse().unwrap();
        let digest = tree.join(layout::digest(start, text("job"), text("host"), id));
        if run.join("digest").exists() {
            assert_equal(&run.join("digest"), &digest);
        } else {
            assert!(!digest.exists(), "{}", digest.display());
        }
    }
}

#[track_caller]
fn assert_equal(local: &Path, remote: &Path) {
    let [ours, theirs] = [local, remote].map(|path| fs_err::read(path).unwrap());
    let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    assert!(
        ours == theirs,
        "{} has {} bytes, {} has {}; the first {same} are the same",
        local.display(),
        ours.len(),
        remote.display(),
        theirs.len()
    );
}

#[test]
fn a_healthy_share_has_everything_and_only_the_shipper_touched_it() {
    let Some(host) = Host::new() else {
        return;
    };
    host.run("echo fine");
    let failed = host
        .shell("echo reading; echo no input >&2; exit 3")
        .finish();
    assert_eq!(failed.code, Some(3));
    host.assert_arrives();
    assert_eq!(
        (host.files("logs").len(), host.files("failed").len()),
        (2, 1)
    );
    for path in files_below(&host.tree()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.contains("tmp"), "{}", path.display());
    }
    assert!(host.shippers().len() <= 1);
}
