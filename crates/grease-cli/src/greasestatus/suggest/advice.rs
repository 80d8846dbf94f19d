//! What follows from what the runs of a job used: a pure decision.

use grease_core::debugging::read::{End, Run};
use grease_core::model::quantity::{Bytes, Span};
use serde_json::Value;

use super::super::job::percentile;

/// Of the durations this percentile counts, so that one run that hung does not.
pub(super) const TIMEOUT_PERCENT: usize = 99;

/// A timeout is so many times that: it is for runs that hang, not for slow ones.
pub(super) const TIMEOUT_FACTOR: u64 = 2;

/// The shortest timeout: a busy host makes short jobs several times slower.
const TIMEOUT_MIN_S: u64 = 60;

/// The longest one, as records may say anything.
const TIMEOUT_MAX_S: u64 = 365 * 24 * 3600;

/// Memory is the most that was used and so many percent.
pub(super) const MEM_MARGIN_PERCENT: u64 = 20;

/// The most memory that is believed.
const MEM_MAX_MIB: u64 = 1 << 30;

/// The cost is this percentile of the CPUs that runs kept busy, the share of runs that the vertical
/// autoscaler of Kubernetes goes by as well.
pub(super) const COST_PERCENT: usize = 90;

/// The largest cost of the config, in thousandths.
const COST_MAX_MILLI: u64 = 1_024_000;

/// What runs of a job used, each sorted.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) durations_ms: Vec<u64>,
    pub(super) memory_kib: Vec<u64>,
    /// Thousandths of a CPU that a run kept busy on average.
    pub(super) cpus_milli: Vec<u64>,
}

/// What is suggested.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) timeout: Span,
    pub(super) mem: Bytes,
    /// Tenths of a CPU.
    pub(super) cost_tenths: u64,
}

impl Used {
    /// What these runs used.
    pub(super) fn by(runs: &[&Run]) -> Self {
        let ends = || runs.iter().filter_map(|run| run.end.as_ref());
        let sorted = |mut numbers: Vec<u64>| {
            numbers.sort_unstable();
            numbers
        };
        let cpus = |end: &End| {
            end.cpu_ms?
                .saturating_mul(1000)
                .checked_div(end.duration_ms?)
        };
        let memory = |end: &End| end.tree_rss_kb.filter(|kib| *kib > 0).or(end.maxrss_kb);
        Self {
            durations_ms: sorted(ends().filter_map(|end| end.duration_ms).collect()),
            memory_kib: sorted(ends().filter_map(memory).collect()),
            cpus_milli: sorted(ends().filter_map(cpus).collect()),
        }
    }

    /// What follows from it; none of nothing.
    pub(super) fn advice(&self) -> Option<Advice> {
        let usual_ms = percentile(&self.durations_ms, TIMEOUT_PERCENT)?;
        let most_kib = percentile(&self.memory_kib, 100)?;
        let cpus_milli = percentile(&self.cpus_milli, COST_PERCENT)?;
        let timeout_s = usual_ms.div_ceil(1000).saturating_mul(TIMEOUT_FACTOR);
        let believed = most_kib.div_ceil(1024).min(MEM_MAX_MIB);
        let mebibytes = (believed * (100 + MEM_MARGIN_PERCENT)).div_ceil(100);
        Some(Advice {
            timeout: Span::seconds(round_seconds(timeout_s.clamp(TIMEOUT_MIN_S, TIMEOUT_MAX_S))),
            mem: Bytes::new(round_mebibytes(mebibytes) << 20),
            cost_tenths: ((cpus_milli.min(COST_MAX_MILLI) + 50) / 100).max(1),
        })
    }
}

impl Advice {
    /// The cost as a number of JSON.
    pub(super) fn cost(&self) -> String {
        match (self.cost_tenths / 10, self.cost_tenths % 10) {
            (whole, 0) => whole.to_string(),
            (whole, tenths) => format!("{whole}.{tenths}"),
        }
    }

    /// The same as options of greaserun.
    pub(super) fn options(&self) -> String {
        let Self { timeout, mem, .. } = self;
        format!("--timeout {timeout} --mem {mem} --cost {}", self.cost())
    }

    /// The same as an entry of `jobs.match` in the config.
    pub(super) fn entry(&self, job: &str) -> String {
        let Self { timeout, mem, .. } = self;
        let (job, cost) = (Value::from(job), self.cost());
        format!(r#"{{"key": {job}, "timeout": "{timeout}", "mem": "{mem}", "cost": {cost}}}"#)
    }
}

/// Rounded up to what a person would write.
fn round_seconds(seconds: u64) -> u64 {
    let step = match seconds {
        0..=120 => 10,
        121..=1200 => 60,
        1201..=7200 => 300,
        7201..=86_400 => 900,
        _ => 3600,
    };
    seconds.next_multiple_of(step)
}

/// Rounded up by at most an eighth, and to at least 16.
fn round_mebibytes(mebibytes: u64) -> u64 {
    let step = mebibytes.checked_ilog2().map_or(1, |bits| 1 << bits) / 8;
    mebibytes.next_multiple_of(step.max(16)).max(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(durations_ms: &[u64], memory_kib: &[u64], cpus_milli: &[u64]) -> Used {
        Used {
            durations_ms: durations_ms.to_vec(),
            memory_kib: memory_kib.to_vec(),
            cpus_milli: cpus_milli.to_vec(),
        }
    }

    #[test]
    fn what_is_suggested_is_more_than_what_was_used() {
        let hundred: Vec<u64> = (1..=100).map(|number| number * 1000).collect();
        let memory: Vec<u64> = (1..=100).map(|number| number * 1024).collect();
        let advice = used(&hundred, &memory, &hundred).advice().unwrap();
        // 99 s twice is 198 s; 100 MiB and a fifth; 90 CPUs.
        assert_eq!(advice.options(), "--timeout 4m --mem 128MiB --cost 90");
        let advice = used(&[1], &[1], &[1]).advice().unwrap();
        assert_eq!(advice.options(), "--timeout 1m --mem 16MiB --cost 0.1");
        assert_eq!(used(&[], &[], &[]).advice(), None);
        let most = [u64::MAX];
        let advice = used(&most, &most, &most).advice().unwrap();
        assert_eq!(advice.options(), "--timeout 365d --mem 1280TiB --cost 1024");
    }

    #[test]
    fn one_run_that_hung_makes_no_timeout_longer() {
        let mut durations = vec![10_000; 200];
        durations.push(86_400_000);
        let advice = used(&durations, &[1], &[1]).advice().unwrap();
        assert_eq!(advice.timeout, Span::seconds(60));
    }

    #[test]
    fn numbers_are_rounded_up_to_what_a_person_would_write() {
        for (seconds, rounded) in [
            (61, 70),
            (198, 240),
            (3601, 3900),
            (7500, 8100),
            (90_000, 90_000),
        ] {
            assert_eq!(round_seconds(seconds), rounded, "{seconds}");
        }
        for (mebibytes, rounded) in [
            (0, 16),
            (17, 32),
            (200, 208),
            (2290, 2304),
            (100_000, 106_496),
        ] {
            assert_eq!(round_mebibytes(mebibytes), rounded, "{mebibytes}");
        }
    }
}
