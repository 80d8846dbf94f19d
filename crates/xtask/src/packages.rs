//! Debian packages of the components, which only root installs.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use grease_testkit::component;

use crate::command::{command, run_quietly};

/// How often an installation is tried: another `apt` at work, or a mirror in trouble, passes.
const TRIES_MAX: u32 = 3;

/// A script that tells package scripts whether they may start daemons (`invoke-rc.d(8)`).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs the packages of all absent components.
pub(crate) fn install() -> Result<()> {
    let packages = component::missing_packages();
    if packages.is_empty() {
        println!("packages: all there");
        return Ok(());
    }
    println!("packages: installing {}", packages.join(" "));
    ensure!(
        nix::unistd::geteuid().is_root(),
        "only root installs packages; run: apt-get install -y {}",
        packages.join(" ")
    );
    let _policy = StartNoDaemons::new()?;
    let mut tries = 1..=TRIES_MAX;
    loop {
        let attempt = tries.next();
        match try_install(&packages) {
            Err(error) if attempt < Some(TRIES_MAX) => eprintln!("packages: again: {error:#}"),
            result => return result,
        }
    }
}

fn try_install(packages: &[&str]) -> Result<()> {
    let apt = |arguments: &[&str]| {
        run_quietly(
            command("apt-get")
                .args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300"])
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    apt(&["update"])?;
    apt(&[&["install", "--no-install-recommends"], packages].concat())
}

/// Keeps package scripts from starting daemons for as long as it lives.
struct StartNoDaemons {
    /// Whether the policy is ours to take away again.
    ours: bool,
}

impl StartNoDaemons {
    fn new() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;

        let ours = !Path::new(POLICY).exists();
        if ours {
            fs_err::write(POLICY, "#!/bin/sh\nexit 101\n")
                .and_then(|()| {
                    fs_err::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))
                })
                .context("cannot keep package scripts from starting daemons")?;
        }
        Ok(Self { ours })
    }
}

impl Drop for StartNoDaemons {
    fn drop(&mut self) {
        if self.ours {
            fs_err::remove_file(POLICY).ok(); // The next start finds it, and takes it as given.
        }
    }
}
