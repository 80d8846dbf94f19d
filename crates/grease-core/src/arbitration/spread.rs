//! How far a scheduled start is put off, so that not all starts of a minute come at once.
//!
//! One host alone needs no more than a delay that differs from job to job. Where several hosts may
//! take the same tick, the host that wakes first has it: a delay in proportion to the load, a bid,
//! lets an idle host be that one. A bid must be made again after the sleep, since the other starts
//! of the same minute went to the same idle host meanwhile: see [`remaining`].

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::config::{Jitter, JitterMode};

/// A rest up to this is not slept: a tenth of a second spreads nothing, and a load that creeps up
/// would ask for ever smaller ones. So a bid is made again at most ten times for each second of the
/// longest delay.
const GRAIN: Duration = Duration::from_millis(100);

/// The delay of a start, at most the longest of `jitter`; `draw` is a random number from 0 to
/// below 1.
///
/// In mode `hash` it depends on `host` and `key` alone, in every version of the program: a job
/// keeps its second of the minute. In mode `bid` it is that of an idle host; see [`bid`].
pub fn delay(jitter: &Jitter, host: &str, key: &str, draw: f64) -> Duration {
    match jitter.mode {
        JitterMode::None => Duration::ZERO,
        JitterMode::Hash => share(jitter.max.get(), of_hash(host, key)),
        JitterMode::Random => share(jitter.max.get(), draw),
        JitterMode::Bid => bid(jitter, 0.0, 0, 1.0, draw),
    }
}

/// The delay of a start that other hosts may make as well: the longer, the more loaded the host;
/// at most the longest of `jitter`.
///
/// `load` is what runs on the host, corrected for what just started; `waiting` is how many runs
/// wait for its guard; at a `capacity` of as much, or if the load is unknown (`NaN`), the host bids
/// the longest delay. `draw` is a random number from 0 to below 1, the same whenever a run bids; it
/// decides between hosts of nearly the same load.
pub fn bid(jitter: &Jitter, load: f64, waiting: usize, capacity: f64, draw: f64) -> Duration {
    let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
    let fullness = if capacity > 0.0 {
        (load + f64::from(waiting)) / capacity
    } else {
        1.0
    };
    let max = jitter.max.get();
    let noise = share(jitter.noise.get(), draw);
    share(max, fullness).saturating_add(noise).min(max)
}

/// What is left to sleep of a bid that was just made; none if the run may go on.
///
/// A run bids, sleeps what is left, bids again, and so on until nothing is left. If the load did
/// not rise meanwhile, one sleep is all; in no case does it sleep longer than the longest delay.
pub fn remaining(bid: Duration, slept: Duration) -> Option<Duration> {
    let left = bid.saturating_sub(slept);
    (left > GRAIN).then_some(left)
}

/// A number from 0 to below 1 that is always the same for a job and a host.
fn of_hash(host: &str, key: &str) -> f64 {
    let mut hash = Sha256::new();
    // The length keeps `ab` and `c` apart from `a` and `bc`.
    hash.update((host.len() as u64).to_be_bytes());
    hash.update(host);
    hash.update(key);
    let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
    f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
}

/// A part of a time, from none to all of it; what is no number is all: who knows nothing goes last.
fn share(whole: Duration, part: f64) -> Duration {
    let part = if part.is_nan() { 1.0 } else { part };
    whole.mul_f64(part.clamp(0.0, 1.0))
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::model::quantity::Span;

    const MODES: [JitterMode; 4] = [
        JitterMode::None,
        JitterMode::Hash,
        JitterMode::Random,
        JitterMode::Bid,
    ];

    fn jitter(mode: JitterMode, max: Span, noise: Span) -> Jitter {
        Jitter { mode, max, noise }
    }

    fn seconds(mode: JitterMode, max: u64) -> Jitter {
        jitter(mode, Span::seconds(max), Span::seconds(2))
    }

    /// Spans up to the hour that the config allows.
    fn any_span() -> impl Strategy<Value = Span> {
        (0..=3_600_000_u64).prop_map(Span::milliseconds)
    }

    /// Numbers of all kinds: infinite ones, `NaN`, negative ones and those that make sense.
    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![proptest::num::f64::ANY, -1.0..100.0]
    }

    #[test]
    fn the_delay_of_a_job_is_the_same_in_every_version_of_the_program() {
        // SHA-256 of the length in 8 bytes, `w1` and the key begins with c0b3c29b and 5fb67900.
        let minute = seconds(JitterMode::Hash, 60);
        let delay = |key| delay(&minute, "w1", key, 0.0).as_millis();
        assert_eq!(delay("com.acme:etl/daily#1"), 45_164);
        assert_eq!(delay("com.acme:etl/daily#2"), 22_432);
    }

    #[test]
    fn host_and_key_are_kept_apart() {
        let all = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")];
        let hour = seconds(JitterMode::Hash, 3600);
        let delays: BTreeSet<Duration> = all
            .iter()
            .map(|(host, key)| delay(&hour, host, key, 0.0))
            .collect();
        assert_eq!(delays.len(), all.len());
    }

    #[test]
    fn a_thousand_jobs_of_a_host_use_every_second_of_the_minute_and_none_too_much() {
        // 16.7 are to be expected in a second; hashes clump as dice do, 9 to 26 are usual.
        let minute = seconds(JitterMode::Hash, 60);
        for host in ["w1", "w2", "worker-17.example.com", ""] {
            let mut starts = [0; 60];
            for job in 0..1000 {
                let delay = delay(&minute, host, &format!("com.acme:job-{job}"), 0.0);
                starts[usize::try_from(delay.as_secs()).unwrap()] += 1;
            }
            let (least, most) = (starts.iter().min().unwrap(), starts.iter().max().unwrap());
            assert!(*least > 0 && *most <= 35, "{host}: {least} to {most}");
        }
    }

    #[test]
    fn without_a_mode_nothing_is_put_off() {
        let none = seconds(JitterMode::None, 59);
        assert_eq!(delay(&none, "w1", "job", 0.9), Duration::ZERO);
    }

    #[test]
    fn a_draw_is_a_part_of_the_longest_delay() {
        let random = seconds(JitterMode::Random, 60);
        for (draw, seconds) in [(0.0, 0), (0.25, 15), (0.5, 30), (0.75, 45)] {
            assert_eq!(delay(&random, "w", "j", draw), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn a_bid_is_in_proportion_to_what_runs_and_waits() {
        let minute = seconds(JitterMode::Bid, 60);
        for (load, waiting, draw, seconds) in [
            (0.0, 0, 0.0, 0),
            (4.0, 0, 0.0, 15),
            (4.0, 4, 0.0, 30),
            (4.0, 4, 0.5, 31),
            (16.0, 0, 0.0, 60),
            (16.0, 0, 0.5, 60),
            (900.0, 7, 0.0, 60),
            (-3.0, 0, 0.0, 0),
            (f64::INFINITY, 0, 0.0, 60),
        ] {
            let bid = bid(&minute, load, waiting, 16.0, draw);
            assert_eq!(bid, Duration::from_secs(seconds), "{load} + {waiting}");
        }
        assert_eq!(
            delay(&minute, "w", "j", 0.5),
            Duration::from_secs(1),
            "idle"
        );
    }

    #[test]
    fn a_host_that_does_not_know_how_loaded_it_is_goes_last() {
        let minute = seconds(JitterMode::Bid, 60);
        for (load, capacity) in [
            (f64::NAN, 16.0),
            (0.0, f64::NAN),
            (0.0, 0.0),
            (0.0, -1.0),
            (f64::INFINITY, f64::INFINITY),
        ] {
            let bid = bid(&minute, load, 0, capacity, 0.0);
            assert_eq!(bid, Duration::from_mins(1), "{load} of {capacity}");
        }
    }

    #[test]
    fn a_bid_that_rose_is_slept_for_as_far_as_it_rose() {
        let seconds = Duration::from_secs;
        assert_eq!(remaining(seconds(5), seconds(0)), Some(seconds(5)));
        assert_eq!(remaining(seconds(7), seconds(5)), Some(seconds(2)));
        assert_eq!(remaining(seconds(5), seconds(5)), None);
        assert_eq!(remaining(seconds(3), seconds(5)), None);
        assert_eq!(remaining(GRAIN, Duration::ZERO), None);
    }

    #[test]
    fn a_load_that_creeps_up_is_not_asked_for_without_an_end() {
        let minute = seconds(JitterMode::Bid, 60);
        let (mut slept, mut sleeps, mut load) = (Duration::ZERO, 0, 0.0);
        while let Some(rest) = remaining(bid(&minute, load, 0, 16.0, 0.5), slept) {
            (slept, sleeps, load) = (slept + rest, sleeps + 1, load + 0.001);
            assert!(GRAIN * sleeps <= minute.max.get(), "{sleeps} sleeps");
        }
    }

    proptest! {
        #[test]
        fn no_delay_is_longer_than_the_longest(
            mode in proptest::sample::select(MODES.to_vec()),
            max in any_span(),
            noise in any_span(),
            host: String,
            key: String,
            draw in any_number(),
        ) {
            let jitter = jitter(mode, max, noise);
            let first = delay(&jitter, &host, &key, draw);
            prop_assert!(first <= max.get());
            prop_assert_eq!(delay(&jitter, &host, &key, draw), first, "the same again");
        }

        #[test]
        fn no_bid_is_longer_than_the_longest_delay(
            max in any_span(),
            noise in any_span(),
            load in any_number(),
            waiting: usize,
            capacity in any_number(),
            draw in any_number(),
        ) {
            let jitter = jitter(JitterMode::Bid, max, noise);
            prop_assert!(bid(&jitter, load, waiting, capacity, draw) <= max.get());
        }

        #[test]
        fn a_hash_stays_below_the_longest_delay_and_heeds_no_draw(
            host: String, key: String, draw in any_number(),
        ) {
            let minute = seconds(JitterMode::Hash, 60);
            let first = delay(&minute, &host, &key, draw);
            prop_assert!(first < Duration::from_mins(1));
            prop_assert_eq!(delay(&minute, &host, &key, 0.5), first);
        }

        #[test]
        fn two_hosts_or_two_jobs_have_different_delays(one: String, two: String, same: String) {
            prop_assume!(one != two);
            let hour = seconds(JitterMode::Hash, 3600);
            let delay = |host, key| delay(&hour, host, key, 0.0);
            prop_assert_ne!(delay(&one, &same), delay(&two, &same));
            prop_assert_ne!(delay(&same, &one), delay(&same, &two));
        }

        #[test]
        fn a_host_of_more_load_never_bids_less(
            load in 0.0..100.0_f64,
            more in 0.0..100.0_f64,
            waiting in 0..100_usize,
            more_waiting in 0..100_usize,
            capacity in 0.1..1000.0_f64,
            draw in 0.0..1.0_f64,
        ) {
            let minute = seconds(JitterMode::Bid, 60);
            let less = bid(&minute, load, waiting, capacity, draw);
            let most = bid(&minute, load + more, waiting + more_waiting, capacity, draw);
            prop_assert!(less <= most);
        }

        #[test]
        fn however_the_load_moves_the_sleeps_end_within_the_longest_delay(
            max in any_span(),
            loads in proptest::collection::vec(any_number(), 1..50),
        ) {
            let jitter = jitter(JitterMode::Bid, max, Span::seconds(2));
            let bids = loads.iter().map(|load| bid(&jitter, *load, 0, 16.0, 0.5));
            let mut slept = Duration::ZERO;
            for bid in bids {
                slept += remaining(bid, slept).unwrap_or_default();
                prop_assert!(slept <= max.get());
            }
        }
    }
}
