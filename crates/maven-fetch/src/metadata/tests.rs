//! What is read out of metadata, and what is not accepted.

use std::fmt::Write as _;

use super::*;
use crate::ErrorKind;
use crate::coordinates::Defaults;

fn app() -> Coordinates {
    Coordinates::parse("com.ex:app:LATEST:jar:c", &Defaults::default()).unwrap()
}

fn artifact(text: &str) -> Result<ArtifactMetadata, MetadataError> {
    ArtifactMetadata::accept(&app(), text.as_bytes())
}

fn snapshot(text: &str) -> Result<SnapshotMetadata, MetadataError> {
    SnapshotMetadata::accept(&app(), "3.0-SNAPSHOT", text.as_bytes())
}

fn strings(versions: &[&str]) -> Vec<String> {
    versions
        .iter()
        .map(|version| (*version).to_owned())
        .collect()
}

/// As Maven's deploy plugin writes it.
const ARTIFACT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata>
  <groupId>com.ex</groupId>
  <artifactId>app</artifactId>
  <versioning>
    <latest>3.0-SNAPSHOT</latest>
    <release>2.0</release>
    <versions>
      <version>1.0</version>
      <version>2.0</version>
      <version>3.0-SNAPSHOT</version>
    </versions>
    <lastUpdated>20240102030405</lastUpdated>
  </versioning>
</metadata>
"#;

/// As Maven's deploy plugin writes it.
const SNAPSHOT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata modelVersion="1.1.0">
  <groupId>com.ex</groupId>
  <artifactId>app</artifactId>
  <version>3.0-SNAPSHOT</version>
  <versioning>
    <snapshot>
      <timestamp>20240102.030405</timestamp>
      <buildNumber>7</buildNumber>
    </snapshot>
    <lastUpdated>20240102030405</lastUpdated>
    <snapshotVersions>
      <snapshotVersion>
        <extension>jar</extension>
        <value>3.0-20240102.030405-7</value>
        <updated>20240102030405</updated>
      </snapshotVersion>
      <snapshotVersion>
        <classifier>c</classifier>
        <extension>jar</extension>
        <value>3.0-20240101.000000-6</value>
        <updated>20240101000000</updated>
      </snapshotVersion>
    </snapshotVersions>
  </versioning>
</metadata>
"#;

#[test]
fn versions_are_read() {
    let expected = ArtifactMetadata {
        latest: Some("3.0-SNAPSHOT".to_owned()),
        release: Some("2.0".to_owned()),
        versions: strings(&["1.0", "2.0", "3.0-SNAPSHOT"]),
        last_updated: Some("20240102030405".to_owned()),
    };
    assert_eq!(artifact(ARTIFACT), Ok(expected));
}

#[test]
fn builds_are_read() {
    let build = |classifier: Option<&str>, version: &str, updated: &str| Build {
        classifier: classifier.map(str::to_owned),
        extension: "jar".to_owned(),
        version: version.to_owned(),
        updated: Some(updated.to_owned()),
    };
    let expected = SnapshotMetadata {
        newest: Some("3.0-20240102.030405-7".to_owned()),
        builds: vec![
            build(None, "3.0-20240102.030405-7", "20240102030405"),
            build(Some("c"), "3.0-20240101.000000-6", "20240101000000"),
        ],
        last_updated: Some("20240102030405".to_owned()),
    };
    assert_eq!(snapshot(SNAPSHOT), Ok(expected));
}

#[test]
fn the_form_may_be_any_that_xml_has() {
    let text = "\u{feff}\n<m:metadata xmlns:m='urn:x' other='1'><!-- x --><m:new/>\
        <m:versioning><m:versions><m:version>\n 1.0 \t</m:version><m:version/>\
        <m:version><![CDATA[1.1]]></m:version><m:odd>9</m:odd></m:versions>\
        <m:latest> </m:latest></m:versioning></m:metadata>\n<!-- end -->";
    let metadata = artifact(text).unwrap();
    assert_eq!(metadata.versions, strings(&["1.0", "1.1"]));
    assert_eq!(
        (metadata.latest, metadata.release, metadata.last_updated),
        (None, None, None)
    );
}

#[test]
fn a_build_is_named_as_maven_2_did() {
    let newest = |inner: &str| {
        let text =
            format!("<metadata><versioning><snapshot>{inner}</snapshot></versioning></metadata>");
        snapshot(&text).map(|metadata| metadata.newest.unwrap())
    };
    let stamp = "<timestamp>20240102.030405</timestamp>";
    for (inner, expected) in [
        (
            format!("{stamp}<buildNumber>7</buildNumber>"),
            "3.0-20240102.030405-7",
        ),
        (
            format!("{stamp}<buildNumber>0</buildNumber>"),
            "3.0-SNAPSHOT",
        ),
        (
            format!("{stamp}<buildNumber>seven</buildNumber>"),
            "3.0-SNAPSHOT",
        ),
        ("<localCopy>true</localCopy>".to_owned(), "3.0-SNAPSHOT"),
        (
            format!("{stamp}<buildNumber>7</buildNumber><localCopy>true</localCopy>"),
            "3.0-SNAPSHOT",
        ),
    ] {
        assert_eq!(newest(&inner).unwrap(), expected, "{inner}");
    }
}

#[test]
fn what_is_cut_off_anywhere_is_not_accepted() {
    for text in [ARTIFACT, SNAPSHOT] {
        let text = text.trim_end();
        for end in 0..text.len() {
            let begin = text.as_bytes().get(..end).unwrap();
            assert!(
                ArtifactMetadata::accept(&app(), begin).is_err(),
                "{end} bytes"
            );
            assert!(
                SnapshotMetadata::accept(&app(), "3.0-SNAPSHOT", begin).is_err(),
                "{end} bytes"
            );
        }
    }
}

#[test]
fn what_is_something_else_is_not_accepted() {
    let replaced = |from: &str, to: &str| ARTIFACT.replace(from, to);
    let report = |text: String| {
        let error = artifact(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadContent);
        format!(
            "{error} | {}",
            error.hint().unwrap_or_else(|| "-".to_owned())
        )
    };
    let reports = [
        String::new(),
        " \n".to_owned(),
        "<!DOCTYPE html>\n<html><body>Log in</body></html>".to_owned(),
        "<HTML><head>".to_owned(),
        "404 page not found".to_owned(),
        "{\"errors\":[]}".to_owned(),
        "<project/>".to_owned(),
        "<metadata/>".to_owned(),
        "<metadata><versioning><versions/></versioning></metadata>".to_owned(),
        replaced("com.ex", "com.other"),
        replaced(">app<", ">other<"),
        "<!DOCTYPE m [<!ENTITY a 'b'>]><metadata>&a;</metadata>".to_owned(),
    ]
    .map(report);
    insta::assert_snapshot!(reports.join("\n"), @r"
    the metadata is empty | it may be cut off, or the repository may be writing it: try again
    the metadata is empty | it may be cut off, or the repository may be writing it: try again
    the metadata is an HTML page | it may be a login page: does the repository want credentials?
    the metadata is an HTML page | it may be a login page: does the repository want credentials?
    the metadata cannot be parsed: expected well-formed XML | it may be cut off, or the repository may be writing it: try again
    the metadata cannot be parsed: expected well-formed XML | it may be cut off, or the repository may be writing it: try again
    the metadata has the root element `project` | -
    the metadata names no version | -
    the metadata names no version | -
    the metadata is about the group `com.other`, not `com.ex` | -
    the metadata is about the artifact `other`, not `app` | -
    the metadata has a document type declaration, which is refused | -
    ");
}

#[test]
fn a_build_of_another_version_is_not_accepted() {
    assert!(matches!(
        SnapshotMetadata::accept(&app(), "4.0-SNAPSHOT", SNAPSHOT.as_bytes()),
        Err(MetadataError::Other {
            field: Field::Version,
            ..
        })
    ));
    let other = SNAPSHOT.replace("3.0-20240101", "2.0-20240101");
    assert!(matches!(snapshot(&other), Err(MetadataError::Build { .. })));
}

#[test]
fn a_version_that_leads_out_of_the_repository_is_not_accepted() {
    let hostile = "../../../etc/x";
    for place in ["<latest>3.0-SNAPSHOT", "<release>2.0"] {
        let element = place.split_once('>').unwrap().0;
        let text = ARTIFACT.replace(place, &format!("{element}>{hostile}"));
        assert!(
            matches!(artifact(&text), Err(MetadataError::Version(_))),
            "{place}"
        );
    }
    let text = SNAPSHOT.replace(
        "<value>3.0-20240101.000000-6",
        &format!("<value>3.0-{hostile}"),
    );
    assert!(matches!(snapshot(&text), Err(MetadataError::Version(_))));
    let text = SNAPSHOT.replace(
        "<timestamp>20240102.030405",
        &format!("<timestamp>{hostile}"),
    );
    assert!(matches!(snapshot(&text), Err(MetadataError::Version(_))));
}

#[test]
fn a_listed_version_that_cannot_be_one_is_left_out() {
    let text = ARTIFACT.replace("<version>1.0<", "<version>../1.0<");
    assert_eq!(
        artifact(&text).unwrap().versions,
        strings(&["2.0", "3.0-SNAPSHOT"])
    );
}

/// The limit that a text exceeds.
fn exceeded(text: &str) -> &'static str {
    match artifact(text) {
        Err(MetadataError::TooLarge { unit, .. }) => unit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_than_any_metadata_has_is_refused() {
    let large = " ".repeat(METADATA_BYTES_MAX + 1);
    assert_eq!(exceeded(&large), "bytes");
    let many = "<a/>".repeat(LIMITS.nodes as usize + 1);
    assert_eq!(exceeded(&format!("<metadata>{many}</metadata>")), "nodes");
}

#[test]
fn namespaces_within_namespaces_do_not_stall() {
    let mut text = String::new();
    for number in 0..400_000 {
        write!(text, "<a xmlns:n{number}='u'>").unwrap();
    }
    assert_eq!(exceeded(&text), "attributes");
}

#[test]
fn an_element_with_many_attributes_does_not_stall() {
    for form in ["a# = '1' ", "a#=\">\"\n", "x:a#\t=\r\n'=\" '\n"] {
        let mut text = "<metadata xmlns:x='u' ".to_owned();
        for number in 0..500_000 {
            text += &form.replace('#', &number.to_string());
        }
        assert_eq!(exceeded(&format!("{text}/>")), "attributes", "{form}");
    }
}

#[test]
fn no_memory_is_reserved_for_tags_and_attributes_that_are_text() {
    for filling in ["<", "="] {
        let filling = filling.repeat(METADATA_BYTES_MAX - 100);
        let text = format!("<metadata><![CDATA[{filling}]]></metadata>");
        assert_eq!(exceeded(&text), "nodes");
    }
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let depth = 100_000;
    let deep = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let text = ARTIFACT.replace("<versioning>", &format!("{deep}<versioning>"));
    let reader = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(move || artifact(&text));
    assert!(reader.unwrap().join().unwrap().is_ok());
}

#[test]
fn entities_are_refused() {
    for declared in ["a SYSTEM 'file:///etc/passwd'", "a 'b'", "% a 'b'"] {
        let text = ARTIFACT
            .replace(
                "<metadata>",
                &format!("<!DOCTYPE m [<!ENTITY {declared}>]><metadata>"),
            )
            .replace("2.0<", "&a;<");
        assert_eq!(artifact(&text), Err(MetadataError::DocumentType));
    }
    let undeclared = artifact(&ARTIFACT.replace("2.0<", "&a;<"));
    assert!(matches!(undeclared, Err(MetadataError::Malformed { .. })));
}

#[test]
fn what_is_not_in_utf_8_is_told_with_the_encoding_that_it_names() {
    let told = |bytes: &[u8]| match ArtifactMetadata::accept(&app(), bytes) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    };
    let declared = |encoding: &str| ARTIFACT.replace("UTF-8", encoding);
    let note = |encoding: &str, note: &[u8]| {
        let text = declared(encoding);
        let (begin, end) = text.split_once("<metadata>").unwrap();
        [
            begin.as_bytes(),
            b"<!--",
            note,
            b"--><metadata>",
            end.as_bytes(),
        ]
        .concat()
    };
    let utf_16 = |mark: &[u8], units: fn(u16) -> [u8; 2]| {
        let text: Vec<u8> = declared("UTF-16").encode_utf16().flat_map(units).collect();
        [mark, &text].concat()
    };
    let reports = [
        told(&note("UTF-8", "\u{e4}".as_bytes())),
        told(&note("utf8", "\u{e4}".as_bytes())),
        told(declared("ISO-8859-1").as_bytes()),
        told(declared("Windows-1252").as_bytes()),
        told(&note("UTF-8", b"\xe4")),
        told(&note("ISO-8859-1", b"\xe4")),
        told(&note("ISO-8859-1", "\u{e4}".as_bytes())),
        told(&utf_16(b"", u16::to_le_bytes)),
        told(&utf_16(b"", u16::to_be_bytes)),
        told(&utf_16(b"\xff\xfe", u16::to_le_bytes)),
        told(&utf_16(b"\xfe\xff", u16::to_be_bytes)),
        told(declared("UTF-16").as_bytes()),
        told(declared("UTF-16\u{9b}").as_bytes()),
        told(b"\xff"),
    ];
    insta::assert_snapshot!(reports.join("\n"), @r"
    accepted
    accepted
    accepted
    accepted
    the metadata is not in UTF-8
    the metadata is not in UTF-8, but in ISO-8859-1
    the metadata is not in UTF-8, but in ISO-8859-1
    the metadata is not in UTF-8, but in UTF-16
    the metadata is not in UTF-8, but in UTF-16
    the metadata is not in UTF-8, but in UTF-16
    the metadata is not in UTF-8, but in UTF-16
    the metadata is not in UTF-8, but in UTF-16
    accepted
    the metadata is not in UTF-8
    ");
}

#[test]
fn an_error_about_megabytes_is_short() {
    let long = "a".repeat(1_000_000);
    let other = format!("<metadata><groupId>{long}\u{9b}\n{long}</groupId></metadata>");
    for text in [
        format!("<{long}/>"),
        format!("<metadata></{long}>"),
        format!("<metadata {long}='' {long}=''/>"),
        format!("<metadata>&{long};</metadata>"),
        other.clone(),
        ARTIFACT.replace(">2.0<", &format!(">{long}<")),
    ] {
        let error = artifact(&text).unwrap_err();
        assert!(format!("{error} {error:?}").len() < 1000);
    }
    let shown = artifact(&other.replace(&long, "a"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        shown,
        "the metadata is about the group `a  a`, not `com.ex`"
    );
}

#[test]
fn as_many_versions_as_are_allowed_are_read_and_not_one_more() {
    let listing = |count: usize| {
        let mut text = "<metadata><versioning><versions>".to_owned();
        for number in 0..count {
            write!(text, "\n<version>1.{number}</version>").unwrap();
        }
        text + "</versions></versioning></metadata>"
    };
    assert_eq!(
        artifact(&listing(VERSIONS_MAX)).unwrap().versions.len(),
        VERSIONS_MAX
    );
    assert!(matches!(
        artifact(&listing(VERSIONS_MAX + 1)),
        Err(MetadataError::TooLarge {
            unit: "versions",
            ..
        })
    ));
}
