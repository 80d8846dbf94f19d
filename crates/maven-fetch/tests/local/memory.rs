//! What is remembered, and that nothing depends on it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use maven_fetch::local::FileFacts;
use maven_fetch::state::{FileKey, FileRecord, Resolution, State};
use maven_fetch::transport::Validators;

use crate::{User, app, jar, sha1, tree};

const HOST: &str = "repo.example.com:443";

fn stamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn key(user: &User) -> FileKey<'_> {
    let repository_url = "https://repo.example.com/";
    FileKey {
        local: user.root(),
        repository_url,
        path: "com/ex/app/maven-metadata.xml",
    }
}

/// A record of metadata that was published.
fn record(user: &User) -> (FileRecord, std::path::PathBuf) {
    let place = user.repository.prepare_directory("com/ex/app").unwrap();
    let published = place
        .publish_metadata("corp", b"<metadata/>", stamp(1000))
        .unwrap();
    let record = FileRecord {
        facts: published.facts,
        validators: Validators {
            etag: Some("\"e\"".to_owned()),
            last_modified: None,
        },
        sha1: sha1(b"<metadata/>"),
        sha256: String::new(),
        fetched_at: stamp(1000),
        checked_at: stamp(1001),
        metadata: Some("<metadata/>".to_owned()),
    };
    (record, published.path)
}

#[test]
fn a_record_belongs_to_one_file_of_one_repository_in_one_local_repository() {
    let user = User::new();
    let (record, _) = record(&user);
    let key = key(&user);
    assert_eq!(user.state.file(key), None);
    user.state.remember_file(key, &record).unwrap();
    assert_eq!(user.state.file(key), Some(record));
    for other in [
        FileKey {
            local: Path::new("/other"),
            ..key
        },
        FileKey {
            repository_url: "https://other.example.com/",
            ..key
        },
        FileKey {
            path: "com/ex/app/3.0-SNAPSHOT/maven-metadata.xml",
            ..key
        },
    ] {
        assert_eq!(user.state.file(other), None);
    }
}

#[test]
fn validators_hold_only_for_the_file_that_they_describe() {
    let user = User::new();
    let (record, path) = record(&user);
    assert_eq!(record.validators_for(&path), Some(&record.validators));
    fs_err::remove_file(&path).unwrap();
    assert_eq!(record.validators_for(&path), None);
    fs_err::write(&path, "<metadata/>").unwrap();
    assert_eq!(record.validators_for(&path), None);
}

#[test]
fn a_record_that_is_of_no_use_counts_as_none_and_is_replaced() {
    let user = User::new();
    let (record, _) = record(&user);
    user.state.remember_file(key(&user), &record).unwrap();
    let files = tree(&user.directory.path().join("cache"));
    let (path, (content, ..)) = files.first_key_value().unwrap();
    let text = String::from_utf8(content.clone()).unwrap();
    for useless in [
        String::new(),
        "\0".repeat(content.len()),
        text.chars().take(text.len() / 2).collect(),
        "{}".to_owned(),
        "[[[[".repeat(100_000),
        // Of another file: as if two names had the same hash.
        text.replace("maven-metadata.xml", "other.xml"),
    ] {
        fs_err::write(path, &useless).unwrap();
        assert_eq!(user.state.file(key(&user)), None, "{useless:.60}");
        user.state.remember_file(key(&user), &record).unwrap();
        assert_eq!(user.state.file(key(&user)).as_ref(), Some(&record));
    }
    fs_err::remove_file(path).unwrap();
    fs_err::create_dir(path).unwrap();
    assert_eq!(user.state.file(key(&user)), None);
    let error = user.state.remember_file(key(&user), &record).unwrap_err();
    assert!(
        error.to_string().contains(&*path.to_string_lossy()),
        "{error}"
    );
}

#[test]
fn a_cache_that_cannot_be_made_is_an_error_that_names_it_and_reads_as_empty() {
    let user = User::new();
    let blocked = user.directory.path().join("file");
    fs_err::write(&blocked, "").unwrap();
    let state = State::new(&blocked);
    let (record, _) = record(&user);
    assert_eq!(state.file(key(&user)), None);
    let error = state.remember_file(key(&user), &record).unwrap_err();
    assert!(
        error.to_string().contains(&*blocked.to_string_lossy()),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn what_is_remembered_is_for_this_user_only() {
    use std::os::unix::fs::MetadataExt as _;

    let user = User::new();
    let (record, _) = record(&user);
    user.state.remember_file(key(&user), &record).unwrap();
    let cache = user.directory.path().join("cache");
    for (path, _) in tree(&cache) {
        assert_eq!(fs_err::metadata(&path).unwrap().mode() & 0o777, 0o600);
        for directory in path
            .ancestors()
            .skip(1)
            .take_while(|path| path.starts_with(&cache))
        {
            assert_eq!(fs_err::metadata(directory).unwrap().mode() & 0o777, 0o700);
        }
    }
}

#[test]
fn a_resolution_holds_as_long_as_its_file_is_untouched() {
    let user = User::new();
    for classifier in [Some("c".to_owned()), None] {
        let mut resolved = app("1.0");
        resolved.classifier = classifier;
        let published = user.publish(&resolved, &jar("one"));
        let resolution = Resolution {
            resolved,
            repository_id: "corp".to_owned(),
            path: published.path.clone(),
            facts: published.facts,
            sha1: sha1(&jar("one")),
            sha256: String::new(),
            checked_at: stamp(1000),
            witnesses: Vec::new(),
            certain: true,
        };
        user.state
            .remember_resolution(user.root(), "com.ex:app:LATEST", &resolution)
            .unwrap();
        let found = user
            .state
            .resolution(user.root(), "com.ex:app:LATEST")
            .unwrap();
        assert_eq!(found, resolution);
        assert!(found.is_intact());
        assert_eq!(
            user.state.resolution(user.root(), "com.ex:app:RELEASE"),
            None
        );
        assert_eq!(
            user.state
                .resolution(Path::new("/other"), "com.ex:app:LATEST"),
            None
        );
        user.publish(&resolution.resolved, &jar("two"));
        assert!(!found.is_intact());
        fs_err::remove_file(&published.path).unwrap();
        assert!(!found.is_intact() && FileFacts::of(&published.path).is_err());
    }
}

#[test]
fn a_host_that_fails_again_and_again_is_left_alone_for_longer_up_to_a_limit() {
    let user = User::new();
    let state = &user.state;
    let mut now = stamp(1_000_000);
    assert_eq!(state.outage(HOST, now), None);
    for seconds in [30, 60, 120, 240, 300, 300] {
        state.remember_failure(HOST, "timed out", now).unwrap();
        let outage = state.outage(HOST, now).unwrap();
        assert_eq!(outage.down_until.as_second() - now.as_second(), seconds);
        assert_eq!(outage.reason, "timed out");
        assert_eq!(state.outage("repo.example.com:80", now), None);
        now = outage.down_until;
        assert_eq!(state.outage(HOST, now), None);
    }
    state.remember_failure(HOST, "refused", now).unwrap();
    state.remember_success(HOST);
    assert_eq!(state.outage(HOST, now), None);
    state.remember_failure(HOST, "refused", now).unwrap();
    assert_eq!(state.outage(HOST, now).unwrap().failures, 1);
    // Much later, it is as if it were the first one.
    let later = stamp(now.as_second() + 3600);
    state.remember_failure(HOST, "refused", later).unwrap();
    assert_eq!(state.outage(HOST, later).unwrap().failures, 1);
}

#[test]
fn an_outage_written_by_a_clock_that_was_ahead_is_not_believed() {
    let user = User::new();
    let tomorrow = stamp(1_000_000 + 86400);
    user.state
        .remember_failure(HOST, "timed out", tomorrow)
        .unwrap();
    assert_eq!(user.state.outage(HOST, stamp(1_000_000)), None);
}

#[test]
fn a_sweep_removes_what_was_written_before_its_limit() {
    let user = User::new();
    let (record, _) = record(&user);
    user.state.remember_file(key(&user), &record).unwrap();
    user.state
        .remember_failure(HOST, "timed out", stamp(1000))
        .unwrap();
    let (minute, now) = (Duration::from_mins(1), SystemTime::now());
    assert_eq!(user.state.sweep(now - minute), 0);
    assert_eq!(user.state.file(key(&user)).as_ref(), Some(&record));
    assert_eq!(user.state.sweep(now + minute), 2);
    assert_eq!(user.state.file(key(&user)), None);
}
