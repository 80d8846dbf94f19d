//! The three orders, what is rejected, and that nothing accepted leaves a repository.

use std::path::{Component, Path};

use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

/// Those of a program that runs fat jars.
fn fat_jars() -> Defaults {
    Defaults {
        version: Some("LATEST".to_owned()),
        packaging: "jar".to_owned(),
        classifier: Some("jar-with-dependencies".to_owned()),
    }
}

fn printed(text: &str) -> String {
    Coordinates::parse(text, &fat_jars()).unwrap().to_string()
}

#[test]
fn the_three_orders_say_the_same() {
    for text in [
        "com.ex:app:1.0:jar:c",
        "com.ex:app:jar:c:1.0",
        "com.ex:app:1.0:c@jar",
        "com.ex:app:1.0:fatjar:c",
    ] {
        assert_eq!(printed(text), "com.ex:app:1.0:jar:c", "{text}");
    }
}

#[test]
fn what_is_not_said_has_its_default() {
    for (text, expected) in [
        ("com.ex:app", "com.ex:app:LATEST:jar:jar-with-dependencies"),
        ("com.ex:app:1.0", "com.ex:app:1.0:jar:jar-with-dependencies"),
        (
            "com.ex:app:1.0:war",
            "com.ex:app:1.0:war:jar-with-dependencies",
        ),
        (
            "com.ex:app:jar:1.0",
            "com.ex:app:1.0:jar:jar-with-dependencies",
        ),
        (
            "com.ex:app@zip",
            "com.ex:app:LATEST:zip:jar-with-dependencies",
        ),
        (
            "com.ex:app:1.0@nupkg",
            "com.ex:app:1.0:nupkg:jar-with-dependencies",
        ),
        ("com.ex:app:1.0:jar:", "com.ex:app:1.0:jar:"),
        ("com.ex:app:1.0:jar:-", "com.ex:app:1.0:jar:"),
        ("com.ex:app:jar::1.0", "com.ex:app:1.0:jar:"),
        ("com.ex:app:1.0:test-jar", "com.ex:app:1.0:jar:tests"),
        ("com.ex:app:1.0:ejb-client", "com.ex:app:1.0:jar:client"),
        ("com.ex:app:1.0:java-source", "com.ex:app:1.0:jar:sources"),
        ("com.ex:app:1.0:javadoc", "com.ex:app:1.0:jar:javadoc"),
        ("com.ex:app:1.0:javadoc:other", "com.ex:app:1.0:jar:other"),
        ("com.ex:app:1.0:bundle:c", "com.ex:app:1.0:jar:c"),
        ("com.ex:app:1.0:tar.gz:c", "com.ex:app:1.0:tar.gz:c"),
    ] {
        assert_eq!(printed(text), expected, "{text}");
    }
}

#[test]
fn without_a_default_the_version_must_be_said() {
    let error = Coordinates::parse("com.ex:app", &Defaults::default()).unwrap_err();
    assert_eq!(
        error,
        CoordinatesError::NoVersion {
            text: "com.ex:app".to_owned()
        }
    );
    let plain = Coordinates::parse("com.ex:app:1.0", &Defaults::default()).unwrap();
    assert_eq!(plain.to_string(), "com.ex:app:1.0:jar:");
}

#[test]
fn what_kind_of_version_it_is_shows_in_its_text() {
    let exact = |text: &str| VersionRequest::Exact(text.to_owned());
    let snapshot = |text: &str| VersionRequest::Snapshot(text.to_owned());
    for (text, expected) in [
        ("LATEST", VersionRequest::Latest),
        ("RELEASE", VersionRequest::Release),
        ("latest", exact("latest")),
        ("1.0", exact("1.0")),
        ("3.0-20240102.030405-7", exact("3.0-20240102.030405-7")),
        ("3.0-SNAPSHOT", snapshot("3.0-SNAPSHOT")),
        ("SNAPSHOT", snapshot("SNAPSHOT")),
        ("[1.0,2.0)", VersionRequest::Range("[1.0,2.0)".to_owned())),
        ("(,2.0]", VersionRequest::Range("(,2.0]".to_owned())),
        ("[1.0]", exact("1.0")),
        ("[1.0-SNAPSHOT]", snapshot("1.0-SNAPSHOT")),
    ] {
        assert_eq!(VersionRequest::of(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_coordinates_is_a_usage_error_that_names_the_cause() {
    let report = |text: &str| {
        let error = Coordinates::parse(text, &fat_jars()).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Usage);
        format!("{error} | {}", error.hint().unwrap_or_default())
    };
    let reports = [
        "app.jar",
        "a:b:c:jar:d:e",
        ":app:1.0",
        "com.ex::1.0",
        "com.ex:app:",
        "com.ex:app:1.0::c",
        "com.ex:app:1.0:jar-with-dependencies",
        "com.ex:app:1.0:c:jar",
        "com.ex:app:1.0:nupkg:c",
        "com.ex:app:1.0 beta",
        "com.ex:../../etc:1.0",
        "com.ex:..:1.0",
        "com..ex:app:1.0",
        ".com:app:1.0",
        "com.ex:app:..",
        "com.ex:app:-o",
        "com.ex:app:1.0:jar:a\\b",
        "com.ex:app:[1.0",
        "com.ex:app:1.0@",
        "com.ex:app:1.0:jar:c:x@jar",
    ]
    .map(report);
    insta::assert_snapshot!(reports.join("\n"), @r"
    `app.jar` has 1 fields, where coordinates have 2 to 5 | coordinates are `group:artifact:version:packaging:classifier`
    `a:b:c:jar:d:e` has 6 fields, where coordinates have 2 to 5 | coordinates are `group:artifact:version:packaging:classifier`
    the group is empty | coordinates are `group:artifact:version:packaging:classifier`
    the artifact is empty | coordinates are `group:artifact:version:packaging:classifier`
    the version is empty | only the classifier may be empty, which means none
    the packaging is empty | only the classifier may be empty, which means none
    `jar-with-dependencies` in `com.ex:app:1.0:jar-with-dependencies` is not a packaging | did you mean `com.ex:app:1.0:jar:jar-with-dependencies`?
    `c` in `com.ex:app:1.0:c:jar` is not a packaging | did you mean `com.ex:app:1.0:jar:c`?
    `nupkg` in `com.ex:app:1.0:nupkg:c` is not a packaging | did you mean `com.ex:app:1.0:c@nupkg`?
    the version `1.0 beta` has the character ' ' | letters, digits and `_`, `.`, `+`, `~`, `-` are possible
    the artifact `../../etc` has the character '/' | letters, digits and `_`, `.`, `+`, `~`, `-` are possible
    the artifact `..` cannot be a part of a path | letters, digits and `_`, `.`, `+`, `~`, `-` are possible
    the group `com..ex` cannot be a part of a path | letters, digits and `_`, `.`, `+`, `~`, `-` are possible
    the group `.com` cannot be a part of a path | letters, digits and `_`, `.`, `+`, `~`, `-` are possible
    the version `..` cannot be a part of a path | letters, digits and `_`, `.`, `+`, `~`, `-` are possible
    the version `-o` cannot be a part of a path | letters, digits and `_`, `.`, `+`, `~`, `-` are possible
    the classifier `a\b` has the character '\\' | letters, digits and `_`, `.`, `+`, `~`, `-` are possible
    the range `[1.0` has an opening bracket that is not closed | ranges are written as `[1.0,2.0)`
    the packaging is empty | only the classifier may be empty, which means none
    `com.ex:app:1.0:jar:c:x@jar` has 6 fields, where coordinates have 2 to 4 before the `@` | coordinates are `group:artifact:version:packaging:classifier`
    ");
    let long = format!("com.ex:app:{}", "1".repeat(FIELD_LENGTH_MAX + 1));
    insta::assert_snapshot!(report(&long), @"the version has more than 200 characters | letters, digits and `_`, `.`, `+`, `~`, `-` are possible");
}

#[test]
fn in_a_given_order_nothing_is_guessed() {
    let parse = |order, text| {
        Coordinates::parse_as(order, text, &fat_jars()).map(|coordinates| coordinates.to_string())
    };
    assert_eq!(
        parse(Order::Plugin, "g:a:jar:jar:c").unwrap(),
        "g:a:jar:jar:c"
    );
    assert_eq!(
        parse(Order::Plugin, "g:a:1:nupkg").unwrap(),
        "g:a:1:nupkg:jar-with-dependencies"
    );
    assert_eq!(
        parse(Order::Aether, "g:a:1.0").unwrap(),
        "g:a:1.0:jar:jar-with-dependencies"
    );
    assert_eq!(
        parse(Order::Aether, "g:a:nupkg:c:1.0").unwrap(),
        "g:a:1.0:nupkg:c"
    );
    assert_eq!(
        parse(Order::Gradle, "g:a:1.0:war").unwrap(),
        "g:a:1.0:jar:war"
    );
    assert!(matches!(
        parse(Order::Aether, "g:a"),
        Err(CoordinatesError::FieldCount { .. })
    ));
}

#[test]
fn a_build_of_a_snapshot_lies_in_the_directory_of_its_base_version() {
    for (version, base, path) in [
        ("1.0", "1.0", "com/ex/app/1.0/app-1.0-c.jar"),
        (
            "3.0-SNAPSHOT",
            "3.0-SNAPSHOT",
            "com/ex/app/3.0-SNAPSHOT/app-3.0-SNAPSHOT-c.jar",
        ),
        (
            "3.0-20240102.030405-7",
            "3.0-SNAPSHOT",
            "com/ex/app/3.0-SNAPSHOT/app-3.0-20240102.030405-7-c.jar",
        ),
        (
            "20240102.030405-7",
            "SNAPSHOT",
            "com/ex/app/SNAPSHOT/app-20240102.030405-7-c.jar",
        ),
        (
            "3.0-20240102.030405-",
            "3.0-20240102.030405-",
            "com/ex/app/3.0-20240102.030405-/app-3.0-20240102.030405--c.jar",
        ),
        (
            "3.0-20240102.03040-7",
            "3.0-20240102.03040-7",
            "com/ex/app/3.0-20240102.03040-7/app-3.0-20240102.03040-7-c.jar",
        ),
    ] {
        let coordinates = Coordinates::parse("com.ex:app:1:jar:c", &fat_jars()).unwrap();
        let resolved = coordinates.resolved(version).unwrap();
        assert_eq!(resolved.base_version(), base);
        assert_eq!(resolved.path(), path);
        assert_eq!(resolved.is_snapshot(), base.ends_with("SNAPSHOT"));
    }
}

#[test]
fn a_version_out_of_metadata_cannot_lead_out_of_the_repository() {
    let coordinates = Coordinates::parse("com.ex:app", &fat_jars()).unwrap();
    for version in ["../../../etc/x", "..", "a/b", "a\\b", "a\0b", "", "-rf"] {
        assert!(coordinates.resolved(version).is_err(), "{version:?}");
    }
}

/// A field, of pieces that people and attackers write.
fn hostile_field() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "com",
        "ex",
        "a",
        "1",
        "0",
        "jar",
        "SNAPSHOT",
        "20240102.030405-7",
        ".",
        "..",
        "-",
        "~",
        "+",
        "_",
        "/",
        "\\",
        ":",
        "@",
        "[",
        ",",
        ")",
        "\0",
        " ",
        "é",
        "%2e",
    ]);
    // Mostly harmless, so that many are accepted.
    let harmless = prop::sample::select(vec!["com", ".", "a", "1", "-", "x"]);
    prop_oneof![
        1 => prop::collection::vec(piece, 1..5),
        3 => prop::collection::vec(harmless, 1..5),
    ]
    .prop_map(|pieces| pieces.concat())
}

/// Five such fields.
fn hostile() -> impl Strategy<Value = String> {
    prop::collection::vec(hostile_field(), 5).prop_map(|fields| {
        let [group, artifact, version, extension, classifier] =
            fields.try_into().expect("five fields");
        format!("{group}:{artifact}:{version}:{classifier}@{extension}")
    })
}

/// Coordinates that are well-formed.
fn sound() -> impl Strategy<Value = String> {
    let version = "[0-9]{1,2}(\\.[0-9]{1,3})?(-(SNAPSHOT|rc1|20240102\\.030405-7))?|LATEST|RELEASE";
    let extension = "jar|war|zip|tar\\.gz|nupkg";
    (
        "[a-z]{1,4}(\\.[a-z]{1,4}){0,2}",
        "[a-z][a-z-]{0,4}",
        version,
        extension,
        "[a-z]{0,4}",
    )
        .prop_map(|(group, artifact, version, extension, classifier)| {
            format!("{group}:{artifact}:{version}:{classifier}@{extension}")
        })
}

fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains("//")
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back_the_same(text in sound()) {
        let coordinates = Coordinates::parse(&text, &fat_jars()).unwrap();
        let again = Coordinates::parse_as(Order::Plugin, &coordinates.to_string(), &fat_jars());
        prop_assert_eq!(again.as_ref(), Ok(&coordinates));
        if coordinates.extension != "nupkg" {
            prop_assert_eq!(Coordinates::parse(&coordinates.to_string(), &fat_jars()), again);
        }
    }

    #[test]
    fn nothing_that_is_accepted_leaves_the_repository(text in hostile(), version in hostile_field()) {
        let Ok(coordinates) = Coordinates::parse(&text, &fat_jars()) else { return Ok(()) };
        prop_assert!(stays_inside(&coordinates.directory()));
        for version in [&version, coordinates.version.as_str()] {
            if let Ok(resolved) = coordinates.resolved(version) {
                prop_assert!(stays_inside(&resolved.path()));
                prop_assert!(resolved.path().starts_with(&coordinates.directory()));
            }
        }
    }
}
