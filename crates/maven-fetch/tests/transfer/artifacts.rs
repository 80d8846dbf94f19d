//! Artifacts: structure, limits, progress, cancellation, a full disk.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;

use maven_fetch::ErrorKind;
use maven_fetch::download::{Artifact, DownloadError, Downloader, MetadataFile, Progress};
use maven_fetch::repository::ChecksumPolicy;
use maven_fetch::transport::{Content, Request, Response, Transport, TransportError, Validators};

use crate::server::{Answer, Server};
use crate::{Caller, JAR, XML, jar, repository, server_with_jar, sha1};

#[test]
fn a_web_page_is_not_taken_for_a_jar_whatever_it_calls_itself() {
    let server = Server::start();
    let repository = repository(&server.url());
    server.script(JAR, [Answer::login_page()]);
    let error = Caller::new().artifact(&repository).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadContent);
    assert_eq!(server.log().len(), 1);

    server.script(JAR, [Answer::file("<html>log in</html>")]);
    let caller = Caller::new();
    let error = caller.artifact(&repository).unwrap_err();
    assert!(
        matches!(error, DownloadError::NotAnArchive { .. }),
        "{error}"
    );
    drop(error);
    assert!(caller.files().is_empty());
}

#[test]
fn a_length_that_is_a_lie_is_found_out() {
    let bytes = jar(1);
    for (declared, kind) in [
        (bytes.len() - 1, ErrorKind::BadContent),
        (bytes.len() + 1, ErrorKind::Unreachable),
    ] {
        let server = server_with_jar(&bytes);
        server.script(
            JAR,
            [Answer::file(bytes.clone())
                .ignoring_ranges()
                .declared_length(declared)],
        );
        server.script(&format!("{JAR}.sha1"), [Answer::status(404)]);
        let error = Caller::new()
            .artifact(&repository(&server.url()))
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

/// Announces one length and sends another, in silence, as a file that changes while it is read.
struct Liar {
    body: &'static [u8],
    length: u64,
}

impl Transport for Liar {
    fn open(&self, _: &Request<'_>) -> Result<Response, TransportError> {
        Ok(Response {
            content: Content::Whole,
            length: Some(self.length),
            validators: Validators::default(),
            checksums: Vec::new(),
            content_type: None,
            body: Box::new(self.body),
        })
    }
}

#[test]
fn a_body_of_another_length_than_announced_is_never_complete() {
    let repository = repository("file:///repo/");
    let caller = Caller::new();
    for (length, complete) in [(4, false), (5, true), (6, false)] {
        let liar = Liar {
            body: b"12345",
            length,
        };
        let artifact = Artifact {
            repository: &repository,
            path: "a/b-1.bin",
            directory: caller.directory.path(),
            checksum: ChecksumPolicy::Ignore,
            immutable: true,
        };
        let metadata = MetadataFile {
            repository: &repository,
            path: XML,
            validators: None,
            checksum: ChecksumPolicy::Ignore,
        };
        caller.download(|downloader, situation| {
            let downloader = Downloader {
                transport: &liar,
                ..*downloader
            };
            let outcome = downloader.artifact(&artifact, situation, &mut |_| ());
            assert_eq!(outcome.is_ok(), complete, "{outcome:?}");
            let outcome = downloader.metadata(&metadata, situation);
            assert_eq!(outcome.is_ok(), complete, "{outcome:?}");
        });
    }
}

#[test]
fn an_artifact_without_end_or_too_large_is_left() {
    let server = Server::start();
    for answer in [Answer::file(jar(1)), Answer::file(jar(1)).chunked()] {
        server.script(JAR, [answer]);
        let mut caller = Caller::new();
        caller.patience.artifact_max_bytes = 1000;
        let error = caller.artifact(&repository(&server.url())).unwrap_err();
        assert!(
            matches!(
                error,
                DownloadError::TooLarge {
                    limit_bytes: 1000,
                    ..
                }
            ),
            "{error}"
        );
        assert!(caller.files().is_empty());
    }
}

#[test]
fn a_chunked_artifact_is_complete_at_its_last_chunk() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    server.script(JAR, [Answer::file(bytes.clone()).chunked()]);
    let downloaded = Caller::new().artifact(&repository(&server.url())).unwrap();
    assert_eq!(downloaded.sha1, sha1(&bytes));
}

#[test]
fn progress_rises_to_the_total() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    let mut seen: Vec<Progress> = Vec::new();
    Caller::new()
        .artifact_at(&repository(&server.url()), JAR, &mut |progress| {
            seen.push(progress);
        })
        .unwrap();
    assert!(seen.is_sorted_by_key(|progress| progress.received_bytes));
    let total = bytes.len() as u64;
    assert!(
        seen.iter()
            .all(|progress| progress.total_bytes == Some(total))
    );
    assert_eq!(
        seen.first().map(|progress| progress.received_bytes),
        Some(0)
    );
    assert_eq!(
        seen.last().map(|progress| progress.received_bytes),
        Some(total)
    );
}

#[test]
fn a_cancelled_download_ends_and_can_be_continued() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    server.script(
        JAR,
        [
            Answer::file(bytes.clone()).hang_after(250_000),
            Answer::file(bytes.clone()),
        ],
    );
    let (caller, repository) = (Caller::new(), repository(&server.url()));
    let error = caller
        .artifact_at(&repository, JAR, &mut |progress| {
            caller
                .cancel
                .store(progress.received_bytes > 0, Ordering::Relaxed);
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    caller.cancel.store(false, Ordering::Relaxed);
    let downloaded = caller.artifact(&repository).unwrap();
    assert_eq!(downloaded.sha1, sha1(&bytes));
    assert!(server.log()[1].header("range").is_some());
}

#[test]
fn the_temporary_file_is_hidden_beside_its_target_and_can_be_renamed() {
    let bytes = jar(1);
    let server = server_with_jar(&bytes);
    let caller = Caller::new();
    let downloaded = caller.artifact(&repository(&server.url())).unwrap();
    let files = caller.files();
    assert_eq!(files.len(), 1);
    assert!(files[0].starts_with(".app-1.0.jar."), "{files:?}");
    assert_eq!(Path::new(&files[0]).extension().unwrap(), "part");
    let target = caller.directory.path().join("app-1.0.jar");
    downloaded.file.persist(&target).unwrap();
    assert_eq!(caller.files(), ["app-1.0.jar"]);
    // Others may read it unless the process's mask says else, as with any file.
    let mode = fs_err::metadata(&target).unwrap().permissions().mode();
    let beside = caller.directory.path().join("beside");
    fs_err::write(&beside, "").unwrap();
    assert_eq!(
        mode,
        fs_err::metadata(&beside).unwrap().permissions().mode()
    );
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let server = server_with_jar(&jar(1));
    let caller = Caller::new();
    fs_err::remove_dir(caller.directory.path()).unwrap();
    let error = caller.artifact(&repository(&server.url())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(
        error
            .to_string()
            .contains(&caller.directory.path().display().to_string()),
        "{error}"
    );
    assert!(server.log().is_empty());
}

/// A small file system of our own; none if we may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(mebibytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = run(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                &format!("size={mebibytes}m"),
                "tmpfs",
                directory.path().to_str().unwrap(),
            ],
        );
        mounted.then(|| Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.path().to_str().unwrap()]);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a disk can only be full if it is one"
)]
fn run(program: &str, arguments: &[&str]) -> bool {
    let output = std::process::Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    // Runs with the right to mount only: what it shows cannot be shown otherwise.
    let Some(small) = SmallDisk::mount(65) else {
        return;
    };
    let bytes = vec![7; 70 * 1024 * 1024];
    let (known, chunked) = (Answer::file(bytes.clone()), Answer::file(bytes).chunked());
    // One length is known and does not fit, the other shows only when nothing more can be written.
    for (answer, complete) in [(known, false), (chunked, true)] {
        let server = Server::start();
        server.script("a/b-1.bin", [answer]);
        let caller = Caller::new();
        let artifact = Artifact {
            repository: &repository(&server.url()),
            path: "a/b-1.bin",
            directory: small.0.path(),
            checksum: caller.checksum,
            immutable: true,
        };
        let mut received = 0;
        let error = caller
            .download(|downloader, situation| {
                downloader.artifact(&artifact, situation, &mut |progress| {
                    received = progress.received_bytes;
                })
            })
            .unwrap_err();
        assert!(matches!(error, DownloadError::DiskFull { .. }), "{error:?}");
        assert_eq!(received > 0, complete);
        assert!(crate::names(small.0.path()).is_empty());
        assert_eq!(server.log().len(), 1);
    }
}
