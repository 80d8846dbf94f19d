//! Which build of a snapshot is taken.

use maven_fetch::ErrorKind;
use maven_fetch::fetch::Notice;
use maven_fetch::resolve::{Reason, Warning};

use crate::remote::{
    FAT, VERSIONS, app, builds, builds_xml, deploy, deploy_builds, jar, path, put, put_file,
};
use crate::server::{Answer, Server};
use crate::user::{LATEST, User, assert_fresh, assert_version, content, reason, repository};

const BASE: &str = "3.0-SNAPSHOT";
const BUILD_6: &str = "3.0-20240101.030405-6";
const BUILD_7: &str = "3.0-20240102.030405-7";
const BUILD_8: &str = "3.0-20240103.030405-8";
const BUILD_9: &str = "3.0-20240104.030405-9";

/// Asks for the newest build.
const NEWEST: &str = "com.ex:app:3.0-SNAPSHOT";

// Case 7.
#[test]
fn builds_are_asked_for_only_where_the_version_came_from() {
    let (first, second) = (Server::start(), Server::start());
    deploy_builds(&first, BASE, &[BUILD_7]);
    deploy(&second, &["1.0"]);
    second.script(
        &builds(BASE),
        [Answer::file(builds_xml(BASE, &[(FAT, BUILD_9)]))],
    );
    let repositories = vec![
        repository("first", &first.url()),
        repository("second", &second.url()),
    ];
    let user = User::asking(repositories);
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, BUILD_7);
    assert_eq!(
        fetched.path.file_name().unwrap().to_str().unwrap(),
        app(BUILD_7, FAT).file_name()
    );
    assert_eq!(second.paths(), [VERSIONS]);
}

// Case 8.
#[test]
fn the_build_is_that_of_the_very_file_and_not_the_newest_of_all() {
    let server = Server::start();
    deploy_builds(&server, BASE, &[BUILD_7]);
    let files = [("sources", BUILD_6), (FAT, BUILD_7), ("javadoc", BUILD_8)];
    server.script(&builds(BASE), [Answer::file(builds_xml(BASE, &files))]);
    put_file(
        &server,
        &app(BUILD_6, "sources").path(),
        &jar("the sources"),
    );
    let user = User::of(&server);
    let fetched = user.fetch(NEWEST).unwrap();
    assert_fresh(&fetched, BUILD_7);
    let expected = Warning::OlderBuild {
        taken: BUILD_7.to_owned(),
        newest: BUILD_8.to_owned(),
    };
    let told = |notice: &Notice| matches!(notice, Notice::Resolve(warning) if *warning == expected);
    assert!(fetched.notices.iter().any(told), "{:?}", fetched.notices);
    let sources = user.fetch("com.ex:app:3.0-SNAPSHOT:jar:sources").unwrap();
    assert_eq!(sources.artifact.version, BUILD_6);
    assert!(content(&sources) == jar("the sources"));
}

/// Metadata without a list of files.
fn old_form(snapshot: &str) -> String {
    format!(
        "<metadata><groupId>com.ex</groupId><artifactId>app</artifactId><version>{BASE}</version>\
         <versioning><snapshot>{snapshot}</snapshot><lastUpdated>20240102030405</lastUpdated>\
         </versioning></metadata>"
    )
}

// Case 9.
#[test]
fn without_a_list_of_files_the_build_is_made_of_time_and_number() {
    let server = Server::start();
    put(&server, BUILD_7);
    let snapshot = "<timestamp>20240102.030405</timestamp><buildNumber>7</buildNumber>";
    server.script(&builds(BASE), [Answer::file(old_form(snapshot))]);
    let user = User::of(&server);
    assert_fresh(&user.fetch(NEWEST).unwrap(), BUILD_7);
}

// Case 9. The name is taken over by the next build: what is handed out is a copy that stays.
#[test]
fn a_build_without_a_time_stamp_is_handed_out_as_a_copy_that_stays() {
    for snapshot in [
        "<localCopy>true</localCopy>",
        "<buildNumber>0</buildNumber>",
    ] {
        let server = Server::start();
        server.script(&builds(BASE), [Answer::file(old_form(snapshot))]);
        put_file(&server, &path(BASE), &jar("first"));
        let user = User::eager(&server);
        let first = user.fetch(NEWEST).unwrap();
        assert_eq!(first.artifact.version, BASE);
        assert!(content(&first) == jar("first"));

        put_file(&server, &path(BASE), &jar("second"));
        let second = user.fetch(NEWEST).unwrap();
        assert!(content(&second) == jar("second"));
        assert!(
            content(&first) == jar("first"),
            "a job still has this one open"
        );
    }
}

// Case 10.
#[test]
fn if_the_newest_build_lacks_the_file_the_build_before_is_taken_and_told() {
    let server = Server::start();
    deploy_builds(&server, BASE, &[BUILD_7]);
    let mut user = User::eager(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), BUILD_7);
    let before = user.files();
    server.script(
        &builds(BASE),
        [Answer::file(builds_xml(BASE, &[("sources", BUILD_8)]))],
    );

    let fetched = user.fetch(LATEST).unwrap();
    assert_version(&fetched, BUILD_7);
    assert_eq!(
        *reason(&fetched),
        Reason::ClassifierMissing {
            newest: BUILD_8.to_owned()
        }
    );
    assert_eq!(before[&path(BUILD_7)], user.files()[&path(BUILD_7)]);

    user.preferences.tolerance.strict = true;
    let error = user.fetch(LATEST).unwrap_err();
    assert!(error.to_string().contains(BUILD_8), "{error}");
    let ended = user.run(&[LATEST, "--update=always", "--strict"]);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert_eq!(
        user.run(&[LATEST, "--update=always"]).path(),
        user.m2().join(path(BUILD_7))
    );
}

// Case 10, with nothing to go on with.
#[test]
fn a_file_that_no_build_has_is_not_found_with_the_files_that_there_are() {
    let server = Server::start();
    deploy_builds(&server, BASE, &[BUILD_7]);
    let user = User::of(&server);
    let error = user.fetch("com.ex:app:3.0-SNAPSHOT:jar:tests").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(BUILD_7), "{error}");
    assert!(error.hint().unwrap().contains(FAT), "{:?}", error.hint());
}

// Case 11.
#[test]
fn a_build_that_is_asked_for_by_name_needs_no_metadata() {
    let server = Server::start();
    deploy_builds(&server, BASE, &[BUILD_7, BUILD_8]);
    let user = User::of(&server);
    let fetched = user.fetch(&format!("com.ex:app:{BUILD_7}")).unwrap();
    assert_fresh(&fetched, BUILD_7);
    assert_eq!(fetched.path, user.m2().join(path(BUILD_7)));
    assert!(path(BUILD_7).starts_with("com/ex/app/3.0-SNAPSHOT/"));
    assert_eq!(
        server.paths(),
        [path(BUILD_7), format!("{}.sha1", path(BUILD_7))]
    );
}

// Case 35: it was cleaned away, or is being deployed.
#[test]
fn a_build_that_is_named_and_missing_is_asked_for_once_more_and_then_the_one_before_is_taken() {
    let server = Server::start();
    deploy_builds(&server, BASE, &[BUILD_7]);
    let mut user = User::eager(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), BUILD_7);
    deploy_builds(&server, BASE, &[BUILD_7, BUILD_8]);
    server.script(&path(BUILD_8), [Answer::status(404)]);
    server.take_log();

    let fetched = user.fetch(LATEST).unwrap();
    assert_version(&fetched, BUILD_7);
    assert!(matches!(reason(&fetched), Reason::Unavailable { version, .. } if version == BUILD_8));
    let log = server.take_log();
    let again: Vec<_> = log
        .iter()
        .filter(|logged| logged.path() == builds(BASE))
        .collect();
    assert_eq!(again.len(), 2);
    assert_eq!(again[1].header("cache-control"), Some("no-cache"));
    assert_eq!(again[1].header("if-none-match"), None);
    assert_eq!(
        log.iter()
            .filter(|logged| logged.path() == path(BUILD_8))
            .count(),
        1
    );

    // Once it is there, it is taken.
    put(&server, BUILD_8);
    user.wait(1);
    assert_fresh(&user.fetch(LATEST).unwrap(), BUILD_8);
}

// Case 35.
#[test]
fn if_the_second_question_names_another_build_that_is_taken() {
    let server = Server::start();
    deploy_builds(&server, BASE, &[BUILD_8, BUILD_9]);
    server.script(&path(BUILD_8), [Answer::status(404)]);
    let answer = |build| Answer::file(builds_xml(BASE, &[(FAT, build)]));
    server.script(&builds(BASE), [answer(BUILD_8), answer(BUILD_9)]);
    let user = User::of(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), BUILD_9);
}

// Case 16, for a snapshot: nothing but the build moved.
#[test]
fn a_new_build_costs_its_metadata_and_one_jar() {
    let server = Server::start();
    deploy_builds(&server, BASE, &[BUILD_7]);
    let mut user = User::eager(&server);
    user.fetch(LATEST).unwrap();
    let versions = Answer::file(crate::remote::versions_xml(&crate::remote::Versions {
        latest: BASE,
        release: "2.0",
        listed: &["2.0", BASE],
        updated: "20240102030405",
    }));
    deploy_builds(&server, BASE, &[BUILD_7, BUILD_8]);
    server.script(VERSIONS, [versions]);
    server.take_log();
    user.wait(1);
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, BUILD_8);
    let mut paths = server.paths();
    paths.sort();
    let mut expected = [
        VERSIONS.to_owned(),
        builds(BASE),
        path(BUILD_8),
        format!("{}.sha1", path(BUILD_8)),
    ];
    expected.sort();
    assert_eq!(paths, expected);
    assert_eq!(fetched.requests, 4);
}
