//! A machine that says of itself, and has of file systems, what a test wants: a mount namespace in
//! which files lie over those of `/proc`.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Run, Running, Sandbox, wait_for_file};

/// Bytes of a load average as it is written here.
const LOAD_BYTES: usize = 40;

/// A mount namespace; it goes with this value.
pub(super) struct Faked<'a> {
    sandbox: &'a Sandbox,
    keeper: Running,
}

impl<'a> Faked<'a> {
    /// Runs a piece of shell in a fresh mount namespace, with the sandbox as its directory, and keeps
    /// the namespace; none where that is not allowed.
    pub(super) fn new(sandbox: &'a Sandbox, prepare: &str) -> Option<Self> {
        require(Component::MountNamespace)?;
        let script = format!("set -e\n{prepare}\necho > faked; exec sleep 1000");
        let keeper = sandbox
            .program("unshare")
            .arguments(["--mount", "sh", "-c", &script])
            .directory(&sandbox.path("."))
            .start();
        wait_for_file(&sandbox.path("faked"));
        Some(Self { sandbox, keeper })
    }

    /// One whose load average is what [`Self::set_load`] says, at first this. Its CPUs are those that
    /// this process may use, so that the load average is believed.
    pub(super) fn with_load(sandbox: &'a Sandbox, load: f64) -> Option<Self> {
        fs_err::write(sandbox.path("loadavg"), load_line(load)).unwrap();
        let last = cpus() - 1;
        fs_err::write(sandbox.path("online"), format!("0-{last}\n")).unwrap();
        Self::new(
            sandbox,
            "mount --bind loadavg /proc/loadavg
             mount --bind online /sys/devices/system/cpu/online",
        )
    }

    /// Changes the load average; nobody sees half of it.
    pub(super) fn set_load(&self, load: f64) {
        let path = self.sandbox.path("loadavg");
        let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
        file.file()
            .write_all_at(load_line(load).as_bytes(), 0)
            .unwrap();
    }

    /// `greaserun OPTIONS -r shell - -- sh -c SCRIPT` on that machine.
    pub(super) fn shell(&self, options: &[&str], script: &str) -> Run {
        let greaserun = self.sandbox.programs().join("greaserun");
        let config = self.sandbox.path("scalegrease.json");
        self.program(&[greaserun, "-c".into(), config])
            .arguments(options)
            .arguments(["-r", "shell", "-", "--", "sh", "-c", script])
    }

    /// Any program on that machine.
    pub(super) fn program(&self, words: &[PathBuf]) -> Run {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.keeper.pid());
        let directory = format!("--wdns={}", self.sandbox.path("work").display());
        self.sandbox
            .program("nsenter")
            .arguments([&namespace, &directory, "--"])
            .arguments(words)
    }
}

/// CPUs that this process may use.
pub(super) fn cpus() -> u32 {
    grease_core::sys::machine::cpus()
}

/// All of the same length, so that one can be written over the other.
fn load_line(load: f64) -> String {
    let line = format!("{load:.2} {load:.2} {load:.2} 1/100 1");
    format!("{line:<width$}\n", width = LOAD_BYTES - 1)
}
