//! The slots of this host and the gate in front of them, as files that all users share.
//!
//! `slot.NNN` is locked for the life of a run, by the kernel and so until the very end of its
//! greaserun; in it stands which run that is. `gate` is locked while someone looks at the slots and
//! takes one; in it stands what ended jobs still add to the load. Files are never removed: whoever
//! holds a lock on a file that is gone excludes nobody.
//!
//! What stands in the files is only believed as far as numbers go: any user may write them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use rustix::fs::{CWD, OFlags, RenameFlags};
use rustix::io::{Errno, FdFlags};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::decision::{Occupancy, Running};
pub use super::holder::Holder;
use super::load::Residue;
use crate::sys;

/// Bytes of a record, written at once; the rest is blanks.
const RECORD_BYTES: usize = 1024;

/// Most slots that are looked at, whatever is in the directory.
const SLOTS_MAX: usize = 4096;

/// Longest wait for the gate, which is held for less than a millisecond unless its holder is
/// stopped.
const GATE_MAX: Duration = Duration::from_secs(10);

/// The same at the end of a run, which nothing may hold up.
const GATE_AT_END_MAX: Duration = Duration::from_millis(100);

/// Distance of two tries to lock the gate.
const GATE_POLL: Duration = Duration::from_millis(1);

/// The same, once it has been held for longer.
const GATE_POLL_MAX: Duration = Duration::from_millis(16);

/// The directory of slots.
#[derive(Debug, Clone)]
pub struct Slots {
    directory: PathBuf,
    /// Locks can be had by who may only read.
    is_only_looked_at: bool,
}

/// What stands in the gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Memory {
    v: u32,
    boot: String,
    residue: Residue,
    /// The last admission, seconds since boot.
    last_start_s: Option<f64>,
    /// Signals that cannot be read, as far as a run has told so.
    #[serde(default)]
    unreadable: BTreeSet<String>,
}

/// The gate, held: nobody else looks at the slots.
#[derive(Debug)]
pub struct Gate<'a> {
    slots: &'a Slots,
    file: File,
    memory: Memory,
    now_s: f64,
}

/// A slot, held for as long as this value or the process lives.
#[derive(Debug)]
pub struct Slot {
    slots: Slots,
    file: File,
    holder: Holder,
}

/// What the slots are like.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// The runs that hold one, with the number of the slot; none where it does not say which.
    pub held: Vec<(usize, Option<Holder>)>,
}

impl Slots {
    /// The slots in a directory that exists.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            is_only_looked_at: false,
        }
    }

    /// The same for one who may look at them and not write them: nothing is made, and no slot can be
    /// taken.
    pub fn to_look_at(directory: PathBuf) -> Self {
        Self {
            directory,
            is_only_looked_at: true,
        }
    }

    /// A directory below this one, made like this one if it is missing.
    pub(super) fn below(&self, name: &str) -> io::Result<Self> {
        let directory = self.directory.join(name);
        if !directory.exists() && !self.is_only_looked_at {
            if self.is_shared() {
                sys::fs::shared_dir(&directory)?;
            } else {
                sys::fs::private_dir(&directory)?;
            }
        }
        Ok(Self {
            directory,
            is_only_looked_at: self.is_only_looked_at,
        })
    }

    /// Whether other users make files here.
    fn is_shared(&self) -> bool {
        fs_err::metadata(&self.directory).is_ok_and(|found| found.mode() & 0o002 != 0)
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes the gate. `now_s` is the time since boot.
    pub fn gate(&self, boot: &str, now_s: f64) -> io::Result<Gate<'_>> {
        self.gate_within(GATE_MAX, boot, now_s)
    }

    fn gate_within(&self, max: Duration, boot: &str, now_s: f64) -> io::Result<Gate<'_>> {
        let file = self.open("gate")?;
        let begun = Instant::now();
        let mut pause = GATE_POLL;
        while file.try_lock().is_err() {
            if begun.elapsed() > max {
                let text = format!(
                    "`{}` has been locked for {} s: is its holder stopped? `fuser` tells who that is",
                    file.path().display(),
                    max.as_secs()
                );
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(GATE_POLL_MAX); // A thousand that come at once share the CPUs.
        }
        let memory = read(&file).filter(|memory: &Memory| memory.boot == boot);
        let memory = memory.unwrap_or_else(|| Memory {
            v: 1,
            boot: boot.to_owned(),
            residue: Residue::default(),
            last_start_s: None,
            unreadable: BTreeSet::new(),
        });
        Ok(Gate {
            slots: self,
            file,
            memory,
            now_s,
        })
    }

    /// Opens a lock file, made if it is missing.
    ///
    /// First without `O_CREAT`: with it, `fs.protected_regular` refuses the files of others in a
    /// directory that is sticky, even to root.
    pub(super) fn open(&self, name: &str) -> io::Result<File> {
        match self.open_existing(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.is_only_looked_at => {}
            other => return other,
        }
        // Under its own name it can be opened by all who may, from the first moment on.
        let now = sys::clock::since_boot().as_nanos();
        let name_of_new = format!(".{name}.{}.{now}", std::process::id());
        let new = self.directory.join(&name_of_new);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        if self.is_shared() {
            file.set_permissions(std::fs::Permissions::from_mode(0o666))?;
        }
        let target = self.directory.join(name);
        match rustix::fs::renameat_with(CWD, &new, CWD, &target, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(file),
            Err(errno) => {
                fs_err::remove_file(&new).ok(); // It is empty, and nobody looks at it.
                match errno {
                    // Another process was first.
                    Errno::EXIST => self.open_existing(name),
                    errno => Err(errno.into()),
                }
            }
        }
    }

    /// Opens a lock file that exists, and nothing else in its place.
    pub(super) fn open_existing(&self, name: &str) -> io::Result<File> {
        let path = self.directory.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(!self.is_only_looked_at)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(&path)?;
        let found = file.metadata()?;
        if !found.is_file() || found.nlink() > 1 {
            let text = format!("`{}` is not a plain file", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(file)
    }

    fn numbers(&self) -> io::Result<Vec<usize>> {
        let mut numbers: Vec<usize> = fs_err::read_dir(&self.directory)?
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                name.strip_prefix("slot.")?.parse().ok()
            })
            .filter(|number| *number < SLOTS_MAX)
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

impl Gate<'_> {
    /// Looks at all slots. What a run left there that was killed counts nothing: nobody knows when
    /// it ended, and so the load average is believed.
    pub fn look(&self) -> io::Result<Seen> {
        let mut seen = Seen::default();
        for number in self.slots.numbers()? {
            match self.slots.open(&name(number)) {
                Ok(file) if file.try_lock().is_ok() => {}
                Ok(file) => seen.held.push((number, read(&file))),
                // Another user made it for himself alone: perhaps it is held.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    seen.held.push((number, None));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(seen)
    }

    /// What the decision needs to know of the slots.
    pub fn occupancy(&self, seen: &Seen) -> Occupancy {
        let running = seen.held.iter().map(|(_, holder)| match holder {
            Some(holder) if holder.boot == self.memory.boot => Running {
                cost: sensible(holder.cost),
                mem_bytes: holder.mem_bytes,
                since: seconds(self.now_s - holder.admitted_s),
            },
            _ => Running {
                cost: 1.0,
                mem_bytes: 0,
                since: Duration::ZERO,
            },
        });
        Occupancy {
            running: running.collect(),
            residue: self.memory.residue.at(self.now_s),
            last_start: self
                .memory
                .last_start_s
                .filter(|start| *start <= self.now_s) // Of another clock, or a joke.
                .map(|start| seconds(self.now_s - start)),
        }
    }

    /// The signals that cannot be read, with the reason, unless a run was told so since boot.
    pub fn not_told_yet(&mut self, unreadable: &BTreeMap<String, String>) -> Vec<String> {
        let told = &mut self.memory.unreadable;
        unreadable
            .iter()
            .filter(|(signal, _)| told.insert((*signal).clone()))
            .map(|(signal, why)| format!("{signal}: {why}"))
            .collect()
    }

    /// Takes a free slot for a run.
    pub fn take(mut self, held: &[(usize, Option<Holder>)], holder: Holder) -> io::Result<Slot> {
        let is_held = |number: &usize| held.iter().any(|(held, _)| held == number);
        for number in (0..SLOTS_MAX).filter(|number| !is_held(number)) {
            let file = self.slots.open(&name(number))?;
            if file.try_lock().is_err() {
                continue; // Someone plays with the files: the next one does.
            }
            write(&file, &holder)?;
            self.memory.last_start_s = Some(self.now_s);
            write(&self.file, &self.memory)?;
            return Ok(Slot {
                slots: self.slots.clone(),
                file,
                holder,
            });
        }
        Err(io::Error::other("no slot can be locked"))
    }

    /// Notes what a job still adds to the load that ends now.
    fn end(&mut self, holder: &Holder) -> io::Result<()> {
        if holder.boot == self.memory.boot {
            let ran_s = (self.now_s - holder.admitted_s).max(0.0);
            let residue = self.memory.residue;
            self.memory.residue = residue.with(self.now_s, sensible(holder.cost), ran_s);
            write(&self.file, &self.memory)?;
        }
        Ok(())
    }
}

impl Slot {
    /// Gives the slot back, and notes what the job still adds to the load.
    ///
    /// If that cannot be noted in time, or the value is dropped, or the process killed, the load is
    /// overestimated for a minute or two.
    pub fn release(self, now_s: f64) {
        let gate = self
            .slots
            .gate_within(GATE_AT_END_MAX, &self.holder.boot, now_s);
        if let Ok(mut gate) = gate {
            gate.end(&self.holder).ok();
        }
        // Processes that inherited it must not keep it.
        self.file.file().unlock().ok();
    }

    /// Lets processes that are started from now on keep the slot beyond the end of this one.
    pub fn let_inherit(&self) -> io::Result<()> {
        rustix::io::fcntl_setfd(&self.file, FdFlags::empty()).map_err(io::Error::from)
    }
}

fn name(number: usize) -> String {
    format!("slot.{number:03}")
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// A cost as it can be, whatever stands in a file.
fn sensible(cost: f64) -> f64 {
    if cost.is_finite() {
        cost.clamp(0.0, 1024.0)
    } else {
        1.0
    }
}

pub(super) fn read<T: DeserializeOwned>(file: &File) -> Option<T> {
    let mut bytes = [0; RECORD_BYTES];
    let count = file.file().read_at(&mut bytes, 0).ok()?;
    serde_json::from_slice(&bytes[..count]).ok()
}

pub(super) fn write<T: Serialize>(file: &File, record: &T) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(record).map_err(io::Error::from)?;
    if bytes.len() > RECORD_BYTES {
        bytes.clear(); // A name of monstrous length: the slot is held all the same.
    }
    bytes.resize(RECORD_BYTES, b' ');
    file.file().write_all_at(&bytes, 0)
}

pub(super) fn clear(file: &File) -> io::Result<()> {
    file.file().write_all_at(&[b' '; RECORD_BYTES], 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(slots: &Slots, run: &str, now_s: f64) -> Slot {
        let gate = slots.gate("boot", now_s).unwrap();
        let seen = gate.look().unwrap();
        let holder = Holder {
            admitted_s: now_s,
            ..Holder::of(run)
        };
        gate.take(&seen.held, holder).unwrap()
    }

    fn held(slots: &Slots, now_s: f64) -> (Vec<String>, f64) {
        let gate = slots.gate("boot", now_s).unwrap();
        let seen = gate.look().unwrap();
        let residue = gate.occupancy(&seen).residue;
        let runs = seen.held.into_iter();
        let runs = runs.map(|(_, holder)| holder.map_or_else(String::new, |holder| holder.run));
        (runs.collect(), residue)
    }

    #[test]
    fn a_slot_is_held_until_its_holder_ends_and_is_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let slots = Slots::new(directory.path().to_owned());
        let first = take(&slots, "one", 10.0);
        let second = take(&slots, "two", 11.0);
        assert_eq!(held(&slots, 12.0).0, ["one", "two"]);
        first.release(70.0);
        let (runs, residue) = held(&slots, 70.0);
        assert_eq!(runs, ["two"]);
        // One minute of a job of cost one has come into the average.
        assert!((residue - 0.632).abs() < 0.01, "{residue}");
        let third = take(&slots, "three", 71.0);
        assert_eq!(held(&slots, 71.0).0, ["three", "two"]);
        drop((second, third));
    }

    #[test]
    fn a_holder_that_is_gone_without_a_word_holds_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let slots = Slots::new(directory.path().to_owned());
        drop(take(&slots, "killed", 0.0));
        assert_eq!(held(&slots, 60.0), (Vec::new(), 0.0));
        let next = take(&slots, "next", 61.0);
        assert_eq!(held(&slots, 62.0).0, ["next"]);
        drop(next);
    }

    #[test]
    fn what_stood_there_before_the_host_was_restarted_counts_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let slots = Slots::new(directory.path().to_owned());
        take(&slots, "one", 1000.0).release(2000.0);
        let gate = slots.gate("another boot", 5.0).unwrap();
        let seen = gate.look().unwrap();
        let occupancy = gate.occupancy(&seen);
        assert_eq!(occupancy, Occupancy::default());
    }

    #[test]
    fn garbage_in_the_files_is_survived() {
        let directory = tempfile::tempdir().unwrap();
        let slots = Slots::new(directory.path().to_owned());
        fs_err::write(directory.path().join("gate"), [0xff; 3000]).unwrap();
        fs_err::write(directory.path().join("slot.000"), "{\"v\":1,\"cost\":1e999").unwrap();
        fs_err::write(directory.path().join("slot.99999999999999999999"), "x").unwrap();
        let slot = take(&slots, "one", 1.0);
        assert_eq!(held(&slots, 1.0).0, ["one"]);
        drop(slot);
    }

    #[test]
    fn a_link_in_place_of_a_slot_is_refused_and_its_target_untouched() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        fs_err::write(&target, "precious").unwrap();
        let slots_directory = directory.path().join("guard");
        fs_err::create_dir(&slots_directory).unwrap();
        fs_err::os::unix::fs::symlink(&target, slots_directory.join("slot.000")).unwrap();
        let slots = Slots::new(slots_directory.clone());
        let gate = slots.gate("boot", 1.0).unwrap();
        assert!(gate.look().is_err());
        drop(gate);
        fs_err::remove_file(slots_directory.join("slot.000")).unwrap();
        fs_err::hard_link(&target, slots_directory.join("slot.000")).unwrap();
        assert!(slots.gate("boot", 1.0).unwrap().look().is_err());
        assert_eq!(fs_err::read_to_string(&target).unwrap(), "precious");
    }
}
