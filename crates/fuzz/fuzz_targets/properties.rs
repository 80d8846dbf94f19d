//! The files that Maven keeps in a local repository: whatever is in them, what is here is found,
//! and what we note in them is read again.
//!
//! Input: the content of `_remote.repositories` and of `resolver-status.properties`.

#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use maven_fetch::coordinates::Resolved;
use maven_fetch::local::{LocalRepository, Origin};
use tempfile::TempDir;

/// A local repository with an artifact and metadata. It is not removed at the end.
static REPOSITORY: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let version = directory.path().join(VERSION);
    fs::create_dir_all(&version).unwrap();
    fs::write(version.join("app-1.0.txt"), "artifact").unwrap();
    fs::write(version.join("maven-metadata-corp.xml"), "metadata").unwrap();
    directory
});

const VERSION: &str = "com/ex/app/1.0";

fuzz_target!(|bytes: &[u8]| {
    let root = REPOSITORY.path();
    let own = root.join("own");
    let repository = LocalRepository::new(root.to_owned(), own, Vec::new());
    let write = |name: &str| fs::write(root.join(VERSION).join(name), bytes).unwrap();
    write("_remote.repositories");
    write("resolver-status.properties");
    expect_tracking(&repository);
    expect_stamp(&repository);
    expect_readable(&root.join(VERSION).join("_remote.repositories"));
});

fn expect_tracking(repository: &LocalRepository) {
    let app = Resolved {
        group: "com.ex".to_owned(),
        artifact: "app".to_owned(),
        version: "1.0".to_owned(),
        extension: "txt".to_owned(),
        classifier: None,
    };
    let find = || {
        let mut warnings = Vec::new();
        let found = repository.find(&app, None, &mut warnings);
        assert!(warnings.is_empty(), "{warnings:?}");
        found.expect("it is here")
    };
    let before = find();
    before.confirm("corp").unwrap();
    let after = find().origin;
    assert!(after.is_accepted_for(&["corp"]), "{after:?}");
    if let (Origin::Repositories(before), Origin::Repositories(after)) = (&before.origin, &after) {
        assert!(
            before.iter().all(|id| after.contains(id)),
            "{before:?} {after:?}"
        );
    }
    if let Origin::Installed { is_declared: true } = before.origin {
        assert_eq!(after, before.origin);
    }
}

fn expect_stamp(repository: &LocalRepository) {
    let now = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
    let read = || {
        let mut warnings = Vec::new();
        let stored = repository.metadata(VERSION, "corp", &mut warnings);
        assert!(warnings.is_empty(), "{warnings:?}");
        stored.expect("it is here").status
    };
    read();
    let place = repository.prepare_directory(VERSION).unwrap();
    place.stamp_metadata("corp", now).unwrap();
    let status = read();
    assert_eq!((status.checked_at, status.error), (Some(now), None));
}

/// What we wrote is ASCII, as the Java class writes and every version of it reads.
fn expect_readable(path: &Path) {
    let text = fs::read(path).unwrap();
    let ours = text.starts_with(b"#NOTE: This is a Maven Resolver internal implementation file");
    assert!(!ours || text.is_ascii());
}
