//! A host with a spool, a config, and perhaps a share.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::super::ground::Ground;

/// How long a run may take to arrive on the share.
const DEADLINE: Duration = Duration::from_mins(1);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// A host.
pub(super) struct Host {
    greaserun: PathBuf,
    config: PathBuf,
    state: PathBuf,
}

/// What a run took: until its job said something, and from then to the end of greaserun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) before: Duration,
    pub(super) after: Duration,
}

impl Host {
    /// A host with an empty spool.
    pub(super) fn make(ground: &Ground, name: &str, share: Option<&Path>) -> Result<Self> {
        let state = ground.path(&format!("share-{name}-state"));
        let config = ground.path(&format!("share-{name}.json"));
        let mut common = json!({ "state_dir": state });
        if let Some(share) = share {
            common["file_logger"] = json!(share);
        }
        let settings = json!({ "common": common, "guard": { "enabled": false } });
        fs_err::write(&config, settings.to_string())?;
        Ok(Self {
            greaserun: ground.program().to_owned(),
            config,
            state,
        })
    }

    /// Runs a piece of shell that says `runs` first, however it ends.
    pub(super) fn run(&self, script: &str) -> Result<Times> {
        let mut greaserun: Command = crate::command::command(&self.greaserun);
        greaserun
            .arg("--quiet")
            .arg("--config-file")
            .arg(&self.config);
        greaserun.args(["-r", "shell", "-", "--", "sh", "-c", script]);
        greaserun.stdout(Stdio::piped()).stderr(Stdio::null());
        let begin = Instant::now();
        let mut child = greaserun.spawn()?;
        let output = child.stdout.take().context("standard output is a pipe")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let runs = Instant::now();
        output.read_to_end(&mut Vec::new())?;
        child.wait()?;
        let end = Instant::now();
        ensure!(line == "runs\n", "the job said `{line}`");
        Ok(Times {
            before: runs - begin,
            after: end - runs,
        })
    }

    /// Waits until all runs are on the share.
    pub(super) fn until_shipped(&self) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let runs = self.sealed()?;
            if runs.iter().all(|run| run.join("shipped").exists()) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "a run does not arrive on the share"
            );
            thread::sleep(PAUSE);
        }
    }

    fn sealed(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for user in fs_err::read_dir(self.state.join("spool"))? {
            let sealed = fs_err::read_dir(user?.path().join("sealed"));
            found.extend(sealed.into_iter().flatten().flatten().map(|run| run.path()));
        }
        Ok(found)
    }

    /// The shippers of this spool.
    pub(super) fn shippers(&self) -> Vec<u32> {
        let entries = fs_err::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &u32| {
            let command = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut words = command.split(|byte| *byte == 0);
            let open = fs_err::read_dir(format!("/proc/{pid}/fd"));
            let mut open = open.into_iter().flatten().flatten();
            words.any(|word| word == b"__ship")
                && open.any(|entry| {
                    let path = fs_err::read_link(entry.path());
                    path.is_ok_and(|path| path.starts_with(&self.state))
                })
        })
        .collect()
    }
}

impl Drop for Host {
    /// Ends what would otherwise ship on for ten seconds.
    fn drop(&mut self) {
        for pid in self.shippers() {
            let pid = Pid::from_raw(pid.cast_signed());
            kill(pid, Signal::SIGKILL).ok(); // It may have ended.
        }
    }
}

/// Makes a directory a share.
pub(super) fn mark(root: &Path) -> Result<()> {
    let marker = json!({"v": 1, "share_id": "0192d0b4-7c7e-7000-8000-000000000001", "layout": 1,
        "created": "2026-01-01T00:00:00.000000Z"});
    Ok(fs_err::write(
        root.join("grease-share.json"),
        format!("{marker}\n"),
    )?)
}
