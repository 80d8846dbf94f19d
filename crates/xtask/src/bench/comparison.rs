//! Contestants that take turns, and the table of what they took.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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
    /// Directories that are empty when the command starts.
    emptied: Vec<PathBuf>,
    /// Whether all that was written to their file systems is on the disk by then.
    settled: bool,
    /// Whether the command says itself what it took.
    times_itself: bool,
    /// How it must end.
    exit_code: i32,
}

impl Contestant {
    /// A command that must succeed, and may be run many times.
    pub(super) fn new(name: impl Into<String>, command: Command) -> Self {
        Self {
            name: name.into(),
            command: Some(command),
            emptied: Vec::new(),
            settled: false,
            times_itself: false,
            exit_code: 0,
        }
    }

    /// A program that this machine does not have.
    pub(super) fn missing(name: &str) -> Self {
        Self {
            name: format!("{name}: missing on this machine"),
            command: None,
            emptied: Vec::new(),
            settled: false,
            times_itself: false,
            exit_code: 0,
        }
    }

    /// Empties `directory` before each run of the command, which is not measured.
    pub(super) fn into_empty(mut self, directory: PathBuf) -> Self {
        self.emptied.push(directory);
        self
    }

    /// Waits before each run until the disk of the emptied directories has all that was written:
    /// nobody pays for what others left.
    pub(super) fn settled(self) -> Self {
        Self {
            settled: true,
            ..self
        }
    }

    /// Takes the cost from what the command prints, two numbers of nanoseconds: wall and CPU.
    pub(super) fn timing_itself(self) -> Self {
        Self {
            times_itself: true,
            ..self
        }
    }

    /// Expects another exit code than 0.
    pub(super) fn ending_with(self, exit_code: i32) -> Self {
        Self { exit_code, ..self }
    }

    fn measure(&mut self) -> Result<Option<Cost>> {
        let Some(command) = &mut self.command else {
            return Ok(None);
        };
        for directory in &self.emptied {
            empty(directory)?;
        }
        if self.settled {
            for directory in &self.emptied {
                nix::unistd::syncfs(fs_err::File::open(directory)?)?;
            }
        }
        if self.times_itself {
            command.stdout(Stdio::piped());
        }
        let before = cpu_of_children()?;
        let start = Instant::now();
        let output = command
            .spawn()
            .and_then(std::process::Child::wait_with_output)
            .with_context(|| format!("cannot start {}", self.name))?;
        let wall = start.elapsed();
        let cpu = cpu_of_children()?.saturating_sub(before);
        ensure!(
            output.status.code() == Some(self.exit_code),
            "{} ended with {}: {command:?}",
            self.name,
            output.status
        );
        if self.times_itself {
            let text = String::from_utf8_lossy(&output.stdout);
            let cost = Cost::parse(&text);
            return Ok(Some(
                cost.with_context(|| format!("{} says `{text}`", self.name))?,
            ));
        }
        Ok(Some(Cost { wall, cpu }))
    }
}

/// What one run of a command took.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    wall: Duration,
    /// User and system time of all its processes.
    cpu: Duration,
}

impl Cost {
    /// Reads what a command says about itself.
    fn parse(text: &str) -> Option<Self> {
        let (wall, cpu) = text.trim().split_once(' ')?;
        Some(Self {
            wall: Duration::from_nanos(wall.parse().ok()?),
            cpu: Duration::from_nanos(cpu.parse().ok()?),
        })
    }
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
    /// What each took of those that are not missing.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&str, Summary)> {
        let rows = self.rows.iter();
        rows.filter_map(|(name, summary)| Some((name.as_str(), (*summary)?)))
    }

    /// How often each was measured.
    pub(super) fn rounds(&self) -> u32 {
        self.rounds
    }

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
                    " {} | {:+.2} | {} | {:+.2} |",
                    ratio(ours.wall_median / wall_median),
                    ours.wall_median - wall_median,
                    ratio(ours.cpu_median / cpu_median),
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

/// Makes an empty directory, in place of what is there.
pub(super) fn empty(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs_err::remove_dir_all(directory)?;
    }
    Ok(fs_err::create_dir_all(directory)?)
}

/// A ratio with two digits behind the point, or with five where it is so small.
fn ratio(value: f64) -> String {
    if value < 0.05 {
        format!("{value:.5}")
    } else {
        format!("{value:.2}")
    }
}

/// The middle of sorted times, or the mean of the two in the middle, in milliseconds.
pub(super) fn median(sorted: &[Duration]) -> Option<f64> {
    let low = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    let high = sorted[sorted.len() / 2];
    Some(f64::midpoint(milliseconds(low), milliseconds(high)))
}

/// A time in milliseconds.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// CPU time of all child processes that have been waited for, and of theirs.
pub(super) fn cpu_of_children() -> Result<Duration> {
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
    fn a_command_that_times_itself_is_believed_if_it_says_two_numbers() {
        let cost = Cost {
            wall: Duration::from_nanos(1_500),
            cpu: Duration::from_nanos(900),
        };
        assert_eq!(Cost::parse("1500 900\n"), Some(cost));
        for text in ["", "1500", "1500 900 7", "a b", "-1 5"] {
            assert_eq!(Cost::parse(text), None, "{text}");
        }
        let said = |text: &str| {
            let mut echo = command("echo");
            echo.arg(text);
            Contestant::new("it", echo).timing_itself().measure()
        };
        assert_eq!(said("1500 900").unwrap(), Some(cost));
        said("soon").unwrap_err();
    }

    #[test]
    fn directories_are_empty_when_a_command_starts() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        let mut make = command("mkdir");
        make.arg(one.join("made")).arg(two.join("made"));
        let mut contestant = Contestant::new("it", make)
            .into_empty(one.clone())
            .into_empty(two.clone());
        for _ in 0..2 {
            contestant.measure().unwrap();
            assert!(one.join("made").exists() && two.join("made").exists());
        }
    }

    #[test]
    fn small_ratios_keep_their_digits() {
        assert_eq!(
            [0.001_234_5, 0.05, 1.5].map(ratio),
            ["0.00123", "0.05", "1.50"]
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
