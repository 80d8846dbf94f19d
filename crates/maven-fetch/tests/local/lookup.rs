//! What is found, what is believed, and what counts as missing.

use std::path::Path;
use std::time::{Duration, SystemTime};

use fs_err::File;
use jiff::Timestamp;
use maven_fetch::coordinates::Resolved;
use maven_fetch::local::{
    Content, Evidence, FileFacts, Known, LocalError, LocalRepository, Origin,
};

use crate::{User, app, jar, publish, sha1, tree};

fn versions(found: &[Resolved]) -> Vec<&str> {
    found
        .iter()
        .map(|resolved| resolved.version.as_str())
        .collect()
}

/// Changes bytes of a file in its middle; its size stays.
fn damage(path: &Path) {
    use fs_err::os::unix::fs::FileExt as _;

    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(b"damaged", 1000).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(1))
        .unwrap();
}

#[test]
fn an_untouched_file_is_found_without_a_write() {
    let user = User::new();
    let published = user.publish(&app("1.0"), &jar("one"));
    let before = tree(user.root());
    let sha1 = sha1(&jar("one"));
    let known = Known {
        facts: &published.facts,
        sha1: &sha1,
    };
    let mut warnings = Vec::new();
    let found = user
        .repository
        .find(&app("1.0"), Some(known), &mut warnings)
        .unwrap();
    assert_eq!(
        (found.evidence, found.facts),
        (Evidence::Recorded, published.facts.clone())
    );
    assert_eq!(found.origin, Origin::Repositories(vec!["corp".to_owned()]));
    assert!(
        user.repository
            .metadata("com/ex/app", "corp", &mut warnings)
            .is_none()
    );
    assert_eq!(user.repository.find(&app("1.1"), None, &mut warnings), None);
    assert!(warnings.is_empty() && tree(user.root()) == before);
    assert!(!user.directory.path().join("cache").exists());
}

#[test]
fn a_touched_file_is_read_again_and_stays_when_it_is_the_same() {
    let user = User::new();
    let published = user.publish(&app("1.0"), &jar("one"));
    let file = File::options().write(true).open(&published.path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(1))
        .unwrap();
    let sha1 = sha1(&jar("one"));
    let known = Known {
        facts: &published.facts,
        sha1: &sha1,
    };
    let found = user
        .repository
        .find(&app("1.0"), Some(known), &mut Vec::new())
        .unwrap();
    let content = Content::read(&published.path).unwrap();
    assert_ne!(content.facts, published.facts);
    assert_eq!(found.evidence, Evidence::Read(content));
}

#[test]
fn a_damaged_file_counts_as_missing_and_only_the_last_one_is_kept() {
    let user = User::new();
    let resolved = app("1.0");
    let sha1 = sha1(&jar("one"));
    for round in 0..2 {
        let published = user.publish(&resolved, &jar("one"));
        // Two cuts, so that the two damaged files differ.
        let length = fs_err::metadata(&published.path).unwrap().len();
        fs_err::OpenOptions::new()
            .append(true)
            .open(&published.path)
            .unwrap()
            .set_len(length - 5 - round)
            .unwrap();
        let known = Known {
            facts: &published.facts,
            sha1: &sha1,
        };
        let mut warnings = Vec::new();
        assert_eq!(
            user.repository.find(&resolved, Some(known), &mut warnings),
            None
        );
        let [
            LocalError::Damaged {
                path,
                quarantine: Some(quarantine),
                ..
            },
        ] = &warnings[..]
        else {
            panic!("{warnings:?}");
        };
        assert_eq!((path, path.exists()), (&published.path, false));
        assert!(
            warnings[0]
                .hint()
                .unwrap()
                .contains(&*quarantine.to_string_lossy())
        );
        let bad: Vec<_> = tree(user.root())
            .into_keys()
            .filter(|path| path.to_string_lossy().contains(".bad-"))
            .collect();
        assert_eq!(bad, std::slice::from_ref(quarantine));
        assert!(quarantine.ends_with(format!(
            "app-1.0-c.jar.bad-{}",
            crate::sha1(&fs_err::read(quarantine).unwrap())
        )));
    }
}

#[test]
fn another_file_in_place_of_the_recorded_one_is_told_and_stays() {
    let user = User::new();
    let resolved = app("1.0");
    let sha1 = sha1(&jar("one"));
    let published = user.publish(&resolved, &jar("one"));
    damage(&published.path);
    let known = Known {
        facts: &published.facts,
        sha1: &sha1,
    };
    let mut warnings = Vec::new();
    let found = user.repository.find(&resolved, Some(known), &mut warnings);
    let content = Content::read(&published.path).unwrap();
    assert_eq!(found.unwrap().evidence, Evidence::Replaced(content));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn what_an_old_crash_left_counts_as_missing() {
    let whole = jar("one");
    let cut = &whole[..whole.len() / 2];
    for left in [&b""[..], &[0; 5000], b"<html>login</html>", cut] {
        let user = User::new();
        let published = user.publish(&app("1.0"), left);
        assert_eq!(
            user.repository.complete("com.ex", "app", "jar", Some("c")),
            []
        );
        let mut warnings = Vec::new();
        assert_eq!(user.repository.find(&app("1.0"), None, &mut warnings), None);
        assert!(
            matches!(&warnings[..], [LocalError::Damaged { .. }]),
            "{warnings:?}"
        );
        assert!(!published.path.exists());
    }
}

#[test]
fn what_somebody_installed_over_a_fetched_file_is_theirs() {
    let user = User::new();
    let published = user.publish(&app("1.0"), &jar("one"));
    fs_err::write(&published.path, jar("built here")).unwrap();
    let tracking = published.path.with_file_name("_remote.repositories");
    fs_err::write(&tracking, "app-1.0-c.jar>corp=\napp-1.0-c.jar>=\n").unwrap();
    let sha1 = sha1(&jar("one"));
    let known = Known {
        facts: &published.facts,
        sha1: &sha1,
    };
    let mut warnings = Vec::new();
    let found = user
        .repository
        .find(&app("1.0"), Some(known), &mut warnings)
        .unwrap();
    assert_eq!(found.origin, Origin::Installed { is_declared: true });
    assert_eq!((found.evidence, warnings.len()), (Evidence::Structure, 0));
}

#[test]
fn a_file_of_another_repository_is_accepted_once_it_is_confirmed() {
    let user = User::new();
    user.publish(&app("1.0"), &jar("one"));
    let find = || {
        user.repository
            .find(&app("1.0"), None, &mut Vec::new())
            .unwrap()
    };
    let found = find();
    assert!(found.origin.is_accepted_for(&["corp"]) && !found.origin.is_accepted_for(&["mirror"]));
    assert_eq!(Content::read(&found.path).unwrap().sha1, sha1(&jar("one")));
    found.confirm("mirror").unwrap();
    assert!(find().origin.is_accepted_for(&["mirror"]) && find().origin.is_accepted_for(&["corp"]));
}

#[test]
fn builds_with_the_classifier_are_listed_newest_first_and_never_the_copies_of_maven() {
    let user = User::new();
    for version in [
        "3.0-20240102.030405-9",
        "3.0-20240102.030405-10",
        "3.0-20240101.030405-11",
        "1.0",
        "3.0-SNAPSHOT",
    ] {
        user.publish(&app(version), &jar(version));
    }
    let newer = "3.0-20240103.000000-12";
    user.publish(
        &Resolved {
            classifier: None,
            ..app(newer)
        },
        &jar(newer),
    );
    user.publish(
        &Resolved {
            classifier: Some("c-d".to_owned()),
            ..app(newer)
        },
        &jar(newer),
    );
    let builds = user.repository.builds(&app("3.0-SNAPSHOT"));
    let expected = [
        "3.0-20240102.030405-10",
        "3.0-20240102.030405-9",
        "3.0-20240101.030405-11",
    ];
    assert_eq!(versions(&builds), expected);
    let plain = Resolved {
        classifier: None,
        ..app("3.0-SNAPSHOT")
    };
    assert_eq!(versions(&user.repository.builds(&plain)), [newer]);
    let all = user.repository.complete("com.ex", "app", "jar", Some("c"));
    assert_eq!(versions(&all), [&["1.0"], &expected[..]].concat());
    assert_eq!(user.repository.builds(&app("1.0")), []);
}

#[test]
fn tails_are_read_after_the_head_and_never_written() {
    let farm = User::new();
    let user = User::new();
    let both = user.publish(&app("1.0"), &jar("head"));
    farm.publish(&app("1.0"), &jar("tail"));
    farm.publish(&app("1.1"), &jar("tail"));
    let damaged = farm.publish(&app("1.2"), b"<html>");
    let before = tree(farm.root());
    let own = user.state.own_repository(user.root());
    let tails = vec![farm.root().to_owned()];
    let repository = LocalRepository::new(user.root().to_owned(), own, tails);
    let mut warnings = Vec::new();
    let path = |found: Option<maven_fetch::local::Found>| found.map(|found| found.path);
    assert_eq!(
        path(repository.find(&app("1.0"), None, &mut warnings)),
        Some(both.path)
    );
    let behind = farm.root().join("com/ex/app/1.1/app-1.1-c.jar");
    assert_eq!(
        path(repository.find(&app("1.1"), None, &mut warnings)),
        Some(behind)
    );
    assert_eq!(
        versions(&repository.complete("com.ex", "app", "jar", Some("c"))),
        ["1.0", "1.1"]
    );
    publish(&repository, &app("1.3"), &jar("new")).unwrap();
    assert!(user.root().join("com/ex/app/1.3").exists());
    assert_eq!(
        path(repository.find(&app("1.2"), None, &mut warnings)),
        None
    );
    assert!(
        matches!(
            &warnings[..],
            [LocalError::Damaged {
                quarantine: None,
                ..
            }]
        ),
        "{warnings:?}"
    );
    assert!(tree(farm.root()) == before && damaged.path.exists());
}

#[test]
fn of_several_places_the_metadata_that_was_checked_last_counts() {
    let (farm, user) = (User::new(), User::new());
    let stamp = |seconds| Timestamp::from_second(seconds).unwrap();
    let put = |user: &User, bytes: &[u8], seconds| {
        let place = user.repository.prepare_directory("com/ex/app").unwrap();
        place
            .publish_metadata("corp", bytes, stamp(seconds))
            .unwrap();
    };
    let own = user.state.own_repository(user.root());
    let repository =
        LocalRepository::new(user.root().to_owned(), own, vec![farm.root().to_owned()]);
    let seen = || {
        repository
            .metadata("com/ex/app", "corp", &mut Vec::new())
            .unwrap()
            .bytes
    };
    put(&farm, b"tail", 1000);
    assert_eq!(seen(), b"tail");
    put(&user, b"head", 999);
    assert_eq!(seen(), b"tail");
    put(&user, b"head", 1000);
    assert_eq!(seen(), b"head");
}

#[test]
fn metadata_of_any_size_is_read_up_to_the_limit() {
    let user = User::new();
    let place = user.repository.prepare_directory("com/ex/app").unwrap();
    let path = place.directory().join("maven-metadata-corp.xml");
    File::create(&path)
        .unwrap()
        .set_len(16 * 1024 * 1024 + 1)
        .unwrap();
    let mut warnings = Vec::new();
    assert_eq!(
        user.repository
            .metadata("com/ex/app", "corp", &mut warnings),
        None
    );
    assert!(
        matches!(&warnings[..], [LocalError::TooLarge { .. }]),
        "{warnings:?}"
    );
    assert_eq!(
        FileFacts::of(&path).unwrap().size_bytes,
        16 * 1024 * 1024 + 1
    );
}
