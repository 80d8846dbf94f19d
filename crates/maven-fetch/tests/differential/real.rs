//! Real artifacts, from a directory and from a real web server.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use grease_testkit::component::{Component, require};
use jiff::ZonedDateTime;
use maven_fetch::ErrorKind;
use maven_fetch::checksum::{Algorithm, Digests};
use maven_fetch::fetch::{Occasion, Preferences};
use maven_fetch::repository::{Repository, UpdatePolicy};
use maven_fetch::resolve::Freshness;
use tempfile::TempDir;

use crate::ground::{Ground, files_below};
use crate::maven::{self, DEBIAN, settings};
use crate::nginx::{Nginx, Request};
use crate::ours::User;

/// How many artifacts are tried: enough to meet what there is, in seconds.
const ARTIFACTS_MAX: usize = 200;

/// An artifact of Debian's repository.
struct Artifact {
    coordinates: String,
    /// Its path in a repository.
    path: String,
    original: PathBuf,
}

/// The jars of Debian's repository, evenly chosen.
fn artifacts() -> Vec<Artifact> {
    let root = Path::new(DEBIAN);
    let all: Vec<_> = files_below(root)
        .into_iter()
        .filter_map(|file| Artifact::of(root, &file))
        .collect();
    let step = all.len().div_ceil(ARTIFACTS_MAX);
    let chosen: Vec<_> = all.into_iter().step_by(step).collect();
    assert!(chosen.len() > 50, "Debian's repository is all but empty");
    chosen
}

impl Artifact {
    fn of(root: &Path, original: &Path) -> Option<Self> {
        let path = original.strip_prefix(root).unwrap().to_str()?.to_owned();
        let fields: Vec<_> = path.split('/').collect();
        let [group @ .., artifact, version, name] = fields.as_slice() else {
            return None;
        };
        (*name == format!("{artifact}-{version}.jar")).then(|| Self {
            coordinates: format!("{}:{artifact}:{version}:jar", group.join(".")),
            path: path.clone(),
            original: original.to_owned(),
        })
    }
}

/// A repository at this address, as settings name it.
fn repository(user: &User, url: &str) -> Vec<Repository> {
    let elements = maven::elements(&[("id", "real"), ("url", url)]);
    user.repositories(&format!(
        "<profiles><profile><id>p</id><activation><activeByDefault>true</activeByDefault>\
         </activation><repositories><repository>{elements}</repository></repositories></profile>\
         </profiles>"
    ))
}

/// Fetches all of them, compares them, and fetches them again out of what is here.
fn fetch_all(user: &User, repositories: &[Repository], artifacts: &[Artifact]) {
    for artifact in artifacts {
        let fetch = || user.fetch_from(repositories, &artifact.coordinates, Preferences::default());
        let fetched = fetch().unwrap();
        let original = fs_err::read(&artifact.original).unwrap();
        assert!(fetched.downloaded && fs_err::read(&fetched.path).unwrap() == original);
        // Of a snapshot without time stamps a copy is handed out, which stays as it is.
        let is_stable = !artifact.coordinates.contains("-SNAPSHOT:");
        assert_eq!(fetched.path == user.head().join(&artifact.path), is_stable);
        assert_eq!(fetched.repository.as_deref(), Some("real"));
        let again = fetch().unwrap();
        assert_eq!((again.requests, again.sha256), (0, fetched.sha256));
    }
}

/// The project in which Maven copies all artifacts, each into a directory of its own.
fn project(artifacts: &[Artifact], target: &Path) -> String {
    let mut items = String::new();
    for (index, artifact) in artifacts.iter().enumerate() {
        let fields: Vec<_> = artifact.coordinates.split(':').collect();
        let directory = target.join(index.to_string());
        let item = maven::elements(&[
            ("groupId", fields[0]),
            ("artifactId", fields[1]),
            ("version", fields[2]),
            ("outputDirectory", directory.to_str().unwrap()),
        ]);
        write!(items, "<artifactItem>{item}</artifactItem>").unwrap();
    }
    let items = format!("<artifactItems>{items}</artifactItems>");
    let plugin = maven::plugin_of_project("dependency", &[("copy", items)]);
    let repository = maven::elements(&[("id", "real"), ("url", "http://127.0.0.1:1/")]);
    maven::project(
        "real",
        &format!(
            "<repositories><repository>{repository}</repository></repositories>\
             <build><plugins>{plugin}</plugins></build>"
        ),
    )
}

#[test]
fn real_artifacts_come_from_a_directory_as_they_are_and_maven_offline_takes_them() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let artifacts = artifacts();
    let directory = tempfile::tempdir().unwrap();
    let user = User::at(directory.path());
    let repositories = repository(&user, &format!("file://{DEBIAN}"));
    fetch_all(&user, &repositories, &artifacts);

    // Some of them are Maven's own plugins: our files and notes take the place of its own.
    let local = directory.path().join("maven");
    ground.copy_plugins(&local);
    crate::ground::copy(user.head(), &local);
    let target = directory.path().join("out");
    let file = directory.path().join("pom.xml");
    fs_err::write(&file, project(&artifacts, &target)).unwrap();
    let settings_file = directory.path().join("maven.xml");
    let plugins = plugin_settings();
    fs_err::write(&settings_file, settings(&local, &plugins)).unwrap();
    let output = maven::run(
        &settings_file,
        &["-o", "-f", file.to_str().unwrap(), "validate"],
    );
    assert!(output.status.success(), "{}", maven::said(&output));
    for (index, artifact) in artifacts.iter().enumerate() {
        let copy = target.join(index.to_string());
        let name = Path::new(&artifact.path).file_name().unwrap();
        let original = fs_err::read(&artifact.original).unwrap();
        assert!(
            fs_err::read(copy.join(name)).unwrap() == original,
            "{}",
            artifact.path
        );
    }
}

/// Lets Maven take its plugins from what we fetched too.
fn plugin_settings() -> String {
    let repository = maven::elements(&[("id", "real"), ("url", "http://127.0.0.1:1/")]);
    format!(
        "<profiles><profile><id>p</id><activation><activeByDefault>true</activeByDefault>\
         </activation><pluginRepositories><pluginRepository>{repository}</pluginRepository>\
         </pluginRepositories></profile></profiles>"
    )
}

#[test]
fn real_artifacts_come_from_a_real_server_as_they_are_and_each_is_asked_for_once() {
    if require(Component::Maven).is_none() {
        return; // It brings the artifacts.
    }
    let Some(server) = Nginx::serve(Path::new(DEBIAN)) else {
        return;
    };
    let artifacts = artifacts();
    let directory = tempfile::tempdir().unwrap();
    let user = User::at(directory.path());
    fetch_all(&user, &repository(&user, &server.url()), &artifacts);

    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let is_jar = |request: &Request| Path::new(&request.path).extension() == Some("jar".as_ref());
    for request in server.requests(artifacts.len(), is_jar) {
        assert_eq!((request.status, &*request.range), (200, "-"), "{request:?}");
        *counts.entry(request.path).or_default() += 1;
    }
    let expected = artifacts.iter().map(|artifact| (artifact.path.clone(), 1));
    assert_eq!(counts, expected.collect());
}

#[test]
fn a_real_server_confirms_what_is_here_without_sending_it() {
    let Some(ground) = Ground::shared() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let remotes = directory.path().join("remotes");
    ground.copy_remotes(&remotes);
    let Some(server) = Nginx::serve(&remotes.join("one")) else {
        return;
    };
    let user = User::at(directory.path());
    let repositories = repository(&user, &server.url());
    let specification = "com.ex:named:LATEST:jar:all";
    let preferences = Preferences {
        update: Some(UpdatePolicy::Always),
        ..Preferences::default()
    };
    let first = user
        .fetch_from(&repositories, specification, preferences)
        .unwrap();
    let cold = first.requests as usize;
    server.requests(cold, |_| true);
    let second = user
        .fetch_from(&repositories, specification, preferences)
        .unwrap();
    assert_eq!((second.requests, &second.freshness), (2, &Freshness::Fresh));
    assert_eq!((&second.sha256, second.downloaded), (&first.sha256, false));
    let warm = server.requests(cold + 2, |_| true).split_off(cold);
    assert!(
        warm.iter()
            .all(|request| request.status == 304 && request.sent_bytes == 0)
    );
    let mut paths: Vec<_> = warm.into_iter().map(|request| request.path).collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "com/ex/named/3.0-SNAPSHOT/maven-metadata.xml",
            "com/ex/named/maven-metadata.xml"
        ]
    );
}

/// A user whose download of a large file from a real server was interrupted.
struct Interrupted {
    directory: TempDir,
    server: Nginx,
    user: User,
    repositories: Vec<Repository>,
    /// How many bytes came.
    here: u64,
}

/// Where the large file is.
const LARGE: &str = "com/ex/large/1.0/large-1.0.zip";
const LARGE_SPECIFICATION: &str = "com.ex:large:1.0:zip";

impl Interrupted {
    fn new() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("remote");
        put_large(&root, 1);
        let server = Nginx::serve(&root)?;
        let user = User::at(directory.path());
        let repositories = repository(&user, &server.url());
        let cancel = AtomicBool::new(false);
        let mut here = 0;
        let result = user.fetch_on(
            &repositories,
            LARGE_SPECIFICATION,
            Preferences::default(),
            &mut Occasion {
                now: ZonedDateTime::now(),
                cancel: &cancel,
                progress: &mut |_, progress| {
                    here = progress.received_bytes;
                    cancel.store(here > 1 << 20, Ordering::Relaxed);
                },
            },
        );
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
        Some(Self {
            directory,
            server,
            user,
            repositories,
            here,
        })
    }

    /// Fetches it again: gives the content, and how it was asked for.
    fn finish(&self) -> (Vec<u8>, Request) {
        let before = self.large_requests(1).len();
        let fetched = self
            .user
            .fetch_from(
                &self.repositories,
                LARGE_SPECIFICATION,
                Preferences::default(),
            )
            .unwrap();
        let requests = self.large_requests(before + 1);
        assert_eq!(requests.len(), before + 1, "{requests:?}");
        (
            fs_err::read(&fetched.path).unwrap(),
            requests[before].clone(),
        )
    }

    fn large_requests(&self, expected: usize) -> Vec<Request> {
        self.server
            .requests(expected, |request| request.path == LARGE)
    }
}

/// Puts a file of some megabytes into a repository.
fn put_large(root: &Path, seed: u8) -> Vec<u8> {
    use std::io::{Cursor, Write as _};
    use zip::write::SimpleFileOptions;

    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("content", stored).unwrap();
    writer.write_all(&vec![seed; 12 << 20]).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    let file = root.join(LARGE);
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    fs_err::write(&file, &bytes).unwrap();
    // Without it what was continued is not trusted.
    let mut digests = Digests::new(Algorithm::Sha1);
    digests.update(&bytes);
    let sum = digests.hex(Algorithm::Sha1).unwrap();
    fs_err::write(root.join(format!("{LARGE}.sha1")), sum).unwrap();
    bytes
}

#[test]
fn a_download_from_a_real_server_goes_on_where_it_was_interrupted() {
    let Some(interrupted) = Interrupted::new() else {
        return;
    };
    let original = fs_err::read(interrupted.directory.path().join("remote").join(LARGE)).unwrap();
    let (bytes, request) = interrupted.finish();
    assert!(bytes == original);
    assert_eq!(request.status, 206);
    let start = request
        .range
        .trim_start_matches("bytes=")
        .trim_end_matches('-');
    let start: u64 = start.parse().unwrap();
    assert!(start > 0 && start <= interrupted.here, "{request:?}");
    assert_eq!(request.sent_bytes, original.len() as u64 - start);
}

#[test]
fn a_download_from_a_real_server_begins_anew_if_the_file_changed() {
    let Some(interrupted) = Interrupted::new() else {
        return;
    };
    let root = interrupted.directory.path().join("remote");
    // nginx makes its `ETag` of time and length.
    let changed = put_large(&root, 2);
    let file = fs_err::OpenOptions::new()
        .write(true)
        .open(root.join(LARGE))
        .unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_mins(1);
    file.file().set_modified(later).unwrap();
    let (bytes, request) = interrupted.finish();
    assert!(bytes == changed);
    assert_eq!(
        (request.status, request.sent_bytes),
        (200, changed.len() as u64)
    );
}
