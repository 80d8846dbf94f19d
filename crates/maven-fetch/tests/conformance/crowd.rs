//! Many at the same time: one downloads, the others wait for it, and nothing depends on that.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use grease_testkit::length::rounds;
use nix::sys::signal::Signal;

use crate::invariants;
use crate::killed::{slowly, wait_for_downloader, wait_until};
use crate::remote::{VERSIONS, Versions, deploy, jar, path, versions_xml};
use crate::server::Server;
use crate::user::{LATEST, Running, User, assert_version, repository};

/// Lets so many ask at once; all have to succeed with the same file.
fn ask_at_once(user: &User, count: usize) -> Vec<Running> {
    (0..count).map(|_| user.start(&[LATEST])).collect()
}

fn assert_all_succeed(user: &User, processes: Vec<Running>) {
    let expected = user.m2().join(path("1.0"));
    for process in processes {
        assert_eq!(process.end().path(), expected);
    }
    assert!(fs_err::read(expected).unwrap() == jar("1.0"));
    let names: Vec<String> = user.files().into_keys().collect();
    assert!(
        !names.iter().any(|name| name.contains("/.")),
        "nothing is left: {names:?}"
    );
}

fn requests(server: &Server, file: &str) -> usize {
    server.paths().iter().filter(|path| *path == file).count()
}

// Case 39.
#[test]
fn of_many_that_begin_at_once_one_downloads_and_all_succeed() {
    for count in [16, 50] {
        let server = Server::start();
        deploy(&server, &["1.0"]);
        slowly(&server, "1.0", Duration::from_millis(500));
        let user = User::of(&server);
        let processes = ask_at_once(&user, count);
        assert_all_succeed(&user, processes);
        let expected = [
            VERSIONS.to_owned(),
            path("1.0"),
            format!("{}.sha1", path("1.0")),
        ];
        assert_eq!(server.paths(), expected, "{count}");
    }
}

// Case 39.
#[test]
fn if_the_one_that_downloads_is_killed_another_goes_on_where_it_was() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    slowly(&server, "1.0", Duration::from_secs(2));
    let user = User::of(&server);
    let mut processes = ask_at_once(&user, 16);
    let ids: Vec<u32> = processes.iter().map(Running::id).collect();
    let downloader = wait_for_downloader(&user, &ids);
    let index = processes
        .iter()
        .position(|process| process.id() == downloader)
        .unwrap();
    processes.remove(index).signal(Signal::SIGKILL);
    assert_all_succeed(&user, processes);
    let log = server.log();
    let of_jar: Vec<_> = log
        .iter()
        .filter(|logged| logged.path() == path("1.0"))
        .collect();
    assert_eq!(of_jar.len(), 2);
    assert!(of_jar[1].header("range").is_some());
}

// Case 39.
#[test]
fn where_locks_are_impossible_all_succeed_too() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    slowly(&server, "1.0", Duration::from_millis(300));
    let user = User::of(&server);
    fs_err::create_dir_all(user.home().join("cache/v1")).unwrap();
    fs_err::write(user.home().join("cache/v1/locks"), "no directory").unwrap();
    let processes = ask_at_once(&user, 16);
    assert_all_succeed(&user, processes);
    assert!(requests(&server, &path("1.0")) >= 1);
}

#[test]
fn where_nothing_can_be_remembered_all_succeed_too() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = User::of(&server);
    fs_err::write(user.home().join("cache"), "no directory").unwrap();
    let processes = ask_at_once(&user, 8);
    assert_all_succeed(&user, processes);
}

// Case 40.
#[test]
fn if_the_one_that_downloads_is_stopped_the_others_go_on_without_it() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let mut user = User::of(&server);
    // Long enough ago that nobody takes it for the answer of the one that is stopped.
    user.now = jiff::ZonedDateTime::now()
        .checked_sub(jiff::SignedDuration::from_mins(1))
        .unwrap();
    user.fetch(LATEST).unwrap();
    deploy(&server, &["1.0", "1.1"]);
    slowly(&server, "1.1", Duration::from_secs(3));
    let stopped = user.start(&[LATEST, "--update=always"]);
    wait_for_downloader(&user, &[stopped.id()]);
    stopped.signal(Signal::SIGSTOP);

    let others: Vec<Running> = (0..4)
        .map(|_| user.start(&[LATEST, "--update=always"]))
        .collect();
    let expected = user.m2().join(path("1.1"));
    for other in others {
        assert_eq!(other.end().path(), expected);
    }
    assert!(fs_err::read(&expected).unwrap() == jar("1.1"));

    // When it goes on, it comes to the same.
    stopped.signal(Signal::SIGCONT);
    assert_eq!(stopped.end().path(), expected);
    assert!(fs_err::read(&expected).unwrap() == jar("1.1"));
}

/// Asks again and again while new versions come, until there are no more.
fn be_a_host(mut user: User, server: &Server, is_over: &AtomicBool) {
    let mut last = 0;
    loop {
        let is_last = is_over.load(Ordering::Relaxed);
        user.wait(1);
        let fetched = user.fetch(LATEST).unwrap();
        let version = fetched.artifact.version.clone();
        assert_version(&fetched, &version);
        let number = version.strip_prefix("1.").unwrap().parse().unwrap();
        assert!(number >= last, "from 1.{last} to {version}");
        last = number;
        if is_last {
            return assert_eq!(Some(path(&version)), newest(server));
        }
    }
}

/// Dropped, also by a failure, it ends the others.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The jar that was asked for last and is there.
fn newest(server: &Server) -> Option<String> {
    let jars = server
        .paths()
        .into_iter()
        .filter(|path| path.contains(".jar") && !path.contains(".sha1"));
    jars.max_by_key(|path| (path.len(), path.clone()))
}

// Case 40: two hosts with one local repository and no common lock.
#[test]
fn two_hosts_that_share_a_repository_never_see_half_a_file() {
    let shared = tempfile::tempdir().unwrap();
    let server = Server::start();
    let versions: Vec<String> = (0..rounds(20))
        .map(|number| format!("1.{number}"))
        .collect();
    let said = Mutex::new(HashSet::new());
    let announce = |listed: &[&str]| {
        let last = listed[listed.len() - 1];
        let updated = format!("20240101{:06}", listed.len());
        let announced = Versions {
            latest: last,
            release: last,
            listed,
            updated: &updated,
        };
        said.lock()
            .unwrap()
            .insert(versions_xml(&announced).into_bytes());
        deploy(&server, listed);
    };
    let listed: Vec<&str> = versions.iter().map(String::as_str).collect();
    announce(&listed[..1]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ending = Ending(&is_over);
        for _ in 0..2 {
            let home = tempfile::tempdir().unwrap();
            let asked = vec![repository("corp", &server.url())];
            let mut user = User::at(home, &shared.path().join("m2"), asked);
            user.preferences.update = Some(maven_fetch::repository::UpdatePolicy::Always);
            scope.spawn(|| be_a_host(user, &server, &is_over));
        }
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let files = crate::user::tree(&shared.path().join("m2"));
                invariants::check(&files, &said.lock().unwrap());
            }
        });
        for number in 1..listed.len() {
            let jar = path(listed[number - 1]);
            wait_until("a host that takes the new version", || {
                server.paths().contains(&jar).then_some(())
            });
            announce(&listed[..=number]);
        }
        drop(ending);
    });
    let files = crate::user::tree(&shared.path().join("m2"));
    invariants::check(&files, &said.lock().unwrap());
    assert!(!files.keys().any(|name| name.contains("/.")));
}
