//! Repositories that do not say what they have: what is here stays and is taken.

use std::net::TcpListener;
use std::time::Duration;

use maven_fetch::ErrorKind;
use maven_fetch::repository::UpdatePolicy;
use maven_fetch::resolve::{Reason, Trouble};

use crate::remote::{VERSIONS, Versions, announce, deploy, jar, path, sha1, versions_xml};
use crate::server::{Answer, Server, closed_port};
use crate::user::{LATEST, User, assert_fresh, assert_version, each, reason, repository};

/// Someone who has fetched 1.0.
fn with_cached(server: &Server) -> User {
    deploy(server, &["1.0"]);
    let user = User::eager(server);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    user
}

/// Fetches while something is wrong: the same version, stale, and not a byte is other than before.
fn fetch_stale(user: &User, what: &str) -> Reason {
    let before = user.files();
    let fetched = user
        .fetch(LATEST)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_version(&fetched, "1.0");
    assert!(user.files() == before, "{what}");
    reason(&fetched).clone()
}

// Case 30. Maven deletes its copy and fails.
#[test]
fn metadata_that_is_gone_does_not_take_away_what_is_here() {
    for status in [404, 410] {
        let server = Server::start();
        let mut user = with_cached(&server);
        server.script(VERSIONS, [Answer::status(status)]);
        for _ in 0..2 {
            let expected = Reason::Repository {
                id: "corp".to_owned(),
                trouble: Trouble::NotFound,
            };
            assert_eq!(fetch_stale(&user, "gone"), expected);
        }
        let ended = user.run(&[LATEST, "--update=always"]);
        assert_eq!(ended.path(), user.m2().join(path("1.0")));
        assert!(ended.stderr.contains("may not be the newest"), "{ended:?}");

        deploy(&server, &["1.0", "1.1"]);
        user.wait(1);
        assert_fresh(&user.fetch(LATEST).unwrap(), "1.1");
    }
}

/// Metadata that is of no use, each with a name.
fn useless() -> Vec<(&'static str, Answer)> {
    let newer = versions_xml(&Versions {
        latest: "9.9",
        release: "9.9",
        listed: &["9.9"],
        updated: "20990101000000",
    });
    let (half, _) = newer.split_at(newer.len() / 2);
    let other = newer.replace("<artifactId>app<", "<artifactId>other<");
    let with_right =
        |body: &str| Answer::file(body).header("X-Checksum-Sha1", &sha1(body.as_bytes()));
    vec![
        (
            "cut short",
            Answer::file(newer.as_str()).cut_after(half.len()),
        ),
        (
            "cut short in chunks",
            Answer::file(newer.as_str()).chunked().cut_after(half.len()),
        ),
        ("half of it", Answer::file(half)),
        (
            "half of it, announced whole",
            Answer::file(half).declared_length(newer.len()),
        ),
        ("half of it, with its checksum", with_right(half)),
        ("a login page", Answer::login_page()),
        (
            "a page called XML",
            with_right("<html>Log in</html>").header("Content-Type", "text/xml"),
        ),
        ("nothing", Answer::file("")),
        ("blanks, with their checksum", with_right("  \n")),
        ("another artifact, with its checksum", with_right(&other)),
        (
            "no version",
            with_right("<metadata><versioning/></metadata>"),
        ),
        ("a text", Answer::file("ok")),
        (
            "something in between",
            Answer::file(newer.as_str()).with_status(203),
        ),
        ("a redirect to nowhere", Answer::status(302)),
    ]
}

// Case 31. Maven stores it and fails from then on.
#[test]
fn metadata_that_is_of_no_use_never_replaces_what_is_here() {
    each(&useless(), |(what, answer)| {
        let server = Server::start();
        let mut user = with_cached(&server);
        let metadata = "com/ex/app/maven-metadata-corp.xml";
        let before = user.files()[metadata].clone();
        server.script(VERSIONS, [answer.clone()]);
        let is_corp = |reason| matches!(reason, Reason::Repository { id, .. } if id == "corp");
        assert!(is_corp(fetch_stale(&user, what)), "{what}");
        assert!(user.files()[metadata] == before, "{what}");
        // Nor does it spoil the next calls, also without any repository.
        user.preferences.offline = true;
        assert_eq!(fetch_stale(&user, what), Reason::Offline);
        user.preferences.offline = false;

        deploy(&server, &["1.0", "1.1"]);
        user.wait(6);
        assert_fresh(&user.fetch(LATEST).unwrap(), "1.1");
    });
}

// Case 31, with nothing to go on with.
#[test]
fn metadata_that_is_of_no_use_is_an_error_that_names_it_if_nothing_is_here() {
    each(&useless(), |(what, answer)| {
        let server = Server::start();
        server.script(VERSIONS, [answer.clone()]);
        let user = User::of(&server);
        let error = user.fetch(LATEST).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("{}{VERSIONS}", server.url())),
            "{error}"
        );
        assert!(error.hint().is_some(), "{what}: {error}");
        let expected = match *what {
            // It may work later.
            "cut short" | "cut short in chunks" | "half of it, announced whole" => {
                ErrorKind::Unreachable
            }
            _ => ErrorKind::BadContent,
        };
        assert_eq!(error.kind(), expected, "{what}: {error}");
        assert_eq!(user.final_names(), [""; 0]);
    });
}

// Case 31: metadata and its checksum are two files, and managers make the latter up.
#[test]
fn metadata_with_a_wrong_checksum_is_taken_if_it_makes_sense() {
    let server = Server::start();
    let user = with_cached(&server);
    deploy(&server, &["1.0", "1.1"]);
    server.answer_differently(VERSIONS, |answer| {
        answer.header("X-Checksum-Sha1", &sha1(b"other"))
    });
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, "1.1");
    let told: String = fetched.notices.iter().map(ToString::to_string).collect();
    assert!(
        told.contains(VERSIONS) && told.contains(&sha1(b"other")),
        "{told}"
    );
}

// Case 32.
#[test]
fn a_repository_that_is_down_makes_the_version_stale_and_is_left_alone_for_a_while() {
    let rows = [
        ("500", Answer::status(500), 3),
        ("503", Answer::status(503), 3),
        (
            "503, later",
            Answer::status(503).header("Retry-After", "3600"),
            1,
        ),
        ("429", Answer::status(429), 3),
        (
            "429, later",
            Answer::status(429).header("Retry-After", "5"),
            1,
        ),
        ("closed", Answer::close(), 3),
        ("hanging", Answer::status(200).hang(), 1),
    ];
    each(&rows, |(what, answer, tries)| {
        let server = Server::start();
        let mut user = with_cached(&server);
        user.preferences.budget.metadata_with_cached = Duration::from_secs(2);
        server.script(VERSIONS, [answer.clone()]);
        server.take_log();
        let is_unreachable = |reason: &Reason| {
            matches!(
                reason,
                Reason::Repository {
                    trouble: Trouble::Unreachable(_),
                    ..
                }
            )
        };
        let reason = fetch_stale(&user, what);
        assert!(is_unreachable(&reason), "{what}: {reason:?}");
        assert_eq!(server.take_log().len(), *tries, "{what}");

        // The second call does not wait for a host that is down. One that answers 500 is there:
        // others of its files may be well.
        let is_left_alone = *what != "500";
        let reason = fetch_stale(&user, what);
        assert!(is_unreachable(&reason), "{what}: {reason:?}");
        let told = reason.to_string();
        assert_eq!(
            told.contains("not asked again before"),
            is_left_alone,
            "{what}: {told}"
        );
        let expected = if is_left_alone { 0 } else { *tries };
        assert_eq!(server.take_log().len(), expected, "{what}");

        // Unless a person does.
        deploy(&server, &["1.0", "1.1"]);
        user.preferences.attended = true;
        assert_fresh(&user.fetch(LATEST).unwrap(), "1.1");
    });
}

// Case 32: nobody listens, nobody accepts, nobody encrypts.
#[test]
fn a_repository_that_cannot_be_connected_to_makes_the_version_stale() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let plain = Server::start();
    let rows = [
        ("refused", format!("http://127.0.0.1:{}/", closed_port())),
        (
            "silent",
            format!("http://{}/", silent.local_addr().unwrap()),
        ),
        ("not encrypted", plain.url().replace("http:", "https:")),
        ("no such host", "http://repository.invalid/".to_owned()),
    ];
    each(&rows, |(what, url)| {
        let server = Server::start();
        let mut user = with_cached(&server);
        user.preferences.budget.metadata_with_cached = Duration::from_secs(1);
        user.repositories = vec![repository("corp", url)];
        for _ in 0..2 {
            let reason = fetch_stale(&user, what);
            let expected = |reason: &Reason| {
                matches!(
                    reason,
                    Reason::Repository {
                        trouble: Trouble::Unreachable(_),
                        ..
                    }
                )
            };
            assert!(expected(&reason), "{what}: {reason:?}");
        }
        if *what != "silent" {
            // Who is strict waits long.
            let ended = user.run(&[LATEST, "--update=always", "--strict"]);
            assert_eq!(ended.code, Some(69), "{what}: {ended:?}");
        }
    });
}

#[test]
fn a_repository_that_refuses_us_makes_the_version_stale_and_says_whom_to_ask() {
    for status in [401, 403] {
        let server = Server::start();
        let user = with_cached(&server);
        server.script(VERSIONS, [Answer::status(status)]);
        let reason = fetch_stale(&user, "refused");
        let is_refused = matches!(
            &reason,
            Reason::Repository {
                trouble: Trouble::Refused(_),
                ..
            }
        );
        assert!(
            is_refused && reason.to_string().contains(&status.to_string()),
            "{reason}"
        );
    }
}

#[test]
fn a_directory_that_is_not_mounted_is_no_empty_repository() {
    let mount = tempfile::tempdir().unwrap();
    let root = mount.path().join("maven");
    let write = |path: &str, content: &[u8]| {
        let file = root.join(path);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, content).unwrap();
    };
    let versions = Versions {
        latest: "1.0",
        release: "1.0",
        listed: &["1.0"],
        updated: "20240101000000",
    };
    write(VERSIONS, versions_xml(&versions).as_bytes());
    write(&path("1.0"), &jar("1.0"));
    let mut user = User::asking(vec![repository(
        "nfs",
        &format!("file://{}/", root.display()),
    )]);
    user.preferences.update = Some(UpdatePolicy::Always);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    fs_err::rename(&root, mount.path().join("elsewhere")).unwrap();
    let is_unreachable = |reason: &Reason| {
        matches!(
            reason,
            Reason::Repository {
                trouble: Trouble::Unreachable(_),
                ..
            }
        )
    };
    let reason = fetch_stale(&user, "not mounted");
    assert!(is_unreachable(&reason), "{reason:?}");
    let ended = user.run(&["com.ex:app:1.1"]);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(ended.stderr.contains(&*root.to_string_lossy()), "{ended:?}");
    fs_err::rename(mount.path().join("elsewhere"), &root).unwrap();
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
}

// A higher version that was taken while another repository was down is no certain answer; but the
// certain one before it is no longer what is known.
#[test]
fn what_was_taken_while_a_repository_was_down_is_not_given_up_when_nobody_is_asked() {
    let (x, y) = (Server::start(), Server::start());
    deploy(&x, &["1.0"]);
    let mut user = User::asking(vec![repository("x", &x.url()), repository("y", &y.url())]);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    deploy(&x, &["1.0", "2.0"]);
    y.script(VERSIONS, [Answer::status(500)]);
    user.preferences.update = Some(UpdatePolicy::Always);
    let fetched = user.fetch(LATEST).unwrap();
    assert_version(&fetched, "2.0");
    assert!(matches!(reason(&fetched), Reason::Repository { id, .. } if id == "y"));
    for update in [None, Some(UpdatePolicy::Never)] {
        user.preferences.update = update;
        let fetched = user.fetch(LATEST).unwrap();
        assert_version(&fetched, "2.0");
        reason(&fetched);
    }
    y.script(VERSIONS, [Answer::status(404)]);
    user.wait(6);
    assert_fresh(&user.fetch(LATEST).unwrap(), "2.0");
}

#[test]
fn what_is_too_stale_is_an_error_by_age_or_strictness() {
    let server = Server::start();
    let mut user = with_cached(&server);
    server.script(VERSIONS, [Answer::status(500)]);
    user.preferences.tolerance.age_max = Duration::from_hours(48);
    user.wait(47 * 60);
    fetch_stale(&user, "young enough");
    user.wait(2 * 60);
    let before = user.files();
    let error = user.fetch(LATEST).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(user.files() == before);
    user.preferences.tolerance.age_max = Duration::from_hours(50);
    fetch_stale(&user, "old, and tolerated");
    user.preferences.tolerance.strict = true;
    user.fetch(LATEST).unwrap_err();
    // A release that is asked for by name cannot be out of date.
    assert_fresh(&user.fetch("com.ex:app:1.0").unwrap(), "1.0");
}

/// Someone who got 2.0 from `x`, while `y` has only 1.1.
fn with_two() -> (Server, Server, User) {
    let (x, y) = (Server::start(), Server::start());
    deploy(&x, &["1.0", "1.1", "2.0"]);
    deploy(&y, &["1.0", "1.1"]);
    let mut user = User::eager(&x);
    user.repositories = vec![repository("x", &x.url()), repository("y", &y.url())];
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, "2.0");
    assert_eq!(fetched.repository.as_deref(), Some("x"));
    (x, y, user)
}

// Case 36.
#[test]
fn a_version_does_not_go_down_because_the_repository_that_has_it_is_down() {
    for status in [404, 403, 500] {
        let (x, _y, mut user) = with_two();
        x.script(VERSIONS, [Answer::status(status)]);
        let fetched = user.fetch(LATEST).unwrap();
        assert_version(&fetched, "2.0");
        assert!(matches!(reason(&fetched), Reason::Repository { id, .. } if id == "x"));

        // Also if someone deleted what it said.
        fs_err::remove_file(user.m2().join("com/ex/app/maven-metadata-x.xml")).unwrap();
        fs_err::remove_dir_all(user.home().join("cache/v1/files")).unwrap();
        user.wait(6);
        let fetched = user.fetch(LATEST).unwrap();
        assert_version(&fetched, "2.0");
        let expected = Reason::WouldDowngrade {
            repository: "x".to_owned(),
            offered: "1.1".to_owned(),
        };
        assert_eq!(*reason(&fetched), expected);

        deploy(&x, &["1.0", "1.1", "2.0", "2.1"]);
        user.wait(6);
        assert_fresh(&user.fetch(LATEST).unwrap(), "2.1");
    }
}

// Case 36.
#[test]
fn a_version_that_its_repository_withdraws_is_not_kept() {
    let (x, _y, mut user) = with_two();
    deploy(&x, &["1.0"]);
    announce(
        &x,
        &Versions {
            latest: "1.0",
            release: "1.0",
            listed: &["1.0"],
            updated: "20240201000000",
        },
    );
    user.wait(1);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
}
