//! Which repositories are asked: profiles, mirrors, `central`, the caller's own.

use std::time::Duration;

use super::*;
use crate::ErrorKind;
use crate::repository::{ChecksumPolicy, Policy, UpdatePolicy};

#[test]
fn profiles_are_active_and_ordered_as_maven_was_seen_to_do() {
    let profile = |id: &str, activation: &str, repositories: &[(&str, &str)]| {
        let repositories: String = repositories
            .iter()
            .map(|(id, url)| repository(id, url, ""))
            .collect();
        format!(
            "<profile><id>{id}</id>{activation}<repositories>{repositories}</repositories>\
             <properties><path.of.d>in-d</path.of.d></properties></profile>"
        )
    };
    let default = "<activation><activeByDefault>true</activeByDefault></activation>";
    let on_property = "<activation><property><name>go</name></property></activation>";
    let content = format!(
        "<settings><profiles>{}{}{}{}{}</profiles><activeProfiles>\
         <activeProfile>C</activeProfile><activeProfile>A</activeProfile></activeProfiles></settings>",
        profile("A", "", &[("a1", "https://h/a1"), ("a2", "https://h/a2")]),
        profile("B", default, &[("b", "https://h/b")]),
        profile(
            "C",
            "",
            &[("c", "https://h/c"), ("a2", "https://h/a2-of-c")]
        ),
        profile("D", on_property, &[("d", "https://h/${path.of.d}")]),
        profile("E", "", &[("e", "https://h/e")]),
    );
    let site = Site::of_user(&content);
    let expected = [
        "c https://h/c/",
        "a2 https://h/a2-of-c/",
        "b https://h/b/",
        "a1 https://h/a1/",
    ];
    let (repositories, warnings) = site.repositories(&[]).unwrap();
    assert_eq!(shown(&repositories), expected);
    assert!(matches!(&warnings[..], [Warning::Repeated { id, .. }] if id == "a2"));

    let (repositories, _) = site.property("go", "1").repositories(&[]).unwrap();
    assert_eq!(shown(&repositories)[0], "d https://h/in-d/");
    assert_eq!(shown(&repositories)[1..], expected);
}

#[test]
fn it_is_told_which_repositories_a_mirror_stands_for() {
    let mirrors = format!(
        "<mirrors>{}{}</mirrors>",
        "<mirror><id>m</id><url>https://m/</url><mirrorOf>a,central</mirrorOf></mirror>",
        "<mirror><id>no</id><url>http://no/</url><mirrorOf>external:http:*</mirrorOf>\
         <blocked>true</blocked></mirror>"
    );
    let repositories = [
        ("a", "https://h/a"),
        ("b", "https://h/b"),
        ("c", "http://h/c"),
    ];
    let site = Site::of_repositories(&repositories, &mirrors);
    let told = |id: &str, mirror: &str| (id.to_owned(), mirror.to_owned());
    assert_eq!(
        site.load().unwrap().mirrored(),
        [told("a", "m"), told("c", "no"), told("central", "m")]
    );
}

#[test]
fn an_activation_that_is_not_looked_at_is_told() {
    let content = "<settings><profiles><profile><id>old</id>
        <activation><jdk>[1.8,9)</jdk></activation>
        <repositories><repository><id>r</id><url>https://h/</url></repository></repositories>
        </profile></profiles>
        <activeProfiles><activeProfile>gone</activeProfile></activeProfiles></settings>";
    let site = Site::of_user(content);
    let warnings = site.load().unwrap().warnings;
    let told: Vec<String> = warnings.iter().map(|warning| site.told(warning)).collect();
    assert_eq!(
        told,
        [
            "`/home/.m2/settings.xml:5:25`: there is no profile `gone`",
            "`/home/.m2/settings.xml:2:21`: profile `old` is not active: activation by `<jdk>` is \
             not supported",
        ]
    );
}

#[test]
fn user_dominates_installation_entry_by_entry() {
    let user = format!(
        "<settings>{}<servers><server><id>m</id><username>user</username></server></servers>{}</settings>",
        mirror("m", "a, c", "https://h/of-user"),
        active(
            "A",
            &(repository("a", "https://h/a", "") + &repository("b", "https://h/b", ""))
        ),
    );
    let global = format!(
        "<settings><offline>true</offline><localRepository>/srv/m2</localRepository>\
         <mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf><url>https://h/lost</url></mirror>\
         <mirror><id>g</id><mirrorOf>b</mirrorOf><url>https://h/of-global</url></mirror></mirrors>\
         <servers><server><id>m</id><username>lost</username></server>\
         <server><id>g</id><username>global</username></server></servers>\
         <profiles><profile><id>A</id></profile><profile><id>G</id><repositories>{}</repositories>\
         </profile></profiles><activeProfiles><activeProfile>G</activeProfile></activeProfiles>\
         </settings>",
        repository("x", "https://h/x", ""),
    );
    let site = Site::of_user(&user).file("installation/settings.xml", global);
    let repositories = site.listed(&[]);
    assert_eq!(
        shown(&repositories),
        [
            "x https://h/x/",
            "m https://h/of-user/",
            "g https://h/of-global/"
        ]
    );
    let known: Vec<_> = repositories.iter().map(credentials).collect();
    assert_eq!(
        known,
        [None, Some("user:".to_owned()), Some("global:".to_owned())]
    );
    let settings = site.load().unwrap();
    assert!(settings.offline);
    assert_eq!(settings.local_repository, PathBuf::from("/srv/m2"));
    assert_eq!(settings.files.len(), 2);

    let site = site.file(
        "home/.m2/settings.xml",
        "<settings><offline>false</offline><localRepository>${user.home}/r</localRepository></settings>",
    );
    let settings = site.load().unwrap();
    assert!(!settings.offline);
    assert_eq!(settings.local_repository, site.path("home/r"));
    let settings = site.property("maven.repo.local", "/else").load().unwrap();
    assert_eq!(settings.local_repository, PathBuf::from("/else"));
}

#[test]
fn an_exact_id_beats_an_earlier_wildcard() {
    let mirrors = "<mirrors>\
        <mirror><id>all</id><mirrorOf>*</mirrorOf><url>https://h/all</url></mirror>\
        <mirror><id>one</id><mirrorOf>corp</mirrorOf><url>https://h/one</url></mirror></mirrors>";
    let site = Site::of_repositories(
        &[("corp", "https://h/c"), ("other", "https://h/o")],
        mirrors,
    );
    assert_eq!(
        shown(&site.listed(&[])),
        ["one https://h/one/", "all https://h/all/"]
    );
}

#[test]
fn a_blocking_mirror_is_named_with_its_place_and_asked_for_no_password() {
    let rest = "\n<mirrors><mirror><id>no-http</id><mirrorOf>external:http:*</mirrorOf>\
        <url>http://0.0.0.0/</url><blocked>true</blocked></mirror></mirrors>\
        <servers><server><id>no-http</id><username>u</username><password>${env.NONE}</password></server></servers>";
    let site = Site::of_repositories(&[("plain", "http://h/p"), ("tls", "https://h/t")], rest);
    let repositories = site.listed(&[]);
    assert_eq!(
        shown(&repositories),
        ["no-http http://0.0.0.0/", "tls https://h/t/"]
    );
    let blocked = repositories[0].check_allowed().unwrap_err();
    assert_eq!(
        site.told(&blocked),
        "repository `no-http` must not be asked: the mirror `no-http \
         (/home/.m2/settings.xml:2:10)` blocks it"
    );
    assert_eq!(blocked.kind(), ErrorKind::Config);
    assert_eq!(repositories[1].check_allowed(), Ok(()));
}

#[test]
fn repositories_behind_one_mirror_become_one_with_merged_policies() {
    let policies = |enabled: bool, update: &str, checksum: &str| {
        format!(
            "<enabled>{enabled}</enabled><updatePolicy>{update}</updatePolicy>\
             <checksumPolicy>{checksum}</checksumPolicy>"
        )
    };
    let both = |releases: &str, snapshots: &str| {
        format!("<releases>{releases}</releases><snapshots>{snapshots}</snapshots>")
    };
    let one = both(
        &policies(true, "never", "fail"),
        &policies(false, "always", "ignore"),
    );
    let two = both(
        &policies(true, "interval:30", "warn"),
        &policies(true, "daily", "fail"),
    );
    let list = repository("a", "https://h/a", &one)
        + &repository("direct", "https://h/d", "")
        + &repository("b", "https://h/b", &two);
    let content = format!(
        "<settings>{}{}</settings>",
        mirror("m", "*,!direct,!central", "https://h/m"),
        active("p", &list)
    );
    let repositories = Site::of_user(&content).listed(&[]);
    assert_eq!(
        shown(&repositories),
        ["m https://h/m/", "direct https://h/d/"]
    );
    let update = UpdatePolicy::Interval(Duration::from_mins(30));
    let Repository {
        releases,
        snapshots,
        ..
    } = &repositories[0];
    assert_eq!(
        *releases,
        Policy {
            enabled: true,
            update,
            checksum: ChecksumPolicy::Warn
        }
    );
    let checksum = ChecksumPolicy::Fail;
    assert_eq!(
        *snapshots,
        Policy {
            enabled: true,
            update: UpdatePolicy::Daily,
            checksum
        }
    );
    assert_eq!(repositories[1].releases, Policy::USUAL);
}

#[test]
fn a_mirror_with_the_id_of_a_repository_lends_it_policies_and_not_its_address() {
    let list = repository(
        "corp",
        "https://h/c",
        "<releases><enabled>false</enabled></releases>",
    );
    let content = format!(
        "<settings>{}{}</settings>",
        mirror("corp", "central", "https://h/m"),
        active("p", &list)
    );
    let (repositories, warnings) = Site::of_user(&content).repositories(&[]).unwrap();
    assert_eq!(shown(&repositories), ["corp https://h/c/"]);
    assert!(repositories[0].releases.enabled);
    assert!(matches!(&warnings[..], [Warning::Repeated { id, .. }] if id == "corp"));
}

#[test]
fn policies_that_are_unknown_are_told_and_taken_as_maven_takes_them() {
    let policies = "<releases><updatePolicy>hourly</updatePolicy><checksumPolicy>strict</checksumPolicy></releases>\
        <snapshots><enabled>yes</enabled><updatePolicy>interval:soon</updatePolicy></snapshots>";
    let content = format!(
        "<settings>{}</settings>",
        active("p", &repository("r", "https://h/", policies))
    );
    let (repositories, warnings) = Site::of_user(&content).repositories(&[]).unwrap();
    assert_eq!(repositories[0].releases.update, UpdatePolicy::Never);
    assert_eq!(repositories[0].releases.checksum, ChecksumPolicy::Warn);
    assert!(!repositories[0].snapshots.enabled);
    let day = UpdatePolicy::Interval(Duration::from_hours(24));
    assert_eq!(repositories[0].snapshots.update, day);
    let values: Vec<&str> = warnings
        .iter()
        .map(|warning| match warning {
            Warning::UnknownValue { value, .. } => value.as_str(),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(values, ["yes", "hourly", "strict", "interval:soon"]);
}

#[test]
fn central_is_asked_only_where_it_is_named_or_mirrored() {
    let corp = [("corp", "https://h/c")];
    let listed = |rest: &str| shown(&Site::of_repositories(&corp, rest).listed(&[]));
    assert_eq!(listed(""), ["corp https://h/c/"]);
    assert_eq!(
        listed(&mirror("m", "*,!central", "https://h/m")),
        ["m https://h/m/"]
    );
    for pattern in ["central", "*,!corp", "external:*,!corp"] {
        let expected = ["corp https://h/c/", "m https://h/m/"];
        assert_eq!(
            listed(&mirror("m", pattern, "https://h/m")),
            expected,
            "{pattern}"
        );
    }
    assert_eq!(
        listed(&mirror("m", "external:http:*", "https://h/m")),
        ["corp https://h/c/"]
    );
    // Declared, it is a repository like any other, wherever it stands.
    let declared = Site::of_repositories(&[("central", "https://h/own"), corp[0]], "");
    assert_eq!(
        shown(&declared.listed(&[])),
        ["central https://h/own/", "corp https://h/c/"]
    );
}

#[test]
fn a_mirror_of_everything_alone_stands_for_central_without_snapshots() {
    let content = format!("<settings>{}</settings>", mirror("m", "*", "https://h/m"));
    let repository = Site::of_user(&content).single();
    assert_eq!(
        (repository.id.as_str(), repository.url.as_str()),
        ("m", "https://h/m/")
    );
    assert!(repository.releases.enabled && !repository.snapshots.enabled);
}

#[test]
fn no_repository_at_all_is_an_error_that_shows_the_lines_to_add() {
    for site in [Site::new(), Site::of_user("<settings/>")] {
        let error = site.error();
        assert!(matches!(error, Error::NoRepository));
        assert_eq!(error.kind(), ErrorKind::Config);
        let lines = error.hint().unwrap();
        // What the hint shows is what helps.
        let (_, xml) = lines.split_once("<settings>").unwrap();
        let site = Site::of_user(&format!("<settings>{xml}").replace("HOST", "h"));
        assert_eq!(shown(&site.listed(&[])), ["releases https://h/PATH/"]);
    }
}

#[test]
fn the_callers_repositories_come_last_as_written_and_with_credentials_by_id() {
    let rest = mirror("m", "*", "https://h/m")
        + "<servers><server><id>ours</id><username>ann</username></server></servers>";
    let site = Site::of_repositories(&[("corp", "https://h/c")], &rest);
    let own = OwnRepository {
        groups: vec!["com.acme.*".to_owned(), "org.x".to_owned()],
        ..OwnRepository::new("ours", "https://h/o")
    };
    let repositories = site.listed(&[own, OwnRepository::new("disk", "/srv/a b")]);
    assert_eq!(
        shown(&repositories),
        [
            "m https://h/m/",
            "ours https://h/o/",
            "disk file:///srv/a%20b/"
        ]
    );
    assert_eq!(repositories[1].groups, ["com.acme", "org.x"]);
    assert_eq!(credentials(&repositories[1]).as_deref(), Some("ann:"));
}

#[test]
fn the_callers_repository_replaces_one_of_the_same_id() {
    let site = Site::of_repositories(&[("corp", "https://h/c"), ("b", "https://h/b")], "");
    let same = site.listed(&[OwnRepository::new("corp", "https://h/c/")]);
    assert_eq!(shown(&same), ["b https://h/b/", "corp https://h/c/"]);
    let (other, warnings) = site
        .repositories(&[OwnRepository::new("corp", "https://x/")])
        .unwrap();
    assert_eq!(shown(&other), ["b https://h/b/", "corp https://x/"]);
    assert!(
        matches!(&warnings[..], [Warning::Replaced { repository, .. }] if repository == "corp")
    );
}

#[test]
fn a_repository_of_the_caller_that_cannot_be_used_is_an_error() {
    for (id, url) in [
        ("", "https://h/"),
        ("local", "https://h/"),
        ("x", "s3://bucket/"),
        ("x", "h/path"),
        ("x", "https://"),
        ("x", "file://host/path"),
        ("x", ""),
    ] {
        let error = Site::new()
            .repositories(&[OwnRepository::new(id, url)])
            .unwrap_err();
        assert!(
            matches!(error, Error::Identity { .. } | Error::Address { .. }),
            "{id} {url}"
        );
        assert_eq!(error.kind(), ErrorKind::Config);
    }
    let twice = [
        OwnRepository::new("x", "https://h/"),
        OwnRepository::new("x", "https://h/"),
    ];
    assert!(matches!(
        Site::new().repositories(&twice),
        Err(Error::Identity { .. })
    ));
}

#[test]
fn repositories_for_extensions_of_maven_are_left_out_and_told() {
    let layout = repository("old", "https://h/o", "<layout>legacy</layout>");
    let list = repository("s", "s3://bucket/", "") + &layout + &repository("r", "https://h/r", "");
    let direct = format!("<settings>{}</settings>", active("p", &list));
    let (repositories, warnings) = Site::of_user(&direct).repositories(&[]).unwrap();
    assert_eq!(shown(&repositories), ["r https://h/r/"]);
    assert_eq!(warnings.len(), 2);
    assert!(
        warnings
            .iter()
            .all(|warning| matches!(warning, Warning::Unsupported { .. }))
    );
    // A mirror makes them ordinary.
    let mirrored = format!(
        "<settings>{}{}</settings>",
        mirror("m", "*", "https://h/m"),
        active("p", &list)
    );
    assert_eq!(
        shown(&Site::of_user(&mirrored).listed(&[])),
        ["m https://h/m/"]
    );
}
