//! The way without a question: what was answered a short while ago, and is still here.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp, ZonedDateTime};

use super::{Fetched, Fetcher};
use crate::coordinates::{Coordinates, Resolved, VersionRequest, base_version};
use crate::local::{FileFacts, is_due};
use crate::repository::{Repository, UpdatePolicy};
use crate::resolve::{Facts, Freshness, is_higher};
use crate::state::Resolution;

/// How long before our own beginning another process may have asked so that its answer does, when
/// we had to wait for it anyway.
const COALESCE: SignedDuration = SignedDuration::from_secs(10);

impl Fetcher<'_> {
    /// Recalls the last answer, if it is within the update policies and its file is as it was. No
    /// repository is asked, nothing is locked or written.
    pub fn recall(&self, coordinates: &Coordinates, now: &ZonedDateTime) -> Option<Fetched> {
        self.recall_since(coordinates, now, None)
    }

    /// The same. Whoever `waited_since` for another process takes what that one was told meanwhile,
    /// whatever the policies.
    pub(super) fn recall_since(
        &self,
        coordinates: &Coordinates,
        now: &ZonedDateTime,
        waited_since: Option<Timestamp>,
    ) -> Option<Fetched> {
        let resolution = self.last(coordinates).filter(|last| last.certain)?;
        let is_recent = waited_since
            .is_some_and(|since| resolution.checked_at.duration_since(since) >= -COALESCE)
            || !self.is_due(coordinates, resolution.checked_at, now);
        (is_recent && resolution.is_intact()).then(|| Fetched {
            artifact: resolution.resolved,
            path: resolution.path,
            repository: Some(resolution.repository_id).filter(|id| !id.is_empty()),
            size_bytes: resolution.facts.size_bytes,
            sha1: resolution.sha1,
            sha256: resolution.sha256,
            freshness: Freshness::Fresh,
            notices: Vec::new(),
            downloaded: false,
            requests: 0,
        })
    }

    /// What the same question led to: the last time that it was certain, or to a higher version
    /// since.
    pub(super) fn last(&self, coordinates: &Coordinates) -> Option<Resolution> {
        let key = self.key(coordinates);
        self.state.resolution(self.local.head(), &key)
    }

    /// Remembers an answer for the next call: one that is certain, or higher than the one that was.
    pub(super) fn remember_answer(
        &self,
        fetched: &Fetched,
        facts: &Facts<'_>,
        now: &ZonedDateTime,
    ) -> Result<(), super::Notice> {
        let certain = fetched.freshness == Freshness::Fresh;
        let checked_at = if certain {
            let age = SignedDuration::try_from(facts.age_max()).unwrap_or(SignedDuration::MAX);
            now.timestamp().checked_sub(age).unwrap_or(Timestamp::MIN)
        } else {
            match self.last(facts.coordinates) {
                Some(last) if is_higher(&fetched.artifact.version, &last.resolved.version) => {
                    last.checked_at
                }
                _ => return Ok(()),
            }
        };
        let Ok(file) = FileFacts::of(&fetched.path) else {
            return Ok(()); // Someone removed it: the next call looks for itself.
        };
        let resolution = Resolution {
            resolved: fetched.artifact.clone(),
            repository_id: fetched.repository.clone().unwrap_or_default(),
            path: fetched.path.clone(),
            facts: file,
            sha1: fetched.sha1.clone(),
            sha256: fetched.sha256.clone(),
            checked_at,
            witnesses: self.witnesses(facts.coordinates, &fetched.artifact),
            certain,
        };
        let key = self.key(facts.coordinates);
        self.state
            .remember_resolution(self.local.head(), &key, &resolution)
            .map_err(super::Notice::State)
    }

    /// Whether some repository is to be asked again, by the most eager policy of all.
    fn is_due(
        &self,
        coordinates: &Coordinates,
        checked_at: Timestamp,
        now: &ZonedDateTime,
    ) -> bool {
        if matches!(coordinates.version, VersionRequest::Exact(_)) {
            return false;
        }
        let policy = |repository: &Repository| self.update_policy(repository, &coordinates.version);
        self.repositories
            .iter()
            .any(|repository| is_due(policy(repository), Some(checked_at), now))
    }

    /// How often a repository is asked for metadata about such versions: where both kinds may be
    /// meant, as often as the more eager policy says, as in Maven.
    pub(super) fn update_policy(
        &self,
        repository: &Repository,
        version: &VersionRequest,
    ) -> UpdatePolicy {
        let Repository {
            releases,
            snapshots,
            ..
        } = repository;
        self.preferences.update.unwrap_or_else(|| match version {
            VersionRequest::Release => releases.update,
            VersionRequest::Snapshot(_) => snapshots.update,
            _ => releases.merged(*snapshots).update,
        })
    }

    /// The files that say what is installed here, on which the answer depends too.
    fn witnesses(
        &self,
        coordinates: &Coordinates,
        artifact: &Resolved,
    ) -> Vec<(PathBuf, Option<FileFacts>)> {
        if matches!(coordinates.version, VersionRequest::Exact(_)) {
            return Vec::new();
        }
        let base = base_version(&artifact.version);
        let mut paths = self.local.installed(&coordinates.directory());
        if base.ends_with("SNAPSHOT") {
            paths.extend(self.local.installed(&coordinates.version_directory(&base)));
        }
        if artifact.version.ends_with("SNAPSHOT") {
            // What was handed out is a copy of it.
            paths.push(self.local.head().join(artifact.path()));
        }
        paths
            .into_iter()
            .map(|path| {
                let facts = FileFacts::of(&path).ok();
                (path, facts)
            })
            .collect()
    }
}
