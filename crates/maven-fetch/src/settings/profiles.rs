//! Profiles: which are active, and the repositories that they declare.

use std::collections::BTreeMap;

use super::document::Text;
use super::error::Warning;
use super::model::{Condition, Declared, Profile};
use super::surroundings::Surroundings;

/// The repositories of all active profiles, in the order in which Maven asks them.
///
/// A profile is active if it is listed in `activeProfiles`, or its conditions hold, or it is
/// `activeByDefault`; the latter holds for profiles of settings whatever else is active (in
/// contrast to those of a POM). The profile that comes last in the files comes first in the
/// result and wins where two declare one id; within a profile the order is that of the file. (As
/// observed with Maven 3.8.7.)
pub(super) fn declared(
    profiles: &[Profile],
    listed: &[Text],
    surroundings: &Surroundings,
    warnings: &mut Vec<Warning>,
) -> Vec<Declared> {
    for text in listed
        .iter()
        .filter(|text| !profiles.iter().any(|one| one.id == text.value))
    {
        let profile = text.value.clone();
        warnings.push(Warning::NoProfile {
            place: text.place.clone(),
            profile,
        });
    }
    let active: Vec<&Profile> = profiles
        .iter()
        .filter(|profile| {
            listed.iter().any(|text| text.value == profile.id)
                || profile.active_by_default
                || conditions_hold(profile, surroundings, warnings)
        })
        .collect();
    let properties: BTreeMap<&String, &String> = active
        .iter()
        .flat_map(|profile| &profile.properties)
        .collect();
    let value_of = |name: &str| {
        let own = || {
            properties
                .get(&name.to_owned())
                .map(|value| (*value).clone())
        };
        surroundings.value_of(name).or_else(own)
    };
    let mut repositories: Vec<Declared> = Vec::new();
    for declared in active
        .iter()
        .rev()
        .flat_map(|profile| &profile.repositories)
    {
        let id = declared.id.expanded(&value_of);
        if repositories.iter().any(|other| other.id.value == id.value) {
            let Text {
                place, value: id, ..
            } = id;
            warnings.push(Warning::Repeated {
                place,
                what: "repository",
                id,
            });
        } else {
            let url = declared.url.expanded(&value_of);
            repositories.push(Declared {
                id,
                url,
                ..declared.clone()
            });
        }
    }
    repositories
}

/// Tells whether a profile's conditions hold; all must. Those that are not looked at do not.
fn conditions_hold(
    profile: &Profile,
    surroundings: &Surroundings,
    warnings: &mut Vec<Warning>,
) -> bool {
    let Profile {
        id,
        property,
        other_conditions,
        repositories,
        ..
    } = profile;
    if let Some((condition, place)) = other_conditions.first() {
        if !repositories.is_empty() {
            warnings.push(Warning::Activation {
                place: place.clone(),
                profile: id.clone(),
                condition: condition.clone(),
            });
        }
        return false;
    }
    property
        .as_ref()
        .is_some_and(|condition| holds(condition, |name| surroundings.value_of(name)))
}

/// Tells whether a condition holds: `name`, `!name`, `name` and `value`, or `name` and `!value`.
fn holds(condition: &Condition, value_of: impl Fn(&str) -> Option<String>) -> bool {
    let (name, reversed) = match condition.name.strip_prefix('!') {
        Some(name) => (name, true),
        None => (condition.name.as_str(), false),
    };
    let actual = value_of(name);
    match &condition.value {
        Some(value) => match value.strip_prefix('!') {
            Some(value) => actual.as_deref() != Some(value),
            None => actual.as_deref() == Some(value),
        },
        None => actual.is_some_and(|actual| !actual.is_empty()) != reversed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn property_conditions_hold_as_to_maven() {
        let value_of = |name: &str| match name {
            "env.SITE" => Some("here".to_owned()),
            "empty" => Some(String::new()),
            _ => None,
        };
        for (name, value, expected) in [
            ("env.SITE", None, true),
            ("env.SITE", Some("here"), true),
            ("env.SITE", Some("there"), false),
            ("env.SITE", Some("!here"), false),
            ("env.SITE", Some("!there"), true),
            ("!env.SITE", None, false),
            ("absent", None, false),
            ("!absent", None, true),
            ("absent", Some("x"), false),
            ("absent", Some("!x"), true),
            ("empty", None, false),
            ("!empty", None, true),
        ] {
            let condition = Condition {
                name: name.to_owned(),
                value: value.map(str::to_owned),
            };
            assert_eq!(holds(&condition, value_of), expected, "{name} {value:?}");
        }
    }
}
