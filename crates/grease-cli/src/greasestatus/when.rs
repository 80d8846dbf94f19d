//! Times as people give and read them: local.

use std::time::Duration;

use grease_core::debugging::read::Moment;
use grease_core::model::ErrorKind;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::failure::Failure;

/// Characters of `2026-11-24`.
const DAY_LENGTH: usize = 10;

/// Reads a time: how long ago (`90m`, `7d`), a day, a time of day, both, or RFC 3339.
pub(super) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let wrong = || {
        let text = format!("`{text}` is no time");
        let forms = "`90m`, `7d`, `2026-11-24`, `14:05`, `2026-11-24T14:05`, or RFC 3339";
        Failure::new(ErrorKind::Usage, text).hinting(format!("known forms are {forms}"))
    };
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Some(ago) = ago(text) {
        return now.checked_sub(ago).map_err(|_| wrong());
    }
    let local = now.to_zoned_datetime(zone.clone());
    // `Date` would also take a time behind the day, and ignore it.
    let civil = if text.len() == DAY_LENGTH
        && let Ok(date) = text.parse::<Date>()
    {
        date.to_datetime(Time::midnight())
    } else if let Ok(time) = text.parse::<DateTime>() {
        time
    } else if let Ok(time) = text.parse::<Time>() {
        let today = local.date().to_datetime(time);
        if today > local.datetime() {
            today.checked_sub(1.day()).map_err(|_| wrong())?
        } else {
            today
        }
    } else {
        return Err(wrong());
    };
    let zoned = civil.to_zoned_datetime(zone.clone()).map_err(|_| wrong())?;
    Ok(zoned.timestamp())
}

/// Reads a moment as precise as it is said: a day, a minute, or a second; a time of day is the last
/// one. None for what is no such time.
pub(super) fn moment(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Moment> {
    let is_day = text.len() == DAY_LENGTH && text.parse::<Date>().is_ok();
    if !is_day && !text.contains(':') {
        return None;
    }
    let from = parse(text, now, zone).ok()?;
    let to = if is_day {
        let tomorrow = from.to_zoned_datetime(zone.clone()).tomorrow();
        tomorrow.ok()?.timestamp()
    } else {
        let time = text.rsplit(['T', ' ']).next().unwrap_or(text);
        let is_minute = time.matches(':').count() == 1 && !text.ends_with('Z');
        from + Duration::from_secs(if is_minute { 60 } else { 1 })
    };
    Some(Moment { from, to })
}

fn ago(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

/// Day and time of day: `24 Nov 14:05:02`.
pub(super) fn day_and_time(time: Option<Timestamp>, zone: &TimeZone) -> String {
    shown(time, zone, "%d %b %H:%M:%S")
}

/// The time of day, with the day if that is another one than now's.
pub(super) fn recent(time: Option<Timestamp>, now: Timestamp, zone: &TimeZone) -> String {
    let day = |time: Timestamp| time.to_zoned_datetime(zone.clone()).date();
    let is_today = time.is_some_and(|time| day(time) == day(now));
    shown(time, zone, if is_today { "%H:%M" } else { "%d %b %H:%M" })
}

/// All of it, with the offset from UTC.
pub(super) fn full(time: Option<Timestamp>, zone: &TimeZone) -> String {
    shown(time, zone, "%Y-%m-%d %H:%M:%S %:z")
}

fn shown(time: Option<Timestamp>, zone: &TimeZone, format: &str) -> String {
    time.map_or_else(
        || "?".to_owned(),
        |time| {
            time.to_zoned_datetime(zone.clone())
                .strftime(format)
                .to_string()
        },
    )
}

/// How long something took: `4m08s`, `3.2s`, `2h05m`, `3d04h`.
pub(super) fn took(duration: Option<Duration>) -> String {
    let Some(duration) = duration else {
        return "–".to_owned();
    };
    let seconds = duration.as_secs();
    match (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, _) => format!("{:.1}s", duration.as_secs_f64()),
        (0, 0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (0, hours, minutes, _) => format!("{hours}h{minutes:02}m"),
        (days, hours, _, _) => format!("{days}d{hours:02}h"),
    }
}

/// How long something has been going on, roughly: `4s`, `49m`, `3h`, `2d`.
pub(super) fn about(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("90m", "2026-11-24T10:30:00Z"),
            ("7d", "2026-11-17T12:00:00Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-11-20T14:05", "2026-11-20T13:05:00Z"),
            ("2026-11-20 14:05:01", "2026-11-20T13:05:01Z"),
            ("12:30", "2026-11-24T11:30:00Z"),
            ("14:30", "2026-11-23T13:30:00Z"),
            ("2026-11-20T14:05:00Z", "2026-11-20T14:05:00Z"),
        ] {
            let parsed = parse(text, now, &zone).unwrap();
            assert_eq!(parsed, expected.parse().unwrap(), "{text}");
        }
        for text in [
            "",
            "d",
            "x7d",
            "7y",
            "25:00",
            "2026-13-01",
            "99999999999999999999d",
            "é",
        ] {
            assert!(parse(text, now, &zone).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_as_long_as_it_is_said_precisely() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, from, seconds) in [
            ("12:30", "2026-11-24T11:30:00Z", 60),
            ("14:30:05", "2026-11-23T13:30:05Z", 1),
            ("2026-11-20", "2026-11-19T23:00:00Z", 86_400),
            ("2026-11-20T14:05", "2026-11-20T13:05:00Z", 60),
            ("2026-11-20T14:05:01", "2026-11-20T13:05:01Z", 1),
            ("2026-11-20T14:05:00Z", "2026-11-20T14:05:00Z", 1),
        ] {
            let moment = moment(text, now, &zone).unwrap();
            assert_eq!(moment.from, from.parse().unwrap(), "{text}");
            let length = moment.to.duration_since(moment.from).as_secs();
            assert_eq!(length, seconds, "{text}");
        }
        for text in ["failed", "-2", "7d", "home", "1305", "25:00", ""] {
            assert_eq!(moment(text, now, &zone), None, "{text}");
        }
    }

    #[test]
    fn durations_are_short() {
        for (seconds, expected) in [
            (3, "3.0s"),
            (248, "4m08s"),
            (7500, "2h05m"),
            (273_600, "3d04h"),
        ] {
            assert_eq!(took(Some(Duration::from_secs(seconds))), expected);
        }
        assert_eq!(about(Duration::from_mins(49)), "49m");
    }
}
