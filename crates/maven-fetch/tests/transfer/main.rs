//! One transfer at a time, against a repository that misbehaves.
#![expect(clippy::unwrap_used, reason = "tests")]

mod artifacts;
mod checksums;
mod directory;
mod requests;
mod resumption;
#[path = "../server/mod.rs"]
#[expect(dead_code, reason = "only some of its answers are needed here")]
mod server;

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use maven_fetch::download::{
    Artifact, Deadline, DownloadError, Downloaded, Downloader, MetadataAnswer, MetadataFile,
    Otherwise, Patience, Situation,
};
use maven_fetch::repository::{
    ChecksumPolicy, Credentials, Policy, Repository, Secret, UpdatePolicy,
};
use maven_fetch::transport::{ByScheme, HttpTransport, Transport, Validators};
use tempfile::TempDir;
use url::Url;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::server::Server;

/// The artifact that most tests ask for.
const JAR: &str = "com/ex/app/1.0/app-1.0.jar";

/// The metadata that most tests ask for.
const XML: &str = "com/ex/app/maven-metadata.xml";

/// A repository at an address, nothing else configured.
fn repository(url: &str) -> Repository {
    let policy = Policy {
        enabled: true,
        update: UpdatePolicy::Daily,
        checksum: ChecksumPolicy::Warn,
    };
    Repository {
        id: "corp".to_owned(),
        url: Url::parse(url).unwrap(),
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

fn credentials(username: &str, password: &str) -> Credentials {
    Credentials {
        username: username.to_owned(),
        password: Secret(password.to_owned()),
    }
}

/// An archive of four hundred thousand bytes that differ.
fn jar(seed: u8) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("content", stored).unwrap();
    let content: Vec<u8> = (0..100_000_u32)
        .flat_map(u32::to_le_bytes)
        .map(|byte| byte ^ seed)
        .collect();
    writer.write_all(&content).unwrap();
    writer.finish().unwrap().into_inner()
}

fn sha1(bytes: &[u8]) -> String {
    hex(maven_fetch::checksum::Algorithm::Sha1, bytes)
}

fn hex(algorithm: maven_fetch::checksum::Algorithm, bytes: &[u8]) -> String {
    let mut digests = maven_fetch::checksum::Digests::new(algorithm);
    digests.update(bytes);
    digests.hex(algorithm).unwrap()
}

/// A caller: where it downloads to, and how patient it is.
struct Caller {
    directory: TempDir,
    transport: ByScheme,
    patience: Patience,
    deadline: Option<Duration>,
    otherwise: Otherwise,
    cancel: AtomicBool,
    checksum: ChecksumPolicy,
    immutable: bool,
    /// How long it waited between tries, all in all.
    slept: Mutex<Duration>,
}

impl Caller {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            transport: ByScheme::default(),
            patience: Patience {
                jitter: |_| Duration::ZERO,
                ..Patience::default()
            },
            deadline: None,
            otherwise: Otherwise::Fail,
            cancel: AtomicBool::new(false),
            checksum: ChecksumPolicy::Warn,
            immutable: true,
            slept: Mutex::default(),
        }
    }

    fn with_http(http: HttpTransport) -> Self {
        Self {
            transport: ByScheme {
                http,
                ..ByScheme::default()
            },
            ..Self::new()
        }
    }

    fn artifact(&self, repository: &Repository) -> Result<Downloaded, DownloadError> {
        self.artifact_at(repository, JAR, &mut |_| ())
    }

    fn artifact_at(
        &self,
        repository: &Repository,
        path: &str,
        progress: &mut dyn FnMut(maven_fetch::download::Progress),
    ) -> Result<Downloaded, DownloadError> {
        let artifact = Artifact {
            repository,
            path,
            directory: self.directory.path(),
            checksum: self.checksum,
            immutable: self.immutable,
        };
        self.download(|downloader, situation| downloader.artifact(&artifact, situation, progress))
    }

    fn metadata(
        &self,
        repository: &Repository,
        validators: Option<&Validators>,
    ) -> Result<MetadataAnswer, DownloadError> {
        let file = MetadataFile {
            repository,
            path: XML,
            validators,
            checksum: self.checksum,
        };
        self.download(|downloader, situation| downloader.metadata(&file, situation))
    }

    fn download<T>(&self, ask: impl FnOnce(&Downloader<'_>, &Situation<'_>) -> T) -> T {
        let sleep = |duration| *self.slept.lock().unwrap() += duration;
        let transport: &dyn Transport = &self.transport;
        let downloader = Downloader {
            transport,
            patience: self.patience,
            sleep: &sleep,
        };
        let situation = Situation {
            deadline: self.deadline.map_or(Deadline::never(), Deadline::after),
            cancel: &self.cancel,
            otherwise: self.otherwise,
            no_cache: false,
        };
        ask(&downloader, &situation)
    }

    /// Names of the files in its directory.
    fn files(&self) -> Vec<String> {
        names(self.directory.path())
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn body(answer: MetadataAnswer) -> maven_fetch::download::MetadataBody {
    match answer {
        MetadataAnswer::Body(body) => body,
        MetadataAnswer::NotModified => panic!("no body"),
    }
}

/// A server with a jar and its SHA-1 beside it.
fn server_with_jar(bytes: &[u8]) -> Server {
    let server = Server::start();
    server.script(JAR, [server::Answer::file(bytes)]);
    server.script(&format!("{JAR}.sha1"), [server::Answer::file(sha1(bytes))]);
    server
}
