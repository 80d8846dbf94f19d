//! Files whose content says what they are, and what the real Maven deploys and installs.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::maven;

/// Extensions of files that are archives.
const ARCHIVES: [&str; 4] = ["jar", "war", "ear", "zip"];

/// What one `deploy-file` deploys.
struct Deployed {
    /// Which run of Maven, each of which has a time of its own.
    run: u8,
    remote: &'static str,
    artifact: &'static str,
    version: &'static str,
    /// Classifier and extension; the first is the main file.
    files: &'static [(&'static str, &'static str)],
}

type Installed = (u8, &'static str, &'static str, &'static str);

const MAIN: &[(&str, &str)] = &[("", "jar")];
const WITH_ALL: &[(&str, &str)] = &[("", "jar"), ("all", "jar")];

const fn deployed(
    run: u8,
    remote: &'static str,
    artifact: &'static str,
    version: &'static str,
    files: &'static [(&'static str, &'static str)],
) -> Deployed {
    Deployed {
        run,
        remote,
        artifact,
        version,
        files,
    }
}

/// What is deployed, in this order: the last release of a run is what metadata calls the release.
const DEPLOYED: [Deployed; 43] = [
    deployed(1, "one", "app", "1.0", EVERYTHING),
    deployed(1, "one", "app", "1.2-rc1", WITH_ALL),
    deployed(1, "one", "app", "2.0-SNAPSHOT", MAIN),
    deployed(1, "one", "app", "2.0", WITH_ALL),
    deployed(1, "one", "app", "2.1-SNAPSHOT", BUILD_ONE),
    deployed(1, "one", "app", "1.1", WITH_ALL),
    deployed(2, "one", "app", "2.1-SNAPSHOT", WITH_ALL),
    deployed(1, "two", "app", "1.1", WITH_ALL),
    deployed(2, "two", "app", "1.3", MAIN),
    deployed(2, "two", "app", "2.1-SNAPSHOT", MAIN),
    deployed(1, "one", "snap", "1.0-SNAPSHOT", WITH_ALL),
    deployed(2, "two", "snap", "1.0-SNAPSHOT", MAIN),
    deployed(1, "two", "late", "1.0-SNAPSHOT", MAIN),
    deployed(2, "one", "late", "1.0-SNAPSHOT", MAIN),
    deployed(1, "one", "sealed", "1.0-SNAPSHOT", MAIN),
    deployed(1, "one", "sealed", "1.0", MAIN),
    deployed(1, "two", "elsewhere", "1.0", MAIN),
    deployed(1, "one", "order", "1.0-alpha-1", MAIN),
    deployed(1, "one", "order", "1.0-beta2", MAIN),
    deployed(1, "one", "order", "1.0.m3", MAIN),
    deployed(1, "one", "order", "1.0-RC2", MAIN),
    deployed(1, "one", "order", "1.0-rc1", MAIN),
    deployed(1, "one", "order", "1.0", MAIN),
    deployed(1, "one", "order", "1.0-sp1", MAIN),
    deployed(1, "one", "order", "1.0-1", MAIN),
    deployed(1, "one", "order", "1.0.1", MAIN),
    deployed(1, "one", "order", "1.0.1-jre", MAIN),
    deployed(1, "one", "order", "1.0.1-android", MAIN),
    deployed(1, "one", "order", "1.10", MAIN),
    deployed(1, "one", "order", "1.10-alpha-1", MAIN),
    deployed(1, "one", "order", "1.9", MAIN),
    deployed(1, "one", "order", "2.0_1", MAIN),
    deployed(1, "one", "order", "2.0", MAIN),
    deployed(1, "one", "order", "10", MAIN),
    deployed(1, "one", "order", "20240101", MAIN),
    deployed(1, "one", "order", "x5", MAIN),
    deployed(1, "one", "packed", "1.0", PACKED),
    deployed(1, "one", "odd_name.of-it", "1.0+build.7", WITH_ALL),
    deployed(1, "one", "beta", "1.0-beta", MAIN),
    deployed(1, "one", "installed", "1.0", WITH_ALL),
    deployed(1, "one", "installed", "1.1-SNAPSHOT", WITH_ALL),
    deployed(1, "two", "installed-later", "1.0-SNAPSHOT", MAIN),
    deployed(2, "one", "installed-before", "1.0-SNAPSHOT", MAIN),
];

const EVERYTHING: &[(&str, &str)] = &[
    ("", "jar"),
    ("all", "jar"),
    ("sources", "jar"),
    ("tests", "jar"),
    ("javadoc", "jar"),
    ("client", "jar"),
];

/// The second build has no `sources` and no `dist`.
const BUILD_ONE: &[(&str, &str)] = &[
    ("", "jar"),
    ("all", "jar"),
    ("sources", "jar"),
    ("dist", "zip"),
];

const PACKED: &[(&str, &str)] = &[
    ("", "war"),
    ("", "zip"),
    ("dist", "zip"),
    ("dist", "tar.gz"),
    ("", "json"),
    ("schema", "xml"),
];

/// What one `install-file` installs: run, artifact, version, classifier.
const INSTALLED: [Installed; 8] = [
    (1, "installed", "0.9", ""),
    (1, "installed", "1.0", "all"),
    (1, "installed", "1.1-SNAPSHOT", "all"),
    (1, "only-here", "1.0-SNAPSHOT", ""),
    (1, "only-here", "1.0", ""),
    (1, "only-here", "1.0", "all"),
    (1, "installed-before", "1.0-SNAPSHOT", ""),
    (2, "installed-later", "1.0-SNAPSHOT", ""),
];

/// The content of a file that is called `label`.
pub(crate) fn content(label: &str, extension: &str) -> Vec<u8> {
    if !ARCHIVES.contains(&extension) {
        return label.as_bytes().to_vec();
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file("label", SimpleFileOptions::default())
        .unwrap();
    writer.write_all(label.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

/// What the file with this content is called, if it is one of ours.
pub(crate) fn label_of(bytes: &[u8]) -> Option<String> {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else {
        return String::from_utf8(bytes.to_vec()).ok();
    };
    let mut label = String::new();
    let mut entry = archive.by_name("label").ok()?;
    entry.read_to_string(&mut label).ok()?;
    Some(label)
}

/// Has the real Maven deploy everything below `remotes` and install into the local repository of
/// `settings`, with files that lie below `directory`.
pub(crate) fn fill(directory: &Path, remotes: &Path, settings: &Path) {
    for run in [1, 2] {
        let work = directory.join(format!("fill{run}"));
        fs_err::create_dir_all(&work).unwrap();
        let deployed = DEPLOYED.iter().filter(|deployed| deployed.run == run);
        let executions: Vec<_> = deployed
            .map(|deployed| ("deploy-file", deployed.configuration(&work, remotes)))
            .collect();
        let mut plugins = maven::plugin_of_project("deploy", &executions);
        let installed = INSTALLED.iter().filter(|installed| installed.0 == run);
        let executions: Vec<_> = installed
            .map(|installed| ("install-file", install(&work, *installed)))
            .collect();
        plugins += &maven::plugin_of_project("install", &executions);
        let rest = format!("<build><plugins>{plugins}</plugins></build>");
        let file = work.join("pom.xml");
        fs_err::write(&file, maven::project("fill", &rest)).unwrap();
        let output = maven::run(settings, &["-f", file.to_str().unwrap(), "validate"]);
        assert!(output.status.success(), "{}", maven::said(&output));
    }
}

impl Deployed {
    fn configuration(&self, work: &Path, remotes: &Path) -> String {
        let Self {
            run,
            remote,
            artifact,
            version,
            files,
        } = *self;
        let made: Vec<_> = files
            .iter()
            .map(|(classifier, extension)| {
                let label = format!("{remote} {artifact} {version} {run} {classifier}.{extension}");
                make(work, &label, extension)
            })
            .collect();
        let list = |items: Vec<&str>| items.join(",");
        let url = format!("file://{}", remotes.join(remote).display());
        let mut configuration = maven::elements(&[
            ("groupId", "com.ex"),
            ("artifactId", artifact),
            ("version", version),
            ("packaging", files[0].1),
            ("file", &made[0]),
            ("repositoryId", "deployed"),
            ("url", &url),
        ]);
        if files.len() > 1 {
            // Java's splitting drops what is empty at the end only.
            configuration += &maven::elements(&[
                ("files", &made[1..].join(",")),
                (
                    "types",
                    &list(files[1..].iter().map(|file| file.1).collect()),
                ),
                (
                    "classifiers",
                    &list(files[1..].iter().map(|file| file.0).collect()),
                ),
            ]);
        }
        configuration
    }
}

fn install(work: &Path, (_, artifact, version, classifier): Installed) -> String {
    let file = make(
        work,
        &format!("here {artifact} {version} {classifier}.jar"),
        "jar",
    );
    let mut configuration = maven::elements(&[
        ("groupId", "com.ex"),
        ("artifactId", artifact),
        ("version", version),
        ("packaging", "jar"),
        ("file", &file),
    ]);
    if !classifier.is_empty() {
        configuration += &maven::elements(&[("classifier", classifier)]);
    }
    configuration
}

fn make(work: &Path, label: &str, extension: &str) -> String {
    let file = work.join(format!("{}.{extension}", label.replace(' ', "-")));
    fs_err::write(&file, content(label, extension)).unwrap();
    file.to_str().unwrap().to_owned()
}
