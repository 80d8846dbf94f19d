//! For any sequence of runs, crashes, faults and damage, the share ends as the spool, byte for byte.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use grease_testkit::length::rounds;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rustix::process::Signal;

use super::chaos::{FAULTS, pause};
use super::{Host, files_below};

/// What happens to a host and its share.
#[derive(Debug, Clone)]
enum Act {
    /// A job writes so many bytes and ends with this exit code.
    Run(u32, i32),
    /// Greaserun is killed after so many milliseconds.
    RunKilled(u64),
    KillShipper,
    /// Faults from here on, by number; none for a number too high.
    Faults(usize),
    /// The server dies, and comes back with what it has on disk.
    ServerDies,
    /// The share is not mounted while a job runs.
    Unmounted,
    /// A file on the share, by number.
    Remove(usize),
    Cut(usize, u64),
    /// Cut, and stretched to its length of before.
    Hole(usize, u64),
    Overwrite(usize, u64),
    RemoveTree,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (file, place) = (0..1000_usize, 0..300_000_u64);
    let act = prop_oneof![
        4 => (0..300_000_u32, prop::sample::select(&[0, 0, 3][..])).prop_map(|(bytes, code)| Act::Run(bytes, code)),
        2 => (0..150_u64).prop_map(Act::RunKilled),
        3 => Just(Act::KillShipper),
        4 => (0..=FAULTS.len()).prop_map(Act::Faults),
        1 => Just(Act::ServerDies),
        1 => Just(Act::Unmounted),
        1 => file.clone().prop_map(Act::Remove),
        1 => (file.clone(), place.clone()).prop_map(|(file, at)| Act::Cut(file, at)),
        1 => (file.clone(), place.clone()).prop_map(|(file, at)| Act::Hole(file, at)),
        1 => (file, place).prop_map(|(file, at)| Act::Overwrite(file, at)),
        1 => Just(Act::RemoveTree),
    ];
    prop::collection::vec(act, 1..16)
}

/// A file of the share, by number, but not its marker.
fn damage(host: &Host, number: usize, change: impl FnOnce(PathBuf, &fs_err::File)) {
    let root = host.share.backing();
    let mut files = files_below(&root);
    files.retain(|path| path.parent() != Some(&root) && !path.is_symlink());
    if files.is_empty() {
        return;
    }
    let path = files.swap_remove(number % files.len());
    // It may be gone meanwhile.
    if let Ok(file) = fs_err::OpenOptions::new().write(true).open(&path) {
        change(path, &file);
    }
}

fn act(host: &mut Host, act: &Act) {
    let run = |host: &Host, bytes: u32, code: i32| {
        let script = format!("head -c {bytes} /dev/urandom; echo done >&2; exit {code}");
        let finished = host.shell(&script).finish();
        assert_eq!(finished.code, Some(code), "{}", finished.err());
    };
    match *act {
        Act::Run(bytes, code) => run(host, bytes, code),
        Act::RunKilled(after) => {
            let script = "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 0.01; done";
            let running = host.shell(script).start();
            pause(Duration::from_millis(after));
            running.signal(Signal::KILL);
            running.finish();
        }
        Act::KillShipper => host.kill_shipper(),
        Act::Faults(number) => host.share.rules(FAULTS.get(number).unwrap_or(&"")),
        Act::ServerDies => host.share.mount_again(),
        Act::Unmounted => {
            host.share.unmount();
            run(host, 1000, 0);
            host.share.mount_again();
        }
        Act::Remove(number) => damage(host, number, |path, _| fs_err::remove_file(path).unwrap()),
        Act::Cut(number, at) => damage(host, number, |_, file| {
            let length = file.metadata().unwrap().len();
            file.set_len(at.min(length)).unwrap();
        }),
        Act::Hole(number, at) => damage(host, number, |_, file| {
            let length = file.metadata().unwrap().len();
            file.set_len(at.min(length)).unwrap();
            file.set_len(length).unwrap();
        }),
        Act::Overwrite(number, at) => damage(host, number, |_, file| {
            let length = file.metadata().unwrap().len();
            if let Some(at) = at.checked_rem(length) {
                file.file().write_all_at(b"!", at).unwrap();
            }
        }),
        Act::RemoveTree => {
            for entry in fs_err::read_dir(host.share.backing()).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    fs_err::remove_dir_all(path).ok(); // Somebody may write to it meanwhile.
                }
            }
        }
    }
}

#[test]
fn for_any_sequence_of_crashes_and_faults_the_share_ends_as_the_spool() {
    if Host::new().is_none() {
        return;
    }
    let config = Config {
        cases: rounds(8),
        max_shrink_time: 120_000, // Milliseconds.
        failure_persistence: None,
        ..Config::default()
    };
    // The same in every run, and more of it in a long one.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let ended = TestRunner::new_with_rng(config, random).run(&acts(), |acts| {
        let mut host = Host::new().expect("there was one before");
        // A share that was seen: an empty directory that is seen first may be taken for one.
        host.run("echo before");
        host.waits("0s");
        for each in &acts {
            act(&mut host, each);
        }
        // What has arrived is looked at again after hours; here at once.
        host.share.rules("");
        host.kill_shipper();
        for run in host.sandbox.sealed() {
            fs_err::remove_file(run.join("shipped")).ok();
        }
        host.recover();
        host.assert_arrives();
        Ok(())
    });
    ended.unwrap_or_else(|failed| panic!("{failed}"));
}
