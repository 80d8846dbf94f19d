//! The runs of a job that started at a time that a person remembers.

use std::time::Duration;

use jiff::Timestamp;

use super::query::Query;
use super::run::Run;
use super::source::{Sources, Trouble};
use crate::debugging::share::layout;
use crate::model::Glob;

/// How far a run may have started from the time that is asked for, if none started at it.
pub const AROUND: Duration = Duration::from_mins(5);

/// How far from it the nearest are looked for.
const LOOK: Duration = Duration::from_hours(24);

/// Records of so much later are looked at: a run may have ended then.
const LONGEST_RUN: Duration = Duration::from_hours(7 * 24);

/// Runs before it, and after it, that are told if none fits.
const NEAREST: usize = 2;

/// A time as precise as it was said: from here up to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Its begin.
    pub from: Timestamp,
    /// Its end, which is no part of it.
    pub to: Timestamp,
}

/// What a moment means of a job's runs.
#[derive(Debug)]
pub enum At {
    /// This run.
    Run(Box<Run>),
    /// Any of these, oldest first: on several hosts, say.
    Several(Vec<Run>),
    /// None; these started before and after it, oldest first.
    None(Vec<Run>),
}

impl Moment {
    /// How far a run started from it.
    fn distance(self, run: &Run) -> Option<Duration> {
        let start = run.start?;
        let before = Duration::try_from(self.from.duration_since(start)).unwrap_or_default();
        let after = Duration::try_from(start.duration_since(self.to)).unwrap_or_default();
        let is_after = start >= self.to;
        // What starts with its end is behind it.
        Some(before.max(after).max(Duration::from_nanos(is_after.into())))
    }
}

/// The run of the job named `job` that started at a moment, or nearest to it within [`AROUND`]; of
/// several those that are `preferred`, if any is.
pub fn at(
    sources: &Sources<'_>,
    job: &str,
    user: Option<&Glob>,
    moment: Moment,
    preferred: impl Fn(&Run) -> bool,
) -> Result<At, Trouble> {
    let query = Query {
        until: Some(moment.to + LOOK),
        job: Some(Glob::new(job)),
        user: user.cloned(),
        ..Query::default()
    };
    let first = layout::day(moment.from - LOOK);
    let last = layout::day(moment.to + LONGEST_RUN);
    let mut runs = sources.runs_of_days(&query, (&first, &last))?.runs;
    runs.retain(|run| *run.job == *job);
    Ok(choose(runs, moment, preferred))
}

fn choose(mut runs: Vec<Run>, moment: Moment, preferred: impl Fn(&Run) -> bool) -> At {
    runs.sort_by_key(|run| (run.start, run.id));
    let nearest = runs.iter().filter_map(|run| moment.distance(run)).min();
    let Some(nearest) = nearest.filter(|distance| *distance <= AROUND) else {
        let behind = runs.partition_point(|run| run.start < Some(moment.from));
        let nearest = behind.saturating_sub(NEAREST)..(behind + NEAREST).min(runs.len());
        return At::None(runs.drain(nearest).collect());
    };
    runs.retain(|run| moment.distance(run) == Some(nearest));
    if runs.iter().any(&preferred) {
        runs.retain(preferred);
    }
    match <[Run; 1]>::try_from(runs) {
        Ok([run]) => At::Run(Box::new(run)),
        Err(several) => At::Several(several),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debugging::read::run::State;
    use crate::model::RunId;

    /// A run that started at that second of the day.
    fn run(second: i64) -> Run {
        Run {
            id: RunId::new(),
            job: "j".into(),
            user: "u".into(),
            host: format!("h{second}").into(),
            place: "h".into(),
            boot: None,
            start: Timestamp::from_second(second).ok(),
            trigger: None,
            runner: None,
            artifact: None,
            log: None,
            is_executing: false,
            is_local: false,
            end: None,
            state: State::Pending,
        }
    }

    fn seconds(at: &At) -> Vec<i64> {
        let runs: Vec<&Run> = match at {
            At::Run(run) => vec![run],
            At::Several(runs) | At::None(runs) => runs.iter().collect(),
        };
        let starts = runs.iter().filter_map(|run| run.start);
        starts.map(Timestamp::as_second).collect()
    }

    #[test]
    fn a_run_in_that_minute_wins_then_the_nearest_and_none_is_guessed() {
        let minute = |minute: i64| Moment {
            from: Timestamp::from_second(60 * minute).unwrap(),
            to: Timestamp::from_second(60 * minute + 60).unwrap(),
        };
        for (starts, asked, expected) in [
            // Each minute: that one alone.
            (&[602, 662, 722][..], 11, "Run [662]"),
            // The next minute begins where this one ends.
            (&[720], 11, "Run [720]"),
            (&[540, 3000], 11, "Run [540]"),
            (
                &[0, 60, 120, 2000, 2100, 2200],
                12,
                "None [60, 120, 2000, 2100]",
            ),
            (&[], 11, "None []"),
            // Two hosts.
            (&[661, 662, 700], 11, "Several [661, 662, 700]"),
        ] {
            let runs = starts.iter().map(|second| run(*second)).collect();
            let at = choose(runs, minute(asked), |_| false);
            let word = match at {
                At::Run(_) => "Run",
                At::Several(_) => "Several",
                At::None(_) => "None",
            };
            assert_eq!(format!("{word} {:?}", seconds(&at)), expected);
        }
        let runs = [661, 662, 700].map(run).to_vec();
        let at = choose(runs, minute(11), |run| &*run.host == "h662");
        assert_eq!(seconds(&at), [662]);
    }
}
