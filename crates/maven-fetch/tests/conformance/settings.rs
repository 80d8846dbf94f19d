//! What `settings.xml` says, up to the requests that it leads to. All that it can say is tested
//! with the settings themselves.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use maven_fetch::ErrorKind;
use maven_fetch::settings::{self, Settings, Surroundings};

use crate::remote::{VERSIONS, deploy, path};
use crate::server::{Answer, Server, closed_port};
use crate::user::{LATEST, User, assert_fresh};

/// Encrypted by Maven 3.8.7; the master password is `masterpw`, the password `repo-secret`.
const MASTER: &str = "{vf6LtZP7FK0Hx7VBhB9aEgZkwWXXBf55bps6kwZCSrU=}";
const ENCRYPTED: &str = "{+5wrJ0hrqDYHk/y+BMjx84BwN3ShY5Jc1rJnspKDvT8=}";

/// `ci:repo-secret`, as it travels.
const INTRODUCTION: &str = "Basic Y2k6cmVwby1zZWNyZXQ=";

/// Someone whose home has these files, and whose environment has these variables.
fn user_with(files: &[(&str, &str)], environment: &[(&str, &str)]) -> User {
    let mut user = User::asking(Vec::new());
    for (name, content) in files {
        let file = user.home().join(name);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(&file, content).unwrap();
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let variable = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let surroundings = Surroundings {
        home: user.home().to_owned(),
        environment: environment.iter().map(variable).collect::<BTreeMap<_, _>>(),
        installation_settings: vec![user.home().join("installation.xml")],
        ..Surroundings::default()
    };
    let settings = Settings::load(surroundings).unwrap();
    (user.repositories, _) = settings::repositories(&settings, &[]).unwrap();
    user
}

fn settings_of(repositories: &[(&str, &str)], rest: &str) -> String {
    let declared: Vec<String> = repositories
        .iter()
        .map(|(id, url)| format!("<repository><id>{id}</id><url>{url}</url></repository>"))
        .collect();
    let declared = declared.concat();
    format!(
        "<settings>{rest}<profiles><profile><id>p</id><repositories>{declared}</repositories>\
         </profile></profiles><activeProfiles><activeProfile>p</activeProfile></activeProfiles>\
         </settings>"
    )
}

fn mirrors(entries: &[(&str, &str, &str)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(id, pattern, url)| {
            format!("<mirror><id>{id}</id><mirrorOf>{pattern}</mirrorOf><url>{url}</url></mirror>")
        })
        .collect();
    format!("<mirrors>{}</mirrors>", entries.concat())
}

// Case 23.
#[test]
fn a_mirror_is_asked_instead_as_whom_its_own_server_entry_says_and_tracked_under_its_own_id() {
    for (pattern, mirrored) in [
        ("*", &["corp", "x"][..]),
        ("*,!corp", &["x"]),
        (" corp , other", &["corp"]),
        ("corp", &["corp"]),
        // Not for repositories on this host.
        ("external:*,!central", &[]),
        ("external:http:*,x", &["x"]),
    ] {
        let (mirror, corp, x) = (Server::start(), Server::start(), Server::start());
        for server in [&mirror, &corp, &x] {
            deploy(server, &["1.0"]);
        }
        let server = "<servers><server><id>the-mirror</id><username>ci</username>\
                      <password>repo-secret</password></server></servers>";
        let entry = mirrors(&[("the-mirror", pattern, &mirror.url())]);
        let text = settings_of(
            &[("corp", &corp.url()), ("x", &x.url())],
            &format!("{server}{entry}"),
        );
        let user = user_with(&[(".m2/settings.xml", &text)], &[]);
        assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
        for (id, server) in [("corp", &corp), ("x", &x)] {
            let is_asked = server.paths().contains(&VERSIONS.to_owned());
            assert_eq!(is_asked, !mirrored.contains(&id), "{pattern}: {id}");
            let mut log = server.log().into_iter();
            assert!(log.all(|logged| logged.header("authorization").is_none()));
        }
        assert_eq!(mirror.paths().is_empty(), mirrored.is_empty(), "{pattern}");
        let mut log = mirror.log().into_iter();
        assert!(log.all(|logged| logged.header("authorization") == Some(INTRODUCTION)));
        if mirrored.len() == 2 {
            let (tracking, ..) = &user.files()["com/ex/app/1.0/_remote.repositories"];
            let tracking = String::from_utf8_lossy(tracking);
            assert!(tracking.contains(".jar>the-mirror="), "{tracking}");
            let metadata = user.m2().join("com/ex/app/maven-metadata-the-mirror.xml");
            assert!(metadata.is_file());
        }
    }
}

// Case 23.
#[test]
fn an_exact_mirror_beats_an_earlier_wildcard() {
    let (wild, exact) = (Server::start(), Server::start());
    deploy(&exact, &["1.0"]);
    let entries = mirrors(&[
        ("wild", "*,!central", &wild.url()),
        ("exact", "corp", &exact.url()),
    ]);
    let text = settings_of(&[("corp", "https://repository.invalid/")], &entries);
    let user = user_with(&[(".m2/settings.xml", &text)], &[]);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    assert_eq!(wild.paths(), [""; 0]);
}

// Case 23.
#[test]
fn a_blocked_repository_is_a_matter_of_configuration_and_never_connected_to() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let text = settings_of(&[("corp", &server.url())], "").replace(
        "<settings>",
        &format!(
            "<settings><mirrors><mirror><id>blocker</id><mirrorOf>corp</mirrorOf>\
             <url>{}</url><blocked>true</blocked></mirror></mirrors>",
            server.url()
        ),
    );
    let user = user_with(&[(".m2/settings.xml", &text)], &[]);
    let error = user.fetch(LATEST).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let told = error.to_string();
    assert!(
        told.contains("blocker") && told.contains("settings.xml:1:"),
        "{told}"
    );

    fs_err::write(user.home().join("settings.xml"), text).unwrap();
    let ended = User::run(&user_without_repositories(user), &[LATEST]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("blocker"), "{ended:?}");
    assert_eq!(server.paths(), [""; 0]);
}

/// The same, who names no repositories beside the settings.
fn user_without_repositories(mut user: User) -> User {
    user.repositories.clear();
    user
}

// Cases 21 and 24.
#[test]
fn settings_with_everything_lead_to_the_right_requests() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    for file in [
        VERSIONS.to_owned(),
        path("1.0"),
        format!("{}.sha1", path("1.0")),
    ] {
        server.answer_differently(&file, |answer| answer.only_to(INTRODUCTION));
    }
    let rest = format!(
        "<!-- of the team --><localRepository>${{user.home}}/m2</localRepository>\
         <servers><server><id>corp</id><username>${{env.WHO}}</username><password>old {ENCRYPTED}\
         </password><configuration><httpHeaders><property><name>Job-Token</name>\
         <value>${{env.TOKEN}}</value></property></httpHeaders></configuration></server></servers>\
         <proxies><proxy><host>127.0.0.1</host><port>{}</port>\
         <nonProxyHosts>*.corp|127.0.*</nonProxyHosts></proxy></proxies>",
        closed_port()
    );
    let text = settings_of(&[("corp", "${env.REPOSITORY}")], &rest);
    let security = format!("<settingsSecurity><master>{MASTER}</master></settingsSecurity>");
    let global = "<settings><servers><server><id>corp</id><username>nobody</username></server>\
                  </servers></settings>";
    let user = user_with(
        &[
            (
                ".m2/settings.xml",
                &format!("\u{feff}<?xml version=\"1.0\"?>\n{text}"),
            ),
            (".m2/settings-security.xml", &security),
            ("installation.xml", global),
        ],
        &[
            ("REPOSITORY", &server.url()),
            ("WHO", "ci"),
            ("TOKEN", "<&>"),
        ],
    );
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    let mut log = server.log().into_iter();
    assert!(log.all(|logged| logged.header("job-token") == Some("<&>")));
}

// Case 24: what `nonProxyHosts` does not name goes through the proxy.
#[test]
fn a_proxy_is_asked_for_hosts_that_are_not_excepted() {
    let proxy = Server::start();
    deploy(&proxy, &["1.0"]);
    let entry = format!(
        "<proxies><proxy><host>127.0.0.1</host><port>{}</port>\
         <nonProxyHosts>*.corp|localhost</nonProxyHosts></proxy></proxies>",
        proxy.port()
    );
    let text = settings_of(&[("corp", "http://repository.invalid/maven/")], &entry);
    for file in [
        VERSIONS.to_owned(),
        path("1.0"),
        format!("{}.sha1", path("1.0")),
    ] {
        proxy.answer_elsewhere(&file, &format!("maven/{file}"));
    }
    let user = user_with(&[(".m2/settings.xml", &text)], &[]);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    assert_eq!(
        proxy.log()[0].target,
        format!("http://repository.invalid/maven/{VERSIONS}")
    );
}

// Case 20.
#[test]
fn an_update_policy_that_is_no_word_of_maven_means_never() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let text = settings_of(&[("corp", &server.url())], "").replace(
        "</url>",
        "</url><releases><updatePolicy>sometimes</updatePolicy></releases>\
         <snapshots><enabled>false</enabled></snapshots>",
    );
    let mut user = user_with(&[(".m2/settings.xml", &text)], &[]);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    deploy(&server, &["1.0", "1.1"]);
    user.wait(60 * 24 * 1000);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
}

// Case 24.
#[test]
fn settings_that_cannot_be_read_are_a_matter_of_configuration_with_line_and_column() {
    let user = User::asking(Vec::new());
    for (text, place) in [
        ("<settings>\n  <mirrors>\n</settings>", "settings.xml:3:"),
        (
            "<settings>\n<localRepository>${env.NONE}</localRepository></settings>",
            "settings.xml:2:",
        ),
    ] {
        fs_err::write(user.home().join("settings.xml"), text).unwrap();
        let ended = user.run(&[LATEST]);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(ended.stderr.contains(place), "{ended:?}");
    }
    fs_err::write(user.home().join("settings.xml"), "<settings/>").unwrap();
    let ended = user.run(&[LATEST]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(
        ended.stderr.contains("<repository>"),
        "the lines to add: {ended:?}"
    );
}

// Case 21.
#[test]
fn the_program_tells_wrong_credentials_by_its_exit_code_and_never_shows_them() {
    let server = Server::start();
    server.script(VERSIONS, [Answer::file("").only_to(INTRODUCTION)]);
    let entry = "<servers><server><id>corp</id><username>ci</username><password>wr0ng</password>\
                 </server></servers>";
    let user = User::of(&server);
    let text = format!("<settings>{entry}</settings>");
    fs_err::write(user.home().join("settings.xml"), text).unwrap();
    let ended = user.run(&[LATEST]);
    assert_eq!(ended.code, Some(77), "{ended:?}");
    let url = format!("{}{VERSIONS}", server.url());
    assert!(
        ended.stderr.contains(&url) && ended.stderr.contains("401"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("settings.xml"),
        "what to do: {ended:?}"
    );
    assert!(
        !ended.stderr.contains("wr0ng") && !ended.stderr.contains("Y2k6"),
        "{ended:?}"
    );
}
