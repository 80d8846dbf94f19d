//! Policies: how often is asked again, and what a wrong checksum means, as Maven writes them.

use std::time::Duration;

use super::document::Text;
use super::error::Warning;
use super::model::DeclaredPolicy;
use crate::repository::{ChecksumPolicy, Policy, UpdatePolicy};

/// What `interval:` means with something that is no number: a day, as to Maven.
const INTERVAL_UNREADABLE: Duration = Duration::from_hours(24);

/// The policy that a profile declares, with Maven's own where it says nothing.
pub(super) fn policy(declared: &DeclaredPolicy, warnings: &mut Vec<Warning>) -> Policy {
    let DeclaredPolicy {
        enabled,
        update,
        checksum,
    } = declared;
    Policy {
        enabled: *enabled,
        update: update
            .as_ref()
            .map_or(UpdatePolicy::Daily, |text| update_policy(text, warnings)),
        checksum: checksum
            .as_ref()
            .map_or(ChecksumPolicy::Warn, |text| checksum_policy(text, warnings)),
    }
}

fn update_policy(text: &Text, warnings: &mut Vec<Warning>) -> UpdatePolicy {
    match text.value.as_str() {
        "always" => UpdatePolicy::Always,
        "daily" => UpdatePolicy::Daily,
        "never" => UpdatePolicy::Never,
        other => match other.strip_prefix("interval:").map(str::parse::<u32>) {
            Some(Ok(minutes)) => UpdatePolicy::Interval(Duration::from_mins(minutes.into())),
            Some(Err(_)) => {
                warnings.push(text.unknown("interval:1440"));
                UpdatePolicy::Interval(INTERVAL_UNREADABLE)
            }
            None => {
                warnings.push(text.unknown("never"));
                UpdatePolicy::Never
            }
        },
    }
}

fn checksum_policy(text: &Text, warnings: &mut Vec<Warning>) -> ChecksumPolicy {
    match text.value.as_str() {
        "ignore" => ChecksumPolicy::Ignore,
        "warn" => ChecksumPolicy::Warn,
        "fail" => ChecksumPolicy::Fail,
        _ => {
            warnings.push(text.unknown("warn"));
            ChecksumPolicy::Warn
        }
    }
}
