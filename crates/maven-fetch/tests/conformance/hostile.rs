//! Answers that are made to harm, and those that are only broken: an error that names what was
//! asked for, what was expected and what to do; or what is here, untouched.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::remote::{VERSIONS, Versions, deploy, jar, path, sha1, versions_xml};
use crate::server::{Answer, Server};
use crate::user::{LATEST, User, assert_fresh, assert_version, each, reason};

/// Something bad: what it is called, where it is put, what the error says, and how it exits.
struct Bad {
    name: &'static str,
    file: String,
    answer: Answer,
    word: &'static str,
    code: i32,
}

fn in_metadata(name: &'static str, body: impl Into<Vec<u8>>, word: &'static str) -> Bad {
    Bad {
        name,
        file: VERSIONS.to_owned(),
        answer: Answer::file(body),
        word,
        code: 65,
    }
}

fn in_jar(name: &'static str, answer: Answer, word: &'static str, code: i32) -> Bad {
    Bad {
        name,
        file: path("1.1"),
        answer,
        word,
        code,
    }
}

fn many_versions(count: u32) -> String {
    let listed: Vec<String> = (0..count).map(|number| format!("0.{number}")).collect();
    let mut listed: Vec<&str> = listed.iter().map(String::as_str).collect();
    listed.push("1.1");
    versions_xml(&Versions {
        latest: "1.1",
        release: "1.1",
        listed: &listed,
        updated: "1",
    })
}

/// Two hundred mebibytes, packed.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    encoder.finish().unwrap().repeat(200)
}

fn bad_metadata() -> Vec<Bad> {
    let escaping = versions_xml(&Versions {
        latest: "../../etc/x",
        ..Versions::default()
    });
    let entities = format!(
        "<!DOCTYPE m [<!ENTITY a \"{}\"><!ENTITY b \"{}\">]><metadata><versioning><latest>&b;\
         </latest></versioning></metadata>",
        "1".repeat(1000),
        "&a;".repeat(1000)
    );
    let outside = "<!DOCTYPE m [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><metadata><versioning>\
                   <latest>&x;</latest></versioning></metadata>";
    let deep = format!(
        "<metadata>{}{}</metadata>",
        "<a>".repeat(100_000),
        "</a>".repeat(100_000)
    );
    let attributes: Vec<String> = (0..50_000)
        .map(|number| format!("a{number}=\"1\""))
        .collect();
    let attributes = attributes.join(" ");
    vec![
        in_metadata("a version that leads out", escaping, "version"),
        in_metadata(
            "too many versions",
            many_versions(200_000),
            "more than 200000 versions",
        ),
        in_metadata("too many bytes", vec![b' '; 20 << 20], "larger than"),
        in_metadata("entities", entities, "document type"),
        in_metadata("an entity out of a file", outside, "document type"),
        in_metadata("deep nesting", deep, "metadata"),
        in_metadata(
            "many attributes",
            format!("<metadata {attributes}/>"),
            "attributes",
        ),
        in_metadata(
            "no UTF-8",
            b"<metadata>\xff\xfe\x80</metadata>".as_slice(),
            "UTF-8",
        ),
        in_metadata("NUL", vec![0; 1000], "metadata"),
        Bad {
            answer: Answer::file(bomb()).header("Content-Encoding", "gzip"),
            ..in_metadata("a bomb", "", "larger than")
        },
    ]
}

fn all_bad() -> Vec<Bad> {
    let mut all = bad_metadata();
    all.extend(bad_jars());
    all
}

fn bad_jars() -> Vec<Bad> {
    let wrong = Answer::file(jar("1.1")).header("X-Checksum-Sha1", &sha1(b"other"));
    vec![
        in_jar("a page", Answer::login_page(), "web page", 65),
        in_jar(
            "a page called a jar",
            Answer::file("<html>Log in</html>"),
            "checksum",
            65,
        ),
        in_jar("a wrong checksum", wrong, "checksum", 65),
        in_jar(
            "half a jar",
            Answer::file(&jar("1.1")[..1000]),
            "checksum",
            65,
        ),
        in_jar("nothing", Answer::file(""), "checksum", 65),
        in_jar("not there", Answer::status(404), "404", 69),
        in_jar("down", Answer::status(503), "503", 69),
        in_jar("not for us", Answer::status(403), "403", 77),
    ]
}

/// Checks that a message names the address, says what was expected, and what to do.
fn check_message(bad: &Bad, server: &Server, user: &User, arguments: &[&str]) {
    let name = bad.name;
    let ended = user.run(arguments);
    assert_eq!(ended.code, Some(bad.code), "{name}: {ended:?}");
    let url = format!("{}{}", server.url(), bad.file);
    assert!(
        ended.stderr.contains(&url),
        "{name}: {url} in {}",
        ended.stderr
    );
    assert!(ended.stderr.contains(bad.word), "{name}: {}", ended.stderr);
    let hint = ended.stderr.lines().last().unwrap();
    assert!(
        hint.starts_with("  ") && !hint.contains(&url),
        "{name}: what to do: {}",
        ended.stderr
    );
    assert!(
        ended.stderr.len() < 3000,
        "{name}: {} bytes",
        ended.stderr.len()
    );
    assert!(ended.stdout.is_empty());
}

#[test]
fn bad_answers_are_errors_that_help_if_nothing_is_here() {
    each(&all_bad(), |bad| {
        let server = Server::start();
        deploy(&server, &["1.0", "1.1"]);
        server.script(&bad.file, [bad.answer.clone()]);
        let user = User::of(&server);
        check_message(bad, &server, &user, &[LATEST]);
        assert_eq!(user.final_names(), [""; 0], "{}", bad.name);
    });
}

#[test]
fn bad_answers_leave_what_is_here_untouched_and_it_is_taken() {
    each(&all_bad(), |bad| {
        let server = Server::start();
        deploy(&server, &["1.0"]);
        let mut user = User::eager(&server);
        assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
        let before = user.files();
        deploy(&server, &["1.0", "1.1"]);
        server.script(&bad.file, [bad.answer.clone()]);
        let fetched = user
            .fetch(LATEST)
            .unwrap_or_else(|error| panic!("{}: {error}", bad.name));
        assert_version(&fetched, "1.0");
        reason(&fetched);
        assert!(user.files() == before, "{}", bad.name);

        deploy(&server, &["1.0", "1.1"]);
        user.wait(6);
        assert_fresh(&user.fetch(LATEST).unwrap(), "1.1");
    });
}

// A jar that is none is found out without any checksum.
#[test]
fn without_a_checksum_the_structure_tells_what_is_no_jar() {
    for (what, body) in [
        ("a page", b"<html>Log in</html>".to_vec()),
        ("half a jar", jar("1.1")[..1000].to_vec()),
        ("nothing", Vec::new()),
        ("zeros", vec![0; 10_000]),
    ] {
        let server = Server::start();
        deploy(&server, &["1.0", "1.1"]);
        server.script(&path("1.1"), [Answer::file(body)]);
        server.script(&format!("{}.sha1", path("1.1")), [Answer::status(404)]);
        let bad = in_jar("no jar", Answer::status(200), "is not an archive", 65);
        let user = User::of(&server);
        check_message(&bad, &server, &user, &[LATEST]);
        assert_eq!(user.final_names(), [""; 0], "{what}");
    }
}

#[test]
fn as_many_versions_as_may_be_are_read() {
    let server = Server::start();
    deploy(&server, &["1.0", "1.1"]);
    server.script(VERSIONS, [Answer::file(many_versions(199_999))]);
    let user = User::of(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.1");
}
