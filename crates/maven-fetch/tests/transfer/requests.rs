//! Requests: conditions, redirects, credentials, proxies, and what the answers mean.

use std::time::Duration;

use maven_fetch::ErrorKind;
use maven_fetch::download::{DownloadError, MetadataAnswer, Otherwise};
use maven_fetch::repository::{Proxy, Secret};
use maven_fetch::transport::{ClearText, HttpTransport, TransportError, Validators};

use crate::server::{Answer, Server, closed_port};
use crate::{Caller, JAR, XML, body, credentials, jar, repository, server_with_jar};

const TEXT: &[u8] = b"<metadata/>";

/// `me:secret`.
const AUTHORIZATION: &str = "Basic bWU6c2VjcmV0";

#[test]
fn unchanged_metadata_is_not_sent_again() {
    let server = Server::start();
    server.script(XML, [Answer::file(TEXT)]);
    let (caller, repository) = (Caller::new(), repository(&server.url()));
    let first = body(caller.metadata(&repository, None).unwrap());
    assert_eq!(first.bytes, TEXT);
    let second = caller
        .metadata(&repository, Some(&first.validators))
        .unwrap();
    assert_eq!(second, MetadataAnswer::NotModified);
    let log = server.log();
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].header("if-none-match"), None);
    assert_eq!(
        log[1].header("if-none-match"),
        first.validators.etag.as_deref()
    );
    assert_eq!(
        log[1].header("if-modified-since"),
        first.validators.last_modified.as_deref()
    );
}

#[test]
fn changed_metadata_is_sent_whole() {
    let server = Server::start();
    server.script(
        XML,
        [Answer::file(TEXT), Answer::file("<metadata></metadata>")],
    );
    let (caller, repository) = (Caller::new(), repository(&server.url()));
    let first = body(caller.metadata(&repository, None).unwrap());
    let second = body(
        caller
            .metadata(&repository, Some(&first.validators))
            .unwrap(),
    );
    assert_eq!(second.bytes, b"<metadata></metadata>");
    assert_ne!(second.validators, first.validators);
}

#[test]
fn not_modified_without_a_question_is_asked_again_past_caches() {
    let server = Server::start();
    server.script(XML, [Answer::status(304), Answer::file(TEXT)]);
    let answer = Caller::new()
        .metadata(&repository(&server.url()), None)
        .unwrap();
    assert_eq!(body(answer).bytes, TEXT);
    let log = server.log();
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].header("cache-control"), None);
    assert_eq!(log[1].header("cache-control"), Some("no-cache"));

    server.script(XML, [Answer::status(304)]);
    let error = Caller::new()
        .metadata(&repository(&server.url()), None)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadContent);
    assert_eq!(server.log().len(), 4);
}

#[test]
fn metadata_travels_compressed_and_artifacts_as_they_are_stored() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    server.script(XML, [Answer::file(TEXT).gzip()]);
    let (caller, repository) = (Caller::new(), repository(&server.url()));
    assert_eq!(
        body(caller.metadata(&repository, None).unwrap()).bytes,
        TEXT
    );
    caller.artifact(&repository).unwrap();
    let log = server.log();
    assert_eq!(log[0].header("accept-encoding"), Some("gzip"));
    assert_eq!(log[1].header("accept-encoding"), Some("identity"));
    let agent = log[0].header("user-agent").unwrap();
    assert!(agent.starts_with("maven-fetch/"), "{agent}");
    assert_eq!(log[0].header("accept"), Some("*/*"));
}

#[test]
fn a_path_is_encoded_on_the_way() {
    let server = Server::start();
    let (caller, repository) = (
        Caller::new(),
        repository(&format!("{}maven%20repo/", server.url())),
    );
    caller
        .artifact_at(&repository, "a/b-1.0+x~y z.jar", &mut |_| ())
        .unwrap_err();
    assert_eq!(server.paths(), ["maven%20repo/a/b-1.0%2Bx~y%20z.jar"]);
    for path in ["../a.jar", "a//b.jar", "a/./b.jar", ""] {
        let error = caller
            .artifact_at(&repository, path, &mut |_| ())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadContent, "{path}");
    }
    assert_eq!(server.log().len(), 1);
}

#[test]
fn credentials_are_sent_before_they_are_asked_for() {
    let server = Server::start();
    server.script(XML, [Answer::file(TEXT).only_to(AUTHORIZATION)]);
    let mut known = repository(&server.url());
    known.credentials = Some(credentials("me", "secret"));
    body(Caller::new().metadata(&known, None).unwrap());
    assert_eq!(server.log().len(), 1);

    let written = server.url().replace("//", "//me:secret@");
    body(Caller::new().metadata(&repository(&written), None).unwrap());
    assert_eq!(server.log().len(), 2);
}

#[test]
fn wrong_credentials_are_refused_once_and_never_shown() {
    let server = Server::start();
    server.script(XML, [Answer::file(TEXT).only_to(AUTHORIZATION)]);
    for configured in [false, true] {
        let mut known = repository(&server.url().replace("//", "//me:hunter2@"));
        if configured {
            known = repository(&server.url());
            known.credentials = Some(credentials("me", "hunter2"));
        }
        let error = Caller::new().metadata(&known, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.hint().unwrap().contains("wrong"));
        let shown = format!(
            "{error} {error:?} {:?} {:?}",
            error.hint(),
            known.credentials
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(server.log().len(), 2);
    let error = Caller::new()
        .metadata(&repository(&server.url()), None)
        .unwrap_err();
    assert!(error.hint().unwrap().contains("no credentials"));
}

#[test]
fn credentials_outside_ascii_are_tried_in_both_charsets() {
    let server = Server::start();
    // `me:é` in Latin-1.
    server.script(XML, [Answer::file(TEXT).only_to("Basic bWU66Q==")]);
    let mut known = repository(&server.url());
    known.credentials = Some(credentials("me", "é"));
    body(Caller::new().metadata(&known, None).unwrap());
    assert_eq!(server.log().len(), 2);
    known.credentials = Some(credentials("me", "è"));
    let error = Caller::new().metadata(&known, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert_eq!(server.log().len(), 4);
}

#[test]
fn neither_credentials_nor_headers_follow_a_redirect_to_another_port() {
    let (server, other) = (Server::start(), Server::start());
    other.script("elsewhere", [Answer::file(TEXT)]);
    server.script(XML, [Answer::redirect(302, "/moved")]);
    server.script(
        "moved",
        [Answer::redirect(
            307,
            &format!("{}elsewhere?sign=1", other.url()),
        )],
    );
    let mut known = repository(&server.url());
    known.credentials = Some(credentials("me", "secret"));
    known.headers = vec![("Job-Token".to_owned(), Secret("token".to_owned()))];
    body(Caller::new().metadata(&known, None).unwrap());
    for logged in server.log() {
        assert_eq!(logged.header("authorization"), Some(AUTHORIZATION));
        assert_eq!(logged.header("job-token"), Some("token"));
    }
    assert_eq!(server.log().len(), 2);
    let log = other.log();
    assert_eq!(log[0].target, "/elsewhere?sign=1");
    assert_eq!(log[0].header("authorization"), None);
    assert_eq!(log[0].header("job-token"), None);
}

#[test]
fn a_redirect_in_a_circle_ends_after_ten() {
    let server = Server::start();
    server.script(
        XML,
        [Answer::redirect(301, XML.rsplit('/').next().unwrap())],
    );
    let error = Caller::new()
        .metadata(&repository(&server.url()), None)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadContent);
    assert!(error.to_string().contains("10 redirects"), "{error}");
    assert_eq!(server.log().len(), 11);
}

#[test]
fn a_header_that_cannot_be_sent_is_an_error_without_its_value() {
    let server = Server::start();
    let mut known = repository(&server.url());
    known.headers = vec![("Job-Token".to_owned(), Secret("to\nken".to_owned()))];
    let error = Caller::new().metadata(&known, None).unwrap_err();
    assert!(error.to_string().contains("`Job-Token`"), "{error}");
    assert!(!format!("{error:?}").contains("ken\""), "{error:?}");
    assert!(server.log().is_empty());
}

#[test]
fn a_proxy_is_asked_with_its_own_credentials_and_ours_stay_out_of_clear_text() {
    let server = Server::start();
    server.script(XML, [Answer::file(TEXT)]);
    let mut known = repository("http://repo.example/");
    known.credentials = Some(credentials("me", "secret"));
    known.proxy = Some(Proxy {
        host: "127.0.0.1".to_owned(),
        port: server.port(),
        credentials: Some(credentials("proxy", "user")),
    });
    body(Caller::new().metadata(&known, None).unwrap());
    let anywhere = Caller::with_http(HttpTransport::new(ClearText::Anywhere));
    body(anywhere.metadata(&known, None).unwrap());
    let log = server.log();
    assert_eq!(log[0].target, format!("http://repo.example/{XML}"));
    assert_eq!(
        log[0].header("proxy-authorization"),
        Some("Basic cHJveHk6dXNlcg==")
    );
    assert_eq!(log[0].header("authorization"), None);
    assert_eq!(log[1].header("authorization"), Some(AUTHORIZATION));

    server.script(XML, [Answer::status(401)]);
    let error = Caller::new().metadata(&known, None).unwrap_err();
    assert!(error.hint().unwrap().contains("not sent"), "{error:?}");
}

#[test]
fn a_proxy_that_refuses_is_told_from_a_repository_that_does() {
    let server = Server::start();
    for url in ["http://repo.example/", "https://repo.example/"] {
        server.script(XML, [Answer::status(407)]);
        server.script("repo.example:443", [Answer::status(407)]);
        let mut known = repository(url);
        known.proxy = Some(Proxy {
            host: "127.0.0.1".to_owned(),
            port: server.port(),
            credentials: None,
        });
        let error = Caller::new().metadata(&known, None).unwrap_err();
        let refused = matches!(
            error,
            DownloadError::Transport(TransportError::Refused { status: 407, .. })
        );
        assert!(refused, "{error:?}");
        assert!(error.hint().unwrap().contains("proxy"));
    }
}

#[test]
fn each_status_leads_to_its_own_kind_of_error_and_number_of_tries() {
    for (answer, kind, tries) in [
        (Answer::status(404), ErrorKind::NotFound, 1),
        (Answer::status(410), ErrorKind::NotFound, 1),
        (Answer::status(401), ErrorKind::Credentials, 1),
        (Answer::status(403), ErrorKind::Credentials, 1),
        (Answer::status(500), ErrorKind::Unreachable, 3),
        (Answer::status(503), ErrorKind::Unreachable, 3),
        (Answer::status(429), ErrorKind::Unreachable, 3),
        (
            Answer::status(429).header("Retry-After", "3600"),
            ErrorKind::Unreachable,
            1,
        ),
        (Answer::login_page(), ErrorKind::BadContent, 1),
        (
            Answer::file(TEXT).with_status(203),
            ErrorKind::BadContent,
            1,
        ),
    ] {
        let server = Server::start();
        server.script(XML, [answer.clone()]);
        let error = Caller::new()
            .metadata(&repository(&server.url()), None)
            .unwrap_err();
        assert_eq!(
            (error.kind(), server.log().len()),
            (kind, tries),
            "{answer:?}"
        );
        assert!(
            error
                .to_string()
                .contains(&format!("`{}{XML}`", server.url())),
            "{error}"
        );
    }
}

#[test]
fn a_repository_that_recovers_is_asked_until_it_does() {
    let server = Server::start();
    server.script(
        XML,
        [
            Answer::status(500),
            Answer::status(503).header("Retry-After", "7"),
            Answer::file(TEXT),
        ],
    );
    let caller = Caller::new();
    body(caller.metadata(&repository(&server.url()), None).unwrap());
    assert_eq!(*caller.slept.lock().unwrap(), Duration::from_secs(7));
}

#[test]
fn who_has_something_to_serve_does_not_wait_for_an_overloaded_repository() {
    let server = Server::start();
    server.script(XML, [Answer::status(503).header("Retry-After", "7")]);
    let caller = Caller {
        otherwise: Otherwise::ServeCached,
        ..Caller::new()
    };
    let error = caller
        .metadata(&repository(&server.url()), None)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(server.log().len(), 1);
    assert_eq!(*caller.slept.lock().unwrap(), Duration::ZERO);
}

#[test]
fn no_connection_and_no_encryption_are_unreachable_with_their_reason() {
    let server = Server::start();
    for (url, reason) in [
        (format!("http://127.0.0.1:{}/", closed_port()), "refused"),
        (server.url().replace("http:", "https:"), ""),
    ] {
        let error = Caller::new().metadata(&repository(&url), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{url}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_repository_that_hangs_is_left_when_time_is_over() {
    let halfway = Answer::file(TEXT).hang_after(4);
    for answer in [Answer::file(TEXT).hang(), halfway] {
        let server = Server::start();
        server.script(XML, [answer]);
        let mut caller = Caller {
            deadline: Some(Duration::from_millis(300)),
            ..Caller::new()
        };
        caller.patience.timeout = Duration::from_hours(1);
        let error = caller
            .metadata(&repository(&server.url()), None)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        assert_eq!(server.log().len(), 1);
    }
}

#[test]
fn a_repository_that_hangs_is_asked_again_when_one_wait_is_over() {
    let server = Server::start();
    server.script(
        XML,
        [
            Answer::file(TEXT).hang(),
            Answer::file(TEXT).hang_after(4),
            Answer::file(TEXT),
        ],
    );
    let mut caller = Caller::new();
    caller.patience.timeout = Duration::from_millis(200);
    body(caller.metadata(&repository(&server.url()), None).unwrap());
    assert_eq!(server.log().len(), 3);
}

#[test]
fn a_slow_answer_within_one_wait_is_taken() {
    let server = Server::start();
    server.script(XML, [Answer::file(TEXT).after(Duration::from_millis(100))]);
    body(
        Caller::new()
            .metadata(&repository(&server.url()), None)
            .unwrap(),
    );
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_body_that_drips_ends_at_the_deadline() {
    let server = Server::start();
    server.script(
        JAR,
        [Answer::file(jar(1)).drip(1, Duration::from_millis(10))],
    );
    let mut caller = Caller {
        deadline: Some(Duration::from_millis(300)),
        ..Caller::new()
    };
    caller.patience.timeout = Duration::from_millis(200);
    let error = caller.artifact(&repository(&server.url())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert_eq!(server.log().len(), 1);
}

#[test]
fn metadata_that_is_cut_or_too_large_is_an_error() {
    let server = Server::start();
    let large = vec![b' '; 16 * 1024 * 1024 + 1];
    let repository = repository(&server.url());
    for (answer, kind, tries) in [
        (Answer::file(TEXT).cut_after(4), ErrorKind::Unreachable, 3),
        (
            Answer::file(TEXT).declared_length(TEXT.len() + 1),
            ErrorKind::Unreachable,
            3,
        ),
        (
            Answer::file(TEXT).chunked().cut_after(4),
            ErrorKind::Unreachable,
            3,
        ),
        (Answer::file(large.clone()), ErrorKind::BadContent, 1),
        (
            Answer::file(large.clone()).chunked(),
            ErrorKind::BadContent,
            1,
        ),
        (Answer::file(large).gzip(), ErrorKind::BadContent, 1),
    ] {
        server.script(XML, [answer]);
        let before = server.log().len();
        let error = Caller::new().metadata(&repository, None).unwrap_err();
        assert_eq!(
            (error.kind(), server.log().len() - before),
            (kind, tries),
            "{error}"
        );
    }
}

#[test]
fn metadata_with_a_wrong_checksum_is_asked_once_more_past_caches() {
    let wrong = || Answer::file(TEXT).header("X-Checksum-Sha1", &"0".repeat(40));
    let server = Server::start();
    let repository = repository(&server.url());
    let old = Validators {
        etag: Some("\"old\"".to_owned()),
        last_modified: None,
    };
    server.script(XML, [wrong(), Answer::file(TEXT)]);
    let answer = Caller::new().metadata(&repository, Some(&old)).unwrap();
    assert_eq!(body(answer).mismatch, None);
    let log = server.log();
    assert_eq!(log.len(), 2);
    assert_eq!(log[1].header("cache-control"), Some("no-cache"));
    assert_eq!(log[1].header("if-none-match"), None);

    server.script(XML, [wrong()]);
    let answer = Caller::new().metadata(&repository, None).unwrap();
    assert!(body(answer).mismatch.is_some());
    let strict = Caller {
        checksum: maven_fetch::repository::ChecksumPolicy::Fail,
        ..Caller::new()
    };
    let error = strict.metadata(&repository, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadContent);
}
