//! Clocks.

use std::time::Duration;

use jiff::{Timestamp, ZonedDateTime};

/// The wall clock: for records and for people, never for durations.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The wall clock in the time zone of this machine: for what depends on the local day.
pub fn local() -> ZonedDateTime {
    ZonedDateTime::now()
}

/// Time since boot, suspend included: for durations, whatever happens to the wall clock.
pub fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
