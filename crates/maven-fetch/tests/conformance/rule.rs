//! The rule of the whole, over random sequences of what repositories do and what users ask:
//! the network only adds knowledge.
//!
//! - what was fetched once is there for ever, and whole
//! - while something is here that fits, a call succeeds, unless it was told not to take it
//! - the version never goes down, once a repository that has a say has confirmed any: before that,
//!   what is taken is a guess out of what happens to be here
//! - once the repositories are well, the next call that asks them is fresh and right

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use grease_testkit::length::rounds;
use maven_fetch::coordinates::base_version;
use maven_fetch::repository::UpdatePolicy;
use maven_fetch::resolve::Freshness;

use crate::invariants;
use crate::remote::{FAT, VERSIONS, Versions, builds, builds_xml, jar, path, sha1, versions_xml};
use crate::server::{Answer, Server};
use crate::user::{User, assert_version, repository};

/// Things that happen in one sequence.
const STEPS: usize = 30;

/// Sequences at the same time: they mostly wait.
const THREADS: u32 = 8;

/// Longest wait for an answer while repositories may hang.
const IMPATIENT: Option<Duration> = Some(Duration::from_millis(150));

/// The number of the repository that takes snapshots; the others take releases.
const SNAPSHOTS: usize = 2;

/// Random numbers out of one (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// What is wrong with the files of one kind in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Status(u16),
    Closed,
    Hanging,
    Cut,
    Lying,
    LoginPage,
    PageAsFile,
    Empty,
    WrongChecksum,
    NotModified,
    Redirect,
}

const FAULTS: [Fault; 18] = [
    Fault::Status(401),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(410),
    Fault::Status(429),
    Fault::Status(500),
    Fault::Status(503),
    Fault::Closed,
    Fault::Hanging,
    Fault::Cut,
    Fault::Lying,
    Fault::LoginPage,
    Fault::PageAsFile,
    Fault::Empty,
    Fault::WrongChecksum,
    Fault::NotModified,
    Fault::Redirect,
    Fault::None,
];

impl Fault {
    fn of(self, body: &[u8]) -> Answer {
        let file = Answer::file(body);
        match self {
            Self::None => file,
            Self::Status(status) => Answer::status(status),
            Self::Closed => Answer::close(),
            Self::Hanging => file.hang(),
            Self::Cut => file.cut_after(body.len() * 3 / 5),
            Self::Lying => file.declared_length(body.len() + 7),
            Self::LoginPage => Answer::login_page(),
            Self::PageAsFile => Answer::file("<html>Log in</html>"),
            Self::Empty => Answer::file(""),
            Self::WrongChecksum => file.header("X-Checksum-Sha1", &sha1(b"other")),
            Self::NotModified => Answer::status(304),
            Self::Redirect => Answer::redirect(302, "/elsewhere"),
        }
    }
}

/// A repository, what was deployed to it, and what is wrong with it.
struct Remote {
    server: Server,
    deployed: Vec<String>,
    updated: String,
    /// With the metadata about versions, that about builds, and jars.
    faults: [Fault; 3],
}

impl Remote {
    fn new() -> Self {
        Self {
            server: Server::start(),
            deployed: Vec::new(),
            updated: String::new(),
            faults: [Fault::None; 3],
        }
    }

    /// Tells the server what to answer; notes what it may say of metadata.
    fn publish(&self, said: &mut HashSet<Vec<u8>>) {
        let [versions, of_builds, jars] = self.faults;
        let Some(last) = self.deployed.last() else {
            return;
        };
        for version in &self.deployed {
            let body = jar(version);
            self.server.script(&path(version), [jars.of(&body)]);
            self.server.script(
                &format!("{}.sha1", path(version)),
                [Answer::file(sha1(&body))],
            );
        }
        let mut bases: Vec<String> = self.deployed.iter().map(|one| base_version(one)).collect();
        bases.dedup();
        for base in bases.iter().filter(|base| base.ends_with("SNAPSHOT")) {
            let newest = self
                .deployed
                .iter()
                .rfind(|one| base_version(one) == *base)
                .unwrap();
            let body = builds_xml(base, &[(FAT, newest)]).into_bytes();
            self.server.script(&builds(base), [of_builds.of(&body)]);
            said.insert(body);
        }
        let latest = base_version(last);
        let listed: Vec<&str> = bases.iter().map(String::as_str).collect();
        let release = if latest.ends_with("SNAPSHOT") {
            ""
        } else {
            &latest
        };
        let announced = Versions {
            latest: &latest,
            release,
            listed: &listed,
            updated: &self.updated,
        };
        let body = versions_xml(&announced).into_bytes();
        self.server.script(VERSIONS, [versions.of(&body)]);
        said.insert(body);
    }
}

/// What happened, for whoever has to understand a failure: printed if there is one.
struct History {
    number: u32,
    lines: Vec<String>,
}

impl Drop for History {
    fn drop(&mut self) {
        if thread::panicking() {
            let lines = self.lines.join("\n  ");
            #[expect(clippy::print_stderr, reason = "what led to the failure")]
            {
                eprintln!("sequence {}:\n  {lines}", self.number);
            }
        }
    }
}

struct World {
    dice: Dice,
    history: History,
    remotes: Vec<Remote>,
    user: User,
    said: HashSet<Vec<u8>>,
    /// All versions in the order of their deployment, which is that of their height.
    deployed: Vec<String>,
    major: u32,
    /// The highest that each question led to, by its place among the deployed.
    highest: BTreeMap<String, usize>,
}

impl World {
    fn new(number: u32) -> Self {
        let remotes: Vec<Remote> = (0..=SNAPSHOTS).map(|_| Remote::new()).collect();
        let asked = remotes
            .iter()
            .enumerate()
            .map(|(index, remote)| repository(&format!("r{index}"), &remote.server.url()));
        let mut user = User::asking(asked.collect());
        user.preferences.budget.metadata = Duration::from_secs(2);
        Self {
            dice: Dice(u64::from(number)),
            history: History {
                number,
                lines: Vec::new(),
            },
            remotes,
            user,
            said: HashSet::new(),
            deployed: Vec::new(),
            major: 1,
            highest: BTreeMap::new(),
        }
    }

    fn note(&mut self, line: String) {
        self.history.lines.push(line);
    }

    fn deploy(&mut self) {
        let count = self.deployed.len();
        let is_release = self.dice.roll(2) == 0;
        let stamp = format!("{:02}{:02}", count / 60, count % 60);
        let (index, version) = if is_release {
            (self.dice.roll(SNAPSHOTS), format!("{}.0", self.major))
        } else {
            (
                SNAPSHOTS,
                format!("{}.0-20240101.00{stamp}-{}", self.major, count + 1),
            )
        };
        self.major += u32::from(is_release);
        self.note(format!("r{index} gets {version}"));
        self.deployed.push(version.clone());
        let remote = &mut self.remotes[index];
        remote.deployed.push(version);
        remote.updated = format!("2024010100{stamp}");
        remote.publish(&mut self.said);
    }

    fn break_something(&mut self) {
        let (index, kind) = (self.dice.roll(self.remotes.len()), self.dice.roll(3));
        let fault = self.dice.pick(&FAULTS);
        let what = ["versions", "builds", "jars"][kind];
        self.note(format!("r{index}: {what} are {fault:?}"));
        self.remotes[index].faults[kind] = fault;
        self.remotes[index].publish(&mut self.said);
    }

    fn heal(&mut self) {
        self.note("all are well".to_owned());
        for remote in &mut self.remotes {
            remote.faults = [Fault::None; 3];
            remote.publish(&mut self.said);
        }
        // No host is left alone for longer, and a slow machine is not to blame.
        self.pass(6);
        self.be_impatient(None);
        self.user.preferences = crate::user::User::asking(Vec::new()).preferences;
        self.user.preferences.update = Some(UpdatePolicy::Always);
        for question in self.questions() {
            let Some(expected) = self.newest(&question) else {
                continue;
            };
            self.note(format!("{question}, after the recovery"));
            let fetched = self.user.fetch(&question).unwrap();
            assert_eq!(fetched.freshness, Freshness::Fresh);
            assert_version(&fetched, &self.deployed[expected]);
            self.rise(&question, expected, true);
        }
        self.be_impatient(IMPATIENT);
    }

    /// Waits for an answer so long at most.
    fn be_impatient(&mut self, longest: Option<Duration>) {
        for repository in &mut self.user.repositories {
            repository.request_timeout = longest;
        }
    }

    fn pass(&mut self, minutes: i64) {
        self.note(format!("{minutes} minutes pass"));
        self.user.wait(minutes);
    }

    /// What can be asked: what moves, and one version that does not.
    fn questions(&mut self) -> Vec<String> {
        let mut versions = vec!["LATEST".to_owned(), "RELEASE".to_owned(), "[0,)".to_owned()];
        if !self.deployed.is_empty() {
            let any = self.dice.roll(self.deployed.len());
            versions.push(self.deployed[any].clone());
        }
        let mut snapshots = self.deployed.iter().map(|version| base_version(version));
        versions.extend(snapshots.rfind(|base| base.ends_with("SNAPSHOT")));
        versions
            .into_iter()
            .map(|version| format!("com.ex:app:{version}"))
            .collect()
    }

    /// The place of the highest version that a question may mean.
    fn newest(&self, question: &str) -> Option<usize> {
        self.deployed
            .iter()
            .rposition(|version| fits(question, version))
    }

    /// The versions of which the jar is here.
    fn here(&self) -> BTreeSet<String> {
        let names = self.user.files().into_keys();
        names
            .filter_map(|name| Some(invariants::version_of(name.rsplit('/').next()?)?.to_owned()))
            .collect()
    }

    /// Checks that an answer is not lower than those before. One that nobody ever confirmed is no
    /// measure for the next.
    fn rise(&mut self, question: &str, place: usize, is_confirmed: bool) {
        let highest = self.highest.get(question).copied().unwrap_or_default();
        assert!(
            place >= highest,
            "{question} went down from {}",
            self.deployed[highest]
        );
        if is_confirmed {
            self.highest.insert(question.to_owned(), place);
        }
    }

    fn ask(&mut self) {
        let questions = self.questions();
        let question = questions[self.dice.roll(questions.len())].clone();
        let preferences = &mut self.user.preferences;
        preferences.update = self.dice.pick(&[
            Some(UpdatePolicy::Always),
            Some(UpdatePolicy::Always),
            Some(UpdatePolicy::Never),
            Some(UpdatePolicy::Interval(Duration::from_hours(1))),
            None,
        ]);
        preferences.offline = self.dice.roll(8) == 0;
        preferences.attended = self.dice.roll(3) == 0;
        preferences.tolerance.strict = self.dice.roll(8) == 0;
        let is_tolerant = self.dice.roll(8) != 0;
        let age_max = if is_tolerant { 24 * 365 } else { 1 };
        preferences.tolerance.age_max = Duration::from_hours(age_max);
        let must_succeed = is_tolerant && !preferences.tolerance.strict;
        let settings = format!(
            "update {:?}, offline {}, attended {}, strict {}, {age_max} h",
            preferences.update,
            preferences.offline,
            preferences.attended,
            preferences.tolerance.strict
        );
        let before = self.here();
        self.note(format!("{question}: {settings}"));
        match self.user.fetch(&question) {
            Ok(fetched) => {
                let version = fetched.artifact.version.clone();
                self.note(format!("  = {version} {:?}", fetched.freshness));
                assert_version(&fetched, &version);
                assert!(fits(&question, &version), "{question} is not {version}");
                let place = self
                    .deployed
                    .iter()
                    .position(|one| *one == version)
                    .unwrap();
                let is_confirmed = !matches!(fetched.freshness, Freshness::Stale { age: None, .. });
                self.rise(&question, place, is_confirmed);
            }
            Err(error) => {
                self.note(format!("  = {error}"));
                let fitting = before.iter().find(|version| fits(&question, version));
                assert!(!must_succeed || fitting.is_none(), "{fitting:?} is here");
            }
        }
        let after = self.here();
        assert!(after.is_superset(&before), "{before:?} became {after:?}");
        invariants::check(&self.user.files(), &self.said);
    }

    fn run(&mut self) {
        self.be_impatient(IMPATIENT);
        self.deploy();
        for _ in 0..STEPS {
            match self.dice.roll(20) {
                0..=2 => self.deploy(),
                3..=7 => self.break_something(),
                8 => self.heal(),
                9..=11 => {
                    let minutes = self.dice.pick(&[1, 7, 70, 24 * 60]);
                    self.pass(minutes);
                }
                _ => self.ask(),
            }
        }
        self.heal();
    }
}

/// Whether a question may be answered by a version.
fn fits(question: &str, version: &str) -> bool {
    let is_release = !base_version(version).ends_with("SNAPSHOT");
    match question.rsplit(':').next().unwrap() {
        "LATEST" => true,
        "RELEASE" | "[0,)" => is_release,
        base if base.ends_with("SNAPSHOT") => base_version(version) == base,
        exact => exact == version,
    }
}

#[test]
fn the_network_only_adds_knowledge() {
    let count = rounds(16);
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS.min(count) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    World::new(number).run();
                }
            });
        }
    });
}
