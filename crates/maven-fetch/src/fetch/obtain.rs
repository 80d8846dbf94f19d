//! The file itself: out of the local repository, or downloaded into it.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::{FetchError, Fetched, Notice, Work, told, trouble, whole};
use crate::ErrorKind;
use crate::checksum::Algorithm;
use crate::coordinates::Resolved;
use crate::download::{Artifact, Deadline, Downloaded, Downloader, Otherwise, Situation};
use crate::flight::{Flight, WAIT_MAX, WAIT_MAX_WITH_CACHED};
use crate::local::{Arrival, Content, Evidence, FileFacts, Found, LocalError, Origin};
use crate::repository::{ChecksumPolicy, Repository};
use crate::resolve::{Decision, Facts, Trouble, Unavailable};
use crate::state::FileRecord;
use crate::transport::{Validators, display_address};

/// What is known about a file before it is part of an outcome.
pub(super) struct Obtained {
    pub(super) path: PathBuf,
    pub(super) repository: Option<String>,
    pub(super) size_bytes: u64,
    pub(super) sha1: String,
    pub(super) sha256: String,
    pub(super) downloaded: bool,
}

impl Work<'_, '_> {
    /// Brings the file of a decision. If that is impossible, the facts are other than before.
    pub(super) fn take(
        &mut self,
        facts: &mut Facts<'_>,
        decision: &Decision<'_>,
    ) -> Result<Option<Fetched>, FetchError> {
        let artifact = &decision.artifact;
        let obtained = if decision.present {
            let found = self.find(artifact).filter(|found| {
                // Its repository is asked first whether it is right.
                self.is_last_resort || !matches!(found.evidence, Evidence::Replaced(_))
            });
            if found.is_none() {
                facts
                    .complete
                    .retain(|version| *version != artifact.version);
            }
            found.and_then(|found| self.known(artifact, found))
        } else {
            match self.download(facts, decision)? {
                Ok(obtained) => Some(obtained),
                Err(trouble) => {
                    facts.unavailable.push(Unavailable {
                        version: artifact.version.clone(),
                        trouble,
                    });
                    None
                }
            }
        };
        let Some(obtained) = obtained else {
            return Ok(None);
        };
        let obtained = self.settled(artifact, obtained)?;
        let Obtained {
            path,
            repository,
            size_bytes,
            sha1,
            sha256,
            downloaded,
        } = obtained;
        Ok(Some(Fetched {
            artifact: artifact.clone(),
            path,
            repository,
            size_bytes,
            sha1,
            sha256,
            freshness: decision.freshness.clone(),
            notices: Vec::new(),
            downloaded,
            requests: 0,
        }))
    }

    fn find(&mut self, artifact: &Resolved) -> Option<Found> {
        let record = self.record_of(artifact);
        let mut warnings = Vec::new();
        let known = record.as_ref().map(FileRecord::known);
        let found = self.fetcher.local.find(artifact, known, &mut warnings);
        self.notices.extend(warnings.into_iter().map(Notice::Local));
        found
    }

    /// What is known about a file that was found; it is read if it has to be.
    fn known(&mut self, artifact: &Resolved, found: Found) -> Option<Obtained> {
        let repository = match found.origin {
            Origin::Installed { .. } => None,
            Origin::Repositories(ids) => self.preferred(ids),
        };
        let obtained = |sha1, sha256, facts: &FileFacts| Obtained {
            path: found.path.clone(),
            repository: repository.clone(),
            size_bytes: facts.size_bytes,
            sha1,
            sha256,
            downloaded: false,
        };
        if let (Evidence::Recorded, Some(record)) = (&found.evidence, self.record_of(artifact)) {
            return Some(obtained(record.sha1, record.sha256, &record.facts));
        }
        let content = match found.evidence {
            Evidence::Read(content) => content,
            Evidence::Replaced(content) => {
                let path = found.path.clone();
                self.notices.push(Notice::Replaced { path });
                content
            }
            Evidence::Recorded | Evidence::Structure => match Content::read(&found.path) {
                Ok(content) => content,
                Err(source) => {
                    self.notices.push(Notice::Local(LocalError::Io {
                        action: "read",
                        path: found.path.clone(),
                        source,
                    }));
                    return None;
                }
            },
        };
        let known = obtained(content.sha1.clone(), content.sha256.clone(), &content.facts);
        self.record(artifact, content, Validators::default());
        Some(known)
    }

    /// Of the repositories that a file came from, the one that is asked first.
    fn preferred(&self, ids: Vec<String>) -> Option<String> {
        let asked = self.fetcher.repositories.iter().map(|one| &one.id);
        let first = asked.into_iter().find(|id| ids.contains(id)).cloned();
        first.or_else(|| ids.into_iter().next())
    }

    /// Downloads a file, unless another process brings it meanwhile or the one that is here is
    /// confirmed. The inner error is a repository's.
    fn download(
        &mut self,
        facts: &Facts<'_>,
        decision: &Decision<'_>,
    ) -> Result<Result<Obtained, Trouble>, FetchError> {
        let artifact = &decision.artifact;
        let has_something = self.spares(facts);
        let wait_max = if self.flight.has_waited() && !self.flight.is_alone() {
            Duration::ZERO // Once in vain is enough: it would be for the same process.
        } else if has_something {
            WAIT_MAX_WITH_CACHED
        } else {
            WAIT_MAX
        };
        let what = format!(
            "{} {}",
            self.fetcher.local.head().display(),
            artifact.path()
        );
        let flight = Flight::begin(self.fetcher.state, &what, wait_max, self.occasion.cancel);
        if has_something && !flight.is_alone() && flight.has_waited() {
            let reason = "another process is still fetching it".to_owned();
            return Ok(Err(Trouble::Unreachable(reason)));
        }
        let ids: Vec<&str> = facts.repositories().map(|one| one.id.as_str()).collect();
        let mutable = artifact.version.ends_with("SNAPSHOT");
        let here = if mutable { None } else { self.find(artifact) };
        let foreign = match here {
            Some(found)
                if found.origin.is_accepted_for(&ids)
                    && !matches!(found.evidence, Evidence::Replaced(_)) =>
            {
                if let Some(obtained) = self.known(artifact, found) {
                    return Ok(Ok(obtained));
                }
                None
            }
            other => other,
        };
        let otherwise = if has_something {
            Otherwise::ServeCached
        } else {
            Otherwise::Fail
        };
        let mut troubles = Vec::new();
        for repository in &decision.repositories {
            if let Some(trouble) = self.refusal(repository, has_something) {
                self.tried
                    .push(format!("`{}`: {trouble}", display_address(repository, "")));
                troubles.push(trouble);
                continue;
            }
            if let Some(found) = &foreign
                && let Some(obtained) = self.confirm(artifact, found, repository, otherwise)
            {
                return Ok(Ok(obtained));
            }
            match self.download_from(repository, artifact, otherwise, &flight)? {
                Ok(obtained) => return Ok(Ok(obtained)),
                Err(trouble) => troubles.push(trouble),
            }
        }
        Ok(Err(worst(troubles)))
    }

    fn refusal(&self, repository: &Repository, has_something: bool) -> Option<Trouble> {
        if let Err(blocked) = repository.check_allowed() {
            return Some(Trouble::Blocked(blocked.to_string()));
        }
        let now = &self.occasion.now;
        let outage = self.fetcher.outage(repository, now, has_something)?;
        Some(Trouble::Unreachable(outage))
    }

    /// Takes a file that came from elsewhere, if the repository has the same.
    fn confirm(
        &mut self,
        artifact: &Resolved,
        found: &Found,
        repository: &Repository,
        otherwise: Otherwise,
    ) -> Option<Obtained> {
        let path = artifact.path();
        let wanted = asked_for(repository, artifact, &path, found.path.parent()?);
        let situation = situation(self.artifact_deadline, self.occasion.cancel, otherwise);
        let expected = Downloader::new(self.transport)
            .checksum(&wanted, &situation)
            .ok()??;
        let content = Content::read(&found.path).ok()?;
        let actual = match expected.algorithm {
            Algorithm::Sha1 => &content.sha1,
            Algorithm::Sha256 => &content.sha256,
            Algorithm::Sha512 | Algorithm::Md5 => return None,
        };
        if *actual != expected.hex {
            return None;
        }
        let confirmed = found.confirm(&repository.id);
        self.notices.extend(confirmed.err().map(Notice::Local));
        let obtained = Obtained {
            path: found.path.clone(),
            repository: Some(repository.id.clone()),
            size_bytes: content.facts.size_bytes,
            sha1: content.sha1.clone(),
            sha256: content.sha256.clone(),
            downloaded: false,
        };
        self.record(artifact, content, Validators::default());
        Some(obtained)
    }

    fn download_from(
        &mut self,
        repository: &Repository,
        artifact: &Resolved,
        otherwise: Otherwise,
        flight: &Flight,
    ) -> Result<Result<Obtained, Trouble>, FetchError> {
        let place = match self.fetcher.local.prepare(artifact) {
            Ok(place) => place,
            Err(error) => return Ok(Err(self.disk(&error))),
        };
        let path = artifact.path();
        let wanted = asked_for(repository, artifact, &path, place.directory());
        let situation = situation(self.artifact_deadline, self.occasion.cancel, otherwise);
        let outer = self.flight;
        let progress = &mut *self.occasion.progress;
        let downloaded =
            Downloader::new(self.transport).artifact(&wanted, &situation, &mut |state| {
                flight.is_moving();
                outer.is_moving();
                progress(artifact, state);
            });
        self.fetcher
            .note_outage(repository, downloaded.as_ref().err(), &self.occasion.now);
        let downloaded = match downloaded {
            Ok(downloaded) => downloaded,
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                return Err(Box::new(error).into());
            }
            Err(error) => {
                self.tried.push(told(&error));
                return Ok(Err(trouble(&error)));
            }
        };
        let url = display_address(repository, &path);
        if downloaded.verified.is_none() && wanted.checksum != ChecksumPolicy::Ignore {
            self.notices.push(Notice::NoChecksum { url });
        }
        Ok(self
            .publish(&place, repository, artifact, downloaded)
            .map_err(|error| self.disk(&error))
            .inspect(|_| self.notices.extend(place.warning.map(Notice::Local))))
    }

    fn publish(
        &mut self,
        place: &crate::local::Place,
        repository: &Repository,
        artifact: &Resolved,
        downloaded: Downloaded,
    ) -> Result<Obtained, LocalError> {
        let Downloaded {
            file,
            size_bytes,
            sha1,
            sha256,
            validators,
            ..
        } = downloaded;
        let published = place.publish(Arrival {
            resolved: artifact,
            file,
            sha1: &sha1,
            repository_id: &repository.id,
        })?;
        let notices = published.warnings.into_iter().map(Notice::Local);
        self.notices.extend(notices);
        let content = Content {
            sha1: sha1.clone(),
            sha256: sha256.clone(),
            facts: published.facts,
        };
        self.record(artifact, content, validators);
        Ok(Obtained {
            path: published.path,
            repository: Some(repository.id.clone()),
            size_bytes,
            sha1,
            sha256,
            downloaded: true,
        })
    }

    fn disk(&mut self, error: &LocalError) -> Trouble {
        let text = whole(error);
        self.tried.push(text.clone());
        Trouble::Disk(text)
    }
}

fn situation(deadline: Deadline, cancel: &AtomicBool, otherwise: Otherwise) -> Situation<'_> {
    Situation {
        deadline,
        cancel,
        otherwise,
        no_cache: false,
    }
}

fn asked_for<'a>(
    repository: &'a Repository,
    artifact: &Resolved,
    path: &'a str,
    directory: &'a std::path::Path,
) -> Artifact<'a> {
    let policy = if artifact.is_snapshot() {
        repository.snapshots
    } else {
        repository.releases
    };
    Artifact {
        repository,
        path,
        directory,
        checksum: policy.checksum,
        immutable: !artifact.version.ends_with("SNAPSHOT"),
    }
}

/// Of several troubles the one that a person must mend, else the one that may pass.
fn worst(troubles: Vec<Trouble>) -> Trouble {
    let rank = |trouble: &Trouble| match trouble {
        Trouble::Disk(_) => 5,
        Trouble::Blocked(_) => 4,
        Trouble::Refused(_) => 3,
        Trouble::Unreachable(_) => 2,
        Trouble::Invalid(_) => 1,
        Trouble::NotFound => 0,
    };
    troubles
        .into_iter()
        .max_by_key(rank)
        .unwrap_or(Trouble::NotFound)
}
