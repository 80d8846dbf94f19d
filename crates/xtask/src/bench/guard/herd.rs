//! Many jobs of one CPU-second at once: the guard against tools that start jobs by the load.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use grease_core::arbitration::config::Guard;
use grease_core::arbitration::decision::{Limits, Request, load_limit};
use grease_core::model::jobs::JobSettings;
use serde_json::json;

use super::{Place, Scene, at_once};
use crate::bench::comparison::{cpu_of_children, empty};
use crate::bench::ground::{silent, version_of};
use crate::bench::machine;
use crate::bench::{Aim, Bound};

/// Burns one CPU-second and no more, by the kernel's own count: the limit is in seconds of CPU
/// time, and its signal ends the loop. Before, it notes how many run with it.
const JOB: &str = "#!/bin/sh
place=$1 own=$1/running/$$
: > \"$own\"
set -- \"$place\"/running/*
echo $# >> \"$place/counts\"
trap 'rm \"$own\"; exit 0' XCPU
ulimit -S -t 1
while :; do :; done
";

/// The load average of one minute below which the machine counts as quiet.
const QUIET: f64 = 0.3;

/// Longest wait for a quiet machine, for each job of the herd: had all of them run at once, their
/// load would have gone by then.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(3);

/// Pause between two looks at the load average, which changes every five seconds.
const LOOK: Duration = Duration::from_secs(1);

/// The herd, and what all contestants share.
struct Herd {
    jobs: u32,
    cpus: u32,
    /// The load that a host may have with one more job, as the guard has it by default.
    limit: f64,
    place: PathBuf,
}

/// How one contestant fared.
#[derive(Debug)]
struct Fared {
    load_before: f64,
    /// Jobs at a time, at most.
    running_peak: usize,
    load_peak: f64,
    wall: Duration,
    cpu: Duration,
}

impl Scene<'_> {
    /// Starts the herd under the guard, and under the others.
    pub(super) fn herd(&mut self) -> Result<()> {
        let cpus = u32::try_from(thread::available_parallelism()?.get())?;
        let config = Guard::default();
        let limits = Limits {
            config: &config,
            cpus,
        };
        let herd = Herd {
            jobs: self.ground.rounds(200),
            cpus,
            limit: load_limit(&Request::from(&JobSettings::default()), &limits),
            place: self.ground.path("herd"),
        };
        let script = self.ground.path("burn.sh");
        fs_err::write(&script, JOB)?;
        let guarded = herd.measure(self.greaserun_herd(&herd, &script, true)?)?;
        let mut table = String::from(
            "| | jobs at a time, at most | load1 before | load1, at most | time, s | of the ideal \
             | CPU, s |\n|---|--:|--:|--:|--:|--:|--:|\n",
        );
        table.push_str(&herd.row("greaserun, the guard's defaults", Some(&guarded)));
        for (name, command) in [herd.parallel(&script), herd.make(&script)?] {
            let fared = command.map(|command| herd.measure(command)).transpose()?;
            table.push_str(&herd.row(&name, fared.as_ref()));
        }
        let free = herd.measure(self.greaserun_herd(&herd, &script, false)?)?;
        table.push_str(&herd.row("greaserun, guard off", Some(&free)));
        write!(
            self.body,
            "**Herd**: {} starts at once of a job of one CPU-second. The load limit is {}; the \
             ideal, with {cpus} busy processors, takes {:.1} s.\n\n{table}",
            herd.jobs,
            herd.limit,
            herd.ideal_s()
        )?;
        self.aims.extend(herd.aims(&guarded));
        Ok(())
    }

    fn greaserun_herd(&self, herd: &Herd, script: &Path, is_guarded: bool) -> Result<Command> {
        let name = if is_guarded { "herd" } else { "herd-off" };
        let place = Place::make(self.ground, name, &json!({"enabled": is_guarded}))?;
        let words = ["--max-wait", "forever", "-r", "shell", "-", "--", "sh"];
        let mut greaserun = self.greaserun(&place, &words);
        greaserun.args([script, &herd.place]);
        Ok(at_once(herd.jobs, &greaserun))
    }
}

impl Herd {
    /// GNU parallel, with its name; it counts running processes where others read load averages.
    fn parallel(&self, script: &Path) -> (String, Option<Command>) {
        let Some(version) = version_of("parallel", "--version") else {
            return ("parallel: missing on this machine".to_owned(), None);
        };
        let load = self.limit.to_string();
        let mut parallel = silent("parallel");
        parallel.args(["--will-cite", "--jobs", "0", "--load", &load, "sh"]);
        parallel.args([script, &self.place]).arg(":::");
        parallel.args((1..=self.jobs).map(|job| job.to_string()));
        (
            format!("`parallel -j0 --load {load}` ({version})"),
            Some(parallel),
        )
    }

    /// make, with its name and a makefile of targets that do not depend on each other.
    fn make(&self, script: &Path) -> Result<(String, Option<Command>)> {
        let Some(version) = version_of("make", "--version") else {
            return Ok(("make: missing on this machine".to_owned(), None));
        };
        let makefile = script.with_file_name("herd.mk");
        let targets = (1..=self.jobs).map(|job| format!("job{job}"));
        let targets = targets.collect::<Vec<_>>().join(" ");
        let text = format!(
            ".PHONY: all {targets}\nall: {targets}\n{targets}:\n\t@sh '{}' '{}'\n",
            script.display(),
            self.place.display()
        );
        fs_err::write(&makefile, text)?;
        let load = self.limit.to_string();
        let mut make = silent("make");
        make.args(["-j", "-l", &load, "-f"]).arg(makefile);
        // What a make above this program says is not for this one.
        make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
        Ok((format!("`make -j -l {load}` ({version})"), Some(make)))
    }

    /// Runs a contestant on a machine as quiet as it gets.
    fn measure(&self, mut command: Command) -> Result<Fared> {
        empty(&self.place)?;
        fs_err::create_dir(self.place.join("running"))?;
        let load_before = self.wait_for_quiet()?;
        let cpu_before = cpu_of_children()?;
        let begun = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let (status, wall, load_peak) = thread::scope(|scope| {
            let (end, ended) = mpsc::channel::<()>();
            let watch = scope.spawn(move || highest_load(&ended));
            let status = child.wait();
            let wall = begun.elapsed();
            drop(end);
            (status, wall, watch.join())
        });
        let status = status?;
        ensure!(status.success(), "{command:?} failed with {status}");
        let load_peak =
            load_peak.map_err(|_| anyhow::anyhow!("the watch of the load failed"))??;
        let counts = fs_err::read_to_string(self.place.join("counts"))?;
        let (started, running_peak) = tally(&counts)?;
        ensure!(
            started == self.jobs as usize,
            "{started} of {} jobs ran under {command:?}",
            self.jobs
        );
        Ok(Fared {
            load_before,
            running_peak,
            load_peak: load_peak.max(load_before),
            wall,
            cpu: cpu_of_children()?.saturating_sub(cpu_before),
        })
    }

    /// Waits until nothing of others, or of the contestant before, is in the load; returns it.
    fn wait_for_quiet(&self) -> Result<f64> {
        let begun = Instant::now();
        loop {
            let load = machine::load1()?;
            if load < QUIET || begun.elapsed() > QUIET_WAIT_MAX * self.jobs {
                return Ok(load);
            }
            thread::sleep(LOOK);
        }
    }

    fn ideal_s(&self) -> f64 {
        f64::from(self.jobs) / f64::from(self.cpus)
    }

    fn row(&self, name: &str, fared: Option<&Fared>) -> String {
        let Some(Fared {
            load_before,
            running_peak,
            load_peak,
            wall,
            cpu,
        }) = fared
        else {
            return format!("| {name} | | | | | | |\n");
        };
        let (wall, cpu) = (wall.as_secs_f64(), cpu.as_secs_f64());
        let ratio = wall / self.ideal_s();
        format!(
            "| {name} | {running_peak} | {load_before:.2} | {load_peak:.2} | {wall:.1} \
             | {ratio:.2} | {cpu:.1} |\n"
        )
    }

    fn aims(&self, guarded: &Fared) -> [Aim; 3] {
        let running = u32::try_from(guarded.running_peak).unwrap_or(u32::MAX);
        [
            Aim {
                text: "herd: at most so many jobs at a time as the load limit says",
                bound: Bound::AtMost(self.limit),
                measured: Some(f64::from(running)),
                unit: "jobs",
            },
            Aim {
                text: "herd: load1 at most the limit",
                bound: Bound::AtMost(self.limit),
                measured: Some(guarded.load_peak),
                unit: "",
            },
            Aim {
                text: "herd: at most 1.1 times the time of ideal packing",
                bound: Bound::AtMost(1.1),
                measured: Some(guarded.wall.as_secs_f64() / self.ideal_s()),
                unit: "times",
            },
        ]
    }
}

/// The highest load average of one minute until the channel is closed.
fn highest_load(ended: &mpsc::Receiver<()>) -> Result<f64> {
    let mut highest = 0.0_f64;
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        highest = highest.max(machine::load1()?);
    }
    Ok(highest.max(machine::load1()?))
}

/// How many jobs wrote a count of those that run, and the largest.
fn tally(counts: &str) -> Result<(usize, usize)> {
    let counts: Result<Vec<usize>, _> = counts.lines().map(str::parse).collect();
    let counts = counts?;
    Ok((counts.len(), counts.into_iter().max().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_counted_and_the_most_at_a_time_is_found() {
        assert_eq!(tally("1\n2\n3\n2\n").unwrap(), (4, 3));
        assert_eq!(tally("").unwrap(), (0, 0));
        assert!(tally("1\n\n").is_err());
    }

    #[test]
    fn a_job_burns_one_second_of_the_cpu_and_leaves_no_mark_of_its_running() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("burn.sh");
        fs_err::write(&script, JOB).unwrap();
        let herd = Herd {
            jobs: 1,
            cpus: 1,
            limit: 2.0,
            place: directory.path().join("herd"),
        };
        empty(&herd.place).unwrap();
        fs_err::create_dir(herd.place.join("running")).unwrap();
        let mut job = silent("sh");
        job.args([&script, &herd.place]);
        let before = cpu_of_children().unwrap();
        assert!(job.status().unwrap().success());
        // Other tests of this process may wait for children of theirs meanwhile.
        let burnt = cpu_of_children().unwrap().saturating_sub(before);
        assert!(burnt >= Duration::from_millis(900), "{burnt:?}"); // In ticks of the kernel.
        let left = std::fs::read_dir(herd.place.join("running")).unwrap();
        assert_eq!(left.count(), 0);
        let counts = fs_err::read_to_string(herd.place.join("counts")).unwrap();
        assert_eq!(tally(&counts).unwrap(), (1, 1));
    }
}
