//! The process that serves the file system, and ends with the test that started it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use fuser::{Config, MountOption, SessionACL};
use rustix::process::{Resource, Rlimit};

use super::control::Control;
use super::disk::Disk;
use super::serve::PassThrough;
use super::{READY, detach};

/// Mounts `backing` at `mount`, and answers on standard input, which is a socket, until that ends.
pub(super) fn run(backing: &Path, mount: &Path) -> std::io::Result<()> {
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: hard,
        maximum: hard,
    };
    rustix::process::setrlimit(Resource::Nofile, limit)?; // One for each inode that the kernel knows.
    let control = Arc::new(Control::default());
    let disk = Disk::new(backing)?;
    let mut config = Config::default();
    config.acl = SessionACL::All;
    config.mount_options = vec![
        MountOption::FSName("faultfs".to_owned()),
        MountOption::DefaultPermissions,
    ];
    let files = PassThrough::new(disk, Arc::clone(&control));
    let _session = fuser::spawn_mount(files, mount, &config)?;

    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut answers = socket.try_clone()?;
    writeln!(answers, "{READY}")?;
    for question in BufReader::new(socket).lines() {
        let lines = control.answer(&question?);
        let mut text = format!("{}\n", lines.len());
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        answers.write_all(text.as_bytes())?;
    }
    detach(mount);
    #[expect(
        clippy::disallowed_methods,
        clippy::exit,
        reason = "requests that wait keep their threads; the kernel aborts them"
    )]
    std::process::exit(0)
}
