//! What we remember beside the local repository: never in it, and never needed.
//!
//! Everything here is a small JSON file below the caller's cache directory, replaced whole. What
//! is corrupt, of another version or unreadable counts as not there; what cannot be written is
//! written by another run. Directories are for this user only.
//!
//! - what was learnt about a file of a repository ([`FileRecord`])
//! - what a specification was last resolved to ([`Resolution`])
//! - which hosts were down ([`Outage`])

mod prune;
mod record;

use std::fs::DirBuilder;
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use prune::Copy;
pub use record::{FileRecord, Outage, Resolution};

use crate::ErrorKind;
use crate::checksum::{Algorithm, Digests};
use crate::local::{Durability, FileFacts, replace};
use crate::regular;

/// Name of the directory below the caller's, and version of what is in it.
const VERSION: &str = "v1";

/// Largest record: metadata of 16 MiB, with every other byte escaped.
const RECORD_MAX_BYTES: u64 = 48 * 1024 * 1024;

/// How long a host that failed once is left alone; doubled with each further failure.
const OUTAGE_MIN: SignedDuration = SignedDuration::from_secs(30);

/// How long a host is left alone at most: a repository that works again is used soon.
const OUTAGE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Our memory.
#[derive(Debug, Clone)]
pub struct State {
    root: PathBuf,
}

/// Which file of which repository, fetched into which local repository.
#[derive(Debug, Clone, Copy)]
pub struct FileKey<'a> {
    /// Root of the local repository.
    pub local: &'a Path,
    /// Address of the repository, without credentials.
    pub repository_url: &'a str,
    /// Path below both.
    pub path: &'a str,
}

/// Why something could not be remembered: a warning at most.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The operating system refused.
    #[error("cannot write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be written as JSON, such as a path that is no text.
    #[error("cannot write `{path}` as JSON")]
    Encode {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
}

impl StateError {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Io
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let (Self::Write { path, .. } | Self::Encode { path, .. }) = self;
        let directory = path.parent().unwrap_or(path).display();
        Some(format!(
            "without `{directory}` more is asked of repositories than needed"
        ))
    }
}

/// A record as it stands on the disk.
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    /// What the record is about, since the file's name does not say.
    key: Vec<String>,
    record: T,
}

impl State {
    /// Keeps everything below `cache`, such as `~/.cache/maven-fetch`. Nothing is made before
    /// something is remembered.
    pub fn new(cache: &Path) -> Self {
        Self {
            root: cache.join(VERSION),
        }
    }

    /// Where our own repository is that takes what `local` cannot.
    pub fn own_repository(&self, local: &Path) -> PathBuf {
        self.root
            .join("repositories")
            .join(hash(&[local.to_string_lossy().into_owned()]))
    }

    /// Where copies are of files whose names do not stay theirs, each in a directory that is named
    /// by its SHA-256.
    pub(crate) fn copies(&self) -> PathBuf {
        self.root.join("copies")
    }

    /// Copies a file of ours that lies elsewhere, on a network for one, unless there is a copy, and
    /// says where that is. `sha256` names its content.
    pub fn keep(&self, original: &Path, sha256: &str) -> io::Result<PathBuf> {
        let name = original.file_name().unwrap_or_default().to_string_lossy();
        let copy = self.copies().join(sha256).join(&*name);
        let size = fs_err::metadata(original)?.len();
        if FileFacts::of(&copy).is_ok_and(|facts| facts.size_bytes == size) {
            return Ok(copy);
        }
        let (content, path) = crate::fetch::copy(original, &self.copies(), &name)?;
        if content.sha256 != sha256 {
            return Err(io::Error::other("it was changed meanwhile"));
        }
        Ok(path)
    }

    /// What was learnt about a file.
    pub fn file(&self, key: FileKey<'_>) -> Option<FileRecord> {
        self.read("files", &key.words())
    }

    /// Remembers what was learnt about a file.
    pub fn remember_file(&self, key: FileKey<'_>, record: &FileRecord) -> Result<(), StateError> {
        self.write("files", key.words(), record)
    }

    /// What a specification was last resolved to.
    ///
    /// `specification` names all that the answer depends on, the repositories too.
    pub fn resolution(&self, local: &Path, specification: &str) -> Option<Resolution> {
        self.read("resolutions", &words(local, specification))
    }

    /// Remembers what a specification was resolved to.
    pub fn remember_resolution(
        &self,
        local: &Path,
        specification: &str,
        resolution: &Resolution,
    ) -> Result<(), StateError> {
        self.write("resolutions", words(local, specification), resolution)
    }

    /// Tells whether `host` (`name:port`) is to be left alone at the time `now`.
    pub fn outage(&self, host: &str, now: Timestamp) -> Option<Outage> {
        let outage: Outage = self.read("hosts", &[host.to_owned()])?;
        // One that would last longer than any was written by a clock that has been set back since.
        let lasts = outage.down_until.duration_since(now);
        (lasts > SignedDuration::ZERO && lasts <= OUTAGE_MAX).then_some(outage)
    }

    /// Remembers that `host` did not answer: no connection, or too slow.
    pub fn remember_failure(
        &self,
        host: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let key = vec![host.to_owned()];
        let before = self.read::<Outage>("hosts", &key).map_or(0, |outage| {
            // After a time without any failure the count starts anew.
            let since = now.duration_since(outage.down_until);
            if since > OUTAGE_MAX {
                0
            } else {
                outage.failures
            }
        });
        let lasts = OUTAGE_MIN
            .saturating_mul(1 << before.min(8))
            .min(OUTAGE_MAX);
        let outage = Outage {
            down_until: now.saturating_add(lasts).unwrap_or(now),
            failures: before.saturating_add(1),
            reason: reason.to_owned(),
        };
        self.write("hosts", key, &outage)
    }

    /// Forgets the failures of `host`: it answered.
    pub fn remember_success(&self, host: &str) {
        fs_err::remove_file(self.path("hosts", &[host.to_owned()])).ok(); // It ends by itself.
    }

    /// Removes records and locks that were written before `limit`; tells how many.
    pub fn sweep(&self, limit: SystemTime) -> usize {
        let records = ["files", "resolutions", "hosts", "locks"].into_iter();
        let entries = records.filter_map(|kind| fs_err::read_dir(self.root.join(kind)).ok());
        entries
            .flatten()
            .filter_map(Result::ok)
            .filter(|entry| {
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                modified.is_ok_and(|modified| modified < limit)
                    && fs_err::remove_file(entry.path()).is_ok()
            })
            .count()
    }

    /// The file that is locked while `what` is done. One that is swept while it is held costs double
    /// work, no more.
    pub(crate) fn lock_path(&self, what: &str) -> PathBuf {
        self.root
            .join("locks")
            .join(format!("{}.lock", hash(&[what.to_owned()])))
    }

    fn path(&self, kind: &str, key: &[String]) -> PathBuf {
        self.root.join(kind).join(format!("{}.json", hash(key)))
    }

    fn read<T: DeserializeOwned>(&self, kind: &str, key: &[String]) -> Option<T> {
        let path = self.path(kind, key);
        let mut bytes = Vec::new();
        regular::open(&path)
            .ok()?
            .take(RECORD_MAX_BYTES)
            .read_to_end(&mut bytes)
            .ok()?;
        match serde_json::from_slice::<Envelope<T>>(&bytes) {
            Ok(envelope) => (envelope.key == key).then_some(envelope.record),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "a record is of no use");
                None
            }
        }
    }

    fn write<T: Serialize>(
        &self,
        kind: &str,
        key: Vec<String>,
        record: T,
    ) -> Result<(), StateError> {
        let path = self.path(kind, &key);
        let bytes = match serde_json::to_vec(&Envelope { key, record }) {
            Ok(bytes) => bytes,
            Err(source) => return Err(StateError::Encode { path, source }),
        };
        make_parent(&path)
            .and_then(|()| replace(&path, &bytes, 0o600, Durability::Rebuildable))
            .map(drop)
            .map_err(|source| StateError::Write { path, source })
    }
}

impl FileKey<'_> {
    fn words(&self) -> Vec<String> {
        let local = self.local.to_string_lossy().into_owned();
        vec![local, self.repository_url.to_owned(), self.path.to_owned()]
    }
}

fn words(local: &Path, specification: &str) -> Vec<String> {
    vec![
        local.to_string_lossy().into_owned(),
        specification.to_owned(),
    ]
}

/// Makes the directory of a file, for this user only.
pub(crate) fn make_parent(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Makes a file name of a key.
fn hash(key: &[String]) -> String {
    let mut digests = Digests::new(Algorithm::Sha256);
    for word in key {
        digests.update(word.as_bytes());
        digests.update(b"\0");
    }
    digests
        .hex(Algorithm::Sha256)
        .expect("it is always computed")
}
