//! Crowds that are killed, and a machine that others load for real.

use std::time::{Duration, Instant};

use grease_testkit::component::{Component, require};
use grease_testkit::length::rounds;
use grease_testkit::sandbox::{DEADLINE, Running, Sandbox, wait_until};
use rustix::process::Signal;
use serde_json::json;

use super::faked::cpus;
use super::herd::Herd;
use super::{Tally, assert_all_is_free, guard, is_long, kept_in, kill, names, sandbox_with, shell};

/// Numbers that look random and are the same in every run (`xorshift`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

#[test]
fn kills_of_those_that_run_and_those_that_wait_leave_nothing_stuck() {
    let sandbox = sandbox_with(&json!({"max_jobs": 4}));
    let number = rounds(60).min(300) as usize;
    let run = |number: usize| {
        // Some run beside others of their job, some do not.
        let key = format!("key-{}", number % 20);
        let overlap = ["allow", "queue", "replace", "allow:2"][number % 4];
        let options = [
            "-q",
            "--max-wait",
            "forever",
            "--key",
            &key,
            "--overlap",
            overlap,
        ];
        shell(
            &sandbox,
            &options,
            "echo >> started; sleep 0.1; echo >> ended",
        )
    };
    let mut herd = Herd::start(&sandbox, []);
    let mut dice = Dice(0x5ca1_e96e_a5e0_0001);
    let mut killed = 0;
    for next in 0..number {
        herd.add(run(next));
        if next % 3 == 2 {
            let alive = herd.alive();
            if !alive.is_empty() {
                kill(alive[dice.below(alive.len())].1, Signal::KILL);
                killed += 1;
            }
        }
    }
    for ended in herd.finish() {
        // 75 is for those that a newer start of their job made superfluous.
        let expected = [None, Some(0), Some(75), Some(143)];
        assert!(expected.contains(&ended.code), "{ended:?}");
    }
    assert!(killed > number / 4, "{killed}");
    // A registration that was cut short is no run yet, and goes when it is old.
    for dir in sandbox.live() {
        if dir.extension().is_some_and(|extension| extension == "new") {
            fs_err::remove_dir_all(dir).unwrap();
        }
    }
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
    for key in 0..20 {
        let key = format!("key-{key}");
        let options = ["--key", &key, "--overlap", "forbid"];
        let finished = shell(&sandbox, &options, "exit 0").finish();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
    }
    assert_eq!(sandbox.scratches(), [""; 0].map(std::path::PathBuf::from));
    let slots = names(&guard(&sandbox, "."));
    let slots = slots.iter().filter(|name| name.starts_with("slot."));
    assert!(slots.count() <= 4, "a slot was made that nobody may take");
    for dir in sandbox.sealed() {
        let end = kept_in(&dir).end;
        assert!(end["result"].is_string(), "{} has no end", dir.display());
    }
}

/// Programs that load the machine for so many seconds, and how many tasks they are at most.
fn load_the_machine(sandbox: &Sandbox, seconds: u32) -> Option<(Running, f64)> {
    let program = require(Component::StressNg)?.path;
    let seconds = format!("{seconds}s");
    let words = [
        "--cpu",
        "4",
        "--vm",
        "1",
        "--vm-bytes",
        "256M",
        "--hdd",
        "1",
        "--temp-path",
        ".",
    ];
    let stress = sandbox.program(program).arguments(words);
    Some((stress.arguments(["--timeout", &seconds]).start(), 6.0))
}

/// The load average of one minute, as the kernel says it.
fn load1() -> f64 {
    let text = fs_err::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// For half a minute the machine is overloaded by others, while jobs arrive as out of a crontab.
#[test]
fn under_real_overload_jobs_wait_or_are_dropped_and_when_it_goes_all_that_waited_run() {
    if !is_long() {
        return; // It takes minutes.
    }
    let sandbox = sandbox_with(&json!({}));
    sandbox.config(
        r#"{"guard": {"jitter": {"mode": "none"}, "disk": {"scratch": {"min_free_pct": 0}}}}"#,
    );
    let before = load1();
    let Some((stress, others)) = load_the_machine(&sandbox, 30) else {
        return;
    };
    let begun = Instant::now();
    let mut highest = before;
    let mut herd = Herd::start(&sandbox, []);
    for number in 0..40_u32 {
        let due = Duration::from_millis(500) * number;
        wait_until("the next is due", || begun.elapsed() >= due);
        let job = format!("job-{number}");
        let wait = ["5s", "forever"][number as usize % 2];
        let options = ["--cron", "--job", &job, "--max-wait", wait];
        // Two seconds of a CPU.
        let script = "echo + >> tally; timeout 2 sh -c 'while :; do :; done'; echo - >> tally";
        herd.add(shell(&sandbox, &options, script));
        highest = highest.max(load1());
    }
    let stress = stress.finish();
    assert_eq!(stress.code, Some(0), "{}", stress.all());
    highest = highest.max(load1());
    let under_load = Tally::read(&sandbox);
    assert!(!herd.alive().is_empty(), "none has to wait");
    // The load goes slowly, and with it they come.
    let deadline = Instant::now() + DEADLINE * 4;
    while !herd.alive().is_empty() {
        assert!(
            Instant::now() < deadline,
            "{} still wait",
            herd.alive().len()
        );
        std::thread::sleep(Duration::from_millis(100));
        highest = highest.max(load1());
    }
    let limit = (1.25 * f64::from(cpus())).max(1.0 + 0.5 * f64::from(cpus()));
    let most = Tally::read(&sandbox).most;
    assert!(
        as_f64(under_load.most) <= limit && as_f64(most) <= limit + 1.0,
        "{most}"
    );
    assert!(
        highest <= before + limit + others + 1.0,
        "{before} {highest}"
    );
    let ended = herd.finish();
    for (number, ended) in ended.iter().enumerate() {
        let kept = super::only(&sandbox, &format!("job-{number}"));
        match ended.code {
            Some(0) => assert_eq!(kept.words(), ("success", "")),
            Some(75) if number % 2 == 0 => assert_eq!(kept.words().0, "skip"),
            _ => panic!("job-{number}: {ended:?}"),
        }
    }
    let dropped = ended.iter().filter(|ended| ended.code == Some(75)).count();
    assert!(dropped > 0, "none was dropped");
}

fn as_f64(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}
