//! Disks that are full, read-only, or others.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use maven_fetch::ErrorKind;
use maven_fetch::local::{Arrival, LocalError};

use crate::{User, app, at, downloaded, jar, publish, sha1, tree};

const METADATA: &str = "com/ex/app";

/// A small file system in memory. Dropped, it is unmounted.
struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    /// Mounts it; only root can.
    fn of_bytes(bytes: usize) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        let is_mounted = nix::unistd::geteuid().is_root()
            && run(
                "mount",
                &["-t", "tmpfs", "-o", &options, "tmpfs"],
                directory.path(),
            );
        if !is_mounted {
            println!("skipped: a small file system cannot be mounted here");
        }
        is_mounted.then_some(Self { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn make_read_only(&self) {
        assert!(run("mount", &["-o", "remount,ro"], self.path()));
    }

    /// Leaves no byte free.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let file = fs_err::File::create(&path).unwrap();
        let error = io::copy(&mut io::repeat(1), &mut &file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &[], self.directory.path());
    }
}

#[expect(clippy::disallowed_methods, reason = "mount(8)")]
fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    Command::new(program)
        .args(arguments)
        .arg(path)
        .status()
        .is_ok_and(|status| status.success())
}

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

#[test]
fn on_a_full_disk_the_old_metadata_stays_and_the_error_says_which_disk() {
    let Some(disk) = Disk::of_bytes(512 * 1024) else {
        return;
    };
    let (repository, _) = at(disk.path());
    let place = repository.prepare_directory(METADATA).unwrap();
    place
        .publish_metadata("corp", b"<metadata/>", now())
        .unwrap();
    disk.fill();
    let before = tree(repository.head());
    let error = place
        .publish_metadata("corp", &vec![b' '; 100_000], now())
        .unwrap_err();
    assert!(
        error.to_string().contains("maven-metadata-corp.xml"),
        "{error}"
    );
    assert!(
        error.hint().unwrap().contains("is full"),
        "{:?}",
        error.hint()
    );
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(tree(repository.head()) == before);
}

#[test]
fn an_artifact_that_just_fits_is_published_and_what_does_not_fit_beside_it_is_a_warning() {
    let Some(disk) = Disk::of_bytes(512 * 1024) else {
        return;
    };
    let (repository, _) = at(disk.path());
    let resolved = app("1.0");
    let place = repository.prepare(&resolved).unwrap();
    let file = downloaded(&place, &jar("one"));
    let filler = disk.fill();
    let sha1 = sha1(&jar("one"));
    let arrival = Arrival {
        resolved: &resolved,
        file,
        sha1: &sha1,
        repository_id: "corp",
    };
    let published = place.publish(arrival).unwrap();
    assert!(!published.warnings.is_empty());
    assert!(
        published
            .warnings
            .iter()
            .all(|warning| warning.hint().unwrap().contains("is full"))
    );
    assert_eq!(fs_err::read(&published.path).unwrap(), jar("one"));
    let found = |repository: &maven_fetch::local::LocalRepository| {
        repository
            .find(&resolved, None, &mut Vec::new())
            .unwrap()
            .origin
    };
    assert!(found(&repository).is_accepted_for(&["corp"]));
    // With room again, the next one repairs it. Emptied, not removed: a process that another test
    // starts at this moment may still have it open.
    fs_err::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(filler)
        .unwrap();
    assert!(
        publish(&repository, &resolved, &jar("one"))
            .unwrap()
            .warnings
            .is_empty()
    );
    assert!(found(&repository).is_accepted_for(&["corp"]));
    assert!(!found(&repository).is_accepted_for(&["other"]));
}

#[test]
fn a_directory_that_does_not_fit_is_an_error_and_not_another_repository() {
    let user = User::new();
    fs_err::create_dir_all(user.root().join("com")).unwrap();
    fs_err::write(user.root().join("com/ex"), "a file").unwrap();
    let error = user.repository.prepare(&app("1.0")).unwrap_err();
    assert!(error.to_string().contains("com/ex/app/1.0"), "{error}");
    assert!(!user.directory.path().join("cache").exists());
}

#[test]
fn a_read_only_repository_is_read_and_our_own_one_takes_what_is_new() {
    let Some(disk) = Disk::of_bytes(512 * 1024) else {
        return;
    };
    let user = User::new();
    let head = disk.path().join("m2");
    let own = user.state.own_repository(&head);
    let repository =
        maven_fetch::local::LocalRepository::new(head.clone(), own.clone(), Vec::new());
    publish(&repository, &app("1.0"), &jar("old")).unwrap();
    let place = repository.prepare_directory(METADATA).unwrap();
    place.publish_metadata("corp", b"<old/>", now()).unwrap();
    disk.make_read_only();

    let place = repository.prepare(&app("1.1")).unwrap();
    let Some(
        warning @ LocalError::ReadOnly {
            directory, instead, ..
        },
    ) = &place.warning
    else {
        panic!("{place:?}");
    };
    assert_eq!((directory, instead), (&head.join("com/ex/app/1.1"), &own));
    assert!(warning.hint().unwrap().contains("writable"));
    let published = publish(&repository, &app("1.1"), &jar("new")).unwrap();
    assert!(published.path.starts_with(&own) && published.warnings.is_empty());
    let place = repository.prepare_directory(METADATA).unwrap();
    place
        .publish_metadata(
            "corp",
            b"<new/>",
            Timestamp::from_second(1_700_000_001).unwrap(),
        )
        .unwrap();

    let mut warnings = Vec::new();
    for (version, root) in [("1.0", &head), ("1.1", &own)] {
        let found = repository.find(&app(version), None, &mut warnings).unwrap();
        assert!(found.path.starts_with(root), "{found:?}");
    }
    let stored = repository
        .metadata(METADATA, "corp", &mut warnings)
        .unwrap();
    assert_eq!(
        (stored.bytes.as_slice(), warnings.len()),
        (&b"<new/>"[..], 0)
    );
    assert_eq!(
        repository.complete("com.ex", "app", "jar", Some("c")).len(),
        2
    );
}

#[test]
fn a_directory_that_this_user_may_not_write_is_no_obstacle() {
    if nix::unistd::geteuid().is_root() {
        println!("skipped: root may write everywhere");
        return;
    }
    let user = User::new();
    let foreign = user.root().join("com/ex");
    fs_err::create_dir_all(&foreign).unwrap();
    fs_err::set_permissions(&foreign, std::fs::Permissions::from_mode(0o555)).unwrap();
    let published = user.publish(&app("1.0"), &jar("one"));
    assert!(
        published
            .path
            .starts_with(user.state.own_repository(user.root()))
    );
    let found = user.repository.find(&app("1.0"), None, &mut Vec::new());
    assert_eq!(found.unwrap().path, published.path);
    fs_err::set_permissions(&foreign, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_temporary_file_on_another_file_system_is_refused_and_the_old_file_stays() {
    let elsewhere = Path::new("/dev/shm");
    let user = User::new();
    let device = |path: &Path| fs_err::metadata(path).map(|metadata| metadata.dev()).ok();
    if device(elsewhere).is_none() || device(elsewhere) == device(user.directory.path()) {
        println!("skipped: there is no second file system");
        return;
    }
    let published = user.publish(&app("1.0"), &jar("old"));
    let before = tree(user.root());
    let file = tempfile::NamedTempFile::new_in(elsewhere)
        .unwrap()
        .into_temp_path();
    fs_err::write(&file, jar("new")).unwrap();
    let (resolved, temporary) = (app("1.0"), file.to_path_buf());
    let place = user.repository.prepare(&resolved).unwrap();
    let arrival = Arrival {
        resolved: &resolved,
        file,
        sha1: "",
        repository_id: "corp",
    };
    let error = place.publish(arrival).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&*published.path.to_string_lossy()),
        "{error}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains(&*place.directory().to_string_lossy())
    );
    assert!(tree(user.root()) == before && !temporary.exists());
}
