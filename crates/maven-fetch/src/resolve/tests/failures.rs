//! The network only adds knowledge: what is decided when repositories fail.

use super::*;

const BASE: &str = "3.0-SNAPSHOT";

/// LATEST was 2.0 out of `corp`, whose file is here. Now asking `corp` for metadata ends so.
fn after_2_0(knowledge: Knowledge<ArtifactMetadata>) -> String {
    let (coordinates, repositories) = (app("LATEST"), [repository("corp")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.complete = strings(&["1.0", "2.0"]);
    facts.record = Some(record("2.0", "corp"));
    facts.learn_artifact(0, knowledge);
    told(&facts)
}

#[test]
fn whatever_happens_to_metadata_the_last_good_copy_stays_valid() {
    let copy = || artifact("latest=2.0 updated=1");
    for (trouble, text) in [
        (down(), "does not answer (connection refused)"),
        (refused(), "refuses us (status 401)"),
        (
            html(),
            "gives a useless answer (the metadata is an HTML page)",
        ),
        (Trouble::NotFound, "does not have it"),
    ] {
        assert_eq!(
            after_2_0(failed(trouble, copy())),
            format!("have 2.0 [corp] stale for 1 h: repository `corp` {text}")
        );
    }
}

#[test]
fn without_a_copy_the_newest_file_that_is_here_is_taken() {
    for (trouble, text) in [
        (down(), "does not answer (connection refused)"),
        (refused(), "refuses us (status 401)"),
        (
            html(),
            "gives a useless answer (the metadata is an HTML page)",
        ),
        (Trouble::NotFound, "does not have it"),
    ] {
        assert_eq!(
            after_2_0(unknown(trouble)),
            format!("have 2.0 [] stale for 2 h: repository `corp` {text}")
        );
    }
}

#[test]
fn what_is_not_offered_any_more_is_still_here() {
    let (coordinates, repositories) = (app("[1.0,2.0)"), [repository("corp")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.complete = strings(&["1.0", "1.5", "2.0"]);
    facts.learn_artifact(0, fresh(artifact("2.0 2.1")));
    assert_eq!(
        told(&facts),
        "have 1.5 [] stale: no repository offers it any more"
    );
}

#[test]
fn a_healed_repository_is_fresh_again() {
    let healed = fresh(artifact("latest=2.1 updated=2"));
    assert_eq!(after_2_0(healed), "get 2.1 [corp] fresh");
    let metadata = artifact("latest=2.0 updated=1");
    let last_good = Some(LastGood {
        metadata,
        age: hours(1),
    });
    let unchanged = Knowledge {
        answer: Answer::NotModified,
        last_good: last_good.clone(),
    };
    assert_eq!(after_2_0(unchanged), "have 2.0 [corp] fresh");
    let recent = Knowledge {
        answer: Answer::NotAsked,
        last_good,
    };
    assert_eq!(after_2_0(recent), "have 2.0 [corp] fresh");
    let lost = Knowledge {
        answer: Answer::NotModified,
        last_good: None,
    };
    assert!(after_2_0(lost).starts_with("have 2.0 [] stale for 2 h"));
}

#[test]
fn with_nothing_here_the_error_names_each_repository_and_its_kind_is_that_of_the_worst() {
    let coordinates = app("LATEST");
    let repositories = [repository("a"), repository("b")];
    let error = |first, second| {
        let mut facts = Facts::new(&coordinates, &repositories);
        facts.learn_artifact(0, unknown(first));
        facts.learn_artifact(1, unknown(second));
        let error = resolve(&facts).unwrap_err();
        format!(
            "{:?}: {error} | {}",
            error.kind(),
            error.hint().unwrap_or_else(|| "-".to_owned())
        )
    };
    let errors = [
        error(Trouble::NotFound, Trouble::NotFound),
        error(Trouble::NotFound, html()),
        error(html(), down()),
        error(down(), refused()),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    NotFound: no repository gives `com.ex:app:LATEST:jar:c`: `a` does not have it, `b` does not have it | is it spelt right, and deployed there? some repositories hide what the user may not see
    BadContent: no repository gives `com.ex:app:LATEST:jar:c`: `a` does not have it, `b` gives a useless answer (the metadata is an HTML page) | open the address in a browser: a login page may answer in place of the repository, or what was deployed is damaged
    Unreachable: no repository gives `com.ex:app:LATEST:jar:c`: `a` gives a useless answer (the metadata is an HTML page), `b` does not answer (connection refused) | run it again later; if it lasts, look at the repository's address, at the proxy in settings.xml, and at its certificate (`SSL_CERT_FILE` names further authorities)
    Credentials: no repository gives `com.ex:app:LATEST:jar:c`: `a` does not answer (connection refused), `b` refuses us (status 401) | look at the `server` of that id in settings.xml
    ");
}

#[test]
fn a_version_never_becomes_lower_because_a_repository_fails() {
    let coordinates = app("LATEST");
    let repositories = [repository("x"), repository("y")];
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.complete = strings(&["2.0"]);
    facts.record = Some(record("2.0", "x"));
    facts.learn_artifact(1, fresh(artifact("latest=1.1 updated=9")));
    for trouble in [down(), refused(), html(), Trouble::NotFound] {
        facts.learn_artifact(0, unknown(trouble.clone()));
        assert_eq!(
            told(&facts),
            "have 2.0 [] stale for 2 h: repository `x` fails, and the others have only `1.1`",
            "{trouble:?}"
        );
    }
    // Also if its last word would lose against the later one.
    facts.learn_artifact(0, failed(down(), artifact("latest=2.0 updated=1")));
    assert!(told(&facts).starts_with("have 2.0 [] stale for 1 h: repository `x` fails"));

    facts.complete.clear();
    let error = resolve(&facts).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Unreachable);
    assert_eq!(
        error.to_string(),
        "it was `2.0` out of repository `x`, which does not answer (connection refused); the \
         others have only `1.1`"
    );
}

#[test]
fn a_version_becomes_lower_if_its_own_repository_says_so_or_is_gone() {
    let coordinates = app("LATEST");
    let repositories = [repository("x"), repository("y")];
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.complete = strings(&["2.0"]);
    facts.record = Some(record("2.0", "x"));
    facts.learn_artifact(0, fresh(artifact("latest=1.0 updated=1")));
    facts.learn_artifact(1, fresh(artifact("latest=1.1 updated=9")));
    assert_eq!(told(&facts), "get 1.1 [y] fresh");

    facts.learn_artifact(0, unknown(down()));
    facts.record = Some(record("2.0", "gone"));
    assert_eq!(
        told(&facts),
        "get 1.1 [y] stale for 2 h: repository `x` does not answer (connection refused)"
    );
}

#[test]
fn a_higher_version_is_taken_although_a_repository_fails() {
    let coordinates = app("LATEST");
    let repositories = [repository("x"), repository("y"), repository("z")];
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.complete = strings(&["2.0"]);
    facts.record = Some(record("2.0", "x"));
    facts.learn_artifact(0, failed(down(), artifact("latest=2.0 updated=1")));
    facts.learn_artifact(1, fresh(artifact("latest=2.1 updated=2")));
    facts.learn_artifact(2, unknown(refused()));
    assert_eq!(
        told(&facts),
        "get 2.1 [y] stale for 1 h: repository `x` does not answer (connection refused)\n\
         warning: repository `z` refuses us (status 401)"
    );
}

#[test]
fn of_several_failing_repositories_the_reason_is_the_one_that_the_version_is_from() {
    let (coordinates, repositories) = (app("LATEST"), [repository("x"), repository("y")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, unknown(down()));
    facts.learn_artifact(1, failed(refused(), artifact("latest=2.0")));
    assert_eq!(
        told(&facts),
        "get 2.0 [y] stale for 1 h: repository `y` refuses us (status 401)\n\
         warning: repository `x` does not answer (connection refused)"
    );
}

#[test]
fn while_a_repository_fails_it_is_not_certain_that_no_version_fits() {
    let (coordinates, repositories) = (app("[5.0,6.0)"), [repository("x"), repository("y")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, unknown(down()));
    facts.learn_artifact(1, fresh(artifact("1.0")));
    assert_eq!(
        resolve(&facts).unwrap_err().kind(),
        crate::ErrorKind::Unreachable
    );
}

#[test]
fn while_a_repository_fails_the_name_without_a_time_stamp_is_not_tried() {
    let (coordinates, repositories) = (app(BASE), [repository("x"), repository("y")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_snapshot(0, BASE, unknown(down()));
    facts.learn_snapshot(1, BASE, unknown(Trouble::NotFound));
    assert_eq!(
        told(&facts),
        "error Unreachable: no repository gives `com.ex:app:3.0-SNAPSHOT:jar:c`: `x` does not \
         answer (connection refused), `y` does not have it"
    );
}

#[test]
fn a_repository_that_never_had_it_and_says_so_is_no_trouble() {
    let coordinates = app("LATEST");
    let repositories = [repository("x"), repository("y")];
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, unknown(Trouble::NotFound));
    facts.learn_artifact(1, fresh(artifact("latest=2.1")));
    assert_eq!(told(&facts), "get 2.1 [y] fresh");
}

#[test]
fn a_claimed_group_does_not_come_from_elsewhere_because_its_repository_fails() {
    let coordinates = app("LATEST");
    let repositories = [claiming("corp", "com.ex"), repository("central")];
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, unknown(down()));
    assert!(
        told(&facts).starts_with("error Unreachable"),
        "{}",
        told(&facts)
    );
}

/// LATEST is build 8 of 3.0-SNAPSHOT, whose jar none of the repositories has.
fn without_build_8<'a>(coordinates: &'a Coordinates, repositories: &'a [Repository]) -> Facts<'a> {
    let mut facts = Facts::new(coordinates, repositories);
    facts.learn_artifact(0, fresh(artifact("latest=3.0-SNAPSHOT")));
    facts.learn_snapshot(0, BASE, fresh(snapshot("newest=8 c.jar=8@8")));
    facts
        .unavailable
        .push(unavailable(&build_number("8"), Trouble::NotFound));
    facts
}

#[test]
fn metadata_that_names_a_missing_jar_is_asked_once_more() {
    let (coordinates, repositories) = (app("LATEST"), [repository("corp")]);
    let mut facts = without_build_8(&coordinates, &repositories);
    assert_eq!(told(&facts), "ask again corp for builds of 3.0-SNAPSHOT");

    facts.asked_again = true;
    facts.learn_snapshot(0, BASE, fresh(snapshot("newest=9 c.jar=9@9")));
    assert_eq!(told(&facts), "get 3.0-20240102.030405-9 [corp] fresh");
}

#[test]
fn if_the_jar_stays_missing_the_newest_complete_version_below_it_is_taken() {
    let (coordinates, repositories) = (app("LATEST"), [repository("corp")]);
    let mut facts = without_build_8(&coordinates, &repositories);
    facts.asked_again = true;
    assert_eq!(
        told(&facts),
        "error NotFound: version `3.0-20240102.030405-8` of `com.ex:app:LATEST:jar:c` is not to \
         be had: the repository does not have it"
    );
    let stale = "stale: `3.0-20240102.030405-8` is not to be had: the repository does not have it";
    for (complete, expected) in [
        (strings(&["2.0", "3.0", "3.1"]), "2.0"),
        (
            vec![
                "2.0".to_owned(),
                build_number("6"),
                build_number("7"),
                build_number("9"),
            ],
            "3.0-20240102.030405-7",
        ),
    ] {
        facts.complete = complete;
        assert_eq!(told(&facts), format!("have {expected} [] {stale}"));
    }
}

#[test]
fn a_missing_release_is_asked_for_again_where_its_name_came_from() {
    let (coordinates, repositories) = (app("RELEASE"), [repository("a"), repository("b")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, fresh(artifact("release=1.0 updated=1")));
    facts.learn_artifact(1, fresh(artifact("release=2.0 updated=2")));
    facts.complete = vec![
        "1.0".to_owned(),
        "1.5".to_owned(),
        "2.1".to_owned(),
        build_number("7"),
    ];
    facts
        .unavailable
        .push(unavailable("2.0", Trouble::NotFound));
    assert_eq!(told(&facts), "ask again b for versions");
    facts.asked_again = true;
    assert!(told(&facts).starts_with("have 1.5 [] stale: `2.0` is not to be had"));
}

#[test]
fn a_jar_that_cannot_be_used_is_not_asked_for_again() {
    let (coordinates, repositories) = (app("LATEST"), [repository("corp")]);
    for trouble in [
        down(),
        refused(),
        Trouble::Invalid("wrong checksum".to_owned()),
    ] {
        let mut facts = without_build_8(&coordinates, &repositories);
        facts.unavailable = vec![unavailable(&build_number("8"), trouble.clone())];
        facts.complete = vec![build_number("7")];
        let decision = told(&facts);
        assert!(
            decision.starts_with("have 3.0-20240102.030405-7 [] stale"),
            "{decision}"
        );
        facts.complete.clear();
        assert_eq!(resolve(&facts).unwrap_err().kind(), trouble.kind());
    }
}

#[test]
fn a_version_that_does_not_move_has_no_replacement() {
    let (coordinates, repositories) = (app("2.0"), [repository("corp")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.complete = strings(&["1.0"]);
    facts.unavailable.push(unavailable("2.0", down()));
    assert_eq!(
        told(&facts),
        "error Unreachable: version `2.0` of `com.ex:app:2.0:jar:c` is not to be had: the \
         repository does not answer (connection refused)"
    );
}

#[test]
fn a_snapshot_survives_the_loss_of_its_metadata() {
    let (coordinates, repositories) = (app(BASE), [repository("corp")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.complete = vec![build_number("6"), build_number("7")];
    facts.learn_snapshot(
        0,
        BASE,
        failed(Trouble::NotFound, snapshot("newest=7 c.jar=7@7")),
    );
    assert_eq!(
        told(&facts),
        "have 3.0-20240102.030405-7 [corp] stale for 1 h: repository `corp` does not have it"
    );
    facts.learn_snapshot(0, BASE, unknown(down()));
    assert_eq!(
        told(&facts),
        "have 3.0-20240102.030405-7 [] stale: repository `corp` does not answer (connection \
         refused)"
    );
    facts.learn_snapshot(0, BASE, unknown(Trouble::NotFound));
    assert_eq!(
        told(&facts),
        "have 3.0-20240102.030405-7 [] stale: no repository offers it any more"
    );
}

#[test]
fn a_build_never_becomes_older_because_a_repository_fails() {
    let (coordinates, repositories) = (app(BASE), [repository("x"), repository("y")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.complete = vec![build_number("6"), build_number("9")];
    facts.record = Some(record(&build_number("9"), "x"));
    facts.learn_snapshot(0, BASE, unknown(down()));
    for y in ["newest=8 c.jar=8@8", "newest=8 .jar=8@8"] {
        facts.learn_snapshot(1, BASE, fresh(snapshot(y)));
        assert_eq!(
            told(&facts),
            "have 3.0-20240102.030405-9 [] stale for 2 h: repository `x` fails, and the others \
             have only `3.0-20240102.030405-8`",
            "{y}"
        );
    }
}

#[test]
fn offline_takes_what_is_here() {
    let (coordinates, repositories) = (app("LATEST"), [repository("corp")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.offline = true;
    let metadata = artifact("latest=2.0");
    let last_good = Some(LastGood {
        metadata,
        age: hours(3),
    });
    facts.learn_artifact(
        0,
        Knowledge {
            answer: Answer::Offline,
            last_good,
        },
    );
    assert_eq!(
        told(&facts),
        "error NotFound: `com.ex:app:LATEST:jar:c` is not here, and repositories were not asked"
    );
    facts.complete = strings(&["1.0", "3.0"]);
    assert_eq!(
        told(&facts),
        "have 1.0 [] stale: repositories were not asked"
    );
    facts.complete = strings(&["1.0", "2.0"]);
    assert_eq!(
        told(&facts),
        "have 2.0 [corp] stale for 3 h: repositories were not asked"
    );

    facts.learn_artifact(
        0,
        Knowledge {
            answer: Answer::Offline,
            last_good: None,
        },
    );
    assert_eq!(
        told(&facts),
        "have 2.0 [] stale: repositories were not asked"
    );
    facts.record = Some(record("1.0", "corp"));
    assert_eq!(
        told(&facts),
        "have 2.0 [] stale: repositories were not asked",
        "age of another"
    );
    facts.record = Some(record("2.0", "corp"));
    assert_eq!(
        told(&facts),
        "have 2.0 [] stale for 2 h: repositories were not asked"
    );
}

#[test]
fn a_build_that_is_here_lies_in_a_range_if_its_base_version_does() {
    let (coordinates, repositories) = (app("[2.0,3.0-SNAPSHOT]"), [repository("corp")]);
    let mut facts = Facts::new(&coordinates, &repositories);
    facts.learn_artifact(0, unknown(down()));
    facts.complete = vec!["2.0".to_owned(), build_number("7"), "3.0".to_owned()];
    assert!(
        told(&facts).starts_with("have 3.0-20240102.030405-7 [] stale"),
        "{}",
        told(&facts)
    );
}

#[test]
fn what_is_too_stale_for_the_caller_is_an_error() {
    let stale = |age| Freshness::Stale {
        reason: Reason::NotOffered,
        age,
    };
    let month = Tolerance {
        strict: false,
        age_max: hours(30 * 24),
    };
    let strict = Tolerance {
        strict: true,
        ..month
    };
    assert_eq!(Freshness::Fresh.within(&strict), Ok(()));
    assert_eq!(stale(Some(month.age_max)).within(&month), Ok(()));
    assert_eq!(stale(None).within(&month), Ok(()));
    assert!(
        stale(Some(month.age_max + Duration::from_secs(1)))
            .within(&month)
            .is_err()
    );
    assert!(stale(None).within(&strict).is_err());
}
