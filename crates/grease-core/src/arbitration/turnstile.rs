//! The turnstile: of all that wait with one priority, one looks at the machine and the others
//! sleep in the kernel, nearly in the order in which they came.
//!
//! It is a device for fairness alone. Who waits behind one that is stopped goes past it.

use std::io::{self, PipeReader};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fs_err::File;
use nix::sys::signal::SigSet;

use super::admission::Woken;
use super::slots::Slots;
use crate::model::jobs::Priority;
use crate::sys::clock;

/// How often the one who looks says that it is alive.
const BEAT: Duration = Duration::from_secs(5);

/// How long the one who looks may be silent before the others go past it.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How often a sleeper looks whether the one who looks is alive.
const CHECK: Duration = Duration::from_secs(5);

/// Stack of the thread that sleeps.
const STACK_BYTES: usize = 64 * 1024;

/// A place at the turnstile.
#[derive(Debug)]
pub(super) struct Place {
    /// None for who went past it.
    file: Option<File>,
    beaten: Option<Instant>,
}

/// What became of waiting for the turnstile.
#[derive(Debug)]
pub(super) enum Entry {
    /// It is our turn, or the one whose turn it is is stopped.
    Turn(Place),
    /// Time is over.
    TooLate,
    /// The waiting was ended.
    Stopped,
}

/// Takes the turn if nobody has it.
pub(super) fn try_enter(slots: &Slots, priority: Priority) -> io::Result<Option<Place>> {
    let file = slots.open(name(priority))?;
    Ok(file.try_lock().is_ok().then(|| Place::of(file)))
}

/// Waits for the turn among those of one priority. `sleep` waits until a descriptor can be read or
/// a time is over.
pub(super) fn enter(
    slots: &Slots,
    priority: Priority,
    within: Option<Duration>,
    sleep: &mut dyn FnMut(BorrowedFd<'_>, Duration) -> Woken,
) -> io::Result<Entry> {
    let begun = Instant::now();
    let (turn, sleeper) = sleep_until_locked(slots.open(name(priority))?)?;
    loop {
        let left = within.map(|within| within.saturating_sub(begun.elapsed()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Entry::TooLate);
        }
        match sleep(turn.as_fd(), left.map_or(CHECK, |left| left.min(CHECK))) {
            Woken::Stop => return Ok(Entry::Stopped),
            Woken::Ready => {
                let locked = sleeper.recv();
                let locked = locked.map_err(|_| io::Error::other("the sleeper has ended"))?;
                return Ok(Entry::Turn(Place::of(locked?)));
            }
            Woken::Time if is_silent(slots, priority) => {
                return Ok(Entry::Turn(Place {
                    file: None,
                    beaten: None,
                }));
            }
            Woken::Time => {}
        }
    }
}

/// Whether someone waits with a priority.
pub(super) fn is_busy(slots: &Slots, priority: Priority) -> bool {
    let Ok(file) = slots.open_existing(name(priority)) else {
        return false; // Nobody ever waited with it.
    };
    // Shared, so that two who look do not see each other.
    file.try_lock_shared().is_err() && !is_silent(slots, priority)
}

impl Place {
    fn of(file: File) -> Self {
        Self {
            file: Some(file),
            beaten: None,
        }
    }

    /// Whether it is our turn, and not that we went past it.
    pub(super) fn is_in_queue(&self) -> bool {
        self.file.is_some()
    }

    /// Says that we are alive, from time to time.
    pub(super) fn beat(&mut self) {
        if self.beaten.is_some_and(|beaten| beaten.elapsed() < BEAT) {
            return;
        }
        self.beaten = Some(Instant::now());
        if let Some(file) = &self.file {
            let text = format!("{:>20}\n", clock::since_boot().as_millis());
            file.file().write_all_at(text.as_bytes(), 0).ok(); // Others may go past us then.
        }
    }
}

/// Locks a file in a thread of its own, since nobody can be woken from that after a time. The pipe
/// is closed once it is locked.
///
/// All signals are blocked there: they are for the main thread. If nobody takes the lock any more,
/// it is given up as soon as it is had.
fn sleep_until_locked(file: File) -> io::Result<(PipeReader, mpsc::Receiver<io::Result<File>>)> {
    let (reader, writer) = io::pipe()?;
    let (sender, receiver) = mpsc::channel();
    let mask = SigSet::thread_get_mask()?;
    SigSet::all().thread_block()?;
    let spawned = thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let locked = file.lock().map(|()| file);
            sender.send(locked).ok(); // Nobody waits for it any more.
            drop(writer);
        });
    mask.thread_set_mask()?;
    spawned.map(|_| (reader, receiver))
}

/// Whether the one whose turn it is has not said for long that it is alive.
fn is_silent(slots: &Slots, priority: Priority) -> bool {
    let beat = || {
        let file = slots.open_existing(name(priority)).ok()?;
        let mut bytes = [0; 20];
        file.file().read_exact_at(&mut bytes, 0).ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        text.trim().parse().ok().map(Duration::from_millis)
    };
    beat().is_some_and(|beat| clock::since_boot().saturating_sub(beat) > SILENCE_MAX)
}

fn name(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "turn.high",
        Priority::Normal => "turn.normal",
        Priority::Low => "turn.low",
    }
}
