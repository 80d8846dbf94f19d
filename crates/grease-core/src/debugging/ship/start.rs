//! Starts the shipper, so that it belongs to nobody.
//!
//! Two stages, since a process may only leave its session if it leads no group, and so that nobody who
//! starts one has to wait for it. The first stage ends at once and is waited for. The second one is
//! handed to the next subreaper, such as a greaserun with a job, which knows it by its program and its
//! first argument.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};

use super::{ARGUMENT, Task};
use crate::sys::env::Env;
use crate::sys::fs;

/// Our own program, whatever its path was and whether it is there still.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Second argument of the second stage.
pub(super) const DETACHED: &str = "detached";

/// Second argument by which a program knows that it is to clean up after dead runs. The first is that of
/// the shipper, so that no greaserun takes it for a part of its job.
pub const SWEEP: &str = "sweep";

/// Variables by which others find, and end, what a job of theirs started: Jenkins goes by these.
const COOKIES: [&str; 4] = [
    "BUILD_ID",
    "JENKINS_NODE_COOKIE",
    "JENKINS_SERVER_COOKIE",
    "HUDSON_SERVER_COOKIE",
];

/// What our own variables begin with: a shipper belongs to no run.
const OWN_PREFIX: &str = "GREASE_";

/// Starts a shipper, unless one runs. It is told what to do, and not waited for.
pub fn start(task: &Task) -> io::Result<()> {
    if super::is_running(&task.spool) {
        return Ok(());
    }
    let text = serde_json::to_vec(task).map_err(io::Error::from)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "it is our own program, and no job"
    )]
    let mut first = std::process::Command::new(OWN_PROGRAM)
        .arg0("greaserun")
        .arg(ARGUMENT)
        .env_clear()
        .envs(environment(&Env::read()).iter())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = first.stdin.take().expect("it is piped");
    let written = stdin.write_all(&text);
    drop(stdin);
    first.wait()?;
    written
}

/// Starts the process that cleans up after dead runs. It is a child of the shipper, in the surroundings of that
/// but for its descriptors: it must not hang in a file of the share.
pub(super) fn sweeper(task: &Task) -> io::Result<Child> {
    std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            fs::part_descriptors()?;
            spawn_sweeper(task)
        });
        let panicked = |_| Err(io::Error::other("the thread that starts it panicked"));
        started.join().unwrap_or_else(panicked)
    })
}

fn spawn_sweeper(task: &Task) -> io::Result<Child> {
    let text = serde_json::to_vec(task).map_err(io::Error::from)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "it is our own program, and no job"
    )]
    let mut child = std::process::Command::new(OWN_PROGRAM)
        .arg0("greaserun")
        .args([ARGUMENT, SWEEP])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(&text).ok(); // It ends by itself then.
    drop(stdin);
    Ok(child)
}

/// The first stage: leaves the session of its caller, and what that left open, and starts the second.
pub(super) fn detach() -> io::Result<()> {
    for descriptor in fs::open_descriptors() {
        if descriptor > 2 {
            nix::unistd::close(descriptor).ok(); // That of the directory just read is closed already.
        }
    }
    rustix::process::setsid().ok(); // It leads one already, if it is started by hand.
    #[expect(
        clippy::disallowed_methods,
        reason = "it is our own program, and no job"
    )]
    let second = std::process::Command::new(OWN_PROGRAM)
        .arg0("greaserun")
        .args([ARGUMENT, DETACHED])
        .spawn()?;
    drop(second); // It is nobody's child when this one ends.
    Ok(())
}

/// The environment of a shipper: what its hooks may need, and nothing that ties it to a job.
fn environment(env: &Env) -> Env {
    let is_wanted = |name: &str| !name.starts_with(OWN_PREFIX) && !COOKIES.contains(&name);
    env.iter()
        .filter(|(name, _)| name.to_str().is_none_or(is_wanted))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ties_a_shipper_to_the_job_whose_run_started_it() {
        let all = [
            ("PATH", "/bin"),
            ("BUILD_ID", "7"),
            ("GREASE_RUN_ID", "x"),
            ("https_proxy", "p"),
        ];
        let kept = environment(&all.into_iter().collect());
        assert_eq!(kept, [all[0], all[3]].into_iter().collect());
    }
}
