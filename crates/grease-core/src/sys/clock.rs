//! Clocks.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use super::env::Env;

/// The wall clock: for records and for people, never for durations.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The wall clock in the time zone of the caller: for what depends on the local day.
///
/// Without `TZ` the zone is read from `/etc/localtime` itself (`tzset(3)`): to find its name, the
/// whole database of zones would be listed, which takes as long as all else before a job starts.
pub fn local(env: &Env) -> ZonedDateTime {
    let of_machine = || {
        let bytes = fs_err::read("/etc/localtime").ok()?;
        TimeZone::tzif("/etc/localtime", &bytes).ok()
    };
    let zone = if env.raw("TZ").is_some() {
        None
    } else {
        of_machine()
    };
    now().to_zoned_datetime(zone.unwrap_or_else(TimeZone::system))
}

/// Time since boot, suspend included: for durations, whatever happens to the wall clock.
pub fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_of_the_machine_is_found_without_its_name() {
        let ours = local(&Env::default());
        let system = now().to_zoned_datetime(TimeZone::system());
        assert_eq!(ours.offset(), system.offset());
    }
}
