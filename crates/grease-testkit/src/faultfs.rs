//! A file system that fails as told: shared storage that is full, slow, gone, or lies.
//!
//! It passes everything through to a directory, as rules allow ([`FaultFs::rules`]), and notes
//! which process asked for what ([`FaultFs::asked`]). It is served over FUSE by a process of its
//! own, which is the test program started again: a hang reaches only who touches the mount, and
//! that process can always be killed, upon which the kernel fails all that waits. A test itself
//! looks at [`FaultFs::backing`], never at the mount.
//!
//! A test program that uses this has a test that serves:
//!
//! ```text
//! #[test]
//! fn faultfs_server() {
//!     grease_testkit::faultfs::serve_if_asked();
//! }
//! ```

mod control;
mod disk;
mod pass;
mod rules;
mod serve;
mod server;
#[cfg(test)]
mod tests;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::mount::UnmountFlags;
use tempfile::TempDir;

use crate::component::{self, Component};
use crate::sandbox::DEADLINE;

/// The test that serves, as the name is given to the test program.
const SERVER: &str = "faultfs_server";

/// Tells the test program that it is to serve, and where: two paths, and the milliseconds of
/// [`FaultFs::mount_with_memory`], a line each.
const VARIABLE: &str = "FAULTFS_SERVER";

/// This test program, though its file may have been replaced since it started.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What the server says first.
const READY: &str = "ready";

/// Mounts over one another that are taken away at the end.
const LAYERS_MAX: u32 = 8;

/// A mounted directory with faults. Dropped, it fails all requests and is gone.
#[derive(Debug)]
pub struct FaultFs {
    server: Option<Server>,
    dir: TempDir,
    memory: Duration,
}

#[derive(Debug)]
struct Server {
    child: Child,
    control: Mutex<BufReader<UnixStream>>,
}

/// A request that reached the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The process that asked; 0 for the kernel.
    pub pid: i32,
    /// What it asked for: `lookup`, `open-read`, `open-write`, `create`, `fsync` and so on.
    pub operation: String,
    /// On what, from the root of the mount.
    pub path: String,
    /// The command line of the process; empty once it exits.
    pub command: String,
}

/// Serves if this process was started for that, and does not return then.
///
/// # Panics
///
/// When the mount fails.
pub fn serve_if_asked() {
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate stands below `sys::env`"
    )]
    let Ok(places) = std::env::var(VARIABLE) else {
        return;
    };
    let words: Vec<&str> = places.lines().collect();
    let [backing, mount, memory] = words[..] else {
        panic!("`{places}` are no two paths and a time");
    };
    serve::remember(Duration::from_millis(memory.parse().expect("milliseconds")));
    server::run(Path::new(backing), Path::new(mount)).expect("serve the file system");
}

impl FaultFs {
    /// Mounts a fresh directory, or says that the calling test is skipped.
    ///
    /// # Panics
    ///
    /// When the mount fails, or when FUSE is absent and `SCALEGREASE_REQUIRE` names it.
    pub fn mount() -> Option<Self> {
        Self::mount_with_memory(Duration::ZERO)
    }

    /// The same where the kernel believes for a time what it was told of names and files, as a
    /// client of NFS does, instead of asking anew each time.
    ///
    /// # Panics
    ///
    /// As [`FaultFs::mount`].
    pub fn mount_with_memory(memory: Duration) -> Option<Self> {
        component::require(Component::Fuse)?;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut files = Self {
            server: None,
            dir,
            memory,
        };
        for path in [files.path(), files.backing()] {
            fs_err::create_dir(path).expect("a fresh directory");
        }
        files.mount_again();
        Some(files)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("mount")
    }

    /// The directory behind it: the disk of the server.
    pub fn backing(&self) -> PathBuf {
        self.dir.path().join("backing")
    }

    /// Replaces all rules; `""` ends every fault. What waited for a rule that is gone goes on.
    ///
    /// They read `OPERATIONS[@PATH]=ACTION[*COUNT|%PERCENT]`, with blanks between them:
    /// `fsync=ENOSPC*1`, `write,fsync@/index/=EIO%20`, `open=hang`, `write=sleep:5`,
    /// `write=rate:10240`, `fsync=lose:ENOSPC`, `link=done:EIO`, `fsync=drop-tail`,
    /// `open=keep-cache`.
    ///
    /// # Panics
    ///
    /// When one of them is no rule.
    pub fn rules(&self, rules: &str) {
        let refused = self.question(&format!("rules {rules}"));
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.question("asked")
            .iter()
            .map(|line| Asked::parse(line))
            .collect()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.question("forget");
    }

    /// The requests that wait at this moment.
    pub fn waiting(&self) -> Vec<Asked> {
        self.question("waiting")
            .iter()
            .map(|line| Asked::parse(line))
            .collect()
    }

    /// Takes the mount away, as `umount -l`; what is open stays so.
    pub fn unmount(&self) {
        detach(&self.path());
    }

    /// Mounts the same directory again, with a new server without rules and without requests;
    /// what is open of the old one fails.
    ///
    /// # Panics
    ///
    /// When the mount fails.
    pub fn mount_again(&mut self) {
        self.server = None;
        detach(&self.path());
        self.server = Some(Server::start(&self.backing(), &self.path(), self.memory));
    }

    fn question(&self, question: &str) -> Vec<String> {
        let server = self.server.as_ref().expect("a server from the start");
        server.ask(question).expect("the server answers")
    }
}

impl Drop for FaultFs {
    fn drop(&mut self) {
        self.server = None; // First, so that nothing waits any more.
        detach(&self.path());
    }
}

impl Server {
    fn start(backing: &Path, mount: &Path, memory: Duration) -> Self {
        let (ours, its) = UnixStream::pair().expect("a pair of sockets");
        ours.set_read_timeout(Some(DEADLINE))
            .expect("a socket has a timeout");
        #[expect(
            clippy::disallowed_methods,
            reason = "this crate stands below `execution`"
        )]
        let child = Command::new(OWN_PROGRAM)
            .args([SERVER, "--nocapture", "--test-threads=1"])
            .env(
                VARIABLE,
                format!(
                    "{}\n{}\n{}",
                    backing.display(),
                    mount.display(),
                    memory.as_millis()
                ),
            )
            .stdin(OwnedFd::from(its))
            .stdout(Stdio::null())
            .spawn()
            .expect("start the test program again");
        let control = Mutex::new(BufReader::new(ours));
        let server = Self { child, control };
        let ready = server.read_line().expect("the server says something");
        assert_eq!(ready, READY);
        server
    }

    fn ask(&self, question: &str) -> std::io::Result<Vec<String>> {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(control.get_mut(), "{question}")?;
        let mut line = || {
            let mut line = String::new();
            control.read_line(&mut line)?;
            Ok::<_, std::io::Error>(line.trim_end_matches('\n').to_owned())
        };
        let count: usize = line()?.parse().map_err(std::io::Error::other)?;
        (0..count).map(|_| line()).collect()
    }

    fn read_line(&self) -> std::io::Result<String> {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = String::new();
        control.read_line(&mut line)?;
        Ok(line.trim_end_matches('\n').to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok(); // It never touches its mount, so that it can always be killed.
        self.child.wait().ok();
    }
}

impl Asked {
    fn parse(line: &str) -> Self {
        let mut fields = line.splitn(4, '\t').map(str::to_owned);
        let mut field = || fields.next().unwrap_or_default();
        Self {
            pid: field().parse().unwrap_or_default(),
            operation: field(),
            path: field(),
            command: field(),
        }
    }
}

/// Takes everything away that is mounted at a path, in use or not.
fn detach(mount: &Path) {
    for _ in 0..LAYERS_MAX {
        if rustix::mount::unmount(mount, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_err() {
            break;
        }
    }
}
