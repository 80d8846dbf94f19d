//! What a run asks of the share, as a file system counts it that notes each request.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use grease_testkit::faultfs::FaultFs;

use super::host::{self, Host};
use super::{SMALL, Scene};
use crate::bench::memory::{self, MB_IN_A_MIB, Memory};
use crate::bench::{Aim, Bound};

/// For how long the kernel believes what it was told of names and files: `acregmin` of `nfs(5)`.
pub(super) const MEMORY: Duration = Duration::from_secs(3);

/// Runs whose requests are counted.
const RUNS: u32 = 20;

/// A job that fails.
const FAILING: &str = "echo runs; echo no input >&2; exit 3";

/// Silence after which nothing more is asked for what was done.
const SILENCE: Duration = Duration::from_millis(1500);

/// Requests of a run at most.
const CALLS_MAX: f64 = 20.0;

/// What some runs asked for, each on average.
struct Cost {
    name: &'static str,
    calls: f64,
    /// Without those that NFS mostly answers along with others.
    calls_but_looks: f64,
    bytes: f64,
    /// How often which request, the most frequent first.
    kinds: Vec<(String, usize)>,
}

impl Scene<'_> {
    /// The requests and the bytes of a run.
    pub(super) fn calls(&mut self, share: &FaultFs) -> Result<()> {
        host::mark(&share.backing())?;
        let runs = self.ground.rounds(RUNS);
        let host = Host::make(self.ground, "counted", Some(&share.path()))?;
        let costs = [
            cost("the first run of a host and day", &host, share, SMALL, 1)?,
            cost("a run that succeeds", &host, share, SMALL, runs)?,
            cost("a run that fails", &host, share, FAILING, runs)?,
        ];
        let shipper = *host.shippers().first().context("no shipper runs")?;
        let memory = memory::of_process(shipper)?.context("the shipper has just ended")?;
        drop(host);
        self.tell_calls(&costs, memory)
    }

    fn tell_calls(&mut self, costs: &[Cost; 3], memory: Memory) -> Result<()> {
        writeln!(
            self.body,
            "| on the share, for each run | requests | without lookup and getattr | bytes | which \
             requests, of {} runs |\n|---|--:|--:|--:|---|",
            self.ground.rounds(RUNS)
        )?;
        for cost in costs {
            let kinds = cost
                .kinds
                .iter()
                .map(|(kind, count)| format!("{kind} {count}"));
            let kinds: Vec<String> = kinds.collect();
            let (name, calls, bytes) = (cost.name, cost.calls, cost.bytes);
            let kinds = kinds.join(", ");
            let others = cost.calls_but_looks;
            writeln!(
                self.body,
                "| {name} | {calls:.1} | {others:.1} | {bytes:.0} | {kinds} |"
            )?;
        }
        let Memory {
            resident,
            anonymous,
            peak,
        } = memory;
        writeln!(
            self.body,
            "\nMemory of the shipper then: {resident:.1} MiB resident, of which {anonymous:.1} MiB are \
             not part of a file; at most {peak:.1} MiB so far."
        )?;
        self.aims.push(Aim {
            text: "at most 20 requests for a small run",
            bound: Bound::AtMost(CALLS_MAX),
            measured: Some(costs[1].calls),
            unit: "requests",
        });
        self.aims.push(Aim {
            text: "the shipper: at most 10 MB resident",
            bound: Bound::AtMost(10.0),
            measured: Some(resident * MB_IN_A_MIB),
            unit: "MB",
        });
        Ok(())
    }
}

/// Runs a job so many times, each after the last one has arrived.
fn cost(name: &'static str, host: &Host, share: &FaultFs, script: &str, runs: u32) -> Result<Cost> {
    let before = bytes_below(&share.backing())?;
    share.forget();
    for _ in 0..runs {
        host.run(script)?;
        host.until_shipped()?;
    }
    let mut count = 0;
    while share.asked().len() > count {
        count = share.asked().len();
        thread::sleep(SILENCE);
    }
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    // A close is two requests here, of which one means nothing.
    for asked in share
        .asked()
        .into_iter()
        .filter(|asked| asked.operation != "flush")
    {
        *kinds.entry(asked.operation).or_default() += 1;
    }
    let total: usize = kinds.values().sum();
    let looks = ["lookup", "getattr"].map(|kind| kinds.get(kind).copied().unwrap_or(0));
    let others = total - looks.iter().sum::<usize>();
    let mut kinds: Vec<(String, usize)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let each = |sum: u64| Ok::<_, anyhow::Error>(f64::from(u32::try_from(sum)?) / f64::from(runs));
    Ok(Cost {
        name,
        calls: each(total.try_into()?)?,
        calls_but_looks: each(others.try_into()?)?,
        bytes: each(bytes_below(&share.backing())? - before)?,
        kinds,
    })
}

/// The bytes of all files below a directory.
fn bytes_below(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        sum += match entry.file_type()? {
            kind if kind.is_dir() => bytes_below(&entry.path())?,
            kind if kind.is_file() => entry.metadata()?.len(),
            _ => 0,
        };
    }
    Ok(sum)
}
