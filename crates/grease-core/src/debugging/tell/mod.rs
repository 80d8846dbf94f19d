//! Who else is told of the runs: files for a monitoring agent, pings, messages.
//!
//! A thread of the shipper reads the index in the spool with a bookmark of its own and does all of
//! it, so that a share that hangs holds nobody up. One question alone is for the share, and so for
//! the shipper's first thread ([`Telling::ask_share`]): how often a job failed on all hosts.

pub mod alerts;
mod message;
pub mod metrics;
mod queue;
pub mod rules;
mod send;
mod spool;
mod teller;

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use self::metrics::Status;
use self::queue::{Item, Target, What};
use self::send::{Http, Refusal};
pub use self::teller::{Teller, Trouble, trouble};
use super::config::Hooks;
use super::share::dir::Dir;
use crate::sys;

/// Distance of two looks at the index.
const LOOK: Duration = Duration::from_secs(1);

/// How long the share is waited for before this host alone says whether a job has just begun to
/// fail: to be told twice is better than not at all.
const SHARE_WAIT: Duration = Duration::from_mins(1);

/// Bytes of a ping's body where the server says nothing else, as `runitor` sends.
const BODY_BYTES: usize = 10_000;

/// Largest `ship/state` that is read.
const SHIP_STATE_BYTES_MAX: u64 = 64 * 1024;

/// The thread that tells, seen from the shipper.
#[derive(Debug)]
pub struct Telling(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
    has_share: bool,
}

#[derive(Debug)]
struct Inner {
    teller: Teller,
    stop: bool,
    ended: bool,
}

impl Telling {
    /// Begins to tell, unless nobody is to be told.
    pub fn start(spool: &Path, hooks: &Hooks, user: &str, has_share: bool) -> Option<Self> {
        if hooks.is_empty() {
            return None;
        }
        let inner = Inner {
            teller: Teller::new(spool, hooks, user),
            stop: false,
            ended: false,
        };
        let shared = Arc::new(Shared {
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            has_share,
        });
        let work = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("tell".to_owned())
            .spawn(move || {
                // A command that is told of a run must not hang in a file of the share.
                if let Err(error) = sys::fs::part_descriptors() {
                    tracing::warn!("commands of hooks inherit files of the share: {error}");
                }
                work.work();
            })
            .ok()?;
        Some(Self(shared))
    }

    /// Asks the share how often jobs failed, for all ends that wait for that; `root` is that of the
    /// right one. May hang as the share does, and holds nobody else up then.
    pub fn ask_share(&self, root: io::Result<Dir>, user: &str) {
        let items = self.0.lock().teller.state.queue.judgeable();
        if items.is_empty() {
            return;
        }
        let dir = root.and_then(|root| root.make_child(user));
        for item in items {
            match dir.as_ref().map(|dir| note(dir, &item)) {
                Ok(Ok(before)) => self.0.lock().teller.judged(&item, before, false),
                // It is asked again, and judged without the share in the end.
                Ok(Err(error)) => {
                    return self.0.lock().teller.trouble(shared_trouble(&error), false);
                }
                Err(error) => return self.0.lock().teller.trouble(shared_trouble(error), false),
            }
        }
        self.0.changed.notify_all();
    }

    /// Whether [`Telling::ask_share`] has something to ask.
    pub fn asks_share(&self) -> bool {
        !self.0.lock().teller.state.queue.judgeable().is_empty()
    }

    /// What went wrong since this was last asked, for the shipper's log.
    pub fn take_news(&self) -> Vec<String> {
        self.0.lock().teller.take_news()
    }

    /// Whether something can still be said at once, or is about to be judged.
    pub fn is_busy(&self) -> bool {
        let mut inner = self.0.lock();
        let queue = &mut inner.teller.state.queue;
        queue.next(Instant::now()).is_some() || queue.has_open()
    }

    /// Says what can be said at once, and ends; waits for that no longer than `patience`.
    pub fn finish(self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut inner = self.0.lock();
        inner.stop = true;
        self.0.changed.notify_all();
        while !inner.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return; // What it did not get to is in the spool.
            }
            let waited = self.0.changed.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Notes the end that an item is about.
fn note(user: &Dir, item: &Item) -> io::Result<rules::Before> {
    let What::Judge { end, .. } = &item.what else {
        return Err(io::Error::other("it is no end"));
    };
    let Some(turn) = rules::turn(end.result) else {
        return Err(io::Error::other("it says nothing about the job"));
    };
    let (job, run, time) = (&*end.job, &*end.run, &*end.time);
    alerts::note(
        user,
        alerts::End {
            job,
            run,
            time,
            turn,
        },
    )
}

fn shared_trouble(error: &io::Error) -> String {
    format!("the share does not say how often jobs failed: {error}")
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut http = Http::default();
        loop {
            let stop = self.round(&mut http);
            let mut inner = self.lock();
            if stop {
                inner.ended = true;
                self.changed.notify_all();
                return;
            }
            if !inner.stop {
                drop(self.changed.wait_timeout(inner, LOOK));
            }
        }
    }

    /// Reads, judges, counts and says all that can be said now; tells whether that was to be the
    /// last time.
    fn round(&self, http: &mut Http) -> bool {
        let mut inner = self.lock();
        let stop = inner.stop;
        let teller = &mut inner.teller;
        teller.look();
        teller.judge_alone(if self.has_share {
            SHARE_WAIT
        } else {
            Duration::ZERO
        });
        teller.status(ship_status(&teller.spool));
        teller.save();
        drop(inner);
        loop {
            let mut inner = self.lock();
            let Some(item) = inner.teller.state.queue.next(Instant::now()) else {
                return stop;
            };
            let place = Place::of(&inner.teller);
            drop(inner);
            let outcome = say(&item, &place, http);
            let mut inner = self.lock();
            if let Ok(Some(limit)) = outcome {
                inner.teller.state.body_limit = Some(limit);
            }
            inner.teller.tried(item.id, &outcome.map(|_| ()));
            inner.teller.save();
        }
    }
}

/// What saying something takes, so that nothing is locked meanwhile.
struct Place {
    spool: std::path::PathBuf,
    ping_url: Option<String>,
    body_limit: usize,
}

impl Place {
    fn of(teller: &Teller) -> Self {
        Self {
            spool: teller.spool.clone(),
            ping_url: teller.hooks.ping_url.clone(),
            body_limit: teller.state.body_limit.unwrap_or(BODY_BYTES),
        }
    }
}

/// Says one thing; returns how long a ping's body may be, if the server says so.
fn say(item: &Item, place: &Place, http: &mut Http) -> Result<Option<usize>, Refusal> {
    match &item.what {
        What::Judge { .. } => Err(Refusal::Never("it is not to be said".to_owned())),
        What::Ping {
            check,
            action,
            run,
            text,
        } => {
            let base = place.ping_url.as_deref();
            let url = base.and_then(|base| message::ping_address(base, check, action, run));
            let url =
                url.ok_or_else(|| Refusal::Never("there is no address any more".to_owned()))?;
            let digest = if action == "start" {
                None
            } else {
                spool::digest(&place.spool, run)
            };
            let text = digest.unwrap_or_else(|| text.clone());
            let body = message::last_bytes(&text, place.body_limit).to_owned();
            http.post(&url, "text/plain; charset=utf-8", body.into_bytes())
        }
        What::Notify {
            target,
            payload,
            run,
        } => {
            let mut payload = payload.clone();
            payload["digest"] = spool::digest(&place.spool, run).into();
            let body = payload.to_string().into_bytes();
            match target {
                Target::Command(words) => {
                    let directory = place.spool.join(teller::DIRECTORY);
                    send::command(words.as_slice(), &body, &directory).map(|()| None)
                }
                Target::Url(url) => {
                    let url = url
                        .parse()
                        .map_err(|_| Refusal::Never("its address is none".to_owned()))?;
                    http.post(&url, "application/json", body).map(|_| None)
                }
            }
        }
    }
}

/// What the shipper says about itself, also when it cannot do anything else any more.
fn ship_status(spool: &Path) -> Status {
    #[derive(Deserialize)]
    struct Ship {
        #[serde(default)]
        backlog_bytes: u64,
        in_op_since_ms: Option<u64>,
    }
    let text = sys::fs::read_bounded(&spool.join("ship/state"), SHIP_STATE_BYTES_MAX);
    let ship = text
        .ok()
        .and_then(|text| serde_json::from_str::<Ship>(&text).ok());
    let Some(ship) = ship else {
        return Status::default();
    };
    let since_boot = u64::try_from(sys::clock::since_boot().as_millis()).unwrap_or(u64::MAX);
    let waits = ship
        .in_op_since_ms
        .map_or(0, |since| since_boot.saturating_sub(since));
    Status {
        backlog_bytes: ship.backlog_bytes,
        stuck_seconds: waits / 1000,
    }
}

#[cfg(test)]
mod tests;
