//! Files: bounded reads, atomic writes, private directories, what a directory lies on.

use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags};

/// Reads a text file of at most `bytes_max` bytes.
///
/// A longer file is an error, not a truncated text.
pub fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<String> {
    // What is read here is mostly shorter, and read at once then.
    let mut text = String::with_capacity(4096);
    fs_err::File::open(path)?
        .take(bytes_max + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("`{}` is larger than {bytes_max} bytes", path.display()),
        ));
    }
    Ok(text)
}

/// Opens a regular file that another user may have put there: follows no link at its end, and does
/// not wait for a pipe that nobody writes to.
pub fn open_regular(path: &Path) -> io::Result<fs_err::File> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    use rustix::fs::OFlags;

    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("flags of open(2) are an `int`");
    let file = fs_err::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let text = format!("`{}` is not a file", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}

/// Replaces the file at `path` by `content`: after a crash it holds the old bytes or the new.
///
/// The rename itself may be undone by a power failure; the content of whichever file is there
/// is whole.
pub fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    use io::Write as _;

    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = (|| {
        let mut file = fs_err::File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_data()?;
        fs_err::rename(&temporary, path)
    })();
    if written.is_err() {
        fs_err::remove_file(&temporary).ok(); // The error that counts is the one returned.
    }
    written
}

/// Makes `path` and its parents where missing, `path` itself for this user only (0700).
///
/// Fails when it exists as something other than a directory of this user: in a directory that
/// others can write to, somebody may have been there first.
pub fn private_dir(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            let text = format!("cannot create `{}`: {error}", path.display());
            return Err(io::Error::new(error.kind(), text));
        }
    }
    let found = fs_err::symlink_metadata(path)?;
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if !found.is_dir() {
        return refuse(format!("`{}` is not a directory", path.display()));
    }
    let uid = rustix::process::geteuid().as_raw();
    if found.uid() != uid {
        return refuse(format!(
            "`{}` belongs to user {}, not to {uid}",
            path.display(),
            found.uid()
        ));
    }
    if found.mode() & 0o077 != 0 {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Makes a directory, where missing, that every user can enter, whatever this one's umask is.
pub fn open_dir(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    fs_err::create_dir_all(path)?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// Makes a directory in which every user can make things and nobody can remove another's.
pub fn shared_dir(path: &Path) -> io::Result<()> {
    fs_err::create_dir_all(path)?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o1777))
}

/// Checks that nobody but root and this user can put something else in the place of `path`.
///
/// Holds for the path as written, links included, and for where it leads: each component
/// belongs to root or to this user, and one that others can write to is sticky, as `/tmp` is.
pub fn check_trusted(path: &Path) -> io::Result<()> {
    let real = fs_err::canonicalize(path)?;
    path.ancestors()
        .chain(real.ancestors())
        .filter(|part| !part.as_os_str().is_empty())
        .try_for_each(check_component)
}

fn check_component(part: &Path) -> io::Result<()> {
    const STICKY: u32 = 0o1000;

    let found = fs_err::symlink_metadata(part)?;
    let own = rustix::process::geteuid().as_raw();
    let refuse = |why: String| {
        let text = format!("`{}` {why}", part.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    };
    if found.uid() != 0 && found.uid() != own {
        return refuse(format!(
            "belongs to user {}, who could replace what is in it",
            found.uid()
        ));
    }
    let mode = found.mode();
    let for_others = mode & 0o002 != 0;
    // A user's own group is the user's own affair; a group that root lets in is not root.
    let for_group = mode & 0o020 != 0 && found.uid() == 0 && found.gid() != 0;
    if found.is_dir() && (for_others || for_group) && mode & STICKY == 0 {
        return refuse("can be written by others and is not sticky (chmod +t)".to_owned());
    }
    Ok(())
}

/// Checks that this user can make things in a directory, and that its file system can be written.
pub fn check_writable(directory: &Path) -> io::Result<()> {
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(CWD, directory, wanted, AtFlags::EACCESS).map_err(|errno| {
        let text = format!("`{}` cannot be written: {errno}", directory.display());
        io::Error::new(errno.kind(), text)
    })
}

/// Whether a path, as far as it exists, leads to a place below `home` that belongs to user `uid`: one
/// that other users have no part in.
pub fn is_private_to(path: &Path, home: &Path, uid: u32) -> bool {
    let existing = path.ancestors().find(|ancestor| ancestor.exists());
    let real = existing.and_then(|existing| fs_err::canonicalize(existing).ok());
    let (Some(real), Ok(home)) = (real, fs_err::canonicalize(home)) else {
        return false;
    };
    real.starts_with(home) && fs_err::metadata(real).is_ok_and(|found| found.uid() == uid)
}

/// Removes a directory tree, also where the job took its own permission away.
///
/// Follows no symbolic link. What belongs to another user may have to stay; that is the error.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs_err::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => {
            open_up(path);
            match fs_err::remove_dir_all(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        }
    }
}

/// Gives the owner every right on the directories below `path`, as far as possible.
fn open_up(path: &Path) {
    let Ok(found) = fs_err::symlink_metadata(path) else {
        return;
    };
    if !found.is_dir() {
        return;
    }
    // Failures show in the removal that follows.
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700)).ok();
    for entry in fs_err::read_dir(path).into_iter().flatten().flatten() {
        open_up(&entry.path());
    }
}

/// The mount point that `path` lies on, by device numbers.
pub fn mount_point(path: &Path) -> Option<PathBuf> {
    let path = fs_err::canonicalize(path).ok()?;
    let device = fs_err::metadata(&path).ok()?.dev();
    path.ancestors()
        .take_while(|ancestor| fs_err::metadata(ancestor).is_ok_and(|found| found.dev() == device))
        .last()
        .map(Path::to_owned)
}

/// Whether programs on the file system of `path` cannot be executed (`mount -o noexec`).
pub fn is_noexec(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Whether a directory belongs to a user or to root.
pub fn is_owned(path: &Path, uid: u32) -> bool {
    fs_err::metadata(path).is_ok_and(|found| found.uid() == uid || found.uid() == 0)
}

/// Gives this thread descriptors of its own, and of those of the process the standard ones alone: what
/// it starts from here on inherits nothing that other threads have open, not even until it is executed.
///
/// To be called first in a new thread, which owns nothing yet. What has a descriptor must not go from it to
/// another thread, nor the other way.
pub fn part_descriptors() -> io::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)?;
    for descriptor in open_descriptors() {
        if descriptor > 2 {
            nix::unistd::close(descriptor).ok(); // That of the directory just read is closed already.
        }
    }
    Ok(())
}

/// The descriptors that this thread has open: those of its process, unless they were parted.
pub fn open_descriptors() -> Vec<i32> {
    let entries = fs_err::read_dir("/proc/thread-self/fd")
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Whether something can still be made on the file system of `path`: it is not read-only and
/// has a block and an inode left.
pub fn has_room(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|found| {
        let inodes = found.f_files == 0 || found.f_favail > 0; // Some count no inodes.
        !found.f_flag.contains(StatVfsMountFlags::RDONLY) && found.f_bavail > 0 && inodes
    })
}

/// Bytes that this user may still write on the file system of `path`.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The size of the file system of `path`.
pub fn total_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_blocks.saturating_mul(found.f_frsize))
}

/// Kinds of mount that are over a network, as `/proc/self/mountinfo` names them; all of FUSE, since
/// nobody can tell what is behind it.
const REMOTE_MOUNTS: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "lustre",
    "gpfs",
    "afs",
    "9p",
    "fuse",
    "ncpfs",
    "glusterfs",
    "beegfs",
];

/// Most links that are followed, as the kernel does.
const LINKS_MAX: usize = 40;

/// The mounts of this machine at one moment.
#[derive(Debug, Clone, Default)]
pub struct Mounts(String);

impl Mounts {
    /// Reads them; none if that is impossible.
    pub fn read() -> Self {
        let mounts = read_bounded(Path::new("/proc/self/mountinfo"), 16 << 20);
        Self(mounts.unwrap_or_default())
    }

    /// The kind of the file system over a network that `path` lies on, or that leads to it; `None`
    /// for a local one. The path need not exist.
    ///
    /// Touches nothing that is on such a file system, which may hang.
    pub fn remote(&self, path: &Path) -> Option<String> {
        let mut rest = path.to_owned();
        for _ in 0..LINKS_MAX {
            match step(&self.0, &rest) {
                Step::Remote(kind) => return Some(kind),
                Step::Local => return None,
                Step::Link(target) => rest = target,
            }
        }
        None
    }
}

/// Where a path leads, up to the first link in it.
enum Step {
    Remote(String),
    Link(PathBuf),
    Local,
}

fn step(mounts: &str, path: &Path) -> Step {
    let mut walked = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        walked.push(component);
        if let Some(kind) = remote_among(mounts, &walked) {
            return Step::Remote(kind);
        }
        // It is on a local file system.
        if let Ok(target) = rustix::fs::readlink(&walked, Vec::new()) {
            let target = Path::new(std::ffi::OsStr::from_bytes(target.as_bytes())).to_owned();
            walked.pop();
            return Step::Link(walked.join(target).join(components.as_path()));
        }
    }
    Step::Local
}

/// The last of the longest mount points counts: it covers the others (`proc_pid_mountinfo(5)`).
fn remote_among(mounts: &str, path: &Path) -> Option<String> {
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?.replace("\\040", " ");
        let kind = after.split(' ').next()?.to_owned();
        path.starts_with(&point).then_some((point.len(), kind))
    };
    let (_, kind) = mounts
        .lines()
        .filter_map(mount)
        .max_by_key(|(length, _)| *length)?;
    let family = kind.split('.').next().unwrap_or_default();
    REMOTE_MOUNTS.contains(&family).then_some(kind)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn the_innermost_mount_tells_whether_a_path_is_remote() {
        let mounts = "\
            21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            22 21 0:40 / /home rw shared:5 - nfs4 files:/home rw\n\
            23 22 8:2 / /home/etl/local rw - ext4 /dev/sda2 rw\n\
            24 21 0:41 / /mnt/my\\040share rw - fuse.sshfs host:/ rw\n\
            25 21 0:42 / /twice rw - nfs files:/twice rw\n\
            26 25 0:43 / /twice rw - tmpfs none rw\n";
        let kind = |path: &str| remote_among(mounts, Path::new(path));
        assert_eq!(kind("/home/etl/.m2").as_deref(), Some("nfs4"));
        assert_eq!(kind("/home/etl/local/.m2"), None);
        assert_eq!(kind("/homes"), None);
        assert_eq!(kind("/mnt/my share/x").as_deref(), Some("fuse.sshfs"));
        assert_eq!(kind("/twice/x"), None);
    }

    #[test]
    fn a_file_over_the_limit_is_an_error_and_not_a_truncated_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_atomic(&path, b"12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), "12345");
        let error = read_bounded(&path, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_pipe_or_a_link_in_the_place_of_a_file_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name| dir.path().join(name);
        write_atomic(&path("file"), b"x").unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        open_regular(&path("file")).unwrap();
        open_regular(&path("link")).unwrap_err();
        let error = open_regular(&path("pipe")).unwrap_err();
        assert!(error.to_string().ends_with("is not a file"), "{error}");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs_err::create_dir(&path).unwrap();
        assert!(write_atomic(&path, b"x").is_err());
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_symlink_in_the_place_of_a_private_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        fs_err::create_dir(&target).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(
            private_dir(&link).unwrap_err().kind(),
            io::ErrorKind::PermissionDenied
        );
    }

    #[test]
    fn a_private_directory_is_closed_to_others_even_if_it_was_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        private_dir(&path).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        private_dir(&path).unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_place_that_others_could_replace_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        let inner = open.join("inner");
        fs_err::create_dir_all(&inner).unwrap();
        let mode = |mode| fs_err::set_permissions(&open, Permissions::from_mode(mode)).unwrap();
        mode(0o755);
        check_trusted(&inner).unwrap();
        mode(0o777);
        let error = check_trusted(&inner).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("not sticky"), "{error}");
        mode(0o1777);
        check_trusted(&inner).unwrap();
    }

    #[test]
    fn a_place_is_private_if_it_is_below_the_home_and_so_is_what_a_link_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (home, shared) = (dir.path().join("home"), dir.path().join("shared"));
        fs_err::create_dir(&home).unwrap();
        fs_err::create_dir(&shared).unwrap();
        std::os::unix::fs::symlink(&shared, home.join("link")).unwrap();
        let uid = rustix::process::geteuid().as_raw();
        assert!(is_private_to(&home.join("a/b"), &home, uid));
        assert!(!is_private_to(&home.join("a/b"), &home, uid + 1));
        assert!(!is_private_to(&shared, &home, uid));
        assert!(!is_private_to(&home.join("link/b"), &home, uid));
    }

    #[test]
    fn what_belongs_to_another_user_or_is_their_link_is_not_trusted() {
        use std::os::unix::fs::{chown, lchown, symlink};

        if !rustix::process::geteuid().is_root() {
            return; // Only root can give files away.
        }
        let dir = tempfile::tempdir().unwrap();
        let (theirs, link) = (dir.path().join("theirs"), dir.path().join("link"));
        fs_err::create_dir_all(theirs.join("inner")).unwrap();
        symlink(dir.path(), &link).unwrap();
        check_trusted(&link).unwrap();
        chown(&theirs, Some(1234), None).unwrap();
        lchown(&link, Some(1234), None).unwrap();
        for path in [theirs.join("inner"), link] {
            let error = check_trusted(&path).unwrap_err();
            assert!(
                error.to_string().contains("belongs to user 1234"),
                "{error}"
            );
        }
    }
}
