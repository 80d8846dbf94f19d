//! Builds of a snapshot version, as long as all repositories answer.

use super::*;

const BASE: &str = "3.0-SNAPSHOT";

/// What is decided when the repositories have these metadata about 3.0-SNAPSHOT, and these
/// versions are complete here.
fn decided(metadata: &[&str], complete: &[String]) -> String {
    let coordinates = app(BASE);
    let repositories: Vec<Repository> = ["a", "b"]
        .into_iter()
        .take(metadata.len())
        .map(repository)
        .collect();
    let mut facts = Facts::new(&coordinates, &repositories);
    for (source, words) in metadata.iter().enumerate() {
        facts.learn_snapshot(source, BASE, fresh(snapshot(words)));
    }
    facts.complete = complete.to_vec();
    told(&facts)
}

#[test]
fn builds_are_asked_for_only_where_the_version_came_from() {
    let coordinates = app("LATEST");
    let repositories = [repository("a"), repository("b")];
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, fresh(artifact("latest=2.0 updated=1")));
    facts.learn_artifact(1, fresh(artifact("latest=3.0-SNAPSHOT updated=2")));
    assert_eq!(told(&facts), "ask b for builds of 3.0-SNAPSHOT");

    facts.learn_snapshot(1, BASE, fresh(snapshot("newest=7 c.jar=7@1")));
    assert_eq!(told(&facts), "get 3.0-20240102.030405-7 [b] fresh");
}

#[test]
fn what_was_noticed_about_the_version_is_told_with_the_build() {
    let (coordinates, repositories) = (app("LATEST"), [repository("a")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, fresh(artifact("latest=3.0-SNAPSHOT 4.0")));
    for (builds, build) in [
        (fresh(snapshot("c.jar=7@1")), "-20240102.030405-7"),
        (unknown(Trouble::NotFound), "-SNAPSHOT"),
    ] {
        facts.learn_snapshot(0, BASE, builds);
        assert_eq!(
            told(&facts),
            format!(
                "get 3.0{build} [a] fresh\nwarning: `3.0-SNAPSHOT` is called the latest, but \
                 repository `a` lists `4.0`"
            )
        );
    }
}

#[test]
fn builds_of_an_installed_version_are_asked_for_everywhere() {
    let coordinates = app("LATEST");
    let repositories = [repository("a"), repository("b"), releases_only("c")];
    let mut facts = Facts::new(&coordinates, &repositories);
    for source in 0..3 {
        facts.learn_artifact(source, fresh(artifact("latest=2.0 updated=1")));
    }
    facts.installed = Some(artifact("latest=3.0-SNAPSHOT updated=2"));
    facts.complete = strings(&[BASE]);
    assert_eq!(told(&facts), "ask a, b for builds of 3.0-SNAPSHOT");
}

#[test]
fn metadata_of_another_snapshot_does_not_answer() {
    let (coordinates, repositories) = (app(BASE), [repository("a")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_snapshot(0, "2.0-SNAPSHOT", fresh(snapshot("newest=7 c.jar=7@1")));
    assert_eq!(told(&facts), "ask a for builds of 3.0-SNAPSHOT");
}

#[test]
fn the_build_is_that_of_the_very_file() {
    for (metadata, expected) in [
        (
            "newest=9 .jar=9@9 c.jar=9@9 d.jar=7@7",
            "get 3.0-20240102.030405-9 [a] fresh",
        ),
        (
            "newest=9 .jar=9@9 c.pom=9@9 c.jar=9@9",
            "get 3.0-20240102.030405-9 [a] fresh",
        ),
        (
            "newest=7 c.jar=7@7 c.jar=8@8",
            "get 3.0-20240102.030405-8 [a] fresh",
        ),
        (
            "newest=9 .jar=9@9 d.jar=8@8 c.jar=7@7",
            "get 3.0-20240102.030405-7 [a] fresh\nwarning: build `3.0-20240102.030405-9` has no \
             such file: `3.0-20240102.030405-7` is the newest with it",
        ),
    ] {
        assert_eq!(decided(&[metadata], &[]), expected, "{metadata}");
    }
}

#[test]
fn the_file_without_a_classifier_is_another_one() {
    let coordinates = Coordinates::parse("com.ex:app:3.0-SNAPSHOT", &Defaults::default()).unwrap();
    let repositories = [repository("a")];
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_snapshot(
        0,
        BASE,
        fresh(snapshot("newest=9 .jar=8@8 c.jar=9@9 .pom=9@9")),
    );
    assert!(told(&facts).starts_with("get 3.0-20240102.030405-8 [a] fresh"));
}

#[test]
fn metadata_without_files_names_the_build_as_maven_2_did() {
    assert_eq!(
        decided(&["newest=7 updated=1"], &[]),
        "get 3.0-20240102.030405-7 [a] fresh"
    );
    assert_eq!(
        decided(&["newest=literal updated=1"], &[]),
        "get 3.0-SNAPSHOT [a] fresh"
    );
}

#[test]
fn of_several_repositories_the_later_build_counts() {
    for (metadata, expected) in [
        (
            ["c.jar=7@1", "c.jar=8@2"],
            "get 3.0-20240102.030405-8 [b] fresh",
        ),
        (
            ["c.jar=8@2", "c.jar=7@1"],
            "get 3.0-20240102.030405-8 [a] fresh",
        ),
        (
            ["c.jar=7@1", "c.jar=8@1"],
            "get 3.0-20240102.030405-7 [a] fresh",
        ),
        (
            ["c.jar=7@1", ".jar=9@9"],
            "get 3.0-20240102.030405-7 [a] fresh",
        ),
        (
            ["newest=8 updated=2", "c.jar=7@1"],
            "get 3.0-20240102.030405-8 [a] fresh",
        ),
        (
            ["newest=8 updated=1", "c.jar=7@2"],
            "get 3.0-20240102.030405-7 [b] fresh",
        ),
        (
            ["newest=8 updated=1", "c.jar=7@1"],
            "get 3.0-20240102.030405-7 [b] fresh",
        ),
    ] {
        assert_eq!(decided(&metadata, &[]), expected, "{metadata:?}");
    }
}

#[test]
fn what_is_installed_here_counts_if_its_file_is_here_and_later() {
    let (coordinates, repositories) = (app(BASE), [repository("a")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_snapshot(0, BASE, fresh(snapshot("newest=7 c.jar=7@5")));
    facts
        .installed_builds
        .insert(BASE.to_owned(), snapshot("newest=literal c.jar=literal@9"));
    assert_eq!(
        told(&facts),
        "get 3.0-20240102.030405-7 [a] fresh",
        "its file is not here"
    );

    facts.complete = strings(&[BASE]);
    assert_eq!(told(&facts), "have 3.0-SNAPSHOT [] fresh");

    facts
        .installed_builds
        .insert(BASE.to_owned(), snapshot("newest=literal c.jar=literal@1"));
    assert_eq!(told(&facts), "get 3.0-20240102.030405-7 [a] fresh");
}

#[test]
fn a_build_without_the_file_leaves_the_previous_complete_build_and_says_so() {
    let (coordinates, repositories) = (app(BASE), [repository("a")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_snapshot(0, BASE, fresh(snapshot("newest=8 .jar=8@8 .pom=8@8")));
    let error = resolve(&facts).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::NotFound);
    insta::assert_snapshot!(
        format!("{error} | {}", error.hint().unwrap()),
        @"build `3.0-20240102.030405-8` of `com.ex:app:3.0-SNAPSHOT:jar:c` has no such file | it has `.jar`, `.pom`"
    );

    facts.complete = vec![build_number("6"), build_number("7"), "2.0".to_owned()];
    facts.record = Some(record(&build_number("7"), "a"));
    let expected = "have 3.0-20240102.030405-7 [] stale for 2 h: build `3.0-20240102.030405-8` has \
        no such file";
    assert_eq!(told(&facts), expected);

    let Ok(Step::Take(decision)) = resolve(&facts) else {
        panic!("{}", told(&facts))
    };
    let strict = Tolerance {
        strict: true,
        age_max: hours(24),
    };
    assert_eq!(
        decision.freshness.within(&strict).unwrap_err().to_string(),
        "what is here may be out of date: build `3.0-20240102.030405-8` has no such file"
    );
}

#[test]
fn without_metadata_the_name_without_a_time_stamp_is_tried_as_maven_does() {
    let (coordinates, repositories) = (app(BASE), [repository("a"), repository("b")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    for source in 0..2 {
        facts.learn_snapshot(source, BASE, unknown(Trouble::NotFound));
    }
    assert_eq!(told(&facts), "get 3.0-SNAPSHOT [a, b] fresh");

    facts.unavailable.push(unavailable(BASE, Trouble::NotFound));
    assert_eq!(
        told(&facts),
        "error NotFound: version `3.0-SNAPSHOT` of `com.ex:app:3.0-SNAPSHOT:jar:c` is not to be \
         had: the repository does not have it"
    );
}
