//! The decision: which file is meant, where it comes from, and how sure that is.
//!
//! [`resolve`] is a pure function of [`Facts`]. It is called again and again, each time with more
//! facts, until it takes a file or gives up:
//!
//! - [`Step::Ask`]: metadata is wanted. Ask the sources that the [`Question`] names, all at once,
//!   and tell what came of each by [`Facts::learn_artifact`] or [`Facts::learn_snapshot`],
//!   together with the last good copy that is here.
//! - [`Step::Take`]: the file is decided. If it is not [`Decision::present`], download it out of
//!   [`Decision::repositories`], first come first served. If none gives it, add it to
//!   [`Facts::unavailable`] and call again.
//!
//! This ends: each question is asked at most twice (the second time past all caches, because
//! the file that was named does not exist), and what is unavailable is not taken again.
//!
//! The rules are Maven's, where they do not conflict with our own: **the network only adds
//! knowledge.** What a repository said last stays valid while it says nothing better, a file that
//! is complete here can always be taken, and a repository that fails never makes the version
//! lower. What is taken in such a way is [`Freshness::Stale`], with the reason.
//!
//! ```
//! use maven_fetch::coordinates::{Coordinates, Defaults};
//! use maven_fetch::metadata::ArtifactMetadata;
//! use maven_fetch::resolve::{Answer, Facts, Freshness, Knowledge, Level, Step, resolve};
//! # use maven_fetch::repository::{ChecksumPolicy, Policy, Repository, UpdatePolicy};
//! # let policy =
//! #     Policy { enabled: true, update: UpdatePolicy::Daily, checksum: ChecksumPolicy::Warn };
//! # let repositories = [Repository {
//! #     id: "corp".to_owned(),
//! #     url: "https://repository.example/".parse().unwrap(),
//! #     releases: policy,
//! #     snapshots: policy,
//! #     groups: Vec::new(),
//! #     credentials: None,
//! #     headers: Vec::new(),
//! #     proxy: None,
//! #     connect_timeout: None,
//! #     request_timeout: None,
//! #     blocked_by: None,
//! # }];
//!
//! let coordinates = Coordinates::parse("com.ex:app:RELEASE:jar", &Defaults::default())?;
//! let mut facts = Facts::new(&coordinates, &repositories);
//!
//! // First it wants to know what the repository has.
//! let Step::Ask(question) = resolve(&facts)? else { unreachable!() };
//! assert_eq!((question.level, question.sources), (Level::Artifact, vec![0]));
//!
//! // Asking is the caller's business.
//! let bytes = b"<metadata><versioning><release>2.0</release></versioning></metadata>";
//! let metadata = ArtifactMetadata::accept(&coordinates, bytes)?;
//! facts.learn_artifact(0, Knowledge { answer: Answer::Fresh(metadata), last_good: None });
//!
//! // Then it decides.
//! let Step::Take(decision) = resolve(&facts)? else { unreachable!() };
//! assert_eq!(decision.artifact.path(), "com/ex/app/2.0/app-2.0.jar");
//! assert_eq!(decision.repositories[0].id, "corp");
//! assert_eq!(decision.freshness, Freshness::Fresh);
//! assert!(!decision.present);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod choice;
mod decision;
mod error;
mod facts;
mod heard;
mod settle;
mod snapshot;
mod wanted;

pub use decision::{
    Decision, Freshness, Level, Question, Reason, Step, Tolerance, Trouble, Warning,
};
pub use error::{Asked, ResolveError};
pub use facts::{Answer, Facts, Knowledge, LastGood, LatestBy, Record, Unavailable};
pub(crate) use wanted::is_higher;

use choice::Choice;
use heard::Heard;
use snapshot::BuildChoice;
use wanted::Wanted;

use crate::coordinates::{VersionRequest, is_snapshot};

/// Decides what to do next, see the module's documentation.
pub fn resolve<'a>(facts: &Facts<'a>) -> Result<Step<'a>, ResolveError> {
    let wanted = Wanted::of(&facts.coordinates.version)?;
    match &facts.coordinates.version {
        VersionRequest::Exact(version) => settle::exact(facts, version),
        VersionRequest::Snapshot(base) => {
            let sources = facts.sources_with(|repository| repository.snapshots.enabled);
            build(facts, &wanted, base, &sources, Heard::default(), Vec::new())
        }
        VersionRequest::Latest | VersionRequest::Release | VersionRequest::Range(_) => {
            version(facts, &wanted)
        }
    }
}

/// The version that moves: out of the metadata about the artifact.
fn version<'a>(facts: &Facts<'a>, wanted: &Wanted) -> Result<Step<'a>, ResolveError> {
    let sources = facts.sources_with(|repository| wanted.may_be_in(repository));
    let level = Level::Artifact;
    let unasked = facts.unasked(&level, &sources);
    if !unasked.is_empty() {
        return Ok(Step::Ask(Question {
            level,
            sources: unasked,
            no_cache: false,
        }));
    }
    let heard = Heard::at_artifact(facts, &sources);
    let Some(choice) = choice::choose(facts, wanted, &sources) else {
        return settle::without_choice(facts, wanted, &sources, &heard);
    };
    if !choice.version.ends_with("SNAPSHOT") {
        return settle::settle(facts, wanted, choice, &heard);
    }
    // As in Maven: builds are asked for only where the version came from.
    let sources = if choice.installed {
        facts.sources_with(|repository| repository.snapshots.enabled)
    } else {
        choice.suppliers
    };
    build(
        facts,
        wanted,
        &choice.version,
        &sources,
        heard,
        choice.warnings,
    )
}

/// The newest build of a snapshot version: out of the metadata about its builds.
fn build<'a>(
    facts: &Facts<'a>,
    wanted: &Wanted,
    base: &str,
    sources: &[usize],
    mut heard: Heard,
    warnings: Vec<Warning>,
) -> Result<Step<'a>, ResolveError> {
    debug_assert!(is_snapshot(base), "only snapshots have builds");
    let level = Level::Snapshot(base.to_owned());
    let unasked = facts.unasked(&level, sources);
    if !unasked.is_empty() {
        return Ok(Step::Ask(Question {
            level,
            sources: unasked,
            no_cache: false,
        }));
    }
    heard.add_snapshot(facts, base, sources);
    match snapshot::choose(facts, base, sources) {
        BuildChoice::Named(mut choice) => {
            choice.warnings.splice(0..0, warnings);
            settle::settle(facts, wanted, choice, &heard)
        }
        BuildChoice::NoSuchFile { newest, offered } => {
            settle::classifier_missing(facts, wanted, newest, offered, &heard)
        }
        BuildChoice::Unknown => {
            let literal = Choice {
                version: base.to_owned(),
                suppliers: sources.to_vec(),
                installed: false,
                named_at: None,
                warnings,
            };
            settle::without_builds(facts, wanted, literal, &heard)
        }
    }
}

#[cfg(test)]
mod tests;
