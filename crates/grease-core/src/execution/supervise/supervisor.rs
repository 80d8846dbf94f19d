//! The loop that waits for everything that concerns a job, and does what is decided.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;

use super::echo::{self, Echo};
use super::lifecycle::{Action, Facts, Lifecycle, Limits};
use super::meter::Meter;
use super::pipes::{self, Pipe};
use super::signals::{Arrival, Meaning, Signals};
use super::start::{self, Report, Started};
use super::tree::{self, Remnant, Tree};
use super::{End, Event, Job, Outcome, Usage};
use crate::execution::{Error, SpawnFailure};
use crate::model::Stream;

/// Reads of one pipe before signals and clocks are looked at again.
const READS_IN_A_ROW: usize = 16;

/// One job, from its start to its end.
pub(super) struct Supervisor<'a> {
    signals: &'a Signals,
    on_terminal: bool,
    is_aftermath: bool,
    tree: Tree,
    lifecycle: Lifecycle,
    pipes: [Pipe; 2],
    /// Readable when an echo has made room.
    wake: Arc<OwnedFd>,
    /// The stub's report, until it has become the job.
    report: Option<Report>,
    failure: Option<SpawnFailure>,
    leftovers: Vec<Remnant>,
    meter: Meter,
}

impl<'a> Supervisor<'a> {
    /// Starts a job.
    pub(super) fn start(mut job: Job<'_>, signals: &'a Signals) -> Result<Self, Error> {
        let failed = |action| move |source| Error::Supervise { action, source };
        let wake = echo::wake_descriptor().map_err(|errno| failed("eventfd")(errno.into()))?;
        let echo_to = |target: Option<OwnedFd>| {
            let start = |target| Echo::start(target, Arc::clone(&wake));
            target
                .map(start)
                .transpose()
                .map_err(failed("starting a thread"))
        };
        let echoes = (echo_to(job.stdout.take())?, echo_to(job.stderr.take())?);
        let pipe = |stream, echo| {
            Pipe::open(stream, echo).map_err(|errno| failed("making a pipe")(errno.into()))
        };
        let (stdout, stdout_end) = pipe(Stream::Stdout, echoes.0)?;
        let (stderr, stderr_end) = pipe(Stream::Stderr, echoes.1)?;
        let strangers =
            Tree::adopt().map_err(|errno| failed("becoming a subreaper")(errno.into()))?;
        let meter = Meter::start();
        let Started { leader, report } = start::start(&job, stdout_end, stderr_end)?;
        let limits = Limits {
            timeout: job.settings.timeout,
            grace: job.settings.grace,
            drain: job.settings.drain,
            leftovers: job.settings.leftovers,
        };
        Ok(Self {
            signals,
            on_terminal: job.on_terminal,
            is_aftermath: job.is_aftermath,
            tree: Tree::new(leader, strangers),
            lifecycle: Lifecycle::new(limits, meter.started),
            pipes: [stdout, stderr],
            wake,
            report: Some(report),
            failure: None,
            leftovers: Vec::new(),
            meter,
        })
    }

    /// Waits for the job's end and returns how it ended.
    pub(super) fn run(mut self, on_event: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, Error> {
        loop {
            self.wait();
            while let Some(arrival) = self.signals.next() {
                self.on_signal(arrival);
            }
            self.read_report(on_event);
            for pipe in &mut self.pipes {
                if pipe.wanted().is_some() {
                    (0..READS_IN_A_ROW).any(|_| pipe.wanted().is_none() || !pipe.read(on_event));
                }
            }
            self.watch_echoes(on_event);
            let now = Instant::now();
            if self.meter.sample(&self.tree, now) {
                on_event(Event::Pulse);
            }
            let action = self.lifecycle.on_change(self.facts(), now);
            if self.act(action) {
                break;
            }
        }
        self.finish(on_event)
    }

    /// Sleeps until there is something to do.
    fn wait(&self) {
        let now = Instant::now();
        let slow = self
            .pipes
            .iter()
            .filter_map(|pipe| pipe.echo.as_ref()?.slow_at());
        let next = self
            .lifecycle
            .wake_at(now)
            .into_iter()
            .chain(slow)
            .chain([self.meter.sample_at])
            .min();
        let pipes = self
            .pipes
            .iter()
            .filter_map(Pipe::wanted)
            .map(|descriptor| descriptor.as_fd());
        let report = self.report.as_ref().map(|descriptor| descriptor.as_fd());
        let sources: Vec<BorrowedFd<'_>> = pipes.chain(report).collect();
        self.poll(&sources, next.map(|at| at.saturating_duration_since(now)));
    }

    /// Waits for a signal, for room in an echo, or for one of `sources`.
    fn poll(&self, sources: &[BorrowedFd<'_>], timeout: Option<Duration>) {
        let always = [self.signals.as_fd(), self.wake.as_fd()];
        let mut descriptors: Vec<PollFd<'_>> = always
            .into_iter()
            .chain(sources.iter().copied())
            .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
            .collect();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // Interrupted or not, everything is looked at afterwards.
        rustix::event::poll(&mut descriptors, timeout.as_ref()).ok();
        rustix::io::read(&self.wake, &mut [0; 8]).ok(); // Only ever there to wake us.
    }

    fn on_signal(&mut self, arrival: Arrival) {
        // What the terminal sends, it has sent to the job as well.
        let forward = !(self.on_terminal && arrival.from_terminal);
        match arrival.meaning {
            Meaning::End(Signal::HUP) | Meaning::Inform(_) if self.is_aftermath => {}
            Meaning::Child => self.tree.reap(),
            Meaning::End(signal) => match self.lifecycle.on_signal(signal, Instant::now()) {
                Action::Ask(signal) if !forward => self.tree.signal_outside_group(signal),
                action => {
                    self.act(action);
                }
            },
            Meaning::Inform(signal) if forward => self.tree.signal_leader(signal),
            Meaning::Inform(_) => {}
            Meaning::Stop => self.pause(forward),
            Meaning::Continue => self.tree.signal(Signal::CONT),
        }
    }

    /// Stops the job and greaserun with it, until somebody continues greaserun.
    fn pause(&mut self, stop_tree: bool) {
        let since = Instant::now();
        if stop_tree {
            self.tree.signal(Signal::STOP);
        }
        rustix::process::kill_process(rustix::process::getpid(), Signal::STOP).ok();
        // Here somebody has continued us; the job is continued by the CONT that has arrived.
        let pause = since.elapsed();
        self.lifecycle.shift(pause);
        self.meter.paused += pause;
        self.tree.signal(Signal::CONT);
    }

    fn facts(&self) -> Facts {
        let leader_gone = self.tree.leader_end.is_some();
        Facts {
            leader_gone,
            // Nobody asks while the leader lives, and looking costs something.
            tree_empty: leader_gone && self.tree.is_empty(),
            output_closed: self.pipes.iter().all(|pipe| pipe.descriptor.is_none()),
        }
    }

    /// Carries a decision out; returns whether the run is over.
    fn act(&mut self, action: Action) -> bool {
        match action {
            Action::Wait => {}
            Action::Ask(signal) => self.tree.signal(signal),
            Action::AskLeftovers => {
                self.leftovers = self.tree.remnants(false);
                self.tree.signal(Signal::TERM);
            }
            Action::Kill => {
                self.tree.signal(Signal::KILL);
                self.tree.reap();
            }
            Action::Finish => return true,
        }
        false
    }

    fn read_report(&mut self, on_event: &mut dyn FnMut(Event<'_>)) {
        let Some(report) = &mut self.report else {
            return;
        };
        if !report.read() {
            return;
        }
        let (warnings, failure) = self.report.take().expect("just seen").conclude();
        for warning in warnings {
            self.notice(warning, on_event);
        }
        self.failure = failure;
        if self.failure.is_none() {
            on_event(Event::Started {
                pid: self.tree.leader_pid(),
            });
        }
    }

    fn watch_echoes(&self, on_event: &mut dyn FnMut(Event<'_>)) {
        let now = Instant::now();
        for pipe in &self.pipes {
            let Some(echo) = &pipe.echo else { continue };
            let name = pipe.stream.name();
            if let Some(errno) = echo.take_failure() {
                let why = std::io::Error::from(errno);
                let text = format!("cannot pass the job's {name} on: {why}");
                self.notice(text, on_event);
            }
            if echo.is_newly_slow(now) {
                let text = format!(
                    "whoever reads greaserun's {name} has not read for 10 s; the job waits for it"
                );
                self.notice(text, on_event);
            }
        }
    }

    /// Tells people, on standard error too if it can be written to without waiting.
    fn notice(&self, text: String, on_event: &mut dyn FnMut(Event<'_>)) {
        let [_, stderr] = &self.pipes;
        if let Some(echo) = stderr.echo.as_ref().filter(|echo| echo.has_room()) {
            echo.push(Arc::from(format!("greaserun: {text}\n").into_bytes()));
        }
        on_event(Event::Notice(text));
    }

    fn finish(mut self, on_event: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, Error> {
        let duration = self.meter.duration();
        let mut unkillable = Vec::new();
        if self.lifecycle.gave_up() {
            unkillable = self.tree.remnants(true);
        } else if !self.tree.is_empty() {
            self.leftovers = self.tree.remnants(false); // Detached.
        }
        let unread = !self.flush(on_event);
        self.read_report(on_event);
        self.tree.reap(); // What has ended since the last signal counts in the usage.
        let end = self
            .tree
            .leader_end
            .as_ref()
            .map_or(End::Unkillable, tree::end);
        self.tree.reap_leader();
        if let Some(failure) = self.failure {
            return Err(failure.into());
        }
        let [stdout, stderr] = &self.pipes;
        let usage = Usage {
            stdout_bytes: stdout.bytes,
            stderr_bytes: stderr.bytes,
            ..self.meter.usage(duration)
        };
        let cause = self.lifecycle.cause();
        Ok(Outcome {
            end,
            cause,
            leftovers: self.leftovers,
            unkillable,
            unread,
            usage,
        })
    }

    /// Takes what is left in the pipes, and waits until all output has been passed on; returns
    /// whether it has.
    ///
    /// A reader that does not read is waited for, as any program would, unless the run was asked
    /// to end; a signal ends that.
    fn flush(&mut self, on_event: &mut dyn FnMut(Event<'_>)) -> bool {
        let give_up_at = self.lifecycle.flush_until(Instant::now());
        // A process that was left behind may write for ever; this much can be there by now.
        let limits = [0, 1].map(|each| self.pipes[each].bytes + pipes::PIPE_BYTES as u64);
        loop {
            let mut pending = false;
            for (pipe, limit) in self.pipes.iter_mut().zip(limits) {
                while pipe.bytes < limit && pipe.wanted().is_some() && pipe.read(on_event) {}
                pending |= pipe.bytes < limit && pipe.descriptor.is_some() && !pipe.drained;
                pending |= pipe.echo.as_ref().is_some_and(|echo| !echo.is_idle());
            }
            self.watch_echoes(on_event);
            let now = Instant::now();
            if !pending {
                return true;
            }
            if give_up_at.is_some_and(|at| now >= at) || self.signals.ending().is_some() {
                return false;
            }
            let slow = self
                .pipes
                .iter()
                .filter_map(|pipe| pipe.echo.as_ref()?.slow_at());
            let next = slow.chain(give_up_at).min();
            self.poll(&[], next.map(|at| at.saturating_duration_since(now)));
        }
    }
}
