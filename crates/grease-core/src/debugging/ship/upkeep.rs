//! What a shipper does beside shipping: that the local disk has what it ships, a second look at what has
//! arrived, and what is too old.

use std::io;
use std::time::Duration;

use super::item::Run;
use super::mirror::Fault;
use super::patience::Patience;
use super::root::Root;
use super::shipper::Shipper;
use crate::debugging::expiry::{self, Budget, Manner};
use crate::debugging::share::layout;
use crate::debugging::{journal, tail};
use crate::sys::clock;

/// Distance of two times that the local disk takes what live runs have written.
pub(super) const SAVE_EVERY: Duration = Duration::from_secs(5);

/// A disk that is slow at that is left alone for so many times as long as it took.
const SAVE_REST: u32 = 20;

/// Distance of two looks at what was shipped not long ago.
const DOUBT_EVERY: Duration = Duration::from_hours(2);

/// Distance of two looks at what is too old on the share.
const EXPIRE_EVERY: Duration = Duration::from_hours(24);

impl Shipper {
    /// Has the local disk take what live runs have written, if it is time to: a power failure costs their
    /// last seconds, whatever the share is like. It is done here since no job should wait for a disk.
    pub(super) fn save(&mut self, now: Duration) {
        if now < self.save_at {
            return;
        }
        for run in self.work.runs.values_mut().filter(|run| !run.is_final) {
            save(run).ok(); // It is tried again, or the run is finished now.
        }
        let then = clock::since_boot();
        let rest = then.saturating_sub(now).saturating_mul(SAVE_REST);
        self.save_at = then + rest.max(SAVE_EVERY);
    }

    /// Does what is due, if anything.
    pub(super) fn keep_up(&mut self, root: &Root) {
        if self.is_due("rechecked", DOUBT_EVERY) {
            self.doubt(root);
        }
        if !self.is_out() && self.is_due("expired", EXPIRE_EVERY) {
            self.expire(root);
        }
    }

    /// Whether the file that is written each time something is done is old.
    fn is_due(&self, mark: &str, every: Duration) -> bool {
        let written = fs_err::metadata(self.place.file(mark)).and_then(|found| found.modified());
        // One of the future is of a clock that was wrong.
        !written.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < every))
    }

    /// Looks at what was shipped not long ago: a server that died may have lost what it had confirmed.
    fn doubt(&mut self, root: &Root) {
        let mut patience = Patience::default();
        for (id, dir) in self.work.in_doubt(&self.task.spool) {
            let mut run = Run::new(id, dir.clone(), true);
            let what = format!("the second look at {id}");
            self.state.begin(what.clone());
            match run.is_there(root, &self.task.host) {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!("{id} is not whole on the share any more");
                    self.work.doubt(id, dir);
                }
                Err(errno) => return self.failed(&what, &mut patience, &Fault::Share(errno)),
            }
        }
        if let Err(errno) = self.doubt_index(root) {
            let what = "the second look at the index";
            return self.failed(what, &mut patience, &Fault::Share(errno));
        }
        self.place.write("rechecked", "").ok(); // It is done again before its time then.
    }

    /// The same for the days of the index.
    fn doubt_index(&mut self, root: &Root) -> rustix::io::Result<()> {
        let Some(host) = self.heart.name().map(ToOwned::to_owned) else {
            return Ok(());
        };
        self.state.begin("the second look at the index");
        for day in self.work.days_in_doubt() {
            if !day.is_there(root, &host)? {
                tracing::warn!(
                    "the index of {} is not whole on the share any more",
                    day.name
                );
                day.doubt();
            }
        }
        Ok(())
    }

    /// Removes and compresses what is old, some of it at a time.
    fn expire(&mut self, root: &Root) {
        self.state.begin("what is too old");
        let user = layout::file_name(&self.task.user);
        let retention = &self.task.logs.retention;
        let done = root.again().and_then(|root| {
            expiry::pass(&root, &user, retention, Manner::Daily, Budget::default())
        });
        let is_done = match done {
            Ok((_, report)) => {
                for problem in &report.problems {
                    tracing::warn!("{problem}");
                }
                !report.more
            }
            Err(error) => {
                tracing::warn!("what is too old stays: {error}");
                true // Until tomorrow.
            }
        };
        if is_done {
            self.place.write("expired", "").ok();
        }
    }
}

/// Has the local disk take a log, and what is to be the end of one that is cut; returns whether there was
/// anything new.
fn save(run: &mut Run) -> io::Result<bool> {
    let mut files = Vec::new();
    let mut newest = None;
    for entry in fs_err::read_dir(&run.dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == journal::LOG || name.as_encoded_bytes().starts_with(tail::PREFIX.as_bytes()) {
            let file = fs_err::File::open(entry.path())?;
            newest = newest.max(Some(file.metadata()?.modified()?));
            files.push(file);
        }
    }
    if newest == run.saved {
        return Ok(false);
    }
    for file in files {
        file.sync_data()?;
    }
    run.saved = newest;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::model::RunId;

    #[test]
    fn only_what_is_new_is_brought_to_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let id = RunId::new();
        let mut run = Run::new(id, dir.path().to_owned(), false);
        assert!(!save(&mut run).unwrap(), "there is nothing yet");
        let mut past = std::time::SystemTime::now() - Duration::from_mins(1);
        for name in [journal::LOG, "tail.1.0", journal::LOG] {
            let path = dir.path().join(name);
            let file = fs_err::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path);
            let mut file = file.unwrap();
            file.write_all(b"line\n").unwrap();
            past += Duration::from_secs(1);
            file.set_modified(past).unwrap();
            assert!(save(&mut run).unwrap(), "{name}");
            assert!(!save(&mut run).unwrap(), "{name}");
        }
    }
}
