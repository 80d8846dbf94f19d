//! What surrounds a repository: placeholders, servers, headers, timeouts, proxies, netrc.

use std::time::Duration;

use super::*;

/// One repository `r` at `https://r.corp/`, and its server's entry.
fn with_server(server: &str) -> Site {
    let rest = format!("<servers><server><id>r</id>{server}</server></servers>");
    Site::of_repositories(&[("r", "https://r.corp/")], &rest)
}

#[test]
fn placeholders_are_taken_from_environment_home_and_properties_without_escaping() {
    let site = with_server("<username>${who}</username><password>${env.WORD}</password>")
        .variable("WORD", "<&>\"'${x}")
        .property("who", "ann");
    assert_eq!(
        credentials(&site.single()).as_deref(),
        Some("ann:<&>\"'${x}")
    );
}

#[test]
fn a_placeholder_without_value_is_an_error_where_it_is_used_only() {
    let password = "<username>u</username><password>${env.NONE}</password>";
    let site = with_server(password);
    assert_eq!(
        site.told(&site.error()),
        "`/home/.m2/settings.xml:1:60`: `${env.NONE}` in `<password>` has no value"
    );
    assert!(site.error().hint().is_some());
    let other = format!("<servers><server><id>deploy</id>{password}</server></servers>");
    let site = Site::of_repositories(&[("r", "https://r.corp/")], &other);
    assert_eq!(credentials(&site.single()), None);

    for site in [
        Site::of_repositories(&[("r", "https://h/${nope}")], ""),
        Site::of_user(&format!(
            "<settings>{}</settings>",
            mirror("m", "*", "https://${nope}/")
        )),
        Site::of_user("<settings><localRepository>${nope}/r</localRepository></settings>"),
    ] {
        assert!(matches!(site.error(), Error::Unresolved { .. }));
    }
    // A mirror's own address is what counts.
    let site = Site::of_repositories(
        &[("r", "https://${nope}/")],
        &mirror("m", "*", "https://h/"),
    );
    assert_eq!(site.single().url.as_str(), "https://h/");
}

#[test]
fn encrypted_passwords_are_decrypted_also_after_a_relocation() {
    let server = format!("<username>u</username><password>old {ENCRYPTED}</password>");
    let master = format!("<settingsSecurity><master>{MASTER}</master></settingsSecurity>");
    let known = "u:repo-secret";
    let site = with_server(&server).file("home/.m2/settings-security.xml", &master);
    assert_eq!(credentials(&site.single()).as_deref(), Some(known));

    let site = with_server(&server)
        .file(
            "home/.m2/settings-security.xml",
            "<settingsSecurity><relocation>../stick/s.xml</relocation></settingsSecurity>",
        )
        .file("home/stick/s.xml", &master);
    assert_eq!(credentials(&site.single()).as_deref(), Some(known));

    let site = with_server(&server).file("else.xml", &master);
    let path = site.path("else.xml");
    let site = site.property("settings.security", path.to_str().unwrap());
    assert_eq!(credentials(&site.single()).as_deref(), Some(known));
}

#[test]
fn a_password_that_cannot_be_decrypted_says_why() {
    let encrypted = format!("<username>u</username><password>{ENCRYPTED}</password>");
    let security = |content: &str| {
        let content = format!("<settingsSecurity>{content}</settingsSecurity>");
        with_server(&encrypted).file("home/.m2/settings-security.xml", content)
    };
    let other = security(&format!("<master>{ENCRYPTED}</master>"));
    let circle = "<relocation>settings-security.xml</relocation>";
    let four = "<username>u</username><password>{[name=master,version=4.0]aGVsbG8=}</password>";
    for (site, words) in [
        (
            with_server(&encrypted),
            "settings-security.xml` does not exist",
        ),
        (security(""), "has no `<master>`"),
        (
            security("<master>plain</master>"),
            "expected a password encrypted",
        ),
        (security(circle), "one `<relocation>` too many"),
        (
            other,
            "expected an undamaged encrypted password in `<master>`",
        ),
        (with_server(four), "Maven 4"),
        (
            with_server("<username>u</username><password>{x}</password>"),
            "no encrypted password",
        ),
    ] {
        let error = site.error();
        assert!(
            site.told(&error).contains(words),
            "{}: {words}",
            site.told(&error)
        );
    }
}

#[test]
fn headers_and_timeouts_of_a_server_are_taken_in_both_forms() {
    let headers = "<httpHeaders><property><name>Job-Token</name><value>${env.T}</value></property></httpHeaders>";
    let site = with_server(&format!(
        "<configuration><connectTimeout>1500</connectTimeout><requestTimeout>0</requestTimeout>\
         {headers}</configuration>"
    ))
    .variable("T", "token");
    let repository = site.single();
    let [(name, value)] = &repository.headers[..] else {
        panic!()
    };
    assert_eq!((name.as_str(), value.0.as_str()), ("Job-Token", "token"));
    assert_eq!(
        repository.connect_timeout,
        Some(Duration::from_millis(1500))
    );
    assert_eq!(repository.request_timeout, None);

    let repository = with_server(
        "<configuration><httpConfiguration><all><connectionTimeout>10</connectionTimeout>\
         <readTimeout>20</readTimeout></all></httpConfiguration></configuration>",
    )
    .single();
    assert_eq!(repository.connect_timeout, Some(Duration::from_millis(10)));
    assert_eq!(repository.request_timeout, Some(Duration::from_millis(20)));
}

#[test]
fn the_first_of_two_servers_with_one_id_counts() {
    let site = with_server(
        "<username>first</username></server><server><id>r</id><username>second</username>",
    );
    let (repositories, warnings) = site.repositories(&[]).unwrap();
    assert_eq!(credentials(&repositories[0]).as_deref(), Some("first:"));
    assert!(matches!(
        &warnings[..],
        [Warning::Repeated { what: "server", .. }]
    ));
}

#[test]
fn proxies_of_settings_win_over_the_environments() {
    let proxies = "<proxies>\
        <proxy><id>off</id><active>false</active><host>off</host></proxy>\
        <proxy><id>on</id><host>p.corp</host><port>3128</port><username>u</username>\
        <password>pw</password><nonProxyHosts>*.corp|localhost</nonProxyHosts></proxy></proxies>";
    let list = [
        ("in", "https://r.corp/"),
        ("out", "https://x.org/"),
        ("disk", "file:///srv/"),
    ];
    let site = Site::of_repositories(&list, proxies).variable("https_proxy", "http://env:1");
    let repositories = site.listed(&[]);
    let hosts: Vec<Option<(&str, u16)>> = repositories
        .iter()
        .map(|one| {
            one.proxy
                .as_ref()
                .map(|proxy| (proxy.host.as_str(), proxy.port))
        })
        .collect();
    assert_eq!(hosts, [None, Some(("p.corp", 3128)), None]);
    let known = repositories[1]
        .proxy
        .as_ref()
        .and_then(|proxy| proxy.credentials.as_ref());
    assert_eq!(known.map(|known| known.password.0.as_str()), Some("pw"));
    // Settings that only have a proxy that is switched off mean none.
    let off = "<proxies><proxy><active>false</active><host>off</host></proxy></proxies>";
    let site = Site::of_repositories(&list, off).variable("https_proxy", "http://env:1");
    assert!(site.listed(&[]).iter().all(|one| one.proxy.is_none()));
}

#[test]
fn the_environments_proxies_count_where_settings_have_none() {
    let list = [("in", "https://r.corp/"), ("out", "https://x.org/")];
    let site = Site::of_repositories(&list, "")
        .variable("HTTPS_PROXY", "http://env:3128")
        .variable("NO_PROXY", ".corp");
    let hosts: Vec<Option<String>> = site
        .listed(&[])
        .into_iter()
        .map(|one| one.proxy.map(|proxy| proxy.host))
        .collect();
    assert_eq!(hosts, [None, Some("env".to_owned())]);
}

#[test]
fn credentials_come_from_server_then_address_then_netrc() {
    let netrc = "machine r.corp login netrc password n\n";
    let list = [("r", "https://address:a%40@r.corp/")];
    let server = "<servers><server><id>r</id><username>server</username></server></servers>";
    let site = Site::of_repositories(&list, server).file("home/.netrc", netrc);
    assert_eq!(credentials(&site.single()).as_deref(), Some("server:"));
    let repository = Site::of_repositories(&list, "")
        .file("home/.netrc", netrc)
        .single();
    assert_eq!(credentials(&repository).as_deref(), Some("address:a@"));
    assert_eq!(repository.url.as_str(), "https://r.corp/");
    let plain = [("r", "https://r.corp/")];
    let site = Site::of_repositories(&plain, "").file("home/.netrc", netrc);
    assert_eq!(credentials(&site.single()).as_deref(), Some("netrc:n"));
    // Who has a token is introduced.
    let token = with_server(
        "<configuration><httpHeaders><property><name>T</name><value>t</value></property>\
         </httpHeaders></configuration>",
    )
    .file("home/.netrc", netrc);
    assert_eq!(credentials(&token.single()), None);
    let site = Site::of_repositories(&plain, "").file("n", netrc);
    let path = site.path("n");
    let site = site.variable("NETRC", path.to_str().unwrap());
    assert_eq!(credentials(&site.single()).as_deref(), Some("netrc:n"));
}

#[test]
fn a_netrc_that_others_can_read_is_not_used_and_told() {
    for (mode, host, used, told) in [
        (0o600, "r.corp", true, false),
        (0o400, "r.corp", true, false),
        (0o640, "r.corp", false, true),
        (0o604, "r.corp", false, true),
        (0o644, "other", false, false),
    ] {
        let site = Site::of_repositories(&[("r", "https://r.corp/")], "")
            .file("home/.netrc", format!("machine {host} login u password p"));
        let path = site.path("home/.netrc");
        fs_err::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let (repositories, warnings) = site.repositories(&[]).unwrap();
        assert_eq!(
            repositories[0].credentials.is_some(),
            used,
            "{mode:o} {host}"
        );
        assert_eq!(warnings.len(), usize::from(told), "{mode:o} {host}");
    }
}
