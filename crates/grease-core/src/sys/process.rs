//! Processes, as `/proc` shows them (`proc(5)`).

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::model::limits::IoNice;

/// Most bytes read of one file of a process: an environment may be large.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Most looks at the children of one process for those that come while the others are followed.
const LOOKS_MAX: usize = 3;

/// Longest chain of ancestors followed.
const ANCESTORS_MAX: usize = 64;

/// The fields of `/proc/PID/stat` that are needed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Process id.
    pub pid: i32,
    /// Id of the parent.
    pub parent: i32,
    /// Id of the process group.
    pub group: i32,
    /// One letter: `R` running, `S` sleeping, `D` uninterruptible, `T` stopped, `Z` zombie.
    pub state: char,
    /// Name of the program, cut to 15 bytes by the kernel.
    pub name: String,
    /// Device number of the controlling terminal; 0 for none.
    pub terminal: i64,
    /// Number of threads.
    pub threads: u32,
    /// Clock ticks from boot to the start of the process: with the pid it names a process
    /// for good, whereas the pid alone may be used again.
    pub started: u64,
}

impl Stat {
    /// Whether the process can still do something: it is neither dead nor waiting to be reaped.
    ///
    /// A process whose main thread has exited shows the state of that thread, `Z`, though its
    /// other threads run on.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X') || self.threads > 1
    }
}

/// Reads the state of a process; `None` if there is none, or `/proc` hides it.
pub fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&String::from_utf8_lossy(&read(&format!(
        "/proc/{pid}/stat"
    ))?))
}

/// Parses a line of `/proc/PID/stat`; the name stands in parentheses and may hold any byte.
fn parse_stat(line: &str) -> Option<Stat> {
    let (pid, rest) = line.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Stat {
        pid: pid.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        state: fields.first()?.chars().next()?,
        name: name.to_owned(),
        terminal: fields.get(4)?.parse().ok()?,
        threads: fields.get(17)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// All descendants of `root`, children before grandchildren, without `root` itself and without
/// strangers and theirs.
///
/// Where `root` is a child subreaper, a process whose parent ends meanwhile is handed to `root`,
/// so its children are looked at again after all others; in a storm of forks some are missed.
///
/// Reads `/proc/PID/task/TID/children`, which costs one small file for each thread of the
/// tree; where the kernel was built without it (`CONFIG_PROC_CHILDREN`), all processes of the
/// host are read instead.
pub fn descendants(root: i32, is_stranger: impl Fn(i32) -> bool) -> Vec<i32> {
    let known = if lists_children(root) {
        None
    } else {
        Some(children_by_scan())
    };
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for _ in 0..LOOKS_MAX {
        let before = found.len();
        let mut next = vec![root];
        while let Some(parent) = next.pop() {
            let children = match &known {
                Some(known) => known.get(&parent).cloned().unwrap_or_default(),
                None => listed_children(parent),
            };
            for child in children {
                if seen.insert(child) && !is_stranger(child) {
                    found.push(child);
                    next.push(child);
                }
            }
        }
        if found.len() == before {
            break;
        }
    }
    found
}

/// The children of a process, zombies among them.
pub fn children(parent: i32) -> Vec<i32> {
    if lists_children(parent) {
        listed_children(parent)
    } else {
        children_by_scan().remove(&parent).unwrap_or_default()
    }
}

fn lists_children(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}/task/{pid}/children")).exists()
}

fn listed_children(parent: i32) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let list = read(&thread.path().join("children").to_string_lossy()).unwrap_or_default();
        let list = String::from_utf8_lossy(&list);
        children.extend(
            list.split_ascii_whitespace()
                .filter_map(|pid| pid.parse::<i32>().ok()),
        );
    }
    children
}

fn children_by_scan() -> HashMap<i32, Vec<i32>> {
    let mut known: HashMap<i32, Vec<i32>> = HashMap::new();
    for process in all().into_iter().filter_map(stat) {
        known.entry(process.parent).or_default().push(process.pid);
    }
    known
}

/// The ids of all processes that `/proc` shows.
pub fn all() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Whether the environment that `pid` was started with holds `NAME=value`.
///
/// `false` where it cannot be read: another user's process, or a program that wrote over it.
pub fn environment_holds(pid: i32, variable: &str) -> bool {
    read(&format!("/proc/{pid}/environ")).is_some_and(|bytes| {
        bytes
            .split(|byte| *byte == 0)
            .any(|held| held == variable.as_bytes())
    })
}

/// Resident memory of a process in KiB; 0 if it is gone.
pub fn resident_kib(pid: i32) -> u64 {
    let statm = read(&format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = String::from_utf8_lossy(&statm)
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0);
    pages.saturating_mul(rustix::param::page_size() as u64) / 1024
}

/// How many users have a process that waits in the kernel and cannot be interrupted, and whose first
/// argument is `argument`.
///
/// Looks at every process of the host.
pub fn users_stuck_in(argument: &str) -> usize {
    let is_stuck = |pid: &i32| stat(*pid).is_some_and(|found| found.state == 'D');
    let is_meant = |pid: &i32| has_first_argument(*pid, argument);
    let user = |pid: i32| {
        let found = std::fs::metadata(format!("/proc/{pid}")).ok()?;
        Some(std::os::unix::fs::MetadataExt::uid(&found))
    };
    let stuck = all().into_iter().filter(is_stuck).filter(is_meant);
    let users: std::collections::BTreeSet<u32> = stuck.filter_map(user).collect();
    users.len()
}

/// Whether a process runs the same program as this one, with `argument` as its first one.
///
/// The same is what has the same path: after an upgrade older and newer ones run side by side. A
/// process that merely calls itself so is another program.
pub fn is_own_program(pid: i32, argument: &str) -> bool {
    let program = |process: &str| {
        let path = std::fs::read_link(format!("/proc/{process}/exe")).ok()?;
        let path = path.to_string_lossy();
        Some(path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned())
    };
    let found = program(&pid.to_string());
    found.is_some() && found == program("self") && has_first_argument(pid, argument)
}

fn has_first_argument(pid: i32, argument: &str) -> bool {
    let line = read(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(argument.as_bytes())
}

/// The kernel function that a process waits in, for one that cannot be killed.
pub fn waits_in(pid: i32) -> String {
    let name = read(&format!("/proc/{pid}/wchan")).unwrap_or_default();
    String::from_utf8_lossy(&name).into_owned()
}

/// Sends a signal to a process, unless its id has meanwhile been given to another one.
///
/// `started` is the start time in ticks that the process was seen with.
pub fn signal(pid: i32, started: u64, signal: Signal) {
    let unchanged = || stat(pid).is_some_and(|found| found.started == started);
    // A process that ended on its own in between is what was wanted.
    signal_if(pid, signal, unchanged).ok();
}

/// Sends a signal to a process if `is_right` says so once its id is pinned; `false` if it was not
/// sent, since it is not right or the process is gone.
pub fn signal_if(pid: i32, signal: Signal, is_right: impl Fn() -> bool) -> std::io::Result<bool> {
    let Some(id) = Pid::from_raw(pid) else {
        return Ok(false);
    };
    let sent = match rustix::process::pidfd_open(id, PidfdFlags::empty()) {
        Ok(pinned) if is_right() => rustix::process::pidfd_send_signal(pinned, signal),
        // Kernels before 5.3 have no pidfd.
        Err(Errno::NOSYS) if is_right() => rustix::process::kill_process(id, signal),
        Ok(_) | Err(Errno::NOSYS) => return Ok(false),
        Err(error) => Err(error),
    };
    match sent {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Sets the I/O scheduling class of this process, by `ionice(1)`: no crate of ours has the system call.
pub fn set_io_class(class: IoNice) -> rustix::io::Result<()> {
    let arguments = match class {
        IoNice::Idle => vec!["-c3".to_owned()],
        IoNice::BestEffort(level) => vec!["-c2".to_owned(), format!("-n{level}")],
        IoNice::Realtime(level) => vec!["-c1".to_owned(), format!("-n{level}")],
    };
    #[expect(clippy::disallowed_methods, reason = "it is no job, and ends at once")]
    let status = std::process::Command::new("ionice")
        .args(arguments)
        .args(["-p", &std::process::id().to_string()])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Errno::PERM),
        Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    }
}

/// Names of the ancestors of this process, parent first; `None` where `/proc` hides them.
pub fn ancestors() -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut pid = rustix::process::getppid()?.as_raw_pid();
    while pid > 0 && names.len() < ANCESTORS_MAX {
        let found = stat(pid)?;
        names.push(found.name);
        pid = found.parent;
    }
    Some(names)
}

/// When this process was started, in ticks since boot; 0 where `/proc` does not tell.
pub fn own_start() -> u64 {
    stat(std::process::id().cast_signed()).map_or(0, |own| own.started)
}

/// Whether this process is in the foreground of the terminal that it reads from.
pub fn is_in_foreground() -> bool {
    let foreground = rustix::termios::tcgetpgrp(std::io::stdin());
    foreground.is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Whether this process has a controlling terminal.
pub fn has_terminal() -> bool {
    stat(std::process::id().cast_signed()).is_some_and(|own| own.terminal != 0)
}

/// The signals that this process was started to ignore, as `nohup(1)` does with HUP.
#[derive(Debug, Clone, Copy)]
pub struct IgnoredSignals(u64);

impl IgnoredSignals {
    /// Reads them; none where `/proc` does not tell.
    pub fn read() -> Self {
        let status = read("/proc/self/status").unwrap_or_default();
        let mask = String::from_utf8_lossy(&status)
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        Self(mask.unwrap_or(0))
    }

    /// Whether `signal` is among them.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & (1 << (signal.as_raw() - 1)) != 0
    }
}

fn read(path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)
        .ok()?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = "42 (a) R (b) Z 7 42 42 34816 42 4194304 1 0 0 0 0 0 0 0 20 0 2 0 9876 1 1";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.pid, stat.parent, stat.state), (42, 7, 'Z'));
        assert!(stat.is_alive(), "its second thread is");
        assert_eq!(
            (stat.name.as_str(), stat.terminal, stat.started),
            ("a) R (b", 34816, 9876)
        );
    }

    #[test]
    fn this_process_is_among_all_and_is_resident() {
        let own = std::process::id().cast_signed();
        assert!(all().contains(&own));
        assert!(resident_kib(own) > 0);
        assert_eq!(stat(own).unwrap().pid, own);
    }
}
