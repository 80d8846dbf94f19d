//! Days and logs on a share, as they really are on a disk.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::tz::TimeZone;

use super::*;

/// A share with one user, `etl`.
struct Share(tempfile::TempDir);

impl Share {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs_err::create_dir(place.path().join("etl")).unwrap();
        Self(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("etl").join(name)
    }

    /// The day that many days ago.
    fn day(ago: i32) -> String {
        let today = Timestamp::now().to_zoned_datetime(TimeZone::UTC).date();
        (today - ago.days()).to_string()
    }

    /// A run of `job` that many days ago; returns the path of its log, below the user's directory.
    fn run(&self, job: &str, ago: i32, has_failed: bool) -> String {
        let (day, run) = (Self::day(ago), RunId::new());
        let log = format!("{day}/logs/{job}/120000Z-h-{run}.log");
        self.write(&log, &log_text(5));
        self.write(&format!("{day}/index/h.jsonl"), "{}\n");
        if has_failed {
            self.write(
                &format!("{day}/failed/120000Z-{job}-h-{run}.txt"),
                "digest\n",
            );
        }
        let age = Duration::from_hours(24) * u32::try_from(ago).unwrap();
        let file = fs_err::OpenOptions::new()
            .write(true)
            .open(self.path(&log))
            .unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        log
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn root(&self) -> Dir {
        Dir::open(self.0.path()).unwrap()
    }

    fn pass(&self, retention: &Retention, manner: Manner) -> Report {
        self.pass_within(retention, manner, Budget::default())
    }

    fn pass_within(&self, retention: &Retention, manner: Manner, budget: Budget) -> Report {
        pass(&self.root(), "etl", retention, manner, budget)
            .unwrap()
            .1
    }

    /// All files, below the user's directory.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut dirs = vec![self.path("")];
        while let Some(dir) = dirs.pop() {
            for entry in fs_err::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    dirs.push(path);
                } else {
                    let name = path.strip_prefix(self.path("")).unwrap();
                    found.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        found.retain(|name| !name.ends_with(WEIGHT));
        found.sort();
        found
    }
}

fn log_text(lines: usize) -> String {
    let mut text = String::new();
    for line in 0..lines {
        text.push_str("2026-11-24T10:00:00.000000Z stdout F line ");
        text.push_str(&line.to_string());
        text.push_str(" of many\n");
    }
    text.push_str("2026-11-24T10:00:00.000000Z stderr F greaserun: end {\"v\":1}\n");
    text
}

fn unzipped(path: &Path) -> String {
    let bytes = fs_err::read(path).unwrap();
    String::from_utf8(zstd::stream::decode_all(&bytes[..]).unwrap()).unwrap()
}

#[test]
fn old_days_go_and_failed_runs_stay_longer() {
    let share = Share::new();
    let retention = Retention {
        compress_days: 1000,
        ..Retention::default()
    };
    let new = share.run("etl", 1, false);
    share.run("etl", 40, false);
    let failed = share.run("etl", 40, true);
    share.run("gone", 40, false);
    share.run("etl", 100, true);
    let report = share.pass(&retention, Manner::Now);
    assert_eq!(
        (report.problems.len(), report.more),
        (0, false),
        "{report:?}"
    );
    let (day, digest) = (
        Share::day(40),
        failed
            .replace("/logs/etl/", "/failed/")
            .replace("Z-h-", "Z-etl-h-")
            .replace(".log", ".txt"),
    );
    let mut expected = [
        new,
        format!("{}/index/h.jsonl", Share::day(1)),
        failed,
        digest,
        format!("{day}/index/h.jsonl"),
    ];
    expected.sort();
    assert_eq!(share.files(), expected);
    assert!(!share.path(&format!("{day}/logs/gone")).exists());
    assert_eq!(
        share.pass(&retention, Manner::Now).unlinked,
        0,
        "the second time there is nothing to do"
    );
}

#[test]
fn a_pass_ends_with_its_budget_and_the_next_goes_on() {
    let share = Share::new();
    for _ in 0..25 {
        share.run("etl", 100, false);
    }
    let mut passes = 0;
    loop {
        let budget = Budget {
            unlinks: 10,
            ..Budget::default()
        };
        let report = share.pass_within(&Retention::default(), Manner::Now, budget);
        assert!(report.unlinked <= 10, "{report:?}");
        assert!(
            !share.path(&Share::day(100)).exists(),
            "it is out of sight at once"
        );
        passes += 1;
        if !report.more {
            break;
        }
    }
    assert!((3..=5).contains(&passes), "{passes}");
    assert_eq!(fs_err::read_dir(share.path("")).unwrap().count(), 0);
}

#[test]
fn one_host_does_it_on_a_day() {
    let share = Share::new();
    share.run("etl", 100, false);
    assert!(share.pass(&Retention::default(), Manner::Daily).unlinked > 0);
    share.run("etl", 100, false);
    assert_eq!(
        share.pass(&Retention::default(), Manner::Daily),
        Report::default()
    );
    // Whoever did not finish lets the next one go on.
    let share = Share::new();
    share.run("etl", 100, false);
    let budget = Budget {
        unlinks: 1,
        ..Budget::default()
    };
    assert!(
        share
            .pass_within(&Retention::default(), Manner::Daily, budget)
            .more
    );
    assert!(!share.pass(&Retention::default(), Manner::Daily).more);
    assert_eq!(share.files(), [""; 0]);
}

#[test]
fn nothing_outside_is_touched_whatever_stands_in_the_way() {
    let share = Share::new();
    let outside = share.0.path().join("outside");
    fs_err::create_dir_all(outside.join("logs/etl")).unwrap();
    fs_err::write(
        outside.join("logs/etl/120000Z-h-01KB00000000000000000000AB.log"),
        log_text(1),
    )
    .unwrap();
    let link = |target: &Path, name: &str| {
        let path = share.path(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    };
    let (old, thin) = (Share::day(100), Share::day(40));
    link(&outside, &Share::day(101));
    link(&outside, ".trash-x");
    link(&outside, &format!("{old}/logs"));
    link(&outside.join("logs"), &format!("{thin}/logs"));
    link(
        &outside.join("logs/etl"),
        &format!("{}/logs/etl", Share::day(41)),
    );
    share.write("2026-99-99/file", "no day");
    share.write("other/file", "no day");
    let report = share.pass(&Retention::default(), Manner::Now);
    let log = outside.join("logs/etl/120000Z-h-01KB00000000000000000000AB.log");
    assert_eq!(fs_err::read_to_string(log).unwrap(), log_text(1));
    assert!(!share.path(&old).exists(), "{report:?}");
    assert!(share.path("2026-99-99/file").exists() && share.path("other/file").exists());
}

#[test]
fn old_logs_are_compressed_in_frames_and_come_out_as_they_went_in() {
    let share = Share::new();
    let small = share.run("etl", 10, false);
    let large = share.run("etl", 10, true);
    let text = log_text(60_000);
    let modified = fs_err::metadata(share.path(&large))
        .unwrap()
        .modified()
        .unwrap();
    fs_err::write(share.path(&large), &text).unwrap();
    let file = fs_err::OpenOptions::new()
        .write(true)
        .open(share.path(&large))
        .unwrap();
    file.set_modified(modified).unwrap();
    let recent = share.run("etl", 5, false);
    let report = share.pass(&Retention::default(), Manner::Now);
    assert_eq!(
        (report.compressed, report.problems.len()),
        (2, 0),
        "{report:?}"
    );
    assert!(report.saved_bytes > text.len() as u64 / 2);
    assert_eq!(unzipped(&share.path(&format!("{small}.zst"))), log_text(5));
    let zipped = share.path(&format!("{large}.zst"));
    assert_eq!(unzipped(&zipped), text);
    let frames = fs_err::read(&zipped).unwrap();
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let count = frames.windows(4).filter(|window| *window == magic).count();
    assert_eq!(count, text.len().div_ceil(1 << 20));
    assert!(share.path(&recent).exists() && !share.path(&large).exists());
    assert!(!share.files().iter().any(|name| name.contains(".tmp")));
}

#[test]
fn a_log_without_an_end_or_written_lately_or_of_a_live_run_stays_plain() {
    let share = Share::new();
    let endless = share.run("etl", 10, false);
    fs_err::write(
        share.path(&endless),
        "2026-11-24T10:00:00.000000Z stdout F working\n",
    )
    .unwrap();
    let old = SystemTime::now() - Duration::from_hours(240);
    fs_err::OpenOptions::new()
        .write(true)
        .open(share.path(&endless))
        .unwrap()
        .set_modified(old)
        .unwrap();
    let late = share.run("etl", 10, false);
    fs_err::write(share.path(&late), log_text(5)).unwrap();
    let live = share.run("etl", 10, false);
    let run = run_of(&live).unwrap();
    share.write(
        "hosts/h.json",
        &format!("{{\"v\":1,\"live\":[\"{run}\"]}}{}", " ".repeat(4000)),
    );
    let report = share.pass(&Retention::default(), Manner::Now);
    assert_eq!(
        (report.compressed, report.problems.len()),
        (0, 0),
        "{report:?}"
    );
    for log in [endless, late, live] {
        assert!(share.path(&log).exists());
    }
}

#[test]
fn the_link_to_the_last_log_goes_on_to_lead_to_it() {
    let share = Share::new();
    let log = share.run("etl", 10, false);
    let gone = share.run("old", 100, false);
    fs_err::create_dir(share.path("latest")).unwrap();
    for (job, log) in [("etl", &log), ("old", &gone)] {
        std::os::unix::fs::symlink(
            format!("../{log}"),
            share.path(&format!("latest/{job}.log")),
        )
        .unwrap();
    }
    share.pass(&Retention::default(), Manner::Now);
    assert_eq!(unzipped(&share.path("latest/etl.log")), log_text(5));
    assert!(share.path("latest/old.log").symlink_metadata().is_err());
}

#[test]
fn a_days_size_is_counted_once_and_the_largest_total_holds() {
    let share = Share::new();
    for ago in [3, 4, 5] {
        let log = share.run("etl", ago, false);
        fs_err::write(share.path(&log), log_text(1000)).unwrap();
    }
    let max_size = crate::model::quantity::Bytes::new(2 * log_text(1000).len() as u64 + 1000);
    let retention = Retention {
        max_size,
        ..Retention::default()
    };
    let report = share.pass(&retention, Manner::Now);
    assert_eq!(report.problems.len(), 0);
    let is_there = |ago| share.path(&Share::day(ago)).exists();
    assert_eq!([is_there(5), is_there(4), is_there(3)], [false, true, true]);
    let weight =
        fs_err::read_to_string(share.path(&format!("{}/{WEIGHT}", Share::day(4)))).unwrap();
    assert!(weight.trim().parse::<usize>().unwrap() > log_text(1000).len());
}

#[test]
fn what_would_be_done_can_be_seen_without_doing_it() {
    let share = Share::new();
    share.run("etl", 100, false);
    let before = share.files();
    let (steps, _) = pass(
        &share.root(),
        "etl",
        &Retention::default(),
        Manner::DryRun,
        Budget::default(),
    )
    .unwrap();
    assert_eq!(steps, [Step::Remove(Share::day(100))]);
    assert_eq!(share.files(), before);
}

#[test]
fn the_run_of_a_log_or_a_digest_is_read_off_its_name() {
    let run = RunId::new();
    for name in [
        format!("120000Z-h-{run}.log"),
        format!("120000Z-a-b-{run}.log.zst"),
        format!("120000Z-job.x-h-{run}.txt"),
    ] {
        assert_eq!(run_of(&name), Some(run), "{name}");
    }
    for name in ["", "x.log", ".log", "120000Z-h-01KB.log"] {
        assert_eq!(run_of(name), None, "{name}");
    }
}

#[test]
fn hosts_that_do_it_at_the_same_time_do_not_disturb_each_other() {
    let share = Share::new();
    let retention = Retention::default();
    let mut kept = Vec::new();
    for _ in 0..20 {
        share.run("etl", 100, false);
        share.run("etl", 40, false);
        let failed = share.run("etl", 40, true);
        let cold = share.run("etl", 10, false);
        kept.extend([failed, cold].map(|log| format!("{log}.zst")));
    }
    let passes = || share.pass(&retention, Manner::Now);
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let hosts: Vec<_> = (0..4).map(|_| scope.spawn(passes)).collect();
        hosts.into_iter().map(|host| host.join().unwrap()).collect()
    });
    let problems: Vec<&String> = reports.iter().flat_map(|report| &report.problems).collect();
    assert!(problems.is_empty(), "{problems:?}");
    share.pass(&retention, Manner::Now);
    let mut logs = share.files();
    logs.retain(|name| name.contains("/logs/"));
    kept.sort();
    assert_eq!(logs, kept);
    for log in kept {
        assert_eq!(unzipped(&share.path(&log)), log_text(5));
    }
}

#[test]
fn a_compression_that_was_cut_off_is_done_again() {
    let share = Share::new();
    let log = share.run("etl", 10, false);
    // It died between the rename and the removal, and another one while it wrote.
    share.write(&format!("{log}.zst"), "cut");
    let left = format!("{}/logs/etl/.{}.tmp", Share::day(10), RunId::new());
    share.write(&left, "half");
    let file = fs_err::OpenOptions::new()
        .write(true)
        .open(share.path(&left))
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(50))
        .unwrap();
    share.pass(&Retention::default(), Manner::Now);
    assert_eq!(unzipped(&share.path(&format!("{log}.zst"))), log_text(5));
    assert!(!share.path(&log).exists() && !share.path(&left).exists());
}

#[test]
fn days_at_the_end_of_the_calendar_and_sizes_without_end_are_survived() {
    let share = Share::new();
    share.run("etl", 100, false);
    for day in ["9999-12-31", "9999-12-30", "2020-01-01", "2020-01-02"] {
        share.write(&format!("{day}/{WEIGHT}"), &u64::MAX.to_string());
    }
    let retention = Retention {
        max_size: crate::model::quantity::Bytes::new(1),
        ..Retention::default()
    };
    share.pass(&retention, Manner::Now);
    assert!(!share.path("2020-01-01").exists());
    assert!(share.path("9999-12-31").exists());
}

#[test]
fn what_is_too_old_is_removed_on_the_share_that_was_looked_at_and_not_on_one_in_its_place() {
    let share = Share::new();
    share.run("etl", 100, false);
    let root = share.root();
    let away = tempfile::tempdir().unwrap();
    fs_err::rename(share.0.path(), away.path().join("away")).unwrap();
    fs_err::create_dir(share.0.path()).unwrap();
    share.run("etl", 100, false);
    let budget = Budget::default();
    pass(&root, "etl", &Retention::default(), Manner::Now, budget).unwrap();
    assert!(share.path(&Share::day(100)).exists(), "another share");
    let there = away.path().join("away/etl").join(Share::day(100));
    assert!(!there.exists());
}
