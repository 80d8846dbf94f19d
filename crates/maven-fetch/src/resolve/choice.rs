//! Which version is meant, out of the metadata about the artifact.

use super::wanted::{Wanted, is_enabled, place};
use super::{Facts, LatestBy, Level, Warning};
use crate::coordinates::base_version;
use crate::metadata::ArtifactMetadata;

/// A version, and who named it.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) version: String,
    /// The sources that named it, best first.
    pub(super) suppliers: Vec<usize>,
    /// Whether it was named by what is installed here.
    pub(super) installed: bool,
    /// Where it is named, if asking there again may help.
    pub(super) named_at: Option<Level>,
    pub(super) warnings: Vec<Warning>,
}

/// One place's metadata; without a source it is that of what is installed here.
struct Place<'a> {
    source: Option<usize>,
    metadata: &'a ArtifactMetadata,
}

/// Chooses the version; none if there is no metadata, or none in it that is wanted.
pub(super) fn choose(facts: &Facts<'_>, wanted: &Wanted, sources: &[usize]) -> Option<Choice> {
    let places = places(facts, sources);
    let usable = |place: &Place<'_>, version: &str| {
        wanted.contains(version)
            && match place.source {
                Some(source) => is_enabled(facts.repository(source), version),
                None => is_installed(facts, version),
            }
    };
    let named = match (wanted, facts.latest_by) {
        (Wanted::Range(_), _) | (_, LatestBy::Version) => None,
        (Wanted::Release, _) => named(&places, &usable, |metadata| metadata.release.as_deref()),
        _ => named(&places, &usable, |metadata| metadata.latest.as_deref())
            .or_else(|| named(&places, &usable, |metadata| metadata.release.as_deref())),
    };
    let highest = highest(&places, &usable);
    if let Some((version, place)) = named {
        let mut choice = choice_of(version, &[place]);
        if let Some((higher, holders)) = &highest {
            choice
                .warnings
                .extend(higher_listed(facts, higher, holders, version));
        }
        return Some(choice);
    }
    let (version, places) = highest?;
    let mut choice = choice_of(version, &places);
    if facts.latest_by == LatestBy::Metadata && !matches!(wanted, Wanted::Range(_)) {
        choice.warnings.push(Warning::NotNamed {
            version: version.to_owned(),
        });
    }
    Some(choice)
}

/// The highest version that anyone lists, wanted or not.
pub(super) fn highest_of_all(facts: &Facts<'_>, sources: &[usize]) -> Option<String> {
    let places = places(facts, sources);
    highest(&places, &|_, _| true).map(|(version, _)| version.to_owned())
}

fn places<'a>(facts: &'a Facts<'_>, sources: &[usize]) -> Vec<Place<'a>> {
    let installed = facts.installed.iter().map(|metadata| Place {
        source: None,
        metadata,
    });
    let repositories = sources.iter().filter_map(|source| {
        let metadata = facts.source(*source).artifact.as_ref()?.metadata()?;
        Some(Place {
            source: Some(*source),
            metadata,
        })
    });
    installed.chain(repositories).collect()
}

/// Whether a version that is said to be installed here has the file that is wanted.
fn is_installed(facts: &Facts<'_>, version: &str) -> bool {
    facts
        .complete
        .iter()
        .any(|complete| base_version(complete) == version)
}

/// The word of the place whose metadata was written last. As in Maven, the first with a word has
/// it until one is strictly later, and one without a date never is.
fn named<'a, 'b>(
    places: &'b [Place<'a>],
    usable: &dyn Fn(&Place<'_>, &str) -> bool,
    word: impl Fn(&'a ArtifactMetadata) -> Option<&'a str>,
) -> Option<(&'a str, &'b Place<'a>)> {
    let date = |place: &Place<'a>| place.metadata.last_updated.as_deref().unwrap_or_default();
    let with_word = places.iter().filter_map(|place| {
        let version = word(place.metadata).filter(|version| usable(place, version))?;
        Some((version, place))
    });
    with_word.reduce(|first, second| {
        if date(second.1) > date(first.1) {
            second
        } else {
            first
        }
    })
}

/// The highest version that places mention, with all places that mention it.
fn highest<'a, 'b>(
    places: &'b [Place<'a>],
    usable: &dyn Fn(&Place<'_>, &str) -> bool,
) -> Option<(&'a str, Vec<&'b Place<'a>>)> {
    let mut best: Option<(&str, Vec<&Place<'_>>)> = None;
    for candidate in places {
        let metadata = candidate.metadata;
        let words = metadata.latest.iter().chain(&metadata.release);
        // A listed build would be above its release, and is not what lists are for.
        let usable = words
            .chain(&metadata.versions)
            .filter(|version| base_version(version) == **version && usable(candidate, version));
        let Some(version) = usable.max_by_key(|version| place(version)) else {
            continue;
        };
        match &mut best {
            Some((highest, holders)) if *highest == version.as_str() => holders.push(candidate),
            Some((highest, _)) if place(highest) >= place(version) => {}
            _ => best = Some((version, vec![candidate])),
        }
    }
    best
}

fn choice_of(version: &str, places: &[&Place<'_>]) -> Choice {
    Choice {
        version: version.to_owned(),
        suppliers: places.iter().filter_map(|place| place.source).collect(),
        installed: places.iter().all(|place| place.source.is_none()),
        named_at: Some(Level::Artifact),
        warnings: Vec::new(),
    }
}

fn higher_listed(
    facts: &Facts<'_>,
    higher: &str,
    holders: &[&Place<'_>],
    taken: &str,
) -> Option<Warning> {
    let source = holders.iter().find_map(|place| place.source)?;
    (place(higher) > place(taken)).then(|| Warning::HigherListed {
        taken: taken.to_owned(),
        higher: higher.to_owned(),
        repository: facts.repository(source).id.clone(),
    })
}
