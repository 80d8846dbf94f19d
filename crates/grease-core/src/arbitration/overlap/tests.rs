//! Tests of overlapping starts: each opens the files anew, as a process of its own does.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Instant;

use super::newest::{Asked, Newest, now_ns};
use super::*;
use crate::arbitration::slots::write;
use crate::model::short_hash;

/// By then everything that a test waits for has happened.
const DEADLINE: Duration = Duration::from_mins(1);

/// Longest wait of what a test waits for.
const PATIENCE: Option<Duration> = Some(DEADLINE);

const REPLACE: Rule = Rule::Replace {
    grace: Duration::from_secs(30),
};

struct Host {
    directory: tempfile::TempDir,
    keys: Keys,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::new(&Slots::new(directory.path().to_owned())).unwrap();
        Self { directory, keys }
    }

    /// Puts something into a file of a key.
    fn put(&self, key: &str, ending: &str, content: impl AsRef<[u8]>) {
        fs_err::write(self.path(key, ending), content).unwrap();
    }

    fn path(&self, key: &str, ending: &str) -> std::path::PathBuf {
        let name = format!("{}.{ending}", short_hash(key));
        self.directory.path().join(DIRECTORY).join(name)
    }

    /// A place that is locked by somebody who has not said yet who it is.
    fn lock_place(&self, key: &str) -> KeyLock {
        let name = format!("{}.0", short_hash(key));
        let file = self.keys.files.open(&name).unwrap();
        file.try_lock().unwrap();
        KeyLock {
            file,
            is_left_over: false,
        }
    }

    /// A start that need not wait.
    fn now(&self, key: &str, rule: Rule, run: &str) -> Entry {
        let claim = Claim {
            key,
            rule,
            holder: &Holder::of(run),
            max_wait: None,
        };
        let wait = &mut |_: Option<&Holder>, _| -> bool { panic!("`{run}` waits") };
        self.keys.enter(&claim, wait, &mut nobody).unwrap()
    }

    /// A run that starts at once.
    fn start(&self, key: &str, rule: Rule, run: &str) -> KeyLock {
        lock(self.now(key, rule, run))
    }

    /// A start that may have to wait for the key `key`.
    fn enter(
        &self,
        rule: Rule,
        run: &str,
        max_wait: Option<Duration>,
        wait: &mut dyn FnMut(Option<&Holder>, Duration) -> bool,
        end: &mut dyn FnMut(&Holder, Ask) -> Result<(), String>,
    ) -> Entry {
        let claim = Claim {
            key: "key",
            rule,
            holder: &Holder::of(run),
            max_wait,
        };
        self.keys.enter(&claim, wait, end).unwrap()
    }
}

fn nobody(holder: &Holder, _: Ask) -> Result<(), String> {
    panic!("{holder} is asked to end");
}

/// Waits as a start in a thread does.
fn patiently(_: Option<&Holder>, _: Duration) -> bool {
    thread::sleep(Duration::from_millis(1));
    true
}

fn lock(entry: Entry) -> KeyLock {
    match entry {
        Entry::Free(Some(lock)) => lock,
        other => panic!("{other:?}"),
    }
}

fn busy(entry: Entry) -> Busy {
    match entry {
        Entry::Busy(busy) => busy,
        other => panic!("{other:?}"),
    }
}

/// Frees the place as the end of the process does. Closing it is not enough here: another test may
/// be starting a process just now, which has the descriptor for an instant.
fn kill(lock: impl Into<Option<KeyLock>>) {
    if let Some(lock) = lock.into() {
        lock.file.file().unlock().unwrap();
    }
}

/// Waits for something with a deadline.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_forbidden_start_is_skipped_at_once_and_told_who_is_in_the_way() {
    let host = Host::new();
    let one = host.start("key", Rule::Forbid, "one");
    let busy = busy(host.now("key", Rule::Forbid, "two"));
    assert_eq!(busy.why, Why::Forbidden);
    assert_eq!(busy.holder.unwrap().run, "one");
    assert_eq!(busy.waited, Duration::ZERO);
    one.release();
    host.start("key", Rule::Forbid, "three");
}

#[test]
fn a_killed_holder_frees_the_key_at_once() {
    let host = Host::new();
    for run in ["one", "two", "three"] {
        kill(host.start("key", Rule::Forbid, run));
    }
}

#[test]
fn a_run_that_ends_gives_its_place_back_whoever_inherited_it_and_a_killed_one_does_not() {
    let host = Host::new();
    let one = host.start("key", Rule::Forbid, "one");
    let inherited = one.file.file().try_clone().unwrap();
    one.release();
    let two = host.start("key", Rule::Forbid, "two");
    let inherited_too = two.file.file().try_clone().unwrap();
    drop(two);
    let why = busy(host.now("key", Rule::Forbid, "three")).why;
    assert_eq!(why, Why::Forbidden);
    inherited_too.unlock().unwrap();
    drop(inherited);
    host.start("key", Rule::Forbid, "four");
}

#[test]
fn what_a_run_may_hand_down_is_kept_over_an_exec_and_nothing_else_is() {
    let is_kept = |lock: &KeyLock| {
        let flags = rustix::io::fcntl_getfd(&lock.file).unwrap();
        !flags.contains(FdFlags::CLOEXEC)
    };
    let host = Host::new();
    let lock = host.start("key", Rule::Forbid, "one");
    assert!(!is_kept(&lock));
    lock.let_inherit().unwrap();
    assert!(is_kept(&lock));
}

#[test]
fn two_keys_do_not_disturb_each_other() {
    let host = Host::new();
    let one = host.start("one", Rule::Queue, "a");
    let two = host.start("two", REPLACE, "b");
    let place = "key\u{0}/../one";
    let three = host.start(place, Rule::Forbid, "c"); // A key is no path.
    for key in ["one", "two", place] {
        assert_eq!(busy(host.now(key, Rule::Forbid, "d")).why, Why::Forbidden);
    }
    drop((one, two, three));
}

#[test]
fn where_any_number_may_run_nothing_is_locked() {
    let host = Host::new();
    let rule = Rule::Allow { at_most: None };
    assert!(matches!(host.now("key", rule, "one"), Entry::Free(None)));
    let mut files = fs_err::read_dir(host.directory.path().join(DIRECTORY)).unwrap();
    assert!(files.next().is_none());
}

#[test]
fn of_ten_starts_that_may_run_by_threes_all_run_and_three_at_a_time() {
    let host = Host::new();
    let (running, peak, all) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(10));
    thread::scope(|scope| {
        for number in 0..10 {
            let (host, running, peak, all) = (&host, &running, &peak, &all);
            scope.spawn(move || {
                let rule = Rule::Allow { at_most: Some(3) };
                let run = format!("run {number}");
                all.wait();
                let entry = host.enter(rule, &run, PATIENCE, &mut patiently, &mut nobody);
                let lock = lock(entry);
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // The first stay until there are three.
                until("three run", || peak.load(Ordering::SeqCst) >= 3);
                running.fetch_sub(1, Ordering::SeqCst);
                lock.release();
            });
        }
    });
    assert_eq!(peak.load(Ordering::SeqCst), 3);
}

#[test]
fn a_start_beyond_the_number_waits_until_one_of_the_others_ends() {
    let host = Host::new();
    let rule = Rule::Allow { at_most: Some(2) };
    let one = host.start("key", rule, "one");
    let mut two = Some(host.start("key", rule, "two"));
    let max_wait = Some(Duration::ZERO);
    let refused = host.enter(rule, "three", max_wait, &mut patiently, &mut nobody);
    let refused = busy(refused);
    assert_eq!(refused.why, Why::TooLong);
    assert_eq!(refused.holder.unwrap().run, "one");
    let mut wait = |_: Option<&Holder>, _| {
        kill(two.take());
        true
    };
    lock(host.enter(rule, "four", None, &mut wait, &mut nobody));
    drop(one);
}

#[test]
fn of_five_that_wait_only_the_newest_runs_though_the_wall_clock_went_back() {
    let host = Host::new();
    let first = host.start("key", Rule::Forbid, "first");
    // Run ids hold the time of the wall clock: these say that the newest came first.
    let runs = ["5", "4", "3", "2", "1"];
    thread::scope(|scope| {
        let mut starts = Vec::new();
        for run in runs {
            let (sender, waits) = mpsc::channel();
            let host = &host;
            starts.push(scope.spawn(move || {
                let mut wait = |holder: Option<&Holder>, length| {
                    sender.send(()).ok(); // Only the first is of interest.
                    patiently(holder, length)
                };
                host.enter(Rule::Queue, run, PATIENCE, &mut wait, &mut nobody)
            }));
            waits.recv_timeout(DEADLINE).unwrap();
            let next = fs_err::File::open(host.path("key", "next")).unwrap();
            next.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        let newest = starts.pop().unwrap();
        for older in starts {
            let busy = busy(older.join().unwrap());
            assert_eq!(busy.why, Why::Superseded);
            assert_eq!(busy.holder.unwrap().run, "first");
        }
        assert!(!newest.is_finished());
        first.release();
        lock(newest.join().unwrap());
    });
}

#[test]
fn two_that_come_in_the_same_nanosecond_are_told_apart() {
    let at = |run: &str| Newest {
        came_ns: 7,
        run: run.to_owned(),
        ..Newest::nobody("boot")
    };
    assert!(at("one").came() < at("two").came());
    assert!(Newest::nobody("boot").came() < at("one").came());
}

#[test]
fn of_ten_that_replace_each_other_one_survives_and_never_do_two_run() {
    let host = Host::new();
    let asked: Vec<AtomicBool> = (0..10).map(|_| AtomicBool::new(false)).collect();
    let asks: Vec<AtomicUsize> = (0..10).map(|_| AtomicUsize::new(0)).collect();
    let (running, done, all) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(10));
    // What became of each: whether it ran to its end.
    let survived = |number: usize| {
        let mut end = |holder: &Holder, ask: Ask| {
            assert_eq!(ask, Ask::Term);
            let other: usize = holder.run.parse().unwrap();
            asks[other].fetch_add(1, Ordering::SeqCst);
            asked[other].store(true, Ordering::SeqCst);
            Ok(())
        };
        all.wait();
        let run = number.to_string();
        let entry = host.enter(REPLACE, &run, PATIENCE, &mut patiently, &mut end);
        let survives = match entry {
            Entry::Free(lock) => {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                let is_asked = || asked[number].load(Ordering::SeqCst);
                let is_last = || done.load(Ordering::SeqCst) == 9;
                until("it is replaced or the last", || is_asked() || is_last());
                assert_eq!(running.fetch_sub(1, Ordering::SeqCst), 1);
                lock.unwrap().release();
                !is_asked()
            }
            Entry::Busy(busy) => {
                assert_eq!(busy.why, Why::Superseded);
                false
            }
            Entry::GivenUp => panic!("nobody gives up"),
        };
        done.fetch_add(1, Ordering::SeqCst);
        survives
    };
    let survivors = thread::scope(|scope| {
        let survived = &survived;
        let runs: Vec<_> = (0..10)
            .map(|number| scope.spawn(move || survived(number)))
            .collect();
        let ends = runs.into_iter().map(|run| run.join().unwrap());
        ends.filter(|survives| *survives).count()
    });
    assert_eq!(survivors, 1);
    let asks = asks.iter().map(|asks| asks.load(Ordering::SeqCst));
    assert_eq!(asks.filter(|asks| *asks > 1).count(), 0, "asked twice");
}

#[test]
fn who_replaces_asks_each_run_in_the_way_once() {
    let host = Host::new();
    let mut place = Some(host.start("key", Rule::Forbid, "one"));
    let mut asked = Vec::new();
    let mut end = |holder: &Holder, ask: Ask| {
        asked.push((holder.run.clone(), ask));
        kill(place.take());
        if holder.run == "one" {
            place = Some(host.start("key", Rule::Forbid, "two")); // It is faster than we are.
        }
        Ok(())
    };
    // However short the wait is meant to be: who is asked to end has time for that.
    let max_wait = Some(Duration::ZERO);
    let entry = host.enter(REPLACE, "three", max_wait, &mut |_, _| true, &mut end);
    lock(entry);
    let asked: Vec<_> = asked
        .iter()
        .map(|(run, ask)| (run.as_str(), *ask))
        .collect();
    assert_eq!(asked, [("one", Ask::Term), ("two", Ask::Term)]);
}

#[test]
fn a_run_that_was_asked_to_end_is_not_asked_again_by_a_newer_start() {
    let host = Host::new();
    let place = RefCell::new(Some(host.start("key", Rule::Forbid, "one")));
    let asks = RefCell::new(0);
    let mut ask = |_: &Holder, _| {
        *asks.borrow_mut() += 1;
        Ok(())
    };
    let mut newest = |_: Option<&Holder>, _| {
        kill(place.borrow_mut().take());
        true
    };
    let mut newer = |_: Option<&Holder>, _| {
        // It has not asked, and is given up: what it knows is handed back.
        let mut give_up = |_: Option<&Holder>, _| false;
        let entry = host.enter(REPLACE, "given up", None, &mut give_up, &mut nobody);
        assert!(matches!(entry, Entry::GivenUp));
        lock(host.enter(REPLACE, "four", None, &mut newest, &mut nobody));
        true
    };
    let older = host.enter(REPLACE, "two", None, &mut newer, &mut ask);
    assert_eq!(busy(older).why, Why::Superseded);
    assert_eq!(*asks.borrow(), 1);
}

#[test]
fn a_run_that_cannot_be_asked_to_end_is_left_alone_and_the_start_told_why() {
    let host = Host::new();
    let one = host.start("key", Rule::Forbid, "one");
    let mut end = |_: &Holder, _| Err("it belongs to another user".to_owned());
    let busy = busy(host.enter(REPLACE, "two", PATIENCE, &mut patiently, &mut end));
    assert_eq!(
        busy.why,
        Why::Refuses("it belongs to another user".to_owned())
    );
    assert_eq!(busy.holder.unwrap().run, "one");
    drop(one);
}

#[test]
fn what_a_dead_run_left_in_the_place_of_one_that_is_just_starting_is_no_refusal() {
    let host = Host::new();
    kill(host.start("key", Rule::Forbid, "dead"));
    let place = RefCell::new(Some(host.lock_place("key")));
    let asked = RefCell::new(Vec::new());
    let mut end = |holder: &Holder, _| {
        asked.borrow_mut().push(holder.run.clone());
        if holder.run == "dead" {
            return Err("no such run".to_owned());
        }
        kill(place.borrow_mut().take());
        Ok(())
    };
    let mut wait = |_: Option<&Holder>, _| {
        if let Some(lock) = &*place.borrow() {
            write(&lock.file, &Holder::of("alive")).unwrap();
        }
        true
    };
    lock(host.enter(REPLACE, "new", None, &mut wait, &mut end));
    assert_eq!(*asked.borrow(), ["dead", "alive"]);
}

#[test]
fn a_holder_that_has_not_said_who_it_is_is_looked_at_again() {
    for record in ["", "{\"v\":1,\"boot\":\"bo"] {
        let host = Host::new();
        let place = RefCell::new(Some(host.lock_place("key")));
        host.put("key", "0", record);
        let (looks, asked) = (RefCell::new(0), RefCell::new(Vec::new()));
        let mut wait = |holder_in_the_way: Option<&Holder>, _| {
            *looks.borrow_mut() += 1;
            if *looks.borrow() <= 3 {
                assert_eq!(holder_in_the_way, None);
            }
            if *looks.borrow() == 3 {
                let place = place.borrow();
                write(&place.as_ref().unwrap().file, &Holder::of("one")).unwrap();
            }
            true
        };
        let mut end = |holder: &Holder, _| {
            asked.borrow_mut().push(holder.run.clone());
            kill(place.borrow_mut().take());
            Ok(())
        };
        lock(host.enter(REPLACE, "two", None, &mut wait, &mut end));
        assert_eq!(*asked.borrow(), ["one"]);
        assert_eq!(*looks.borrow(), 4);
    }
}

#[test]
fn a_wait_ends_after_the_longest_wait_or_when_it_is_given_up() {
    let host = Host::new();
    let one = host.start("key", Rule::Forbid, "one");
    let max = Duration::from_millis(20);
    let too_long = host.enter(Rule::Queue, "two", Some(max), &mut patiently, &mut nobody);
    let too_long = busy(too_long);
    assert_eq!(too_long.why, Why::TooLong);
    assert!(too_long.waited >= max);
    let given_up = host.enter(Rule::Queue, "two", None, &mut |_, _| false, &mut nobody);
    assert!(matches!(given_up, Entry::GivenUp));
    drop(one);
}

#[test]
fn a_start_that_does_not_wait_or_gives_up_sends_nobody_away() {
    let host = Host::new();
    let mut place = Some(host.start("key", Rule::Forbid, "one"));
    let mut wait = |_: Option<&Holder>, _| {
        let at_once = Some(Duration::ZERO);
        let newer = host.enter(Rule::Queue, "three", at_once, &mut patiently, &mut nobody);
        assert_eq!(busy(newer).why, Why::TooLong);
        let newer = host.enter(Rule::Queue, "four", None, &mut |_, _| false, &mut nobody);
        assert!(matches!(newer, Entry::GivenUp));
        kill(place.take());
        true
    };
    lock(host.enter(Rule::Queue, "two", None, &mut wait, &mut nobody));
}

#[test]
fn a_start_whose_turn_comes_when_a_newer_one_waits_leaves_the_place_to_that() {
    let host = Host::new();
    let mut place = Some(host.start("key", Rule::Forbid, "one"));
    let mut lock_of_newer = None;
    let mut wait = |_: Option<&Holder>, _| {
        let mut wait = |_: Option<&Holder>, _| {
            kill(place.take());
            true
        };
        let newer = host.enter(Rule::Queue, "three", None, &mut wait, &mut nobody);
        lock_of_newer = Some(lock(newer));
        kill(lock_of_newer.take()); // It has run, and the place is free again.
        true
    };
    let older = host.enter(Rule::Queue, "two", None, &mut wait, &mut nobody);
    assert_eq!(busy(older).why, Why::Superseded);
}

/// An hour, in nanoseconds.
const HOUR_NS: u64 = 3_600_000_000_000;

/// What a start of another boot, or with another clock, may have written.
fn newest(boot: &str, came_ns: u64) -> Vec<u8> {
    let newest = Newest {
        came_ns,
        run: "zzz".to_owned(),
        ..Newest::nobody(boot)
    };
    serde_json::to_vec(&newest).unwrap()
}

#[test]
fn what_stands_in_the_files_keeps_nobody_from_waiting_and_running() {
    let contents: [(&str, Vec<u8>); 6] = [
        ("nothing", Vec::new()),
        ("garbage", vec![0xff; 3000]),
        ("torn", b"{\"boot\":\"boot\",\"came_ns\":1844674".to_vec()),
        ("another boot", newest("another boot", now_ns() + HOUR_NS)),
        ("a waiter that is gone", newest("boot", now_ns())),
        ("the future", newest("boot", now_ns() + HOUR_NS)),
    ];
    for (what, content) in contents {
        let host = Host::new();
        host.put("key", "0", &content);
        host.put("key", "next", &content);
        let mut place = Some(host.start("key", Rule::Forbid, "one"));
        let mut waits = 0;
        let mut wait = |holder: Option<&Holder>, _| {
            assert_eq!(holder.unwrap().run, "one");
            waits += 1;
            kill(place.take());
            true
        };
        lock(host.enter(Rule::Queue, "two", None, &mut wait, &mut nobody));
        assert_eq!(waits, 1, "{what}");
    }
}

#[test]
fn what_is_said_by_another_boot_or_of_the_future_sends_nobody_away() {
    for (boot, ahead_ns) in [("another boot", 0), ("boot", HOUR_NS)] {
        let host = Host::new();
        let mut place = Some(host.start("key", Rule::Forbid, "one"));
        let mut wait = |_: Option<&Holder>, _| {
            host.put("key", "next", newest(boot, now_ns() + ahead_ns));
            kill(place.take());
            true
        };
        lock(host.enter(Rule::Queue, "two", None, &mut wait, &mut nobody));
    }
}

#[test]
fn a_run_that_is_said_to_be_asked_in_the_future_is_asked() {
    let host = Host::new();
    let mut place = Some(host.start("key", Rule::Forbid, "one"));
    let asked = Asked {
        run: "one".to_owned(),
        ask: Ask::Term,
        at_ns: now_ns() + HOUR_NS,
    };
    let next = Newest {
        asked: Some(asked),
        ..Newest::nobody("boot")
    };
    host.put("key", "next", serde_json::to_vec(&next).unwrap());
    let mut end = |_: &Holder, _| {
        kill(place.take());
        Ok(())
    };
    lock(host.enter(REPLACE, "two", PATIENCE, &mut patiently, &mut end));
}

#[test]
fn a_file_of_waiters_that_stays_locked_stops_nobody() {
    let host = Host::new();
    let next = host.keys.files.open(&format!("{}.next", short_hash("key")));
    let next = next.unwrap();
    next.try_lock().unwrap();
    host.start("key", Rule::Queue, "one");
}

#[test]
fn the_users_of_a_host_share_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path| fs_err::metadata(path).unwrap().permissions().mode();
    let open = std::fs::Permissions::from_mode(0o1777);
    fs_err::set_permissions(directory.path(), open).unwrap();
    let keys = Keys::new(&Slots::new(directory.path().to_owned())).unwrap();
    let host = Host { directory, keys };
    host.start("key", Rule::Queue, "one");
    let inner = host.directory.path().join(DIRECTORY);
    assert_eq!(mode(&inner) & 0o7777, 0o1777);
    for ending in ["0", "next"] {
        assert_eq!(mode(&host.path("key", ending)) & 0o7777, 0o666);
    }
}
