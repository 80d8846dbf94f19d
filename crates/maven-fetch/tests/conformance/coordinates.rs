//! What is asked for, in the orders that people write.

use crate::remote::{Versions, announce, app, deploy, jar, path, put_file};
use crate::server::Server;
use crate::user::{User, assert_version, content};

// Case 1.
#[test]
fn the_three_orders_and_what_they_leave_out_lead_to_the_same_file() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    for classifier in ["c", ""] {
        put_file(&server, &app("1.0", classifier).path(), &jar(classifier));
    }
    let user = User::of(&server);
    for text in [
        "com.ex:app",
        "com.ex:app:1.0",
        "com.ex:app:LATEST:jar",
        "com.ex:app:1.0:jar:jar-with-dependencies",
        "com.ex:app:jar:jar-with-dependencies:1.0",
        "com.ex:app:1.0:jar-with-dependencies@jar",
        "com.ex:app:[1.0]",
    ] {
        let fetched = user.fetch(text).unwrap();
        assert_version(&fetched, "1.0");
        assert_eq!(fetched.path, user.m2().join(path("1.0")), "{text}");
    }
    for text in [
        "com.ex:app:1.0:jar:c",
        "com.ex:app:jar:c:1.0",
        "com.ex:app:1.0:c@jar",
    ] {
        let fetched = user.fetch(text).unwrap();
        assert_eq!(fetched.artifact, app("1.0", "c"), "{text}");
        assert!(content(&fetched) == jar("c"));
    }
    for text in ["com.ex:app:1.0:jar:", "com.ex:app:1.0:jar:-"] {
        let fetched = user.fetch(text).unwrap();
        assert_eq!(fetched.artifact, app("1.0", ""), "{text}");
        assert!(content(&fetched) == jar(""));
    }
    // The metadata once, and three jars with their checksums.
    assert_eq!(server.log().len(), 7, "{:?}", server.paths());
}

// Case 1.
#[test]
fn what_cannot_be_coordinates_is_a_usage_error_and_nobody_is_asked() {
    let server = Server::start();
    let user = User::of(&server);
    for (text, word) in [
        ("a:b:1:jar:c:x", "6 fields"),
        ("com.ex: app:1.0", " app"),
        ("com..ex:app:1.0", "com..ex"),
        ("com.ex:../app:1.0", "../app"),
        ("com.ex:app:1.0/..", "1.0/.."),
        (":app:1.0", "group"),
        ("com.ex:app:1.0:jar-with-dependencies", "did you mean"),
        ("com.ex:app:[1.0", "[1.0"),
    ] {
        let ended = user.run(&[text]);
        assert_eq!(ended.code, Some(64), "{text}: {ended:?}");
        assert!(ended.stderr.contains(word), "{text}: {ended:?}");
        assert!(ended.stdout.is_empty());
    }
    assert_eq!(server.paths(), [""; 0]);
    assert!(user.files().is_empty());
}

// Case 3, end to end; the whole table of orders and ranges is tested with the versions themselves.
#[test]
fn the_highest_version_is_by_the_order_of_maven_and_not_by_its_letters() {
    for (listed, highest) in [
        (["1.9", "1.10", "1.2"], "1.10"),
        (["1.0-rc10", "1.0-rc2", "1.0-beta9"], "1.0-rc10"),
        (["1.0", "1.0-sp1", "1.0-rc1"], "1.0-sp1"),
        (["2.0.1-xyz", "2.0.1", "2.0.1-123"], "2.0.1-123"),
        (["1.0-SNAPSHOT", "1.0-alpha", "1.0-jre"], "1.0-jre"),
    ] {
        let server = Server::start();
        deploy(&server, &listed);
        announce(
            &server,
            &Versions {
                listed: &listed,
                ..Versions::default()
            },
        );
        let user = User::of(&server);
        assert_version(&user.fetch("com.ex:app:[0,)").unwrap(), highest);
    }
}
