//! Signals to greaserun, as events that can be waited for together with everything else.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::sys::process;

/// What the kernel gives as the origin of a signal that a terminal sent (`sigaction(2)`).
const SI_KERNEL: i32 = 0x80;

/// Signals that end a program by default, and that are passed on to the job.
const ENDING: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

/// Signals that are passed on to the job's first process.
const INFORMING: [Signal; 3] = [Signal::USR1, Signal::USR2, Signal::WINCH];

/// Signals that stop a program by default and can be caught.
const STOPPING: [Signal; 3] = [Signal::TSTP, Signal::TTIN, Signal::TTOU];

/// Longest pause where nothing can be waited for, so that signals are looked at now and then.
const WITHOUT_POLL: Duration = Duration::from_millis(100);

/// What a signal to greaserun means for the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A child has ended.
    Child,
    /// The job is asked to end.
    End(Signal),
    /// The job's first process is told.
    Inform(Signal),
    /// Everything stops.
    Stop,
    /// Everything goes on.
    Continue,
}

/// One signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) meaning: Meaning,
    /// The terminal sent it, and so to the whole foreground process group.
    pub(super) from_terminal: bool,
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// Somebody asked greaserun to end.
    Asked(Signal),
    /// The descriptor can be read.
    Ready,
    /// Time is over.
    Time,
}

/// Holds back the signals that concern a job while this value lives.
///
/// They are blocked rather than handled: none is lost, none interrupts, and the stub starts
/// with them still blocked, so that nothing can stop or kill it half way. What greaserun was
/// started to ignore, as by `nohup(1)`, stays ignored, for the job too.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Blocks the signals; to be called while the process has one thread.
    pub fn block() -> std::io::Result<Self> {
        let ignored = process::IgnoredSignals::read();
        let mut set = SigSet::empty();
        let ours = ENDING
            .iter()
            .chain(&INFORMING)
            .chain(&STOPPING)
            .chain([&Signal::CONT]);
        for signal in ours.filter(|signal| !ignored.contains(**signal)) {
            set.add(named(*signal));
        }
        set.add(nix::sys::signal::SIGCHLD);
        // A caller's limit on file sizes cuts our log, as a full disk would, and not us.
        set.add(nix::sys::signal::SIGXFSZ);
        if ignored.contains(Signal::CHILD) {
            // Ignored, it would make the kernel reap the job behind our back (`wait(2)`).
            signal_hook::flag::register(Signal::CHILD.as_raw(), Arc::new(AtomicBool::new(false)))?;
        }
        let before = set.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self {
            descriptor: SignalFd::with_flags(&set, flags)?,
            before,
        })
    }

    /// Takes the next signal that has arrived, if any.
    pub(super) fn next(&self) -> Option<Arrival> {
        loop {
            let info = self.descriptor.read_signal().ok()??;
            let number = i32::try_from(info.ssi_signo).ok()?;
            if let Some(meaning) = Signal::from_named_raw(number).and_then(meaning) {
                return Some(Arrival {
                    meaning,
                    from_terminal: info.ssi_code == SI_KERNEL,
                });
            }
        }
    }

    /// Waits until somebody asks greaserun to end, a descriptor can be read, or a time is over.
    ///
    /// A stop (Ctrl-Z) stops this process; time passes meanwhile.
    pub fn wait(&self, other: Option<BorrowedFd<'_>>, within: Duration) -> Waited {
        let deadline = Instant::now() + within;
        loop {
            while let Some(arrival) = self.next() {
                match arrival.meaning {
                    Meaning::End(signal) => return Waited::Asked(signal),
                    Meaning::Stop => {
                        rustix::process::kill_process(rustix::process::getpid(), Signal::STOP).ok();
                    }
                    Meaning::Child | Meaning::Inform(_) | Meaning::Continue => {}
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            let own = PollFd::from_borrowed_fd(self.descriptor.as_fd(), PollFlags::IN);
            let mut ready = vec![own];
            ready.extend(other.map(|other| PollFd::from_borrowed_fd(other, PollFlags::IN)));
            match poll(&mut ready, timeout.as_ref()) {
                Ok(0) => return Waited::Time,
                Ok(_)
                    if ready
                        .get(1)
                        .is_some_and(|other| !other.revents().is_empty()) =>
                {
                    return Waited::Ready;
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => {
                    std::thread::sleep(left.min(WITHOUT_POLL));
                    return Waited::Time;
                }
            }
        }
    }

    /// Whether somebody has already asked greaserun to end; takes what has arrived so far.
    pub fn ending(&self) -> Option<Signal> {
        std::iter::from_fn(|| self.next()).find_map(|arrival| match arrival.meaning {
            Meaning::End(signal) => Some(signal),
            _ => None,
        })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        while self.next().is_some() {} // What came too late to matter must not kill us now.
        self.before.thread_set_mask().ok(); // It was a valid mask.
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn meaning(signal: Signal) -> Option<Meaning> {
    match signal {
        Signal::CHILD => Some(Meaning::Child),
        Signal::CONT => Some(Meaning::Continue),
        _ if ENDING.contains(&signal) => Some(Meaning::End(signal)),
        _ if INFORMING.contains(&signal) => Some(Meaning::Inform(signal)),
        _ if STOPPING.contains(&signal) => Some(Meaning::Stop),
        _ => None,
    }
}

fn named(signal: Signal) -> nix::sys::signal::Signal {
    signal
        .as_raw()
        .try_into()
        .expect("one of the constants above")
}
