//! Settings that are wrong, damaged or hostile.

use std::fmt::Write as _;

use proptest::prelude::{Strategy as _, any, proptest};

use super::*;
use crate::ErrorKind;

/// The message about a settings file of the user, which must be of kind config.
fn message(content: impl AsRef<[u8]>) -> String {
    let site = Site::new().file("home/.m2/settings.xml", content);
    let error = site.load().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    site.told(&error)
}

#[test]
fn a_wrong_value_is_told_with_line_column_and_what_was_expected() {
    for (content, expected) in [
        (
            "<settings>\n  <mirrors>\n</settings>",
            "3:1`: expected the end of another element",
        ),
        (
            "<settings>\n",
            "2:1`: expected the end of an element, found the end of the file",
        ),
        ("", "1:1`: expected an element"),
        ("{}", "1:1`: expected well-formed XML"),
        (
            "<project/>",
            "1:1`: expected `<settings>` as the outermost element",
        ),
        (
            "<settings><servers>\n<server><password>a&b</password></server></servers></settings>",
            "2:20`: expected one of the five entities of XML: `&` is written `&amp;`",
        ),
        (
            "<settings><mirrors>\n <mirror><id>m</id></mirror></mirrors></settings>",
            "2:2`: expected `<url>` in `<mirror>`",
        ),
        (
            "<settings><proxies><proxy><host>h</host>\n<port>high</port></proxy></proxies></settings>",
            "2:1`: expected a port, 1 to 65535 in `<port>`",
        ),
        (
            "<settings><profiles/>\n<profiles/></settings>",
            "2:1`: expected another element: this one stands here twice",
        ),
        (
            "<settings><mirrors><mirror><id>local</id></mirror></mirrors></settings>",
            "1:28`: expected an id other than `local`, which stands for installed files in `<id>`",
        ),
        (
            "<settings><servers><server><configuration><httpHeaders><property><name>A</name>\
             <value>x&#10;B: y</value></property></httpHeaders></configuration></server></servers></settings>",
            "1:80`: expected a text of one line in `<value>`",
        ),
        (
            "<settings><servers><server><configuration><connectTimeout>-1</connectTimeout>\
             </configuration></server></servers></settings>",
            "1:43`: expected a number of milliseconds in `<connectTimeout>`",
        ),
    ] {
        assert_eq!(
            message(content),
            format!("`/home/.m2/settings.xml:{expected}")
        );
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_told_with_their_place() {
    let utf_16: Vec<u8> = "<settings/>"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let declared = |encoding: &str, note: &[u8]| {
        let begin = format!("<?xml version='1.0' encoding='{encoding}'?>\n<!-- ");
        [begin.as_bytes(), note, b" --><settings/>"].concat()
    };
    for (content, place) in [
        (b"<settings>\n<!-- \xe4 -->\n</settings>".to_vec(), "2:6"),
        (b"\xef\xbb\xbf<settings>\xe4".to_vec(), "1:11"),
        (utf_16, "1:1"),
        (declared("iso-8859-1", b"\xe4"), "2:6"),
        // A password would be another in that encoding.
        (declared("iso-8859-1", "\u{e4}".as_bytes()), "2:6"),
        (declared("utf-16", b""), "1:1"),
    ] {
        assert_eq!(
            message(content),
            format!("`/home/.m2/settings.xml:{place}`: expected text in UTF-8")
        );
    }
    for content in [
        declared("utf-8", "\u{e4}".as_bytes()),
        declared("US-ASCII", b""),
    ] {
        assert!(
            Site::new()
                .file("home/.m2/settings.xml", content)
                .load()
                .is_ok()
        );
    }
}

#[test]
fn hostile_files_are_refused_within_limits() {
    let bomb = "<!DOCTYPE s [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>\
        <settings><localRepository>&b;</localRepository></settings>";
    let file = "<!DOCTYPE s [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>\
        <settings><localRepository>&a;</localRepository></settings>";
    for content in [bomb, file] {
        assert!(message(content).contains("1:1`: a document type declaration is refused"));
    }
    let large = format!(
        "<settings><!--{}--></settings>",
        "x".repeat(20 * 1024 * 1024)
    );
    assert!(message(large).contains("is larger than 1048576 bytes"));
    let nested = |depth: usize| {
        format!(
            "<settings>{}{}</settings>",
            "<a>".repeat(depth),
            "</a>".repeat(depth)
        )
    };
    assert!(message(nested(60_000)).contains("more elements than any settings have"));
    assert!(
        Site::of_user(&nested(40_000)).load().is_ok(),
        "deep within the limit does no harm"
    );
    let many = format!("<settings>{}</settings>", "<a/>".repeat(60_000));
    assert!(message(many).contains("more elements than any settings have"));
    assert!(message("<settings>\0</settings>").contains("1:11`"));
}

#[test]
fn attributes_and_namespaces_do_not_stall() {
    let mut nested = String::new();
    let mut many = "<settings ".to_owned();
    for number in 0..30_000 {
        write!(nested, "<a xmlns:n{number}='u'>").unwrap();
        write!(many, "a{number} =\n\">\" ").unwrap();
    }
    for content in [nested, many + "/>"] {
        assert!(message(content).contains("1:1`: expected settings, found more attributes than"));
    }
}

#[test]
fn values_may_be_full_of_what_looks_like_attributes() {
    let value = "=".repeat(50_000) + &"-Da=\"b c\" ".repeat(400);
    let content = format!("<settings><localRepository>{value}</localRepository></settings>");
    let settings = Site::of_user(&content).load().unwrap();
    assert_eq!(settings.local_repository, PathBuf::from(value.trim()));
}

#[test]
fn placeholders_that_do_not_end_do_not_stall() {
    let value = "${".repeat(500_000);
    let content = format!("<settings><localRepository>{value}</localRepository></settings>");
    let settings = Site::of_user(&content).load().unwrap();
    assert_eq!(settings.local_repository, PathBuf::from(value));
}

#[test]
fn a_mark_comments_and_unknown_elements_do_not_matter() {
    let content = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- x -->\n\
        <settings xmlns=\"http://maven.apache.org/SETTINGS/1.2.0\"><new><url>x</url></new>\
        <pluginGroups><pluginGroup>g</pluginGroup></pluginGroups><mirrors><!-- m --><mirror>\
        <id> m<!-- no --> </id><name>M &amp; co</name><mirrorOf>\n*\n</mirrorOf>\
        <url><![CDATA[ https://h/?a&b ]]></url></mirror></mirrors></settings>";
    let repository = Site::of_user(content).single();
    assert_eq!(
        (repository.id.as_str(), repository.url.as_str()),
        ("m", "https://h/?a&b")
    );
}

#[test]
fn a_file_that_is_absent_matters_only_if_the_caller_named_it() {
    assert_eq!(Site::new().load().unwrap().files, Vec::<PathBuf>::new());
    let mut site = Site::new();
    site.surroundings.user_settings = Some(site.path("mine.xml"));
    let error = site.load().unwrap_err();
    assert_eq!(
        site.told(&error),
        "the settings file `/mine.xml` does not exist"
    );
    let mut site = Site::new();
    site.surroundings.global_settings = Some(site.path("global.xml"));
    assert!(matches!(site.load(), Err(Error::Missing { .. })));
    // A directory in its place is no absent file.
    let site = Site::new().file("home/.m2/settings.xml/x", "");
    assert!(matches!(site.load(), Err(Error::Read { .. })));
}

/// All kinds of elements that settings have.
const WHOLE: &str = "<settings><localRepository>${user.home}/r</localRepository><offline>true</offline>\
<mirrors><mirror><id>m</id><mirrorOf>*,!x</mirrorOf><url>https://h/</url><blocked>false</blocked></mirror></mirrors>\
<servers><server><id>m</id><username>u</username><password>kept-secret</password><configuration><httpHeaders>\
<property><name>A</name><value>kept-secret</value></property></httpHeaders></configuration></server></servers>\
<proxies><proxy><host>h</host><port>1</port><password>kept-secret</password></proxy></proxies>\
<profiles><profile><id>p</id><activation><property><name>a</name><value>!b</value></property></activation>\
<properties><q>${q}</q></properties><repositories><repository><id>x</id><url>https://u:kept-secret@h/${q}</url>\
<releases><updatePolicy>never</updatePolicy></releases></repository></repositories></profile></profiles></settings>";

proptest! {
    #[test]
    fn damage_never_ends_in_a_panic_and_never_shows_a_secret(
        start in 0..WHOLE.len(),
        length in 0_usize..40,
        by in any::<Vec<u8>>().prop_filter("short", |bytes| bytes.len() < 20),
    ) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, by);
        let site = Site::new().file("home/.m2/settings.xml", bytes).property("a", "c");
        let told = match site.repositories(&[]) {
            Ok((repositories, warnings)) => format!("{repositories:?} {warnings:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!told.contains("kept-secret"), "{told}");
    }
}
