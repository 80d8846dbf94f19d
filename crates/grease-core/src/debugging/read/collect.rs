//! From lines to runs: each run once, whatever order its events come in and however often.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::event::Line;
use super::head::Head;
use super::query::{Query, Window};
use super::run::{Names, Run};
use super::scan::{IndexFile, Take};
use crate::model::RunId;

/// Runs kept beyond the number asked for before the oldest of them are given up.
const SURPLUS: usize = 4096;

/// A run is one of a user's directory: others can write the same id into theirs, which is another run.
pub(super) type Key = (RunId, Arc<str>);

/// What one thread has seen.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    query: &'a Query,
    window: Window,
    names: Names,
    /// Runs that have ended, of the file that is being read: they are seldom in another one.
    here: HashSet<RunId>,
    /// Runs that have ended, and whether they are wanted; sorted, and each once, when all is settled.
    ended: Vec<(Key, bool)>,
    /// The same whose end does not tell what the start told, in older records.
    bare: HashMap<Key, Run>,
    /// Runs without an end so far.
    open: HashMap<Key, Run>,
    /// Runs whose job was started, without a start so far.
    executed: HashSet<Key>,
    /// Runs that have ended and are wanted, unless they are older than so many of them.
    found: Vec<Run>,
    /// The oldest of as many runs as are asked for.
    oldest: Option<RunId>,
}

/// What all have seen.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// The newest of the runs that are wanted, newest first.
    pub(super) runs: Vec<Run>,
    /// How many there are.
    pub(super) matched: usize,
}

impl Take for Collector<'_> {
    fn take(&mut self, file: &IndexFile, line: &[u8]) {
        if self.is_known_to_have_ended(line) {
            return;
        }
        let Some(line) = Line::parse(line) else {
            return;
        };
        let Some(id) = line.id() else { return };
        match &*line.event {
            "start" if !self.here.contains(&id) => self.start(&line, id, file),
            "execute" if !self.here.contains(&id) => {
                let key = (id, file.user.clone());
                match self.open.get_mut(&key) {
                    Some(run) => run.is_executing = true,
                    None => drop(self.executed.insert(key)),
                }
            }
            "end" if !self.here.contains(&id) => self.end(&line, id, file),
            _ => {}
        }
    }

    fn file_ends(&mut self) {
        self.here.clear();
    }

    fn finish(&mut self) {
        self.settle();
    }
}

impl<'a> Collector<'a> {
    pub(super) fn new(query: &'a Query) -> Self {
        Self {
            query,
            window: query.window(),
            names: Names::default(),
            here: HashSet::new(),
            ended: Vec::new(),
            bare: HashMap::new(),
            open: HashMap::new(),
            executed: HashSet::new(),
            found: Vec::new(),
            oldest: None,
        }
    }

    /// Whether the end of a run was seen; to be asked when all is settled.
    pub(super) fn has_ended(&self, run: &Key) -> bool {
        self.ended.binary_search_by(|(key, _)| key.cmp(run)).is_ok()
    }

    /// Whether a line tells of what came before an end that was seen: it need not be parsed.
    fn is_known_to_have_ended(&self, line: &[u8]) -> bool {
        let head = Head::of(line).filter(Head::is_before_end);
        head.and_then(|head| head.id())
            .is_some_and(|id| self.here.contains(&id))
    }

    fn start(&mut self, line: &Line<'_>, id: RunId, file: &IndexFile) {
        let owner = (&file.user, &file.place);
        let key = (id, file.user.clone());
        if let Some(known) = self.open.get_mut(&key) {
            known.is_local |= file.is_local;
            if !file.is_local {
                known.place = file.place.clone();
            }
            return;
        }
        let mut run = Run::of(line, id, owner, &mut self.names);
        run.is_executing = self.executed.remove(&key);
        run.is_local = file.is_local;
        self.open.insert(key, run);
    }

    fn end(&mut self, line: &Line<'_>, id: RunId, file: &IndexFile) {
        let key = (id, file.user.clone());
        let owner = (&file.user, &file.place);
        if line.user.is_none() {
            let run = Run::of(line, id, owner, &mut self.names);
            self.bare.insert(key, run);
            return;
        }
        self.here.insert(id);
        self.open.remove(&key);
        self.executed.remove(&key);
        let is_wanted = self.query.admits_line(line, &file.user, &self.window);
        self.ended.push((key, is_wanted));
        if is_wanted && self.oldest.is_none_or(|oldest| id > oldest) {
            let mut run = Run::of(line, id, owner, &mut self.names);
            run.is_local = file.is_local;
            self.keep(run);
        }
    }

    fn keep(&mut self, run: Run) {
        self.found.push(run);
        if let Some(limit) = self.query.limit.map(|limit| limit.max(1))
            && self.found.len() >= limit * 2 + SURPLUS
        {
            self.sort();
            self.found.truncate(limit);
            self.oldest = self.found.get(limit - 1).map(|run| run.id);
        }
    }

    /// Newest first, and each once: the spool of this host has what the share has, and is believed first.
    fn sort(&mut self) {
        self.found
            .sort_by(|one, other| order(one).cmp(&order(other)));
        self.found
            .dedup_by(|next, kept| next.id == kept.id && next.user == kept.user);
    }

    /// Brings together what was seen of each run.
    pub(super) fn settle(&mut self) {
        self.here.clear();
        self.ended.sort_unstable();
        self.ended.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            kept.1 |= is_same && next.1;
            is_same
        });
        self.sort();
        let ended = &self.ended;
        let has_ended = |run: &Key| ended.binary_search_by(|(key, _)| key.cmp(run)).is_ok();
        self.open.retain(|key, _| !has_ended(key));
        self.bare.retain(|key, _| !has_ended(key));
        for key in &self.executed {
            if let Some(run) = self.open.get_mut(key) {
                run.is_executing = true;
            }
        }
    }

    /// Ends that tell nothing of the start, and the starts.
    fn settle_bare(&mut self) {
        for (key, mut run) in std::mem::take(&mut self.bare) {
            if let Some(started) = self.open.remove(&key) {
                run.complete_by(&started);
            }
            let is_wanted = self.query.admits(&run);
            self.ended.push((key, is_wanted));
            if is_wanted {
                self.keep(run);
            }
        }
        self.settle();
    }

    /// Puts together what several threads have seen.
    pub(super) fn merge(parts: Vec<Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut all = parts.next()?;
        for part in parts {
            all.found.extend(part.found);
            all.ended.extend(part.ended);
            all.executed.extend(part.executed);
            all.bare.extend(part.bare);
            for (key, run) in part.open {
                let known = all.open.entry(key).or_insert_with(|| run.clone());
                known.is_local |= run.is_local;
                known.is_executing |= run.is_executing;
                if !run.is_local {
                    known.place = run.place;
                }
            }
        }
        all.settle_bare();
        Some(all)
    }

    /// Runs that have no end, as far as was seen.
    pub(super) fn open_runs(&self) -> impl Iterator<Item = &Run> {
        self.open.values()
    }

    /// The runs that are wanted; `judge` tells what those without an end do now.
    pub(super) fn finish_with(mut self, judge: impl Fn(&mut Run)) -> Collected {
        self.settle_bare();
        let query = self.query;
        let mut runs = self.found;
        let mut matched = self.ended.iter().filter(|(_, wanted)| *wanted).count();
        if query.result.is_none() && !query.failed {
            for mut run in self.open.into_values().filter(|run| query.admits(run)) {
                judge(&mut run);
                runs.push(run);
                matched += 1;
            }
        }
        runs.sort_by(|one, other| order(one).cmp(&order(other)));
        runs.truncate(query.limit.unwrap_or(usize::MAX));
        Collected { runs, matched }
    }
}

/// The newest first; of what is told of one, what the spool of this host tells.
fn order(run: &Run) -> (Reverse<RunId>, &str, bool) {
    (Reverse(run.id), &run.user, !run.is_local)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::debugging::read::find::Wanted;
    use crate::debugging::read::scan::scan;
    use crate::model::Glob;

    const IDS: [&str; 6] = [
        "01M7BNNEXDEZ82TRP1EPE1JMB0",
        "01M7BNNEXDEZ82TRP1EPE1JMB1",
        "01M7BNNEXDEZ82TRP1EPE1JMB2",
        "01M7BNNEXDEZ82TRP1EPE1JMB3",
        "01M7BNNEXDEZ82TRP1EPE1JMB4",
        "01M7BNNEXDEZ82TRP1EPE1JMB5",
    ];

    /// A line of an index: which run's, which event, and what became of it.
    fn line(run: usize, event: usize, fate: usize) -> Vec<u8> {
        let event = ["start", "execute", "end", "end"][event % 4];
        let (id, job) = (IDS[run], ["g:a#one", "g:a#two"][run % 2]);
        let result = ["success", "failure", "skip"][run % 3];
        let facts = match (event, fate) {
            ("start", _) => r#","user":"u","host":"h""#.to_owned(),
            ("end", 4) => format!(r#","result":"{result}""#),
            ("end", _) => format!(r#","result":"{result}","user":"u","host":"h","start":"t""#),
            _ => String::new(),
        };
        let line =
            format!(r#"{{"v":1,"event":"{event}","run":"{id}","job":"{job}","time":"t"{facts}}}"#);
        match fate {
            0 => line.replace(r#""v":1,"#, r#" "v": 1, "#).into_bytes(),
            1 => line.into_bytes()[..80 + run].to_vec(), // Torn.
            2 => [line.as_bytes(), b"\0\0\0"].concat(),
            3 => b"\xff{\"event\":\"end\"".to_vec(),
            _ => line.into_bytes(),
        }
    }

    /// What lines tell, found out in the simplest way: the runs, whether they have ended, whether
    /// their jobs were started.
    fn simply(lines: &[Vec<u8>], query: &Query) -> Vec<(String, bool, bool)> {
        let mut runs: BTreeMap<String, (Value, [bool; 3])> = BTreeMap::new();
        for line in lines {
            let Ok(value) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
            let known = runs.entry(text("run")).or_insert((Value::Null, [false; 3]));
            let events = ["start", "execute", "end"];
            known.1[events
                .iter()
                .position(|word| *word == text("event"))
                .unwrap()] = true;
            if known.0.is_null() || text("event") == "end" {
                known.0 = value;
            }
        }
        let is_wanted = |(id, (value, [starts, _, ends])): &(String, (Value, [bool; 3]))| {
            let result = value["result"].as_str();
            let job = value["job"].as_str().unwrap();
            (*starts || *ends)
                && (!query.failed || result == Some("failure"))
                && query.job.as_ref().is_none_or(|glob| glob.as_str() == job)
                && query
                    .wanted
                    .as_ref()
                    .is_none_or(|wanted| wanted.fits(job, id))
        };
        let all = runs.into_iter().rev().filter(is_wanted);
        all.map(|(id, (_, [_, executes, ends]))| (id, ends, executes && !ends))
            .collect()
    }

    fn queries() -> Vec<Query> {
        let any = Query::default();
        vec![
            any.clone(),
            Query {
                failed: true,
                ..any.clone()
            },
            Query {
                job: Some(Glob::new("g:a#one")),
                ..any.clone()
            },
            Query {
                wanted: Some(Wanted::parse("two")),
                ..any.clone()
            },
            Query {
                wanted: Some(Wanted::parse("1jmb2")),
                limit: Some(1),
                ..any.clone()
            },
            Query {
                limit: Some(2),
                ..any
            },
        ]
    }

    fn file(dir: &Path, name: String) -> IndexFile {
        IndexFile {
            dir: dir.to_owned(),
            name,
            user: "u".into(),
            place: "h".into(),
            is_local: false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_lines_there_are_in_whatever_files_each_run_is_told_once(
            lines in prop::collection::vec((0..3_usize, 0..6_usize, 0..4_usize, 0..12_usize), 0..40)
        ) {
            let place = tempfile::tempdir().unwrap();
            let mut files: Vec<Vec<u8>> = vec![Vec::new(); 3];
            let mut all = Vec::new();
            for (file, run, event, fate) in lines {
                let line = line(run, event, fate);
                files[file].extend(&line);
                files[file].push(b'\n');
                all.push(line);
            }
            let mut index = Vec::new();
            for (number, content) in files.iter().enumerate() {
                let name = format!("{number}.jsonl");
                fs_err::write(place.path().join(&name), content).unwrap();
                index.push(file(place.path(), name));
            }
            for query in queries() {
                let mut expected = simply(&all, &query);
                let count = expected.len();
                expected.truncate(query.limit.unwrap_or(usize::MAX));
                let make = || Collector::new(&query);
                let (parts, troubles) = scan(&index, &query.sieve(), &|| (), make);
                prop_assert!(troubles.is_empty());
                let all = Collector::merge(parts).unwrap().finish_with(|_| ());
                let told = |run: &Run| {
                    let has_ended = run.end.is_some();
                    (run.id.to_string(), has_ended, run.is_executing && !has_ended)
                };
                let found: Vec<_> = all.runs.iter().map(told).collect();
                prop_assert_eq!(&found, &expected, "{:?}", query);
                prop_assert_eq!(all.matched, count);
            }
        }
    }

    #[test]
    fn what_stands_in_the_directory_of_another_user_overwrites_no_run() {
        let place = tempfile::tempdir().unwrap();
        let id = IDS[0];
        let end = |result: &str| {
            format!(
                r#"{{"v":1,"event":"end","run":"{id}","job":"j","time":"t","user":"root","result":"{result}","log":"../root/l"}}"#
            ) + "\n"
        };
        fs_err::write(place.path().join("evil"), end("success")).unwrap();
        fs_err::write(place.path().join("true"), end("failure")).unwrap();
        fs_err::write(place.path().join("spool"), end("failure")).unwrap();
        let of = |name: &str, user: &str, is_local| IndexFile {
            user: user.into(),
            is_local,
            ..file(place.path(), name.to_owned())
        };
        let index = [
            of("true", "root", false),
            of("evil", "eve", false),
            of("spool", "root", true),
        ];
        for failed in [false, true] {
            let query = Query {
                failed,
                ..Query::default()
            };
            let make = || Collector::new(&query);
            let (parts, _) = scan(&index, &query.sieve(), &|| (), make);
            let all = Collector::merge(parts).unwrap().finish_with(|_| ());
            let told = |run: &Run| {
                let result = run.end.as_ref().unwrap().result.to_string();
                (run.user.to_string(), result, run.is_local, run.log.clone())
            };
            let found: Vec<_> = all.runs.iter().map(told).collect();
            let of_root = ("root".to_owned(), "failure".to_owned(), true, None);
            let of_eve = ("eve".to_owned(), "success".to_owned(), false, None);
            let expected = if failed {
                vec![of_root]
            } else {
                vec![of_eve, of_root]
            };
            assert_eq!(all.matched, expected.len());
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_newest_are_kept_and_all_are_counted() {
        let place = tempfile::tempdir().unwrap();
        let query = Query {
            limit: Some(3),
            ..Query::default()
        };
        let count = 3 * SURPLUS;
        let ids: Vec<String> = (0..count).map(|_| RunId::new().to_string()).collect();
        let mut content = String::new();
        // The newest stand in the middle, and all stand there twice.
        let (old, new) = ids.split_at(count / 2);
        for id in new.iter().chain(old).chain(&ids) {
            let line =
                format!(r#"{{"v":1,"event":"end","run":"{id}","job":"j","time":"t","user":"u"}}"#);
            content.push_str(&(line + "\n"));
        }
        for name in ["one", "two"] {
            fs_err::write(place.path().join(name), &content).unwrap();
        }
        let index = ["one", "two"].map(|name| file(place.path(), name.to_owned()));
        let make = || Collector::new(&query);
        let (parts, _) = scan(&index, &query.sieve(), &|| (), make);
        let all = Collector::merge(parts).unwrap().finish_with(|_| ());
        assert_eq!(all.matched, count);
        let found: Vec<String> = all.runs.iter().map(|run| run.id.to_string()).collect();
        let newest: Vec<String> = ids.into_iter().rev().take(3).collect();
        assert_eq!(found, newest);
    }
}
