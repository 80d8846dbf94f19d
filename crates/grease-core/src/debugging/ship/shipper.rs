//! The loop of a shipper: look, ship, tell, sleep; and its end when there is nothing to do.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use super::Task;
use super::burial::Burial;
use super::chunk::Chunk;
use super::gate::{self, Probe};
use super::heartbeat::{Heartbeat, News};
use super::mirror::Fault;
use super::patience::{Patience, is_of_one_place};
use super::place::{self, Place};
use super::root::{Access, Root};
use super::scan::Work;
use super::state::{Teller, Word};
use super::upkeep::SAVE_EVERY;
use crate::debugging::share::layout;
use crate::debugging::tell::Telling;
use crate::model::RunId;
use crate::sys::clock;

/// How long there is nothing to do before a shipper ends.
const IDLE: Duration = Duration::from_secs(10);

/// Distance of two looks at the spool while something lives, and while something merely waits.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// How long those who are told of runs are waited for at the end.
const TELL_PATIENCE: Duration = Duration::from_secs(10);

/// Places where things fail in one round, and nothing goes well, so that it is the share's fault and not
/// theirs.
const PLACES_OF_SHARE: usize = 2;

/// A shipper that has the lock.
pub(super) struct Shipper {
    pub(super) task: Task,
    pub(super) place: Place,
    lock: Option<fs_err::File>,
    wake: OwnedFd,
    pub(super) state: Teller,
    pub(super) work: Work,
    burial: Burial,
    pub(super) heart: Heartbeat,
    pub(super) chunk: Chunk,
    access: Access,
    /// Part of the names of what is not whole yet on the share.
    tag: String,
    root: Option<Root>,
    probe: Probe,
    /// Until when the share as a whole is left alone.
    share: Patience,
    /// Where something failed in this round, since something went well.
    pub(super) failed_at: HashSet<String>,
    /// Whether the share that is open is not to be used any more.
    pub(super) is_lost: bool,
    pub(super) telling: Option<Telling>,
    /// When the disk is to take what live runs have written, since boot.
    pub(super) save_at: Duration,
}

impl Shipper {
    pub(super) fn new(task: Task, place: Place, lock: fs_err::File) -> io::Result<Self> {
        let id = place.id()?;
        let wake = place.open_wake()?;
        let path = task.root.clone().unwrap_or_default();
        let access = access(&task);
        let has_share = task.root.is_some();
        let telling = Telling::start(&task.spool, &task.logs.hooks, &task.user, has_share);
        Ok(Self {
            state: Teller::new(place.clone(), &path),
            heart: Heartbeat::new(place.clone(), &id, &task.host, &task.user),
            tag: id.rsplit('-').next().unwrap_or_default().to_owned(),
            task,
            place,
            lock: Some(lock),
            wake,
            work: Work::default(),
            burial: Burial::default(),
            chunk: Chunk::new(),
            access,
            root: None,
            probe: Probe::default(),
            share: Patience::default(),
            failed_at: HashSet::new(),
            is_lost: false,
            telling,
            save_at: clock::since_boot() + SAVE_EVERY,
        })
    }

    /// Ships until there is nothing to do.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut is_woken = true;
        let mut needed_at = clock::since_boot();
        let mut scanned_at = None;
        loop {
            let now = clock::since_boot();
            if is_woken || scanned_at.is_none_or(|at| now >= at + LOOKS.0) {
                self.work.scan(&self.task.spool);
                scanned_at = Some(now);
            }
            self.burial.attend(&self.work.dead(), now, &self.task);
            self.save(now);
            let has_moved = self.ship(now, is_woken);
            self.pass_news_on();
            if has_moved || self.is_needed() {
                needed_at = now;
            } else if now >= needed_at + IDLE {
                if self.leave()? {
                    return Ok(());
                }
                needed_at = now;
            }
            let mut pause = Duration::ZERO;
            if !has_moved {
                self.count();
                self.state.rest();
                pause = self.pause(needed_at + IDLE);
            }
            is_woken = place::sleep(&self.wake, pause);
        }
    }

    /// Does some of what there is to do; returns whether there may be more.
    fn ship(&mut self, now: Duration, is_woken: bool) -> bool {
        let Some(path) = self.task.root.clone() else {
            return false;
        };
        if !self.share.is_over(now) {
            return false;
        }
        // An end may be found by those who tell of it when all of it is on the share already.
        let asks = self.telling.as_ref().is_some_and(Telling::asks_share);
        let is_needed = asks || self.work.is_needed();
        if self.root.is_none() && is_needed && self.probe.is_due(now, is_woken) {
            self.open(&path, now);
        }
        let Some(root) = self.root.take() else {
            return false;
        };
        let has_moved = is_needed && self.round(&root, &path);
        if !has_moved && !self.is_out() {
            self.keep_up(&root);
        }
        if self.is_lost {
            self.lose();
        } else {
            self.root = Some(root);
        }
        has_moved
    }

    fn open(&mut self, path: &Path, now: Duration) {
        self.state.begin("open the share");
        match gate::open(path, &self.place, &self.task.user, self.access, &self.tag) {
            Ok((root, id)) => {
                if self.state.now().share_id.as_ref() != Some(&id) {
                    self.heart.forget();
                }
                self.state.share_is(&id);
                self.state.went_well(self.work.trouble());
                self.root = Some(root);
                self.probe = Probe::default();
            }
            Err(refusal) => {
                if let Some(errno) = refusal.errno {
                    self.share
                        .went_wrong(now, &Fault::Share(errno), RunId::new().draw());
                }
                self.probe.refused(now);
                if self.state.went_wrong(refusal.word, refusal.why.clone()) {
                    tracing::warn!("{}", refusal.why);
                }
            }
        }
    }

    /// What is open may be another share now, or none.
    fn lose(&mut self) {
        self.is_lost = false;
        self.root = None;
        self.work.distrust();
        self.heart.forget();
        tracing::warn!("the share is not what it was; it is opened anew");
    }

    /// Something went well.
    pub(super) fn well(&mut self) {
        self.failed_at.clear();
        self.share.went_well();
        self.state.went_well(self.work.trouble());
    }

    /// Something that everything else needs did not go well.
    pub(super) fn failed(&mut self, what: &str, patience: &mut Patience, fault: &Fault) {
        self.failed_at(what, what, patience, fault);
    }

    /// Something did not go well: it is left alone for a while. If others fail as well that are at another
    /// `place`, so is the share; a thing that is forbidden at its place says nothing of others.
    pub(super) fn failed_at(
        &mut self,
        place: &str,
        what: &str,
        patience: &mut Patience,
        fault: &Fault,
    ) {
        let now = clock::since_boot();
        let draw = RunId::new().draw();
        patience.went_wrong(now, fault, draw);
        let why = format!("{what}: {fault}");
        let is_news = match fault {
            Fault::Surprise(_) | Fault::Local(_) => true,
            Fault::Share(errno) => {
                self.is_lost |= *errno == rustix::io::Errno::STALE;
                patience.is_refused(why.clone());
                let is_common = [layout::INDEX, what].contains(&place);
                if is_common || !is_of_one_place(*errno) {
                    self.failed_at.insert(place.to_owned());
                }
                if self.failed_at.len() >= PLACES_OF_SHARE {
                    self.share.went_wrong(now, fault, draw);
                }
                self.state.went_wrong(Word::Error, why.clone())
            }
        };
        if is_news {
            tracing::warn!("{why}");
        }
    }

    /// Whether the share is to be left alone, since it failed or is gone.
    pub(super) fn is_out(&self) -> bool {
        self.is_lost || !self.share.is_over(clock::since_boot())
    }

    /// Whether somebody wants something, who may want it at once.
    pub(super) fn is_called(&self) -> bool {
        place::is_called(&self.wake)
    }

    /// What the heartbeat tells.
    pub(super) fn news(&self) -> News {
        News {
            live: self.work.live(),
            backlog_bytes: self.state.now().backlog_bytes,
            error: self.state.now().error.clone(),
        }
    }

    fn is_needed(&self) -> bool {
        let is_telling = self.telling.as_ref().is_some_and(Telling::is_busy);
        let lives = || !self.work.live().is_empty();
        let has_work = self.task.root.is_some() && self.work.is_needed();
        let dies = || {
            let now = clock::since_boot();
            self.burial.is_needed(&self.work.dead(), now)
        };
        is_telling || has_work || lives() || dies()
    }

    fn pass_news_on(&mut self) {
        for news in self.telling.iter().flat_map(Telling::take_news) {
            tracing::warn!("{news}");
        }
    }

    /// How long to sleep, if nobody wakes us; `end` is when to end if there is nothing to do.
    fn pause(&self, end: Duration) -> Duration {
        let now = clock::since_boot();
        let look = if self.work.live().is_empty() {
            LOOKS.1
        } else {
            LOOKS.0
        };
        let share = Some(self.share.until()).filter(|at| *at > now);
        let probe = (self.root.is_none() && self.task.root.is_some()).then(|| self.probe.until());
        let items = self.work.next_due(now);
        let next = items
            .into_iter()
            .map(|due| due.max(share.unwrap_or_default()));
        let next = next.chain(probe).chain([now + look, end]).min();
        let least = Duration::from_millis(1);
        next.map_or(look, |at| at.saturating_sub(now)).max(least)
    }

    /// Ends, unless there is something to do after all: whoever wrote to the spool found the lock held,
    /// or we find what was written.
    fn leave(&mut self) -> io::Result<bool> {
        self.last_beat();
        self.state.rest();
        self.lock = None;
        self.work.scan(&self.task.spool);
        if !self.is_needed() {
            if let Some(telling) = self.telling.take() {
                telling.finish(TELL_PATIENCE);
            }
            return Ok(true);
        }
        self.lock = self.place.try_lock()?;
        Ok(self.lock.is_none())
    }

    /// Nothing lives here any more.
    fn last_beat(&mut self) {
        if let Some(root) = self.root.take() {
            if self.heart.name().is_some() && self.share.is_over(clock::since_boot()) {
                self.state.begin("the last heartbeat");
                self.count();
                self.heart.beat(&root, &self.news()).ok(); // Its host is silent then.
            }
            self.root = Some(root);
        }
    }

    /// Counts what is not on the share.
    pub(super) fn count(&mut self) {
        let (runs, bytes) = self.work.backlog();
        self.state.backlog(runs, bytes);
    }
}

/// Who may read what is written. A group that is not known here is one of which nobody is.
fn access(task: &Task) -> Access {
    let Some(name) = &task.logs.group else {
        return Access { group: None };
    };
    let found = nix::unistd::Group::from_name(name);
    let group = found.ok().flatten().map(|group| group.gid.as_raw());
    if group.is_none() {
        tracing::warn!(
            "no group `{name}` here (logs.group): only {} can read what is written",
            task.user
        );
    }
    Access {
        group: Some(group.unwrap_or(rustix::process::getegid().as_raw())),
    }
}
