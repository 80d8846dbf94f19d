//! Who waits for the guard: one file for each run, so that people can see it.
//!
//! Nothing is decided by these files. One whose lock is free belongs to nobody any more.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::holder::text;
use super::slots::{Holder, Slots, read, write};
use crate::model::RunId;

/// Directory of these files, below that of the slots.
const DIRECTORY: &str = "waiting";

/// Most files that are looked at.
const FILES_MAX: usize = 10_000;

/// Longest reason that is told, in bytes: it must fit into the record.
const WHY_BYTES_MAX: usize = 300;

/// A run that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiter {
    /// Who it is; admitted is when it came.
    #[serde(flatten)]
    pub who: Holder,
    /// What it waits for, for people.
    #[serde(deserialize_with = "text")]
    pub why: String,
}

/// The file of a run that waits; goes with this value.
#[derive(Debug)]
pub(super) struct Ticket {
    file: fs_err::File,
    path: PathBuf,
    waiter: Waiter,
}

impl Ticket {
    /// Tells everybody that a run waits.
    pub(super) fn open(slots: &Slots, who: Holder, why: &str) -> io::Result<Self> {
        let directory = slots.below(DIRECTORY)?;
        // Nobody looks at it before it is locked and says who waits.
        let name_of_new = format!("new.{}", who.run);
        let file = directory.open(&name_of_new)?;
        file.try_lock().map_err(io::Error::from)?;
        let path = directory.directory().join(&who.run);
        let mut ticket = Self {
            path: directory.directory().join(name_of_new),
            file,
            waiter: Waiter {
                who,
                why: bounded(why),
            },
        };
        write(&ticket.file, &ticket.waiter)?;
        fs_err::rename(&ticket.path, &path)?;
        ticket.path = path;
        Ok(ticket)
    }

    /// Tells what it waits for now.
    pub(super) fn tell(&mut self, why: &str) {
        let why = bounded(why);
        if why != self.waiter.why {
            self.waiter.why = why;
            write(&self.file, &self.waiter).ok(); // It is for people alone.
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        fs_err::remove_file(&self.path).ok(); // Whoever looks next removes it.
    }
}

/// The runs that wait, in the order of their arrival. What the dead left is removed.
pub fn all(slots: &Slots) -> io::Result<Vec<Waiter>> {
    let directory = slots.below(DIRECTORY)?;
    let names = match names(directory.directory()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(), // Nobody ever waited.
        other => other?,
    };
    let mut waiters = Vec::new();
    for name in names {
        let Ok(file) = directory.open_existing(&name) else {
            continue; // It has gone meanwhile.
        };
        if file.try_lock().is_ok() {
            fs_err::remove_file(directory.directory().join(&name)).ok(); // Another user's stays.
        } else {
            waiters.extend(read::<Waiter>(&file));
        }
    }
    waiters.sort_by(|one, other| one.who.admitted_s.total_cmp(&other.who.admitted_s));
    Ok(waiters)
}

/// Removes what a run left that was killed while it waited, or was about to.
pub fn forget(slots: &Slots, run: RunId) {
    let directory = slots.directory().join(DIRECTORY);
    let run = run.to_string();
    // Half made, it has the run in a longer name.
    let entries = fs_err::read_dir(&directory).into_iter().flatten().flatten();
    let of_run = entries.filter(|entry| entry.file_name().to_string_lossy().contains(&run));
    for entry in of_run {
        fs_err::remove_file(entry.path()).ok(); // Another sweeper may have been first.
    }
}

/// How many files there are: nearly as many as runs that wait.
pub(super) fn count(slots: &Slots) -> usize {
    let directory = slots.below(DIRECTORY).ok();
    let entries = directory.and_then(|directory| fs_err::read_dir(directory.directory()).ok());
    entries.map_or(0, |entries| entries.take(FILES_MAX).count())
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = fs_err::read_dir(directory)?.filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names
        .filter(|name| name.parse::<RunId>().is_ok())
        .take(FILES_MAX)
        .collect())
}

fn bounded(why: &str) -> String {
    let mut why = why.to_owned();
    why.truncate(why.floor_char_boundary(WHY_BYTES_MAX));
    why
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn holder(run: &RunId, since_s: f64) -> Holder {
        Holder {
            admitted_s: since_s,
            ..Holder::of(&run.to_string())
        }
    }

    #[test]
    fn who_waits_is_seen_in_the_order_of_arrival_and_who_is_gone_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let slots = Slots::new(directory.path().to_owned());
        let ids = [RunId::new(), RunId::new(), RunId::new()];
        let late = Ticket::open(&slots, holder(&ids[0], 20.0), "load").unwrap();
        let mut early = Ticket::open(&slots, holder(&ids[1], 10.0), "load").unwrap();
        early.tell(&"x".repeat(4000));
        // One that was killed: its file is there, its lock is free.
        let killed = slots.below(DIRECTORY).unwrap().open(&ids[2].to_string());
        drop(killed.unwrap());
        assert_eq!(count(&slots), 3);
        let runs = || -> Vec<String> {
            let waiters = all(&slots).unwrap().into_iter();
            waiters.map(|waiter| waiter.who.run).collect()
        };
        assert_eq!(runs(), [ids[1].to_string(), ids[0].to_string()]);
        assert_eq!(count(&slots), 2);
        drop((late, early));
        assert_eq!(runs(), [""; 0]);
    }

    #[test]
    fn who_begins_to_wait_while_someone_looks_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let slots = Slots::new(directory.path().to_owned());
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    all(&slots).unwrap();
                }
            });
            let unseen = (0..1000).filter(|_| {
                let ticket = Ticket::open(&slots, holder(&RunId::new(), 0.0), "load");
                let seen = all(&slots).unwrap().len();
                drop(ticket);
                seen != 1
            });
            let unseen = unseen.count();
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(unseen, 0);
        });
    }
}
