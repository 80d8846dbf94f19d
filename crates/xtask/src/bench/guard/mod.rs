//! What the guard adds to a start, what a refused start costs, and crowds that it lets in.

mod herd;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::Result;
use serde_json::{Value, json};

use super::comparison::{Comparison, Contestant};
use super::ground::{Ground, let_go, silent, until_it_runs};
use super::{Aim, Bound, Chapter};

/// The exit code of a run that was dropped (`EX_TEMPFAIL`).
const DROPPED: i32 = 75;

/// Slots of the crowd.
const SLOTS: u32 = 8;

/// Rounds of the crowd: each has its mean over all runs already.
const CROWDS: u32 = 3;

/// A job that says when it runs, and runs until its input ends.
const WAITING: &str = "echo runs; exec cat";

/// Starts a command `$0` times at once, and waits for all; fails if one does.
const AT_ONCE: &str = "left=$0 pids=
    while [ \"$left\" -gt 0 ]; do \"$@\" & pids=\"$pids $!\" left=$((left - 1)); done
    for pid in $pids; do wait \"$pid\" || exit; done";

/// What was found so far.
struct Scene<'a> {
    ground: &'a Ground,
    body: String,
    aims: Vec<Aim>,
}

/// A config for one contestant, and the state directory that it names.
struct Place {
    config: PathBuf,
    state: PathBuf,
}

pub(super) fn run(ground: &Ground) -> Result<Chapter> {
    let mut scene = Scene {
        ground,
        body: String::new(),
        aims: Vec::new(),
    };
    scene.admission()?;
    scene.refusal()?;
    scene.crowd()?;
    scene.herd()?;
    Ok(Chapter {
        heading: "The guard",
        body: scene.body,
        aims: scene.aims,
    })
}

impl Scene<'_> {
    /// One job on a host on which no other runs.
    fn admission(&mut self) -> Result<()> {
        // A limit of the load would measure how loaded the machine is.
        let guard = json!({"start_spacing": 0, "load1_per_core": without_limit()});
        let on = Place::make(self.ground, "admission", &guard)?;
        let off = Place::make(self.ground, "admission-off", &json!({"enabled": false}))?;
        let name = |what| format!("`greaserun -r shell - -- true`, {what}");
        let comparison = Comparison {
            ours: Contestant::new(name("guard on"), self.nothing(&on, &["--max-wait", "0"])),
            peers: vec![
                Contestant::new(name("guard off"), self.nothing(&off, &[])),
                Contestant::new(
                    name("guard on, `--overlap forbid`"),
                    self.nothing(&on, &["--max-wait", "0", "--overlap", "forbid"]),
                ),
            ],
            rounds: self.ground.rounds(200),
        };
        let measured = comparison.measure()?;
        let heading = "**Admission** of one job, with a slot for it.";
        writeln!(self.body, "{heading}\n\n{}", measured.table())?;
        let added = measured
            .pair(0)
            .map(|(on, off)| on.wall_median - off.wall_median);
        self.aims.push(Aim {
            text: "admission: at most 2 ms more than without the guard (wall, medians)",
            bound: Bound::AtMost(2.0),
            measured: added,
            unit: "ms",
        });
        Ok(())
    }

    /// A job is dropped at once, since another one holds the only slot.
    fn refusal(&mut self) -> Result<()> {
        let on = Place::make(self.ground, "refusal", &decides_by_slots(1))?;
        let off = Place::make(self.ground, "refusal-off", &json!({"enabled": false}))?;
        let holder = self.hold(&on)?;
        let comparison = Comparison {
            ours: Contestant::new(
                "`greaserun --max-wait 0 -r shell - -- true`, dropped",
                self.nothing(&on, &["--max-wait", "0"]),
            )
            .ending_with(DROPPED),
            peers: vec![Contestant::new(
                "`greaserun -r shell - -- true`, guard off",
                self.nothing(&off, &[]),
            )],
            rounds: self.ground.rounds(200),
        };
        let measured = comparison.measure()?;
        let_go(holder)?;
        let heading = "**Refusal**: the only slot is held, and there is no time to wait.";
        writeln!(self.body, "{heading}\n\n{}", measured.table())?;
        Ok(())
    }

    /// Many jobs that do nothing, all at once.
    fn crowd(&mut self) -> Result<()> {
        let number = self.ground.rounds(1000);
        let on = Place::make(self.ground, "crowd", &decides_by_slots(SLOTS))?;
        let off = Place::make(self.ground, "crowd-off", &json!({"enabled": false}))?;
        let crowd = |what: &str, place: &Place, options: &[&str]| {
            let command = at_once(number, &self.nothing(place, options));
            let name = format!("{number} times `greaserun -r shell - -- true`, {what}");
            Contestant::new(name, command).into_empty(place.state.clone())
        };
        let comparison = Comparison {
            ours: crowd("guard on", &on, &["--max-wait", "forever"]),
            peers: vec![crowd("guard off", &off, &[])],
            rounds: CROWDS.min(number),
        };
        let measured = comparison.measure()?;
        let each = measured
            .pair(0)
            .map(|(on, off)| (on.cpu_median - off.cpu_median) / f64::from(number));
        writeln!(
            self.body,
            "**Crowd**: {number} starts at once, {SLOTS} slots, no limit but these. Each \
             contestant starts with an empty state directory.\n\n{}",
            measured.table()
        )?;
        self.aims.push(Aim {
            text: "crowd: at most 1 ms of CPU more per run than without the guard (medians)",
            bound: Bound::AtMost(1.0),
            measured: each,
            unit: "ms",
        });
        Ok(())
    }

    /// A run of `true` that may run beside itself.
    fn nothing(&self, place: &Place, options: &[&str]) -> Command {
        let job: &[&str] = &["-r", "shell", "-", "--", "true"];
        self.greaserun(place, &[options, job].concat())
    }

    fn greaserun(&self, place: &Place, words: &[&str]) -> Command {
        let mut greaserun = self.ground.greaserun_under(&place.config);
        if !words.contains(&"--overlap") {
            greaserun.args(["--overlap", "allow"]);
        }
        greaserun.args(words);
        greaserun
    }

    /// A job that holds a slot; returns once it does.
    fn hold(&self, place: &Place) -> Result<Child> {
        let words = ["--stdin", "inherit", "-r", "shell", "-", "--"];
        until_it_runs(self.greaserun(place, &[&words[..], &["sh", "-c", WAITING]].concat()))
    }
}

impl Place {
    /// Writes the config; the delay that spreads scheduled starts is off.
    fn make(ground: &Ground, name: &str, guard: &Value) -> Result<Self> {
        let state = ground.path(&format!("guard-{name}"));
        let config = ground.path(&format!("guard-{name}.json"));
        let mut guard = guard.clone();
        guard["jitter"] = json!({"mode": "none"});
        let settings = json!({"common": {"state_dir": state}, "guard": guard});
        fs_err::write(&config, settings.to_string())?;
        Ok(Self { config, state })
    }
}

/// A command so many times at once, as one that ends with the last of them.
fn at_once(number: u32, command: &Command) -> Command {
    let mut shell = silent("sh");
    shell
        .args(["-c", AT_ONCE])
        .arg(number.to_string())
        .arg(command.get_program())
        .args(command.get_args());
    shell
}

/// A guard that decides by the number of jobs alone.
fn decides_by_slots(slots: u32) -> Value {
    let disk = json!({"min_free": 0, "min_free_pct": 0, "min_inodes_pct": 0});
    json!({
        "max_jobs": slots,
        "reserved_high": 0,
        "cost_capacity": 1000,
        "start_spacing": 0,
        "load1_per_core": without_limit(),
        "pressure": {"memory_full_avg10": null, "io_full_avg60": null},
        "memory": {"min_available": 0, "floor": 0},
        "pids_headroom": 0,
        "disk": {"scratch": disk, "cache": disk, "spool": disk},
    })
}

/// Load averages that no machine reaches here.
fn without_limit() -> Value {
    json!({"low": 1000, "normal": 1000, "high": 1000})
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::command::command;

    fn shell(line: &str, argument: &Path) -> Command {
        let mut shell = command("sh");
        shell.args(["-c", line]).arg(argument);
        shell
    }

    #[test]
    fn a_crowd_ends_with_the_last_of_them_and_fails_with_any() {
        let directory = tempfile::tempdir().unwrap();
        let notes = directory.path().join("notes");
        let line = "sleep 0.1; echo >> \"$0\"";
        let status = at_once(5, &shell(line, &notes)).status().unwrap();
        assert!(status.success());
        assert_eq!(fs_err::read_to_string(&notes).unwrap(), "\n".repeat(5));
        // The first who makes the directory succeeds.
        let once = at_once(3, &shell("mkdir \"$0\"", &directory.path().join("one")));
        assert!(!{ once }.status().unwrap().success());
    }
}
