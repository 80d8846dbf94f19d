//! Which build of a snapshot version is meant, out of the metadata about its builds.

use super::wanted::place;
use super::{Choice, Facts, Level, Warning};
use crate::metadata::{Build, SnapshotMetadata};

/// What the metadata about the builds says.
#[derive(Debug)]
pub(super) enum BuildChoice {
    /// This build has the file.
    Named(Choice),
    /// There are builds, but none with such a file.
    NoSuchFile {
        newest: String,
        offered: Vec<String>,
    },
    /// There is no metadata.
    Unknown,
}

/// A build, and who named it when.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    version: &'a str,
    updated: Option<&'a str>,
    /// None for what is installed here.
    source: Option<usize>,
}

/// Chooses the build as Maven does: the latest entry for the very file; else, and if it is later,
/// what a repository says that keeps no entries for files, as Maven 2 did.
pub(super) fn choose(facts: &Facts<'_>, base: &str, sources: &[usize]) -> BuildChoice {
    let places = places(facts, base, sources);
    let mut specific = None;
    let mut generic = None;
    for (source, metadata) in &places {
        for build in metadata
            .builds
            .iter()
            .filter(|build| is_wanted(facts, build))
        {
            let updated = build.updated.as_deref();
            later(
                &mut specific,
                Candidate {
                    version: &build.version,
                    updated,
                    source: *source,
                },
            );
        }
        if let (true, Some(version)) = (metadata.builds.is_empty(), &metadata.newest) {
            let updated = metadata.last_updated.as_deref();
            later(
                &mut generic,
                Candidate {
                    version,
                    updated,
                    source: *source,
                },
            );
        }
    }
    let chosen = match (specific, generic) {
        (Some(specific), Some(generic)) if generic.updated > specific.updated => generic,
        (Some(candidate), _) | (None, Some(candidate)) => candidate,
        (None, None) => return no_such_file(&places),
    };
    BuildChoice::Named(Choice {
        version: chosen.version.to_owned(),
        suppliers: chosen.source.into_iter().collect(),
        installed: chosen.source.is_none(),
        named_at: Some(Level::Snapshot(base.to_owned())),
        warnings: older_build(&places, chosen).into_iter().collect(),
    })
}

/// The metadata of each place; what is installed here only as far as its file is here.
fn places<'a>(
    facts: &'a Facts<'_>,
    base: &str,
    sources: &[usize],
) -> Vec<(Option<usize>, &'a SnapshotMetadata)> {
    let is_here = |metadata: &&SnapshotMetadata| {
        let builds = metadata.builds.iter().map(|build| &build.version);
        builds
            .chain(&metadata.newest)
            .any(|version| facts.is_complete(version))
    };
    let installed = facts.installed_builds.get(base).filter(is_here);
    let repositories = sources.iter().filter_map(|source| {
        let metadata = facts.source(*source).snapshots.get(base)?.metadata()?;
        Some((Some(*source), metadata))
    });
    installed
        .map(|metadata| (None, metadata))
        .into_iter()
        .chain(repositories)
        .collect()
}

fn is_wanted(facts: &Facts<'_>, build: &Build) -> bool {
    build.classifier == facts.coordinates.classifier
        && build.extension == facts.coordinates.extension
}

/// Keeps the later one; the first if neither is, or the second has no date.
fn later<'a>(kept: &mut Option<Candidate<'a>>, candidate: Candidate<'a>) {
    if kept
        .is_none_or(|kept| candidate.updated.unwrap_or_default() > kept.updated.unwrap_or_default())
    {
        *kept = Some(candidate);
    }
}

/// What there is instead of the file; nothing if there is no metadata.
fn no_such_file(places: &[(Option<usize>, &SnapshotMetadata)]) -> BuildChoice {
    let builds = || places.iter().flat_map(|(_, metadata)| &metadata.builds);
    let named = places
        .iter()
        .filter_map(|(_, metadata)| metadata.newest.as_ref());
    let newest = named
        .chain(builds().map(|build| &build.version))
        .max_by_key(|build| place(build));
    let Some(newest) = newest else {
        return BuildChoice::Unknown;
    };
    let name = |build: &Build| {
        let classifier = build.classifier.as_deref().unwrap_or_default();
        format!("`{classifier}.{}`", build.extension)
    };
    BuildChoice::NoSuchFile {
        newest: newest.clone(),
        offered: builds().map(name).collect(),
    }
}

fn older_build(
    places: &[(Option<usize>, &SnapshotMetadata)],
    chosen: Candidate<'_>,
) -> Option<Warning> {
    let (_, metadata) = places.iter().find(|(source, _)| *source == chosen.source)?;
    let newest = metadata.newest.as_deref()?;
    (place(newest) > place(chosen.version)).then(|| Warning::OlderBuild {
        taken: chosen.version.to_owned(),
        newest: newest.to_owned(),
    })
}
