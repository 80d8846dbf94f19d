//! How much is asked, and when.

use std::time::Duration;

use jiff::ZonedDateTime;
use maven_fetch::ErrorKind;
use maven_fetch::repository::{Credentials, Secret, UpdatePolicy};

use crate::remote::{VERSIONS, builds, deploy, deploy_builds, jar, path, sha1};
use crate::server::answer::Meeting;
use crate::server::{Answer, Server};
use crate::user::{LATEST, User, assert_fresh, content, repository, tree};

const BASE: &str = "3.0-SNAPSHOT";
const BUILD: &str = "3.0-20240102.030405-7";

/// The metadata of the version and of its builds.
fn both() -> [String; 2] {
    [builds(BASE), VERSIONS.to_owned()]
}

/// The requests since the last call, sorted.
fn asked(server: &Server) -> Vec<String> {
    let mut paths: Vec<String> = server
        .take_log()
        .iter()
        .map(|logged| logged.path().to_owned())
        .collect();
    paths.sort();
    paths
}

// Case 13.
#[test]
fn a_cold_call_asks_for_two_metadata_files_and_the_jar_and_a_checksum_only_if_no_header_has_it() {
    for has_header in [true, false] {
        let server = Server::start();
        deploy_builds(&server, BASE, &[BUILD]);
        let mut expected = vec![VERSIONS.to_owned(), builds(BASE), path(BUILD)];
        if has_header {
            let answer = Answer::file(jar(BUILD));
            server.script(
                &path(BUILD),
                [answer.header("X-Checksum-Sha1", &sha1(&jar(BUILD)))],
            );
        } else {
            expected.push(format!("{}.sha1", path(BUILD)));
        }
        let user = User::of(&server);
        let fetched = user.fetch(LATEST).unwrap();
        assert_fresh(&fetched, BUILD);
        assert!(
            fetched.downloaded && fetched.notices.is_empty(),
            "{:?}",
            fetched.notices
        );
        assert_eq!(server.paths(), expected);
        assert_eq!(fetched.requests as usize, expected.len());
    }
}

// Case 14.
#[test]
fn a_warm_call_asks_nothing_and_writes_nothing() {
    let server = Server::start();
    deploy_builds(&server, BASE, &[BUILD]);
    let user = User::of(&server);
    user.fetch(LATEST).unwrap();
    let before = tree(user.home());
    server.take_log();
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, BUILD);
    assert_eq!((fetched.requests, fetched.downloaded), (0, false));
    assert_eq!(asked(&server), [""; 0]);
    assert!(tree(user.home()) == before);
}

// Case 15.
#[test]
fn an_unchanged_snapshot_costs_two_requests_at_the_same_time() {
    let server = Server::start();
    deploy_builds(&server, BASE, &[BUILD]);
    let mut user = User::eager(&server);
    user.fetch(LATEST).unwrap();
    user.wait(1);
    let meeting = Meeting::of(2);
    for file in both() {
        server.answer_differently(&file, |answer| answer.once_all_are_at(&meeting));
    }
    server.take_log();
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, BUILD);
    let log = server.log();
    assert!(
        log.iter()
            .all(|logged| logged.header("if-none-match").is_some())
    );
    assert_eq!(asked(&server), both());
    assert_eq!((fetched.requests, fetched.downloaded), (2, false));
}

// Case 16.
#[test]
fn a_new_release_costs_its_metadata_and_one_jar() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = User::eager(&server);
    user.fetch(LATEST).unwrap();
    deploy(&server, &["1.0", "1.1"]);
    server.take_log();
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.1");
    assert_eq!(
        asked(&server),
        [
            path("1.1"),
            format!("{}.sha1", path("1.1")),
            VERSIONS.to_owned()
        ]
    );
}

// Case 17.
#[test]
fn what_someone_deleted_is_asked_for_without_conditions() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = User::eager(&server);
    let fetched = user.fetch(LATEST).unwrap();
    let metadata = user.m2().join("com/ex/app/maven-metadata-corp.xml");
    fs_err::remove_file(&metadata).unwrap();
    fs_err::remove_file(&fetched.path).unwrap();
    server.take_log();
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    let log = server.log();
    assert_eq!(
        asked(&server),
        [
            path("1.0"),
            format!("{}.sha1", path("1.0")),
            VERSIONS.to_owned()
        ]
    );
    assert!(
        log.iter()
            .all(|logged| logged.header("if-none-match").is_none())
    );
    assert!(metadata.is_file());
}

// Case 18.
#[test]
fn not_modified_without_anything_here_is_asked_once_more_without_conditions() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    for file in [VERSIONS.to_owned(), path("1.0")] {
        server.answer_first(&file, Answer::status(304));
    }
    let user = User::of(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    let count = |file: &str| server.paths().iter().filter(|path| *path == file).count();
    assert_eq!((count(VERSIONS), count(&path("1.0"))), (2, 2));
}

// Case 19.
#[test]
fn a_stamp_out_of_the_future_is_not_trusted() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    for update in [
        UpdatePolicy::Daily,
        UpdatePolicy::Interval(Duration::from_hours(1)),
    ] {
        let mut user = User::of(&server);
        user.preferences.update = Some(update);
        user.fetch(LATEST).unwrap();
        user.wait(-2 * 24 * 60); // The clock was wrong, and is right now.
        server.take_log();
        assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
        assert_eq!(asked(&server), [VERSIONS]);
        // And now the stamp is right too.
        user.fetch(LATEST).unwrap();
        assert_eq!(asked(&server), [""; 0]);
    }
}

// Case 20; words that are unknown are with the settings.
#[test]
fn metadata_is_asked_for_again_when_its_policy_says() {
    let hour = UpdatePolicy::Interval(Duration::from_hours(1));
    for (update, then, now, is_asked) in [
        (
            UpdatePolicy::Daily,
            "2026-11-23T23:59:00",
            "2026-11-24T00:01:00",
            true,
        ),
        (
            UpdatePolicy::Daily,
            "2026-11-24T00:01:00",
            "2026-11-24T23:59:00",
            false,
        ),
        (hour, "2026-11-24T10:00:00", "2026-11-24T10:59:00", false),
        (hour, "2026-11-24T10:00:00", "2026-11-24T11:01:00", true),
        (
            UpdatePolicy::Never,
            "2026-11-24T10:00:00",
            "2028-11-24T10:00:00",
            false,
        ),
        (
            UpdatePolicy::Always,
            "2026-11-24T10:00:00",
            "2026-11-24T10:00:00",
            true,
        ),
    ] {
        let server = Server::start();
        deploy(&server, &["1.0"]);
        let at = |time: &str| -> ZonedDateTime {
            format!("{time}+01:00[Europe/Stockholm]").parse().unwrap()
        };
        let mut asking = repository("corp", &server.url());
        asking.releases.update = update;
        asking.snapshots.update = update;
        let mut user = User::asking(vec![asking]);
        user.now = at(then);
        user.fetch(LATEST).unwrap();
        server.take_log();
        user.now = at(now);
        user.fetch(LATEST).unwrap();
        assert_eq!(
            !asked(&server).is_empty(),
            is_asked,
            "{update:?} {then} {now}"
        );
    }
}

fn known_to(server: &Server, password: &str) -> User {
    let mut asking = repository("corp", &server.url());
    asking.credentials = Some(Credentials {
        username: "ci".to_owned(),
        password: Secret(password.to_owned()),
    });
    User::asking(vec![asking])
}

/// `ci:repo-secret`, as it travels.
const INTRODUCTION: &str = "Basic Y2k6cmVwby1zZWNyZXQ=";

// Case 21.
#[test]
fn credentials_are_sent_at_once_and_never_refused_first() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    for file in [
        VERSIONS.to_owned(),
        path("1.0"),
        format!("{}.sha1", path("1.0")),
    ] {
        server.answer_differently(&file, |answer| answer.only_to(INTRODUCTION));
    }
    let user = known_to(&server, "repo-secret");
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    let log = server.log();
    assert_eq!(log.len(), 3);
    assert!(
        log.iter()
            .all(|logged| logged.header("authorization") == Some(INTRODUCTION))
    );
}

// Case 21; by the program, with settings, in `settings`.
#[test]
fn wrong_credentials_are_an_error_of_their_own_that_does_not_show_them() {
    let server = Server::start();
    server.script(VERSIONS, [Answer::file("").only_to(INTRODUCTION)]);
    let user = known_to(&server, "wr0ng");
    let error = user.fetch(LATEST).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(
        error.hint().unwrap().contains("settings.xml"),
        "{:?}",
        error.hint()
    );
    assert!(!format!("{error}{error:?}").contains("wr0ng"));
    assert_eq!(server.paths(), [VERSIONS], "once is enough to know");
}

// Case 22.
#[test]
fn a_redirect_is_followed_without_what_is_secret() {
    let (server, other) = (Server::start(), Server::start());
    deploy(&other, &["1.0"]);
    for file in [VERSIONS.to_owned(), path("1.0")] {
        server.script(
            &file,
            [Answer::redirect(
                307,
                &format!("{}{file}?sig=1", other.url()),
            )],
        );
    }
    server.script(
        &format!("{}.sha1", path("1.0")),
        [Answer::file(sha1(&jar("1.0")))],
    );
    let mut user = known_to(&server, "repo-secret");
    user.repositories[0].headers = vec![("Private-Token".to_owned(), Secret("t0ken".to_owned()))];
    let fetched = user.fetch(LATEST).unwrap();
    assert!(content(&fetched) == jar("1.0"));
    for logged in server.log() {
        assert_eq!(logged.header("authorization"), Some(INTRODUCTION));
        assert_eq!(logged.header("private-token"), Some("t0ken"));
    }
    let log = other.log();
    assert_eq!(log.len(), 2);
    for logged in log {
        assert_eq!(
            (
                logged.header("authorization"),
                logged.header("private-token")
            ),
            (None, None)
        );
    }
}

// Case 22; a redirect out of `https` is with the addresses.
#[test]
fn a_redirect_in_a_circle_is_bad_content_after_ten() {
    let server = Server::start();
    server.script(
        &path("1.0"),
        [Answer::redirect(302, &format!("/{}", path("1.0")))],
    );
    let error = User::of(&server).fetch("com.ex:app:1.0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadContent);
    assert!(error.to_string().contains("redirects"), "{error}");
    assert_eq!(server.paths().len(), 11);
}
