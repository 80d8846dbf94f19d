//! Which version is taken.

use maven_fetch::ErrorKind;
use maven_fetch::fetch::Notice;
use maven_fetch::resolve::Warning;

use crate::remote::{VERSIONS, Versions, announce, deploy, path, put, versions_xml};
use crate::server::{Answer, Server};
use crate::user::{LATEST, User, assert_fresh, assert_version, reason, repository, tree};

// Case 2.
#[test]
fn a_version_that_leads_out_of_the_repository_is_refused_and_nothing_is_written() {
    for (latest, release) in [("../../../etc/x", ""), ("", "1.0/../../x"), ("..", "1.0")] {
        let server = Server::start();
        deploy(&server, &["1.0"]);
        let hostile = Versions {
            latest,
            release,
            listed: &["1.0"],
            updated: "20990101000000",
        };
        announce(&server, &hostile);
        let text = if latest.is_empty() {
            "com.ex:app:RELEASE"
        } else {
            LATEST
        };
        let mut user = User::eager(&server);
        let error = user.fetch(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadContent, "{error}");
        assert!(error.to_string().contains(VERSIONS), "{error}");
        assert_eq!(user.final_names(), [""; 0]);
        let is_ours = |name: &String| name.starts_with("cache/") || name.ends_with("settings.xml");
        assert!(tree(user.home()).keys().all(is_ours));

        // With something to go on with, that is taken.
        deploy(&server, &["1.0"]);
        assert_fresh(&user.fetch(text).unwrap(), "1.0");
        announce(&server, &hostile);
        let before = tree(user.m2());
        user.wait(1);
        let fetched = user.fetch(text).unwrap();
        assert_version(&fetched, "1.0");
        reason(&fetched);
        assert!(tree(user.m2()) == before);
    }
}

// Case 4.
#[test]
fn the_release_is_not_the_latest_if_that_is_a_snapshot() {
    let server = Server::start();
    put(&server, "2.0");
    announce(
        &server,
        &Versions {
            latest: "3.0-SNAPSHOT",
            release: "2.0",
            listed: &["2.0", "3.0-SNAPSHOT"],
            updated: "20240102030405",
        },
    );
    let user = User::of(&server);
    assert_fresh(&user.fetch("com.ex:app:RELEASE").unwrap(), "2.0");
}

// Case 5.
#[test]
fn without_a_latest_the_release_is_taken_and_without_both_the_highest_with_a_warning() {
    for (release, expected, is_warned) in [("1.0", "1.0", false), ("", "1.1", true)] {
        let server = Server::start();
        deploy(&server, &["1.1", "1.0"]);
        announce(
            &server,
            &Versions {
                release,
                listed: &["1.1", "1.0"],
                ..Versions::default()
            },
        );
        let user = User::of(&server);
        let fetched = user.fetch(LATEST).unwrap();
        assert_fresh(&fetched, expected);
        let warned = |notice: &Notice| matches!(notice, Notice::Resolve(Warning::NotNamed { version }) if version == expected);
        assert_eq!(
            fetched.notices.iter().any(warned),
            is_warned,
            "{:?}",
            fetched.notices
        );
    }
}

// Case 6.
#[test]
fn the_word_that_was_written_last_counts_and_a_higher_version_elsewhere_is_told() {
    let (first, second) = (Server::start(), Server::start());
    deploy(&first, &["1.0", "2.0"]);
    deploy(&second, &["1.0", "1.05", "1.1"]);
    let repositories = vec![
        repository("first", &first.url()),
        repository("second", &second.url()),
    ];
    let user = User::asking(repositories);
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, "1.1");
    assert_eq!(fetched.repository.as_deref(), Some("second"));
    let expected = Warning::HigherListed {
        taken: "1.1".to_owned(),
        higher: "2.0".to_owned(),
        repository: "first".to_owned(),
    };
    let told = |notice: &Notice| matches!(notice, Notice::Resolve(warning) if *warning == expected);
    assert!(fetched.notices.iter().any(told), "{:?}", fetched.notices);
}

// Case 12.
#[test]
fn a_range_takes_the_highest_version_in_it_and_no_snapshot_at_its_end() {
    let server = Server::start();
    let listed = ["1.0", "1.1", "1.2-rc1", "2.0", "2.0-SNAPSHOT"];
    deploy(&server, &listed);
    let user = User::of(&server);
    for (range, expected) in [
        ("[1.0,2.0)", "1.2-rc1"),
        ("(,1.0]", "1.0"),
        ("[1.0,1.1],[2.0,)", "2.0"),
    ] {
        assert_fresh(
            &user.fetch(&format!("com.ex:app:{range}")).unwrap(),
            expected,
        );
    }
    let error = user.fetch("com.ex:app:[3,)").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("`2.0`"), "{error}");
}

// Case 12.
#[test]
fn a_range_of_one_version_needs_no_metadata() {
    let server = Server::start();
    deploy(&server, &["1.0", "1.1"]);
    let user = User::of(&server);
    assert_fresh(&user.fetch("com.ex:app:[1.0]").unwrap(), "1.0");
    assert_eq!(
        server.paths(),
        [path("1.0"), format!("{}.sha1", path("1.0"))]
    );
}

#[test]
fn an_exact_release_comes_from_the_first_repository_that_has_it_though_another_is_down() {
    let (down, empty, server) = (Server::start(), Server::start(), Server::start());
    deploy(&server, &["1.0"]);
    let down_url = down.url();
    drop(down);
    let user = User::asking(vec![
        repository("down", &down_url),
        repository("empty", &empty.url()),
        repository("corp", &server.url()),
    ]);
    let fetched = user.fetch("com.ex:app:1.0").unwrap();
    assert_fresh(&fetched, "1.0");
    assert_eq!(fetched.repository.as_deref(), Some("corp"));
    assert_eq!(empty.paths(), [path("1.0")]);
}

#[test]
fn what_no_repository_has_is_not_found_with_all_that_was_tried() {
    let (first, second) = (Server::start(), Server::start());
    let user = User::asking(vec![
        repository("first", &first.url()),
        repository("second", &second.url()),
    ]);
    for (text, file) in [
        ("com.ex:app:1.0", path("1.0")),
        (LATEST, VERSIONS.to_owned()),
    ] {
        let ended = user.run(&[text]);
        assert_eq!(ended.code, Some(69), "{ended:?}");
        for server in [&first, &second] {
            let url = format!("{}{file}", server.url());
            assert!(ended.stderr.contains(&url), "{url} in {}", ended.stderr);
        }
        assert!(ended.stderr.contains("404"), "{}", ended.stderr);
    }
    // Nothing was noted that would hold off the next call.
    deploy(&second, &["1.0"]);
    assert_fresh(&user.fetch("com.ex:app:1.0").unwrap(), "1.0");
}

#[test]
fn a_claimed_group_comes_from_nowhere_else_whatever_is_said_there() {
    let (ours, foreign) = (Server::start(), Server::start());
    deploy(&ours, &["1.0"]);
    deploy(&foreign, &["1.0", "99.0"]);
    foreign.script(
        VERSIONS,
        [Answer::file(versions_xml(&Versions {
            latest: "99.0",
            release: "99.0",
            listed: &["99.0"],
            updated: "20990101000000",
        }))],
    );
    let mut claimed = repository("ours", &ours.url());
    claimed.groups = vec!["com.ex".to_owned()];
    let user = User::asking(vec![repository("foreign", &foreign.url()), claimed]);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    assert_eq!(foreign.paths(), [""; 0]);
}
