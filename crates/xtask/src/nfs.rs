//! Scalegrease on real NFS: an emulated machine with a server and its hosts, see `tests/nfs`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use grease_testkit::component;

use crate::command::{command, run_quietly};

/// How long the machine may take, in seconds. All scenarios took some 420 on a machine with two processors that were
/// busy otherwise; the machine's own are emulated.
const SECONDS_MAX: u32 = 1200;

/// What the machine is made of, and the Debian package of each.
const NEEDED: [(&str, &str); 8] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("modprobe", "kmod"),
    ("mount.nfs", "nfs-common"),
    ("rpc.nfsd", "nfs-kernel-server"),
    ("rpcbind", "rpcbind"),
    ("ip", "iproute2"),
];

/// The programs under test.
const PROGRAMS: [&str; 2] = ["greaserun", "greasestatus"];

/// Runs the named scenarios, or all; the exit code is the number of those that failed.
pub(crate) fn nfs(scenarios: &[String]) -> Result<ExitCode> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "only root may do this: the machine sees all files of this one"
    );
    let absent: Vec<&str> = NEEDED
        .into_iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| package)
        .collect();
    ensure!(
        absent.is_empty(),
        "something is missing; run: apt-get install -y --no-install-recommends {}",
        absent.join(" ")
    );
    let root = component::workspace();
    let work = root.join("target/nfs");
    build(&root, &work.join("bin"))?;
    let status = command(root.join("tests/nfs/boot.sh"))
        .arg(&work)
        .arg(SECONDS_MAX.to_string())
        .args(scenarios)
        .status()
        .context("cannot start tests/nfs/boot.sh")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Whether a program can be found, also among those of the administrator.
fn is_there(program: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .any(|dir| Path::new(dir).join(program).exists())
}

/// Builds the programs and copies them: what is built next does not disturb the machine.
fn build(root: &Path, bin: &Path) -> Result<()> {
    let mut cargo = command("cargo");
    cargo.args(["build", "--release", "--quiet"]);
    cargo.args(PROGRAMS.iter().flat_map(|program| ["--bin", program]));
    run_quietly(cargo.current_dir(root))?;
    fs_err::create_dir_all(bin)?;
    for program in PROGRAMS {
        let copy = bin.join(program);
        fs_err::remove_file(&copy).ok(); // Most often there is none.
        fs_err::copy(root.join("target/release").join(program), copy)?;
    }
    Ok(())
}
