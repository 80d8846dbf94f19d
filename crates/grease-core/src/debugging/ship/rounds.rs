//! One round of a shipper: the index, the digests of failures, logs, and what is complete thereby.

use std::path::Path;
use std::time::Duration;

use super::item::{QUANTUM, Rank, Run};
use super::mirror::{Fault, Mirror, Step};
use super::patience::{Patience, is_of_one_place};
use super::root::Root;
use super::shipper::Shipper;
use super::{gate, publish};
use crate::debugging::share::layout;
use crate::model::RunId;
use crate::sys::clock;

/// Bytes of one day of the index that are brought before anything else has its turn.
const INDEX_BYTES: u64 = 1 << 20;

/// Runs of the lowest rank that have their turn in one round.
const REST_RUNS: usize = 8;

/// Runs that are verified in one round.
const VERIFIED_RUNS: usize = 32;

impl Shipper {
    /// One round; returns whether there may be more to do at once.
    pub(super) fn round(&mut self, root: &Root, path: &Path) -> bool {
        self.failed_at.clear();
        if !self.beat(root, path) {
            return false;
        }
        let mut has_moved = false;
        for act in [Self::days, Self::digests, Self::logs, Self::finish] {
            if self.is_out() {
                return false;
            }
            has_moved |= act(self, root);
        }
        if let Some(telling) = &self.telling {
            self.state.begin("alerts");
            telling.ask_share(root.again(), &layout::file_name(&self.task.user));
        }
        has_moved
    }

    /// Claims a name, and beats; returns whether there is one.
    fn beat(&mut self, root: &Root, path: &Path) -> bool {
        let mut patience = Patience::default();
        if self.heart.name().is_none() {
            self.state.begin("claim a name");
            if let Err(fault) = self.heart.claim(root) {
                self.failed("the heartbeat", &mut patience, &fault);
                self.is_lost |= !self.is_out();
                return false;
            }
            self.well();
        }
        if !self.heart.is_due(clock::since_boot()) {
            return true;
        }
        self.state.begin("look at the share");
        let id = self.state.now().share_id.clone().unwrap_or_default();
        if !gate::is_still(root, path, &id) {
            self.is_lost = true;
            return false;
        }
        self.count();
        self.state.begin("the heartbeat");
        match self.heart.beat(root, &self.news()) {
            Ok(()) => self.well(),
            Err(Fault::Surprise(_)) => self.heart.forget(),
            Err(fault) => self.failed("the heartbeat", &mut patience, &fault),
        }
        self.heart.name().is_some()
    }

    /// Brings the index, newest day first: that is what readers look at.
    fn days(&mut self, root: &Root) -> bool {
        let Some(host) = self.heart.name().map(ToOwned::to_owned) else {
            return false;
        };
        let now = clock::since_boot();
        let days: Vec<String> = self.work.days.keys().rev().cloned().collect();
        let mut has_moved = false;
        for key in days {
            let Some(mut day) = self.work.days.remove(&key) else {
                continue;
            };
            if day.patience.is_over(now) && day.pending() > 0 && !self.is_out() {
                let what = format!("the index of {key}");
                let done = day
                    .mirror(&host)
                    .and_then(|mirror| self.bring(&what, mirror, root, INDEX_BYTES));
                has_moved |= self.judge(layout::INDEX, &what, &mut day.patience, &done);
                day.bookmark();
            }
            self.work.days.insert(key, day);
        }
        has_moved
    }

    /// Publishes the digests of failures.
    fn digests(&mut self, root: &Root) -> bool {
        let now = clock::since_boot();
        let is_wanted =
            |run: &&Run| run.has_digest == Some(true) && run.digest_patience.is_over(now);
        let runs = self.work.runs.values().filter(is_wanted).map(|run| run.id);
        let mut has_moved = false;
        for id in runs.collect::<Vec<_>>() {
            if self.is_out() {
                break;
            }
            let Some(mut run) = self.work.runs.remove(&id) else {
                continue;
            };
            run.facts(&self.task.host);
            match run.digest() {
                Ok((path, text)) => {
                    let what = format!("the digest of {id}");
                    self.state.begin(what.clone());
                    let done = publish::once_and_whole(root, &path, text.as_bytes());
                    let done = done.map(|()| true);
                    if self.judge(layout::FAILED, &what, &mut run.digest_patience, &done) {
                        run.has_digest = Some(false);
                        has_moved = true;
                    }
                }
                Err(error) => {
                    tracing::warn!("the digest of {id}: {error}");
                    run.has_digest = Some(false);
                }
            }
            self.work.runs.insert(id, run);
        }
        has_moved
    }

    /// Brings some of each log that is due.
    fn logs(&mut self, root: &Root) -> bool {
        let mut has_moved = false;
        for id in self.due(clock::since_boot()) {
            if self.is_out() {
                break;
            }
            let Some(mut run) = self.work.runs.remove(&id) else {
                continue;
            };
            let what = format!("the log of {id}");
            let done = self.log(&what, &mut run, root);
            let place = place_of(&mut run, &self.task.host);
            has_moved |= self.judge(&place, &what, &mut run.patience, &done);
            let is_rest = run.rank() == Rank::Rest;
            self.work.runs.insert(id, run);
            if is_rest && self.is_called() {
                return true; // Something more urgent may have come.
            }
        }
        has_moved
    }

    /// The runs whose logs have their turn, in this order; those that failed before after all others.
    fn due(&self, now: Duration) -> Vec<RunId> {
        let is_due = |run: &&Run| {
            let is_time = || {
                let pending = run.pending();
                run.is_final || pending >= QUANTUM || (pending > 0 && now >= run.due)
            };
            !run.is_level && run.patience.is_over(now) && is_time()
        };
        let runs = self.work.runs.values().filter(is_due);
        let mut due: Vec<_> = runs
            .map(|run| (run.patience.is_tried(), run.rank(), run.id))
            .collect();
        due.sort_unstable();
        let mut rest = 0;
        due.retain(|(_, rank, _)| {
            rest += usize::from(*rank == Rank::Rest);
            *rank != Rank::Rest || rest <= REST_RUNS
        });
        due.into_iter().map(|(.., id)| id).collect()
    }

    fn log(&mut self, what: &str, run: &mut Run, root: &Root) -> Result<bool, Fault> {
        let now = clock::since_boot();
        if !run.wants_log() {
            run.is_level = run.is_final;
            run.flushed(now);
            return Ok(run.is_final);
        }
        let Some(facts) = run.facts(&self.task.host).cloned() else {
            run.flushed(now);
            return Ok(false); // Its beginning is being written.
        };
        let mirror = run.mirror(&facts.log)?;
        let done = self.bring(what, mirror, root, QUANTUM);
        let is_whole = mirror.length()? == mirror.offset();
        let is_there = mirror.offset() > 0;
        run.bookmark();
        let has_moved = done?;
        if is_there && !run.is_linked {
            self.state.begin(format!("the link to {what}"));
            match publish::latest(root, &facts.job, &facts.log, run.id) {
                // Something else is in its place: it is for people, and nothing waits for it.
                Err(errno) if is_of_one_place(errno) => {
                    tracing::warn!("the link to {what}: {}", Fault::Share(errno));
                }
                linked => linked?,
            }
            run.is_linked = true;
        }
        if is_whole {
            run.is_level = run.is_final;
            run.flushed(now);
        }
        Ok(has_moved)
    }

    /// Brings at most about so many bytes; returns whether it brought any, or compared.
    fn bring(
        &mut self,
        what: &str,
        mirror: &mut Mirror,
        root: &Root,
        bytes_max: u64,
    ) -> Result<bool, Fault> {
        let mut brought = 0;
        let mut has_moved = false;
        while brought < bytes_max {
            self.state.begin(what);
            let (begun, before) = (clock::since_boot(), mirror.offset());
            let step = mirror.step(root, self.chunk.bytes())?;
            if step == Step::Level {
                break;
            }
            has_moved = true;
            let bytes = mirror.offset().saturating_sub(before);
            self.chunk
                .took(clock::since_boot().saturating_sub(begun), bytes);
            brought += bytes.max(1);
        }
        Ok(has_moved)
    }

    /// Verifies runs of which all is there, and marks them.
    fn finish(&mut self, root: &Root) -> bool {
        let now = clock::since_boot();
        let is_complete = |run: &&Run| {
            run.is_final
                && run.is_level
                && run.has_digest != Some(true)
                && run.patience.is_over(now)
        };
        let runs = self.work.runs.values().filter(is_complete);
        let runs: Vec<RunId> = runs.take(VERIFIED_RUNS).map(|run| run.id).collect();
        if runs.is_empty() || !self.verify_index(root) {
            return false;
        }
        let mut has_moved = false;
        for id in runs {
            if self.is_out() {
                break;
            }
            let Some(mut run) = self.work.runs.remove(&id) else {
                continue;
            };
            let what = format!("the verification of {id}");
            self.state.begin(what.clone());
            let done = match run.mirror.as_mut() {
                Some(mirror) => mirror.verify(root),
                None => Ok(Step::Level), // It has no log there.
            };
            let is_verified = done == Ok(Step::Level);
            if !is_verified {
                run.is_level = done.is_ok(); // What is wrong is brought anew.
            }
            let place = place_of(&mut run, &self.task.host);
            has_moved |= self.judge(&place, &what, &mut run.patience, &done.map(|_| true));
            let marked = is_verified.then(|| run.mark_shipped());
            self.work.runs.insert(id, run);
            match marked {
                Some(Ok(())) => self.work.is_shipped(id),
                Some(Err(error)) => tracing::warn!("{error}"),
                None => {}
            }
        }
        has_moved
    }

    /// Reads back what was brought of the index since the last time; returns whether all of it is there.
    fn verify_index(&mut self, root: &Root) -> bool {
        let days: Vec<String> = self.work.days.keys().cloned().collect();
        let mut is_whole = true;
        for key in days {
            let Some(mut day) = self.work.days.remove(&key) else {
                continue;
            };
            let what = format!("the verification of the index of {key}");
            if day.pending() > 0 {
                is_whole = false;
            } else if let Some(mirror) = day.mirror.as_mut().filter(|mirror| !mirror.is_verified())
            {
                self.state.begin(what.clone());
                let done = mirror.verify(root);
                is_whole &= done == Ok(Step::Level);
                let done = done.map(|_| true);
                self.judge(layout::INDEX, &what, &mut day.patience, &done);
            }
            self.work.days.insert(key, day);
        }
        is_whole
    }

    /// Takes note of how something went; returns whether it went on.
    fn judge(
        &mut self,
        place: &str,
        what: &str,
        patience: &mut Patience,
        done: &Result<bool, Fault>,
    ) -> bool {
        match done {
            Ok(has_moved) => {
                if *has_moved {
                    patience.went_well();
                    self.well();
                }
                *has_moved
            }
            Err(fault) => {
                self.failed_at(place, what, patience, fault);
                false
            }
        }
    }
}

/// Where the log of a run is, for what fails there: all of its job's are in one directory.
fn place_of(run: &mut Run, host: &str) -> String {
    let facts = run.facts(host);
    let dir = facts.and_then(|facts| facts.log.parent());
    dir.unwrap_or(Path::new(layout::LOGS)).display().to_string()
}
