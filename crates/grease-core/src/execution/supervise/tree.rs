//! The processes of a job: all descendants of greaserun.
//!
//! greaserun is a child subreaper (`prctl(2)`), so a process cannot leave by forking twice, by
//! `setsid`, or by its parents' death: it is handed to greaserun.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use serde::Serialize;

use super::End;
use crate::model::SHIPPER;
use crate::sys::process;

/// A process that was left behind, or could not be killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remnant {
    /// Its id.
    pub pid: i32,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// The kernel function it waits in, if it was asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub waits_in: String,
}

/// The processes below one greaserun.
#[derive(Debug)]
pub(super) struct Tree {
    own: i32,
    leader: Pid,
    /// Children that greaserun had before the job: those of a shell that executed greaserun in
    /// its own place, such as the `tee` that reads its output. They are not reaped either, so
    /// that their ids cannot be given to a process of the job.
    strangers: Vec<i32>,
    /// How the leader ended, once it has; until the end of the run it stays a zombie, so that
    /// its id cannot be given to another process.
    pub(super) leader_end: Option<WaitIdStatus>,
}

impl Tree {
    /// Adopts all descendants from now on; returns the children that are there already.
    pub(super) fn adopt() -> rustix::io::Result<Vec<i32>> {
        let own = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(own))?;
        Ok(process::children(own.as_raw_pid()))
    }

    pub(super) fn new(leader: Pid, strangers: Vec<i32>) -> Self {
        let own = rustix::process::getpid().as_raw_pid();
        Self {
            own,
            leader,
            strangers,
            leader_end: None,
        }
    }

    /// Whether a process below greaserun is none of the job's.
    ///
    /// A shipper is not either, whoever started it: this greaserun while the job ran, or one inside the
    /// job. It is the user's on this host, and outlives them all.
    fn is_stranger(&self, pid: i32) -> bool {
        self.strangers.contains(&pid) || process::is_own_program(pid, SHIPPER)
    }

    fn descendants(&self) -> Vec<i32> {
        process::descendants(self.own, |pid| self.is_stranger(pid))
    }

    /// The processes of the job that still run.
    fn members(&self) -> Vec<process::Stat> {
        let found = self.descendants().into_iter();
        found
            .filter_map(process::stat)
            .filter(process::Stat::is_alive)
            .collect()
    }

    pub(super) fn leader_pid(&self) -> i32 {
        self.leader.as_raw_pid()
    }

    /// Whether no process but a dead leader is left.
    ///
    /// Every process of the job is below a child of ours, since a dead one's children are ours;
    /// and a child leaves the list only when we reap it. So this cannot overlook any, whatever
    /// forks or ends meanwhile, as the members can.
    pub(super) fn is_empty(&self) -> bool {
        let leader = self.leader.as_raw_pid();
        let is_known = |child: &i32| *child == leader || self.is_stranger(*child);
        self.leader_end.is_some() && process::children(self.own).iter().all(is_known)
    }

    /// What is left, to be shown to people.
    pub(super) fn remnants(&self, with_wait: bool) -> Vec<Remnant> {
        let show = |found: process::Stat| Remnant {
            pid: found.pid,
            name: found.name,
            waits_in: if with_wait {
                process::waits_in(found.pid)
            } else {
                String::new()
            },
        };
        self.members().into_iter().map(show).collect()
    }

    /// Sends a signal to all processes of the job, and lets stopped ones see it.
    pub(super) fn signal(&self, signal: Signal) {
        self.signal_those(signal, |_| true);
    }

    /// Sends a signal to those that a terminal cannot reach through greaserun's process group.
    pub(super) fn signal_outside_group(&self, signal: Signal) {
        let group = rustix::process::getpgrp().as_raw_pid();
        self.signal_those(signal, |member| member.group != group);
    }

    fn signal_those(&self, signal: Signal, wanted: impl Fn(&process::Stat) -> bool) {
        for member in self.members().into_iter().filter(|member| wanted(member)) {
            process::signal(member.pid, member.started, signal);
            if signal != Signal::STOP && signal != Signal::KILL {
                process::signal(member.pid, member.started, Signal::CONT);
            }
        }
    }

    /// Sends a signal to the leader alone.
    pub(super) fn signal_leader(&self, signal: Signal) {
        if self.leader_end.is_none() {
            rustix::process::kill_process(self.leader, signal).ok(); // Not reaped, so still ours.
        }
    }

    /// Resident memory of all processes together in KiB; shared pages count in each.
    pub(super) fn resident_kib(&self) -> u64 {
        let members = self.descendants().into_iter();
        members.map(process::resident_kib).sum()
    }

    /// Reaps whatever has ended, except the leader.
    pub(super) fn reap(&mut self) {
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if self.leader_end.is_none() {
            self.leader_end = rustix::process::waitid(WaitId::Pid(self.leader), peek)
                .ok()
                .flatten();
        }
        for child in process::children(self.own) {
            let Some(pid) = Pid::from_raw(child) else {
                continue;
            };
            if pid != self.leader && !self.strangers.contains(&child) {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                rustix::process::waitid(WaitId::Pid(pid), options).ok(); // It may still run.
            }
        }
    }

    /// Reaps the leader too, at the end of the run.
    pub(super) fn reap_leader(self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        rustix::process::waitid(WaitId::Pid(self.leader), options).ok(); // Or it cannot be killed.
    }
}

/// How the leader ended, as its parent sees it.
pub(super) fn end(status: &WaitIdStatus) -> End {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Signalled(signal),
        (None, None) => End::Unkillable,
    }
}
