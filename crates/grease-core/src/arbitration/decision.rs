//! May this job start here and now? A pure function of what the machine says, of what runs, and of
//! the limits.

use std::time::Duration;

use super::config::{DiskLimits, Guard};
use super::load::corrected;
use crate::model::guard::{Check, Signal};
use crate::model::jobs::{JobSettings, Priority};
use crate::model::quantity::{Bytes, Threshold};
use crate::sys::machine::{Disk, Machine, Place};

/// Load of each CPU at which a host counts as idle.
const IDLE_LOAD: f64 = 0.5;

/// % of 10 s in which some task waits for memory, above which memory is short.
const SHORT: f64 = 5.0;

/// What a job asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request {
    /// Share of the host's capacity, in CPUs.
    pub cost: f64,
    /// Memory to be set aside, bytes.
    pub mem_bytes: u64,
    /// Disk space for its scratch directory beyond the guard's limit, bytes.
    pub disk_bytes: u64,
    /// Who goes first.
    pub priority: Priority,
}

impl From<&JobSettings> for Request {
    fn from(settings: &JobSettings) -> Self {
        let bytes = |size: Option<Bytes>| size.map_or(0, Bytes::get);
        Self {
            cost: settings.cost,
            mem_bytes: bytes(settings.mem),
            disk_bytes: bytes(settings.disk),
            priority: settings.priority,
        }
    }
}

/// A job that runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Running {
    /// Share of the host's capacity, in CPUs.
    pub cost: f64,
    /// Memory that was set aside for it, bytes.
    pub mem_bytes: u64,
    /// Since its admission.
    pub since: Duration,
}

/// What runs on the host, as the slots say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Occupancy {
    /// The jobs.
    pub running: Vec<Running>,
    /// What jobs that have ended still add to the load average.
    pub residue: f64,
    /// Since the last admission; none if there was none since boot.
    pub last_start: Option<Duration>,
}

/// The limits as numbers, for one host.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// The section `guard` of the config.
    pub config: &'a Guard,
    /// CPUs that this process may use.
    pub cpus: u32,
}

/// Looks at everything that may speak against a start now; it may start if no check refuses.
///
/// `is_due` is the guarantee of progress: a job has waited for half of its time and fewer than
/// `min_running` run. Then what may come from elsewhere (load, CPU and I/O pressure) counts no more.
pub fn checks(
    request: &Request,
    machine: &Machine,
    occupancy: &Occupancy,
    limits: &Limits<'_>,
    is_due: bool,
) -> Vec<Check> {
    let has_right = is_due && occupancy.running.len() < limits.config.min_running as usize;
    let mut elsewhere: Vec<Check> = of_load(request, machine, occupancy, limits)
        .into_iter()
        .chain(of_pressure(request, machine, limits))
        .collect();
    for check in elsewhere.iter_mut().filter(|_| has_right) {
        check.refuses = false;
    }
    of_jobs(request, occupancy, limits)
        .into_iter()
        .chain(elsewhere)
        .chain(of_memory(request, machine, occupancy, limits))
        .chain(of_disk(request, machine, limits))
        .chain(of_processes(machine, limits))
        .collect()
}

/// Why the request can never be met, however idle the host is.
pub fn impossible(request: &Request, machine: &Machine, limits: &Limits<'_>) -> Option<Check> {
    let capacity = limits.config.cost_capacity.on(limits.cpus);
    let cost = at_most(
        Signal::Cost,
        request.cost,
        capacity,
        "cost of the job alone",
    );
    if cost.refuses {
        return Some(cost);
    }
    if let Some(disk) = too_much_disk(request, machine) {
        return Some(disk);
    }
    let total = machine.memory.as_ref()?.total_bytes;
    let usable = total.saturating_sub(memory_floor(limits, total));
    let what = "MiB of memory for the job alone";
    let memory = at_most(
        Signal::Memory,
        mebibytes(request.mem_bytes),
        mebibytes(usable),
        what,
    );
    memory.refuses.then_some(memory)
}

/// Disk space that is more than the whole file system has.
fn too_much_disk(request: &Request, machine: &Machine) -> Option<Check> {
    let mut disks = machine.disks.iter();
    let scratch = disks.find(|disk| disk.place == Place::Scratch)?;
    let what = format!("MiB of disk space for the job alone ({})", scratch.path);
    let disk = at_most(
        Signal::Disk,
        mebibytes(request.disk_bytes),
        mebibytes(scratch.total_bytes),
        &what,
    );
    disk.refuses.then_some(disk)
}

/// How many jobs may run for a priority: some slots are for high priority only.
pub fn slots(limits: &Limits<'_>, priority: Priority) -> usize {
    let all = limits.config.max_jobs.on(limits.cpus).max(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is at least 1, and the config bounds it"
    )]
    let all = all as usize;
    match priority {
        Priority::High => all,
        Priority::Normal | Priority::Low => all
            .saturating_sub(limits.config.reserved_high as usize)
            .max(1),
    }
}

fn of_jobs(request: &Request, occupancy: &Occupancy, limits: &Limits<'_>) -> Vec<Check> {
    let slots = slots(limits, request.priority);
    let with_it = count(occupancy.running.len() + 1);
    let cost: f64 = occupancy.running.iter().map(|job| job.cost).sum();
    let capacity = limits.config.cost_capacity.on(limits.cpus);
    let mut checks = vec![
        at_most(Signal::Jobs, with_it, count(slots), "jobs with this one"),
        at_most(
            Signal::Cost,
            cost + request.cost,
            capacity,
            "cost with this job",
        ),
    ];
    if let Some(last) = occupancy.last_start {
        let spacing = limits.config.start_spacing.get().as_secs_f64();
        let what = "seconds since the last start";
        checks.push(at_least(Signal::Spacing, last.as_secs_f64(), spacing, what));
    }
    checks
}

fn of_load(
    request: &Request,
    machine: &Machine,
    occupancy: &Occupancy,
    limits: &Limits<'_>,
) -> Option<Check> {
    let load1 = machine.load1?;
    let running = occupancy
        .running
        .iter()
        .map(|job| (job.cost, job.since.as_secs_f64()));
    // Each of those that hang counts as one that runs, and is none.
    let stuck = as_f64(machine.stuck.unwrap_or(0) as u64);
    let load = (corrected(load1, running, occupancy.residue) - stuck).max(0.0);
    let what = "corrected load with this job";
    let limit = load_limit(request, limits);
    Some(at_most(Signal::Load, load + request.cost, limit, what))
}

/// The load that there may be with the job.
///
/// A host that is idle but for half a task on each CPU takes any job that fits into its capacity:
/// on one with few CPUs a job is more than the limit for each of them allows.
pub fn load_limit(request: &Request, limits: &Limits<'_>) -> f64 {
    let by_priority = limits.config.load1_per_core;
    let per_cpu = match request.priority {
        Priority::Low => by_priority.low,
        Priority::Normal => by_priority.normal,
        Priority::High => by_priority.high,
    };
    let cpus = f64::from(limits.cpus);
    (per_cpu * cpus).max(request.cost + IDLE_LOAD * cpus)
}

fn of_pressure(request: &Request, machine: &Machine, limits: &Limits<'_>) -> Vec<Check> {
    let config = limits.config.pressure;
    let cpu = pressure(
        Signal::CpuPressure,
        machine.cpu_some_avg60,
        config.cpu_some_avg60,
        "% of the time that some task waits for a CPU",
    );
    let mut io = pressure(
        Signal::IoPressure,
        machine.io_full_avg60,
        config.io_full_avg60,
        "% of the time that all tasks wait for I/O",
    );
    if let Some(io) = &mut io {
        io.refuses &= request.priority != Priority::High;
    }
    cpu.into_iter().chain(io).collect()
}

/// A share of time, which refuses from its limit on.
fn pressure(signal: Signal, value: Option<f64>, limit: Threshold, what: &str) -> Option<Check> {
    let (value, Threshold::At(limit)) = (value?, limit) else {
        return None;
    };
    Some(Check {
        refuses: value >= limit.get(),
        ..at_most(signal, value, limit.get(), what)
    })
}

fn of_memory(
    request: &Request,
    machine: &Machine,
    occupancy: &Occupancy,
    limits: &Limits<'_>,
) -> Vec<Check> {
    let mut checks: Vec<Check> = pressure(
        Signal::MemoryPressure,
        machine.memory_full_avg10,
        limits.config.pressure.memory_full_avg10,
        "% of the time that all tasks wait for memory",
    )
    .into_iter()
    .collect();
    let Some(memory) = &machine.memory else {
        return checks;
    };
    let ramp = limits.config.memory.ramp.get();
    // What a job set aside and has had no time to take yet.
    let reserved: u64 = occupancy
        .running
        .iter()
        .filter(|job| job.since < ramp)
        .map(|job| job.mem_bytes)
        .fold(0, u64::saturating_add);
    let available = mebibytes(memory.available_bytes);
    // Less than nothing if it asks for more than there is, which no floor allows.
    let left = available - mebibytes(reserved) - mebibytes(request.mem_bytes);
    let floor = memory_floor(limits, memory.total_bytes);
    let what = "MiB of memory that this job leaves";
    checks.push(at_least(Signal::Memory, left, mebibytes(floor), what));
    if let Some(free) = memory.swap_free_percent() {
        let is_short = machine.memory_some_avg10.is_some_and(|some| some > SHORT);
        let what = "% of the swap space free";
        let mut swap = at_least(Signal::Swap, free, limits.config.swap_min_free.get(), what);
        swap.refuses &= is_short;
        checks.push(swap);
    }
    checks
}

/// Memory that must stay available, bytes.
fn memory_floor(limits: &Limits<'_>, total_bytes: u64) -> u64 {
    let config = limits.config.memory;
    let share = config.min_available.of(Bytes::new(total_bytes)).get();
    // On a small host the floor must not be all of it.
    let floor = config.floor.get().min(total_bytes / 4);
    share.clamp(floor, config.cap.get().max(floor))
}

fn of_disk(request: &Request, machine: &Machine, limits: &Limits<'_>) -> Vec<Check> {
    let places = limits.config.disk;
    machine
        .disks
        .iter()
        .flat_map(|disk| {
            let (limit, extra) = match disk.place {
                Place::Scratch => (places.scratch, request.disk_bytes),
                Place::Cache => (places.cache, 0),
                Place::Spool => (places.spool, 0),
            };
            of_one_disk(disk, &limit, extra)
        })
        .collect()
}

fn of_one_disk(disk: &Disk, limit: &DiskLimits, extra_bytes: u64) -> Vec<Check> {
    let share = limit.min_free_pct.of(Bytes::new(disk.total_bytes)).get();
    // A small file system is not all reserve.
    let min_free = limit.min_free.get().min(disk.total_bytes / 4).max(share);
    let wanted = min_free.saturating_add(extra_bytes);
    let place = format!("free for `{}` ({})", disk.place, disk.path);
    let mut checks = vec![at_least(
        Signal::Disk,
        mebibytes(disk.free_bytes),
        mebibytes(wanted),
        &format!("MiB {place}"),
    )];
    if let Some((free, total)) = disk.inodes {
        let wanted = limit.min_inodes_pct.of(Bytes::new(total)).get();
        let what = format!("inodes {place}");
        checks.push(at_least(
            Signal::Inodes,
            as_f64(free),
            as_f64(wanted),
            &what,
        ));
    }
    checks
}

fn of_processes(machine: &Machine, limits: &Limits<'_>) -> Option<Check> {
    let (room, limit) = machine.processes?;
    // A small limit is not all headroom.
    let wanted = u64::from(limits.config.pids_headroom).min(limit / 4);
    let what = "processes that still fit into the control group";
    Some(at_least(
        Signal::Processes,
        as_f64(room),
        as_f64(wanted),
        what,
    ))
}

/// A check of something that may be its limit at most. Costs such as 0.1 do not add up exactly.
pub(super) fn at_most(signal: Signal, value: f64, limit: f64, what: &str) -> Check {
    Check {
        signal,
        value,
        limit,
        at_least: false,
        what: what.to_owned(),
        refuses: value > limit + 1e-6,
    }
}

fn at_least(signal: Signal, value: f64, limit: f64, what: &str) -> Check {
    Check {
        at_least: true,
        refuses: value < limit,
        ..at_most(signal, value, limit, what)
    }
}

fn mebibytes(bytes: u64) -> f64 {
    as_f64(bytes) / f64::from(1 << 20)
}

fn count(number: usize) -> f64 {
    as_f64(number as u64)
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sys::machine::Memory;

    const GIB: u64 = 1 << 30;

    fn idle() -> Machine {
        Machine {
            cpus: 8,
            load1: Some(0.0),
            memory: Some(Memory {
                total_bytes: 64 * GIB,
                available_bytes: 60 * GIB,
                swap_total_bytes: GIB,
                swap_free_bytes: GIB,
            }),
            memory_some_avg10: Some(0.0),
            memory_full_avg10: Some(0.0),
            io_full_avg60: Some(0.0),
            cpu_some_avg60: Some(0.0),
            processes: Some((10_000, 20_000)),
            disks: vec![Disk {
                place: Place::Scratch,
                path: "/scratch".to_owned(),
                total_bytes: 500 * GIB,
                free_bytes: 400 * GIB,
                inodes: Some((1_000_000, 2_000_000)),
            }],
            ..Machine::default()
        }
    }

    fn request() -> Request {
        Request {
            cost: 1.0,
            mem_bytes: 0,
            disk_bytes: 0,
            priority: Priority::Normal,
        }
    }

    fn signals(
        request: &Request,
        machine: &Machine,
        occupancy: &Occupancy,
        config: &Guard,
        is_due: bool,
    ) -> Vec<Signal> {
        let limits = Limits {
            config,
            cpus: machine.cpus,
        };
        checks(request, machine, occupancy, &limits, is_due)
            .into_iter()
            .filter(|check| check.refuses)
            .map(|check| check.signal)
            .collect()
    }

    fn refused(machine: &Machine, occupancy: &Occupancy) -> Vec<Signal> {
        signals(&request(), machine, occupancy, &Guard::default(), false)
    }

    /// What makes an idle machine busy.
    type Change<'a> = &'a dyn Fn(&mut Machine);

    #[test]
    fn each_signal_alone_keeps_a_job_from_starting() {
        let none = Occupancy::default();
        assert_eq!(refused(&idle(), &none), []);
        let memory = |available_bytes| Memory {
            available_bytes,
            ..idle().memory.unwrap()
        };
        let disk = |free_bytes, inodes| {
            vec![Disk {
                free_bytes,
                inodes,
                ..idle().disks[0].clone()
            }]
        };
        let swapless = Memory {
            swap_free_bytes: 0,
            ..idle().memory.unwrap()
        };
        let cases: [(Signal, Change<'_>); 8] = [
            (Signal::Load, &|idle| idle.load1 = Some(9.5)),
            (Signal::Memory, &|idle| idle.memory = Some(memory(GIB))),
            (Signal::MemoryPressure, &|idle| {
                idle.memory_full_avg10 = Some(10.0);
            }),
            (Signal::IoPressure, &|idle| idle.io_full_avg60 = Some(80.0)),
            (Signal::Processes, &|idle| {
                idle.processes = Some((199, 20_000));
            }),
            (Signal::Disk, &|idle| idle.disks = disk(GIB, None)),
            (Signal::Inodes, &|idle| {
                idle.disks = disk(400 * GIB, Some((1, 2_000_000)));
            }),
            (Signal::Swap, &|idle| {
                idle.memory = Some(swapless);
                idle.memory_some_avg10 = Some(6.0);
            }),
        ];
        for (expected, change) in cases {
            let mut machine = idle();
            change(&mut machine);
            assert_eq!(refused(&machine, &none), [expected], "{machine:?}");
        }
    }

    #[test]
    fn what_hangs_on_the_share_is_no_load() {
        let loaded = |stuck| Machine {
            load1: Some(9.5),
            stuck,
            ..idle()
        };
        let none = Occupancy::default();
        assert_eq!(refused(&loaded(Some(0)), &none), [Signal::Load]);
        assert_eq!(refused(&loaded(Some(6)), &none), []);
        assert_eq!(refused(&loaded(Some(99)), &none), []);
    }

    #[test]
    fn a_small_limit_of_processes_is_not_all_headroom() {
        let container = |room| Machine {
            processes: Some((room, 128)),
            ..idle()
        };
        let none = Occupancy::default();
        assert_eq!(refused(&container(32), &none), []);
        assert_eq!(refused(&container(31), &none), [Signal::Processes]);
    }

    #[test]
    fn what_cannot_be_read_speaks_neither_for_nor_against() {
        let blind = Machine {
            cpus: 8,
            ..Machine::default()
        };
        assert_eq!(refused(&blind, &Occupancy::default()), []);
    }

    #[test]
    fn memory_that_was_set_aside_is_taken_off_until_it_is_in_use() {
        let job = |since| Running {
            cost: 0.1,
            mem_bytes: 30 * GIB,
            since: Duration::from_secs(since),
        };
        let occupancy = |since| Occupancy {
            running: vec![job(since), job(since)],
            ..Occupancy::default()
        };
        assert_eq!(refused(&idle(), &occupancy(10)), [Signal::Memory]);
        assert_eq!(refused(&idle(), &occupancy(121)), []);
    }

    #[test]
    fn an_idle_guard_makes_progress_however_loaded_the_host_is() {
        let busy = Machine {
            load1: Some(400.0),
            io_full_avg60: Some(99.0),
            ..idle()
        };
        let config = Guard::default();
        let none = Occupancy::default();
        assert_eq!(signals(&request(), &busy, &none, &config, true), []);
        let full = Machine {
            disks: vec![Disk {
                free_bytes: 0,
                ..idle().disks[0].clone()
            }],
            ..busy
        };
        assert_eq!(
            signals(&request(), &full, &none, &config, true),
            [Signal::Disk]
        );
    }

    #[test]
    fn a_job_that_is_larger_than_the_host_is_impossible() {
        let config = Guard::default();
        let limits = Limits {
            config: &config,
            cpus: 8,
        };
        let of =
            |request: Request| impossible(&request, &idle(), &limits).map(|reason| reason.signal);
        assert_eq!(of(request()), None);
        let costly = Request {
            cost: 16.1,
            ..request()
        };
        assert_eq!(of(costly), Some(Signal::Cost));
        let large = Request {
            mem_bytes: 63 * GIB,
            ..request()
        };
        assert_eq!(of(large), Some(Signal::Memory));
        let bulky = Request {
            disk_bytes: 501 * GIB,
            ..request()
        };
        assert_eq!(of(bulky), Some(Signal::Disk));
    }

    fn any_machine() -> impl Strategy<Value = Machine> {
        (
            1..64_u32,
            0.0..100.0_f64,
            0..64_u64,
            0.0..100.0_f64,
            0.0..100.0_f64,
            0..500_u64,
        )
            .prop_map(|(cpus, load, gib, memory, io, disk)| Machine {
                cpus,
                load1: Some(load),
                memory: Some(Memory {
                    available_bytes: gib * GIB,
                    ..idle().memory.unwrap()
                }),
                memory_full_avg10: Some(memory),
                io_full_avg60: Some(io),
                disks: vec![Disk {
                    free_bytes: disk * GIB,
                    ..idle().disks[0].clone()
                }],
                ..idle()
            })
    }

    fn any_occupancy() -> impl Strategy<Value = Occupancy> {
        let job = (0.1..4.0_f64, 0..8_u64, 0..300_u64).prop_map(|(cost, gib, since)| Running {
            cost,
            mem_bytes: gib * GIB,
            since: Duration::from_secs(since),
        });
        (proptest::collection::vec(job, 0..20), 0.0..10.0_f64).prop_map(|(running, residue)| {
            Occupancy {
                running,
                residue,
                last_start: None,
            }
        })
    }

    proptest! {
        #[test]
        fn an_admitted_job_never_takes_the_host_over_its_capacity(
            machine in any_machine(), occupancy in any_occupancy(), cost in 0.1..8.0_f64, due: bool,
        ) {
            let request = Request { cost, ..request() };
            let config = Guard::default();
            if signals(&request, &machine, &occupancy, &config, due).is_empty() {
                let sum: f64 = occupancy.running.iter().map(|job| job.cost).sum();
                prop_assert!(sum + cost <= 2.0 * f64::from(machine.cpus) + 1e-6);
                prop_assert!(occupancy.running.len() < 4 * machine.cpus as usize);
            }
        }

        #[test]
        fn an_idle_host_takes_any_job_that_fits(
            cpus in 1..256_u32, share in 0.0..1.0_f64, load in 0.0..0.5_f64, priority in 0..3_usize,
        ) {
            let machine = Machine {
                cpus,
                load1: Some(load * f64::from(cpus)),
                ..idle()
            };
            let priority = [Priority::Low, Priority::Normal, Priority::High][priority];
            let cost = (2.0 * f64::from(cpus) * share).max(0.01);
            let request = Request { cost, priority, ..request() };
            let refused = signals(
                &request, &machine, &Occupancy::default(), &Guard::default(), false,
            );
            prop_assert_eq!(refused, []);
        }

        #[test]
        fn more_load_or_less_room_never_admits_what_was_refused(
            machine in any_machine(), occupancy in any_occupancy(), more in 0.0..50.0_f64,
        ) {
            let worse = Machine {
                load1: machine.load1.map(|load| load + more),
                io_full_avg60: machine.io_full_avg60.map(|io| io + more),
                cpu_some_avg60: machine.cpu_some_avg60.map(|cpu| cpu + more),
                memory_full_avg10: machine.memory_full_avg10.map(|memory| memory + more),
                memory_some_avg10: machine.memory_some_avg10.map(|memory| memory + more),
                processes: machine.processes.map(|(room, limit)| (room / 2, limit)),
                memory: machine.memory.map(|memory| Memory {
                    available_bytes: memory.available_bytes / 2,
                    swap_free_bytes: memory.swap_free_bytes / 2,
                    ..memory
                }),
                disks: machine
                    .disks
                    .iter()
                    .map(|disk| Disk {
                        free_bytes: disk.free_bytes / 2,
                        inodes: disk.inodes.map(|(free, total)| (free / 2, total)),
                        ..disk.clone()
                    })
                    .collect(),
                ..machine.clone()
            };
            let before = refused(&machine, &occupancy);
            let after = refused(&worse, &occupancy);
            for signal in before {
                prop_assert!(after.contains(&signal), "{signal:?}");
            }
        }
    }
}
