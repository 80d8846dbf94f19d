//! A user of the client: a local repository, a memory, and repositories to ask; by the library or
//! by the program.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use jiff::ZonedDateTime;
use maven_fetch::coordinates::{Coordinates, Defaults, Resolved};
use maven_fetch::download::Progress;
use maven_fetch::fetch::{FetchError, Fetched, Fetcher, Occasion, Preferences};
use maven_fetch::local::LocalRepository;
use maven_fetch::repository::{ChecksumPolicy, Policy, Repository, UpdatePolicy};
use maven_fetch::resolve::{Freshness, Reason};
use maven_fetch::state::State;
use tempfile::TempDir;

use crate::remote::FAT;
use crate::server::Server;

/// What is asked for where nothing else is said.
pub(crate) const LATEST: &str = "com.ex:app";

/// How much later each call is than the one before: enough that none takes an answer for its own
/// that another was given while it waited. It may wait, since a process that is started at that
/// moment by another test holds all locks of this one for an instant.
const BETWEEN_CALLS: Duration = Duration::from_secs(11);

/// A file as it was seen: content, time of change, number.
pub(crate) type Seen = (Vec<u8>, SystemTime, u64);

/// A user, in a home directory.
pub(crate) struct User {
    home: TempDir,
    local: LocalRepository,
    state: State,
    pub(crate) repositories: Vec<Repository>,
    pub(crate) preferences: Preferences,
    /// The time, to which each call adds some.
    pub(crate) now: ZonedDateTime,
    calls: AtomicU32,
}

/// A repository at an address, as by default.
pub(crate) fn repository(id: &str, url: &str) -> Repository {
    let policy = Policy {
        enabled: true,
        update: UpdatePolicy::Daily,
        checksum: ChecksumPolicy::Warn,
    };
    Repository {
        id: id.to_owned(),
        url: url.parse().unwrap(),
        releases: policy,
        snapshots: policy,
        groups: Vec::new(),
        credentials: None,
        headers: Vec::new(),
        proxy: None,
        connect_timeout: None,
        request_timeout: None,
        blocked_by: None,
    }
}

impl User {
    /// Someone who asks these repositories.
    pub(crate) fn asking(repositories: Vec<Repository>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let m2 = home.path().join("m2");
        Self::at(home, &m2, repositories)
    }

    /// Someone with the local repository elsewhere.
    pub(crate) fn at(home: TempDir, m2: &Path, repositories: Vec<Repository>) -> Self {
        let state = State::new(&home.path().join("cache"));
        let local = LocalRepository::new(m2.to_owned(), state.own_repository(m2), Vec::new());
        let maven = home.path().join("maven/conf");
        fs_err::create_dir_all(&maven).unwrap();
        for settings in [maven.join("settings.xml"), home.path().join("settings.xml")] {
            fs_err::write(settings, "<settings/>").unwrap();
        }
        Self {
            home,
            local,
            state,
            repositories,
            preferences: Preferences::default(),
            now: "2026-11-24T10:00:00+01:00[Europe/Stockholm]"
                .parse()
                .unwrap(),
            calls: AtomicU32::new(0),
        }
    }

    /// Someone who asks one repository, `corp`.
    pub(crate) fn of(server: &Server) -> Self {
        Self::asking(vec![repository("corp", &server.url())])
    }

    /// The same, who asks for metadata each time.
    pub(crate) fn eager(server: &Server) -> Self {
        let mut user = Self::of(server);
        user.preferences.update = Some(UpdatePolicy::Always);
        user
    }

    pub(crate) fn fetch(&self, text: &str) -> Result<Fetched, FetchError> {
        self.fetch_told(text, &mut |_, _| {})
    }

    pub(crate) fn fetch_told(
        &self,
        text: &str,
        progress: &mut dyn FnMut(&Resolved, Progress),
    ) -> Result<Fetched, FetchError> {
        self.fetch_until(text, &AtomicBool::new(false), progress)
    }

    pub(crate) fn fetch_until(
        &self,
        text: &str,
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(&Resolved, Progress),
    ) -> Result<Fetched, FetchError> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let coordinates = coordinates(text);
        let fetcher = Fetcher {
            repositories: &self.repositories,
            local: &self.local,
            state: &self.state,
            preferences: self.preferences,
        };
        fetcher.fetch(
            &coordinates,
            &mut Occasion {
                now: self.now.checked_add(BETWEEN_CALLS * calls).unwrap(),
                cancel,
                progress,
            },
        )
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, minutes: i64) {
        self.now = self
            .now
            .checked_add(jiff::SignedDuration::from_mins(minutes))
            .unwrap();
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The local repository.
    pub(crate) fn m2(&self) -> &Path {
        self.local.head()
    }

    /// All files in the local repository, by their path in it.
    pub(crate) fn files(&self) -> BTreeMap<String, Seen> {
        tree(self.m2())
    }

    /// The names under which something can be found in the local repository.
    pub(crate) fn final_names(&self) -> Vec<String> {
        let hidden = |path: &String| path.rsplit('/').next().unwrap().starts_with('.');
        self.files()
            .into_keys()
            .filter(|path| !hidden(path))
            .collect()
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(Some(command.spawn().unwrap()))
    }

    /// The program, with nothing of this machine's settings.
    #[expect(clippy::disallowed_methods, reason = "the program that is tested")]
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .env_clear()
            .env("HOME", self.home())
            .env("MAVEN_HOME", self.home().join("maven"))
            .stdin(Stdio::null())
            .arg("--settings")
            .arg(self.home().join("settings.xml"))
            .arg("--local-repository")
            .arg(self.m2())
            .arg("--cache")
            .arg(self.home().join("cache"))
            .args(["--classifier", FAT]);
        for Repository { id, url, .. } in &self.repositories {
            command.arg("--repository").arg(format!("{id}={url}"));
        }
        command.args(arguments);
        command
    }
}

/// Checks each row of a table, all at once: they mostly wait.
pub(crate) fn each<T: Sync>(rows: &[T], check: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for row in rows {
            scope.spawn(|| check(row));
        }
    });
}

/// Reads coordinates: of the latest version, with dependencies, where they do not say else.
pub(crate) fn coordinates(text: &str) -> Coordinates {
    let defaults = Defaults {
        version: Some("LATEST".to_owned()),
        classifier: Some(FAT.to_owned()),
        ..Defaults::default()
    };
    Coordinates::parse(text, &defaults).unwrap()
}

/// Where the program is: `cargo test` builds examples beside the tests.
fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/fetch");
    assert!(
        path.is_file(),
        "`cargo build -p maven-fetch --example fetch` makes {}",
        path.display()
    );
    path
}

/// All files below a directory, by their path in it.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Seen> {
    let mut files = BTreeMap::new();
    let mut next = vec![root.to_owned()];
    while let Some(directory) = next.pop() {
        let Ok(entries) = fs_err::read_dir(&directory) else {
            continue; // There is none yet.
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                next.push(path);
                continue;
            }
            // What another process removed meanwhile is not there.
            let (Ok(metadata), Ok(content)) = (fs_err::metadata(&path), fs_err::read(&path)) else {
                continue;
            };
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            files.insert(
                name,
                (content, metadata.modified().unwrap(), metadata.ino()),
            );
        }
    }
    files
}

/// The content of what was fetched.
pub(crate) fn content(fetched: &Fetched) -> Vec<u8> {
    fs_err::read(&fetched.path).unwrap()
}

/// Why it may not be the newest.
pub(crate) fn reason(fetched: &Fetched) -> &Reason {
    match &fetched.freshness {
        Freshness::Stale { reason, .. } => reason,
        Freshness::Fresh => panic!("it is fresh: {fetched:?}"),
    }
}

/// Checks that it is certain, and is this version with its own bytes.
pub(crate) fn assert_fresh(fetched: &Fetched, version: &str) {
    assert_eq!(fetched.freshness, Freshness::Fresh);
    assert_version(fetched, version);
}

/// Checks that it is this version with its own bytes.
pub(crate) fn assert_version(fetched: &Fetched, version: &str) {
    assert_eq!(fetched.artifact.version, version);
    let expected = crate::remote::jar(version);
    assert!(content(fetched) == expected, "the bytes of {version}");
    assert_eq!(fetched.sha1, crate::remote::sha1(&expected));
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The path that it printed.
    pub(crate) fn path(&self) -> &Path {
        assert_eq!(self.code, Some(0), "{self:?}");
        Path::new(self.stdout.trim_end())
    }
}

/// The program while it runs. Dropped, it is killed.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.id()).unwrap());
        nix::sys::signal::kill(id, signal).unwrap();
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    /// Waits until it ends.
    pub(crate) fn end(mut self) -> Ended {
        Ended::of(self.0.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
