//! The real Maven accepts what we write, and we accept what it writes.
//!
//! Needs `mvn` and the dependency plugin of Debian (`libmaven-dependency-plugin-java`); without
//! them the tests say so and end.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use jiff::Timestamp;
use maven_fetch::local::{Evidence, LocalRepository, Origin};
use tempfile::TempDir;

use crate::server::{Answer, Server};
use crate::{app, jar, publish, sha1, tree};

/// Where Debian keeps the artifacts of its packages: what Maven itself needs.
const DEBIAN: &str = "/usr/share/maven-repo";
const PLUGIN: &str = "org/apache/maven/plugins/maven-dependency-plugin";

/// What Debian keeps, copied once: without tracking files it counts as installed.
fn seed() -> Option<&'static Path> {
    static SEED: OnceLock<Option<TempDir>> = OnceLock::new();
    let seed = SEED.get_or_init(|| {
        let is_here = run("mvn", &["--version"]).is_some_and(|output| output.status.success())
            && Path::new(DEBIAN).join(PLUGIN).join("3.5.0").exists();
        if !is_here {
            println!("skipped: mvn or its dependency plugin 3.5.0 is not installed");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("m2");
        let output = run("cp", &["-rL", DEBIAN, target.to_str().unwrap()]).unwrap();
        assert!(target.join(PLUGIN).exists(), "{output:?}");
        Some(directory)
    });
    seed.as_ref().map(TempDir::path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the peer that the tests compare with"
)]
fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    // Each run is short: compiling well is not worth its time.
    let options = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto";
    Command::new(program)
        .args(arguments)
        .env("MAVEN_OPTS", options)
        .output()
        .ok()
}

/// A Maven with a local repository and one remote repository, `corp`.
struct Maven {
    directory: TempDir,
    repository: LocalRepository,
    server: Server,
}

impl Maven {
    fn start() -> Option<Self> {
        let seed = seed()?.join("m2");
        let directory = tempfile::tempdir().unwrap();
        let head = directory.path().join("m2");
        // Reading is all that Maven does with most of it: links are as good as copies.
        let copied = run("cp", &["-r", seed.to_str()?, head.to_str()?]).unwrap();
        assert!(copied.status.success(), "{copied:?}");
        let server = Server::start();
        let settings = format!(
            "<settings><localRepository>{}</localRepository>\
             <profiles><profile><id>p</id>\
             <repositories>{}{}</repositories>\
             <pluginRepositories>{}</pluginRepositories></profile></profiles>\
             <activeProfiles><activeProfile>p</activeProfile></activeProfiles></settings>",
            head.display(),
            repository_of_settings("repository", "corp", &server.url(), true),
            repository_of_settings("repository", "central", "http://127.0.0.1:1/", false),
            repository_of_settings("pluginRepository", "central", "http://127.0.0.1:1/", false),
        );
        fs_err::write(directory.path().join("settings.xml"), settings).unwrap();
        let own = directory.path().join("own");
        Some(Self {
            repository: LocalRepository::new(head, own, Vec::new()),
            directory,
            server,
        })
    }

    /// Copies the artifact that `specification` names; gives its bytes, or what Maven says.
    fn copy(&self, options: &[&str], specification: &str) -> Result<Vec<u8>, String> {
        let target = tempfile::tempdir().unwrap();
        let settings = self.directory.path().join("settings.xml");
        let artifact = format!("-Dartifact={specification}");
        let output = format!("-DoutputDirectory={}", target.path().display());
        let goal = "org.apache.maven.plugins:maven-dependency-plugin:3.5.0:copy";
        let mut arguments = vec![
            "-B",
            "-s",
            settings.to_str().unwrap(),
            goal,
            &artifact,
            &output,
        ];
        arguments.extend(options);
        let result = run("mvn", &arguments).unwrap();
        let said = String::from_utf8_lossy(&result.stdout).into_owned();
        let file = fs_err::read_dir(target.path()).unwrap().next();
        match file {
            Some(file) if result.status.success() => {
                Ok(fs_err::read(file.unwrap().path()).unwrap())
            }
            _ => Err(said),
        }
    }

    fn head(&self) -> &Path {
        self.repository.head()
    }

    /// Publishes metadata as if it came from `corp` just now.
    fn publish_metadata(&self, directory: &str, text: &str) {
        let place = self.repository.prepare_directory(directory).unwrap();
        let published = place
            .publish_metadata("corp", text.as_bytes(), Timestamp::now())
            .unwrap();
        assert!(published.warnings.is_empty(), "{:?}", published.warnings);
    }

    /// Puts a build and the metadata that leads to it on the server.
    fn serve(&self, build: &Build) {
        let bytes = jar(&build.version);
        let sidecar = |bytes: &[u8]| [Answer::file(sha1(bytes).into_bytes())];
        for (path, bytes) in [
            (app(&build.version).path(), bytes),
            (
                "com/ex/app/maven-metadata.xml".to_owned(),
                build.artifact_metadata().into_bytes(),
            ),
            (
                "com/ex/app/3.0-SNAPSHOT/maven-metadata.xml".to_owned(),
                build.version_metadata().into_bytes(),
            ),
        ] {
            self.server.script(&format!("{path}.sha1"), sidecar(&bytes));
            self.server.script(&path, [Answer::file(bytes)]);
        }
    }
}

fn repository_of_settings(element: &str, id: &str, url: &str, is_enabled: bool) -> String {
    format!(
        "<{element}><id>{id}</id><url>{url}</url>\
         <releases><enabled>{is_enabled}</enabled></releases>\
         <snapshots><enabled>{is_enabled}</enabled></snapshots></{element}>"
    )
}

/// A build of the snapshot `3.0`.
struct Build {
    version: String,
    number: u32,
}

impl Build {
    fn new(number: u32) -> Self {
        Self {
            version: format!("3.0-2024010{number}.000000-{number}"),
            number,
        }
    }

    fn artifact_metadata(&self) -> String {
        let number = self.number;
        format!(
            "<metadata><groupId>com.ex</groupId><artifactId>app</artifactId><versioning>\
             <latest>3.0-SNAPSHOT</latest><versions><version>3.0-SNAPSHOT</version></versions>\
             <lastUpdated>2024010{number}000000</lastUpdated></versioning></metadata>"
        )
    }

    fn version_metadata(&self) -> String {
        let Self { version, number } = self;
        format!(
            "<metadata modelVersion=\"1.1.0\"><groupId>com.ex</groupId><artifactId>app</artifactId>\
             <version>3.0-SNAPSHOT</version><versioning>\
             <snapshot><timestamp>2024010{number}.000000</timestamp>\
             <buildNumber>{number}</buildNumber></snapshot>\
             <lastUpdated>2024010{number}000000</lastUpdated><snapshotVersions><snapshotVersion>\
             <classifier>c</classifier><extension>jar</extension><value>{version}</value>\
             <updated>2024010{number}000000</updated></snapshotVersion></snapshotVersions>\
             </versioning></metadata>"
        )
    }
}

const LATEST: &str = "com.ex:app:LATEST:jar:c";

#[test]
fn maven_uses_what_we_wrote_for_latest_and_asks_for_nothing_but_its_pom() {
    let Some(maven) = Maven::start() else { return };
    let build = Build::new(7);
    let bytes = jar(&build.version);
    publish(&maven.repository, &app(&build.version), &bytes).unwrap();
    maven.publish_metadata("com/ex/app/3.0-SNAPSHOT", &build.version_metadata());
    maven.publish_metadata("com/ex/app", &build.artifact_metadata());
    assert!(maven.copy(&["-o"], LATEST).unwrap() == bytes);
    assert!(maven.copy(&[], LATEST).unwrap() == bytes);
    let asked = maven.server.paths();
    assert!(
        asked
            .iter()
            .all(|path| path == "com/ex/app/3.0-SNAPSHOT/app-3.0-SNAPSHOT.pom")
    );
}

#[test]
fn maven_uses_a_release_that_we_wrote_although_it_noted_that_it_is_missing() {
    let Some(maven) = Maven::start() else { return };
    let specification = "com.ex:app:1.0:jar:c";
    let negative = maven
        .head()
        .join("com/ex/app/1.0/app-1.0-c.jar.lastUpdated");
    maven.copy(&[], specification).unwrap_err();
    assert!(negative.exists());
    publish(&maven.repository, &app("1.0"), &jar("1.0")).unwrap();
    assert!(!negative.exists());
    let asked = maven.server.paths().len();
    assert!(maven.copy(&["-o"], specification).unwrap() == jar("1.0"));
    assert!(maven.copy(&[], specification).unwrap() == jar("1.0"));
    assert_eq!(maven.server.paths()[asked..], Vec::<String>::new());
}

#[test]
fn maven_agrees_on_whose_files_are_accepted() {
    let Some(maven) = Maven::start() else { return };
    let specification = "com.ex:app:1.0:jar:c";
    let published = publish(&maven.repository, &app("1.0"), &jar("1.0")).unwrap();
    let tracking = published.path.with_file_name("_remote.repositories");
    let find = || {
        maven
            .repository
            .find(&app("1.0"), None, &mut Vec::new())
            .unwrap()
    };
    for (text, expected) in [
        ("app-1.0-c.jar>other=\n", false),
        ("app-1.0-c.jar>other=\napp-1.0-c.jar>=\n", true),
        ("app-1.0-c.jar>=\n", true),
        ("app-1.0.jar>other=\n", true),
    ] {
        fs_err::write(&tracking, text).unwrap();
        assert_eq!(find().origin.is_accepted_for(&["corp"]), expected, "{text}");
        let copied = maven.copy(&["-o"], specification);
        assert_eq!(copied.is_ok(), expected, "{text}: {copied:?}");
    }
    fs_err::write(&tracking, "app-1.0-c.jar>other=\n").unwrap();
    find().confirm("corp").unwrap();
    assert!(maven.copy(&["-o"], specification).unwrap() == jar("1.0"));
    fs_err::remove_file(&tracking).unwrap();
    assert!(maven.copy(&["-o"], specification).unwrap() == jar("1.0"));
}

#[test]
fn we_use_what_maven_fetched_with_its_time_and_its_errors() {
    let Some(maven) = Maven::start() else { return };
    let build = Build::new(7);
    maven.serve(&build);
    let before = Timestamp::now();
    assert!(maven.copy(&[], LATEST).unwrap() == jar(&build.version));
    let after = Timestamp::now();

    let mut warnings = Vec::new();
    let found = maven
        .repository
        .find(&app(&build.version), None, &mut warnings)
        .unwrap();
    assert_eq!(found.origin, Origin::Repositories(vec!["corp".to_owned()]));
    assert_eq!(found.evidence, Evidence::Structure);
    assert_eq!(
        maven.repository.builds(&app("3.0-SNAPSHOT")),
        [app(&build.version)]
    );
    for (directory, text) in [
        ("com/ex/app", build.artifact_metadata()),
        ("com/ex/app/3.0-SNAPSHOT", build.version_metadata()),
    ] {
        let stored = maven
            .repository
            .metadata(directory, "corp", &mut warnings)
            .unwrap();
        assert_eq!(String::from_utf8(stored.bytes).unwrap(), text);
        let checked_at = stored.status.checked_at.unwrap();
        assert!(before.as_millisecond() <= checked_at.as_millisecond() && checked_at <= after);
        assert_eq!(stored.status.error, None);
    }

    // The repository is ill: Maven notes that, and keeps what it has.
    for directory in ["com/ex/app", "com/ex/app/3.0-SNAPSHOT"] {
        maven.server.script(
            &format!("{directory}/maven-metadata.xml"),
            [Answer::status(503)],
        );
    }
    assert!(maven.copy(&["-U"], LATEST).unwrap() == jar(&build.version));
    let stored = maven
        .repository
        .metadata("com/ex/app", "corp", &mut warnings)
        .unwrap();
    assert!(stored.status.error.unwrap().contains("503"));
    // We have it from a repository again, and say so to Maven.
    maven.publish_metadata("com/ex/app", &build.artifact_metadata());
    let stored = maven
        .repository
        .metadata("com/ex/app", "corp", &mut warnings)
        .unwrap();
    assert!(stored.status.error.is_none() && stored.status.checked_at.is_some());
    assert!(maven.copy(&["-o"], LATEST).unwrap() == jar(&build.version));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_build_that_a_job_holds_stays_as_it_is_when_maven_gets_a_newer_one() {
    let Some(maven) = Maven::start() else { return };
    let (old, new) = (Build::new(7), Build::new(8));
    let held = publish(&maven.repository, &app(&old.version), &jar(&old.version)).unwrap();
    maven.publish_metadata("com/ex/app/3.0-SNAPSHOT", &old.version_metadata());
    maven.publish_metadata("com/ex/app", &old.artifact_metadata());
    assert!(maven.copy(&[], LATEST).unwrap() == jar(&old.version));
    let copy = held.path.with_file_name("app-3.0-SNAPSHOT-c.jar");
    assert!(fs_err::read(&copy).unwrap() == jar(&old.version));

    maven.serve(&new);
    assert!(maven.copy(&["-U"], LATEST).unwrap() == jar(&new.version));
    assert!(fs_err::read(&copy).unwrap() == jar(&new.version));
    assert!(fs_err::read(&held.path).unwrap() == jar(&old.version));
    let builds = maven.repository.builds(&app("3.0-SNAPSHOT"));
    assert_eq!(builds, [app(&new.version), app(&old.version)]);
}

#[test]
fn maven_uses_the_newest_build_after_older_ones_were_pruned() {
    let Some(maven) = Maven::start() else { return };
    let (old, new) = (Build::new(7), Build::new(8));
    for build in [&old, &new] {
        publish(
            &maven.repository,
            &app(&build.version),
            &jar(&build.version),
        )
        .unwrap();
    }
    maven.publish_metadata("com/ex/app/3.0-SNAPSHOT", &new.version_metadata());
    maven.publish_metadata("com/ex/app", &new.artifact_metadata());
    let later = std::time::SystemTime::now() + std::time::Duration::from_hours(48);
    let day = std::time::Duration::from_hours(24);
    let before = tree(&maven.head().join("org"));
    let pruned = maven
        .repository
        .prunable(&|_| false, day, later)
        .apply(later);
    assert_eq!(pruned.files, 2, "{pruned:?}");
    assert!(tree(&maven.head().join("org")) == before);
    assert_eq!(
        maven.repository.builds(&app("3.0-SNAPSHOT")),
        [app(&new.version)]
    );
    assert!(maven.copy(&["-o"], LATEST).unwrap() == jar(&new.version));
}
