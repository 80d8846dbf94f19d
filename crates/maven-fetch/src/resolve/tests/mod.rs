//! Decisions, each told in a line of text, so that a test reads as a table of cases.

use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::coordinates::{Coordinates, Defaults};
use crate::metadata::{ArtifactMetadata, Build, SnapshotMetadata};
use crate::repository::{ChecksumPolicy, Policy, Repository, UpdatePolicy};

mod failures;
mod snapshots;
mod versions;

/// `com.ex:app` in a version, as a jar with the classifier `c`.
fn app(version: &str) -> Coordinates {
    let text = format!("com.ex:app:{version}:jar:c");
    Coordinates::parse(&text, &Defaults::default()).unwrap()
}

/// A repository with releases and snapshots.
fn repository(id: &str) -> Repository {
    let policy = Policy {
        enabled: true,
        update: UpdatePolicy::Daily,
        checksum: ChecksumPolicy::Warn,
    };
    Repository {
        id: id.to_owned(),
        url: format!("https://{id}.example/").parse().unwrap(),
        releases: policy,
        snapshots: policy,
        groups: Vec::new(),
        credentials: None,
        headers: Vec::new(),
        proxy: None,
        connect_timeout: None,
        request_timeout: None,
        blocked_by: None,
    }
}

fn releases_only(id: &str) -> Repository {
    let mut repository = repository(id);
    repository.snapshots.enabled = false;
    repository
}

fn snapshots_only(id: &str) -> Repository {
    let mut repository = repository(id);
    repository.releases.enabled = false;
    repository
}

fn claiming(id: &str, group: &str) -> Repository {
    let mut repository = repository(id);
    repository.groups.push(group.to_owned());
    repository
}

/// Artifact metadata, from words such as `latest=2.0 release=2.0 updated=1 1.0 2.0`.
fn artifact(words: &str) -> ArtifactMetadata {
    let mut metadata = ArtifactMetadata::default();
    for word in words.split(' ') {
        match word.split_once('=') {
            Some(("latest", version)) => metadata.latest = Some(version.to_owned()),
            Some(("release", version)) => metadata.release = Some(version.to_owned()),
            Some(("updated", date)) => metadata.last_updated = Some(date.to_owned()),
            _ => metadata.versions.push(word.to_owned()),
        }
    }
    metadata
}

/// Snapshot metadata, from words such as `newest=N updated=1 c.jar=N@1 .pom=N@1`, where N is the
/// number of a build of 3.0-SNAPSHOT, or `literal`.
fn snapshot(words: &str) -> SnapshotMetadata {
    let mut metadata = SnapshotMetadata::default();
    for (key, value) in words.split(' ').map(|word| word.split_once('=').unwrap()) {
        match key {
            "newest" => metadata.newest = Some(build_number(value)),
            "updated" => metadata.last_updated = Some(value.to_owned()),
            file => {
                let (classifier, extension) = file.split_once('.').unwrap();
                let (number, updated) = value.split_once('@').unwrap();
                metadata.builds.push(Build {
                    classifier: Some(classifier)
                        .filter(|text| !text.is_empty())
                        .map(str::to_owned),
                    extension: extension.to_owned(),
                    version: build_number(number),
                    updated: Some(updated.to_owned()),
                });
            }
        }
    }
    metadata
}

/// The version of a build of 3.0-SNAPSHOT.
fn build_number(number: &str) -> String {
    match number {
        "literal" => "3.0-SNAPSHOT".to_owned(),
        _ => format!("3.0-20240102.030405-{number}"),
    }
}

fn fresh<M>(metadata: M) -> Knowledge<M> {
    Knowledge {
        answer: Answer::Fresh(metadata),
        last_good: None,
    }
}

/// A repository that fails, with what it said an hour ago.
fn failed<M>(trouble: Trouble, last_good: M) -> Knowledge<M> {
    let last_good = LastGood {
        metadata: last_good,
        age: hours(1),
    };
    Knowledge {
        answer: Answer::Failed(trouble),
        last_good: Some(last_good),
    }
}

/// A repository that fails, and of which nothing is known.
fn unknown<M>(trouble: Trouble) -> Knowledge<M> {
    Knowledge {
        answer: Answer::Failed(trouble),
        last_good: None,
    }
}

fn refused() -> Trouble {
    Trouble::Refused("status 401".to_owned())
}

fn down() -> Trouble {
    Trouble::Unreachable("connection refused".to_owned())
}

fn html() -> Trouble {
    Trouble::Invalid("the metadata is an HTML page".to_owned())
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 60 * 60)
}

/// The last resolution, two hours ago.
fn record(version: &str, repository: &str) -> Record {
    let repository = Some(repository.to_owned());
    Record {
        version: version.to_owned(),
        repository,
        age: hours(2),
    }
}

fn unavailable(version: &str, trouble: Trouble) -> Unavailable {
    Unavailable {
        version: version.to_owned(),
        trouble,
    }
}

fn strings(versions: &[&str]) -> Vec<String> {
    versions
        .iter()
        .map(|version| (*version).to_owned())
        .collect()
}

/// What is decided, in one line, then each warning in one.
fn told(facts: &Facts<'_>) -> String {
    let ids = |sources: &[usize]| {
        sources
            .iter()
            .map(|source| facts.repository(*source).id.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match resolve(facts) {
        Err(error) => format!("error {:?}: {error}", error.kind()),
        Ok(Step::Ask(Question {
            level,
            sources,
            no_cache,
        })) => {
            let again = if no_cache { " again" } else { "" };
            let level = match level {
                Level::Artifact => "versions".to_owned(),
                Level::Snapshot(base) => format!("builds of {base}"),
            };
            format!("ask{again} {} for {level}", ids(&sources))
        }
        Ok(Step::Take(decision)) => told_decision(&decision),
    }
}

fn told_decision(decision: &Decision<'_>) -> String {
    let verb = if decision.present { "have" } else { "get" };
    let repositories: Vec<&str> = decision
        .repositories
        .iter()
        .map(|repository| repository.id.as_str())
        .collect();
    let freshness = match &decision.freshness {
        Freshness::Fresh => "fresh".to_owned(),
        Freshness::Stale {
            reason,
            age: Some(age),
        } => {
            format!("stale for {} h: {reason}", age.as_secs() / 3600)
        }
        Freshness::Stale { reason, age: None } => format!("stale: {reason}"),
    };
    let from = repositories.join(", ");
    let mut text = format!("{verb} {} [{from}] {freshness}", decision.artifact.version);
    for warning in &decision.warnings {
        write!(text, "\nwarning: {warning}").unwrap();
    }
    text
}
