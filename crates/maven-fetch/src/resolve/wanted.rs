//! Which versions are wanted at all.

use crate::coordinates::{VersionRequest, base_version, is_snapshot};
use crate::repository::Repository;
use crate::version::{Version, VersionRange};

use super::ResolveError;

/// Which versions are wanted at all.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Any.
    Latest,
    /// All but snapshots.
    Release,
    /// Those within a range; snapshots only if it names one. In Maven 3 a range contains them
    /// in any case; this is what Maven 4 calls the nature `auto`.
    Range(VersionRange),
    /// The builds of a snapshot version.
    Builds(String),
    /// One.
    Exact(String),
}

impl Wanted {
    pub(super) fn of(request: &VersionRequest) -> Result<Self, ResolveError> {
        Ok(match request {
            VersionRequest::Latest => Self::Latest,
            VersionRequest::Release => Self::Release,
            VersionRequest::Range(text) => Self::Range(text.parse()?),
            VersionRequest::Snapshot(base) => Self::Builds(base.clone()),
            VersionRequest::Exact(version) => Self::Exact(version.clone()),
        })
    }

    /// Whether a version is among them.
    pub(super) fn contains(&self, version: &str) -> bool {
        match self {
            Self::Latest => true,
            Self::Release => !is_snapshot(version),
            Self::Range(range) => {
                (range.names_snapshot() || !is_snapshot(version))
                    && range.contains(&Version::new(&base_version(version)))
            }
            Self::Builds(base) => base_version(version) == *base,
            Self::Exact(exact) => version == exact,
        }
    }

    /// Whether a repository may have one of them.
    pub(super) fn may_be_in(&self, repository: &Repository) -> bool {
        let (releases, snapshots) = (repository.releases.enabled, repository.snapshots.enabled);
        match self {
            Self::Latest => releases || snapshots,
            Self::Range(range) => releases || (snapshots && range.names_snapshot()),
            Self::Builds(_) => snapshots,
            Self::Exact(version) if is_snapshot(version) => snapshots,
            Self::Release | Self::Exact(_) => releases,
        }
    }
}

/// Whether a repository may have a version, by its policies.
pub(super) fn is_enabled(repository: &Repository, version: &str) -> bool {
    let policy = if is_snapshot(version) {
        repository.snapshots
    } else {
        repository.releases
    };
    policy.enabled
}

/// Its place among other versions: builds of a snapshot are below its release, though their
/// time stamps alone would be above it.
pub(super) fn place(version: &str) -> (Version, Version) {
    (Version::new(&base_version(version)), Version::new(version))
}

/// Whether a version has a higher place than another.
pub(crate) fn is_higher(version: &str, other: &str) -> bool {
    place(version) > place(other)
}
