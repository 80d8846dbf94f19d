//! The local repository, what we remember beside it, and single flight: on real file systems,
//! with processes that are killed, and with the real Maven.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod crash;
mod disk;
mod lookup;
mod maven;
mod memory;
mod publishing;
mod race;
#[path = "../server/mod.rs"]
#[expect(dead_code, reason = "only some of its answers are needed here")]
mod server;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fs_err::OpenOptions;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use maven_fetch::checksum::{Algorithm, Digests};
use maven_fetch::coordinates::Resolved;
use maven_fetch::local::{Arrival, LocalError, LocalRepository, Place, Published};
use maven_fetch::state::State;
use tempfile::{TempDir, TempPath};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Says to a test that it was started again, as what, and where it is to work.
const ROLE: &str = "MAVEN_FETCH_TEST_ROLE";
const DIRECTORY: &str = "MAVEN_FETCH_TEST_DIRECTORY";

/// A user with a local repository and a cache, both empty.
struct User {
    directory: TempDir,
    repository: LocalRepository,
    state: State,
}

impl User {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (repository, state) = at(directory.path());
        Self {
            directory,
            repository,
            state,
        }
    }

    fn root(&self) -> &Path {
        self.repository.head()
    }

    fn publish(&self, resolved: &Resolved, bytes: &[u8]) -> Published {
        publish(&self.repository, resolved, bytes).unwrap()
    }
}

/// The local repository and the memory of a user whose home is `directory`.
fn at(directory: &Path) -> (LocalRepository, State) {
    let state = State::new(&directory.join("cache"));
    let head = directory.join("m2");
    let own = state.own_repository(&head);
    (LocalRepository::new(head, own, Vec::new()), state)
}

/// A release, or a build of a snapshot, of the artifact that most tests are about.
fn app(version: &str) -> Resolved {
    Resolved {
        group: "com.ex".to_owned(),
        artifact: "app".to_owned(),
        version: version.to_owned(),
        extension: "jar".to_owned(),
        classifier: Some("c".to_owned()),
    }
}

/// An archive that differs by `seed` and has some size.
fn jar(seed: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("content", stored).unwrap();
    writer.write_all(seed.repeat(2000).as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

fn sha1(bytes: &[u8]) -> String {
    let mut digests = Digests::new(Algorithm::Sha1);
    digests.update(bytes);
    digests.hex(Algorithm::Sha1).unwrap()
}

/// What a download leaves for publishing: a temporary file in the right directory.
fn downloaded(place: &Place, bytes: &[u8]) -> TempPath {
    let mut file = tempfile::Builder::new()
        .prefix(".app.host.1.")
        .suffix(".part")
        .make_in(place.directory(), |path| {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o666)
                .open(path)
        })
        .unwrap();
    for piece in bytes.chunks(4096) {
        file.write_all(piece).unwrap();
    }
    file.into_temp_path()
}

/// Publishes as if it came from the repository `corp`.
fn publish(
    repository: &LocalRepository,
    resolved: &Resolved,
    bytes: &[u8],
) -> Result<Published, LocalError> {
    let place = repository.prepare(resolved)?;
    let file = downloaded(&place, bytes);
    let sha1 = sha1(bytes);
    place.publish(Arrival {
        resolved,
        file,
        sha1: &sha1,
        repository_id: "corp",
    })
}

/// All files below a directory, with their content and times.
fn tree(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt as _;

    let mut files = BTreeMap::new();
    let mut next = vec![root.to_owned()];
    while let Some(directory) = next.pop() {
        for entry in fs_err::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                next.push(path);
                continue;
            }
            let metadata = fs_err::metadata(&path).unwrap();
            let facts = (
                fs_err::read(&path).unwrap(),
                metadata.modified().unwrap(),
                metadata.ino(),
            );
            files.insert(path, facts);
        }
    }
    files
}

/// What this process was started again for, and where it is to work.
#[expect(
    clippy::disallowed_methods,
    reason = "how a test program tells its copies what to do"
)]
fn role() -> Option<(String, PathBuf)> {
    Some((
        std::env::var(ROLE).ok()?,
        std::env::var_os(DIRECTORY)?.into(),
    ))
}

/// Runs one test of this program in a process of its own, in a role.
#[expect(clippy::disallowed_methods, reason = "a process to be killed")]
fn start(test: &str, role: &str, directory: &Path) -> Running {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(DIRECTORY, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Running(child)
}

/// A copy of this program. Dropped, it is killed.
struct Running(Child);

impl Running {
    /// Waits until it has said `word` on a line of its own.
    fn wait_for(&mut self, word: &str) {
        let output = self.0.stdout.as_mut().unwrap();
        let mut lines = BufReader::new(output).lines().map(Result::unwrap);
        assert!(
            lines.any(|line| line.ends_with(word)),
            "it ended before it said {word}"
        );
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(id, signal).unwrap();
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn succeed(&mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
