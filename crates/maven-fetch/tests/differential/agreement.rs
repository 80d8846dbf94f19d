//! Both sides resolve the same specifications to the same files, and each takes what the other
//! left in the local repository.

use std::path::Path;

use maven_fetch::fetch::Preferences;
use maven_fetch::resolve::Freshness;

use crate::cases::{AGREED, Case};
use crate::ground::Ground;
use crate::maven::{Build, settings};
use crate::ours::{User, outcome};
use crate::outcome::Outcome;

/// All specifications, resolved by us from the repositories below `remotes`.
fn resolve(user: &User, remotes: &Path, preferences: Preferences) -> Vec<Outcome> {
    AGREED
        .iter()
        .map(|case| outcome(&user.fetch(case, remotes, preferences)))
        .collect()
}

fn offline() -> Preferences {
    Preferences {
        offline: true,
        ..Preferences::default()
    }
}

/// Checks that two sides agree on every specification of which `is_meant` holds.
fn assert_agreement(theirs: &[Outcome], ours: &[Outcome], is_meant: impl Fn(&Case) -> bool) {
    let mut differences = Vec::new();
    for ((case, theirs), ours) in AGREED.iter().zip(theirs).zip(ours) {
        if is_meant(case) && !theirs.agrees_with(ours) {
            let ids: Vec<_> = case.sources.iter().map(|source| source.id).collect();
            let coordinates = case.coordinates;
            differences.push(format!("{coordinates} {ids:?}\n  {theirs:?}\n  {ours:?}"));
        }
    }
    let count = differences.len();
    assert!(
        differences.is_empty(),
        "{count} differ:\n{}",
        differences.join("\n")
    );
}

#[test]
fn every_specification_gives_the_same_file_or_none() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let theirs = ground.agreed();
    for (case, outcome) in AGREED.iter().zip(&theirs) {
        assert_eq!(
            outcome.name().is_some(),
            case.is_found,
            "{case:?}: {outcome:?}"
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let user = User::at(directory.path());
    let remotes = directory.path().join("remotes");
    ground.copy_remotes(&remotes);
    ground.copy_installed(user.head());
    assert_agreement(
        &theirs,
        &resolve(&user, &remotes, Preferences::default()),
        |_| true,
    );
    // Again, out of what is remembered.
    assert_agreement(
        &theirs,
        &resolve(&user, &remotes, Preferences::default()),
        |_| true,
    );
}

#[test]
fn maven_offline_resolves_everything_out_of_what_we_wrote() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let user = User::at(directory.path());
    let remotes = directory.path().join("remotes");
    ground.copy_remotes(&remotes);
    ground.copy_installed(user.head());
    let ours = resolve(&user, &remotes, Preferences::default());

    ground.copy_plugins(user.head());
    fs_err::remove_dir_all(&remotes).unwrap();
    let file = directory.path().join("maven.xml");
    fs_err::write(&file, settings(user.head(), "")).unwrap();
    let cases: Vec<_> = AGREED.iter().collect();
    let build = Build::run(
        &directory.path().join("build"),
        &cases,
        &remotes,
        &file,
        &["-o"],
    );
    let theirs: Vec<_> = (0..AGREED.len())
        .map(|index| build.outcome(index))
        .collect();
    assert_agreement(&theirs, &ours, |_| true);
}

#[test]
fn we_resolve_everything_offline_out_of_what_maven_wrote() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let user = User::at(directory.path());
    ground.copy_first_local(user.head());
    let remotes = directory.path().join("nowhere");
    let ours = resolve(&user, &remotes, offline());
    assert_agreement(&ground.agreed(), &ours, |case| case.is_found);
    for case in AGREED {
        // What Maven does not have we may have from elsewhere, or of before; then we say so.
        if let Ok(fetched) = user.fetch(case, &remotes, offline()) {
            let is_stale = matches!(fetched.freshness, Freshness::Stale { .. });
            assert!(is_stale || case.is_found, "{case:?}: {fetched:?}");
            assert_eq!(fetched.requests, 0);
        }
    }
}
