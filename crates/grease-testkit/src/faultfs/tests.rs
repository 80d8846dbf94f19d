//! The file system against the kernel: it is one, and it fails as told.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};
use std::time::Instant;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use rustix::fs::OFlags;

use super::*;
use crate::sandbox::{Sandbox, state, wait_until};

#[test]
fn faultfs_server() {
    serve_if_asked();
}

/// The number of the error that something failed with.
fn errno<T>(result: std::io::Result<T>) -> Option<rustix::io::Errno> {
    let number = result.err()?.raw_os_error().expect("from the kernel");
    Some(rustix::io::Errno::from_raw_os_error(number))
}

fn create(path: &Path) -> std::io::Result<impl Sized> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A process that asks for something on the mount; the test goes on if that hangs.
fn shell(sandbox: &Sandbox, script: &str) -> crate::sandbox::Running {
    sandbox.program("sh").arguments(["-c", script]).start()
}

fn sandbox() -> Sandbox {
    Sandbox::new("/usr/bin/env")
}

#[test]
fn what_is_written_is_in_the_directory_behind_and_is_read_back() {
    let Some(files) = FaultFs::mount() else {
        return;
    };
    let [dir, behind] = [files.path(), files.backing()];
    fs_err::create_dir_all(dir.join("a/b")).unwrap();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(dir.join("a/b/file"))
        .unwrap();
    let bytes: Vec<u8> = (0..300_000_u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    file.file().write_all_at(&bytes, 0).unwrap();
    file.file().write_all_at(b"middle", 150_000).unwrap();
    file.sync_all().unwrap();
    let mut expected = bytes.clone();
    expected.splice(150_000..150_006, *b"middle");
    assert!(fs_err::read(behind.join("a/b/file")).unwrap() == expected);
    let mut read = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut read).unwrap();
    assert!(read == expected);

    file.set_len(10).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 10);
    assert_eq!(fs_err::read(behind.join("a/b/file")).unwrap().len(), 10);
    assert_eq!(
        errno(create(&dir.join("a/b/file"))),
        Some(rustix::io::Errno::EXIST)
    );
}

#[test]
fn names_are_made_moved_linked_listed_and_removed() {
    let Some(files) = FaultFs::mount() else {
        return;
    };
    let [dir, behind] = [files.path(), files.backing()];
    fs_err::write(dir.join("one"), "1").unwrap();
    fs_err::hard_link(dir.join("one"), dir.join("two")).unwrap();
    assert_eq!(fs_err::metadata(dir.join("two")).unwrap().nlink(), 2);
    assert_eq!(
        errno(std::fs::hard_link(dir.join("one"), dir.join("two"))),
        Some(rustix::io::Errno::EXIST)
    );
    symlink("two", dir.join("link")).unwrap();
    assert_eq!(fs_err::read_to_string(dir.join("link")).unwrap(), "1");
    assert_eq!(
        fs_err::read_link(behind.join("link")).unwrap(),
        Path::new("two")
    );
    fs_err::write(dir.join("new"), "2").unwrap();
    fs_err::rename(dir.join("new"), dir.join("one")).unwrap();
    assert_eq!(fs_err::read_to_string(behind.join("one")).unwrap(), "2");
    assert_eq!(fs_err::metadata(dir.join("two")).unwrap().nlink(), 1);
    for number in 0..300 {
        fs_err::write(behind.join(format!("file-{number:03}")), "").unwrap();
    }
    assert_eq!(names(&dir), names(&behind));
    assert_eq!(names(&dir).len(), 303);
    fs_err::remove_file(dir.join("link")).unwrap();
    assert!(!behind.join("link").is_symlink());
    fs_err::create_dir(dir.join("sub")).unwrap();
    fs_err::write(dir.join("sub/file"), "").unwrap();
    assert_eq!(
        errno(std::fs::remove_dir(dir.join("sub"))),
        Some(rustix::io::Errno::NOTEMPTY)
    );
    fs_err::remove_dir_all(dir.join("sub")).unwrap();
    assert!(!behind.join("sub").exists());
}

#[test]
fn a_file_that_another_removes_has_no_name_left_and_can_still_be_written() {
    let Some(files) = FaultFs::mount() else {
        return;
    };
    let file = File::create(files.path().join("file")).unwrap();
    fs_err::remove_file(files.backing().join("file")).unwrap();
    file.file().write_all_at(b"nowhere", 0).unwrap();
    file.sync_all().unwrap();
    assert_eq!(file.metadata().unwrap().nlink(), 0);
    assert!(!files.path().join("file").exists());
}

#[test]
fn direct_io_reads_what_the_server_has_where_the_cache_is_trusted_too_long() {
    let Some(files) = FaultFs::mount() else {
        return;
    };
    files.rules("open=keep-cache");
    let [path, behind] = [files.path(), files.backing()].map(|dir| dir.join("file"));
    fs_err::write(&path, [b'a'; 8192]).unwrap();
    assert_eq!(fs_err::read(&path).unwrap(), [b'a'; 8192]);
    fs_err::write(&behind, [b'b'; 8192]).unwrap(); // Of the same length, as after a lost write.
    assert_eq!(fs_err::read(&path).unwrap()[0], b'a', "out of the cache");
    let flags = i32::try_from(OFlags::DIRECT.bits()).unwrap();
    let direct = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&path)
        .unwrap();
    let mut space = vec![0; 8192 + 4096]; // Direct I/O wants whole pages in some kernels.
    let start = space.as_ptr().align_offset(4096);
    let page = &mut space[start..start + 8192];
    direct.file().read_exact_at(page, 0).unwrap();
    assert_eq!(page, [b'b'; 8192]);
    files.rules("");
    assert_eq!(fs_err::read(&path).unwrap()[0], b'b', "a fresh open");
}

#[test]
fn errors_are_as_set_and_end_with_their_count() {
    let Some(files) = FaultFs::mount() else {
        return;
    };
    let path = files.path().join("file");
    let file = File::create(&path).unwrap();
    let write = || errno(file.file().write_all_at(b"bytes", 0));
    let fsync = || errno(file.file().sync_all());
    let opened = |path: &Path| errno(std::fs::OpenOptions::new().write(true).open(path));
    files.rules("write=EDQUOT*1 fsync=ENOSPC*1 open-write=EROFS*1");
    assert_eq!(write(), Some(rustix::io::Errno::DQUOT));
    assert_eq!(write(), None);
    assert_eq!(fsync(), Some(rustix::io::Errno::NOSPC));
    assert_eq!(fsync(), None);
    assert_eq!(opened(&path), Some(rustix::io::Errno::ROFS));
    assert_eq!(opened(&path), None);

    files.rules("create@/here=EACCES link=done:EIO");
    fs_err::write(files.path().join("there"), "").unwrap();
    let here = files.path().join("here");
    assert_eq!(errno(create(&here)), Some(rustix::io::Errno::ACCESS));
    // The reply is lost, and what was asked for is done.
    assert_eq!(
        errno(std::fs::hard_link(&path, &here)),
        Some(rustix::io::Errno::IO)
    );
    assert!(files.backing().join("here").exists());
    files.rules("");
    assert_eq!((write(), fsync(), opened(&here)), (None, None, None));
}

#[test]
fn a_server_may_lose_what_it_accepted() {
    let Some(files) = FaultFs::mount() else {
        return;
    };
    let file = File::create(files.path().join("file")).unwrap();
    let length = || {
        let behind = files.backing().join("file");
        fs_err::metadata(behind).unwrap().len()
    };
    file.file().write_all_at(&vec![1; 100_000], 0).unwrap();
    file.sync_all().unwrap();
    files.rules("fsync=lose:ENOSPC*1");
    file.file()
        .write_all_at(&vec![1; 100_000], 100_000)
        .unwrap();
    assert_eq!(
        errno(file.file().sync_all()),
        Some(rustix::io::Errno::NOSPC)
    );
    file.sync_all().unwrap(); // As on NFS: the error comes once, and the bytes are gone.
    assert_eq!(length(), 100_000);

    files.rules("fsync=drop-tail*1");
    file.sync_all().unwrap();
    assert_eq!(length(), 100_000 - 65_536);
    assert_eq!(file.metadata().unwrap().len(), length());
}

#[test]
fn a_request_that_hangs_holds_its_process_until_the_rule_is_taken_away() {
    let Some(files) = FaultFs::mount() else {
        return;
    };
    let sandbox = sandbox();
    fs_err::write(files.backing().join("file"), "content\n").unwrap();
    files.rules("open=hang");
    let mut reader = shell(
        &sandbox,
        &format!("exec cat {}", files.path().join("file").display()),
    );
    wait_until("the request has come", || !files.waiting().is_empty());
    let waiting = files.waiting();
    assert_eq!(waiting[0].pid, reader.pid());
    assert_eq!(waiting[0].operation, "open-read");
    // The others are served.
    fs_err::write(files.path().join("other"), "").unwrap();
    assert_eq!(names(&files.path()), ["file", "other"]);
    // Another rule is no release, and not even a signal is one.
    files.rules("open@/file=hang fsync=EIO");
    reader.signal(rustix::process::Signal::KILL);
    wait_until("it waits for good", || state(reader.pid()) == Some('D'));
    assert!(!reader.has_ended() && files.waiting().len() == 1);
    files.rules("");
    assert_eq!(reader.finish().signal, Some(9));
    assert!(files.waiting().is_empty());

    files.rules("open=hang");
    let reader = shell(
        &sandbox,
        &format!("exec cat {}", files.path().join("file").display()),
    );
    wait_until("the request has come", || !files.waiting().is_empty());
    files.rules("");
    assert_eq!(reader.finish().out(), "content\n");
}

#[test]
fn what_hangs_ends_when_the_file_system_goes() {
    let Some(files) = FaultFs::mount() else {
        return;
    };
    let sandbox = sandbox();
    let mount = files.path();
    files.rules("*=hang");
    let writer = shell(&sandbox, &format!("echo x > {}/file", mount.display()));
    wait_until("the request has come", || !files.waiting().is_empty());
    writer.signal(rustix::process::Signal::KILL);
    drop(files);
    assert_eq!(writer.finish().signal, Some(9));
    assert!(!mount.exists());
    let mounts = fs_err::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(mount.to_str().unwrap()));
}

#[test]
fn a_slow_share_takes_its_time_and_all_requests_share_it() {
    let Some(files) = FaultFs::mount() else {
        return;
    };
    files.rules("write=rate:40960");
    let since = Instant::now();
    for name in ["one", "two"] {
        fs_err::write(files.path().join(name), [0; 8192]).unwrap();
    }
    let took = since.elapsed().as_millis();
    assert!(took >= 350, "16 KiB at 40 KiB/s took {took} ms");
    files.rules("write=sleep:0.2*1");
    let since = Instant::now();
    fs_err::write(files.path().join("one"), "x").unwrap();
    assert!(since.elapsed().as_millis() >= 200);
}

#[test]
fn every_request_is_noted_with_the_process_that_asked() {
    let Some(files) = FaultFs::mount() else {
        return;
    };
    let sandbox = sandbox();
    files.forget();
    let path = files.path().join("noted");
    let writer = shell(
        &sandbox,
        &format!(
            "exec dd if=/dev/zero bs=10 count=1 conv=fsync of={}",
            path.display()
        ),
    );
    let pid = writer.pid();
    assert_eq!(writer.finish().code, Some(0));
    let asked = files.asked();
    for operation in ["create", "write", "fsync"] {
        let found = asked.iter().find(|asked| asked.operation == operation);
        let found = found.unwrap_or_else(|| panic!("{operation} in {asked:?}"));
        assert_eq!((found.pid, found.path.as_str()), (pid, "/noted"));
        assert!(found.command.starts_with("dd if="), "{}", found.command);
    }
    files.forget();
    assert!(files.asked().is_empty());
}

#[test]
fn it_can_be_taken_away_and_mounted_again() {
    let Some(mut files) = FaultFs::mount() else {
        return;
    };
    fs_err::write(files.path().join("file"), "").unwrap();
    files.unmount();
    assert!(names(&files.path()).is_empty());
    files.mount_again();
    assert_eq!(names(&files.path()), ["file"]);
    // As after the restart of a server that the kernel lost.
    files.rules("*=hang");
    files.mount_again();
    assert_eq!(names(&files.path()), ["file"]);
}
