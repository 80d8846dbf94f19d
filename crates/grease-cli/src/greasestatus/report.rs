//! What a check found: first what is wrong, then the facts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use grease_core::deployment::{Removed, Source};
use indicatif::BinaryBytes;
use serde_json::{Value, json};

use super::artifacts::{Amount, Artifacts};
use super::finding::Finding;

/// Width of the names of facts.
const NAME_WIDTH: usize = 18;

/// What a check found.
pub(super) struct Report<'a> {
    pub(super) config_file: &'a Path,
    pub(super) findings: &'a [Finding],
    /// None if the config or Maven's settings cannot be used.
    pub(super) artifacts: Option<&'a Artifacts>,
}

impl Report<'_> {
    /// What is wrong.
    pub(super) fn problems(&self) -> String {
        self.findings.iter().map(Finding::text).collect()
    }

    /// All of it, for people.
    pub(super) fn text(&self) -> String {
        let mut text = self.problems();
        if text.is_empty() {
            text.push_str("nothing is wrong\n");
        }
        text.push('\n');
        fact(&mut text, "config", [self.config()]);
        if let Some(artifacts) = self.artifacts {
            add(&mut text, artifacts);
        }
        text
    }

    fn config(&self) -> String {
        let file = self.config_file.display();
        if self.config_file.exists() {
            file.to_string()
        } else {
            format!("built-in defaults; there is no `{file}`")
        }
    }

    /// All of it, for programs.
    pub(super) fn json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(Finding::json).collect();
        json!({
            "findings": findings,
            "config": self.config_file,
            "config_exists": self.config_file.exists(),
            "artifacts": self.artifacts.map(json_of),
        })
    }
}

fn add(text: &mut String, artifacts: &Artifacts) {
    let files = artifacts.settings_files.iter().map(|file| shown(file));
    fact(text, "Maven's settings", or_none(files.collect(), "none"));
    let none = "none: only files, and what is in the local repository, can be run";
    let repositories = repositories(&artifacts.repositories);
    fact(text, "repositories", or_none(repositories, none));
    let local = shown(&artifacts.local_repository);
    fact(text, "local repository", [local]);
    fact(text, "cache", [shown(&artifacts.cache)]);
    let (pruning, days) = (&artifacts.pruning, artifacts.days);
    if let Some(removed) = &pruning.removed {
        fact(text, "removed", [removal(removed, days)]);
    } else if let Some(amount) = &pruning.amount {
        fact(text, "removable", [removable(amount, days)]);
    } else if let Some(reason) = &pruning.unknown {
        fact(text, "removable", [format!("not known: {reason}")]);
    }
}

/// Adds a fact, with its name before the first of its lines.
pub(super) fn fact(text: &mut String, name: &str, lines: impl IntoIterator<Item = String>) {
    for (index, line) in lines.into_iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        writeln!(text, "{name:NAME_WIDTH$}{line}").expect("in memory");
    }
}

fn or_none(lines: Vec<String>, none: &str) -> Vec<String> {
    if lines.is_empty() {
        vec![none.to_owned()]
    } else {
        lines
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A line for each repository, in columns.
fn repositories(sources: &[Source]) -> Vec<String> {
    let width = |column: fn(&Source) -> &str| {
        let widths = sources.iter().map(|source| column(source).chars().count());
        widths.max().unwrap_or(0)
    };
    let (ids, urls) = (width(|source| &source.id), width(|source| &source.url));
    let line = |source: &Source| {
        let Source { id, url, .. } = source;
        format!("{id:ids$}  {url:urls$}  {}", role(source))
    };
    sources.iter().map(line).collect()
}

/// What a repository is asked for, and whom it stands for.
fn role(source: &Source) -> String {
    let mut text = match supplies(source).as_slice() {
        [] => "nothing".to_owned(),
        kinds => kinds.join(" and "),
    };
    if !source.groups.is_empty() {
        let groups = source.groups.join(", ");
        write!(text, ", and nobody else for {groups}").expect("in memory");
    }
    if !source.mirror_of.is_empty() {
        let repositories = source.mirror_of.join(", ");
        write!(text, "; the mirror of {repositories}").expect("in memory");
    }
    if source.blocked_by.is_some() {
        text.push_str("; BLOCKED");
    }
    text
}

fn supplies(source: &Source) -> Vec<&'static str> {
    let kinds = [
        ("releases", source.releases),
        ("snapshots", source.snapshots),
    ];
    let supplied = kinds.iter().filter(|(_, enabled)| *enabled);
    supplied.map(|(kind, _)| *kind).collect()
}

fn removable(amount: &Amount, days: u32) -> String {
    let Amount {
        builds,
        leftovers,
        size_bytes,
    } = *amount;
    if builds + leftovers == 0 {
        return format!("nothing: all snapshots were used or fetched within {days} days");
    }
    let size = BinaryBytes(size_bytes);
    format!(
        "{size}: {builds} builds of snapshots not used for {days} days, {leftovers} leftovers of \
         downloads (--prune-artifacts)"
    )
}

fn removal(removed: &Removed, days: u32) -> String {
    let size = BinaryBytes(removed.size_bytes);
    let Removed { files, records, .. } = removed;
    format!("{size} in {files} files that no run used for {days} days, and {records} old records")
}

fn json_of(artifacts: &Artifacts) -> Value {
    let Artifacts {
        settings_files,
        repositories,
        local_repository,
        cache,
        days,
        pruning,
    } = artifacts;
    let paths = |paths: &[PathBuf]| paths.iter().map(|path| shown(path)).collect::<Vec<_>>();
    let repositories: Vec<Value> = repositories.iter().map(json_of_source).collect();
    let removable = pruning.amount.map(|amount| {
        json!({
            "builds": amount.builds,
            "leftovers": amount.leftovers,
            "size_bytes": amount.size_bytes,
        })
    });
    let removed = pruning.removed.as_ref().map(|removed| {
        json!({
            "files": removed.files,
            "size_bytes": removed.size_bytes,
            "records": removed.records,
        })
    });
    json!({
        "settings": paths(settings_files),
        "repositories": repositories,
        "local_repository": shown(local_repository),
        "cache": shown(cache),
        "unused_days": days,
        "removable": removable,
        "removable_unknown": pruning.unknown,
        "removed": removed,
    })
}

fn json_of_source(source: &Source) -> Value {
    json!({
        "id": source.id,
        "url": source.url,
        "supplies": supplies(source),
        "groups": source.groups,
        "mirror_of": source.mirror_of,
        "blocked_by": source.blocked_by,
    })
}
