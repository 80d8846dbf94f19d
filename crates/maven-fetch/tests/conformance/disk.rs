//! Disks that are full, read-only, elsewhere, or no disks at all.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use maven_fetch::ErrorKind;
use maven_fetch::resolve::{Reason, Trouble};

use crate::remote::{builds, deploy, jar, jar_of, path, put_file, sha1};
use crate::server::{Answer, Server};
use crate::user::{LATEST, User, assert_fresh, assert_version, content, reason, repository};

/// What a download leaves free on a disk.
const SPARE_BYTES: usize = 64 << 20;

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
        is_mounted.then_some(Self { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn make_read_only(&self) {
        assert!(run("mount", &["-o", "remount,ro"], self.path()));
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let file = fs_err::File::create(self.filler()).unwrap();
        let error = io::copy(&mut io::repeat(1), &mut &file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    /// Someone whose local repository is on it.
    fn user(&self, server: &Server) -> User {
        let mut user = User::at(
            tempfile::tempdir().unwrap(),
            &self.path().join("m2"),
            vec![repository("corp", &server.url())],
        );
        user.preferences.update = Some(maven_fetch::repository::UpdatePolicy::Always);
        user
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

fn large() -> Vec<u8> {
    jar_of("large", 1_000_000)
}

// Case 37.
#[test]
fn a_disk_that_gets_full_in_the_middle_leaves_nothing_and_what_is_here_is_taken() {
    let Some(disk) = Disk::of_bytes(SPARE_BYTES + (4 << 20)) else {
        return; // Only root can mount.
    };
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let mut user = disk.user(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    let before = user.files();
    deploy(&server, &["1.0", "1.1"]);
    server.script(&path("1.1"), [Answer::file(large())]);
    server.script(
        &format!("{}.sha1", path("1.1")),
        [Answer::file(sha1(&large()))],
    );

    let fill_once_begun = |_: &_, progress: maven_fetch::download::Progress| {
        if progress.received_bytes > 0 && !disk.filler().exists() {
            disk.fill();
        }
    };
    let fetched = user.fetch_told(LATEST, &mut { fill_once_begun }).unwrap();
    assert_version(&fetched, "1.0");
    let Reason::Unavailable {
        version,
        trouble: Trouble::Disk(text),
    } = reason(&fetched)
    else {
        panic!("{:?}", fetched.freshness);
    };
    assert!(
        version == "1.1" && text.contains("full") && text.contains("m2"),
        "{text}"
    );
    assert!(user.files() == before);

    // With nothing to go on with, it is an error.
    let exact = "com.ex:app:1.1";
    let error = user.fetch(exact).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let told = format!("{error} {}", error.hint().unwrap());
    assert!(
        told.contains(&path("1.1")) && told.contains("room"),
        "{told}"
    );
    assert_eq!(user.run(&[exact]).code, Some(74));
    assert!(user.files() == before);

    // With room again, it comes.
    fs_err::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(disk.filler())
        .unwrap();
    user.wait(1);
    let fetched = user.fetch(LATEST).unwrap();
    assert!(content(&fetched) == large());
}

#[test]
fn a_local_repository_that_is_read_only_is_read_and_our_own_one_takes_what_is_new() {
    let Some(disk) = Disk::of_bytes(SPARE_BYTES + (4 << 20)) else {
        return; // Only root can mount.
    };
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let mut user = disk.user(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    disk.make_read_only();
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");

    deploy(&server, &["1.0", "1.1"]);
    user.wait(1);
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, "1.1");
    assert!(
        fetched.path.starts_with(user.home().join("cache")),
        "{}",
        fetched.path.display()
    );
    let told: String = fetched.notices.iter().map(ToString::to_string).collect();
    assert!(told.contains("cannot write"), "{told}");

    server.take_log();
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, "1.1");
    assert_eq!((fetched.downloaded, server.paths().len()), (false, 1));
    assert_fresh(&user.fetch("com.ex:app:1.0").unwrap(), "1.0");
}

#[test]
fn the_local_repository_may_be_on_another_file_system_than_the_memory() {
    let Some(disk) = Disk::of_bytes(SPARE_BYTES + (4 << 20)) else {
        return; // Only root can mount.
    };
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let user = disk.user(&server);
    assert_fresh(&user.fetch(LATEST).unwrap(), "1.0");
    // A name that does not stay is copied across.
    let base = "3.0-SNAPSHOT";
    let metadata = format!(
        "<metadata><version>{base}</version><versioning><snapshot><localCopy>true</localCopy>\
         </snapshot></versioning></metadata>"
    );
    server.script(&builds(base), [Answer::file(metadata)]);
    put_file(&server, &path(base), &jar(base));
    let fetched = user.fetch("com.ex:app:3.0-SNAPSHOT").unwrap();
    assert!(content(&fetched) == jar(base));
    assert!(fetched.path.starts_with(user.home()));
}

#[test]
fn a_local_repository_that_cannot_be_made_is_an_error_that_names_it() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let home = tempfile::tempdir().unwrap();
    let m2 = home.path().join("a-file/m2");
    fs_err::write(home.path().join("a-file"), "").unwrap();
    let user = User::at(home, &m2, vec![repository("corp", &server.url())]);
    let ended = user.run(&[LATEST]);
    assert_eq!(ended.code, Some(74), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains(&*m2.join("com/ex/app/1.0").to_string_lossy()),
        "{ended:?}"
    );
    assert!(ended.stderr.lines().count() > 1, "what to do: {ended:?}");
}

#[test]
fn without_a_memory_everything_works_and_is_told() {
    let server = Server::start();
    deploy(&server, &["1.0"]);
    let mut user = User::eager(&server);
    fs_err::write(user.home().join("cache"), "no directory").unwrap();
    let fetched = user.fetch(LATEST).unwrap();
    assert_fresh(&fetched, "1.0");
    let told: String = fetched.notices.iter().map(ToString::to_string).collect();
    assert!(
        told.contains("cannot write") && told.contains("cache"),
        "{told}"
    );
    server.script(crate::remote::VERSIONS, [Answer::status(500)]);
    user.wait(1);
    assert_version(&user.fetch(LATEST).unwrap(), "1.0");
}
