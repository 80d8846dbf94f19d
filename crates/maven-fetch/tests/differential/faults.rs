//! Where Maven is at fault and we differ from it on purpose. Each test shows both behaviours, and
//! is named in `docs/maven-differences.md`.
//!
//! Maven resolved [`FIRST`], then the repositories became ill, then it resolved [`SECOND`], and
//! [`OFFLINE`] without them.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use maven_fetch::ErrorKind;
use maven_fetch::fetch::{FetchError, Fetched, Notice, Preferences};
use maven_fetch::repository::UpdatePolicy;
use maven_fetch::resolve::{Freshness, Reason, Trouble, Warning};
use tempfile::TempDir;

use crate::cases::{Case, HALVES, ONE, Source};
use crate::ground::Ground;
use crate::handmade;
use crate::ours::{User, outcome};
use crate::outcome::Outcome;
use crate::remotes::label_of;

/// Asked about metadata each time.
const EAGER: &[Source] = &[Source {
    update: "always",
    ..ONE[0]
}];
/// The same repository under another id.
const RENAMED: &[Source] = &[Source {
    id: "renamed",
    ..ONE[0]
}];
/// Another repository with a file of the same name.
const OTHER: &[Source] = &[Source {
    id: "other",
    directory: "two",
    ..ONE[0]
}];
/// The first repository, and one with lower versions.
const EAGER_TWO: &[Source] = &[
    EAGER[0],
    Source {
        id: "two",
        directory: "two",
        ..EAGER[0]
    },
];
/// Whose files must have checksums that fit.
const STRICT: &[Source] = &[Source {
    checksum: "fail",
    ..ONE[0]
}];
/// The company's own repository, and the one of all the world.
const COMPANY_WORLD: &[Source] = &[
    ONE[0],
    Source {
        id: "world",
        directory: "two",
        ..ONE[0]
    },
];

pub(crate) const FIRST: &[(&str, Case)] = &[
    ("lost", Case::new("com.ill:lost:LATEST:jar:", EAGER)),
    ("torn", Case::new("com.ill:torn:LATEST:jar:", EAGER)),
    ("page", Case::new("com.ill:page:LATEST:jar:", EAGER)),
    ("empty", Case::new("com.ill:empty:LATEST:jar:", EAGER)),
    ("foreign", Case::new("com.ill:foreign:LATEST:jar:", EAGER)),
    (
        "thin",
        Case::new("com.ill:thin:1.0-SNAPSHOT:jar:all", EAGER),
    ),
    ("gone", Case::new("com.ill:gone:1.0-SNAPSHOT:jar:", EAGER)),
    ("early", Case::new("com.ill:early:2.0:jar:", ONE)),
    ("ahead", Case::new("com.ill:ahead:LATEST:jar:", ONE)),
    ("renamed", Case::new("com.ill:renamed:1.0:jar:", ONE)),
    (
        "unnamed-latest",
        Case::new("com.ill:unnamed:LATEST:jar:", ONE),
    ),
    (
        "unnamed-release",
        Case::new("com.ill:unnamed:RELEASE:jar:", ONE),
    ),
    ("damaged", Case::new("com.ill:damaged:1.0:jar:", ONE)),
    ("login", Case::new("com.ill:login:1.0:jar:", ONE)),
    ("range", Case::new("com.ex:order:[1.9,2):jar:", ONE)),
    ("upper", Case::dependency("com.ex:app:[1.0,2.0):jar:", ONE)),
    ("open", Case::dependency("com.ex:app:[1.0,):jar:", ONE)),
    ("tests", Case::new("com.ex:app:1.0:test-jar:", ONE)),
    (
        "tests-of-project",
        Case::dependency("com.ex:app:1.0:test-jar:", ONE),
    ),
    ("sources", Case::new("com.ex:app:1.0:java-source:", ONE)),
    ("client", Case::new("com.ex:app:1.0:ejb-client:", ONE)),
    ("javadoc", Case::new("com.ex:app:1.0:javadoc:", ONE)),
    (
        "installed",
        Case::new("com.ex:installed-before:1.0-SNAPSHOT:jar:", ONE),
    ),
    (
        "confused",
        Case::new("com.ill:confused:LATEST:jar:", COMPANY_WORLD),
    ),
    ("lower", Case::new("com.ill:lower:LATEST:jar:", EAGER_TWO)),
    ("page-sum", Case::new("com.ill:page-sum:1.0:jar:", STRICT)),
    ("halved", Case::new("com.ill:halved:LATEST:jar:", HALVES)),
];

pub(crate) const SECOND: &[(&str, Case)] = &[
    ("lost", Case::new("com.ill:lost:LATEST:jar:", EAGER)),
    ("torn", Case::new("com.ill:torn:LATEST:jar:", EAGER)),
    ("page", Case::new("com.ill:page:LATEST:jar:", EAGER)),
    ("empty", Case::new("com.ill:empty:LATEST:jar:", EAGER)),
    ("foreign", Case::new("com.ill:foreign:LATEST:jar:", EAGER)),
    (
        "thin",
        Case::new("com.ill:thin:1.0-SNAPSHOT:jar:all", EAGER),
    ),
    ("gone", Case::new("com.ill:gone:1.0-SNAPSHOT:jar:", EAGER)),
    ("early", Case::new("com.ill:early:2.0:jar:", ONE)),
    ("ahead", Case::new("com.ill:ahead:LATEST:jar:", ONE)),
    ("lower", Case::new("com.ill:lower:LATEST:jar:", EAGER_TWO)),
    ("other", Case::new("com.ill:renamed:1.0:jar:", OTHER)),
    (
        "installed-eager",
        Case::new("com.ex:installed-before:1.0-SNAPSHOT:jar:", EAGER),
    ),
];

pub(crate) const OFFLINE: &[(&str, Case)] = &[
    ("lost", Case::new("com.ill:lost:LATEST:jar:", EAGER)),
    ("torn", Case::new("com.ill:torn:LATEST:jar:", EAGER)),
    ("page", Case::new("com.ill:page:LATEST:jar:", EAGER)),
    ("empty", Case::new("com.ill:empty:LATEST:jar:", EAGER)),
    ("foreign", Case::new("com.ill:foreign:LATEST:jar:", EAGER)),
    ("renamed", Case::new("com.ill:renamed:1.0:jar:", RENAMED)),
];

/// Sets the time of a question two days ahead, as a clock that was set back does.
pub(crate) fn spoil_local(local: &Path) {
    let then = Timestamp::now() + Duration::from_hours(48);
    let text = format!(
        "maven-metadata-one.xml.lastUpdated={}\n",
        then.as_millisecond()
    );
    fs_err::write(local.join("com/ill/ahead/resolver-status.properties"), text).unwrap();
}

/// What we do with the same.
struct Ours {
    directory: TempDir,
    user: User,
}

impl Ours {
    /// With what is installed, from repositories that are well.
    fn new(ground: &Ground) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let user = User::at(directory.path());
        ground.copy_remotes(&directory.path().join("remotes"));
        ground.copy_installed(user.head());
        Self { directory, user }
    }

    fn spoil(&self) {
        handmade::spoil(&self.directory.path().join("remotes"));
    }

    fn fetch(&self, case: &Case, preferences: Preferences) -> Result<Fetched, FetchError> {
        let remotes = self.directory.path().join("remotes");
        self.user.fetch(case, &remotes, preferences)
    }

    fn first(&self, name: &str) -> Result<Fetched, FetchError> {
        self.fetch(case(FIRST, name), Preferences::default())
    }

    fn second(&self, name: &str) -> Result<Fetched, FetchError> {
        self.fetch(case(SECOND, name), Preferences::default())
    }

    fn offline(&self, name: &str) -> Result<Fetched, FetchError> {
        self.fetch(case(OFFLINE, name), offline())
    }
}

fn case(cases: &'static [(&str, Case)], name: &str) -> &'static Case {
    &cases.iter().find(|(other, _)| *other == name).unwrap().1
}

fn offline() -> Preferences {
    Preferences {
        offline: true,
        ..Preferences::default()
    }
}

fn label(outcome: &Outcome) -> String {
    label_of(outcome.bytes().unwrap()).unwrap()
}

fn reason(fetched: &Fetched) -> &Reason {
    match &fetched.freshness {
        Freshness::Stale { reason, .. } => reason,
        Freshness::Fresh => panic!("it is fresh: {fetched:?}"),
    }
}

fn warnings(fetched: &Fetched) -> Vec<&Warning> {
    let notices = fetched.notices.iter();
    notices
        .filter_map(|notice| match notice {
            Notice::Resolve(warning) => Some(warning),
            _ => None,
        })
        .collect()
}

#[test]
fn metadata_that_is_not_found_any_more_stops_maven_and_not_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    assert_eq!(ground.first("lost").name(), Some("lost-1.0.jar"));
    let lost = "Failed to resolve version for com.ill:lost:jar:LATEST";
    assert!(ground.second("lost").error().contains(lost));
    assert!(ground.offline("lost").error().contains(lost));

    let ours = Ours::new(ground);
    assert!(outcome(&ours.first("lost")).agrees_with(&ground.first("lost")));
    ours.spoil();
    let fetched = ours.second("lost").unwrap();
    let expected = Reason::Repository {
        id: "one".to_owned(),
        trouble: Trouble::NotFound,
    };
    assert_eq!(
        (reason(&fetched), &*fetched.artifact.version),
        (&expected, "1.0")
    );
    assert_eq!(ours.offline("lost").unwrap().artifact.version, "1.0");
}

#[test]
fn metadata_that_is_torn_or_a_page_or_of_another_artifact_stops_maven_and_not_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let ours = Ours::new(ground);
    for name in ["torn", "page", "empty", "foreign"] {
        assert!(outcome(&ours.first(name)).agrees_with(&ground.first(name)));
    }
    ours.spoil();
    for name in ["torn", "page", "empty", "foreign"] {
        ground.second(name).error();
        ground.offline(name).error();
        let stored = ours.user.head().join("com/ill").join(name);
        let stored = stored.join("maven-metadata-one.xml");
        let before = fs_err::read(&stored).unwrap();
        let fetched = ours.second(name).unwrap();
        assert_eq!(fetched.artifact.version, "1.0", "{name}");
        let is_invalid = |reason: &Reason| {
            matches!(
                reason,
                Reason::Repository {
                    trouble: Trouble::Invalid(_),
                    ..
                }
            )
        };
        assert!(is_invalid(reason(&fetched)), "{name}: {fetched:?}");
        assert!(fs_err::read(&stored).unwrap() == before, "{name}");
        assert_eq!(
            ours.offline(name).unwrap().artifact.version,
            "1.0",
            "{name}"
        );
    }
}

#[test]
fn a_classifier_that_the_newest_build_lacks_gives_an_older_build_without_a_word_only_in_maven() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let first = "thin-1.0-20240101.030405-1-all.jar";
    assert_eq!(ground.first("thin").name(), Some(first));
    let second = ground.second("thin");
    assert_eq!(second.name(), Some("thin-1.0-SNAPSHOT-all.jar"));
    assert!(label(&second).contains("1.0-20240101.030405-1"));

    let ours = Ours::new(ground);
    ours.first("thin").unwrap();
    ours.spoil();
    let fetched = ours.second("thin").unwrap();
    let newest = "1.0-20240102.030405-2".to_owned();
    assert_eq!(reason(&fetched), &Reason::ClassifierMissing { newest });
    assert_eq!(outcome(&Ok(fetched)).name(), Some(first));
}

#[test]
fn a_build_whose_file_is_gone_stops_maven_and_not_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let first = ground.first("gone");
    assert_eq!(first.name(), Some("gone-1.0-20240101.030405-1.jar"));
    assert!(ground.second("gone").error().contains("gone"));

    let ours = Ours::new(ground);
    ours.first("gone").unwrap();
    ours.spoil();
    let fetched = ours.second("gone").unwrap();
    let expected = Reason::Unavailable {
        version: "1.0-20240102.030405-2".to_owned(),
        trouble: Trouble::NotFound,
    };
    assert_eq!(reason(&fetched), &expected);
    assert_eq!(outcome(&Ok(fetched)), first);
}

#[test]
fn a_list_of_versions_of_which_none_is_called_the_latest_is_enough_for_us_and_not_for_maven() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let ours = Ours::new(ground);
    for name in ["unnamed-latest", "unnamed-release"] {
        let error = "Failed to resolve version for com.ill:unnamed:jar:";
        assert!(ground.first(name).error().contains(error));
        let fetched = ours.first(name).unwrap();
        let version = "1.1".to_owned();
        assert_eq!(warnings(&fetched), [&Warning::NotNamed { version }]);
        assert_eq!(fetched.artifact.version, "1.1");
    }
}

#[test]
fn a_snapshot_that_a_repository_without_snapshots_names_stops_maven_and_not_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let error = ground.first("halved");
    assert!(error.error().contains("3.0-SNAPSHOT"), "{error:?}");
    let fetched = Ours::new(ground).first("halved").unwrap();
    let name = fetched.artifact.file_name();
    assert_eq!(name, "halved-3.0-20240101.030405-1.jar");
    // Both entries lead to the same files: it is the right one that was asked.
    assert_eq!(fetched.repository.as_deref(), Some("one-snapshots"));
}

#[test]
fn a_repository_in_trouble_makes_the_version_lower_only_in_maven() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    assert_eq!(ground.first("lower").name(), Some("lower-2.0.jar"));
    assert_eq!(ground.second("lower").name(), Some("lower-1.1.jar"));

    let ours = Ours::new(ground);
    ours.first("lower").unwrap();
    ours.spoil();
    let fetched = ours.second("lower").unwrap();
    assert_eq!(fetched.artifact.version, "2.0");
    let trouble = Trouble::NotFound;
    let id = "one".to_owned();
    assert_eq!(reason(&fetched), &Reason::Repository { id, trouble });
}

#[test]
fn a_page_instead_of_a_checksum_is_a_wrong_one_for_maven_and_none_for_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let theirs = ground.first("page-sum");
    assert!(
        theirs.error().contains("Checksum validation failed"),
        "{theirs:?}"
    );
    // The other one is right.
    let fetched = Ours::new(ground).first("page-sum").unwrap();
    assert_eq!(fetched.artifact.file_name(), "page-sum-1.0.jar");
}

#[test]
fn a_wrong_checksum_is_a_warning_in_maven_and_an_error_for_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    assert_eq!(ground.first("damaged").name(), Some("damaged-1.0.jar"));
    let error = Ours::new(ground).first("damaged").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadContent, "{error}");
}

#[test]
fn a_page_instead_of_a_jar_is_a_jar_only_for_maven() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    assert_eq!(
        label(&ground.first("login")),
        "<html><body>Log in</body></html>"
    );
    let error = Ours::new(ground).first("login").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadContent, "{error}");
}

#[test]
fn a_range_is_a_file_name_for_copy_and_a_range_for_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    assert!(
        ground
            .first("range")
            .error()
            .contains("com.ex:order:jar:[1.9,2)")
    );
    let fetched = Ours::new(ground).first("range").unwrap();
    assert_eq!(fetched.artifact.version, "1.10");
}

#[test]
fn a_range_that_names_no_snapshot_has_none_only_for_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let ours = Ours::new(ground);
    for (name, maven, our) in [
        ("upper", "app-2.0-2", "app-1.2-rc1.jar"),
        ("open", "app-2.1-2", "app-2.0.jar"),
    ] {
        let theirs = ground.first(name);
        assert!(theirs.name().unwrap().starts_with(maven), "{theirs:?}");
        assert!(label(&theirs).contains("SNAPSHOT"));
        assert_eq!(outcome(&ours.first(name)).name(), Some(our));
    }
}

#[test]
fn what_was_missing_a_moment_ago_is_asked_for_again_only_by_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    ground.first("early").error();
    let second = ground.second("early");
    assert!(second.error().contains("was not found"), "{second:?}");
    assert!(second.error().contains("cached in the local repository"));

    let ours = Ours::new(ground);
    let error = ours.first("early").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    ours.spoil();
    assert_eq!(outcome(&ours.second("early")).name(), Some("early-2.0.jar"));
}

#[test]
fn a_note_from_the_future_silences_maven_until_then_and_not_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    assert_eq!(ground.second("ahead").name(), Some("ahead-1.0.jar"));

    let ours = Ours::new(ground);
    ours.spoil();
    ground.copy_first_local(ours.user.head());
    // Within the day we ask as little as Maven does.
    let fetched = ours.first("ahead").unwrap();
    assert_eq!((&*fetched.artifact.version, fetched.requests), ("1.0", 0));
    let ours = Ours::new(ground);
    ours.spoil();
    ground.copy_first_local(ours.user.head());
    spoil_local(ours.user.head());
    assert_eq!(ours.second("ahead").unwrap().artifact.version, "2.0");
}

#[test]
fn a_file_from_a_repository_that_has_another_name_now_is_of_use_only_to_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let offline = ground.offline("renamed");
    assert!(
        offline
            .error()
            .contains("has not been downloaded from it before"),
        "{offline:?}"
    );

    let ours = Ours::new(ground);
    ground.copy_first_local(ours.user.head());
    let fetched = ours.offline("renamed").unwrap();
    let origins = vec!["one".to_owned()];
    assert_eq!(reason(&fetched), &Reason::Unconfirmed { origins });
    assert!(outcome(&Ok(fetched)).agrees_with(&ground.first("renamed")));
}

#[test]
fn a_file_of_the_same_name_from_another_repository_is_compared_only_by_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let second = ground.second("other");
    assert!(label(&second).starts_with("one "), "{second:?}");

    let ours = Ours::new(ground);
    ground.copy_first_local(ours.user.head());
    let outcome = outcome(&ours.second("other"));
    assert!(label(&outcome).starts_with("two "), "{outcome:?}");
}

#[test]
fn a_snapshot_that_was_installed_hides_a_newer_one_only_from_maven() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let daily = ground.first("installed");
    assert!(label(&daily).starts_with("here "), "{daily:?}");
    let eager = ground.second("installed-eager");
    assert!(label(&eager).starts_with("one "), "{eager:?}");

    let ours = Ours::new(ground);
    assert_eq!(outcome(&ours.first("installed")), eager);
}

#[test]
fn a_packaging_that_stands_for_a_classifier_does_so_for_us_and_in_projects_and_not_for_copy() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let ours = Ours::new(ground);
    for (name, file) in [
        ("tests", "app-1.0-tests.jar"),
        ("sources", "app-1.0-sources.jar"),
        ("client", "app-1.0-client.jar"),
        ("javadoc", "app-1.0-javadoc.jar"),
    ] {
        assert_eq!(ground.first(name).name(), Some("app-1.0.jar"), "{name}");
        assert_eq!(outcome(&ours.first(name)).name(), Some(file), "{name}");
    }
    let of_project = ground.first("tests-of-project");
    assert_eq!(outcome(&ours.first("tests-of-project")), of_project);
}

#[test]
fn a_strangers_version_of_an_artifact_of_ones_own_is_the_latest_only_for_maven() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let theirs = ground.first("confused");
    assert_eq!(theirs.name(), Some("confused-9.0.jar"));

    let ours = Ours::new(ground);
    // Without a claim there is nothing to tell the two by.
    assert!(outcome(&ours.first("confused")).agrees_with(&theirs));
    let remotes = ours.directory.path().join("remotes");
    let profile = crate::ours::profile(COMPANY_WORLD, &remotes);
    let mut repositories = ours.user.repositories(&profile);
    repositories[0].groups = vec!["com.ill".to_owned()];
    let preferences = Preferences {
        update: Some(UpdatePolicy::Always),
        ..Preferences::default()
    };
    let coordinates = case(FIRST, "confused").coordinates;
    let fetched = ours
        .user
        .fetch_from(&repositories, coordinates, preferences);
    assert_eq!(fetched.unwrap().artifact.version, "1.0");
}
