//! Where records are, and the runs in a window of time.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::collect::{Collected, Collector, Key};
use super::heartbeat::Hosts;
use super::local::{Kept, Spool};
use super::query::{Query, covers};
use super::run::{Run, State};
use super::scan::{IndexFile, Sieve, Take as _, scan};
use crate::debugging::share::dir::Dir;
use crate::debugging::share::layout;
use crate::model::{ErrorKind, Explain, Glob, RunId};

/// A run in the spool that began so long before a window may still have ended in it.
const LONGEST_RUN: Duration = Duration::from_hours(7 * 24);

/// Runs of before a window that live and are looked up one by one.
const OLD_RUNS_MAX: usize = 1000;

/// Where records are read. What is on the share must only be read by a process that can be given up.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The root of the tree on shared storage.
    pub share: Option<&'a Path>,
    /// The spools of this user on this host.
    pub spools: &'a [Spool],
    /// Now, by the clock of this host.
    pub now: Timestamp,
    /// Called whenever something was read.
    pub tick: &'a (dyn Fn() + Sync),
}

/// What was found.
#[derive(Debug)]
pub struct Answer {
    /// The newest runs that were wanted, newest first.
    pub runs: Vec<Run>,
    /// How many there are.
    pub matched: usize,
    /// The heartbeats.
    pub hosts: Hosts,
    /// What could not be read.
    pub troubles: Vec<Trouble>,
}

/// Something on the share that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the share: `{}`: {why}", path.display())]
pub struct Trouble {
    /// Which path.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

impl Explain for Trouble {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NotNow
    }

    fn hint(&self) -> Option<String> {
        None
    }
}

impl Trouble {
    pub(super) fn new(path: impl Into<PathBuf>, error: &io::Error) -> Self {
        Self {
            path: path.into(),
            why: error.to_string(),
        }
    }
}

impl Sources<'_> {
    /// Opens the root of the share, if there is one, and checks that it is one.
    pub fn root(&self) -> Result<Option<Dir>, Trouble> {
        let Some(path) = self.share else {
            return Ok(None);
        };
        let root = Dir::open(path).map_err(|error| Trouble::new(path, &error))?;
        match root.facts(layout::MARKER) {
            Ok(facts) if facts.is_file => Ok(Some(root)),
            Ok(_) => Err(unmarked(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unmarked(path)),
            Err(error) => Err(Trouble::new(path, &error)),
        }
    }

    /// The users that have a directory on the share.
    pub(super) fn users(root: &Dir, wanted: Option<&Glob>) -> Vec<Arc<str>> {
        let entries = root.entries().unwrap_or_default().into_iter();
        let dirs = entries.filter(|entry| entry.is_dir && !entry.name.starts_with('.'));
        dirs.filter(|entry| wanted.is_none_or(|glob| covers(glob, &entry.name)))
            .map(|entry| entry.name.into())
            .collect()
    }

    /// The days of which there are records, newest first.
    pub(super) fn days(&self, root: Option<&Dir>, user: Option<&Glob>) -> Vec<String> {
        let mut days = std::collections::BTreeSet::new();
        if let Some(root) = root {
            for user in Self::users(root, user) {
                (self.tick)();
                let entries = root.child(&user).and_then(|dir| dir.entries());
                let names = entries
                    .unwrap_or_default()
                    .into_iter()
                    .map(|entry| entry.name);
                days.extend(names.filter(|name| is_day(name)));
            }
        }
        for spool in self.spools {
            let files = spool.index_files("0", "9").into_iter();
            let names = files.filter_map(|file| Some(file.name.strip_suffix(".jsonl")?.to_owned()));
            days.extend(names.filter(|name| is_day(name)));
            let drawn = spool
                .kept()
                .into_iter()
                .filter_map(|kept| kept.id.drawn_at());
            days.extend(drawn.map(layout::day));
        }
        days.into_iter().rev().collect()
    }

    /// The index files of days from `first` to `last`, those of the newest day first.
    fn files(
        &self,
        root: Option<&Dir>,
        users: &[Arc<str>],
        (first, last): (&str, &str),
        troubles: &mut Vec<Trouble>,
    ) -> Vec<IndexFile> {
        let mut files = Vec::new();
        let share = self.share.unwrap_or(Path::new(""));
        for (root, user) in root
            .iter()
            .flat_map(|root| users.iter().map(move |user| (root, user)))
        {
            let listed = root.child(user).and_then(|dir| Ok((dir.entries()?, dir)));
            let (days, dir) = match listed {
                Ok(listed) => listed,
                Err(error) => {
                    troubles.push(Trouble::new(share.join(&**user), &error));
                    continue;
                }
            };
            let days = days.into_iter().map(|entry| entry.name);
            for day in days.filter(|day| is_day(day) && (first..=last).contains(&day.as_str())) {
                (self.tick)();
                let index = dir.child(&day).and_then(|day| day.child(layout::INDEX));
                let path = share.join(&**user).join(&day).join(layout::INDEX);
                let entries = match index.and_then(|index| index.entries()) {
                    Ok(entries) => entries,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => {
                        troubles.push(Trouble::new(path, &error));
                        continue;
                    }
                };
                files.extend(entries.into_iter().filter_map(|entry| {
                    Some(IndexFile {
                        dir: path.clone(),
                        place: layout::host_of_index(entry.name.strip_suffix(".jsonl")?).into(),
                        name: entry.name,
                        user: user.clone(),
                        is_local: false,
                    })
                }));
            }
        }
        files.sort_by(|one, other| other.dir.file_name().cmp(&one.dir.file_name()));
        let local = self
            .spools
            .iter()
            .flat_map(|spool| spool.index_files(first, last));
        files.extend(local);
        files
    }

    /// The runs that a query wants.
    pub fn runs(&self, query: &Query) -> Result<Answer, Trouble> {
        let first = query.since.map_or_else(|| "0".to_owned(), layout::day);
        // No run ends in the future, but clocks differ.
        let last = "9999-99-99".to_owned();
        self.runs_of_days(query, (&first, &last))
    }

    /// The same, of what the files of some days tell.
    pub(super) fn runs_of_days(
        &self,
        query: &Query,
        days: (&str, &str),
    ) -> Result<Answer, Trouble> {
        let root = self.root()?;
        let mut troubles = Vec::new();
        let of = query.user.as_ref();
        let users = root
            .as_ref()
            .map_or_else(Vec::new, |root| Self::users(root, of));
        let files = self.files(root.as_ref(), &users, days, &mut troubles);
        let sieve = query.sieve();
        let make = || Collector::new(query);
        let (parts, found) = scan(&files, &sieve, self.tick, make);
        troubles.extend(found);
        let mut all = Collector::merge(parts).unwrap_or_else(make);

        let mut lives = HashMap::new();
        for spool in self.spools {
            Self::add_kept(spool, days, &mut all, &mut lives);
        }
        let is_judged = !query.failed && query.result.is_none();
        let hosts = match (&root, &query.wanted) {
            (Some(root), None) if is_judged => {
                Hosts::read(root, &users, self.now, &self.tick, |_, _| true)
            }
            // Of one job: those where it may run.
            (Some(root), Some(_)) if all.open_runs().next().is_some() => {
                let is_there = |user: &str, place: &str| {
                    let mut runs = all.open_runs();
                    runs.any(|run| *run.user == *user && *run.place == *place)
                };
                Hosts::read(root, &users, self.now, &self.tick, is_there)
            }
            _ => Hosts::none(self.now),
        };
        if query.wanted.is_none() {
            all = self.add_old(all, query, &hosts, (root.as_ref(), &users), days.0);
        }
        let Collected { runs, matched } = all.finish_with(|run| {
            run.state = match lives.get(&(run.id, run.user.clone())) {
                Some(true) if run.is_executing => State::Executing,
                Some(true) => State::Pending,
                Some(false) => State::Lost(None),
                // Its directory is gone, and nobody wrote its end.
                None if run.is_local && self.share.is_none() => State::Lost(None),
                None => hosts.judge(run),
            }
        });
        Ok(Answer {
            runs,
            matched,
            hosts,
            troubles,
        })
    }

    /// Adds what directories of runs tell: of those that live, and of before there was an index.
    fn add_kept(
        spool: &Spool,
        (first, last): (&str, &str),
        all: &mut Collector<'_>,
        lives: &mut HashMap<Key, bool>,
    ) {
        let file = spool.as_file();
        let begins = |id: RunId| id.drawn_at().map(layout::day);
        let ends = |id: RunId| id.drawn_at().map(|drawn| layout::day(drawn + LONGEST_RUN));
        let is_near = |kept: &Kept| {
            begins(kept.id).is_none_or(|day| *day <= *last)
                && ends(kept.id).is_none_or(|day| *day >= *first)
        };
        for kept in spool.kept() {
            let key = (kept.id, spool.user.clone());
            let has_ended = all.has_ended(&key);
            if let Some(is_alive) = kept.lives {
                lives.insert(key, is_alive);
            }
            if !has_ended && (kept.lives.is_some() || is_near(&kept)) {
                for line in kept.lines() {
                    all.take(&file, &line);
                }
            }
        }
        all.settle();
    }

    /// Adds runs of before the window that hosts say to be alive.
    fn add_old<'q>(
        &self,
        all: Collector<'q>,
        query: &'q Query,
        hosts: &Hosts,
        (root, users): (Option<&Dir>, &[Arc<str>]),
        first: &str,
    ) -> Collector<'q> {
        let open = all.open_runs().map(|run| (run.id, run.user.clone()));
        let known: std::collections::HashSet<Key> = open.collect();
        let mut sieve = Sieve::default();
        let mut days = Vec::new();
        let live = hosts
            .live()
            .into_iter()
            .filter_map(|(user, id)| Some((id.parse::<RunId>().ok()?, user.clone())));
        for (id, _) in live
            .filter(|key| !known.contains(key) && !all.has_ended(key))
            .take(OLD_RUNS_MAX)
        {
            let Some(day) = id.drawn_at().map(layout::day).filter(|day| **day < *first) else {
                continue;
            };
            sieve.or_with(&format!(r#""run":"{id}""#));
            days.push(day);
        }
        let (Some(oldest), Some(newest)) = (days.iter().min(), days.iter().max()) else {
            return all;
        };
        let mut files = self.files(root, users, (oldest, newest), &mut Vec::new());
        files.retain(|file| {
            days.iter()
                .any(|day| file.dir.iter().any(|part| part == day.as_str()))
        });
        let make = || Collector::new(query);
        let (mut parts, _) = scan(&files, &sieve, self.tick, make);
        parts.insert(0, all);
        Collector::merge(parts).unwrap_or_else(make)
    }
}

/// Whether a name is that of a day: `2026-11-24`.
fn is_day(name: &str) -> bool {
    let is_fit = |(position, byte): (usize, u8)| match position {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    name.len() == 10 && name.bytes().enumerate().all(is_fit)
}

/// The root of the share is not one.
fn unmarked(path: &Path) -> Trouble {
    Trouble {
        path: path.to_owned(),
        why: format!(
            "it has no `{}`: it is not mounted, or nothing was shipped yet",
            layout::MARKER
        ),
    }
}
