//! From lines to runs: each run once, whatever order its events come in and however often.

use std::collections::{HashMap, HashSet};

use super::event::Line;
use super::query::Query;
use super::run::{Names, Run};
use super::scan::IndexFile;
use crate::model::RunId;

/// Runs kept beyond the number asked for before the oldest of them are given up.
const SURPLUS: usize = 4096;

/// What one thread has seen.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    query: &'a Query,
    names: Names,
    /// Runs without an end so far.
    open: HashMap<RunId, Run>,
    /// Runs whose job was started, without a start so far.
    executed: HashSet<RunId>,
    /// Runs that have ended, whether they are wanted or not.
    ended: HashSet<RunId>,
    found: Vec<Run>,
    /// How many ended runs are wanted, those given up too.
    matched: usize,
}

/// What all have seen.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// The newest of the runs that are wanted, newest first.
    pub(super) runs: Vec<Run>,
    /// How many there are.
    pub(super) matched: usize,
}

impl<'a> Collector<'a> {
    pub(super) fn new(query: &'a Query) -> Self {
        Self {
            query,
            names: Names::default(),
            open: HashMap::new(),
            executed: HashSet::new(),
            ended: HashSet::new(),
            found: Vec::new(),
            matched: 0,
        }
    }

    /// Whether the end of a run was seen.
    pub(super) fn has_ended(&self, run: RunId) -> bool {
        self.ended.contains(&run)
    }

    /// Takes a line of an index file.
    pub(super) fn take(&mut self, file: &IndexFile, line: &[u8]) {
        let Some(line) = Line::parse(line) else {
            return;
        };
        let Some(id) = line.id() else { return };
        match &*line.event {
            "start" if !self.ended.contains(&id) => self.start(&line, id, file),
            "execute" if !self.ended.contains(&id) => match self.open.get_mut(&id) {
                Some(run) => run.is_executing = true,
                None => drop(self.executed.insert(id)),
            },
            "end" if self.ended.insert(id) => self.end(&line, id, file),
            _ => {}
        }
    }

    fn start(&mut self, line: &Line<'_>, id: RunId, file: &IndexFile) {
        let owner = (&file.user, &file.place);
        if let Some(known) = self.open.get_mut(&id) {
            known.is_local |= file.is_local;
            if !file.is_local {
                known.place = file.place.clone();
            }
            return;
        }
        let mut run = Run::of(line, id, owner, &mut self.names);
        run.is_executing = self.executed.remove(&id);
        run.is_local = file.is_local;
        self.open.insert(id, run);
    }

    fn end(&mut self, line: &Line<'_>, id: RunId, file: &IndexFile) {
        self.executed.remove(&id);
        let started = self.open.remove(&id);
        let is_alone = line.user.is_none();
        if !is_alone && !self.query.admits_line(line) {
            return;
        }
        let mut run = Run::of(line, id, (&file.user, &file.place), &mut self.names);
        run.is_local = file.is_local || started.as_ref().is_some_and(|run| run.is_local);
        if is_alone {
            if let Some(started) = started {
                run.complete_by(&started);
            }
            if !self.query.admits(&run) {
                return;
            }
        }
        self.matched += 1;
        self.found.push(run);
        if let Some(limit) = self.query.limit
            && self.found.len() >= limit.max(1) * 2 + SURPLUS
        {
            self.found
                .select_nth_unstable_by_key(limit, |run| std::cmp::Reverse(run.id));
            self.found.truncate(limit);
        }
    }

    /// Puts together what several threads have seen.
    pub(super) fn merge(parts: Vec<Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut all = parts.next()?;
        for part in parts {
            for run in part.found {
                // The same end in two files: only what was copied by hand is.
                if all.ended.contains(&run.id) {
                    all.matched -= 1;
                } else {
                    all.found.push(run);
                }
            }
            all.matched += part.matched;
            all.ended.extend(part.ended);
            all.executed.extend(part.executed);
            for (id, run) in part.open {
                let known = all.open.entry(id).or_insert_with(|| run.clone());
                known.is_local |= run.is_local;
                known.is_executing |= run.is_executing;
                if !run.is_local {
                    known.place = run.place;
                }
            }
        }
        for run in all.found.iter_mut().filter(|run| run.start.is_none()) {
            if let Some(start) = all.open.get(&run.id) {
                run.complete_by(start);
            }
        }
        all.open.retain(|id, _| !all.ended.contains(id));
        for id in &all.executed {
            if let Some(run) = all.open.get_mut(id) {
                run.is_executing = true;
            }
        }
        Some(all)
    }

    /// Runs that have no end, as far as was seen.
    pub(super) fn open_runs(&self) -> impl Iterator<Item = &Run> {
        self.open.values()
    }

    /// The runs that are wanted; `judge` tells what those without an end do now.
    pub(super) fn finish(self, judge: impl Fn(&mut Run)) -> Collected {
        let query = self.query;
        let mut runs = self.found;
        let mut matched = self.matched;
        if query.result.is_none() && !query.failed {
            for mut run in self.open.into_values().filter(|run| query.admits(run)) {
                judge(&mut run);
                runs.push(run);
                matched += 1;
            }
        }
        runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.id));
        runs.truncate(query.limit.unwrap_or(usize::MAX));
        Collected { runs, matched }
    }
}
