//! What is here already, as facts for the decision.

use std::time::Duration;

use jiff::{Timestamp, ZonedDateTime};

use super::{Fetcher, Work};
use crate::coordinates::{Coordinates, Resolved, VersionRequest};
use crate::local::Origin;
use crate::metadata::{ArtifactMetadata, SnapshotMetadata};
use crate::resolve::{Facts, Record};

/// The id under which Maven keeps metadata about what was installed here.
const INSTALLED_ID: &str = "local";

/// A file that is here whole, and whether it may be taken as it is.
struct Present {
    version: String,
    origin: Origin,
}

impl<'a> Fetcher<'a> {
    /// Gathers what is here.
    pub(super) fn facts(&self, coordinates: &'a Coordinates, now: &ZonedDateTime) -> Facts<'a> {
        let mut facts = Facts::new(coordinates, self.repositories);
        facts.offline = self.preferences.offline;
        facts.latest_by = self.preferences.latest_by;
        facts.installed = self.installed(coordinates);
        facts.record = self.last(coordinates).map(|last| Record {
            version: last.resolved.version,
            repository: Some(last.repository_id).filter(|id| !id.is_empty()),
            age: age(last.checked_at, now),
        });
        let ids: Vec<&str> = facts.repositories().map(|one| one.id.as_str()).collect();
        let present = self.present(coordinates, facts.installed.as_ref());
        facts.complete = present
            .into_iter()
            .filter(|present| {
                if present.version.ends_with("SNAPSHOT") {
                    // A name without a time stamp: what a repository has may have changed.
                    present.origin == Origin::Installed { is_declared: true }
                } else {
                    present.origin.is_accepted_for(&ids)
                }
            })
            .map(|present| present.version)
            .collect();
        let bases = facts.installed.iter().flat_map(|metadata| &metadata.latest);
        let mut bases: Vec<String> = bases.cloned().collect();
        if let VersionRequest::Snapshot(base) = &coordinates.version {
            bases.push(base.clone());
        }
        for base in bases {
            self.add_installed_builds(&mut facts, &base);
        }
        facts
    }

    /// Adds what was installed here of one snapshot.
    pub(super) fn add_installed_builds(&self, facts: &mut Facts<'_>, base: &str) {
        let coordinates = facts.coordinates;
        let directory = coordinates.version_directory(base);
        let installed = self
            .local
            .metadata(&directory, INSTALLED_ID, &mut Vec::new())
            .and_then(|stored| SnapshotMetadata::accept(coordinates, base, &stored.bytes).ok());
        if let Some(installed) = installed {
            facts.installed_builds.insert(base.to_owned(), installed);
        }
    }

    fn installed(&self, coordinates: &Coordinates) -> Option<ArtifactMetadata> {
        let directory = coordinates.directory();
        let stored = self
            .local
            .metadata(&directory, INSTALLED_ID, &mut Vec::new())?;
        ArtifactMetadata::accept(coordinates, &stored.bytes).ok()
    }

    /// The ids of the repositories that a file here came from, if none of them is asked now.
    pub(super) fn foreign_origins(&self, artifact: &Resolved) -> Vec<String> {
        let ids: Vec<&str> = self
            .repositories
            .iter()
            .map(|one| one.id.as_str())
            .collect();
        match self.local.origin(artifact) {
            Some(Origin::Repositories(origins))
                if !origins.iter().any(|id| ids.contains(&id.as_str())) =>
            {
                origins
            }
            _ => Vec::new(),
        }
    }

    /// What is here of the versions that are asked for.
    fn present(
        &self,
        coordinates: &Coordinates,
        installed: Option<&ArtifactMetadata>,
    ) -> Vec<Present> {
        let named = |version: &String| coordinates.resolved(version).ok();
        let Coordinates {
            group,
            artifact,
            extension,
            classifier,
            ..
        } = coordinates;
        let candidates: Vec<Resolved> = match &coordinates.version {
            VersionRequest::Exact(version) => named(version).into_iter().collect(),
            VersionRequest::Snapshot(base) => {
                let literal: Vec<Resolved> = named(base).into_iter().collect();
                let builds = literal.iter().flat_map(|one| self.local.builds(one));
                builds.chain(literal.clone()).collect()
            }
            VersionRequest::Latest | VersionRequest::Release | VersionRequest::Range(_) => {
                let here = self
                    .local
                    .complete(group, artifact, extension, classifier.as_deref());
                let installed = installed.into_iter().flat_map(|one| &one.versions);
                let literal = installed.filter(|version| version.ends_with("SNAPSHOT"));
                here.into_iter().chain(literal.filter_map(named)).collect()
            }
        };
        candidates
            .into_iter()
            .filter_map(|resolved| {
                Some(Present {
                    origin: self.local.origin(&resolved)?,
                    version: resolved.version,
                })
            })
            .collect()
    }
}

impl Work<'_, '_> {
    /// Adds what is here and would have to be confirmed first, now that nobody does: from other
    /// repositories, or under a name without a time stamp. Tells whether there was any.
    ///
    /// A group that a repository claims is not taken from others, whatever happens.
    pub(super) fn add_unconfirmed(&self, facts: &mut Facts<'_>) -> bool {
        let ids: Vec<&str> = facts.repositories().map(|one| one.id.as_str()).collect();
        let is_claimed =
            facts.repositories().any(|one| !one.groups.is_empty()) && facts.is_claimed();
        let present = self
            .fetcher
            .present(self.coordinates, facts.installed.as_ref());
        let more: Vec<String> = present
            .into_iter()
            .filter(|present| !is_claimed || present.origin.is_accepted_for(&ids))
            .filter(|present| present.origin != Origin::Installed { is_declared: false })
            .map(|present| present.version)
            .filter(|version| !facts.complete.contains(version))
            .collect();
        let is_more = !more.is_empty();
        facts.complete.extend(more);
        is_more
    }
}

/// How long ago something was; none of it if that is in the future.
pub(super) fn age(then: Timestamp, now: &ZonedDateTime) -> Duration {
    now.timestamp()
        .duration_since(then)
        .try_into()
        .unwrap_or_default()
}
