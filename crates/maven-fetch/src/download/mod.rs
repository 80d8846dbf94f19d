//! Downloads: tries again, resumes, verifies, and never takes longer than it may.
//!
//! [`Downloader::metadata`] brings a small file into memory, [`Downloader::artifact`] a large one
//! into a temporary file beside its target, which the caller then publishes by renaming it.

pub(crate) mod archive;
mod artifact;
mod error;
mod leftover;
mod metadata;
mod part;
mod patience;

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use artifact::{Artifact, Downloaded, Progress};
pub use error::{ChecksumSource, DownloadError, Mismatch};
pub use metadata::{MetadataAnswer, MetadataBody, MetadataFile};
pub use patience::{Deadline, Otherwise, Patience};

use crate::transport::{Transport, TransportError, innermost};

/// Bytes in flight: the only buffer, whatever the size of a file.
const BUFFER_BYTES: usize = 128 * 1024;

/// Longest sleep before the cancel flag is looked at again: unnoticeable to a person.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// Downloads through a transport.
#[derive(Clone, Copy)]
pub struct Downloader<'a> {
    /// What brings the bytes.
    pub transport: &'a dyn Transport,
    /// How long and how often it tries.
    pub patience: Patience,
    /// Waits between two tries; [`std::thread::sleep`] but for tests.
    pub sleep: &'a (dyn Fn(Duration) + Sync),
}

/// What holds around a download.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// When it must be over. A wait for bytes that began before may end at most one
    /// [`Patience::timeout`] later.
    pub deadline: Deadline,
    /// Set from outside to end it. It is looked at between two pieces and two tries.
    pub cancel: &'a AtomicBool,
    /// What the caller does if it fails.
    pub otherwise: Otherwise,
    /// Caches in between must ask the repository.
    pub no_cache: bool,
}

impl<'a> Downloader<'a> {
    /// Makes one with the usual patience.
    pub fn new(transport: &'a dyn Transport) -> Self {
        Self {
            transport,
            patience: Patience::default(),
            sleep: &std::thread::sleep,
        }
    }

    /// Tries until it succeeds, fails for good, or patience or time ends.
    fn retry<T>(
        &self,
        url: &str,
        situation: &Situation<'_>,
        mut attempt: impl FnMut() -> Result<T, DownloadError>,
    ) -> Result<T, DownloadError> {
        let mut tries = 0;
        loop {
            situation.check(url)?;
            tries += 1;
            let error = match attempt() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let delay = match &error {
                DownloadError::Transport(cause) => self.patience.delay(cause, tries, situation),
                _ => None,
            };
            let Some(mut delay) = delay else {
                return Err(error);
            };
            tracing::debug!(%error, ?delay, tries, "trying again");
            while !delay.is_zero() {
                situation.check(url)?;
                let slice = delay.min(SLEEP_MAX);
                (self.sleep)(slice);
                delay -= slice;
            }
        }
    }
}

impl Situation<'_> {
    /// Ends the download if it was cancelled or its time is over.
    fn check(&self, url: &str) -> Result<(), DownloadError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(DownloadError::Cancelled {
                url: url.to_owned(),
            });
        }
        if self.deadline.is_over() {
            return Err(DownloadError::OutOfTime {
                url: url.to_owned(),
            });
        }
        Ok(())
    }

    /// Moves all of a body into `take`; says how many bytes that were.
    fn pump(
        &self,
        url: &str,
        body: &mut dyn Read,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> Result<(), DownloadError>,
    ) -> Result<u64, DownloadError> {
        let mut moved = 0;
        loop {
            self.check(url)?;
            match body.read(buffer) {
                Ok(0) => return Ok(moved),
                Ok(count) => {
                    moved += count as u64;
                    take(&buffer[..count])?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cut(url, innermost(&error))),
            }
        }
    }
}

/// A body that ended too early.
fn cut(url: &str, reason: String) -> DownloadError {
    TransportError::Unreachable {
        url: url.to_owned(),
        reason,
        retry_after: None,
        answered: Some(200),
    }
    .into()
}

/// Checks that a body had the length that the server said.
fn check_length(url: &str, received: u64, length: Option<u64>) -> Result<(), DownloadError> {
    match length {
        Some(length) if length != received => Err(cut(
            url,
            format!("{received} bytes came, where {length} were announced"),
        )),
        _ => Ok(()),
    }
}
