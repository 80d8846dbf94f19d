//! `greasestatus` about runs, over a share that real runs on several hosts filled through their shippers.
//!
//! A host is a state directory and a name: each has a namespace of its own for that. Where people look
//! is one more host, which never ran anything.

mod answers;
mod damage;
mod dead;
mod farm;
mod filters;
mod hang;
mod logs;
mod names;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use grease_core::debugging::share::marker;
use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{CALM, Finished, Run, Running, Sandbox, is_running, wait_until};
use serde_json::Value;

use crate::share::{kill, mark, shippers, tree};

/// Becomes a host of this name, and the program behind it.
const AS_HOST: &str = "hostname \"$0\" && exec \"$@\"";

/// Some hosts on one share, the last of which is where people look.
struct Farm {
    root: Sandbox,
    hosts: Vec<Host>,
}

/// A host of a farm.
struct Host {
    name: String,
    sandbox: Sandbox,
}

impl Farm {
    /// So many hosts that run jobs, and a share; none where the machine has no namespaces.
    fn new(count: usize) -> Option<Self> {
        let root = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
        let share = root.path("share");
        fs_err::create_dir(&share).unwrap();
        marker::init(&share).unwrap();
        Self::at(root, &share, count)
    }

    /// The same on a share elsewhere.
    fn at(root: Sandbox, share: &Path, count: usize) -> Option<Self> {
        require(Component::MountNamespace)?;
        let hosts = (0..=count).map(|number| {
            let host = Host {
                name: format!("dp-{number:03}"),
                sandbox: Sandbox::new(env!("CARGO_BIN_EXE_greaserun")),
            };
            host.configure(share, "30s");
            host
        });
        Some(Self {
            hosts: hosts.collect(),
            root,
        })
    }

    /// The root of the share.
    fn share(&self) -> PathBuf {
        self.root.path("share")
    }

    /// The directory of the user on it.
    fn tree(&self) -> PathBuf {
        tree(&self.share())
    }

    /// Asks where people look, in UTC.
    fn ask(&self, words: &[&str]) -> Finished {
        self.hosts[self.hosts.len() - 1].asking(words).finish()
    }

    /// The answer, which has this exit code, and nothing beside it.
    #[track_caller]
    fn told(&self, words: &[&str], code: i32) -> String {
        let answer = self.ask(words);
        assert_eq!(
            (answer.code, answer.err()),
            (Some(code), String::new()),
            "{}",
            answer.all()
        );
        answer.out()
    }

    /// The objects of an answer that has one in each line.
    #[track_caller]
    fn objects(&self, words: &[&str]) -> Vec<Value> {
        let answer = self.ask(words);
        let text = answer.out();
        let lines: serde_json::Result<Vec<Value>> =
            text.lines().map(serde_json::from_str).collect();
        lines.unwrap_or_else(|error| panic!("{error}: {}", answer.all()))
    }

    /// The jobs that an answer of `runs` or `failures` names, the newest run first.
    #[track_caller]
    fn jobs(&self, words: &[&str]) -> Vec<String> {
        let words = [words, &["--json"]].concat();
        let jobs = self.objects(&words);
        jobs.iter()
            .map(|run| run["job"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Makes the last heartbeat of a host older.
    fn age_heartbeat(&self, host: usize, age: Duration) {
        let name = format!("hosts/{}.json", self.hosts[host].name);
        let file = fs_err::OpenOptions::new()
            .write(true)
            .open(self.tree().join(name))
            .unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }
}

impl Host {
    fn configure(&self, share: &Path, wait: &str) {
        self.configure_with(share, wait, "{}");
    }

    /// A config with a share and hooks.
    fn configure_with(&self, share: &Path, wait: &str, hooks: &str) {
        let (state, share) = (self.sandbox.path("state"), share.display());
        let text = format!(
            r#"{{"common": {{"state_dir": "{}", "file_logger": "{share}"}}{CALM},
                "jobs": {{"defaults": {{"nice": 0}}}},
                "logs": {{"wait": "{wait}", "hooks": {hooks}}}}}"#,
            state.display()
        );
        fs_err::write(self.sandbox.path("scalegrease.json"), text).unwrap();
    }

    /// One of our programs on this host.
    fn program(&self, name: &str) -> Run {
        let program = self.sandbox.programs().join(name);
        self.sandbox
            .program("unshare")
            .arguments(["--uts", "--", "sh", "-c", AS_HOST, &self.name])
            .arguments([program.as_os_str()])
            .arguments([
                "-c".as_ref(),
                self.sandbox.path("scalegrease.json").as_os_str(),
            ])
    }

    /// A piece of shell as a job of this name.
    fn job(&self, name: &str, script: &str) -> Run {
        self.program("greaserun").arguments([
            "-q", "--job", name, "-r", "shell", "-", "--", "sh", "-c", script,
        ])
    }

    /// Runs it; when this returns its log is on the share.
    #[track_caller]
    fn run(&self, name: &str, script: &str, code: i32) {
        let finished = self.job(name, script).finish();
        assert_eq!(finished.code, Some(code), "{}", finished.all());
    }

    /// Starts one that goes on until [`Host::release`], and waits until the share tells of it.
    fn start(&self, farm: &Farm, name: &str) -> Running {
        let script = format!("echo started; until test -e go-{name}; do sleep 0.02; done; exit 7");
        let running = self.job(name, &script).start();
        wait_until("the share tells of the run", || {
            let runs = farm.objects(&["runs", "--job", name, "--json"]);
            runs.first().is_some_and(|run| run["state"] == "executing")
        });
        wait_until("the share has its first line", || {
            farm.ask(&["log", name]).out().contains("started")
        });
        running
    }

    /// Ends the job of [`Host::start`].
    fn release(&self, running: Running, name: &str) {
        fs_err::write(self.sandbox.work(&format!("go-{name}")), "").unwrap();
        assert_eq!(running.finish().code, Some(7));
    }

    /// Asks greasestatus on this host, in UTC.
    fn asking(&self, words: &[&str]) -> Run {
        self.program("greasestatus")
            .env("TZ", "UTC")
            .arguments(words)
    }

    /// The power fails: nothing of this host's is left.
    fn die(&self) {
        wait_until("all of it is dead", || {
            let left = self.sandbox.processes();
            for pid in &left {
                kill(*pid);
            }
            left.is_empty()
        });
    }

    /// The shipper has ended or is killed: what is on the share now stays.
    fn kill_shipper(&self) {
        for pid in shippers(&self.sandbox) {
            kill(pid);
            wait_until("the shipper is gone", || !is_running(pid));
        }
    }
}

/// The last lines of a text.
fn last(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}
