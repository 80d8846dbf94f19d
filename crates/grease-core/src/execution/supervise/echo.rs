//! The job's output on its way to greaserun's own, with a reader that may be slow or gone.
//!
//! One thread for each stream does the writing, which may block for as long as it likes; the
//! supervisor only looks whether there is room. A full queue slows the job down, as a pipe
//! would; it is never a reason to wait.

use std::collections::VecDeque;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags};
use rustix::io::Errno;

/// Bytes that may wait for the reader of one stream.
const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// What a chunk takes in memory beside its bytes; else many small ones would take much.
const CHUNK_OVERHEAD_BYTES: usize = 64;

/// Longest that a write may take before the reader counts as slow.
const SLOW: Duration = Duration::from_secs(10);

/// The writer of one stream.
#[derive(Debug)]
pub(super) struct Echo {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    /// Written to when the queue has shrunk, to wake the supervisor.
    wake: Arc<OwnedFd>,
}

#[derive(Debug, Default)]
struct Queue {
    chunks: VecDeque<Arc<[u8]>>,
    /// What the chunks, and the one that is being written, take in memory.
    bytes: usize,
    /// The reader is gone: the rest is thrown away.
    closed: bool,
    /// Why, unless the reader simply left.
    failure: Option<Errno>,
    /// When the write that is under way began.
    writing_since: Option<Instant>,
    reported: bool,
}

/// Makes the descriptor by which all writers wake the supervisor.
pub(super) fn wake_descriptor() -> rustix::io::Result<Arc<OwnedFd>> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    rustix::event::eventfd(0, flags).map(Arc::new)
}

impl Echo {
    /// Starts the writer of `target`.
    pub(super) fn start(target: OwnedFd, wake: Arc<OwnedFd>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            filled: Condvar::new(),
            wake,
        });
        let for_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("echo".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || for_thread.write_chunks(&target))?;
        Ok(Self { shared })
    }

    /// Whether more may be pushed without holding too much in memory.
    pub(super) fn has_room(&self) -> bool {
        self.shared.lock().bytes < QUEUE_BYTES_MAX
    }

    /// Whether everything has been written or thrown away.
    pub(super) fn is_idle(&self) -> bool {
        let queue = self.shared.lock();
        queue.chunks.is_empty() && queue.writing_since.is_none()
    }

    /// Hands a chunk to the writer.
    pub(super) fn push(&self, chunk: Arc<[u8]>) {
        let mut queue = self.shared.lock();
        if !queue.closed {
            queue.bytes += chunk.len() + CHUNK_OVERHEAD_BYTES;
            queue.chunks.push_back(chunk);
            self.shared.filled.notify_one();
        }
    }

    /// Tells once, when a write has been stuck for long.
    pub(super) fn is_newly_slow(&self, now: Instant) -> bool {
        let mut queue = self.shared.lock();
        let slow = queue
            .writing_since
            .is_some_and(|since| now.duration_since(since) >= SLOW);
        let newly = slow && !queue.reported;
        queue.reported |= slow;
        newly
    }

    /// Why the echo ended, once; `None` while it goes on or if the reader simply left.
    pub(super) fn take_failure(&self) -> Option<Errno> {
        self.shared.lock().failure.take()
    }

    /// When [`Echo::is_newly_slow`] should be asked again.
    pub(super) fn slow_at(&self) -> Option<Instant> {
        let queue = self.shared.lock();
        queue
            .writing_since
            .filter(|_| !queue.reported)
            .map(|since| since + SLOW)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here panics half way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_chunks(&self, target: &OwnedFd) {
        loop {
            let chunk = self.next();
            let written = write_all(target, &chunk);
            let mut queue = self.lock();
            queue.writing_since = None;
            queue.bytes -= chunk.len() + CHUNK_OVERHEAD_BYTES;
            if let Err(errno) = written {
                queue.closed = true;
                queue.failure = (errno != Errno::PIPE).then_some(errno);
                queue.chunks.clear();
                queue.bytes = 0;
            }
            drop(queue);
            self.wake();
        }
    }

    fn next(&self) -> Arc<[u8]> {
        let mut queue = self.lock();
        loop {
            if let Some(chunk) = queue.chunks.pop_front() {
                queue.writing_since = Some(Instant::now());
                return chunk;
            }
            queue = self
                .filled
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wake(&self) {
        let target: BorrowedFd<'_> = self.wake.as_fd();
        rustix::io::write(target, &1u64.to_ne_bytes()).ok(); // Full means: already awake.
    }
}

fn write_all(target: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(target, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Somebody who shares our output made it non-blocking.
            Err(Errno::AGAIN) => {
                rustix::event::poll(&mut [PollFd::new(target, PollFlags::OUT)], None).ok();
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
