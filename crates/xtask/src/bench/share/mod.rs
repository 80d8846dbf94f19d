//! What a share adds to a job, healthy and hung, and what a run asks of it.

mod calls;
mod host;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use grease_testkit::faultfs::FaultFs;

use super::comparison::{median, milliseconds};
use super::ground::Ground;
use super::{Aim, Bound, Chapter};
use host::{Host, Times};

/// The job of which times are taken, for a shell: it says that it runs.
const SMALL: &str = "echo runs";

/// How long greaserun waits for its log to arrive at most, `logs.wait`.
const WAIT: Duration = Duration::from_secs(2);

/// What was found so far.
struct Scene<'a> {
    ground: &'a Ground,
    body: String,
    aims: Vec<Aim>,
}

/// Medians in milliseconds.
#[derive(Clone, Copy)]
struct Row {
    before: f64,
    after: f64,
}

pub(super) fn run(ground: &Ground) -> Result<Chapter> {
    let mut scene = Scene {
        ground,
        body: String::new(),
        aims: Vec::new(),
    };
    let hung = FaultFs::mount();
    scene.times(hung)?;
    if let Some(share) = FaultFs::mount_with_memory(calls::MEMORY) {
        scene.calls(&share)?;
    }
    Ok(Chapter {
        heading: "A share",
        body: scene.body,
        aims: scene.aims,
    })
}

impl Scene<'_> {
    /// The time before and after a job that does nothing.
    fn times(&mut self, fault: Option<FaultFs>) -> Result<()> {
        let rounds = self.ground.rounds(100);
        let local = self.ground.path("share-of-a-directory");
        fs_err::create_dir(&local)?;
        let none = Host::make(self.ground, "without", None)?;
        let healthy = Host::make(self.ground, "healthy", Some(&local))?;
        let hung = fault.as_ref();
        let hung = hung.map(|fault| Host::make(self.ground, "hung", Some(&fault.path())));
        let hung = hung.transpose()?;
        let mut first = None;
        if let (Some(fault), Some(hung)) = (&fault, &hung) {
            host::mark(&fault.backing())?;
            hung.run(SMALL)?;
            hung.until_shipped()?;
            fault.rules("*=hang");
            first = Some(hung.run(SMALL)?);
            // From now on greaserun knows that it hangs.
            std::thread::sleep(WAIT);
        }
        let hosts: Vec<&Host> = [&none, &healthy].into_iter().chain(&hung).collect();
        let mut times: Vec<Vec<Times>> = hosts.iter().map(|_| Vec::new()).collect();
        for round in 0..=rounds as usize {
            for place in 0..hosts.len() {
                let index = (round + place) % hosts.len();
                let took = hosts[index].run(SMALL)?;
                times[index].extend(Some(took).filter(|_| round > 0));
            }
        }
        drop(fault); // What waits there fails, and the shippers can be ended.
        drop(hosts);
        self.tell_times(rounds, &times, first)
    }

    fn tell_times(
        &mut self,
        rounds: u32,
        times: &[Vec<Times>],
        first: Option<Times>,
    ) -> Result<()> {
        let rows: Vec<Row> = times.iter().filter_map(|times| Row::of(times)).collect();
        let names = [
            "no share",
            "a share on a local directory",
            "a share that hangs",
        ];
        writeln!(
            self.body,
            "| {rounds} rounds, medians of wall time in ms | until the job runs | from then to the end \
             | difference, before | difference, after |\n|---|--:|--:|--:|--:|"
        )?;
        let none = rows[0];
        for (name, Row { before, after }) in names.into_iter().zip(&rows) {
            let (more_before, more_after) = (before - none.before, after - none.after);
            writeln!(
                self.body,
                "| {name} | {before:.2} | {after:.2} | {more_before:+.2} | {more_after:+.2} |"
            )?;
        }
        if let Some(Times { before, after }) = first {
            writeln!(
                self.body,
                "| the first run since it hangs, once | {:.2} | {:.2} | {:+.2} | {:+.2} |",
                milliseconds(before),
                milliseconds(after),
                milliseconds(before) - none.before,
                milliseconds(after) - none.after,
            )?;
        }
        self.body.push('\n');
        let added = |index: usize, of: fn(&Row) -> f64| Some(of(rows.get(index)?) - of(&none));
        let once = first.map(|first| milliseconds(first.after) - none.after);
        let healthy = "with a healthy share: at most";
        for (text, most, measured) in [
            (
                format!("{healthy} 5 ms more before the job"),
                5.0,
                added(1, |row| row.before),
            ),
            (
                format!("{healthy} 30 ms more after it"),
                30.0,
                added(1, |row| row.after),
            ),
            (
                "the same with one that hangs, before".to_owned(),
                5.0,
                added(2, |row| row.before),
            ),
            (
                "the same with one that hangs, after".to_owned(),
                30.0,
                added(2, |row| row.after),
            ),
            ("and once at most 2 s more".to_owned(), 2030.0, once),
        ] {
            self.aims.push(Aim {
                text: text.leak(),
                bound: Bound::AtMost(most),
                measured,
                unit: "ms",
            });
        }
        Ok(())
    }
}

impl Row {
    fn of(times: &[Times]) -> Option<Self> {
        let middle = |part: fn(&Times) -> Duration| {
            let mut all: Vec<Duration> = times.iter().map(part).collect();
            all.sort_unstable();
            median(&all)
        };
        Some(Self {
            before: middle(|times| times.before)?,
            after: middle(|times| times.after)?,
        })
    }
}
