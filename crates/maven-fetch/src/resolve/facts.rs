//! All that a decision depends on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::wanted::Wanted;
use super::{Level, Trouble};
use crate::coordinates::Coordinates;
use crate::metadata::{ArtifactMetadata, SnapshotMetadata};
use crate::repository::Repository;

/// All that a decision depends on: what is asked for, what the repositories say, what is here.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// What is asked for.
    pub coordinates: &'a Coordinates,
    /// `maven-metadata-local.xml` of the artifact, which `mvn install` writes.
    pub installed: Option<ArtifactMetadata>,
    /// `maven-metadata-local.xml` of each snapshot version.
    pub installed_builds: BTreeMap<String, SnapshotMetadata>,
    /// Versions whose file with this classifier and extension is complete in the local repository:
    /// releases, builds with their time stamps, and `1.0-SNAPSHOT` only if it was installed.
    pub complete: Vec<String>,
    /// What these coordinates were resolved to last.
    pub record: Option<Record>,
    /// What could not be downloaded this time.
    pub unavailable: Vec<Unavailable>,
    /// Whether a question with [`Question::no_cache`](super::Question::no_cache) was asked.
    pub asked_again: bool,
    /// Whether repositories must not be asked at all.
    pub offline: bool,
    /// What decides which version is the latest.
    pub latest_by: LatestBy,
    sources: Vec<Source<'a>>,
}

/// A repository, and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    pub(super) repository: &'a Repository,
    pub(super) artifact: Option<Knowledge<ArtifactMetadata>>,
    pub(super) snapshots: BTreeMap<String, Knowledge<SnapshotMetadata>>,
}

/// What is known of one metadata file in one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knowledge<M> {
    /// What the repository says now.
    pub answer: Answer<M>,
    /// What it said before, if that is still here.
    pub last_good: Option<LastGood<M>>,
}

/// What came of asking for metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<M> {
    /// It came, and was accepted.
    Fresh(M),
    /// It has not changed since the last good copy.
    NotModified,
    /// It was not asked for: the last good copy is recent enough for the repository's policy.
    NotAsked,
    /// It was not asked for, though the last good copy is not recent enough: [`Facts::offline`] is
    /// set.
    Offline,
    /// Nothing that can be used. Here `NotFound` is no trouble unless it was there before.
    Failed(Trouble),
}

/// The last copy that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastGood<M> {
    /// What it says.
    pub metadata: M,
    /// How long ago the repository last confirmed it.
    pub age: Duration,
}

/// What the same coordinates were resolved to last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The version, with a snapshot's time stamp.
    pub version: String,
    /// The id of the repository that it came from; none if it was installed here.
    pub repository: Option<String>,
    /// How long ago.
    pub age: Duration,
}

/// A version whose file none of the repositories gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The version, with a snapshot's time stamp.
    pub version: String,
    /// Why not; `NotFound` only if all of them say so.
    pub trouble: Trouble,
}

/// What decides which version is the latest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LatestBy {
    /// The word of the repository whose metadata was written last, as in Maven.
    #[default]
    Metadata,
    /// The order of all listed versions.
    Version,
}

impl<'a> Facts<'a> {
    /// Begins with what is asked for and who can be asked, in the order of their preference.
    ///
    /// If repositories claim the group, the others are never asked, and never supply it. The most
    /// specific claim counts; several repositories may have it.
    pub fn new(coordinates: &'a Coordinates, repositories: &'a [Repository]) -> Self {
        let claim = |repository: &Repository| claim_on(repository, &coordinates.group);
        let strongest = repositories.iter().filter_map(claim).max();
        let sources = repositories
            .iter()
            .filter(|repository| claim(repository) == strongest)
            .map(|repository| Source {
                repository,
                artifact: None,
                snapshots: BTreeMap::new(),
            })
            .collect();
        Self {
            coordinates,
            installed: None,
            installed_builds: BTreeMap::new(),
            complete: Vec::new(),
            record: None,
            unavailable: Vec::new(),
            asked_again: false,
            offline: false,
            latest_by: LatestBy::default(),
            sources,
        }
    }

    /// The repository that a question means by a source's number.
    pub fn repository(&self, source: usize) -> &'a Repository {
        self.sources[source].repository
    }

    /// The repositories that may be asked, in order.
    pub fn repositories(&self) -> impl Iterator<Item = &'a Repository> {
        self.sources.iter().map(|source| source.repository)
    }

    /// Whether there is something here to go on with, whatever repositories say.
    pub fn has_wanted(&self) -> bool {
        Wanted::of(&self.coordinates.version)
            .is_ok_and(|wanted| self.complete.iter().any(|version| wanted.contains(version)))
    }

    /// Whether the group may come only from repositories that claim it.
    pub fn is_claimed(&self) -> bool {
        self.repositories()
            .any(|repository| claim_on(repository, &self.coordinates.group).is_some())
    }

    /// How long ago the oldest of the answers was given that are believed.
    pub fn age_max(&self) -> Duration {
        let ages = self.sources.iter().flat_map(|source| {
            let builds = source.snapshots.values().filter_map(Knowledge::age);
            builds.chain(source.artifact.as_ref().and_then(Knowledge::age))
        });
        ages.max().unwrap_or_default()
    }

    /// Adds what came of a question about [`Level::Artifact`].
    pub fn learn_artifact(&mut self, source: usize, knowledge: Knowledge<ArtifactMetadata>) {
        self.sources[source].artifact = Some(knowledge);
    }

    /// Adds what came of a question about [`Level::Snapshot`], or of asking in advance.
    pub fn learn_snapshot(
        &mut self,
        source: usize,
        base_version: &str,
        knowledge: Knowledge<SnapshotMetadata>,
    ) {
        self.sources[source]
            .snapshots
            .insert(base_version.to_owned(), knowledge);
    }

    pub(super) fn source(&self, index: usize) -> &Source<'a> {
        &self.sources[index]
    }

    /// Whether something that matters was not asked for only because nothing is to be.
    pub(super) fn is_left_open(&self) -> bool {
        self.sources.iter().any(|source| {
            let builds = source.snapshots.values();
            let builds = builds.map(|knowledge| matches!(knowledge.answer, Answer::Offline));
            let versions = source.artifact.iter();
            let versions = versions.map(|knowledge| matches!(knowledge.answer, Answer::Offline));
            builds.chain(versions).any(|is_left_open| is_left_open)
        })
    }

    /// The sources whose repository fits, in order.
    pub(super) fn sources_with(&self, fits: impl Fn(&Repository) -> bool) -> Vec<usize> {
        let fits = |index: &usize| fits(self.sources[*index].repository);
        (0..self.sources.len()).filter(fits).collect()
    }

    /// Those that have not been asked yet.
    pub(super) fn unasked(&self, level: &Level, sources: &[usize]) -> Vec<usize> {
        let is_unasked = |index: &usize| match level {
            Level::Artifact => self.sources[*index].artifact.is_none(),
            Level::Snapshot(base) => !self.sources[*index].snapshots.contains_key(base),
        };
        sources.iter().copied().filter(is_unasked).collect()
    }

    /// Whether the file of a version is complete here.
    pub(super) fn is_complete(&self, version: &str) -> bool {
        self.complete.iter().any(|complete| complete == version)
    }
}

impl<M> Knowledge<M> {
    /// What can be believed: the repository's word, else what it said before.
    pub(super) fn metadata(&self) -> Option<&M> {
        match &self.answer {
            Answer::Fresh(metadata) => Some(metadata),
            _ => self.last_good.as_ref().map(|last_good| &last_good.metadata),
        }
    }

    /// How long ago the repository confirmed what can be believed; none if it never did.
    pub(super) fn age(&self) -> Option<Duration> {
        match &self.answer {
            Answer::Fresh(_) => Some(Duration::ZERO),
            _ => self.last_good.as_ref().map(|last_good| last_good.age),
        }
    }

    /// Why the repository's word is missing, if it should have one.
    pub(super) fn trouble(&self, had_it_before: bool) -> Option<Trouble> {
        match &self.answer {
            Answer::Failed(Trouble::NotFound) if self.last_good.is_none() && !had_it_before => None,
            Answer::Failed(trouble) => Some(trouble.clone()),
            Answer::NotModified if self.last_good.is_none() => Some(Trouble::Invalid(
                "not changed, but it is not here".to_owned(),
            )),
            Answer::Fresh(_) | Answer::NotModified | Answer::NotAsked | Answer::Offline => None,
        }
    }
}

/// How specific a repository's claim on a group is: the length of the claimed name.
fn claim_on(repository: &Repository, group: &str) -> Option<usize> {
    let covers = |claim: &&String| {
        group
            .strip_prefix(claim.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    repository
        .groups
        .iter()
        .filter(covers)
        .map(String::len)
        .max()
}
