//! Checksums of artifacts, from headers and from the files beside them.

use maven_fetch::ErrorKind;
use maven_fetch::checksum::Algorithm;
use maven_fetch::download::{ChecksumSource, DownloadError};
use maven_fetch::repository::ChecksumPolicy;

use crate::server::{Answer, Server};
use crate::{Caller, JAR, hex, jar, repository, server_with_jar, sha1};

fn sidecar(algorithm: Algorithm) -> String {
    format!("{JAR}.{}", algorithm.extension())
}

#[test]
fn a_checksum_in_the_header_saves_the_second_request() {
    let bytes = jar(1);
    for algorithm in Algorithm::STRONGEST_FIRST {
        let server = Server::start();
        let name = format!("X-Checksum-{}", algorithm.extension());
        server.script(
            JAR,
            [Answer::file(bytes.clone()).header(&name, &hex(algorithm, &bytes))],
        );
        let caller = Caller::new();
        let downloaded = caller.artifact(&repository(&server.url())).unwrap();
        assert_eq!(server.paths(), [JAR]);
        let (checksum, source) = downloaded.verified.unwrap();
        assert_eq!(
            (checksum.algorithm, source),
            (algorithm, ChecksumSource::Header)
        );
        assert_eq!(downloaded.sha1, sha1(&bytes));
        assert_eq!(downloaded.sha256, hex(Algorithm::Sha256, &bytes));
        assert_eq!(fs_err::read(&downloaded.file).unwrap(), bytes);
    }
}

#[test]
fn without_one_the_sha1_file_is_asked_for_and_no_other() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    let downloaded = Caller::new().artifact(&repository(&server.url())).unwrap();
    assert_eq!(server.paths(), [JAR, &sidecar(Algorithm::Sha1)]);
    assert_eq!(downloaded.verified.unwrap().1, ChecksumSource::Sidecar);
    assert_eq!(downloaded.size_bytes, bytes.len() as u64);
}

#[test]
fn a_checksum_file_that_cannot_be_had_or_read_leads_to_the_next() {
    let bytes = jar(1);
    for useless in [
        Answer::status(404),
        Answer::status(500),
        Answer::status(403),
        Answer::login_page(),
        Answer::file("<html>log in</html>"),
        Answer::file(""),
        Answer::file([0xff, 0xfe]),
        Answer::file(vec![b'a'; 100_000]),
    ] {
        let server = server_with_jar(&bytes);
        server.script(&sidecar(Algorithm::Sha1), [useless.clone()]);
        server.script(
            &sidecar(Algorithm::Md5),
            [Answer::file(hex(Algorithm::Md5, &bytes))],
        );
        let downloaded = Caller::new().artifact(&repository(&server.url())).unwrap();
        assert_eq!(
            downloaded.verified.unwrap().0.algorithm,
            Algorithm::Md5,
            "{useless:?}"
        );
        assert_eq!(server.paths().len(), 5);
        assert_eq!(downloaded.sha1, sha1(&bytes));
    }
}

#[test]
fn the_policy_decides_about_missing_checksums() {
    let bytes = jar(1);
    let server = Server::start();
    server.script(JAR, [Answer::file(bytes)]);
    let repository = repository(&server.url());
    let ask = |checksum| {
        Caller {
            checksum,
            ..Caller::new()
        }
        .artifact(&repository)
    };
    assert_eq!(ask(ChecksumPolicy::Warn).unwrap().verified, None);
    let error = ask(ChecksumPolicy::Fail).unwrap_err();
    assert!(
        matches!(error, DownloadError::ChecksumMissing { .. }),
        "{error}"
    );
    let before = server.log().len();
    assert_eq!(ask(ChecksumPolicy::Ignore).unwrap().verified, None);
    assert_eq!(server.log().len(), before + 1);
}

#[test]
fn a_wrong_checksum_twice_is_an_error_that_holds_the_file() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    server.script(&sidecar(Algorithm::Sha1), [Answer::file(sha1(b"other"))]);
    for checksum in [ChecksumPolicy::Warn, ChecksumPolicy::Fail] {
        let caller = Caller {
            checksum,
            ..Caller::new()
        };
        let before = server.log().len();
        let error = caller.artifact(&repository(&server.url())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadContent);
        for part in [sha1(&bytes), sha1(b"other"), "checksum file".to_owned()] {
            assert!(error.to_string().contains(&part), "{error}");
        }
        let log = server.log().split_off(before);
        assert_eq!(log.len(), 4);
        for (logged, cache) in log
            .iter()
            .zip([None, None, Some("no-cache"), Some("no-cache")])
        {
            assert_eq!(logged.header("cache-control"), cache);
            assert_eq!(logged.header("range"), None);
        }
        let DownloadError::ChecksumMismatch {
            file: Some(file), ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(fs_err::read(&file).unwrap(), bytes);
        assert_eq!(caller.files().len(), 1);
        drop(file);
        assert!(caller.files().is_empty());
    }
}

#[test]
fn a_wrong_checksum_once_is_forgotten() {
    let (bytes, damaged) = (jar(1), jar(2));
    let server = server_with_jar(&bytes);
    server.script(JAR, [Answer::file(damaged), Answer::file(bytes.clone())]);
    let caller = Caller::new();
    let downloaded = caller.artifact(&repository(&server.url())).unwrap();
    assert_eq!(fs_err::read(&downloaded.file).unwrap(), bytes);
    assert_eq!(server.paths().len(), 4);
}

#[test]
fn a_wrong_checksum_is_not_looked_at_if_the_policy_says_so() {
    let server = Server::start();
    server.script(
        JAR,
        [Answer::file(jar(1)).header("X-Checksum-Sha1", &sha1(b"other"))],
    );
    let caller = Caller {
        checksum: ChecksumPolicy::Ignore,
        ..Caller::new()
    };
    assert_eq!(
        caller
            .artifact(&repository(&server.url()))
            .unwrap()
            .verified,
        None
    );
}
