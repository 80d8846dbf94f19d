//! What other programs left in the local repository. Maven itself is asked in tests of its own.

use std::time::{Duration, SystemTime};

use maven_fetch::repository::UpdatePolicy;
use maven_fetch::resolve::{Freshness, Reason};

use crate::remote::{FAT, deploy, jar, path, sha1};
use crate::server::{Answer, Server};
use crate::user::{LATEST, User, assert_fresh, content, reason};

const TRACKING: &str = "com/ex/app/1.0/_remote.repositories";

fn write(user: &User, path: &str, content: impl AsRef<[u8]>) {
    let file = user.m2().join(path);
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    fs_err::write(file, content).unwrap();
}

fn text(user: &User, path: &str) -> String {
    String::from_utf8(user.files()[path].0.clone()).unwrap()
}

/// Someone with a jar that came from the repository `renamed`, which is not asked now.
fn with_jar_of_another(server: &Server, bytes: &[u8]) -> User {
    let user = User::of(server);
    write(&user, &path("1.0"), bytes);
    write(
        &user,
        TRACKING,
        format!("#NOTE\napp-1.0-{FAT}.jar>renamed=\n"),
    );
    user
}

// Case 27.
#[test]
fn a_jar_of_another_repository_is_taken_if_this_one_has_the_same() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = with_jar_of_another(&server, &jar("1.0"));
    let fetched = user.fetch("com.ex:app:1.0").unwrap();
    assert_fresh(&fetched, "1.0");
    assert!(!fetched.downloaded);
    assert_eq!(server.paths(), [format!("{}.sha1", path("1.0"))]);
    let tracking = text(&user, TRACKING);
    assert!(
        tracking.contains(".jar>renamed=") && tracking.contains(".jar>corp="),
        "{tracking}"
    );
    assert_eq!(user.fetch("com.ex:app:1.0").unwrap().requests, 0);
}

// Case 27.
#[test]
fn a_jar_of_another_repository_is_fetched_anew_if_this_one_has_another() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = with_jar_of_another(&server, &jar("foreign"));
    let fetched = user.fetch("com.ex:app:1.0").unwrap();
    assert_fresh(&fetched, "1.0");
    assert!(fetched.downloaded);
    assert_eq!(
        text(&user, &format!("{}.sha1", path("1.0"))),
        sha1(&jar("1.0"))
    );
}

// Case 27, with nobody to confirm it: better than no job, and told.
#[test]
fn a_jar_of_another_repository_is_taken_as_stale_if_nobody_answers() {
    let server = Server::start();
    let user = with_jar_of_another(&server, &jar("1.0"));
    drop(server);
    let fetched = user.fetch("com.ex:app:1.0").unwrap();
    assert!(content(&fetched) == jar("1.0"));
    assert_eq!(
        *reason(&fetched),
        Reason::Unconfirmed {
            origins: vec!["renamed".to_owned()]
        }
    );
    let fetched = user.run(&["com.ex:app:1.0", "--strict"]);
    assert_eq!(fetched.code, Some(69), "{fetched:?}");
}

// Case 28.
#[test]
fn a_note_that_a_jar_is_missing_does_not_hold_us_off_and_goes_with_the_jar() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = User::of(&server);
    let note = format!("{}.lastUpdated", path("1.0"));
    let url = server.url().replace(':', "\\:");
    write(
        &user,
        &note,
        format!("{url}.error=\n{url}.lastUpdated=1795510800000\n"),
    );
    assert_fresh(&user.fetch("com.ex:app:1.0").unwrap(), "1.0");
    assert!(!user.files().contains_key(&note));
    assert!(user.files().contains_key(&format!("{}.sha1", path("1.0"))));
}

// Case 26, without Maven: what its files say is believed, offline too.
#[test]
fn what_maven_would_have_left_is_enough_for_a_call_offline() {
    let server = Server::start();
    let mut user = User::of(&server);
    write(&user, &path("1.0"), jar("1.0"));
    write(
        &user,
        TRACKING,
        format!("#NOTE: x\n#Tue\napp-1.0-{FAT}.jar>corp=\n"),
    );
    let versions = "<metadata><groupId>com.ex</groupId><artifactId>app</artifactId><versioning>\
                    <latest>1.0</latest></versioning></metadata>";
    write(&user, "com/ex/app/maven-metadata-corp.xml", versions);
    let stamp = user.now.timestamp().as_millisecond();
    let status = format!(
        "#NOTE\nmaven-metadata-corp.xml.lastUpdated={stamp}\n\
         maven-metadata-old.xml.error=Could not transfer\n"
    );
    write(&user, "com/ex/app/resolver-status.properties", status);
    user.preferences.offline = true;
    let before = user.files();
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, "1.0");
    assert!(user.files() == before);
    // A day later it may be out of date, and says so.
    user.wait(24 * 60);
    assert_eq!(*reason(&user.fetch(LATEST).unwrap()), Reason::Offline);
    assert_eq!(server.paths(), [""; 0]);
}

#[test]
fn a_jar_that_was_damaged_is_moved_away_and_fetched_anew() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = User::of(&server);
    let fetched = user.fetch(LATEST).unwrap();
    let damaged = &jar("1.0")[..200];
    fs_err::write(&fetched.path, damaged).unwrap();
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, "1.0");
    let told: String = fetched.notices.iter().map(ToString::to_string).collect();
    assert!(told.contains("is damaged"), "{told}");
    let bad = user
        .final_names()
        .into_iter()
        .filter(|name| name.contains(".bad-"));
    assert_eq!(bad.count(), 1);

    // With the repository gone as well, an earlier version does.
    deploy(&server, &["1.0", "1.1"]);
    let mut user = user;
    user.preferences.update = Some(UpdatePolicy::Always);
    let fetched = user.fetch(LATEST).unwrap();
    fs_err::write(&fetched.path, damaged).unwrap();
    server.script(&path("1.1"), [Answer::status(500)]);
    user.wait(1);
    let fetched = user.fetch(LATEST).unwrap();
    assert!(content(&fetched) == jar("1.0"));
    reason(&fetched);
}

#[test]
fn a_jar_whose_content_changed_is_not_believed_while_its_repository_knows_better() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = User::of(&server);
    let fetched = user.fetch(LATEST).unwrap();
    let mut changed = jar("1.0");
    changed[100] ^= 1;
    fs_err::write(&fetched.path, changed).unwrap();
    let later = SystemTime::now() + Duration::from_secs(5);
    let file = fs_err::OpenOptions::new().write(true).open(&fetched.path);
    file.unwrap().set_modified(later).unwrap();
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, "1.0");
    assert!(fetched.downloaded);
}

#[test]
fn what_was_installed_here_is_a_repository_in_front() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = User::eager(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    let versions = "<metadata><groupId>com.ex</groupId><artifactId>app</artifactId><versioning>\
                    <latest>1.1</latest><release>1.1</release><versions><version>1.1</version>\
                    </versions><lastUpdated>20990101000000</lastUpdated></versioning></metadata>";
    write(&user, &path("1.1"), jar("1.1"));
    write(
        &user,
        "com/ex/app/1.1/_remote.repositories",
        format!("app-1.1-{FAT}.jar>=\n"),
    );
    write(&user, "com/ex/app/maven-metadata-local.xml", versions);
    let fetched = user.fetch(LATEST).unwrap();
    assert_eq!(
        (fetched.freshness.clone(), fetched.repository.as_deref()),
        (Freshness::Fresh, None)
    );
    assert_fresh(&fetched, "1.1");
}
