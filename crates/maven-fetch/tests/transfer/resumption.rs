//! Transfers that are cut off, and continued: in the same call, and by the next.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use maven_fetch::ErrorKind;

use crate::server::{Answer, Logged, Server};
use crate::{Caller, JAR, jar, repository, server_with_jar, sha1};

const CUT: usize = 250_000;

/// The requests for the jar itself.
fn jar_requests(server: &Server) -> Vec<Logged> {
    let jar = format!("/{JAR}");
    server
        .log()
        .into_iter()
        .filter(|logged| logged.target == jar)
        .collect()
}

/// Downloads a jar whose first transfer is cut off; gives the requests for it.
fn after_a_cut(caller: &Caller, bytes: &[u8], then: Vec<Answer>) -> Vec<Logged> {
    let server = server_with_jar(bytes);
    let first = Answer::file(bytes).cut_after(CUT);
    server.script(JAR, std::iter::once(first).chain(then));
    let downloaded = caller.artifact(&repository(&server.url())).unwrap();
    assert_eq!(fs_err::read(&downloaded.file).unwrap(), bytes);
    assert_eq!(downloaded.sha1, sha1(bytes));
    jar_requests(&server)
}

#[test]
fn a_cut_transfer_is_continued_where_it_ended() {
    let bytes = jar(1);
    let log = after_a_cut(&Caller::new(), &bytes, vec![Answer::file(bytes.clone())]);
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].header("range"), None);
    assert_eq!(
        log[1].header("range"),
        Some(format!("bytes={CUT}-").as_str())
    );
    assert!(log[1].header("if-range").unwrap().starts_with('"'));
}

#[test]
fn a_cut_transfer_is_continued_by_date_if_there_is_no_strong_etag() {
    let bytes = jar(1);
    for etag in ["", "W/\"weak\""] {
        let server = server_with_jar(&bytes);
        let file = Answer::file(bytes.clone()).etag(etag);
        server.script(JAR, [file.clone().cut_after(CUT), file]);
        Caller::new().artifact(&repository(&server.url())).unwrap();
        assert!(server.log()[1].header("if-range").unwrap().ends_with("GMT"));
    }
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    let bytes = jar(1);
    let whole = Answer::file(bytes.clone()).ignoring_ranges();
    let log = after_a_cut(&Caller::new(), &bytes, vec![whole]);
    assert_eq!(log.len(), 2);
    assert!(log[1].header("range").is_some());
}

#[test]
fn a_file_that_changed_in_between_is_downloaded_anew() {
    let (old, new) = (jar(1), jar(2));
    for changed in [
        Answer::file(new.clone()),
        Answer::file(new.clone()).ignoring_if_range(),
    ] {
        let server = server_with_jar(&new);
        server.script(JAR, [Answer::file(old.clone()).cut_after(CUT), changed]);
        let downloaded = Caller::new().artifact(&repository(&server.url())).unwrap();
        assert_eq!(downloaded.sha1, sha1(&new));
    }
}

#[test]
fn what_is_cut_again_and_again_is_continued_each_time() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    // Each answer is cut after so many bytes of its own body.
    let piece = || Answer::file(bytes.clone()).cut_after(150_000);
    server.script(JAR, [piece(), piece(), Answer::file(bytes.clone())]);
    let downloaded = Caller::new().artifact(&repository(&server.url())).unwrap();
    assert_eq!(downloaded.sha1, sha1(&bytes));
    assert_eq!(server.log()[2].header("range"), Some("bytes=300000-"));
}

#[test]
fn a_name_that_may_change_its_meaning_is_never_continued() {
    let bytes = jar(1);
    let caller = Caller {
        immutable: false,
        ..Caller::new()
    };
    let log = after_a_cut(&caller, &bytes, vec![Answer::file(bytes.clone())]);
    assert_eq!(log.len(), 2);
    assert_eq!(log[1].header("range"), None);

    let server = Server::start();
    server.script(JAR, [Answer::file(bytes.clone()).cut_after(CUT)]);
    caller.artifact(&repository(&server.url())).unwrap_err();
    assert!(caller.files().is_empty());
}

#[test]
fn the_next_call_continues_what_this_one_had_to_leave() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    let (caller, repository) = (Caller::new(), repository(&server.url()));
    server.script(
        JAR,
        [
            Answer::file(bytes.clone()).cut_after(CUT),
            Answer::status(503),
        ],
    );
    let error = caller.artifact(&repository).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(caller.files().len(), 2);

    server.script(JAR, [Answer::file(bytes.clone())]);
    let downloaded = caller.artifact(&repository).unwrap();
    assert_eq!(downloaded.sha1, sha1(&bytes));
    let log = jar_requests(&server);
    let asked = log.last().unwrap();
    assert_eq!(
        asked.header("range"),
        Some(format!("bytes={CUT}-").as_str())
    );
    drop(downloaded);
    assert!(caller.files().is_empty());
}

/// Puts down what a run that was killed leaves: bytes, and a note where they are from.
fn leave(caller: &Caller, host: &str, bytes: &[u8], url: &str, etag: &str) -> PathBuf {
    let part = caller
        .directory
        .path()
        .join(format!(".app-1.0.jar.{host}.42.Abcdefgh.part"));
    fs_err::write(&part, bytes).unwrap();
    let note = format!(
        r#"{{"version":1,"url":"{url}{JAR}","validators":{{"etag":{etag:?},"last_modified":null}}}}"#
    );
    fs_err::write(format!("{}.json", part.display()), note).unwrap();
    part
}

/// This host, as in the names of temporary files.
fn here() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_str()
        .unwrap()
        .to_owned();
    name.replace(|character: char| !character.is_ascii_alphanumeric(), "-")
}

/// Downloads with something left behind; gives the ranges that were asked for.
fn with_leftover(server: &Server, caller: &Caller, expected: &[u8]) -> Vec<Option<String>> {
    let downloaded = caller.artifact(&repository(&server.url())).unwrap();
    assert_eq!(fs_err::read(&downloaded.file).unwrap(), expected);
    jar_requests(server)
        .iter()
        .map(|logged| logged.header("range").map(str::to_owned))
        .collect()
}

#[test]
fn what_a_killed_run_left_is_continued() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    server.script(JAR, [Answer::file(bytes.clone()).etag("\"x\"")]);
    let caller = Caller::new();
    leave(&caller, &here(), &bytes[..CUT], &server.url(), "\"x\"");
    let ranges = with_leftover(&server, &caller, &bytes);
    assert_eq!(ranges, [Some(format!("bytes={CUT}-"))]);
    assert!(caller.files().is_empty());
}

#[test]
fn what_a_killed_run_left_is_thrown_away_if_it_does_not_fit() {
    let bytes = jar(1);
    let longer = [bytes.as_slice(), b"more"].concat();
    for (left, etag, requests) in [
        // Larger than the file: the range does not exist.
        (longer.as_slice(), "\"x\"", 2),
        // Of another state of the file.
        (&bytes[..CUT], "\"y\"", 1),
        // Full of holes: the checksum is wrong.
        (&vec![0; CUT][..], "\"x\"", 2),
    ] {
        let server = server_with_jar(&bytes);
        server.script(JAR, [Answer::file(bytes.clone()).etag("\"x\"")]);
        let caller = Caller::new();
        leave(&caller, &here(), left, &server.url(), etag);
        let ranges = with_leftover(&server, &caller, &bytes);
        assert_eq!(ranges.len(), requests);
        assert!(ranges[0].is_some());
        assert!(ranges[1..].iter().all(Option::is_none));
        assert!(caller.files().is_empty());
    }
}

#[test]
fn what_a_killed_run_left_is_not_believed_without_a_checksum() {
    let bytes = jar(1);
    let server = Server::start();
    server.script(JAR, [Answer::file(bytes.clone()).etag("\"x\"")]);
    let caller = Caller::new();
    // The hole that a power failure can leave.
    let mut holed = bytes[..CUT].to_vec();
    holed[100_000..].fill(0);
    leave(&caller, &here(), &holed, &server.url(), "\"x\"");
    let ranges = with_leftover(&server, &caller, &bytes);
    assert_eq!(ranges, [Some(format!("bytes={CUT}-")), None]);
}

#[test]
fn what_someone_writes_or_may_write_or_another_repository_sent_is_left_alone() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    server.script(JAR, [Answer::file(bytes.clone()).etag("\"x\"")]);
    let here = here();
    for (locked, host, url) in [
        (true, here.as_str(), server.url()),
        (false, "elsewhere", server.url()),
        (false, here.as_str(), "http://elsewhere.example/".to_owned()),
    ] {
        let caller = Caller::new();
        let left = leave(&caller, host, &bytes[..CUT], &url, "\"x\"");
        let writer = fs_err::File::open(&left).unwrap();
        if locked {
            writer.file().lock().unwrap();
        }
        let ranges = with_leftover(&server, &caller, &bytes);
        assert_eq!(ranges.last().unwrap(), &None);
        assert_eq!(caller.files().len(), 2);
    }
}

#[test]
fn what_was_left_long_ago_is_removed() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    let caller = Caller::new();
    leave(&caller, "elsewhere", &bytes[..CUT], &server.url(), "\"x\"");
    let long_ago = SystemTime::now() - Duration::from_hours(25);
    for name in caller.files() {
        let file = fs_err::File::options()
            .write(true)
            .open(caller.directory.path().join(name));
        file.unwrap().file().set_modified(long_ago).unwrap();
    }
    assert_eq!(with_leftover(&server, &caller, &bytes), [None]);
    assert!(caller.files().is_empty());
}
