//! What a shipper does when there is nothing to ship: a second look at what has arrived, and what is too
//! old.

use std::path::Path;
use std::time::Duration;

use super::item::Run;
use super::mirror::Fault;
use super::patience::Patience;
use super::root::Root;
use super::shipper::Shipper;
use crate::debugging::expiry::{self, Budget, Manner};
use crate::debugging::share::layout;

/// Distance of two looks at what was shipped not long ago.
const DOUBT_EVERY: Duration = Duration::from_hours(2);

/// Distance of two looks at what is too old on the share.
const EXPIRE_EVERY: Duration = Duration::from_hours(24);

impl Shipper {
    /// Does what is due, if anything.
    pub(super) fn keep_up(&mut self, root: &Root, path: &Path) {
        if self.is_due("rechecked", DOUBT_EVERY) {
            self.doubt(root);
        }
        if !self.is_out() && self.is_due("expired", EXPIRE_EVERY) {
            self.expire(path);
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
                    self.diary
                        .note(&format!("{id} is not whole on the share any more"));
                    self.work.doubt(id, dir);
                }
                Err(errno) => return self.failed(&what, &mut patience, &Fault::Share(errno)),
            }
        }
        self.place.write("rechecked", "").ok(); // It is done again before its time then.
    }

    /// Removes and compresses what is old, some of it at a time.
    fn expire(&mut self, path: &Path) {
        self.state.begin("what is too old");
        let user = layout::file_name(&self.task.user);
        let retention = &self.task.logs.retention;
        let done = expiry::pass(path, &user, retention, Manner::Daily, Budget::default());
        let is_done = match done {
            Ok((_, report)) => {
                for problem in &report.problems {
                    self.diary.note(problem);
                }
                !report.more
            }
            Err(error) => {
                self.diary.note(&format!("what is too old stays: {error}"));
                true // Until tomorrow.
            }
        };
        if is_done {
            self.place.write("expired", "").ok();
        }
    }
}
