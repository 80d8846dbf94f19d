//! A run of the farm, and its events as greaserun writes them.

use std::time::Duration;

use grease_core::debugging::share::layout;
use grease_core::model::guard::{Check, GuardRecord, Signal};
use grease_core::model::{
    EndEvent, ErrorWord, ExecuteEvent, ResultWord, RunFacts, RunId, StartEvent, UsageRecord,
    VERSION,
};
use jiff::Timestamp;
use serde_json::Result;

/// The boot of every host, and whatever else is an id.
pub(crate) const BOOT: &str = "2b7ea93c-4fa3-4bad-a66a-44e2e3e1d820";

/// Crockford's base32 alphabet, as run ids have it.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A run.
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) job: String,
    user: &'static str,
    pub(crate) host: String,
    pub(crate) start: Timestamp,
    took: Duration,
    pub(crate) result: ResultWord,
    /// Where its log is, below the user's directory.
    pub(crate) log: String,
}

impl Run {
    /// A run of which chance decides what becomes of it.
    pub(crate) fn new(
        job: String,
        user: &'static str,
        host: &str,
        start: Timestamp,
        chance: &mut Chance,
    ) -> Self {
        let id = id(start, chance);
        let took = match chance.below(10) {
            0 => 60_000 + chance.below(3_600_000),
            _ => 50 + chance.below(30_000),
        };
        let result = match chance.below(1000) {
            0..20 => ResultWord::Failure,
            20..22 => ResultWord::Timeout,
            22..32 => ResultWord::Skip,
            _ => ResultWord::Success,
        };
        let log = layout::log(start, &job, host, id);
        Self {
            log: log.to_string_lossy().into_owned(),
            host: host.to_owned(),
            took: Duration::from_millis(took),
            id,
            job,
            user,
            start,
            result,
        }
    }

    /// The lines that it leaves in the index, each with its time.
    pub(crate) fn events(&self, has_ended: bool) -> Result<Vec<(Timestamp, Vec<u8>)>> {
        let mut events = vec![(self.start, line(&self.start_event())?)];
        let begins = self.start + Duration::from_millis(12);
        if self.result != ResultWord::Skip {
            events.push((begins, line(&self.execute_event(begins).for_index())?));
        }
        if has_ended {
            let end = self.start + self.took;
            events.push((end, line(&self.end_event(end))?));
        }
        Ok(events)
    }

    fn artifact(&self) -> String {
        format!("com.acme.{}:feed:1.4.2", self.user)
    }

    fn start_event(&self) -> StartEvent {
        StartEvent {
            v: VERSION,
            event: "start".to_owned(),
            run: self.id.to_string(),
            job: self.job.clone(),
            user: self.user.to_owned(),
            host: self.host.clone(),
            boot: BOOT.to_owned(),
            time: format!("{:.6}", self.start),
            trigger: "scheduled".to_owned(),
            runner: "shell".to_owned(),
            artifact: Some(self.artifact()),
            fetched: None,
            args: ["load.sh", "--day", "2026-11-24"].map(Into::into).into(),
            parent: None,
            pid: 16_756,
            log: Some(self.log.clone()),
        }
    }

    fn execute_event(&self, time: Timestamp) -> ExecuteEvent {
        ExecuteEvent {
            v: VERSION,
            event: "execute".to_owned(),
            run: self.id.to_string(),
            job: self.job.clone(),
            time: format!("{time:.6}"),
            delay_ms: 0,
            overlap_ms: 0,
            guard: Some(guard(false)),
            fetch_ms: 3,
            artifact: Some(self.artifact()),
            fetched: None,
        }
    }

    fn end_event(&self, time: Timestamp) -> EndEvent {
        let (error, exit, msg) = match self.result {
            ResultWord::Failure => (Some(ErrorWord::Exit), Some(3), "failed with exit code 3"),
            ResultWord::Timeout => (Some(ErrorWord::Timeout), None, "ended after its timeout"),
            ResultWord::Skip => (Some(ErrorWord::GuardLoad), None, "the load is too high"),
            _ => (None, Some(0), ""),
        };
        let is_dropped = self.result == ResultWord::Skip;
        let duration_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        let usage = UsageRecord {
            duration_ms,
            cpu_ms: duration_ms / 2,
            maxrss_kb: 20_800,
            tree_rss_kb: 31_200,
            out_bytes: 2_000,
            err_bytes: 0,
        };
        EndEvent {
            v: VERSION,
            event: "end".to_owned(),
            run: self.id.to_string(),
            job: self.job.clone(),
            time: format!("{time:.6}"),
            result: self.result,
            error,
            exit,
            signal: (self.result == ResultWord::Timeout).then_some(15),
            msg: Some(msg.to_owned()).filter(|msg| !msg.is_empty()),
            guard: is_dropped.then(|| guard(true)),
            drops: is_dropped.then_some(1),
            usage: (!is_dropped).then_some(usage),
            leftovers: 0,
            facts: Some(self.facts()),
            log_bytes: Some(2_658),
            omitted_bytes: 0,
        }
    }

    fn facts(&self) -> RunFacts {
        RunFacts {
            user: self.user.to_owned(),
            host: self.host.clone(),
            start: format!("{:.6}", self.start),
            trigger: "scheduled".to_owned(),
            runner: "shell".to_owned(),
            artifact: Some(self.artifact()),
            log: Some(self.log.clone()),
        }
    }
}

/// Numbers that look random: xorshift64 (Marsaglia, 2003).
pub(crate) struct Chance(u64);

impl Chance {
    /// The same numbers for the same text.
    pub(crate) fn of(text: &str) -> Self {
        let mix = |seed: u64, byte: u8| (seed ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self(text.bytes().fold(0xcbf2_9ce4_8422_2325, mix)) // FNV-1a
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below another.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// An id drawn at a time.
fn id(time: Timestamp, chance: &mut Chance) -> RunId {
    let millisecond = u128::try_from(time.as_millisecond()).expect("after 1970");
    let (one, two) = (u128::from(chance.next()), u128::from(chance.next()));
    let bits = (millisecond << 80) | (7 << 76) | ((one & 0xfff) << 64) | (2 << 62) | (two >> 2);
    let digit = |place: u32| {
        let digit = usize::try_from((bits >> (5 * place)) & 31).expect("five bits");
        char::from(ALPHABET[digit])
    };
    let text: String = (0..26).rev().map(digit).collect();
    text.parse().expect("made as ids are made")
}

/// What the guard sees on a host; of a run that is dropped, the load refuses.
fn guard(refuses: bool) -> GuardRecord {
    let check = |signal, what: &str| Check {
        signal,
        value: 3.039_712_149_098_413,
        limit: 2.5,
        at_least: false,
        what: what.to_owned(),
        refuses: refuses && signal == Signal::Load,
    };
    let checks = [
        check(Signal::Jobs, "jobs with this one"),
        check(Signal::Cost, "cost with this job"),
        check(Signal::Load, "corrected load with this job"),
        check(Signal::Memory, "MiB of memory that this job leaves"),
    ];
    GuardRecord {
        slots: 7,
        checks: checks.into(),
        ..GuardRecord::default()
    }
}

fn line(event: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}
