//! Faults at random, and kill -9 at random points: in the end the share is the spool, byte for byte.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use grease_testkit::length::rounds;
use grease_testkit::sandbox::wait_until;
use rustix::process::Signal;
use serde_json::Value;

use super::{Host, end, kill};

/// Numbers that look random and are the same in every run (xorshift64, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Faults, one set for each round.
pub(super) const FAULTS: [&str; 8] = [
    "write,fsync,open,create,mkdir,getattr,lookup,read,link,rename=EIO%5",
    "fsync=lose:ENOSPC%30 write=ENOSPC%10",
    "write,fsync,getattr=ESTALE%20",
    "open-write,create,mkdir,link=EROFS%40",
    "write=EDQUOT%30",
    "fsync@/logs/=drop-tail%20",
    "link,rename,create,mkdir,write=done:EIO%10",
    "write=sleep:0.05 fsync=sleep:0.02",
];

pub(super) fn pause(time: Duration) {
    let since = Instant::now();
    wait_until("its moment has come", || since.elapsed() >= time);
}

#[test]
fn whatever_fails_and_whoever_is_killed_the_share_ends_as_the_spool() {
    let Some(host) = Host::new() else {
        return;
    };
    host.waits("0s");
    let mut dice = Dice(0x5eed_0001);
    for round in 0..rounds(16) {
        host.share.rules(FAULTS[round as usize % FAULTS.len()]);
        let bytes = 1 + dice.below(300_000);
        let code = dice.below(3);
        let script = format!("head -c {bytes} /dev/urandom; echo done >&2; exit {code}");
        let run = host.shell(&script).start();
        pause(Duration::from_millis(dice.below(120)));
        host.kill_shipper();
        let finished = run.finish();
        assert_eq!(
            finished.code,
            i32::try_from(code).ok(),
            "{}",
            finished.err()
        );
        pause(Duration::from_millis(dice.below(120)));
        host.kill_shipper();
    }
    host.recover();
    host.assert_arrives();
    let runs = host.sandbox.sealed().len();
    assert_eq!(runs, rounds(16) as usize + 1);
    assert_eq!(host.files("logs").len(), runs, "each log once");
}

#[test]
fn a_greaserun_that_is_killed_at_any_moment_is_on_the_share_with_its_end() {
    let Some(host) = Host::new() else {
        return;
    };
    host.waits("0s");
    let mut dice = Dice(0x5eed_0002);
    for _ in 0..rounds(20) {
        let script = "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 0.01; done";
        let running = host.shell(script).start();
        pause(Duration::from_millis(dice.below(150)));
        running.signal(Signal::KILL); // One that has ended is not reaped yet, and not disturbed.
        running.finish();
    }
    host.waits("30s");
    host.run("echo the next one completes what they left");
    host.assert_arrives();
    for end in ends(&host) {
        assert!(
            end["result"] == "success" || end["error"] == "supervisor-killed",
            "{end}"
        );
    }
}

/// The end of each run, which the index on the share has once.
#[track_caller]
fn ends(host: &Host) -> Vec<Value> {
    let read = |path: &PathBuf| fs_err::read_to_string(path).unwrap();
    let index: String = host.files("index").iter().map(read).collect();
    let ends: Vec<Value> = host.sandbox.sealed().iter().map(|run| end(run)).collect();
    for end in &ends {
        let id = end["run"].as_str().unwrap();
        let lines = index.lines().filter(|line| line.contains(id));
        let lines = lines.filter(|line| line.contains("\"event\":\"end\""));
        assert_eq!(lines.count(), 1, "{id}");
    }
    ends
}

#[test]
fn whichever_process_is_killed_at_any_moment_each_run_is_on_the_share_with_its_end() {
    let Some(host) = Host::new() else {
        return;
    };
    host.waits("0s");
    let mut dice = Dice(0x5eed_0004);
    for _ in 0..rounds(20) {
        let script = "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 0.01; done; exit 3";
        let running = host.shell(script).start();
        pause(Duration::from_millis(dice.below(150)));
        // Greaserun, the job, what the job started, the shipper, or what is about to become one.
        let processes = host.sandbox.processes();
        if let Some(any) = dice.below(1 << 20).checked_rem(processes.len() as u64) {
            kill(processes[usize::try_from(any).unwrap()]);
        }
        running.finish();
    }
    host.waits("30s");
    host.run("echo the next one completes what they left");
    host.assert_arrives();
    let runs = ends(&host).len();
    let most = rounds(20) as usize + 1;
    // One that was killed at its very beginning was no run yet.
    assert!(runs <= most && runs > most / 2, "{runs} of {most}");
}

#[test]
fn a_shipper_that_is_killed_at_any_moment_is_followed_by_another_and_nothing_is_there_twice() {
    let Some(host) = Host::new() else {
        return;
    };
    host.waits("0s");
    let mut dice = Dice(0x5eed_0003);
    for round in 0..rounds(20) {
        host.run(&format!(
            "head -c {} /dev/zero | tr '\\0' x; echo {round}",
            dice.below(600_000)
        ));
        pause(Duration::from_millis(dice.below(60)));
        host.kill_shipper();
    }
    host.recover();
    host.assert_arrives();
    assert_eq!(host.files("logs").len(), rounds(20) as usize + 1);
}

#[test]
fn a_shipper_that_is_killed_during_a_long_run_is_replaced_during_that_run() {
    let Some(host) = Host::new() else {
        return;
    };
    let running = host.start("while test ! -e go; do echo line; sleep 0.01; done");
    wait_until("its log is on the share", || !host.files("logs").is_empty());
    for _ in 0..2 {
        host.kill_shipper();
        wait_until("another one ships", || !host.shippers().is_empty());
    }
    let length = || {
        let logs = host.files("logs");
        logs.iter()
            .map(|log| fs_err::metadata(log).unwrap().len())
            .sum::<u64>()
    };
    let before = length();
    wait_until("the log goes on", || length() > before);
    host.release(running);
    let run = host.sandbox.sealed().pop().unwrap();
    assert_eq!(end(&run)["leftovers"], 0, "a shipper is none of the job's");
    assert!(!host.shippers().is_empty(), "nor is it ended with the job");
    host.assert_arrives();
}
