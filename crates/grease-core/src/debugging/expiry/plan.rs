//! What is to go and what is to be compressed. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SpanRound, ToSpan as _, Unit};

use super::YOUNG_DAYS;
use crate::debugging::config::Retention;
use crate::model::RunId;

/// Fewest days after which logs are compressed: before, they may still be written.
const COMPRESS_DAYS_MIN: u32 = 2;

/// What there is of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What time it is on the share, since 1970.
    pub now: Duration,
    /// The UTC day of that.
    pub today: Date,
    /// The days, oldest first.
    pub days: Vec<Day>,
    /// Directories that are being removed.
    pub trash: Vec<String>,
    /// Runs that still write.
    pub live: BTreeSet<RunId>,
}

/// A day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// Name of its directory.
    pub name: String,
    /// The day.
    pub date: Date,
    /// How much it holds.
    pub bytes: u64,
}

/// What is to be done with a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The rest of something goes that is no day any more.
    Sweep(String),
    /// All of it goes.
    Remove(String),
    /// The logs go of runs that did not fail.
    Thin(String),
    /// Its logs are compressed.
    Compress(String),
}

/// Decides; first what makes room.
pub fn plan(facts: &Facts, retention: &Retention) -> Vec<Step> {
    let age = |day: &Day| {
        let days = SpanRound::new().largest(Unit::Day).days_are_24_hours();
        let since = day
            .date
            .until(facts.today)
            .and_then(|span| span.round(days));
        since.map_or(0, |span| i64::from(span.get_days()))
    };
    let busy = busy(&facts.live);
    let is_busy = |day: &Day| busy.contains(&day.date);
    let mut steps: Vec<Step> = facts.trash.iter().cloned().map(Step::Sweep).collect();
    let sizes = facts.days.iter().map(|day| day.bytes);
    let mut total = sizes.fold(0, u64::saturating_add);
    let mut left = Vec::new();
    for day in &facts.days {
        let is_too_much = total > retention.max_size.get() && age(day) >= i64::from(YOUNG_DAYS);
        let is_too_old = age(day) > i64::from(retention.failed_days);
        if (is_too_much || is_too_old) && !is_busy(day) {
            total = total.saturating_sub(day.bytes);
            steps.push(Step::Remove(day.name.clone()));
        } else {
            left.push(day);
        }
    }
    let is_thinned = |day: &&&Day| age(day) > i64::from(retention.days);
    steps.extend(
        left.iter()
            .filter(is_thinned)
            .map(|day| Step::Thin(day.name.clone())),
    );
    let compress = i64::from(retention.compress_days.max(COMPRESS_DAYS_MIN));
    let is_cold = |day: &&&Day| age(day) > compress;
    steps.extend(
        left.iter()
            .filter(is_cold)
            .map(|day| Step::Compress(day.name.clone())),
    );
    steps
}

/// The days in which runs began that still write: an id is drawn shortly before its run begins.
fn busy(live: &BTreeSet<RunId>) -> BTreeSet<Date> {
    let drawn = live.iter().filter_map(|run| run.drawn_at());
    drawn
        .flat_map(|time| [Some(time), time.checked_add(1.hours()).ok()])
        .flatten()
        .map(|time| time.to_zoned_datetime(TimeZone::UTC).date())
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::model::quantity::Bytes;

    fn facts(days: &[(Date, u64)]) -> Facts {
        let day = |(date, bytes): &(Date, u64)| Day {
            name: date.to_string(),
            date: *date,
            bytes: *bytes,
        };
        Facts {
            now: Duration::ZERO,
            today: date(2026, 11, 24),
            days: days.iter().map(day).collect(),
            trash: Vec::new(),
            live: BTreeSet::new(),
        }
    }

    fn names(steps: &[Step]) -> String {
        let name = |step: &Step| match step {
            Step::Sweep(name) => format!("sweep {name}"),
            Step::Remove(name) => format!("remove {name}"),
            Step::Thin(name) => format!("thin {name}"),
            Step::Compress(name) => format!("compress {name}"),
        };
        steps.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_age_has_its_step() {
        let retention = Retention::default();
        for (day, expected) in [
            (date(2026, 11, 24), ""),
            (date(2026, 11, 17), ""),
            (date(2026, 11, 16), "compress 2026-11-16"),
            (date(2026, 10, 25), "compress 2026-10-25"),
            (date(2026, 10, 24), "thin 2026-10-24, compress 2026-10-24"),
            (date(2026, 8, 26), "thin 2026-08-26, compress 2026-08-26"),
            (date(2026, 8, 25), "remove 2026-08-25"),
            (date(1999, 1, 1), "remove 1999-01-01"),
            (date(2036, 1, 1), ""),
        ] {
            assert_eq!(
                names(&plan(&facts(&[(day, 1)]), &retention)),
                expected,
                "{day}"
            );
        }
    }

    #[test]
    fn the_oldest_days_go_when_it_is_too_much_and_the_youngest_never_do() {
        let retention = Retention {
            max_size: Bytes::new(100),
            ..Retention::default()
        };
        let days = |newest| {
            facts(&[
                (date(2026, 11, 20), 60),
                (date(2026, 11, 21), 60),
                (date(2026, 11, 22), 30),
                (date(2026, 11, 23), newest),
            ])
        };
        assert_eq!(names(&plan(&days(5), &retention)), "remove 2026-11-20");
        assert_eq!(
            names(&plan(&days(20), &retention)),
            "remove 2026-11-20, remove 2026-11-21"
        );
        let all = "remove 2026-11-20, remove 2026-11-21, remove 2026-11-22";
        assert_eq!(names(&plan(&days(2000), &retention)), all);
    }

    #[test]
    fn logs_are_not_compressed_while_they_may_still_be_written() {
        let retention = Retention {
            compress_days: 1,
            ..Retention::default()
        };
        assert_eq!(
            names(&plan(&facts(&[(date(2026, 11, 22), 1)]), &retention)),
            ""
        );
        let steps = plan(&facts(&[(date(2026, 11, 21), 1)]), &retention);
        assert_eq!(names(&steps), "compress 2026-11-21");
    }

    #[test]
    fn the_day_of_a_run_that_still_writes_stays() {
        let run = RunId::new();
        let day = run
            .drawn_at()
            .unwrap()
            .to_zoned_datetime(TimeZone::UTC)
            .date();
        let mut facts = facts(&[(day, 1)]);
        facts.today = day + 1.years();
        assert!(names(&plan(&facts, &Retention::default())).starts_with("remove"));
        facts.live.insert(run);
        assert!(names(&plan(&facts, &Retention::default())).starts_with("thin"));
    }

    #[test]
    fn what_was_begun_is_finished_first() {
        let mut facts = facts(&[(date(2020, 1, 1), 1)]);
        facts.trash.push(".trash-x".to_owned());
        assert_eq!(
            names(&plan(&facts, &Retention::default())),
            "sweep .trash-x, remove 2020-01-01"
        );
    }
}
