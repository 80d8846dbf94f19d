//! What lies where after publishing, and that failures leave what was there.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use jiff::Timestamp;
use maven_fetch::local::{Arrival, FileFacts, LocalError};

use crate::{User, app, downloaded, jar, sha1, tree};

#[test]
fn an_artifact_lies_where_maven_looks_with_its_checksum_and_its_origin() {
    let user = User::new();
    let bytes = jar("one");
    let resolved = app("3.0-20240102.030405-7");
    let directory = user.root().join("com/ex/app/3.0-SNAPSHOT");
    fs_err::create_dir_all(&directory).unwrap();
    let negative = directory.join("app-3.0-20240102.030405-7-c.jar.lastUpdated");
    fs_err::write(&negative, "http\\://127.0.0.1\\:1/.error=\n").unwrap();

    let published = user.publish(&resolved, &bytes);
    assert!(published.warnings.is_empty(), "{:?}", published.warnings);
    assert_eq!(
        published.path,
        directory.join("app-3.0-20240102.030405-7-c.jar")
    );
    assert_eq!(published.facts, FileFacts::of(&published.path).unwrap());
    let names: Vec<_> = tree(user.root())
        .into_iter()
        .map(|(path, (content, ..))| (path.file_name().unwrap().to_owned(), content))
        .collect();
    let tracking = "#NOTE: This is a Maven Resolver internal implementation file, its format can be \
                    changed without prior notice.\napp-3.0-20240102.030405-7-c.jar>corp=\n";
    assert_eq!(
        names,
        [
            ("_remote.repositories".into(), tracking.as_bytes().to_vec()),
            ("app-3.0-20240102.030405-7-c.jar".into(), bytes.clone()),
            (
                "app-3.0-20240102.030405-7-c.jar.sha1".into(),
                sha1(&bytes).into_bytes()
            ),
        ]
    );
}

#[test]
fn metadata_lies_under_the_id_of_its_repository_with_its_time() {
    let user = User::new();
    let now = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
    let place = user.repository.prepare_directory("com/ex/app").unwrap();
    fs_err::write(
        place.directory().join("maven-metadata-a-COLON-b.xml.sha1"),
        "old",
    )
    .unwrap();
    let published = place.publish_metadata("a:b", b"<metadata/>", now).unwrap();
    assert!(published.warnings.is_empty());
    let names: Vec<_> = tree(user.root())
        .keys()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        ["maven-metadata-a-COLON-b.xml", "resolver-status.properties"]
    );

    let mut warnings = Vec::new();
    let stored = user
        .repository
        .metadata("com/ex/app", "a:b", &mut warnings)
        .unwrap();
    assert_eq!(
        (stored.bytes.as_slice(), stored.status.checked_at),
        (&b"<metadata/>"[..], Some(now))
    );
    assert_eq!(stored.facts, published.facts);

    let later = Timestamp::from_millisecond(1_700_000_100_000).unwrap();
    place.stamp_metadata("a:b", later).unwrap();
    let confirmed = user
        .repository
        .metadata("com/ex/app", "a:b", &mut warnings)
        .unwrap();
    assert_eq!(
        (confirmed.facts, confirmed.status.checked_at),
        (stored.facts, Some(later))
    );
    assert!(warnings.is_empty());
}

#[test]
fn who_may_read_the_repository_may_read_the_artifact_and_nobody_else_writes_it() {
    for (root_mode, expected) in [(0o755, 0o644), (0o750, 0o640), (0o700, 0o600)] {
        let user = User::new();
        let resolved = app("1.0");
        let place = user.repository.prepare(&resolved).unwrap();
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(user.root(), mode(root_mode)).unwrap();
        let file = downloaded(&place, &jar("one"));
        // As under `umask 077`, and with what no artifact needs.
        fs_err::set_permissions(&file, mode(0o722)).unwrap();
        let arrival = Arrival {
            resolved: &resolved,
            file,
            sha1: "",
            repository_id: "corp",
        };
        let published = place.publish(arrival).unwrap();
        assert_eq!(
            fs_err::metadata(published.path).unwrap().mode() & 0o7777,
            expected
        );
    }
}

#[test]
fn a_reader_of_the_old_file_keeps_it_when_a_new_one_is_published() {
    use std::io::Read as _;

    let user = User::new();
    let (old, new) = (jar("old"), jar("new"));
    let first = user.publish(&app("1.0"), &old);
    let mut reader = fs_err::File::open(&first.path).unwrap();
    let second = user.publish(&app("1.0"), &new);
    let mut seen = Vec::new();
    reader.read_to_end(&mut seen).unwrap();
    assert!(seen == old && fs_err::read(&second.path).unwrap() == new);
    assert_eq!(fs_err::metadata(&second.path).unwrap().nlink(), 1);
}

#[test]
fn a_directory_that_leads_out_of_the_repository_is_refused() {
    let user = User::new();
    for directory in ["", "..", "com/../../x", "/etc", "com/./app", "a\0b"] {
        let found = user.repository.prepare_directory(directory);
        let is_inside = found
            .as_ref()
            .is_ok_and(|place| place.directory().starts_with(user.root()));
        let is_refused = matches!(&found, Err(LocalError::Outside { path }) if path == directory);
        // A dot in the middle is no component to Rust: it stays inside.
        assert!(
            is_refused || (directory == "com/./app" && is_inside),
            "{directory:?}: {found:?}"
        );
    }
    assert!(!user.directory.path().join("x").exists());
}

#[test]
fn a_tracking_file_that_cannot_be_written_is_a_warning() {
    let user = User::new();
    let directory = user.root().join("com/ex/app/1.0");
    fs_err::create_dir_all(directory.join("_remote.repositories")).unwrap();
    fs_err::create_dir_all(directory.join("app-1.0-c.jar.sha1")).unwrap();
    let published = user.publish(&app("1.0"), &jar("one"));
    assert_eq!(published.warnings.len(), 2, "{:?}", published.warnings);
    assert_eq!(fs_err::read(&published.path).unwrap(), jar("one"));
}
