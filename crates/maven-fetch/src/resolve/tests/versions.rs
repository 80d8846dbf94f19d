//! Versions that move, and versions that do not, as long as all repositories answer.

use super::*;

/// What is decided when the repositories have these metadata.
fn decided(version: &str, metadata: &[(Repository, &str)]) -> String {
    let coordinates = app(version);
    let repositories: Vec<Repository> = metadata
        .iter()
        .map(|(repository, _)| repository.clone())
        .collect();
    let mut facts = Facts::new(&coordinates, &repositories);
    for (source, (_, words)) in metadata.iter().enumerate() {
        facts.learn_artifact(source, fresh(artifact(words)));
    }
    told(&facts)
}

#[test]
fn metadata_is_asked_for_where_such_versions_may_be() {
    let repositories = [
        repository("both"),
        releases_only("releases"),
        snapshots_only("snapshots"),
    ];
    for (version, expected) in [
        ("LATEST", "ask both, releases, snapshots for versions"),
        ("RELEASE", "ask both, releases for versions"),
        ("[1.0,2.0)", "ask both, releases for versions"),
        (
            "[1.0,2.0-SNAPSHOT]",
            "ask both, releases, snapshots for versions",
        ),
        (
            "3.0-SNAPSHOT",
            "ask both, snapshots for builds of 3.0-SNAPSHOT",
        ),
        ("1.0", "get 1.0 [both, releases] fresh"),
        ("[1.0]", "get 1.0 [both, releases] fresh"),
        (
            "3.0-20240102.030405-7",
            "get 3.0-20240102.030405-7 [both, snapshots] fresh",
        ),
    ] {
        assert_eq!(
            told(&Facts::new(&app(version), &repositories)),
            expected,
            "{version}"
        );
    }
}

#[test]
fn only_those_that_were_not_asked_are_asked() {
    let (coordinates, repositories) = (app("LATEST"), [repository("a"), repository("b")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, fresh(artifact("latest=1.0")));
    assert_eq!(told(&facts), "ask b for versions");
}

#[test]
fn a_version_that_is_here_is_taken_without_a_question() {
    let (coordinates, repositories) = (app("1.0"), [repository("corp")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.complete = strings(&["1.0"]);
    facts.offline = true;
    assert_eq!(told(&facts), "have 1.0 [corp] fresh");
}

#[test]
fn a_build_with_its_time_stamp_lies_with_its_base_version() {
    let (coordinates, repositories) = (app("3.0-20240102.030405-7"), [repository("corp")]);
    let Ok(Step::Take(decision)) = resolve(&Facts::new(&coordinates, &repositories)) else {
        panic!("there is nothing to ask");
    };
    assert_eq!(
        decision.artifact.path(),
        "com/ex/app/3.0-SNAPSHOT/app-3.0-20240102.030405-7-c.jar"
    );
}

#[test]
fn the_words_of_the_metadata_decide() {
    let corp = || repository("corp");
    for (version, metadata, expected) in [
        (
            "RELEASE",
            "latest=3.0-SNAPSHOT release=2.0",
            "get 2.0 [corp] fresh",
        ),
        ("LATEST", "latest=2.0 release=1.0", "get 2.0 [corp] fresh"),
        ("LATEST", "release=2.0", "get 2.0 [corp] fresh"),
        (
            "LATEST",
            "latest=3.0-SNAPSHOT release=2.0",
            "ask corp for builds of 3.0-SNAPSHOT",
        ),
        (
            "LATEST",
            "latest=3.0-20240102.030405-7",
            "get 3.0-20240102.030405-7 [corp] fresh",
        ),
        (
            "LATEST",
            "1.0 1.10 1.9",
            "get 1.10 [corp] fresh\nwarning: no repository says which version is the latest: \
             `1.10` is the highest listed",
        ),
        (
            "RELEASE",
            "1.0 2.0-SNAPSHOT",
            "get 1.0 [corp] fresh\nwarning: no repository says which version is the latest: \
             `1.0` is the highest listed",
        ),
        (
            "LATEST",
            "latest=1.0 release=1.0 1.0 2.0",
            "get 1.0 [corp] fresh\nwarning: `1.0` is called the latest, but repository `corp` \
             lists `2.0`",
        ),
        (
            "RELEASE",
            "release=1.0 1.0 2.0-SNAPSHOT",
            "get 1.0 [corp] fresh",
        ),
        (
            "RELEASE",
            "1.0-SNAPSHOT 2.0-SNAPSHOT",
            "error NotFound: no version fits `com.ex:app:RELEASE:jar:c`; the highest that is \
             listed is `2.0-SNAPSHOT`",
        ),
    ] {
        assert_eq!(
            decided(version, &[(corp(), metadata)]),
            expected,
            "{version} {metadata}"
        );
    }
}

#[test]
fn of_several_repositories_the_word_that_was_written_last_counts() {
    let [a, b] = [repository("a"), repository("b")];
    let two = |first, second| [(a.clone(), first), (b.clone(), second)];
    for (metadata, expected) in [
        (
            two(
                "latest=3.0 updated=20240101000000",
                "latest=1.1 updated=20240102000000",
            ),
            "get 1.1 [b] fresh\nwarning: `1.1` is called the latest, but repository `a` lists \
             `3.0`",
        ),
        (
            two(
                "latest=1.1 updated=20240102000000",
                "latest=1.0 updated=20240101000000",
            ),
            "get 1.1 [a] fresh",
        ),
        (
            two("latest=1.1 updated=1", "latest=1.0 updated=1"),
            "get 1.1 [a] fresh",
        ),
        (two("latest=1.1", "latest=1.0"), "get 1.1 [a] fresh"),
        (
            two("latest=1.1 updated=1", "latest=1.0"),
            "get 1.1 [a] fresh",
        ),
        (
            two("latest=1.0", "latest=1.1 updated=1"),
            "get 1.1 [b] fresh",
        ),
        // Any word for the latest counts more than the latest word for a release.
        (
            two("release=1.0 updated=9", "latest=1.1 updated=1"),
            "get 1.1 [b] fresh",
        ),
    ] {
        assert_eq!(decided("LATEST", &metadata), expected);
    }
}

#[test]
fn a_word_for_what_a_repository_may_not_supply_does_not_count() {
    let metadata = "latest=3.0-SNAPSHOT release=2.0 2.0 3.0-SNAPSHOT";
    assert_eq!(
        decided("LATEST", &[(releases_only("corp"), metadata)]),
        "get 2.0 [corp] fresh"
    );
    assert_eq!(
        decided("LATEST", &[(snapshots_only("corp"), metadata)]),
        "ask corp for builds of 3.0-SNAPSHOT"
    );
}

#[test]
fn the_latest_may_be_by_version_instead() {
    let (coordinates, repositories) = (app("LATEST"), [repository("a"), repository("b")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, fresh(artifact("latest=3.0 updated=1")));
    facts.learn_artifact(1, fresh(artifact("latest=1.1 updated=2 1.1 2.0")));
    facts.latest_by = LatestBy::Version;
    assert_eq!(told(&facts), "get 3.0 [a] fresh");
}

#[test]
fn a_range_takes_the_highest_version_in_it() {
    let [a, b] = [repository("a"), repository("b")];
    let listed = "latest=9.0 release=9.0 1.0 1.1 1.2-rc1 2.0-SNAPSHOT 2.0";
    for (range, expected) in [
        ("[1.0,2.0)", "get 1.2-rc1 [a] fresh"),
        ("[1.0,1.1]", "get 1.1 [a, b] fresh"),
        ("[1.0,1.1),[1.15,1.19]", "get 1.0 [a] fresh"),
        ("(,9.0)", "get 2.0 [a] fresh"),
        ("[1.5,2.0-SNAPSHOT]", "ask a for builds of 2.0-SNAPSHOT"),
        (
            "[3.0,4.0]",
            "error NotFound: no version fits `com.ex:app:[3.0,4.0]:jar:c`; the highest that is \
             listed is `9.0`",
        ),
    ] {
        assert_eq!(
            decided(range, &[(a.clone(), listed), (b.clone(), "1.1")]),
            expected,
            "{range}"
        );
    }
}

#[test]
fn a_build_in_a_list_of_versions_is_no_candidate() {
    let listed = "1.0 1.1-20240102.030405-7";
    let decision = decided("LATEST", &[(repository("corp"), listed)]);
    assert!(decision.starts_with("get 1.0 [corp] fresh"), "{decision}");
}

#[test]
fn what_is_installed_here_counts_as_a_repository_in_front_if_its_file_is_here() {
    let (coordinates, repositories) = (app("LATEST"), [repository("corp")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, fresh(artifact("latest=1.0 updated=1")));
    facts.installed = Some(artifact("latest=1.1 updated=2"));
    assert_eq!(told(&facts), "get 1.0 [corp] fresh", "its file is not here");

    facts.complete = strings(&["1.1"]);
    facts.installed = Some(artifact("release=1.1 1.1 updated=2"));
    assert_eq!(
        told(&facts),
        "get 1.0 [corp] fresh",
        "`latest` counts more than `release`"
    );

    facts.installed = Some(artifact("latest=1.1 updated=2"));
    assert_eq!(told(&facts), "have 1.1 [] fresh");

    facts.installed = Some(artifact("latest=1.1 updated=0"));
    assert_eq!(
        told(&facts),
        "get 1.0 [corp] fresh",
        "what was written earlier does not count, however high it is"
    );
}

#[test]
fn a_claimed_group_comes_from_nowhere_else() {
    let repositories = [
        repository("central"),
        claiming("corp", "com.ex"),
        claiming("mirror", "com.ex"),
        claiming("team", "com.ex.team"),
    ];
    for (group, expected) in [
        ("com.ex", "ask corp, mirror for versions"),
        ("com.ex.other", "ask corp, mirror for versions"),
        ("com.ex.team", "ask team for versions"),
        ("com.ex.team.part", "ask team for versions"),
        (
            "com.example",
            "ask central, corp, mirror, team for versions",
        ),
        ("org.other", "ask central, corp, mirror, team for versions"),
    ] {
        let text = format!("{group}:app:LATEST:jar:c");
        let coordinates = Coordinates::parse(&text, &Defaults::default()).unwrap();
        assert_eq!(
            told(&Facts::new(&coordinates, &repositories)),
            expected,
            "{group}"
        );
    }
    let coordinates = app("1.0");
    let facts = Facts::new(&coordinates, &repositories);
    assert_eq!(
        told(&facts),
        "get 1.0 [corp, mirror] fresh",
        "also a version that does not move"
    );
}

#[test]
fn without_a_repository_for_it_the_configuration_is_to_blame() {
    for (version, repositories) in [
        ("1.0", vec![]),
        ("LATEST", vec![]),
        ("1.0", vec![snapshots_only("corp")]),
        ("3.0-SNAPSHOT", vec![releases_only("corp")]),
    ] {
        let coordinates = app(version);
        let error = resolve(&Facts::new(&coordinates, &repositories)).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Config, "{version}: {error}");
        assert!(error.hint().is_some());
    }
}
