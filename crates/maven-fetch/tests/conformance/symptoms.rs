//! What once went wrong, each under its symptom.

use std::time::Duration;

use maven_fetch::ErrorKind;
use maven_fetch::fetch::Budget;
use maven_fetch::repository::{Credentials, Secret};
use maven_fetch::resolve::{Freshness, Tolerance};

use crate::remote::{VERSIONS, Versions, deploy, jar, path, versions_xml};
use crate::server::{Answer, Server};
use crate::user::{LATEST, User, assert_fresh, assert_version, content};

/// Replaces the jar of a version by another sound one, as another program does that fetched it again.
fn replace(user: &User, version: &str, by: &[u8]) {
    let target = user.m2().join(path(version));
    let new = target.with_extension("new");
    fs_err::write(&new, by).unwrap();
    fs_err::rename(&new, &target).unwrap();
}

#[test]
fn a_jar_that_another_program_fetched_again_is_not_moved_away() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let mut user = User::eager(&server);
    user.fetch("com.ex:app:1.0").unwrap();
    let other = jar("another 1.0");
    replace(&user, "1.0", &other);
    user.preferences.offline = true;
    let fetched = user.fetch("com.ex:app:1.0").unwrap();
    assert_eq!(content(&fetched), other);
    assert_eq!(fetched.notices.len(), 1, "{:?}", fetched.notices);
    assert!(user.final_names().iter().all(|name| !name.contains("bad")));
}

#[test]
fn a_jar_that_was_changed_here_is_compared_with_the_repository_and_fetched_again() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = User::eager(&server);
    user.fetch("com.ex:app:1.0").unwrap();
    replace(&user, "1.0", &jar("another 1.0"));
    let fetched = user.fetch("com.ex:app:1.0").unwrap();
    assert_fresh(&fetched, "1.0");
    assert!(fetched.downloaded);
    // One that is right after all is kept.
    replace(&user, "1.0", &jar("1.0"));
    let fetched = user.fetch("com.ex:app:1.0").unwrap();
    assert_fresh(&fetched, "1.0");
    assert!(!fetched.downloaded);
}

#[test]
fn a_replica_that_lags_behind_does_not_lower_the_version() {
    let server = Server::start();
    deploy(&server, &["1.0", "1.1"]);
    let user = User::eager(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.1");
    let older = versions_xml(&Versions {
        latest: "1.0",
        release: "1.0",
        listed: &["1.0"],
        updated: "20000101000000",
    });
    server.script(VERSIONS, [Answer::file(older)]);
    let fetched = user.fetch(LATEST).unwrap();
    assert_version(&fetched, "1.1");
    assert_ne!(fetched.freshness, Freshness::Fresh);
}

#[test]
fn a_checksum_that_cannot_be_asked_for_does_not_count_as_absent() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let jar_path = path("1.0");
    server.script(&jar_path, [Answer::file(jar("damaged"))]);
    for sidecar in ["sha1", "sha256", "sha512", "md5"] {
        server.script(&format!("{jar_path}.{sidecar}"), [Answer::status(503)]);
    }
    let user = User::of(&server);
    let error = user.fetch(LATEST).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(!user.m2().join(&jar_path).exists());
}

#[test]
fn credentials_are_not_sent_to_a_path_that_another_host_chose() {
    let server = Server::start();
    let other = Server::start();
    server.script(
        VERSIONS,
        [Answer::redirect(302, &format!("{}detour", other.url()))],
    );
    other.script(
        "detour",
        [Answer::redirect(302, &format!("{}chosen", server.url()))],
    );
    server.script("chosen", [Answer::status(404)]);
    let mut user = User::of(&server);
    user.repositories[0].credentials = Some(Credentials {
        username: "etl".to_owned(),
        password: Secret("hush".to_owned()),
    });
    user.fetch(LATEST).unwrap_err();
    let log = server.log();
    let of = |path: &str| log.iter().find(|request| request.path() == path).unwrap();
    assert!(of(VERSIONS).header("authorization").is_some());
    assert_eq!(of("chosen").header("authorization"), None);
}

#[test]
fn an_installation_is_seen_whatever_its_files_say_about_their_time() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = User::of(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    let directory = user.m2().join("com/ex/app");
    let jar_path = user.m2().join(path("2.0"));
    fs_err::create_dir_all(jar_path.parent().unwrap()).unwrap();
    fs_err::write(&jar_path, jar("2.0")).unwrap();
    let installed = directory.join("maven-metadata-local.xml");
    let xml = versions_xml(&Versions {
        latest: "2.0",
        release: "2.0",
        listed: &["2.0"],
        updated: "20990101000000",
    });
    fs_err::write(&installed, xml).unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let file = fs_err::File::options()
        .write(true)
        .open(&installed)
        .unwrap();
    file.file().set_modified(long_ago).unwrap();
    assert_version(&user.fetch(LATEST).unwrap(), "2.0");
}

#[test]
fn what_is_here_is_taken_though_it_is_higher_than_what_is_named_and_cannot_be_had() {
    let server = Server::start();
    deploy(&server, &["2.0"]);
    let user = User::eager(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), "2.0");
    let back = versions_xml(&Versions {
        latest: "1.5",
        release: "1.5",
        listed: &["1.5"],
        updated: "20990101000000",
    });
    server.script(VERSIONS, [Answer::file(back)]);
    for status in [404, 503] {
        server.script(&path("1.5"), [Answer::status(status)]);
        assert_version(&user.fetch(LATEST).unwrap(), "2.0");
    }
}

#[test]
fn nobody_is_spared_when_what_is_here_is_not_what_is_wanted() {
    let server = Server::start();
    deploy(&server, &["1.0", "2.0"]);
    let user = User::eager(&server);
    user.fetch("com.ex:app:1.0").unwrap();
    // The host has just been down.
    server.script("com/ex/other/maven-metadata.xml", [Answer::status(503)]);
    user.fetch("com.ex:other").unwrap_err();
    assert_fresh(&user.fetch("com.ex:app:[1.5,3.0)").unwrap(), "2.0");
}

#[test]
fn strict_asks_a_host_that_has_just_been_down() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let mut user = User::eager(&server);
    user.fetch(LATEST).unwrap();
    server.answer_first(VERSIONS, Answer::status(503));
    server.answer_first(VERSIONS, Answer::status(503));
    server.answer_first(VERSIONS, Answer::status(503));
    assert_version(&user.fetch(LATEST).unwrap(), "1.0");
    user.preferences.tolerance = Tolerance {
        strict: true,
        age_max: Duration::MAX,
    };
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
}

#[test]
fn a_fault_of_one_file_does_not_keep_others_from_its_host() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = User::eager(&server);
    user.fetch(LATEST).unwrap();
    server.script("com/ex/other/maven-metadata.xml", [Answer::status(500)]);
    user.fetch("com.ex:other").unwrap_err();
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
}

#[test]
fn redirects_do_not_begin_the_budget_anew() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let mut user = User::eager(&server);
    user.fetch(LATEST).unwrap();
    let pause = Duration::from_millis(300);
    let hop = |number: u32| format!("hop/{number}");
    server.script(
        VERSIONS,
        [Answer::redirect(302, &format!("/{}", hop(0))).after(pause)],
    );
    for number in 0..8 {
        let next = format!("/{}", hop(number + 1));
        server.script(&hop(number), [Answer::redirect(302, &next).after(pause)]);
    }
    user.preferences.budget = Budget {
        metadata_with_cached: Duration::from_secs(1),
        ..Budget::default()
    };
    assert_version(&user.fetch(LATEST).unwrap(), "1.0");
    let hops = server
        .paths()
        .iter()
        .filter(|path| path.starts_with("hop/"))
        .count();
    assert!(hops < 6, "{hops} hops of 300 ms within a second");
}
