//! What the guard sees: host, slots, and what speaks against a start.

use std::time::Duration;

use super::decision::Occupancy;
use super::slots::Holder;
use crate::model::guard::{Check, GuardRecord, Signal};
use crate::sys::machine::Machine;

/// Runs that are named in the record of a drop.
const NAMED_MAX: usize = 5;

/// What a look at host and slots gave.
#[derive(Debug, Clone)]
pub struct View {
    /// The machine.
    pub machine: Machine,
    /// What runs.
    pub occupancy: Occupancy,
    /// Every signal with its limit.
    pub checks: Vec<Check>,
    /// How many jobs may run for the priority asked about.
    pub slots: usize,
    /// The runs that hold slots, by slot.
    pub held: Vec<(usize, Option<Holder>)>,
}

/// How loaded a host is, for a bid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appetite {
    /// The load, corrected.
    pub load: f64,
    /// Runs that wait.
    pub waiting: usize,
    /// The load up to which it takes jobs.
    pub capacity: f64,
}

impl View {
    /// Whether something speaks against a start.
    pub fn refuses(&self) -> bool {
        self.checks.iter().any(|check| check.refuses)
    }

    /// Whether nothing speaks against a start but that others have just started, or go first.
    pub fn refuses_for_a_moment(&self) -> bool {
        let mut refusals = self.checks.iter().filter(|check| check.refuses);
        refusals.all(|check| matches!(check.signal, Signal::Spacing | Signal::Priority))
    }

    /// What speaks against a start, in words.
    pub fn refusals(&self) -> String {
        let refusals = self.checks.iter().filter(|check| check.refuses);
        let refusals: Vec<String> = refusals.map(ToString::to_string).collect();
        refusals.join("; ")
    }

    /// As it is kept, after a wait; `waiting` is how many runs wait beside this one.
    pub fn record(&self, waited: Duration, waiting: usize) -> GuardRecord {
        let holders = self.held.iter().filter_map(|(_, holder)| holder.as_ref());
        let mut holders: Vec<&Holder> = holders.collect();
        holders.sort_by(|one, other| one.admitted_s.total_cmp(&other.admitted_s));
        let holders = holders.iter().take(NAMED_MAX);
        GuardRecord {
            waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
            slots_used: self.held.len(),
            slots: self.slots,
            waiting,
            forced: false,
            checks: self.checks.clone(),
            holders: holders.map(ToString::to_string).collect(),
        }
    }

    /// What else may help a person to understand a high load: tasks that wait for I/O in the kernel
    /// count in it, and no CPU is busy.
    pub fn explanation(&self) -> Option<String> {
        let Machine {
            load1,
            runnable,
            blocked,
            cpus,
            ..
        } = &self.machine;
        let (load, runnable, blocked) = ((*load1)?, (*runnable)?, (*blocked)?);
        let cpus = u64::from(*cpus);
        (load > 1.0 && runnable <= cpus && blocked > cpus).then(|| {
            format!(
                "{blocked} tasks wait for I/O in the kernel and count in the load of {load:.1}, \
                 only {runnable} run: does a mount hang?"
            )
        })
    }
}
