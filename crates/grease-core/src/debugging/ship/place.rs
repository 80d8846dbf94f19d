//! What of the shipper lies in the spool, `ship/`, and how others meet it there.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use uuid::Uuid;

pub(super) use crate::debugging::retention::SHIPPED;

use super::state::{self, Trouble};
use crate::sys::{clock, fs};

/// Directory of the shipper, under the spool.
const SHIP: &str = "ship";

/// Longest small file that is read here.
const BYTES_MAX: u64 = 4096;

/// First pause between two looks whether a run is shipped, and the longest.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));

/// The shipper's directory.
#[derive(Debug, Clone)]
pub(super) struct Place(PathBuf);

impl Place {
    /// The directory in a spool; it need not exist.
    pub(super) fn of(spool: &Path) -> Self {
        Self(spool.join(SHIP))
    }

    /// Makes the directory where it is missing.
    pub(super) fn make(spool: &Path) -> io::Result<Self> {
        let place = Self::of(spool);
        fs::private_dir(&place.0)?;
        Ok(place)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Takes the lock of the one shipper of this spool; none if another has it.
    pub(super) fn try_lock(&self) -> io::Result<Option<fs_err::File>> {
        let lock = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.file("lock"))?;
        Ok(lock.try_lock().is_ok().then_some(lock))
    }

    /// Opens the pipe that wakes the shipper. It has it open for writing too, so that it never ends.
    pub(super) fn open_wake(&self) -> io::Result<OwnedFd> {
        let path = self.file("wake");
        match nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::open(&path, flags, Mode::empty())?)
    }

    /// The id of this spool, made once: by it a host knows what is its own on the share.
    pub(super) fn id(&self) -> io::Result<String> {
        let path = self.file("id");
        if let Some(id) = self.read("id").filter(|id| Uuid::try_parse(id).is_ok()) {
            return Ok(id);
        }
        let id = Uuid::now_v7().to_string();
        fs::write_atomic(&path, id.as_bytes())?;
        Ok(id)
    }

    /// The text of a small file, without the end of its line.
    pub(super) fn read(&self, name: &str) -> Option<String> {
        let text = fs::read_bounded(&self.file(name), BYTES_MAX).ok()?;
        Some(text.trim_end().to_owned())
    }

    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write_atomic(&self.file(name), text.as_bytes())
    }
}

/// Writes a small file anew: others see the old one or the new one. A power failure may undo it.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    fs_err::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(PathBuf::from(&temporary))
        .and_then(|mut file| io::Write::write_all(&mut file, content))?;
    fs_err::rename(temporary, path)
}

/// Has the shipper of a spool look at once whether there is something to do.
pub fn wake(spool: &Path) {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pipe = rustix::fs::open(Place::of(spool).file("wake"), flags, Mode::empty());
    if let Ok(pipe) = pipe {
        rustix::io::write(pipe, b"!").ok(); // It is full of such already, or nobody reads it.
    }
}

/// Whether a shipper runs for a spool.
pub fn is_running(spool: &Path) -> bool {
    let lock = fs_err::File::open(Place::of(spool).file("lock"));
    lock.is_ok_and(|lock| lock.try_lock_shared().is_err())
}

/// Sleeps until somebody wakes the shipper; returns whether somebody did.
pub(super) fn sleep(wake: &OwnedFd, timeout: Duration) -> bool {
    let timeout = Timespec::try_from(timeout).ok();
    let mut descriptors = [PollFd::new(wake, PollFlags::IN)];
    rustix::event::poll(&mut descriptors, timeout.as_ref()).ok();
    let mut bytes = [0; 512];
    let mut is_woken = false;
    while rustix::io::read(wake, &mut bytes).is_ok_and(|count| count > 0) {
        is_woken = true;
    }
    is_woken
}

/// Whether somebody wakes the shipper.
pub(super) fn is_called(wake: &OwnedFd) -> bool {
    let mut descriptors = [PollFd::new(wake, PollFlags::IN)];
    rustix::event::poll(&mut descriptors, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}

/// What became of a run that was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// It is on the share, whole.
    Shipped,
    /// It is not there yet, for this reason; it is not waited for any longer.
    NotYet(String),
}

/// Waits until a finished run is on the share, for no longer than `patience`, until `stop` says so, and
/// not at all when the shipper is stuck or the share is refused. Touches nothing but the spool.
pub fn wait_shipped(
    spool: &Path,
    run_dir: &Path,
    patience: Duration,
    stop: &dyn Fn() -> bool,
) -> Waited {
    let begun = clock::since_boot();
    let shipped = run_dir.join(SHIPPED);
    let mut pause = LOOK.0;
    loop {
        if shipped.exists() {
            return Waited::Shipped;
        }
        let now = clock::since_boot();
        let trouble = state::state(spool).and_then(|state| state.trouble(now));
        match trouble {
            // It was killed meanwhile, and the next one has not told anything yet.
            Some(Trouble::Stuck(_)) if !is_running(spool) => {}
            Some(Trouble::Stuck(text) | Trouble::Refused(text)) => return Waited::NotYet(text),
            None => {}
        }
        if now >= begun + patience || stop() {
            return Waited::NotYet("it takes its time".to_owned());
        }
        std::thread::sleep(pause.min((begun + patience).saturating_sub(now)));
        pause = (pause * 2).min(LOOK.1);
    }
}
