//! Processes at the same time: single flight on one host, and two hosts without a common lock.

use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fs_err::OpenOptions;
use jiff::Timestamp;
use maven_fetch::flight::Flight;
use maven_fetch::local::Evidence;
use nix::sys::signal::Signal;

use crate::{app, at, jar, publish, role, start};

/// How many processes begin at once.
const PROCESSES: usize = 16;

/// How often each of two hosts publishes while a third one reads.
const ROUNDS: usize = 300;

/// Long enough for any test machine; no test waits for its end.
const LONG: Duration = Duration::from_mins(5);

static NOT_CANCELLED: AtomicBool = AtomicBool::new(false);

/// Waits until the other side lets go.
fn wait_for_input() {
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Fetches as one of many: one works, and says so in a common file.
fn fetch(directory: &Path) {
    wait_for_input();
    let (repository, state) = at(directory);
    let flight = Flight::begin(&state, "com.ex:app:1.0", LONG, &NOT_CANCELLED);
    if repository
        .find(&app("1.0"), None, &mut Vec::new())
        .is_none()
    {
        use std::io::Write as _;

        let log = directory.join("log");
        let mut log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(log)
            .unwrap();
        log.write_all(b"x").unwrap();
        publish(&repository, &app("1.0"), &jar("1.0")).unwrap();
    }
    drop(flight);
    let found = repository.find(&app("1.0"), None, &mut Vec::new()).unwrap();
    assert_eq!(found.evidence, Evidence::Structure);
}

/// Starts many that fetch at once; says how many of them worked.
fn fetch_with_many(this: &str, directory: &Path) -> usize {
    let mut processes: Vec<_> = (0..PROCESSES)
        .map(|_| start(this, "fetch", directory))
        .collect();
    for process in &mut processes {
        drop(process.0.stdin.take());
    }
    for process in &mut processes {
        process.succeed();
    }
    let (repository, _) = at(directory);
    let found = repository.find(&app("1.0"), None, &mut Vec::new()).unwrap();
    assert!(fs_err::read(found.path).unwrap() == jar("1.0"));
    fs_err::read(directory.join("log")).unwrap().len()
}

#[test]
fn of_many_processes_one_works_and_all_succeed() {
    if let Some((_, directory)) = role() {
        return fetch(&directory);
    }
    let directory = tempfile::tempdir().unwrap();
    let this = "race::of_many_processes_one_works_and_all_succeed";
    assert_eq!(fetch_with_many(this, directory.path()), 1);
}

#[test]
fn where_locks_are_impossible_all_succeed_too() {
    if let Some((_, directory)) = role() {
        return fetch(&directory);
    }
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("cache"), "no directory").unwrap();
    let this = "race::where_locks_are_impossible_all_succeed_too";
    assert!(fetch_with_many(this, directory.path()) >= 1);
}

/// Holds the lock until it is killed.
fn hold(directory: &Path) {
    let (_, state) = at(directory);
    let flight = Flight::begin(&state, "what", Duration::ZERO, &NOT_CANCELLED);
    assert!(flight.is_alone() && !flight.has_waited());
    println!("\nheld");
    wait_for_input();
}

#[test]
fn a_stopped_holder_delays_others_no_longer_than_they_wait_and_a_killed_one_not_at_all() {
    if let Some((_, directory)) = role() {
        return hold(&directory);
    }
    let this =
        "race::a_stopped_holder_delays_others_no_longer_than_they_wait_and_a_killed_one_not_at_all";
    let directory = tempfile::tempdir().unwrap();
    let (_, state) = at(directory.path());
    let mut holder = start(this, "hold", directory.path());
    holder.wait_for("held");
    holder.signal(Signal::SIGSTOP);
    let begin =
        |what, wait, cancel: bool| Flight::begin(&state, what, wait, &AtomicBool::new(cancel));

    let late = begin("what", Duration::from_millis(100), false);
    assert!(!late.is_alone() && late.has_waited());
    let cancelled = begin("what", LONG, true);
    assert!(!cancelled.is_alone() && !cancelled.has_waited());
    assert!(begin("other", LONG, false).is_alone());

    holder.kill();
    let next = begin("what", LONG, false);
    assert!(next.is_alone() && !next.has_waited());
    // The lock file stays: who would remove it could remove that of another.
    drop(next);
    let locks = directory.path().join("cache/v1/locks");
    assert_eq!(fs_err::read_dir(locks).unwrap().count(), 2);
}

fn metadata(host: &str, round: usize) -> String {
    let filler = "x".repeat(round % 50 * 200);
    format!("<metadata>{host}{round}{filler}</metadata>")
}

/// Publishes and refreshes as one of two hosts: with a cache, and so locks, of its own.
fn be_a_host(role: &str, directory: &Path) {
    let (repository, state) = at(directory);
    let own_state = maven_fetch::state::State::new(&directory.join(role));
    assert_ne!(
        state.own_repository(directory),
        own_state.own_repository(directory)
    );
    println!("\nbegun");
    for round in 0..ROUNDS {
        let alone = Flight::begin(&own_state, "com.ex:app", Duration::ZERO, &NOT_CANCELLED);
        assert!(alone.is_alone());
        publish(&repository, &app("1.0"), &jar("1.0")).unwrap();
        let place = repository.prepare_directory("com/ex/app").unwrap();
        let now = Timestamp::from_second(1_700_000_000 + i64::try_from(round).unwrap()).unwrap();
        place
            .publish_metadata("corp", metadata(role, round).as_bytes(), now)
            .unwrap();
    }
}

#[test]
fn two_hosts_publish_the_same_names_and_a_reader_sees_whole_files_only() {
    if let Some((role, directory)) = role() {
        return be_a_host(&role, &directory);
    }
    let this = "race::two_hosts_publish_the_same_names_and_a_reader_sees_whole_files_only";
    let directory = tempfile::tempdir().unwrap();
    let mut hosts = ["one", "two"].map(|role| start(this, role, directory.path()));
    for host in &mut hosts {
        host.wait_for("begun");
    }
    let (repository, _) = at(directory.path());
    let expected = jar("1.0");
    let (mut seen, mut states) = (0, std::collections::HashSet::new());
    while hosts
        .iter_mut()
        .any(|host| host.0.try_wait().unwrap().is_none())
    {
        let mut warnings = Vec::new();
        if let Some(found) = repository.find(&app("1.0"), None, &mut warnings) {
            assert!(fs_err::read(&found.path).unwrap() == expected);
            assert!(found.origin.is_accepted_for(&["corp"]));
            seen += 1;
        }
        if let Some(stored) = repository.metadata("com/ex/app", "corp", &mut warnings) {
            let text = String::from_utf8(stored.bytes).unwrap();
            assert!(
                text.starts_with("<metadata>") && text.ends_with("</metadata>"),
                "{text}"
            );
            states.insert(text);
        }
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    for host in &mut hosts {
        host.succeed();
    }
    println!("{seen} looks, {} states", states.len());
    assert!(seen > 0 && states.len() > 1);
}
