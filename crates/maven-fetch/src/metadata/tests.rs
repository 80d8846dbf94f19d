//! What is read out of metadata, and what is not accepted.

use std::fmt::Write as _;

use super::*;
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
    the metadata is not well-formed | it may be cut off, or the repository may be writing it: try again
    the metadata is not well-formed | it may be cut off, or the repository may be writing it: try again
    the metadata has the root element `project` | -
    the metadata names no version | -
    the metadata names no version | -
    the metadata is about the group `com.other`, not `com.ex` | -
    the metadata is about the artifact `other`, not `app` | -
    the metadata is not well-formed | it may be cut off, or the repository may be writing it: try again
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

#[test]
fn hostile_bytes_are_errors() {
    let nested = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    let many_nodes = format!(
        "<metadata>{}</metadata>",
        "<a/>".repeat(NODES_MAX as usize + 1)
    );
    for text in [nested, many_nodes] {
        assert!(artifact(&text).is_err());
    }
    let large = vec![b' '; METADATA_BYTES_MAX + 1];
    assert!(matches!(
        ArtifactMetadata::accept(&app(), &large),
        Err(MetadataError::TooLarge { unit: "bytes", .. })
    ));
    assert_eq!(
        ArtifactMetadata::accept(&app(), b"<metadata>\xff</metadata>"),
        Err(MetadataError::Encoding)
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
