//! What no Maven of today writes: metadata of Maven 2, of other tools, and ill metadata.

use std::fmt::Write as _;
use std::path::Path;

use maven_fetch::checksum::{Algorithm, Digests};

use crate::remotes::content;

/// Adds all of it to the repositories.
pub(crate) fn furnish(remotes: &Path) {
    let (one, two) = (Remote::new(remotes, "one"), Remote::new(remotes, "two"));
    named(&one, &two);
    dated(&one, &two);
    second(&one, &two);
    several(&one);
    mixed(&one, &two);
    literal(&one);
    ill(&one, &two);
}

/// Makes the repositories ill, and moves on what goes on.
pub(crate) fn spoil(remotes: &Path) {
    let one = Remote::new(remotes, "one");
    one.remove("com/ill/lost/maven-metadata.xml");
    one.remove("com/ill/lower/maven-metadata.xml");
    let healthy = one.read("com/ill/torn/maven-metadata.xml");
    one.put(
        "com/ill/torn/maven-metadata.xml",
        &healthy[..healthy.len() / 2],
    );
    one.put(
        "com/ill/page/maven-metadata.xml",
        b"<html><body>Log in<br></body></html>",
    );
    one.put("com/ill/empty/maven-metadata.xml", b"");
    let foreign = artifact_metadata(
        "com.other",
        "thing",
        &Named::latest("7.0", "20300101000000"),
    );
    one.put("com/ill/foreign/maven-metadata.xml", foreign.as_bytes());
    one.snapshot("com.ill", "thin", "1.0", &[("", "jar", 2)], 2);
    one.builds("com.ill", "gone", "1.0", &[("", "jar", 2)], 2);
    one.file("com.ill", "early", "2.0", "", "jar");
    one.file("com.ill", "ahead", "2.0", "", "jar");
    one.name("com.ill", "ahead", &Named::latest("2.0", "20240201000000"));
}

/// Two repositories that name other versions, with all four words.
fn named(one: &Remote, two: &Remote) {
    one.file("com.ex", "named", "2.0", "all", "jar");
    one.snapshot("com.ex", "named", "3.0", &[("all", "jar", 1)], 1);
    one.name(
        "com.ex",
        "named",
        &Named {
            latest: "3.0-SNAPSHOT",
            release: "2.0",
            versions: &["1.0", "2.0", "3.0-SNAPSHOT"],
            updated: "20240101000000",
        },
    );
    two.file("com.ex", "named", "1.1", "all", "jar");
    two.name("com.ex", "named", &Named::latest("1.1", "20240301000000"));
    one.file("com.ex", "sloppy", "1.5", "", "jar");
    let sloppy = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a comment -->\n\
         <metadata xmlns=\"http://maven.apache.org/METADATA/1.1.0\" odd=\"yes\">\n\
         <groupId> com.ex </groupId><unknown><latest>9</latest></unknown>\n<versioning>\n\
         <latest>\n 1.5 </latest><!-- another --><other/></versioning></metadata>\n";
    one.put("com/ex/sloppy/maven-metadata.xml", sloppy.as_bytes());
}

/// Metadata without a date, or with the same.
fn dated(one: &Remote, two: &Remote) {
    for (artifact, dates) in [
        ("undated", ["", "20240101000000"]),
        ("same-date", ["20240101000000"; 2]),
    ] {
        for ((remote, version), date) in [(one, "1.0"), (two, "2.0")].into_iter().zip(dates) {
            remote.file("com.ex", artifact, version, "", "jar");
            remote.name("com.ex", artifact, &Named::latest(version, date));
        }
    }
}

/// Builds as Maven 2 named them: without a list of files.
fn second(one: &Remote, two: &Remote) {
    for (remote, number) in [(one, 3), (two, 5)] {
        remote.file("com.ex", "second", &build("1.0", number), "", "jar");
        remote.builds("com.ex", "second", "1.0", &[], number);
    }
    one.name(
        "com.ex",
        "second",
        &Named::latest("1.0-SNAPSHOT", "20240101000000"),
    );
}

/// Files of one snapshot whose newest builds differ.
fn several(one: &Remote) {
    let files = [("", "jar", 3), ("all", "jar", 2), ("dist", "zip", 1)];
    one.snapshot("com.ex", "several", "1.0", &files, 3);
}

/// A repository with a list of files and one without, of which either may be newer.
fn mixed(one: &Remote, two: &Remote) {
    for (artifact, listed, unlisted) in [("mixed", 3, 5), ("unmixed", 5, 3)] {
        one.snapshot("com.ex", artifact, "1.0", &[("", "jar", listed)], listed);
        two.file("com.ex", artifact, &build("1.0", unlisted), "", "jar");
        two.builds("com.ex", artifact, "1.0", &[], unlisted);
    }
}

/// Snapshots whose file has no time stamp in its name.
fn literal(one: &Remote) {
    for (artifact, snapshot) in [
        ("zero", "<buildNumber>0</buildNumber>"),
        ("copied", "<localCopy>true</localCopy>"),
    ] {
        let text = format!(
            "<metadata><groupId>com.ex</groupId><artifactId>{artifact}</artifactId>\
             <version>1.0-SNAPSHOT</version><versioning><snapshot>{snapshot}</snapshot>\
             <lastUpdated>20240101000000</lastUpdated></versioning></metadata>"
        );
        let path = format!("com/ex/{artifact}/1.0-SNAPSHOT/maven-metadata.xml");
        one.put(&path, text.as_bytes());
    }
    for artifact in ["zero", "copied", "plain"] {
        one.file("com.ex", artifact, "1.0-SNAPSHOT", "", "jar");
    }
}

/// What is ill from the beginning, and what is to become so.
fn ill(one: &Remote, two: &Remote) {
    for artifact in [
        "lost", "torn", "page", "empty", "foreign", "ahead", "confused",
    ] {
        one.file("com.ill", artifact, "1.0", "", "jar");
        one.name("com.ill", artifact, &Named::latest("1.0", "20240101000000"));
    }
    for (remote, version, updated) in [
        (one, "2.0", "20240301000000"),
        (two, "1.1", "20240101000000"),
    ] {
        remote.file("com.ill", "lower", version, "", "jar");
        remote.name("com.ill", "lower", &Named::latest(version, updated));
    }
    one.file("com.ill", "page-sum", "1.0", "", "jar");
    one.put_sum(
        "com/ill/page-sum/1.0/page-sum-1.0.jar",
        "<html>Log in</html>",
    );
    one.sum("com/ill/page-sum/1.0/page-sum-1.0.jar", Algorithm::Md5);
    one.snapshot("com.ill", "halved", "3.0", &[("", "jar", 1)], 1);
    one.name(
        "com.ill",
        "halved",
        &Named::latest("3.0-SNAPSHOT", "20240101000000"),
    );
    one.snapshot(
        "com.ill",
        "thin",
        "1.0",
        &[("", "jar", 1), ("all", "jar", 1)],
        1,
    );
    one.snapshot("com.ill", "gone", "1.0", &[("", "jar", 1)], 1);
    for remote in [one, two] {
        remote.file("com.ill", "renamed", "1.0", "", "jar");
    }
    one.file("com.ill", "unnamed", "1.0", "", "jar");
    one.file("com.ill", "unnamed", "1.1", "", "jar");
    let unnamed = Named {
        latest: "",
        release: "",
        versions: &["1.0", "1.1"],
        updated: "20240101000000",
    };
    one.name("com.ill", "unnamed", &unnamed);
    one.file("com.ill", "damaged", "1.0", "", "jar");
    one.put_sum("com/ill/damaged/1.0/damaged-1.0.jar", &"0".repeat(40));
    let page = b"<html><body>Log in</body></html>";
    one.put("com/ill/login/1.0/login-1.0.jar", page);
    two.file("com.ill", "confused", "9.0", "", "jar");
    two.name(
        "com.ill",
        "confused",
        &Named::latest("9.0", "20240301000000"),
    );
}

/// What metadata about an artifact says; nothing for what is empty.
struct Named {
    latest: &'static str,
    release: &'static str,
    versions: &'static [&'static str],
    updated: &'static str,
}

impl Named {
    /// That one version is the latest.
    fn latest(version: &'static str, updated: &'static str) -> Self {
        Self {
            latest: version,
            release: "",
            versions: &[],
            updated,
        }
    }
}

fn artifact_metadata(group: &str, artifact: &str, named: &Named) -> String {
    let Named {
        latest,
        release,
        versions,
        updated,
    } = named;
    let mut text = format!(
        "<metadata><groupId>{group}</groupId><artifactId>{artifact}</artifactId><versioning>"
    );
    for (name, value) in [
        ("latest", latest),
        ("release", release),
        ("lastUpdated", updated),
    ] {
        if !value.is_empty() {
            write!(text, "<{name}>{value}</{name}>").unwrap();
        }
    }
    text += "<versions>";
    for version in *versions {
        write!(text, "<version>{version}</version>").unwrap();
    }
    text + "</versions></versioning></metadata>"
}

/// The version of a build of a snapshot.
fn build(base: &str, number: u32) -> String {
    format!("{base}-2024010{number}.030405-{number}")
}

/// A repository in a directory.
struct Remote<'a> {
    root: std::path::PathBuf,
    name: &'a str,
}

impl<'a> Remote<'a> {
    fn new(remotes: &Path, name: &'a str) -> Self {
        Self {
            root: remotes.join(name),
            name,
        }
    }

    /// Puts a file with the checksum that it has.
    fn put(&self, path: &str, bytes: &[u8]) {
        let file = self.root.join(path);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(&file, bytes).unwrap();
        self.sum(path, Algorithm::Sha1);
    }

    /// Puts something else where a checksum should be.
    fn put_sum(&self, path: &str, text: &str) {
        fs_err::write(self.root.join(format!("{path}.sha1")), text).unwrap();
    }

    /// Puts a checksum beside a file.
    fn sum(&self, path: &str, algorithm: Algorithm) {
        let mut digests = Digests::new(algorithm);
        digests.update(&self.read(path));
        let file = self.root.join(format!("{path}.{}", algorithm.extension()));
        fs_err::write(file, digests.hex(algorithm).unwrap()).unwrap();
    }

    fn read(&self, path: &str) -> Vec<u8> {
        fs_err::read(self.root.join(path)).unwrap()
    }

    fn remove(&self, path: &str) {
        fs_err::remove_file(self.root.join(path)).unwrap();
        fs_err::remove_file(self.root.join(format!("{path}.sha1"))).unwrap();
    }

    fn file(&self, group: &str, artifact: &str, version: &str, classifier: &str, extension: &str) {
        let base = maven_fetch::coordinates::base_version(version);
        let dash = if classifier.is_empty() { "" } else { "-" };
        let directory = format!("{}/{artifact}/{base}", group.replace('.', "/"));
        let path = format!("{directory}/{artifact}-{version}{dash}{classifier}.{extension}");
        let label = format!(
            "{} {artifact} {version} {classifier}.{extension}",
            self.name
        );
        self.put(&path, &content(&label, extension));
    }

    /// Names versions.
    fn name(&self, group: &str, artifact: &str, named: &Named) {
        let path = format!("{}/{artifact}/maven-metadata.xml", group.replace('.', "/"));
        self.put(&path, artifact_metadata(group, artifact, named).as_bytes());
    }

    /// Files of a snapshot, each of its own build, and the metadata about them.
    fn snapshot(
        &self,
        group: &str,
        artifact: &str,
        base: &str,
        files: &[(&str, &str, u32)],
        newest: u32,
    ) {
        for (classifier, extension, number) in files {
            self.file(
                group,
                artifact,
                &build(base, *number),
                classifier,
                extension,
            );
        }
        self.builds(group, artifact, base, files, newest);
    }

    /// Metadata about the builds of a snapshot; without files it is that of Maven 2.
    fn builds(
        &self,
        group: &str,
        artifact: &str,
        base: &str,
        files: &[(&str, &str, u32)],
        newest: u32,
    ) {
        let mut text = format!(
            "<metadata modelVersion=\"1.1.0\"><groupId>{group}</groupId>\
             <artifactId>{artifact}</artifactId><version>{base}-SNAPSHOT</version><versioning>\
             <snapshot><timestamp>2024010{newest}.030405</timestamp>\
             <buildNumber>{newest}</buildNumber></snapshot>\
             <lastUpdated>2024010{newest}030405</lastUpdated>"
        );
        if !files.is_empty() {
            text += "<snapshotVersions>";
        }
        for (classifier, extension, number) in files {
            let value = build(base, *number);
            write!(
                text,
                "<snapshotVersion><classifier>{classifier}</classifier>\
                 <extension>{extension}</extension><value>{value}</value>\
                 <updated>2024010{number}030405</updated></snapshotVersion>"
            )
            .unwrap();
        }
        if !files.is_empty() {
            text += "</snapshotVersions>";
        }
        text += "</versioning></metadata>";
        let directory = group.replace('.', "/");
        let path = format!("{directory}/{artifact}/{base}-SNAPSHOT/maven-metadata.xml");
        self.put(&path, text.as_bytes());
    }
}
