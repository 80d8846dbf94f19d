//! What goes over the wire: where Maven asks for more than it needs, or tells more than it should.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maven_fetch::fetch::Preferences;
use maven_fetch::repository::{Repository, UpdatePolicy};
use tempfile::TempDir;

use crate::ground::Ground;
use crate::maven::{self, settings};
use crate::ours::{User, outcome};
use crate::remotes::content;
use crate::server::{Answer, Logged, Server};

/// Both sides and a server that has what both are asked for.
struct Both {
    directory: TempDir,
    server: Server,
    user: User,
    repositories: Vec<Repository>,
    settings: PathBuf,
}

impl Both {
    /// With more settings.
    fn new(ground: &Ground, more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start();
        let user = User::at(&directory.path().join("ours"));
        let local = directory.path().join("maven");
        ground.copy_plugins(&local);
        let repository = maven::elements(&[("id", "corp"), ("url", &server.url())]);
        let text = format!(
            "{more}<profiles><profile><id>p</id><repositories><repository>{repository}\
             </repository></repositories></profile></profiles>\
             <activeProfiles><activeProfile>p</activeProfile></activeProfiles>"
        );
        let file = directory.path().join("settings.xml");
        fs_err::write(&file, settings(&local, &text)).unwrap();
        let repositories = user.repositories(&text);
        Self {
            directory,
            server,
            user,
            repositories,
            settings: file,
        }
    }

    /// The requests that Maven makes, but for those about POMs, of which we have no use.
    fn requests_of_maven(&self, coordinates: &str, options: &[&str]) -> Vec<Logged> {
        self.server.take_log();
        let outcome = maven::copy(&self.settings, coordinates, options);
        assert!(outcome.name().is_some(), "{outcome:?}");
        let mut log = self.server.take_log();
        log.retain(|request| !request.path().contains(".pom"));
        log
    }

    fn our_requests(&self, coordinates: &str, preferences: Preferences) -> Vec<Logged> {
        self.server.take_log();
        let result = self
            .user
            .fetch_from(&self.repositories, coordinates, preferences);
        result.unwrap();
        self.server.take_log()
    }
}

const JAR: &str = "com/ex/app/1.0/app-1.0.jar";
const SPECIFICATION: &str = "com.ex:app:1.0:jar";

fn always() -> Preferences {
    Preferences {
        update: Some(UpdatePolicy::Always),
        ..Preferences::default()
    }
}

fn paths(requests: &[Logged]) -> Vec<&str> {
    requests.iter().map(Logged::path).collect()
}

#[test]
fn what_did_not_change_is_sent_again_to_maven_and_only_confirmed_to_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let both = Both::new(ground, "");
    let remotes = both.directory.path().join("remotes");
    ground.copy_remotes(&remotes);
    both.server.serve_directory(&remotes.join("one"));
    let latest = "com.ex:named:LATEST:jar:all";
    both.requests_of_maven(latest, &[]);
    let again = both.requests_of_maven(latest, &["-U"]);
    let (artifact, version) = (
        "com/ex/named/maven-metadata.xml",
        "com/ex/named/3.0-SNAPSHOT/maven-metadata.xml",
    );
    let sum = |path: &str| format!("{path}.sha1");
    let expected = [artifact, &sum(artifact), version, &sum(version)];
    assert_eq!(paths(&again), expected);
    let is_conditional = |request: &Logged| request.header("if-none-match").is_some();
    assert!(!again.iter().any(is_conditional));

    both.our_requests(latest, always());
    let again = both.our_requests(latest, always());
    let mut asked = paths(&again);
    asked.sort_unstable();
    assert_eq!(asked, [version, artifact]);
    assert!(again.iter().all(is_conditional));
}

#[test]
fn a_password_is_asked_for_first_only_by_maven() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let server = "<servers><server><id>corp</id><username>me</username>\
                  <password>secret</password></server></servers>";
    let both = Both::new(ground, server);
    let authorization = format!("Basic {}", BASE64_STANDARD.encode("me:secret"));
    let file = |bytes: Vec<u8>| [Answer::file(bytes).only_to(&authorization)];
    both.server.script(JAR, file(content("app", "jar")));
    let is_told = |request: &Logged| request.header("authorization").is_some();
    let theirs = both.requests_of_maven(SPECIFICATION, &[]);
    let of_jar: Vec<_> = theirs
        .iter()
        .filter(|request| request.path() == JAR)
        .collect();
    let of_jar: Vec<_> = of_jar.into_iter().map(is_told).collect();
    assert_eq!(of_jar, [false, true]);
    let ours = both.our_requests(SPECIFICATION, Preferences::default());
    assert!(ours.iter().all(is_told));
    assert_eq!(
        ours.iter().filter(|request| request.path() == JAR).count(),
        1
    );
}

#[test]
fn a_token_in_a_header_goes_to_strangers_only_from_maven() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let server = "<servers><server><id>corp</id><configuration><httpHeaders><property>\
                  <name>Private-Token</name><value>secret</value></property></httpHeaders>\
                  </configuration></server></servers>";
    let both = Both::new(ground, server);
    let stranger = Server::start();
    stranger.script("elsewhere", [Answer::file(content("app", "jar"))]);
    let elsewhere = format!("{}elsewhere", stranger.url());
    both.server.script(JAR, [Answer::redirect(302, &elsewhere)]);
    let is_told = |request: &Logged| request.header("private-token") == Some("secret");

    let theirs = both.requests_of_maven(SPECIFICATION, &[]);
    assert!(theirs.iter().all(is_told));
    let at_stranger = stranger.take_log();
    assert!(!at_stranger.is_empty() && at_stranger.iter().all(is_told));

    let ours = both.our_requests(SPECIFICATION, Preferences::default());
    assert!(ours.iter().all(is_told));
    let at_stranger = stranger.take_log();
    assert!(!at_stranger.is_empty() && !at_stranger.iter().any(is_told));
}

#[test]
fn an_interrupted_download_is_for_nothing_in_maven_and_goes_on_with_us() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let both = Both::new(ground, "");
    let bytes = content(&"x".repeat(1 << 20), "json");
    let path = "com/ex/app/1.0/app-1.0.json";
    let specification = "com.ex:app:1.0:json";
    let cut = Answer::file(bytes.clone()).cut_after(bytes.len() / 2);
    both.server
        .script(path, [cut.clone(), Answer::file(bytes.clone())]);
    maven::copy(&both.settings, specification, &[]).error();
    let ranges = |log: Vec<Logged>| -> Vec<Option<String>> {
        let asked = log.iter().filter(|request| request.path() == path);
        asked
            .map(|request| request.header("range").map(str::to_owned))
            .collect()
    };
    let theirs = both.requests_of_maven(specification, &["-U"]);
    assert_eq!(ranges(theirs), [None]);

    both.server.script(path, [cut, Answer::file(bytes.clone())]);
    both.server.take_log();
    let result = both
        .user
        .fetch_from(&both.repositories, specification, Preferences::default());
    assert!(outcome(&result).bytes() == Some(&bytes), "{result:?}");
    let half = format!("bytes={}-", bytes.len() / 2);
    assert_eq!(ranges(both.server.take_log()), [None, Some(half)]);
}
