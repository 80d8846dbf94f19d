//! When a job's processes are asked to end, killed and given up: decisions only, no effects.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::model::jobs::Leftovers;

/// How long processes may resist SIGKILL before they are given up: they hang in the kernel.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Pause between two passes of SIGKILL; one pass can miss a fork in flight.
const KILL_PASS: Duration = Duration::from_millis(10);

/// Signals that come within this time are one request: timeout(1) sends two, to its child and
/// to its process group.
const ONE_REQUEST: Duration = Duration::from_millis(200);

/// Why a job was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its time was over.
    Timeout,
    /// Somebody sent this signal to greaserun.
    Signal(Signal),
}

/// What is known of the job's processes at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// The job's first process has ended.
    pub(super) leader_gone: bool,
    /// No other process of the job is left.
    pub(super) tree_empty: bool,
    /// Nobody can write to the job's output any more.
    pub(super) output_closed: bool,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing before the next event.
    Wait,
    /// Send this signal to all processes of the job.
    Ask(Signal),
    /// As `Ask(TERM)`, to processes that have outlived the job's first one.
    AskLeftovers,
    /// Kill all processes of the job.
    Kill,
    /// The run is over.
    Finish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// The leader has ended: output may still come, descendants may still end by themselves.
    Draining {
        until: Instant,
    },
    /// Everything was asked to end.
    Stopping {
        since: Instant,
        kill_at: Instant,
    },
    Killing {
        next: Instant,
        give_up_at: Instant,
    },
}

/// The limits that a job runs under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the leader and what it leaves.
    pub(super) timeout: Option<Duration>,
    /// From being asked to end to being killed.
    pub(super) grace: Duration,
    /// From the leader's end to the end of the run, for output that is still on its way.
    pub(super) drain: Duration,
    /// What happens to processes that outlive the leader.
    pub(super) leftovers: Leftovers,
}

/// The life of one job.
#[derive(Debug)]
pub(super) struct Lifecycle {
    limits: Limits,
    phase: Phase,
    timeout_at: Option<Instant>,
    cause: Option<Cause>,
}

impl Lifecycle {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        let timeout_at = limits.timeout.and_then(|timeout| now.checked_add(timeout));
        Self {
            limits,
            phase: Phase::Running,
            timeout_at,
            cause: None,
        }
    }

    /// Why the job was asked to end; `None` if it ended by itself.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Whether the run was ended though processes resisted being killed.
    pub(super) fn gave_up(&self) -> bool {
        matches!(self.phase, Phase::Killing { .. })
    }

    /// Somebody sent greaserun a signal that ends programs.
    pub(super) fn on_signal(&mut self, signal: Signal, now: Instant) -> Action {
        match self.phase {
            Phase::Running | Phase::Draining { .. } => {
                self.cause = Some(Cause::Signal(signal));
                self.stop(Action::Ask(signal), now)
            }
            // A closed terminal sends HUP more than once; that is not impatience.
            Phase::Stopping { since, .. }
                if signal != Signal::HUP && now >= since + ONE_REQUEST =>
            {
                self.kill(now)
            }
            Phase::Stopping { .. } | Phase::Killing { .. } => Action::Wait,
        }
    }

    /// Time has passed or something has changed.
    pub(super) fn on_change(&mut self, facts: Facts, now: Instant) -> Action {
        let timed_out = self.timeout_at.is_some_and(|at| now >= at);
        let gone = facts.leader_gone && facts.tree_empty;
        match self.phase {
            Phase::Running | Phase::Draining { .. } if timed_out && !gone => {
                self.cause = Some(Cause::Timeout);
                self.stop(Action::Ask(Signal::TERM), now)
            }
            Phase::Running if facts.leader_gone => {
                self.phase = Phase::Draining {
                    until: now + self.limits.drain,
                };
                self.on_drain(facts, now)
            }
            Phase::Draining { .. } => self.on_drain(facts, now),
            Phase::Stopping { .. } | Phase::Killing { .. } if gone => {
                self.timeout_at = None;
                self.phase = Phase::Draining {
                    until: now + self.limits.drain,
                };
                self.on_drain(facts, now)
            }
            Phase::Stopping { kill_at, .. } if now >= kill_at => self.kill(now),
            Phase::Killing { give_up_at, .. } if now >= give_up_at => Action::Finish,
            Phase::Killing { next, give_up_at } if now >= next => {
                self.phase = Phase::Killing {
                    next: now + KILL_PASS,
                    give_up_at,
                };
                Action::Kill
            }
            Phase::Running | Phase::Stopping { .. } | Phase::Killing { .. } => Action::Wait,
        }
    }

    fn on_drain(&mut self, facts: Facts, now: Instant) -> Action {
        let Phase::Draining { until } = self.phase else {
            return Action::Wait;
        };
        if facts.tree_empty {
            // With the tree gone, only a process outside of it can hold the output open.
            let over = facts.output_closed || now >= until;
            return if over { Action::Finish } else { Action::Wait };
        }
        if now < until {
            return Action::Wait;
        }
        match self.limits.leftovers {
            Leftovers::Detach => Action::Finish,
            Leftovers::Wait => Action::Wait,
            Leftovers::Kill => self.stop(Action::AskLeftovers, now),
        }
    }

    /// Everything is asked to end, by `action`.
    fn stop(&mut self, action: Action, now: Instant) -> Action {
        self.phase = Phase::Stopping {
            since: now,
            kill_at: now + self.limits.grace,
        };
        action
    }

    fn kill(&mut self, now: Instant) -> Action {
        self.phase = Phase::Killing {
            next: now + KILL_PASS,
            give_up_at: now + GIVE_UP,
        };
        Action::Kill
    }

    /// When [`Lifecycle::on_change`] wants to be called though nothing has changed.
    pub(super) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let (phase_at, timeout_at) = match self.phase {
            Phase::Running => (None, self.timeout_at),
            Phase::Draining { until } => (Some(until).filter(|at| *at > now), self.timeout_at),
            Phase::Stopping { kill_at, .. } => (Some(kill_at), None),
            Phase::Killing { next, .. } => (Some(next), None),
        };
        phase_at
            .into_iter()
            .chain(timeout_at.filter(|at| *at > now))
            .min()
    }

    /// Until when output may still be passed on, now that the run is over; `None` for as long
    /// as that takes.
    pub(super) fn flush_until(&self, now: Instant) -> Option<Instant> {
        self.cause.map(|_| now + self.limits.drain)
    }

    /// All clocks stood still for `pause`, since greaserun and the job were stopped.
    pub(super) fn shift(&mut self, pause: Duration) {
        self.timeout_at = self.timeout_at.map(|at| at + pause);
        self.phase = match self.phase {
            Phase::Running => Phase::Running,
            Phase::Draining { until } => Phase::Draining {
                until: until + pause,
            },
            Phase::Stopping { since, kill_at } => Phase::Stopping {
                since: since + pause,
                kill_at: kill_at + pause,
            },
            Phase::Killing { next, give_up_at } => Phase::Killing {
                next: next + pause,
                give_up_at: give_up_at + pause,
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const ALIVE: Facts = Facts {
        leader_gone: false,
        tree_empty: false,
        output_closed: false,
    };
    const LEFT_BEHIND: Facts = Facts {
        leader_gone: true,
        ..ALIVE
    };
    const GONE: Facts = Facts {
        leader_gone: true,
        tree_empty: true,
        output_closed: true,
    };
    const HELD_OPEN: Facts = Facts {
        output_closed: false,
        ..GONE
    };

    fn life(timeout: Option<Duration>, leftovers: Leftovers) -> (Lifecycle, Instant) {
        let now = Instant::now();
        let limits = Limits {
            timeout,
            grace: 30 * SECOND,
            drain: 2 * SECOND,
            leftovers,
        };
        (Lifecycle::new(limits, now), now)
    }

    #[test]
    fn a_job_that_ends_with_everything_finishes_at_once() {
        let (mut life, now) = life(Some(SECOND), Leftovers::Kill);
        assert_eq!(life.on_change(ALIVE, now), Action::Wait);
        assert_eq!(life.on_change(GONE, now + 2 * SECOND), Action::Finish);
        assert_eq!(
            life.cause(),
            None,
            "an end after the deadline is still its own end"
        );
    }

    #[test]
    fn output_held_open_by_a_stranger_is_waited_for_as_long_as_the_drain() {
        let (mut life, now) = life(None, Leftovers::Kill);
        assert_eq!(life.on_change(HELD_OPEN, now), Action::Wait);
        assert_eq!(life.wake_at(now), Some(now + 2 * SECOND));
        assert_eq!(life.on_change(HELD_OPEN, now + 2 * SECOND), Action::Finish);
    }

    #[test]
    fn leftovers_are_asked_then_killed_then_given_up() {
        let (mut life, now) = life(None, Leftovers::Kill);
        assert_eq!(life.on_change(LEFT_BEHIND, now), Action::Wait);
        let asked = now + 2 * SECOND;
        assert_eq!(life.on_change(LEFT_BEHIND, asked), Action::AskLeftovers);
        let killed = asked + 30 * SECOND;
        assert_eq!(life.on_change(LEFT_BEHIND, killed), Action::Kill);
        assert_eq!(life.on_change(LEFT_BEHIND, killed), Action::Wait);
        assert_eq!(
            life.on_change(LEFT_BEHIND, killed + KILL_PASS),
            Action::Kill
        );
        assert_eq!(
            life.on_change(LEFT_BEHIND, killed + GIVE_UP),
            Action::Finish
        );
        assert_eq!(life.cause(), None);
    }

    #[test]
    fn leftovers_can_be_waited_for_until_the_timeout() {
        let (mut life, now) = life(Some(60 * SECOND), Leftovers::Wait);
        assert_eq!(life.on_change(LEFT_BEHIND, now), Action::Wait);
        assert_eq!(life.on_change(LEFT_BEHIND, now + 59 * SECOND), Action::Wait);
        assert_eq!(life.wake_at(now + 59 * SECOND), Some(now + 60 * SECOND));
        let action = life.on_change(LEFT_BEHIND, now + 60 * SECOND);
        assert_eq!(
            (action, life.cause()),
            (Action::Ask(Signal::TERM), Some(Cause::Timeout))
        );
    }

    #[test]
    fn detached_leftovers_end_the_run_after_the_drain() {
        let (mut life, now) = life(None, Leftovers::Detach);
        assert_eq!(life.on_change(LEFT_BEHIND, now), Action::Wait);
        assert_eq!(
            life.on_change(LEFT_BEHIND, now + 2 * SECOND),
            Action::Finish
        );
    }

    #[test]
    fn a_second_signal_kills_but_a_second_hangup_does_not() {
        let (mut life, now) = life(None, Leftovers::Kill);
        assert_eq!(life.on_signal(Signal::HUP, now), Action::Ask(Signal::HUP));
        let later = now + SECOND;
        assert_eq!(life.on_signal(Signal::HUP, later), Action::Wait);
        assert_eq!(life.on_signal(Signal::TERM, later), Action::Kill);
        assert_eq!(life.on_signal(Signal::TERM, later), Action::Wait);
        assert_eq!(life.cause(), Some(Cause::Signal(Signal::HUP)));
    }

    #[test]
    fn two_signals_at_once_are_one_request() {
        let (mut life, now) = life(None, Leftovers::Kill);
        assert_eq!(life.on_signal(Signal::TERM, now), Action::Ask(Signal::TERM));
        assert_eq!(
            life.on_signal(Signal::TERM, now + SECOND / 100),
            Action::Wait
        );
        assert_eq!(life.on_signal(Signal::TERM, now + SECOND), Action::Kill);
    }

    #[test]
    fn output_is_waited_for_unless_the_run_was_asked_to_end() {
        let (mut life, now) = life(None, Leftovers::Kill);
        assert_eq!(life.flush_until(now), None);
        life.on_signal(Signal::TERM, now);
        assert_eq!(life.flush_until(now), Some(now + 2 * SECOND));
    }

    #[test]
    fn a_timeout_gives_grace_and_is_the_cause_even_of_a_clean_exit() {
        let (mut life, now) = life(Some(SECOND), Leftovers::Kill);
        assert_eq!(
            life.on_change(ALIVE, now + SECOND),
            Action::Ask(Signal::TERM)
        );
        assert_eq!(life.wake_at(now), Some(now + 31 * SECOND));
        assert_eq!(life.on_change(GONE, now + 2 * SECOND), Action::Finish);
        assert_eq!(life.cause(), Some(Cause::Timeout));
    }

    #[test]
    fn a_pause_moves_every_deadline() {
        let (mut life, now) = life(Some(SECOND), Leftovers::Kill);
        life.shift(10 * SECOND);
        assert_eq!(life.on_change(ALIVE, now + 10 * SECOND), Action::Wait);
        assert_eq!(
            life.on_change(ALIVE, now + 11 * SECOND),
            Action::Ask(Signal::TERM)
        );
        life.shift(10 * SECOND);
        assert_eq!(life.wake_at(now), Some(now + 51 * SECOND));
    }
}
