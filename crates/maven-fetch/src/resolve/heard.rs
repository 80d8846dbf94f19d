//! Which repositories do not say what they have, and what that makes of a choice.

use std::time::Duration;

use super::{Facts, Freshness, Knowledge, Reason, Trouble, Warning};

/// Which of the repositories that have a say are in trouble.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) failing: Vec<Failing>,
}

/// A repository in trouble.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) source: usize,
    pub(super) trouble: Trouble,
    /// How long ago what is believed of it was right.
    pub(super) age: Option<Duration>,
}

impl Heard {
    /// After all were asked about the artifact.
    pub(super) fn at_artifact(facts: &Facts<'_>, sources: &[usize]) -> Self {
        let failing = sources.iter().filter_map(|source| {
            let knowledge = facts.source(*source).artifact.as_ref()?;
            let trouble = knowledge.trouble(was_supplier(facts, *source))?;
            Some(Failing {
                source: *source,
                trouble,
                age: knowledge.age(),
            })
        });
        Self {
            failing: failing.collect(),
        }
    }

    /// After some were asked about the builds as well.
    pub(super) fn add_snapshot(&mut self, facts: &Facts<'_>, base: &str, sources: &[usize]) {
        for source in sources {
            let Some(knowledge) = facts.source(*source).snapshots.get(base) else {
                continue;
            };
            if let Some(trouble) = knowledge.trouble(false) {
                self.failing.push(Failing {
                    source: *source,
                    trouble,
                    age: knowledge.age(),
                });
            }
        }
    }

    /// How sure a choice is, with a warning for each further trouble.
    pub(super) fn freshness(
        &self,
        facts: &Facts<'_>,
        suppliers: &[usize],
    ) -> (Freshness, Vec<Warning>) {
        let age = facts.record.as_ref().map(|record| record.age);
        if facts.is_left_open() {
            let age = suppliers
                .first()
                .and_then(|source| age_of(facts, *source))
                .or(age);
            return (
                Freshness::Stale {
                    reason: Reason::Offline,
                    age,
                },
                Vec::new(),
            );
        }
        let is_supplier = |failing: &&Failing| suppliers.contains(&failing.source);
        let first = self
            .failing
            .iter()
            .find(is_supplier)
            .or(self.failing.first());
        let Some(first) = first else {
            return (Freshness::Fresh, Vec::new());
        };
        let id = |failing: &Failing| facts.repository(failing.source).id.clone();
        let others = self
            .failing
            .iter()
            .filter(|failing| failing.source != first.source);
        let warnings = others.map(|failing| Warning::Repository {
            id: id(failing),
            trouble: failing.trouble.clone(),
        });
        let reason = Reason::Repository {
            id: id(first),
            trouble: first.trouble.clone(),
        };
        (
            Freshness::Stale {
                reason,
                age: first.age.or(age),
            },
            warnings.collect(),
        )
    }
}

/// Whether the last resolution came from this source.
pub(super) fn was_supplier(facts: &Facts<'_>, source: usize) -> bool {
    let id = facts
        .record
        .as_ref()
        .and_then(|record| record.repository.as_deref());
    id == Some(facts.repository(source).id.as_str())
}

/// How long ago a source last confirmed any of what is known of it.
fn age_of(facts: &Facts<'_>, source: usize) -> Option<Duration> {
    let source = facts.source(source);
    let builds = source.snapshots.values().filter_map(Knowledge::age);
    builds
        .chain(source.artifact.as_ref().and_then(Knowledge::age))
        .max()
}
