//! What is taken in the end: what was chosen, or what is here if that cannot be had or would be a
//! step back.

use super::heard::{Failing, Heard, was_supplier};
use super::wanted::{Wanted, place};
use super::{
    Asked, Choice, Decision, Facts, Freshness, Question, Reason, Record, ResolveError, Step,
    Trouble, choice,
};
use crate::repository::Repository;

/// One version for ever: no metadata is needed.
pub(super) fn exact<'a>(facts: &Facts<'a>, version: &str) -> Result<Step<'a>, ResolveError> {
    let wanted = Wanted::Exact(version.to_owned());
    let choice = Choice {
        version: version.to_owned(),
        suppliers: facts.sources_with(|repository| wanted.may_be_in(repository)),
        installed: false,
        named_at: None,
        warnings: Vec::new(),
    };
    if facts.is_complete(version) {
        return take(facts, choice, Freshness::Fresh);
    }
    settle(facts, &wanted, choice, &Heard::default())
}

/// Takes what was chosen, unless that is a step back or cannot be had.
pub(super) fn settle<'a>(
    facts: &Facts<'a>,
    wanted: &Wanted,
    mut choice: Choice,
    heard: &Heard,
) -> Result<Step<'a>, ResolveError> {
    if let Some((record, failing)) = downgrade(facts, &choice, heard) {
        return keep(facts, record, failing, choice);
    }
    if !facts.is_complete(&choice.version) {
        let failed = facts
            .unavailable
            .iter()
            .find(|failed| failed.version == choice.version);
        if let Some(failed) = failed {
            return replace(facts, wanted, choice, &failed.trouble);
        }
        if facts.offline {
            return fall_back(facts, wanted, Some(&choice.version), Reason::Offline)
                .unwrap_or_else(|| {
                    Err(ResolveError::NotHere {
                        coordinates: asked_for(facts),
                    })
                });
        }
        if choice.suppliers.is_empty() {
            return Err(ResolveError::NoRepository {
                coordinates: asked_for(facts),
            });
        }
    }
    let (freshness, warnings) = heard.freshness(facts, &choice.suppliers);
    choice.warnings.extend(warnings);
    take(facts, choice, freshness)
}

/// No metadata names a version that is wanted: takes what is here.
pub(super) fn without_choice<'a>(
    facts: &Facts<'a>,
    wanted: &Wanted,
    sources: &[usize],
    heard: &Heard,
) -> Result<Step<'a>, ResolveError> {
    let reason = match heard.freshness(facts, &[]).0 {
        Freshness::Stale { reason, .. } => reason,
        Freshness::Fresh => Reason::NotOffered,
    };
    if let Some(step) = fall_back(facts, wanted, None, reason) {
        return step;
    }
    let coordinates = asked_for(facts);
    Err(match choice::highest_of_all(facts, sources) {
        _ if facts.offline => ResolveError::NotHere { coordinates },
        _ if sources.is_empty() => ResolveError::NoRepository { coordinates },
        Some(highest) if heard.failing.is_empty() => ResolveError::NoneFits {
            coordinates,
            highest,
        },
        _ => ResolveError::NothingOffered {
            coordinates,
            asked: asked(facts, sources, heard),
        },
    })
}

/// No metadata names builds: takes one that is here, else asks for the file without a time stamp,
/// as Maven does, if that is certain to be all there is.
pub(super) fn without_builds<'a>(
    facts: &Facts<'a>,
    wanted: &Wanted,
    literal: Choice,
    heard: &Heard,
) -> Result<Step<'a>, ResolveError> {
    let here = newest_here(facts, &Wanted::Builds(literal.version.clone()), None).is_some();
    if here || !heard.failing.is_empty() {
        return without_choice(facts, wanted, &literal.suppliers, heard);
    }
    settle(facts, wanted, literal, heard)
}

/// No build has the file: takes an earlier one that is here.
pub(super) fn classifier_missing<'a>(
    facts: &Facts<'a>,
    wanted: &Wanted,
    newest: String,
    offered: Vec<String>,
    heard: &Heard,
) -> Result<Step<'a>, ResolveError> {
    let without_file = here(&newest);
    if let Some((record, failing)) = downgrade(facts, &without_file, heard) {
        return keep(facts, record, failing, without_file);
    }
    let reason = Reason::ClassifierMissing {
        newest: newest.clone(),
    };
    let here = fall_back(facts, wanted, Some(&newest), reason.clone())
        .or_else(|| fall_back(facts, wanted, None, reason));
    here.unwrap_or_else(|| {
        Err(ResolveError::ClassifierMissing {
            coordinates: asked_for(facts),
            newest,
            offered,
        })
    })
}

/// The last resolution, if the choice is lower only because the repository that it came from fails.
fn downgrade<'f, 'h>(
    facts: &'f Facts<'_>,
    choice: &Choice,
    heard: &'h Heard,
) -> Option<(&'f Record, &'h Failing)> {
    let record = facts.record.as_ref()?;
    let failing = heard
        .failing
        .iter()
        .find(|failing| was_supplier(facts, failing.source))?;
    (place(&choice.version) < place(&record.version)).then_some((record, failing))
}

/// Keeps to the last resolution, against a lower choice.
fn keep<'a>(
    facts: &Facts<'a>,
    record: &Record,
    failing: &Failing,
    choice: Choice,
) -> Result<Step<'a>, ResolveError> {
    let repository = facts.repository(failing.source).id.clone();
    let offered = choice.version;
    if !facts.is_complete(&record.version) {
        return Err(ResolveError::WouldDowngrade {
            last: record.version.clone(),
            repository,
            trouble: failing.trouble.clone(),
            offered,
        });
    }
    let reason = Reason::WouldDowngrade {
        repository,
        offered,
    };
    let age = failing.age.or(Some(record.age));
    take(
        facts,
        here(&record.version),
        Freshness::Stale { reason, age },
    )
}

/// The choice cannot be downloaded: asks once more whether it is still named, past all caches,
/// then takes what is here.
fn replace<'a>(
    facts: &Facts<'a>,
    wanted: &Wanted,
    choice: Choice,
    trouble: &Trouble,
) -> Result<Step<'a>, ResolveError> {
    let may_help = *trouble == Trouble::NotFound && !facts.asked_again && !facts.offline;
    let Choice {
        version,
        suppliers,
        named_at,
        ..
    } = choice;
    if let (Some(level), true) = (named_at, may_help && !suppliers.is_empty()) {
        return Ok(Step::Ask(Question {
            level,
            sources: suppliers,
            no_cache: true,
        }));
    }
    let reason = Reason::Unavailable {
        version: version.clone(),
        trouble: trouble.clone(),
    };
    // Better a higher one that is here than none.
    let here = fall_back(facts, wanted, Some(&version), reason.clone())
        .or_else(|| fall_back(facts, wanted, None, reason));
    here.unwrap_or_else(|| {
        let (coordinates, trouble) = (asked_for(facts), trouble.clone());
        Err(ResolveError::Unavailable {
            coordinates,
            version,
            trouble,
        })
    })
}

/// Takes the newest wanted version that is complete here, up to a limit.
fn fall_back<'a>(
    facts: &Facts<'a>,
    wanted: &Wanted,
    limit: Option<&str>,
    reason: Reason,
) -> Option<Result<Step<'a>, ResolveError>> {
    let version = newest_here(facts, wanted, limit)?;
    let age = facts
        .record
        .as_ref()
        .filter(|record| record.version == version)
        .map(|record| record.age);
    Some(take(facts, here(version), Freshness::Stale { reason, age }))
}

fn newest_here<'f>(facts: &'f Facts<'_>, wanted: &Wanted, limit: Option<&str>) -> Option<&'f str> {
    let limit = limit.map(place);
    let complete = facts.complete.iter().map(String::as_str);
    complete
        .filter(|version| wanted.contains(version))
        .filter(|version| limit.as_ref().is_none_or(|limit| place(version) <= *limit))
        .max_by_key(|version| place(version))
}

/// A version that is taken because it is here.
fn here(version: &str) -> Choice {
    Choice {
        version: version.to_owned(),
        suppliers: Vec::new(),
        installed: false,
        named_at: None,
        warnings: Vec::new(),
    }
}

fn take<'a>(
    facts: &Facts<'a>,
    choice: Choice,
    freshness: Freshness,
) -> Result<Step<'a>, ResolveError> {
    let repository = |source: &usize| -> &'a Repository { facts.repository(*source) };
    Ok(Step::Take(Decision {
        present: facts.is_complete(&choice.version),
        artifact: facts.coordinates.resolved(&choice.version)?,
        repositories: choice.suppliers.iter().map(repository).collect(),
        freshness,
        warnings: choice.warnings,
    }))
}

fn asked(facts: &Facts<'_>, sources: &[usize], heard: &Heard) -> Vec<Asked> {
    let trouble = |source: usize| {
        let failing = heard
            .failing
            .iter()
            .find(|failing| failing.source == source);
        failing.map_or(Trouble::NotFound, |failing| failing.trouble.clone())
    };
    let asked = |source: &usize| Asked {
        repository: facts.repository(*source).id.clone(),
        trouble: trouble(*source),
    };
    sources.iter().map(asked).collect()
}

fn asked_for(facts: &Facts<'_>) -> String {
    facts.coordinates.to_string()
}
