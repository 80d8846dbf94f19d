//! Contestants that take turns, and the table of what they took.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Commands that do the same, to be measured in turn.
pub(super) struct Comparison {
    /// The command whose costs are compared with those of each peer.
    pub(super) ours: Contestant,
    /// What people would use without it, or a part of what it does.
    pub(super) peers: Vec<Contestant>,
    /// How often each is measured.
    pub(super) rounds: u32,
}

/// One of the commands.
pub(super) struct Contestant {
    /// Name and version.
    name: String,
    /// `None` for a program that this machine does not have.
    command: Option<Command>,
    /// A directory that is empty when the command starts.
    emptied: Option<PathBuf>,
}

impl Contestant {
    /// A command that must succeed, and may be run many times.
    pub(super) fn new(name: impl Into<String>, command: Command) -> Self {
        Self {
            name: name.into(),
            command: Some(command),
            emptied: None,
        }
    }

    /// A program that this machine does not have.
    pub(super) fn missing(name: &str) -> Self {
        Self {
            name: format!("{name}: missing on this machine"),
            command: None,
            emptied: None,
        }
    }

    /// Empties `directory` before each run of the command, which is not measured.
    pub(super) fn into_empty(self, directory: PathBuf) -> Self {
        Self {
            emptied: Some(directory),
            ..self
        }
    }

    fn measure(&mut self) -> Result<Option<Cost>> {
        let Some(command) = &mut self.command else {
            return Ok(None);
        };
        if let Some(directory) = &self.emptied {
            if directory.exists() {
                fs_err::remove_dir_all(directory)?;
            }
            fs_err::create_dir(directory)?;
        }
        let before = cpu_of_children()?;
        let start = Instant::now();
        let status = command
            .status()
            .with_context(|| format!("cannot start {}", self.name))?;
        let wall = start.elapsed();
        let cpu = cpu_of_children()?.saturating_sub(before);
        ensure!(
            status.success(),
            "{} failed with {status}: {command:?}",
            self.name
        );
        Ok(Some(Cost { wall, cpu }))
    }
}

/// What one run of a command took.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: Duration,
    /// User and system time of all its processes.
    cpu: Duration,
}

/// The costs of one contestant over all rounds, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) wall_median: f64,
    pub(super) wall_minimum: f64,
    pub(super) cpu_median: f64,
    pub(super) cpu_minimum: f64,
}

/// What all contestants took: first ours, then the peers; `None` for one that is missing.
pub(super) struct Measured {
    rows: Vec<(String, Option<Summary>)>,
    rounds: u32,
}

impl Comparison {
    /// Measures every contestant once a round, after one round that does not count.
    ///
    /// Who begins changes from round to round. No measurement is left out.
    pub(super) fn measure(self) -> Result<Measured> {
        let Self {
            ours,
            peers,
            rounds,
        } = self;
        let mut contestants: Vec<Contestant> = std::iter::once(ours).chain(peers).collect();
        let mut costs: Vec<Vec<Cost>> = contestants.iter().map(|_| Vec::new()).collect();
        let count = contestants.len();
        for round in 0..=rounds as usize {
            for place in 0..count {
                let index = (round + place) % count;
                let cost = contestants[index].measure()?;
                costs[index].extend(cost.filter(|_| round > 0));
            }
        }
        let names = contestants.into_iter().map(|contestant| contestant.name);
        let rows = names
            .zip(costs.iter().map(|costs| Summary::of(costs)))
            .collect();
        Ok(Measured { rows, rounds })
    }
}

impl Measured {
    /// The costs of ours and of the peer of that number, if neither is missing.
    pub(super) fn pair(&self, peer: usize) -> Option<(Summary, Summary)> {
        Some((self.rows[0].1?, self.rows[peer + 1].1?))
    }

    /// A Markdown table; ratio and difference say what ours takes against the row's command.
    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "| {} rounds, times in ms | wall: median | minimum | CPU: median | minimum \
             | ours: wall, ratio | wall, difference | CPU, ratio | CPU, difference |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
            self.rounds
        );
        let ours = self.rows[0].1;
        for (index, (name, summary)) in self.rows.iter().enumerate() {
            let name = name.replace('|', "\\|"); // A bar would end the cell.
            let Some(Summary {
                wall_median,
                wall_minimum,
                cpu_median,
                cpu_minimum,
            }) = *summary
            else {
                writeln!(table, "| {name} | | | | | | | | |").expect("in memory");
                continue;
            };
            write!(
                table,
                "| {name} | {wall_median:.2} | {wall_minimum:.2} | {cpu_median:.2} \
                 | {cpu_minimum:.2} |"
            )
            .expect("in memory");
            match ours.filter(|_| index > 0) {
                Some(ours) => writeln!(
                    table,
                    " {:.2} | {:+.2} | {:.2} | {:+.2} |",
                    ours.wall_median / wall_median,
                    ours.wall_median - wall_median,
                    ours.cpu_median / cpu_median,
                    ours.cpu_median - cpu_median,
                ),
                None => writeln!(table, " | | | |"),
            }
            .expect("in memory");
        }
        table
    }
}

impl Summary {
    fn of(costs: &[Cost]) -> Option<Self> {
        let sorted = |part: fn(&Cost) -> Duration| {
            let mut times: Vec<Duration> = costs.iter().map(part).collect();
            times.sort_unstable();
            times
        };
        let (wall, cpu) = (sorted(|cost| cost.wall), sorted(|cost| cost.cpu));
        Some(Self {
            wall_median: median(&wall)?,
            wall_minimum: milliseconds(*wall.first()?),
            cpu_median: median(&cpu)?,
            cpu_minimum: milliseconds(*cpu.first()?),
        })
    }
}

/// The middle of sorted times, or the mean of the two in the middle, in milliseconds.
fn median(sorted: &[Duration]) -> Option<f64> {
    let low = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    let high = sorted[sorted.len() / 2];
    Some(f64::midpoint(milliseconds(low), milliseconds(high)))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// CPU time of all child processes that have been waited for, and of theirs.
fn cpu_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = |time: TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let total = microseconds(usage.user_time()) + microseconds(usage.system_time());
    Ok(Duration::from_micros(total.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::command;

    #[test]
    fn medians_and_minima_are_those_of_all_rounds() {
        let cost = |wall, cpu| Cost {
            wall: Duration::from_millis(wall),
            cpu: Duration::from_millis(cpu),
        };
        let summary = Summary {
            wall_median: 25.0,
            wall_minimum: 10.0,
            cpu_median: 4.0,
            cpu_minimum: 1.0,
        };
        assert_eq!(
            Summary::of(&[cost(30, 4), cost(10, 9), cost(90, 4), cost(20, 1)]),
            Some(summary)
        );
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn a_missing_peer_is_named_and_the_others_are_measured() {
        let comparison = Comparison {
            ours: Contestant::new("ours", command("true")),
            peers: vec![
                Contestant::missing("that"),
                Contestant::new("this", command("true")),
            ],
            rounds: 2,
        };
        let measured = comparison.measure().unwrap();
        assert!(measured.pair(0).is_none() && measured.pair(1).is_some());
        let table = measured.table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[3],
            "| that: missing on this machine | | | | | | | | |"
        );
        assert_eq!(
            [lines[2], lines[4]].map(|line| line.matches('|').count()),
            [10, 10]
        );
    }

    #[test]
    fn a_command_that_fails_ends_the_comparison() {
        let comparison = Comparison {
            ours: Contestant::new("ours", command("true")),
            peers: vec![Contestant::new("it", command("false"))],
            rounds: 1,
        };
        assert!(comparison.measure().is_err());
    }
}
