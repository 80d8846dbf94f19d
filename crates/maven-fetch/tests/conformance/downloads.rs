//! Jars that do not come in one piece, or are not what their checksums say.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use maven_fetch::ErrorKind;
use maven_fetch::checksum::Algorithm;

use crate::remote::{deploy, hex, jar_of, path, sha1};
use crate::server::{Answer, Logged, Server};
use crate::user::{LATEST, User, assert_fresh, assert_version, content, each, reason};

/// Asks for the jar of these tests.
const APP: &str = "com.ex:app:1.0";

/// A jar that takes several pieces.
fn large() -> Vec<u8> {
    static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| jar_of("large", 600_000));
    LARGE.clone()
}

/// Bytes of it that come before the cut.
const CUT: usize = 360_000;

fn requests_for_jar(server: &Server) -> Vec<Logged> {
    let log = server.take_log().into_iter();
    log.filter(|logged| logged.path() == path("1.0")).collect()
}

/// A server with the large jar's checksum, and these answers for the jar.
fn serving(answers: impl IntoIterator<Item = Answer>) -> Server {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    server.script(&path("1.0"), answers);
    server.script(
        &format!("{}.sha1", path("1.0")),
        [Answer::file(sha1(&large()))],
    );
    server
}

/// Fetches it, and checks that it is whole and nothing else is there.
fn fetch_large(user: &User) {
    let fetched = user.fetch(APP).unwrap();
    assert!(content(&fetched) == large());
    assert_eq!(fetched.sha1, sha1(&large()));
    let hidden = user.files().into_keys().filter(|name| name.contains("/."));
    assert_eq!(hidden.collect::<Vec<_>>(), [""; 0]);
}

// Case 33.
#[test]
fn a_jar_that_is_cut_is_continued_where_it_ended() {
    let server = serving([Answer::file(large()).cut_after(CUT), Answer::file(large())]);
    fetch_large(&User::of(&server));
    let requests = requests_for_jar(&server);
    assert_eq!(requests.len(), 2);
    let range = requests[1].header("range").unwrap();
    let first: usize = range
        .strip_prefix("bytes=")
        .unwrap()
        .trim_end_matches('-')
        .parse()
        .unwrap();
    assert!(first > 0 && first <= CUT, "{range}");
    assert!(requests[1].header("if-range").is_some());
}

// Case 33.
#[test]
fn a_server_without_ranges_or_with_another_file_sends_all_of_it() {
    let other = jar_of("other", 600_000);
    for answers in [
        [
            Answer::file(large()).cut_after(CUT),
            Answer::file(large()).ignoring_ranges(),
        ],
        [Answer::file(other).cut_after(CUT), Answer::file(large())],
    ] {
        let server = serving(answers);
        fetch_large(&User::of(&server));
        assert_eq!(requests_for_jar(&server).len(), 2);
    }
}

/// Lets a call fail after a part of the jar.
fn leave_a_part(server: &Server, user: &User, bytes: &[u8], etag: &str) {
    let begun = Answer::file(bytes).etag(etag).cut_after(bytes.len() - 1000);
    server.script(&path("1.0"), [begun, Answer::close()]);
    let error = user.fetch(APP).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(!user.m2().join(path("1.0")).exists());
    let parts = user
        .files()
        .into_keys()
        .filter(|name| name.contains(".part") && !name.contains(".json"));
    assert_eq!(parts.count(), 1);
    server.take_log();
}

// Case 33: the next call goes on, whatever the part is.
#[test]
fn the_next_call_continues_what_an_earlier_one_had_to_leave() {
    let server = serving([]);
    let user = User::of(&server);
    leave_a_part(&server, &user, &large(), "\"one\"");
    server.script(&path("1.0"), [Answer::file(large()).etag("\"one\"")]);
    fetch_large(&user);
    let requests = requests_for_jar(&server);
    assert_eq!(requests.len(), 1);
    assert!(requests[0].header("range").is_some());
}

#[test]
fn a_call_that_is_cancelled_ends_and_the_next_one_goes_on_where_it_was() {
    let server = serving([Answer::file(large())]);
    let user = User::of(&server);
    let cancel = AtomicBool::new(false);
    let error = user
        .fetch_until(APP, &cancel, &mut |_, progress| {
            cancel.store(progress.received_bytes > 100_000, Ordering::Relaxed);
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(user.final_names(), [""; 0]);
    fetch_large(&user);
    let requests = requests_for_jar(&server);
    let ranges = requests
        .iter()
        .map(|logged| logged.header("range").is_some());
    assert_eq!(ranges.collect::<Vec<_>>(), [false, true]);
}

// Case 33: 416.
#[test]
fn a_part_that_is_larger_than_the_file_is_thrown_away() {
    let server = serving([]);
    let user = User::of(&server);
    leave_a_part(&server, &user, &jar_of("larger", 900_000), "\"one\"");
    server.script(&path("1.0"), [Answer::file(large()).etag("\"one\"")]);
    fetch_large(&user);
    let requests = requests_for_jar(&server);
    let ranges = requests
        .iter()
        .map(|logged| logged.header("range").is_some());
    assert_eq!(ranges.collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_part_of_something_else_under_the_same_etag_is_found_out() {
    let server = serving([]);
    let user = User::of(&server);
    leave_a_part(&server, &user, &jar_of("other", 500_000), "\"one\"");
    server.script(&path("1.0"), [Answer::file(large()).etag("\"one\"")]);
    fetch_large(&user);
    assert_eq!(requests_for_jar(&server).len(), 2);
}

// Case 34.
#[test]
fn a_wrong_checksum_twice_is_bad_content_with_both_values_and_nothing_is_kept() {
    let server = serving([Answer::file(jar_of("wrong", 10_000))]);
    let user = User::of(&server);
    let error = user.fetch(APP).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadContent);
    let (expected, actual) = (sha1(&large()), sha1(&jar_of("wrong", 10_000)));
    for word in [&expected, &actual, &path("1.0")] {
        assert!(error.to_string().contains(word), "{word} in {error}");
    }
    let requests = requests_for_jar(&server);
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("cache-control"), Some("no-cache"));
    let jars = user
        .files()
        .into_keys()
        .filter(|name| name.contains(".jar"));
    assert_eq!(
        jars.filter(|name| !name.contains(".bad-"))
            .collect::<Vec<_>>(),
        [""; 0]
    );
    assert!(
        user.files().len() <= 1,
        "one to look at, at most: {:?}",
        user.final_names()
    );

    // The repository is mended.
    server.script(&path("1.0"), [Answer::file(large())]);
    fetch_large(&user);
}

// Case 34.
#[test]
fn a_wrong_checksum_once_is_forgotten() {
    let wrong = Answer::file(jar_of("wrong", 10_000));
    let server = serving([wrong, Answer::file(large())]);
    fetch_large(&User::of(&server));
    assert_eq!(requests_for_jar(&server).len(), 2);
}

// Case 34.
#[test]
fn checksum_files_are_read_in_all_their_forms_and_those_that_are_none_count_as_absent() {
    let (good, other) = (sha1(&large()), sha1(b"other"));
    let name = "app-1.0.jar";
    let rows = [
        (format!("{good}  {name}\n"), true),
        (format!("SHA1({name})= {good}\n"), true),
        (good.to_uppercase(), true),
        (format!("\n\n  {good}\t\n"), true),
        ("<html>Log in</html>".to_owned(), true),
        (String::new(), true),
        (good.split_at(20).0.to_owned(), true),
        (format!("{other}  {name}\n"), false),
        (format!("SHA1({name})= {other}\n"), false),
        (other.to_uppercase(), false),
    ];
    each(&rows, |(sidecar, expected)| {
        let server = serving([Answer::file(large())]);
        server.script(
            &format!("{}.sha1", path("1.0")),
            [Answer::file(sidecar.as_str())],
        );
        let user = User::of(&server);
        match user.fetch(APP) {
            Ok(fetched) => assert!(*expected && content(&fetched) == large(), "{sidecar}"),
            Err(error) => {
                assert!(!expected, "{sidecar}: {error}");
                assert_eq!(error.kind(), ErrorKind::BadContent);
            }
        }
    });
}

// Case 34: a stronger checksum is found where the first is none.
#[test]
fn a_wrong_checksum_of_any_kind_is_noticed() {
    each(
        &[Algorithm::Sha256, Algorithm::Sha512, Algorithm::Md5],
        |algorithm| {
            let server = serving([Answer::file(large())]);
            server.script(&format!("{}.sha1", path("1.0")), [Answer::login_page()]);
            let sidecar = format!("{}.{}", path("1.0"), algorithm.extension());
            server.script(&sidecar, [Answer::file(hex(*algorithm, b"other"))]);
            let error = User::of(&server).fetch(APP).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadContent);
            server.script(&sidecar, [Answer::file(hex(*algorithm, &large()))]);
            assert!(User::of(&server).fetch(APP).unwrap().notices.is_empty());
        },
    );
}

// Case 33 and the rule of the whole: while a new version is broken, the one before does.
#[test]
fn while_a_new_version_cannot_be_had_whole_the_one_before_is_taken() {
    let rows = [
        Answer::file(large()).cut_after(CUT),
        Answer::file(large()).cut_after(CUT).chunked(),
        Answer::file(large()).declared_length(large().len() + 1),
        Answer::login_page(),
        Answer::file("<html>Log in</html>"),
        Answer::file(""),
        Answer::close(),
        Answer::status(403),
        Answer::status(404),
        Answer::status(503),
    ];
    each(&rows, |broken| {
        let server = Server::start();
        deploy(&server, &["0.9"]);
        let mut user = User::eager(&server);
        user.fetch(LATEST).unwrap();
        let before = user.files();
        deploy(&server, &["0.9", "1.0"]);
        server.script(&path("1.0"), [broken.clone()]);
        let fetched = user.fetch(LATEST).unwrap();
        assert_version(&fetched, "0.9");
        assert!(reason(&fetched).to_string().contains("`1.0`"), "{broken:?}");
        let mut after = user.files();
        after.retain(|name, _| !name.contains("/."));
        assert!(after == before, "{broken:?}");

        // Healed.
        deploy(&server, &["0.9", "1.0"]);
        user.wait(6);
        assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    });
}
