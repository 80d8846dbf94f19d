//! When metadata was last asked for, as Maven notes it, and when it is due again.
//!
//! `resolver-status.properties` has, for each metadata file, `<file>.lastUpdated` (milliseconds
//! since 1970) after an answer, with `<file>.error` (empty) if the answer was that there is none;
//! after a failed transfer `<file>.error` has the reason and the time stands under another key.
//! Failures are read here and never written: a repository that works again is asked at once.

use jiff::{SignedDuration, Timestamp, ZonedDateTime};

use super::properties::Properties;
use crate::repository::UpdatePolicy;

/// Name of the file, one in each directory that has metadata.
pub(super) const FILE_NAME: &str = "resolver-status.properties";

/// How far ahead another host's clock may be. A stamp further in the future is not believed, for
/// it would hold off updates until then.
const CLOCK_SKEW_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What is noted about a metadata file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// When a repository last said what it is, or that there is none.
    pub checked_at: Option<Timestamp>,
    /// What Maven noted as the reason of the last failure; empty if there was none to be found.
    pub error: Option<String>,
}

impl Status {
    pub(super) fn of(file_name: &str, properties: &Properties) -> Self {
        let error = properties.get(&format!("{file_name}.error"));
        let checked_at = properties
            .get(&format!("{file_name}.lastUpdated"))
            .and_then(timestamp);
        Self {
            checked_at,
            error: error.map(str::to_owned),
        }
    }
}

/// Notes that a repository gave, or confirmed, a metadata file.
pub(super) fn note(properties: &mut Properties, file_name: &str, now: Timestamp) {
    let error = format!("{file_name}.error");
    let transfers = format!("{file_name}/");
    properties.remove(|key| key == error || key.starts_with(&transfers));
    properties.set(
        &format!("{file_name}.lastUpdated"),
        &now.as_millisecond().to_string(),
    );
}

fn timestamp(milliseconds: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds.parse().ok()?).ok()
}

/// Tells whether metadata is to be asked for again.
///
/// A day ends at midnight of `now`'s time zone (Maven: `daily`). What was never asked for is due
/// whatever the policy, and so is what was asked for in the future: a clock was set back.
pub fn is_due(policy: UpdatePolicy, checked_at: Option<Timestamp>, now: &ZonedDateTime) -> bool {
    let Some(checked_at) = checked_at else {
        return true;
    };
    let age = now.timestamp().duration_since(checked_at);
    if age < -CLOCK_SKEW_MAX {
        return true;
    }
    match policy {
        UpdatePolicy::Always => true,
        UpdatePolicy::Daily => now
            .start_of_day()
            .is_ok_and(|start| checked_at < start.timestamp()),
        UpdatePolicy::Interval(interval) => {
            SignedDuration::try_from(interval).is_ok_and(|interval| age >= interval)
        }
        UpdatePolicy::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn due(policy: UpdatePolicy, checked: &str, now: &str) -> bool {
        is_due(
            policy,
            Some(checked.parse().unwrap()),
            &now.parse().unwrap(),
        )
    }

    #[test]
    fn a_day_ends_at_local_midnight() {
        let now = "2026-11-24T00:01:00+01:00[Europe/Stockholm]";
        assert!(due(UpdatePolicy::Daily, "2026-11-23T22:59:59Z", now));
        assert!(!due(UpdatePolicy::Daily, "2026-11-23T23:00:00Z", now));
        // Twenty-three hours ago and still today.
        let now = "2026-11-24T23:59:00+01:00[Europe/Stockholm]";
        assert!(!due(UpdatePolicy::Daily, "2026-11-23T23:59:00Z", now));
    }

    #[test]
    fn an_interval_ends_to_the_minute() {
        let hour = UpdatePolicy::Interval(Duration::from_hours(1));
        assert!(!due(
            hour,
            "2026-11-24T10:00:00Z",
            "2026-11-24T10:59:00+00:00[UTC]"
        ));
        assert!(due(
            hour,
            "2026-11-24T10:00:00Z",
            "2026-11-24T11:00:00+00:00[UTC]"
        ));
    }

    #[test]
    fn always_and_never_do_not_look_at_the_time() {
        for checked in ["1970-01-01T00:00:01Z", "2026-11-24T10:00:00Z"] {
            assert!(due(
                UpdatePolicy::Always,
                checked,
                "2026-11-24T10:00:00+00:00[UTC]"
            ));
            assert!(!due(
                UpdatePolicy::Never,
                checked,
                "2026-11-24T10:00:00+00:00[UTC]"
            ));
        }
    }

    #[test]
    fn a_stamp_in_the_future_is_believed_within_the_skew_of_clocks_only() {
        let policies = [
            UpdatePolicy::Daily,
            UpdatePolicy::Interval(Duration::from_hours(1)),
            UpdatePolicy::Never,
        ];
        for policy in policies {
            assert!(!due(
                policy,
                "2026-11-24T10:04:59Z",
                "2026-11-24T10:00:00+00:00[UTC]"
            ));
            assert!(due(
                policy,
                "2026-11-24T10:05:01Z",
                "2026-11-24T10:00:00+00:00[UTC]"
            ));
            assert!(due(
                policy,
                "2026-11-26T10:00:00Z",
                "2026-11-24T10:00:00+00:00[UTC]"
            ));
        }
    }

    #[test]
    fn what_was_never_asked_for_is_due() {
        let now = "2026-11-24T10:00:00+00:00[UTC]".parse().unwrap();
        assert!(is_due(UpdatePolicy::Never, None, &now));
    }

    #[test]
    fn what_maven_noted_is_read_and_a_success_clears_its_errors() {
        let mut properties = Properties::parse(
            b"a.xml.error=Could not transfer\n\
              a.xml/@default-corp-http\\://h/.lastUpdated=1700000000000\n\
              b.xml.error=\nb.xml.lastUpdated=1700000000000\nb.xml.lastUpdated.x=nonsense\n",
        );
        assert_eq!(
            Status::of("a.xml", &properties),
            Status {
                checked_at: None,
                error: Some("Could not transfer".to_owned())
            }
        );
        let stamp = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        assert_eq!(
            Status::of("b.xml", &properties),
            Status {
                checked_at: Some(stamp),
                error: Some(String::new())
            }
        );
        note(&mut properties, "a.xml", stamp);
        assert_eq!(
            Status::of("a.xml", &properties),
            Status {
                checked_at: Some(stamp),
                error: None
            }
        );
        assert_eq!(properties.iter().count(), 4);
    }
}
