//! What `greasestatus` takes to answer out of the records of a large farm.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use super::comparison::{Comparison, Contestant, Measured};
use super::ground::Ground;
use super::memory::{self, MB_IN_A_MIB};
use super::{Aim, Bound, Chapter};
use crate::command::run_quietly;

/// Runs of the farm: its hosts, users and days are those of the example `farm`.
const RUNS: &str = "1000000";

/// A job that runs every seven minutes somewhere, and one that runs once a day and failed nine days ago.
const OFTEN: &str = "com.acme.etl:feed-17#load.sh";
const NIGHTLY: &str = "com.acme.etl:nightly#close-the-day.sh";

/// Memory that no answer may take, MB.
const MEMORY_MAX: f64 = 200.0;

/// A question.
struct Question {
    words: &'static [&'static str],
    /// How it must end.
    code: i32,
    /// What it may take, in milliseconds, and the aim in words.
    aim: Option<(f64, &'static str)>,
}

const QUESTIONS: [Question; 7] = [
    Question {
        words: &["runs", "--since", "7d"],
        code: 0,
        aim: Some((1000.0, "runs --since 7d: at most 1 s (wall, median)")),
    },
    Question {
        words: &["failures"],
        code: 1,
        aim: Some((300.0, "failures: at most 0.3 s (wall, median)")),
    },
    Question {
        words: &["why", OFTEN],
        code: 0,
        aim: Some((100.0, "why: at most 0.1 s (wall, median)")),
    },
    Question {
        words: &["log", "--path", OFTEN],
        code: 0,
        aim: Some((100.0, "the last run of a job: at most 0.1 s (wall, median)")),
    },
    Question {
        words: &[],
        code: 1,
        aim: None,
    },
    Question {
        words: &["job", OFTEN],
        code: 0,
        aim: None,
    },
    Question {
        words: &["why", NIGHTLY],
        code: 0,
        aim: None,
    },
];

pub(super) fn run(ground: &Ground) -> Result<Chapter> {
    let share = ground.path("farm");
    run_quietly(ground.example("farm").arg(&share).arg(RUNS))?;
    let config = ground.path("farm.json");
    let common = json!({"state_dir": ground.path("farm-state"), "file_logger": share});
    fs_err::write(&config, json!({ "common": common }).to_string())?;
    let ask = |question: &Question| {
        let mut command = ground.greasestatus(&config);
        command.args(question.words);
        command
    };

    let contestant = |question: &Question| {
        let Question { words, code, .. } = question;
        let name = format!("`greasestatus {}`", words.join(" "));
        Contestant::new(name.replace(" `", "`"), ask(question)).ending_with(*code)
    };
    let mut contestants = QUESTIONS.iter().map(contestant);
    let comparison = Comparison {
        ours: contestants.next().expect("there are questions"),
        peers: contestants.collect(),
        rounds: ground.rounds(10),
    };
    let measured = comparison.measure()?;
    let peaks = QUESTIONS.iter().map(|question| peak(ask(question)));
    let peaks: Vec<f64> = peaks.collect::<Result<_>>()?;
    let body = format!("{}\n{}", size(&share)?, table(&measured, &peaks)?);
    fs_err::remove_dir_all(&share)?;
    Ok(Chapter {
        heading: "Questions about a million runs",
        body,
        aims: aims(&measured, &peaks),
    })
}

/// The most memory of both its processes, in MB.
fn peak(command: Command) -> Result<f64> {
    Ok(memory::of_family(command)? * MB_IN_A_MIB)
}

fn table(measured: &Measured, peaks: &[f64]) -> Result<String> {
    let mut table = format!(
        "| {} rounds, times in ms | wall: median | minimum | CPU: median | minimum | memory, MB |\n\
         |---|--:|--:|--:|--:|--:|\n",
        measured.rounds()
    );
    for ((name, summary), peak) in measured.rows().zip(peaks) {
        writeln!(
            table,
            "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {peak:.1} |",
            summary.wall_median, summary.wall_minimum, summary.cpu_median, summary.cpu_minimum
        )?;
    }
    Ok(table)
}

fn aims(measured: &Measured, peaks: &[f64]) -> Vec<Aim> {
    let judged = QUESTIONS.iter().zip(measured.rows());
    let times = judged.filter_map(|(question, (_, summary))| {
        let (most, text) = question.aim?;
        Some(Aim {
            text,
            bound: Bound::AtMost(most),
            measured: Some(summary.wall_median),
            unit: "ms",
        })
    });
    let memory = Aim {
        text: "at most 200 MB of memory for any of these",
        bound: Bound::AtMost(MEMORY_MAX),
        measured: peaks.iter().copied().reduce(f64::max),
        unit: "MB",
    };
    times.chain([memory]).collect()
}

/// How large the index of the farm is.
fn size(share: &Path) -> Result<String> {
    let (mut files, mut bytes) = (0_u32, 0);
    for user in fs_err::read_dir(share)? {
        let days = fs_err::read_dir(user?.path()).into_iter().flatten();
        let indexes = days.flatten().map(|day| day.path().join("index"));
        for file in indexes.flat_map(|index| fs_err::read_dir(index).into_iter().flatten()) {
            files += 1;
            bytes += file?.metadata()?.len();
        }
    }
    Ok(format!(
        "The index: {files} files, {} MB, {} bytes for each run.\n",
        bytes / 1_000_000,
        bytes / RUNS.parse::<u64>()?
    ))
}
