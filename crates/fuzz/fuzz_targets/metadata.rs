//! Metadata of an artifact and of a snapshot: what is accepted names only versions that stay in
//! their directory, and is whole.

#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use maven_fetch::coordinates::{Coordinates, Defaults, Field, base_version, check};
use maven_fetch::metadata::{ArtifactMetadata, MetadataError, SnapshotMetadata, VERSIONS_MAX};

/// Longest message: a few fields of 200 characters each.
const MESSAGE_BYTES_MAX: usize = 2000;

const SNAPSHOT: &str = "3.0-SNAPSHOT";

fuzz_target!(|bytes: &[u8]| {
    let app = Coordinates::parse("com.ex:app:LATEST", &Defaults::default()).unwrap();
    // Without its last `>` no XML is whole.
    let end = bytes.iter().rposition(|byte| *byte == b'>');
    let cut = &bytes[..end.unwrap_or(0)];
    match ArtifactMetadata::accept(&app, bytes) {
        Ok(metadata) => {
            assert!(ArtifactMetadata::accept(&app, cut).is_err(), "half a file");
            expect_versions(&app, &metadata);
        }
        Err(error) => expect_short(&error),
    }
    match SnapshotMetadata::accept(&app, SNAPSHOT, bytes) {
        Ok(metadata) => {
            assert!(
                SnapshotMetadata::accept(&app, SNAPSHOT, cut).is_err(),
                "half a file"
            );
            expect_builds(&app, &metadata);
        }
        Err(error) => expect_short(&error),
    }
});

fn expect_versions(app: &Coordinates, metadata: &ArtifactMetadata) {
    let ArtifactMetadata {
        latest,
        release,
        versions,
        last_updated,
    } = metadata;
    assert!(versions.len() <= VERSIONS_MAX);
    assert!(latest.is_some() || release.is_some() || !versions.is_empty());
    assert!(last_updated.as_ref().is_none_or(|time| !time.is_empty()));
    for version in versions.iter().chain(latest).chain(release) {
        expect_inside(app, version);
    }
}

fn expect_builds(app: &Coordinates, metadata: &SnapshotMetadata) {
    let SnapshotMetadata {
        newest,
        builds,
        last_updated,
    } = metadata;
    assert!(builds.len() <= VERSIONS_MAX);
    assert!(newest.is_some() || !builds.is_empty());
    assert!(last_updated.as_ref().is_none_or(|time| !time.is_empty()));
    for version in builds.iter().map(|build| &build.version).chain(newest) {
        assert_eq!(base_version(version), SNAPSHOT, "{version}");
        expect_inside(app, version);
    }
}

/// The version leads to a file in a directory of its own.
fn expect_inside(app: &Coordinates, version: &str) {
    check(Field::Version, version).unwrap();
    let path = app.resolved(version).unwrap().path();
    let components: Vec<_> = Path::new(&path).components().collect();
    assert_eq!(
        components.len(),
        "com/ex/app/1.0/app-1.0.jar".split('/').count(),
        "{path}"
    );
    assert!(
        components
            .iter()
            .all(|part| matches!(part, Component::Normal(_))),
        "{path}"
    );
    assert!(path.starts_with("com/ex/app/"), "{path}");
}

fn expect_short(error: &MetadataError) {
    assert!(error.to_string().len() <= MESSAGE_BYTES_MAX, "{error}");
}
