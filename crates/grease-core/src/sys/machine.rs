//! How loaded this machine is: load average, memory, pressure, disks, processes.
//!
//! A signal that cannot be read is absent, never nothing and never too much; why it is absent is
//! told once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sysinfo::{MemoryRefreshKind, System};

use super::fs::read_bounded;
use crate::model::SHIPPER;

/// Largest file that is read here.
const BYTES_MAX: u64 = 64 * 1024;

/// Where the kernel tells pressure stall information.
const PRESSURE: &str = "/proc/pressure";

/// Where control groups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// What was read at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Machine {
    /// CPUs that this process may use (affinity and quota of its control group).
    pub cpus: u32,
    /// The load average of one minute; absent in a container that has fewer CPUs than the host,
    /// since it is the host's.
    pub load1: Option<f64>,
    /// Memory.
    pub memory: Option<Memory>,
    /// % of 10 s in which some task waited for memory.
    pub memory_some_avg10: Option<f64>,
    /// % of 10 s in which all tasks waited for memory.
    pub memory_full_avg10: Option<f64>,
    /// % of 60 s in which all tasks waited for I/O.
    pub io_full_avg60: Option<f64>,
    /// % of 60 s in which some task waited for a CPU.
    pub cpu_some_avg60: Option<f64>,
    /// Processes that still fit into the control group, and its limit; absent without one.
    pub processes: Option<(u64, u64)>,
    /// Tasks that run or could.
    pub runnable: Option<u64>,
    /// Tasks in uninterruptible waits.
    pub blocked: Option<u64>,
    /// Processes of ours that hang on the share: they count in the load and take no CPU. None as
    /// long as nobody has looked, see [`Machine::look_for_stuck`].
    pub stuck: Option<usize>,
    /// The file systems that are written to.
    pub disks: Vec<Disk>,
    /// Signals that cannot be read, with the reason.
    pub unreadable: BTreeMap<String, String>,
}

/// Memory, the smaller of what the host and the control group have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// All of it, bytes.
    pub total_bytes: u64,
    /// What can be had without swapping, bytes.
    pub available_bytes: u64,
    /// All swap space, bytes.
    pub swap_total_bytes: u64,
    /// Free swap space, bytes.
    pub swap_free_bytes: u64,
}

impl Memory {
    /// The part of the swap space that is free; absent without any.
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    pub fn swap_free_percent(&self) -> Option<f64> {
        let total = self.swap_total_bytes;
        (total > 0).then(|| 100.0 * self.swap_free_bytes as f64 / total as f64)
    }
}

/// A file system that is written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// What is written there.
    pub place: Place,
    /// Where it is.
    pub path: String,
    /// Its size, bytes.
    pub total_bytes: u64,
    /// What this user may still write, bytes.
    pub free_bytes: u64,
    /// Free inodes and all; absent where they are not counted.
    pub inodes: Option<(u64, u64)>,
}

/// What is written to a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Scratch directories.
    Scratch,
    /// Artifacts.
    Cache,
    /// Logs and records.
    Spool,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Scratch => "scratch",
            Self::Cache => "cache",
            Self::Spool => "spool",
        })
    }
}

impl Machine {
    /// Looks for processes of ours that hang on the share, at most one for each user: a look at all
    /// processes, so only where the load is in the way. Returns whether there are any.
    pub fn look_for_stuck(&mut self) -> bool {
        let stuck = *self
            .stuck
            .get_or_insert_with(|| super::process::users_stuck_in(SHIPPER));
        stuck > 0
    }
}

/// Reads all signals; the places need not exist yet.
pub fn read(places: &[(Place, PathBuf)]) -> Machine {
    let mut unreadable = BTreeMap::new();
    let cpus = cpus();
    let pressure = |name: &str| Pressure::read(name);
    let mut note = |signal: &str, why: String| {
        unreadable.insert(signal.to_owned(), why);
    };
    let load1 = match load1(cpus) {
        Ok(load1) => load1,
        Err(why) => {
            note("load", why);
            None
        }
    };
    let mut of = |name: &str| match pressure(name) {
        Ok(pressure) => pressure,
        Err(why) => {
            note(&format!("pressure {name}"), why);
            Pressure::default()
        }
    };
    let (cpu, memory_pressure, io) = (of("cpu"), of("memory"), of("io"));
    let groups = read_bounded(Path::new("/proc/self/cgroup"), BYTES_MAX).unwrap_or_default();
    let memory = match memory(&groups) {
        Ok(memory) => Some(memory),
        Err(why) => {
            note("memory", why);
            None
        }
    };
    let mut disks = Vec::new();
    for (place, path) in places {
        match disk(*place, path) {
            Ok(disk) => disks.push(disk),
            Err(error) => note(&format!("disk {place}"), error.to_string()),
        }
    }
    let (runnable, blocked) = tasks();
    Machine {
        cpus,
        load1,
        memory,
        memory_some_avg10: memory_pressure.some_avg10,
        memory_full_avg10: memory_pressure.full_avg10,
        io_full_avg60: io.full_avg60,
        cpu_some_avg60: cpu.some_avg60,
        processes: processes(&groups),
        runnable,
        blocked,
        stuck: None,
        disks,
        unreadable,
    }
}

/// CPUs that this process may use, at least one.
pub fn cpus() -> u32 {
    let found = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(found).unwrap_or(u32::MAX)
}

fn load1(cpus: u32) -> Result<Option<f64>, String> {
    // All that the machine has, whatever this process may use of it.
    let online = read_bounded(Path::new("/sys/devices/system/cpu/online"), BYTES_MAX);
    let of_host = online.ok().and_then(|list| count_of_list(list.trim()));
    if of_host.is_some_and(|of_host| of_host > cpus) {
        return Ok(None);
    }
    let text = read_bounded(Path::new("/proc/loadavg"), BYTES_MAX);
    let text = text.map_err(|error| error.to_string())?;
    load_of_one_minute(&text).map(Some)
}

/// The first number of `/proc/loadavg` (`proc_loadavg(5)`).
///
/// Read here, since [`sysinfo`] takes what is no number for nothing at all.
fn load_of_one_minute(text: &str) -> Result<f64, String> {
    let number = text.split_whitespace().next().unwrap_or_default();
    let load = number.parse::<f64>().ok();
    let load = load.filter(|load| load.is_finite() && *load >= 0.0);
    load.ok_or_else(|| format!("/proc/loadavg begins with `{number}`, which is no load"))
}

/// How many numbers a list such as `0-3,8` has (`cpuset(7)`).
fn count_of_list(list: &str) -> Option<u32> {
    list.split(',')
        .map(|range| {
            let (low, high) = range.split_once('-').unwrap_or((range, range));
            let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
            high.checked_sub(low)?.checked_add(1)
        })
        .sum()
}

fn memory(groups: &str) -> Result<Memory, String> {
    let mut system = System::new().map_err(|error| error.to_string())?;
    system.refresh_memory_specifics(MemoryRefreshKind::everything());
    let mut memory = Memory {
        total_bytes: system.total_memory(),
        available_bytes: system.available_memory(),
        swap_total_bytes: system.total_swap(),
        swap_free_bytes: system.free_swap(),
    };
    if memory.total_bytes == 0 {
        return Err("/proc/meminfo says nothing".to_owned());
    }
    for directory in directories(groups, "memory") {
        let number = |name: &str| -> Option<u64> {
            let text = read_bounded(&directory.join(name), BYTES_MAX).ok()?;
            text.trim().parse().ok()
        };
        let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"));
        let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"));
        let (Some(limit), Some(used)) = (limit, used) else {
            continue; // No limit there, or none that can be read.
        };
        if limit < memory.total_bytes {
            // The page cache of the group counts as used there, and can be had.
            let cache = inactive_file(&directory);
            memory.total_bytes = limit;
            let free = limit.saturating_sub(used.saturating_sub(cache));
            memory.available_bytes = memory.available_bytes.min(free);
        }
    }
    Ok(memory)
}

fn inactive_file(directory: &Path) -> u64 {
    let stat = read_bounded(&directory.join("memory.stat"), BYTES_MAX).unwrap_or_default();
    let line = |name: &str| {
        let value = stat.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().parse().ok()
    };
    line("total_inactive_file ")
        .or_else(|| line("inactive_file "))
        .unwrap_or(0)
}

/// The directories of this process's control group and of those above it, innermost first, by what
/// `/proc/self/cgroup` says.
fn directories(groups: &str, controller: &str) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let root = if controllers.is_empty() {
            PathBuf::from(CGROUPS)
        } else if controllers.split(',').any(|name| name == controller) {
            Path::new(CGROUPS).join(controller)
        } else {
            continue;
        };
        let own = root.join(path.trim_start_matches('/'));
        let above = own.ancestors().take_while(|above| above.starts_with(&root));
        directories.extend(above.map(Path::to_owned));
    }
    directories
}

fn processes(groups: &str) -> Option<(u64, u64)> {
    let room = |directory: &PathBuf| {
        let number = |name: &str| -> Option<u64> {
            let text = read_bounded(&directory.join(name), BYTES_MAX).ok()?;
            text.trim().parse().ok()
        };
        let limit = number("pids.max")?;
        Some((limit.saturating_sub(number("pids.current")?), limit))
    };
    directories(groups, "pids").iter().filter_map(room).min()
}

/// Runnable and blocked tasks (`proc_stat(5)`).
fn tasks() -> (Option<u64>, Option<u64>) {
    let Ok(stat) = read_bounded(Path::new("/proc/stat"), 4 << 20) else {
        return (None, None);
    };
    let number = |name: &str| {
        let value = stat.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().parse().ok()
    };
    (number("procs_running "), number("procs_blocked "))
}

fn disk(place: Place, path: &Path) -> std::io::Result<Disk> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists());
    let existing = existing.unwrap_or(Path::new("/"));
    let found = rustix::fs::statvfs(existing)?;
    Ok(Disk {
        place,
        path: path.display().to_string(),
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        inodes: (found.f_files > 0).then_some((found.f_favail, found.f_files)),
    })
}

/// One file of `/proc/pressure`.
#[derive(Debug, Default, PartialEq)]
struct Pressure {
    some_avg10: Option<f64>,
    some_avg60: Option<f64>,
    full_avg10: Option<f64>,
    full_avg60: Option<f64>,
}

impl Pressure {
    /// The file may exist and still refuse to be read (`psi=1` is not set).
    fn read(name: &str) -> Result<Self, String> {
        read_bounded(&Path::new(PRESSURE).join(name), BYTES_MAX)
            .map_err(|error| error.to_string())
            .and_then(|text| match Self::parse(&text) {
                nothing if nothing == Self::default() => Err("it says nothing known".to_owned()),
                pressure => Ok(pressure),
            })
    }

    fn parse(text: &str) -> Self {
        let value = |kind: &str, field: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
            let value = line.split(' ').find_map(|word| word.strip_prefix(field))?;
            value.parse::<f64>().ok().filter(|value| value.is_finite())
        };
        Self {
            some_avg10: value("some ", "avg10="),
            some_avg60: value("some ", "avg60="),
            full_avg10: value("full ", "avg10="),
            full_avg60: value("full ", "avg60="),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_read_as_far_as_it_makes_sense() {
        let text = "some avg10=1.50 avg60=2.25 avg300=0.00 total=9\n\
                    full avg10=0.50 avg60=oops avg300=0.00 total=4\n";
        assert_eq!(
            Pressure::parse(text),
            Pressure {
                some_avg10: Some(1.5),
                some_avg60: Some(2.25),
                full_avg10: Some(0.5),
                full_avg60: None,
            }
        );
        assert_eq!(Pressure::parse("garbage\0"), Pressure::default());
    }

    #[test]
    fn a_load_average_that_makes_no_sense_is_none_and_not_nothing() {
        assert_eq!(load_of_one_minute("0.52 0.58 0.59 1/97 3\n"), Ok(0.52));
        for text in ["", "garbage 0 0", "-1.0 0 0", "nan 0 0", "1e999 0 0"] {
            assert!(load_of_one_minute(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_of_cpus_is_counted() {
        for (list, expected) in [
            ("0", Some(1)),
            ("0-3,8", Some(5)),
            ("", None),
            ("3-1", None),
        ] {
            assert_eq!(count_of_list(list), expected, "{list}");
        }
    }

    #[test]
    fn this_machine_can_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("not/there/yet");
        let machine = read(&[(Place::Scratch, missing)]);
        assert!(machine.cpus >= 1);
        let memory = machine.memory.unwrap();
        assert!(memory.available_bytes <= memory.total_bytes, "{memory:?}");
        assert_eq!(machine.disks.len(), 1, "{:?}", machine.unreadable);
    }
}
