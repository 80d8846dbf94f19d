//! Asks, decides, downloads: the whole way from coordinates to a file.
//!
//! [`Fetcher::fetch`] first looks whether the same question was answered within the repositories'
//! update policies and whether that file is still here as it was: then nothing is asked, locked or
//! written. Else it asks for metadata (all repositories at once, conditionally), lets
//! [`resolve`](crate::resolve) decide, downloads what is missing, and publishes: first the file,
//! then the metadata that names it.
//!
//! The network only adds knowledge. The outcome is fresh, or stale with its reason and age, or an
//! error; what is here stays as it was until something better is here, whole and verified.

mod arrived;
mod ask;
mod copy;
mod error;
mod known;
mod look;
mod notice;
mod obtain;
mod outage;
mod recall;
mod recorded;

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use jiff::ZonedDateTime;

pub(crate) use copy::copy;
pub use error::FetchError;
pub use notice::Notice;

use arrived::Arrived;
use obtain::Obtained;

use crate::ErrorKind;
use crate::coordinates::{Coordinates, Resolved};
use crate::download::{Deadline, DownloadError, Progress};
use crate::flight::{Flight, WAIT_MAX, WAIT_MAX_WITH_CACHED};
use crate::local::LocalRepository;
use crate::repository::{Repository, UpdatePolicy};
use crate::resolve::{
    Facts, Freshness, LatestBy, Level, Reason, Step, Tolerance, Trouble, resolve,
};
use crate::state::State;
use crate::transport::{ByScheme, ClearText, Request, Response, Transport, TransportError};

/// Fetches artifacts: out of these repositories, into this local one.
#[derive(Debug, Clone, Copy)]
pub struct Fetcher<'a> {
    /// Who is asked, in this order. With none, only what is here can be had.
    pub repositories: &'a [Repository],
    /// Where files are looked for and put.
    pub local: &'a LocalRepository,
    /// What is remembered between two calls.
    pub state: &'a State,
    /// How it is done.
    pub preferences: Preferences,
}

/// How it is done, where there is a choice.
#[derive(Debug, Clone, Copy)]
pub struct Preferences {
    /// Repositories must not be asked at all.
    pub offline: bool,
    /// How often metadata is asked for again, whatever the repositories' policies say.
    pub update: Option<UpdatePolicy>,
    /// What decides which version is the latest.
    pub latest_by: LatestBy,
    /// How stale the outcome may be.
    pub tolerance: Tolerance,
    /// How long it may take.
    pub budget: Budget,
    /// Where credentials may travel in clear text.
    pub clear_text: ClearText,
    /// A person waits for it: hosts that did not answer a moment ago are asked all the same.
    pub attended: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            offline: false,
            update: None,
            latest_by: LatestBy::default(),
            tolerance: Tolerance {
                strict: false,
                age_max: Duration::MAX,
            },
            budget: Budget::default(),
            clear_text: ClearText::default(),
            attended: false,
        }
    }
}

/// How long it may take, with all tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// For metadata when there is something to go on with: a job waits.
    pub metadata_with_cached: Duration,
    /// For metadata when there is nothing.
    pub metadata: Duration,
    /// For an artifact. One that stalls ends earlier.
    pub artifact: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            metadata_with_cached: Duration::from_secs(5),
            metadata: Duration::from_secs(30),
            artifact: Duration::from_mins(30),
        }
    }
}

/// What holds during one call.
pub struct Occasion<'a> {
    /// The time, in the zone whose midnights count.
    pub now: ZonedDateTime,
    /// Set from outside to end it.
    pub cancel: &'a AtomicBool,
    /// Is told of each piece of a download.
    pub progress: &'a mut dyn FnMut(&Resolved, Progress),
}

/// A file that is here, and what is known about it.
#[derive(Debug)]
pub struct Fetched {
    /// What it is.
    pub artifact: Resolved,
    /// The file. Its content stays: a snapshot's name carries its time stamp, and what has no such
    /// name was copied.
    pub path: PathBuf,
    /// The id of the repository that it came from; none if it was installed here.
    pub repository: Option<String>,
    /// Size.
    pub size_bytes: u64,
    /// SHA-1, in lower-case hexadecimal digits.
    pub sha1: String,
    /// SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Whether it is certainly what was asked for.
    pub freshness: Freshness,
    /// What a person should know besides.
    pub notices: Vec<Notice>,
    /// Whether it was downloaded just now.
    pub downloaded: bool,
    /// How many requests were made, of any kind.
    pub requests: u32,
}

impl Fetcher<'_> {
    /// Brings the file that the coordinates mean.
    pub fn fetch(
        &self,
        coordinates: &Coordinates,
        occasion: &mut Occasion<'_>,
    ) -> Result<Fetched, FetchError> {
        if let Some(fetched) = self.recall(coordinates, &occasion.now) {
            return Ok(fetched);
        }
        let mut facts = self.facts(coordinates, &occasion.now);
        let has_something = self.has_something(&facts);
        let wait_max = if has_something {
            WAIT_MAX_WITH_CACHED
        } else {
            WAIT_MAX
        };
        let began = occasion.now.timestamp();
        let flight = Flight::begin(
            self.state,
            &self.key(coordinates),
            wait_max,
            occasion.cancel,
        );
        if flight.has_waited() {
            if let Some(fetched) = self.recall_since(coordinates, &occasion.now, Some(began)) {
                return Ok(fetched);
            }
            facts = self.facts(coordinates, &occasion.now);
        }
        let transport = Counted {
            inner: ByScheme::new(self.preferences.clear_text),
            requests: AtomicU32::new(0),
        };
        let mut work = Work {
            fetcher: self,
            coordinates,
            occasion,
            flight: &flight,
            transport: &transport,
            artifact_deadline: Deadline::after(self.preferences.budget.artifact),
            insists: false,
            is_last_resort: false,
            arrived: Vec::new(),
            tried: Vec::new(),
            notices: Vec::new(),
        };
        let outcome = work.run(&mut facts);
        let notices = std::mem::take(&mut work.notices);
        let requests = transport.requests.load(Ordering::Relaxed);
        // An HTTP client that still asks for a name waits for the answer before it goes.
        thread::spawn(move || drop(transport));
        outcome.map(|fetched| Fetched {
            notices,
            requests,
            ..fetched
        })
    }

    /// Whether there is something to go on with if repositories do not answer soon.
    fn has_something(&self, facts: &Facts<'_>) -> bool {
        !self.preferences.tolerance.strict && facts.has_wanted()
    }

    /// Names all that an answer depends on: what is asked for, who is asked, and how.
    fn key(&self, coordinates: &Coordinates) -> String {
        use std::fmt::Write as _;
        let mut key = format!("{coordinates} {:?}", self.preferences.latest_by);
        for repository in self.repositories {
            let Repository {
                id,
                releases,
                snapshots,
                groups,
                ..
            } = repository;
            let url = crate::transport::display_address(repository, "");
            write!(
                key,
                "\n{id} {url} {} {} {}",
                releases.enabled,
                snapshots.enabled,
                groups.join(",")
            )
            .expect("a text takes all");
        }
        key
    }
}

/// A call that has more to do than to remember.
struct Work<'a, 'o> {
    fetcher: &'a Fetcher<'a>,
    coordinates: &'a Coordinates,
    occasion: &'a mut Occasion<'o>,
    flight: &'a Flight,
    transport: &'a Counted,
    /// When all downloads must be over.
    artifact_deadline: Deadline,
    /// Without an answer there is no job: all time is taken, and hosts that were down are asked.
    insists: bool,
    /// What is here is taken from wherever it came.
    is_last_resort: bool,
    /// Metadata that came, to be published once what it names is here.
    arrived: Vec<Arrived>,
    /// What repositories were asked in vain.
    tried: Vec<String>,
    notices: Vec<Notice>,
}

impl<'a> Work<'a, '_> {
    /// Goes from step to step until a file is here. If there would be none, it insists once: what is
    /// here does not do, so nothing is spared.
    fn run(&mut self, facts: &mut Facts<'a>) -> Result<Fetched, FetchError> {
        loop {
            let error = match self.steps(facts) {
                Ok(fetched) => return Ok(fetched),
                Err(FetchError::Resolve { error, .. }) => *error,
                Err(other) => return Err(other),
            };
            let was_spared = self.fetcher.has_something(facts) || self.flight.has_waited();
            if self.insists || facts.offline || !was_spared {
                let notices = self.notices.iter().map(Notice::to_string);
                return Err(FetchError::resolve(error, &self.tried, notices));
            }
            self.insists = true;
            self.is_last_resort = false;
            self.arrived.clear();
            self.tried.clear();
            *facts = self.fetcher.facts(self.coordinates, &self.occasion.now);
        }
    }

    fn steps(&mut self, facts: &mut Facts<'a>) -> Result<Fetched, FetchError> {
        loop {
            let step = match resolve(facts) {
                Ok(step) => step,
                Err(error) => {
                    // What came from elsewhere is better than no job.
                    if !self.is_last_resort && self.add_unconfirmed(facts) {
                        self.is_last_resort = true;
                        continue;
                    }
                    return Err(error.into());
                }
            };
            match step {
                Step::Ask(question) => self.ask(facts, &question)?,
                Step::Take(decision) => {
                    let Some(mut fetched) = self.take(facts, &decision)? else {
                        continue;
                    };
                    if self.is_last_resort {
                        fetched.freshness = self.unconfirmed(&fetched, fetched.freshness.clone());
                    }
                    fetched
                        .freshness
                        .within(&self.fetcher.preferences.tolerance)?;
                    if facts.unavailable.is_empty() {
                        self.publish_metadata();
                    }
                    let warnings = decision.warnings.iter().cloned();
                    self.notices.extend(warnings.map(Notice::Resolve));
                    self.remember(&fetched, facts);
                    return Ok(fetched);
                }
            }
        }
    }

    /// Whether repositories are spared, since there is something to go on with.
    fn spares(&self, facts: &Facts<'_>) -> bool {
        !self.insists && self.fetcher.has_something(facts)
    }

    /// What a file is that only came from repositories that are not asked now.
    fn unconfirmed(&self, fetched: &Fetched, otherwise: Freshness) -> Freshness {
        let origins = self.fetcher.foreign_origins(&fetched.artifact);
        if origins.is_empty() {
            return otherwise;
        }
        let reason = Reason::Unconfirmed { origins };
        Freshness::Stale { reason, age: None }
    }
}

/// A transport that counts.
struct Counted {
    inner: ByScheme,
    requests: AtomicU32,
}

impl Transport for Counted {
    fn open(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.inner.open(request)
    }
}

/// The directory of metadata below a repository.
fn directory_of(coordinates: &Coordinates, level: &Level) -> String {
    match level {
        Level::Artifact => coordinates.directory(),
        Level::Snapshot(base) => coordinates.version_directory(base),
    }
}

/// Says what became of a download, for the list of what was tried.
fn told(error: &DownloadError) -> String {
    whole(error)
}

/// An error with its causes, in one line.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What a failed download says about a repository.
fn trouble(error: &DownloadError) -> Trouble {
    let text = told(error);
    match error.kind() {
        ErrorKind::NotFound => Trouble::NotFound,
        ErrorKind::Credentials => Trouble::Refused(text),
        ErrorKind::BadContent => Trouble::Invalid(text),
        ErrorKind::Io => Trouble::Disk(text),
        ErrorKind::Usage | ErrorKind::Config | ErrorKind::Unreachable | ErrorKind::Cancelled => {
            Trouble::Unreachable(text)
        }
    }
}
