//! Secrets are nowhere but where they are needed.

use std::error::Error as _;
use std::fmt::Write as _;

use super::*;

const SECRET: &str = "s3cr3t";

/// Settings with a secret wherever one may be; `wrong` is put where it makes an error.
fn everywhere(wrong: &str) -> Site {
    let list = [
        ("r", "https://u:s3cr3t@r.corp/"),
        ("n", "https://n.corp/?sig=s3cr3t"),
    ];
    let rest = format!(
        "<servers><server><id>r</id><username>u</username><password>s3cr3t</password><configuration>\
         <httpHeaders><property><name>T</name><value>s3cr3t</value></property></httpHeaders>\
         </configuration></server></servers>\
         <proxies><proxy><host>p</host><username>u</username><password>s3cr3t</password></proxy></proxies>\
         {wrong}"
    );
    Site::of_repositories(&list, &rest)
        .variable("TOKEN", SECRET)
        .property("token", SECRET)
        .file("home/.netrc", "machine n.corp login u password s3cr3t")
}

#[test]
fn secrets_are_read_and_shown_in_no_debug_text() {
    let site = everywhere("");
    let own = [OwnRepository::new("own", "https://u:s3cr3t@o.corp/?s3cr3t")];
    let settings = site.load().unwrap();
    let (mut repositories, warnings) = repositories(&settings, &own).unwrap();
    assert_eq!(warnings, []);
    for repository in &repositories {
        assert_eq!(credentials(repository).as_deref(), Some("u:s3cr3t"));
    }
    // An address with a signature in it is the transport's to hide: it is part of the address.
    for repository in &mut repositories {
        repository.url.set_query(None);
    }
    let told = format!(
        "{settings:?} {repositories:?} {own:?} {:?}",
        site.surroundings
    );
    assert!(told.contains("r.corp") && told.contains("own"));
    assert!(!told.contains(SECRET), "{told}");
}

#[test]
fn no_error_shows_a_secret() {
    let broken = |password: &str| {
        let content = format!(
            "<settings>{}<servers><server><id>m</id><username>u</username>\
             <password>{password}</password></server></servers></settings>",
            mirror("m", "*", "https://h/")
        );
        Site::of_user(&content).error()
    };
    let mirrored = |url: &str| {
        Site::of_user(&format!("<settings>{}</settings>", mirror("m", "*", url))).error()
    };
    let own = |url: &str| {
        Site::new()
            .repositories(&[OwnRepository::new("x", url)])
            .unwrap_err()
    };
    for error in [
        broken("a${s3cr3t}"),
        broken("a${env.s3cr3t!}"),
        broken("{s3cr3t}"),
        broken("{[s3cr3t]}"),
        broken("a&s3cr3t;"),
        broken("a</s3cr3t>"),
        broken("s3cr3t\u{1}"),
        broken(&format!("s3cr3t {ENCRYPTED}")),
        mirrored("https://u:s3cr3t@h h/"),
        mirrored("https://u:s3cr3t@/"),
        own("https://u:s3cr3t@h:x/"),
        own("ftp://u:s3cr3t@h/"),
        own("u:s3cr3t@h"),
    ] {
        let mut told = format!("{error} {error:?} {:?}", error.hint());
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(told, " {error} {error:?}").unwrap();
            cause = error.source();
        }
        assert!(!told.contains(SECRET), "{told}");
    }
}
