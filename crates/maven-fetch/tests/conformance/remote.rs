//! What a repository has: jars, and the metadata that names them.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use maven_fetch::checksum::{Algorithm, Digests};
use maven_fetch::coordinates::Resolved;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::server::{Answer, Server};

/// The classifier that is meant where nothing else is said.
pub(crate) const FAT: &str = "jar-with-dependencies";

/// Where the artifact's metadata is.
pub(crate) const VERSIONS: &str = "com/ex/app/maven-metadata.xml";

/// What metadata about an artifact says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Versions<'a> {
    pub(crate) latest: &'a str,
    pub(crate) release: &'a str,
    pub(crate) listed: &'a [&'a str],
    pub(crate) updated: &'a str,
}

/// The jar of a version of `com.ex:app`.
pub(crate) fn app(version: &str, classifier: &str) -> Resolved {
    Resolved {
        group: "com.ex".to_owned(),
        artifact: "app".to_owned(),
        version: version.to_owned(),
        extension: "jar".to_owned(),
        classifier: (!classifier.is_empty()).then(|| classifier.to_owned()),
    }
}

/// Where the fat jar of a version is.
pub(crate) fn path(version: &str) -> String {
    app(version, FAT).path()
}

/// Where the metadata about the builds of a snapshot is.
pub(crate) fn builds(base: &str) -> String {
    format!("com/ex/app/{base}/maven-metadata.xml")
}

/// An archive that differs by `seed`, of some kilobytes.
pub(crate) fn jar(seed: &str) -> Vec<u8> {
    jar_of(seed, 4000)
}

/// An archive that differs by `seed`, with about so many bytes.
pub(crate) fn jar_of(seed: &str, bytes: usize) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("content", stored).unwrap();
    let content = format!("{seed}\n").repeat(bytes / (seed.len() + 1) + 1);
    writer.write_all(content.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

pub(crate) fn sha1(bytes: &[u8]) -> String {
    hex(Algorithm::Sha1, bytes)
}

pub(crate) fn hex(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut digests = Digests::new(algorithm);
    digests.update(bytes);
    digests.hex(algorithm).unwrap()
}

/// Metadata about the artifact; what is empty is left out.
pub(crate) fn versions_xml(versions: &Versions<'_>) -> String {
    let element = |name: &str, text: &str| match text {
        "" => String::new(),
        text => format!("<{name}>{text}</{name}>"),
    };
    let listed: String = versions
        .listed
        .iter()
        .map(|version| element("version", version))
        .collect();
    format!(
        "<metadata><groupId>com.ex</groupId><artifactId>app</artifactId><versioning>{}{}{}{}\
         </versioning></metadata>",
        element("latest", versions.latest),
        element("release", versions.release),
        element("versions", &listed),
        element("lastUpdated", versions.updated),
    )
}

/// Metadata about builds: classifier and version of each; the last one is the newest.
pub(crate) fn builds_xml(base: &str, files: &[(&str, &str)]) -> String {
    let mut entries = String::new();
    for (classifier, version) in files {
        let updated = updated(version);
        write!(
            entries,
            "<snapshotVersion><classifier>{classifier}</classifier><extension>jar</extension>\
             <value>{version}</value><updated>{updated}</updated></snapshotVersion>"
        )
        .unwrap();
    }
    let (_, newest) = files.last().unwrap();
    let mut fields = newest.rsplitn(3, '-');
    let (number, stamp) = (fields.next().unwrap(), fields.next().unwrap());
    let updated = updated(newest);
    format!(
        "<metadata><groupId>com.ex</groupId><artifactId>app</artifactId><version>{base}</version>\
         <versioning><snapshot><timestamp>{stamp}</timestamp><buildNumber>{number}</buildNumber>\
         </snapshot><lastUpdated>{updated}</lastUpdated><snapshotVersions>{entries}\
         </snapshotVersions></versioning></metadata>"
    )
}

/// When a build was made, as metadata writes it.
fn updated(build: &str) -> String {
    let stamp = build.rsplit('-').nth(1).unwrap_or_default();
    stamp.replace('.', "")
}

/// Puts the fat jar of a version, and its SHA-1 beside it.
pub(crate) fn put(server: &Server, version: &str) {
    put_file(server, &path(version), &jar(version));
}

/// Puts a file, and its SHA-1 beside it.
pub(crate) fn put_file(server: &Server, path: &str, bytes: &[u8]) {
    server.script(path, [Answer::file(bytes)]);
    server.script(&format!("{path}.sha1"), [Answer::file(sha1(bytes))]);
}

/// Says which versions there are.
pub(crate) fn announce(server: &Server, versions: &Versions<'_>) {
    server.script(VERSIONS, [Answer::file(versions_xml(versions))]);
}

/// Deploys releases; the last one is the latest.
pub(crate) fn deploy(server: &Server, releases: &[&str]) {
    for version in releases {
        put(server, version);
    }
    let last = releases.last().unwrap();
    let updated = format!("20240101{:06}", releases.len());
    announce(
        server,
        &Versions {
            latest: last,
            release: last,
            listed: releases,
            updated: &updated,
        },
    );
}

/// Deploys builds of a snapshot, which is the latest version after the release 2.0.
pub(crate) fn deploy_builds(server: &Server, base: &str, versions: &[&str]) {
    for version in versions {
        put(server, version);
    }
    let files: Vec<(&str, &str)> = versions.iter().map(|version| (FAT, *version)).collect();
    server.script(&builds(base), [Answer::file(builds_xml(base, &files))]);
    put(server, "2.0");
    announce(
        server,
        &Versions {
            latest: base,
            release: "2.0",
            listed: &["2.0", base],
            updated: &updated(versions.last().unwrap()),
        },
    );
}
