//! Large files, into a temporary file.

use std::path::Path;
use std::time::Duration;

use tempfile::TempPath;

use super::part::{Part, Place};
use super::{
    BUFFER_BYTES, ChecksumSource, DownloadError, Downloader, Mismatch, Situation, check_length,
};
use crate::checksum::{Algorithm, Checksum};
use crate::repository::{ChecksumPolicy, Repository};
use crate::transport::{Content, Expect, Request, TransportError, Validators, display_address};

/// The checksum files that are asked for, one after the other, if no header has a checksum. SHA-1
/// is the one that every repository has, so that one request does; what they guard against is
/// damage, as they come from where the file does.
const SIDECARS: [Algorithm; 4] = [
    Algorithm::Sha1,
    Algorithm::Sha256,
    Algorithm::Sha512,
    Algorithm::Md5,
];

/// Longest wait for a checksum file: there may be four, and a job waits.
const SIDECAR_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest checksum file. A signature of all names would fit too.
const SIDECAR_MAX_BYTES: u64 = 64 * 1024;

/// An artifact that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Artifact<'a> {
    /// Which repository.
    pub repository: &'a Repository,
    /// Path below the repository's address, segments separated by `/`, not encoded.
    pub path: &'a str,
    /// Where the temporary file is made: on the file system of its target.
    pub directory: &'a Path,
    /// What happens on a wrong or missing checksum.
    pub checksum: ChecksumPolicy,
    /// Whether the name stands for the same bytes for ever, as those of releases and time-stamped
    /// snapshots do: what is here of it can be continued.
    pub immutable: bool,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are here.
    pub received_bytes: u64,
    /// Bytes of the whole, if the server says.
    pub total_bytes: Option<u64>,
}

/// An artifact that is here, complete, verified and on the disk.
#[derive(Debug)]
pub struct Downloaded {
    /// The temporary file, to be renamed to its target; dropped, it is removed.
    pub file: TempPath,
    /// Its size.
    pub size_bytes: u64,
    /// Its SHA-1, in lower-case hexadecimal digits.
    pub sha1: String,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// What it was compared with. None if the policy ignores checksums, or if the repository has
    /// none: then only its structure was looked at.
    pub verified: Option<(Checksum, ChecksumSource)>,
    /// What tells this state of the file from another.
    pub validators: Validators,
}

/// Why a complete file is not accepted.
enum Rejection {
    Mismatch(Mismatch),
    Flaw(&'static str),
}

/// What becomes of a complete file.
enum Outcome<'part> {
    Accepted(Downloaded),
    Rejected(Box<Part<'part>>, Rejection),
}

/// What is asked, and under which conditions: the same through all tries.
#[derive(Clone, Copy)]
struct Task<'a> {
    artifact: &'a Artifact<'a>,
    situation: Situation<'a>,
    url: &'a str,
}

impl Downloader<'_> {
    /// Downloads an artifact into a temporary file.
    ///
    /// A transfer that is cut off is continued where the server allows it, in this call and by
    /// the next one. What is complete is compared with its checksum and looked at; if it is not
    /// accepted, it is downloaded once more, from the beginning and past all caches.
    pub fn artifact(
        &self,
        artifact: &Artifact<'_>,
        situation: &Situation<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Downloaded, DownloadError> {
        let url = display_address(artifact.repository, artifact.path);
        let file_name = artifact.path.rsplit('/').next().unwrap_or(artifact.path);
        let place = Place {
            directory: artifact.directory,
            file_name,
            url: &url,
            immutable: artifact.immutable,
        };
        let part = Part::open(place, situation)?;
        let task = Task {
            artifact,
            situation: *situation,
            url: &url,
        };
        let mut part = match self.round(task, part, progress)? {
            Outcome::Accepted(downloaded) => return Ok(downloaded),
            Outcome::Rejected(part, _) => part,
        };
        tracing::debug!(url, "downloading once more past all caches");
        part.distrust();
        let task = Task {
            situation: Situation {
                no_cache: true,
                ..*situation
            },
            ..task
        };
        match self.round(task, *part, progress)? {
            Outcome::Accepted(downloaded) => Ok(downloaded),
            Outcome::Rejected(part, rejection) => Err(rejected(&url, rejection, part)),
        }
    }

    /// Asks for the checksum of an artifact without its bytes; none if the repository has none that
    /// can be read.
    pub fn checksum(
        &self,
        artifact: &Artifact<'_>,
        situation: &Situation<'_>,
    ) -> Result<Option<Checksum>, DownloadError> {
        let url = display_address(artifact.repository, artifact.path);
        self.find_sidecar(Task {
            artifact,
            situation: *situation,
            url: &url,
        })
    }

    /// Completes a file, with as many transfers as it takes, and verifies it.
    fn round<'part>(
        &self,
        task: Task<'_>,
        mut part: Part<'part>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Outcome<'part>, DownloadError> {
        let situation = &task.situation;
        let mut header = None;
        let transferred = self.retry(task.url, situation, || {
            self.transfer(task, &mut part, &mut header, progress)
        });
        if let Err(error) = transferred {
            if may_continue(&error) {
                part.leave();
            }
            return Err(error);
        }
        let verified = match self.verify(task, &mut part, header)? {
            Ok(verified) => verified,
            Err(rejection) => return Ok(Outcome::Rejected(Box::new(part), rejection)),
        };
        let downloaded = Downloaded {
            size_bytes: part.size(),
            sha1: part.hex(Algorithm::Sha1, situation)?,
            sha256: part.hex(Algorithm::Sha256, situation)?,
            verified,
            validators: part.validators().clone(),
            file: part.finish()?,
        };
        Ok(Outcome::Accepted(downloaded))
    }

    /// Makes one request and takes what comes.
    fn transfer(
        &self,
        task: Task<'_>,
        part: &mut Part<'_>,
        header: &mut Option<Checksum>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), DownloadError> {
        let Task {
            artifact,
            situation,
            url,
        } = task;
        let mut response = self.transport.open(&Request {
            repository: artifact.repository,
            path: artifact.path,
            expect: Expect::Artifact,
            validators: None,
            resume: part.resumable(),
            no_cache: situation.no_cache,
            timeout: self.patience.timeout,
            within: situation.deadline.remaining(),
        })?;
        match response.content {
            Content::Whole => {
                *header = response.checksums.into_iter().next();
                let algorithm = header
                    .as_ref()
                    .map_or(Algorithm::Sha1, |checksum| checksum.algorithm);
                part.begin(response.validators, algorithm)?;
            }
            Content::From(offset) if offset == part.size() => {
                *header = response.checksums.into_iter().next().or(header.take());
            }
            Content::From(_) | Content::NotModified => {
                let reason = "it is not the part that was asked for".to_owned();
                return Err(TransportError::Invalid {
                    url: url.to_owned(),
                    reason,
                }
                .into());
            }
        }
        let limit_bytes = self.patience.artifact_max_bytes;
        let too_large = || DownloadError::TooLarge {
            url: url.to_owned(),
            limit_bytes,
        };
        let total_bytes = response
            .length
            .map(|length| part.size().saturating_add(length));
        if total_bytes.is_some_and(|total| total > limit_bytes) {
            return Err(too_large());
        }
        part.check_room(response.length.unwrap_or(0))?;
        progress(Progress {
            received_bytes: part.size(),
            total_bytes,
        });
        let mut buffer = vec![0; BUFFER_BYTES];
        let received = situation.pump(url, &mut *response.body, &mut buffer, |piece| {
            if part.size() + piece.len() as u64 > limit_bytes {
                return Err(too_large());
            }
            part.append(piece)?;
            progress(Progress {
                received_bytes: part.size(),
                total_bytes,
            });
            Ok(())
        })?;
        check_length(url, received, response.length)
    }

    /// Compares a complete file with its checksum, and looks at its structure.
    fn verify(
        &self,
        task: Task<'_>,
        part: &mut Part<'_>,
        header: Option<Checksum>,
    ) -> Result<Result<Option<(Checksum, ChecksumSource)>, Rejection>, DownloadError> {
        let policy = task.artifact.checksum;
        let expected = match header {
            _ if policy == ChecksumPolicy::Ignore => None,
            Some(header) => Some((header, ChecksumSource::Header)),
            None => self
                .find_sidecar(task)?
                .map(|found| (found, ChecksumSource::Sidecar)),
        };
        if let Some((expected, source)) = &expected {
            let actual = part.hex(expected.algorithm, &task.situation)?;
            if actual != expected.hex {
                let mismatch = Mismatch {
                    expected: expected.clone(),
                    source: *source,
                    actual,
                };
                return Ok(Err(Rejection::Mismatch(mismatch)));
            }
        } else if policy == ChecksumPolicy::Fail {
            return Err(DownloadError::ChecksumMissing {
                url: task.url.to_owned(),
            });
        } else if part.is_adopted() {
            // The earlier run may have ended in a power failure, which leaves holes.
            return Ok(Err(Rejection::Flaw(
                "it was continued, and no checksum proves it sound",
            )));
        }
        Ok(match part.flaw()? {
            Some(flaw) => Err(Rejection::Flaw(flaw)),
            None => Ok(expected),
        })
    }

    /// Asks for checksum files until one can be read.
    fn find_sidecar(&self, task: Task<'_>) -> Result<Option<Checksum>, DownloadError> {
        let Task {
            artifact,
            situation,
            url,
        } = task;
        let mut failed = None;
        for algorithm in SIDECARS {
            situation.check(url)?;
            let path = format!("{}.{}", artifact.path, algorithm.extension());
            let request = Request {
                repository: artifact.repository,
                path: &path,
                expect: Expect::Sidecar,
                validators: None,
                resume: None,
                no_cache: situation.no_cache,
                timeout: self.patience.timeout,
                within: situation.deadline.remaining().min(SIDECAR_TIMEOUT),
            };
            let text = match self.sidecar(&request, &situation, SIDECAR_MAX_BYTES) {
                Err(DownloadError::Transport(error)) => {
                    failed = Some(error);
                    None
                }
                other => other?,
            };
            let checksum = text.and_then(|text| Checksum::parse_sidecar(algorithm, &text));
            if checksum.is_some() {
                return Ok(checksum);
            }
        }
        // There may be one, which nobody could see just now.
        failed.map_or(Ok(None), |error| Err(error.into()))
    }
}

/// Tells whether what came before a failure may be the beginning of the file.
fn may_continue(error: &DownloadError) -> bool {
    matches!(
        error,
        DownloadError::Transport(TransportError::Unreachable { .. })
            | DownloadError::OutOfTime { .. }
            | DownloadError::Cancelled { .. }
    )
}

fn rejected(url: &str, rejection: Rejection, part: Box<Part<'_>>) -> DownloadError {
    let url = url.to_owned();
    match rejection {
        Rejection::Mismatch(mismatch) => DownloadError::ChecksumMismatch {
            url,
            mismatch,
            file: Some(part.reject()),
        },
        Rejection::Flaw(reason) => DownloadError::NotAnArchive {
            url,
            reason,
            file: part.reject(),
        },
    }
}
