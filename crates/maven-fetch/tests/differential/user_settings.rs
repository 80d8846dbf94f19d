//! Settings and the command line as people have them: the same file serves both sides.

use std::fmt::Write as _;
use std::path::Path;

use maven_fetch::coordinates::{Coordinates, CoordinatesError, Defaults, Order};
use maven_fetch::fetch::Preferences;
use tempfile::TempDir;

use crate::cases::{Case, ONE, Source};
use crate::ground::Ground;
use crate::maven::{self, settings};
use crate::ours::{User, outcome};
use crate::remotes::label_of;

/// Both sides with a local repository each.
struct Both {
    directory: TempDir,
    user: User,
}

impl Both {
    fn new(ground: &Ground) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let user = User::at(&directory.path().join("ours"));
        ground.copy_plugins(&directory.path().join("maven"));
        ground.copy_remotes(&directory.path().join("remotes"));
        Self { directory, user }
    }

    fn remotes(&self) -> std::path::PathBuf {
        self.directory.path().join("remotes")
    }

    /// Settings for Maven, with what ours have.
    fn settings(&self, text: &str) -> std::path::PathBuf {
        let file = self.directory.path().join("settings.xml");
        let local = self.directory.path().join("maven");
        fs_err::write(&file, settings(&local, text)).unwrap();
        file
    }
}

/// A profile with one repository.
fn profile(id: &str, directory: &'static str, remotes: &Path, activation: &str) -> String {
    let source = Source {
        id: directory,
        directory,
        ..ONE[0]
    };
    format!(
        "<profile><id>{id}</id>{activation}<repositories><repository>{}</repository>\
         </repositories></profile>",
        source.elements(remotes)
    )
}

fn active(ids: &[&str]) -> String {
    let mut text = "<activeProfiles>".to_owned();
    for id in ids {
        write!(text, "<activeProfile>{id}</activeProfile>").unwrap();
    }
    text + "</activeProfiles>"
}

#[test]
fn the_last_profile_of_the_file_is_asked_first_whatever_the_order_of_the_active_ones() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let by_default = "<activation><activeByDefault>true</activeByDefault></activation>";
    // Both have it, and it is not the same.
    let coordinates = "com.ex:app:1.1:jar:all";
    for (profiles, active, expected) in [
        (
            [("a", "one", ""), ("b", "two", "")],
            active(&["a", "b"]),
            "two ",
        ),
        (
            [("a", "two", by_default), ("b", "one", "")],
            active(&["b"]),
            "one ",
        ),
    ] {
        let both = Both::new(ground);
        let remotes = both.remotes();
        let profiles = profiles
            .map(|(id, remote, activation)| profile(id, remote, &remotes, activation))
            .concat();
        let text = format!("<profiles>{profiles}</profiles>{active}");
        let theirs = maven::copy(&both.settings(&text), coordinates, &[]);
        let label = theirs.bytes().and_then(label_of);
        assert!(label.unwrap().starts_with(expected), "{theirs:?}");
        let repositories = both.user.repositories(&text);
        let ours = both
            .user
            .fetch_from(&repositories, coordinates, Preferences::default());
        assert_eq!(outcome(&ours), theirs);
    }
}

#[test]
fn an_empty_packaging_is_left_out_by_maven_and_an_error_for_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let both = Both::new(ground);
    let text = crate::ours::profile(ONE, &both.remotes());
    let file = both.settings(&text);
    let latest = "com.ex:app:LATEST:jar:all";
    let theirs = maven::copy(&file, latest, &[]);
    // The command line and a project mean the same.
    let case = Case::new(latest, ONE);
    let ours = both
        .user
        .fetch(&case, &both.remotes(), Preferences::default());
    assert_eq!(outcome(&ours), theirs);
    assert_eq!(theirs.name(), Some("app-1.1-all.jar"));

    let empty = "com.ex:app:1.0::all";
    let theirs = maven::copy(&file, empty, &[]);
    assert!(theirs.error().contains("com.ex:app:all:1.0"), "{theirs:?}");
    let error = Coordinates::parse_as(Order::Plugin, empty, &Defaults::default()).unwrap_err();
    assert!(matches!(error, CoordinatesError::Field(_)), "{error:?}");
}
