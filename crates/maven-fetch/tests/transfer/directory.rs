//! Repositories in directories.

use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use maven_fetch::ErrorKind;
use maven_fetch::download::MetadataAnswer;
use maven_fetch::repository::Repository;
use maven_fetch::transport::{
    Content, DirectoryTransport, Expect, Request, Transport as _, Validators,
};
use url::Url;

use crate::server::Server;
use crate::{Caller, JAR, XML, body, jar, repository, sha1};

fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, bytes).unwrap();
}

fn at(root: &Path) -> Repository {
    repository(Url::from_directory_path(root).unwrap().as_str())
}

#[test]
fn a_directory_gives_the_same_whether_read_or_served() {
    let root = tempfile::tempdir().unwrap();
    let bytes = jar(1);
    put(root.path(), JAR, &bytes);
    put(root.path(), &format!("{JAR}.sha1"), sha1(&bytes).as_bytes());
    let server = Server::start();
    server.serve_directory(root.path());
    for repository in [at(root.path()), repository(&server.url())] {
        let downloaded = Caller::new().artifact(&repository).unwrap();
        assert_eq!(downloaded.sha1, sha1(&bytes));
        assert!(downloaded.verified.is_some());
    }
}

#[test]
fn unchanged_metadata_in_a_directory_is_not_read_again() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), XML, b"<metadata/>");
    let (caller, repository) = (Caller::new(), at(root.path()));
    let first = body(caller.metadata(&repository, None).unwrap());
    let second = caller
        .metadata(&repository, Some(&first.validators))
        .unwrap();
    assert_eq!(second, MetadataAnswer::NotModified);
    put(root.path(), XML, b"<metadata></metadata>");
    let third = body(
        caller
            .metadata(&repository, Some(&first.validators))
            .unwrap(),
    );
    assert_eq!(third.bytes, b"<metadata></metadata>");
}

#[test]
fn the_rest_of_a_file_in_a_directory_is_read_if_it_is_the_same_file() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), JAR, b"0123456789");
    let repository = at(root.path());
    let read = |resume: Option<(u64, &Validators)>| {
        let request = Request {
            repository: &repository,
            path: JAR,
            expect: Expect::Artifact,
            validators: None,
            resume,
            no_cache: false,
            timeout: Duration::from_secs(1),
            within: Duration::from_secs(1),
        };
        let mut response = DirectoryTransport.open(&request).unwrap();
        let mut text = String::new();
        response.body.read_to_string(&mut text).unwrap();
        (response.content, text, response.validators)
    };
    let (content, text, validators) = read(None);
    assert_eq!((content, text.as_str()), (Content::Whole, "0123456789"));
    let other = Validators {
        etag: Some("\"other\"".to_owned()),
        last_modified: None,
    };
    for (resume, content, text) in [
        ((7, &validators), Content::From(7), "789"),
        ((10, &validators), Content::From(10), ""),
        ((11, &validators), Content::Whole, "0123456789"),
        ((7, &other), Content::Whole, "0123456789"),
    ] {
        let answer = read(Some(resume));
        assert_eq!((answer.0, answer.1.as_str()), (content, text), "{resume:?}");
    }
}

#[test]
fn a_missing_file_is_told_from_a_missing_directory() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "com/ex/app/1.0/other", b"");
    put(root.path(), "file", b"");
    let caller = Caller::new();
    let kind = |root: &Path, path: &str| {
        caller
            .artifact_at(&at(root), path, &mut |_| ())
            .unwrap_err()
            .kind()
    };
    for path in [JAR, "com/ex", "file/below", "com/ex/none/at/all"] {
        assert_eq!(kind(root.path(), path), ErrorKind::NotFound, "{path}");
    }
    assert_eq!(
        kind(&root.path().join("unmounted"), JAR),
        ErrorKind::Unreachable
    );
    assert_eq!(kind(root.path(), "../etc/passwd"), ErrorKind::BadContent);
}

#[test]
fn links_in_a_directory_are_followed() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = jar(1);
    put(elsewhere.path(), "app.jar", &bytes);
    fs_err::create_dir_all(root.path().join(JAR).parent().unwrap()).unwrap();
    symlink(elsewhere.path().join("app.jar"), root.path().join(JAR)).unwrap();
    assert_eq!(
        Caller::new().artifact(&at(root.path())).unwrap().sha1,
        sha1(&bytes)
    );
}
