//! Runs of the same job on the same host.

use grease_testkit::length::rounds;
use grease_testkit::sandbox::{Sandbox, wait_until};
use serde_json::{Value, json};

use super::herd::Herd;
use super::{
    BRIEF, Held, Tally, assert_all_is_free, configure, guard, hold, is_long, kept, names, only,
    sandbox_with, shell,
};

/// Asks for a key in one way.
fn same(overlap: &str) -> [&str; 4] {
    ["--key", "same", "--overlap", overlap]
}

#[track_caller]
fn assert_free(sandbox: &Sandbox) {
    let options = [&["--cost", "1000"][..], &same("forbid")].concat();
    assert_all_is_free(sandbox, &options);
}

#[test]
fn a_job_that_must_not_overlap_is_skipped_and_the_first_goes_on() {
    let sandbox = sandbox_with(&json!({}));
    let first = hold(&sandbox, "first", &same("forbid"));
    let options = [&["--job", "second"][..], &same("forbid")].concat();
    let second = shell(&sandbox, &options, "touch ran").finish();
    assert_eq!(second.code, Some(75), "{}", second.all());
    let said = second.err();
    assert!(
        said.contains("second was skipped: another run of the job has not ended\n"),
        "{said}"
    );
    let process = format!("hint: process {} has it: first (run ", first.running.pid());
    assert!(said.contains(&process), "{said}");
    assert_eq!(only(&sandbox, "second").words(), ("skip", "overlap"));
    let other = shell(
        &sandbox,
        &["--key", "other", "--overlap", "forbid"],
        "exit 0",
    );
    assert_eq!(other.finish().code, Some(0));
    first.finish();
    assert!(!sandbox.work("ran").exists());
    assert_free(&sandbox);
}

#[test]
fn a_scheduled_job_does_not_overlap_with_itself_and_one_by_hand_may() {
    let sandbox = sandbox_with(&json!({}));
    let scheduled = |entry: &str| {
        shell(&sandbox, &["--job", "job"], "echo $$ > runs; sleep 1000").env("GREASE_ENTRY", entry)
    };
    let first = scheduled("com.acme:etl/daily#load").start();
    super::pid_in(&sandbox, "runs");
    assert_eq!(scheduled("com.acme:etl/daily#load").finish().code, Some(75));
    // Another line of the crontab, and a person.
    fs_err::remove_file(sandbox.work("runs")).unwrap();
    let other_line = scheduled("com.acme:etl/daily#other").start();
    super::pid_in(&sandbox, "runs");
    let by_hand = [(); 2].map(|()| hold_named_job(&sandbox));
    for held in by_hand {
        held.finish();
    }
    for running in [first, other_line] {
        running.signal(rustix::process::Signal::TERM);
        assert_eq!(running.finish().code, Some(143));
    }
}

fn hold_named_job(sandbox: &Sandbox) -> Held<'_> {
    fs_err::remove_file(sandbox.work("job.runs")).ok(); // Of the one before.
    hold(sandbox, "job", &["--max-wait", "0"])
}

/// What stands in the file that says who came last.
fn newest(sandbox: &Sandbox) -> String {
    let files = fs_err::read_dir(sandbox.path("state/guard/key")).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    let next = paths.find(|path| path.extension().is_some_and(|end| end == "next"));
    next.map_or_else(String::new, |next| fs_err::read_to_string(next).unwrap())
}

#[test]
fn of_those_that_wait_only_the_newest_runs() {
    let sandbox = sandbox_with(&json!({}));
    let first = hold(&sandbox, "first", &same("queue"));
    let mut older = Vec::new();
    for job in ["second", "third", "fourth"] {
        let before = newest(&sandbox);
        let next = Held::start(&sandbox, job, &same("queue"));
        wait_until("it has come", || newest(&sandbox) != before);
        if let Some(held) = older.pop() {
            let held: Held = held;
            let finished = held.running.finish();
            assert_eq!(finished.code, Some(75), "{}", finished.all());
            let said = finished.err();
            assert!(said.contains("a newer start of the job waits"), "{said}");
            assert_eq!(only(&sandbox, held.name).words(), ("skip", "overlap"));
        }
        older.push(next);
    }
    let last = older.pop().unwrap();
    assert!(!last.runs());
    first.finish();
    last.wait_until_it_runs();
    last.finish();
    assert_eq!(
        Tally::read(&sandbox),
        Tally {
            started: 2,
            most: 1
        }
    );
    let waited = only(&sandbox, "fourth").execute["overlap_ms"].as_u64();
    assert!(waited > Some(0), "{waited:?}");
    assert_free(&sandbox);
}

#[test]
fn who_waits_for_its_job_for_too_long_is_skipped() {
    let sandbox = sandbox_with(&json!({}));
    let first = hold(&sandbox, "first", &same("allow:1"));
    for (job, overlap) in [("queued", "queue"), ("allowed", "allow:1")] {
        let options = [&["--job", job, "--max-wait", "300ms"][..], &same(overlap)].concat();
        let finished = shell(&sandbox, &options, "exit 0").finish();
        assert_eq!(finished.code, Some(75), "{}", finished.all());
        assert_eq!(only(&sandbox, job).words(), ("skip", "overlap"));
    }
    first.finish();
}

#[test]
fn of_a_job_that_may_run_three_times_never_more_run_and_all_do() {
    let sandbox = sandbox_with(&json!({}));
    let number = rounds(10).min(200);
    let options = [&["-q", "--max-wait", "forever"][..], &same("allow:3")].concat();
    let run = |_| shell(&sandbox, &options, BRIEF);
    for ended in Herd::start(&sandbox, (0..number).map(run)).finish() {
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
    let tally = Tally::read(&sandbox);
    assert_eq!(tally.started, number as usize);
    assert!(tally.most <= 3, "{tally:?}");
    assert_free(&sandbox);
}

/// A job that finds out whether another one runs: it makes a file that must not exist.
const ALONE: &str = "trap 'rm marker; exit 9' TERM
    set -C; if ! echo $GREASE_RUN_ID > marker; then echo >> clashes; exit 1; fi
    until [ -e go ]; do sleep 0.02; done
    rm marker";

#[test]
fn of_many_that_replace_each_other_at_once_one_survives_and_no_two_run_at_a_time() {
    let sandbox = sandbox_with(&json!({}));
    for round in 0..rounds(2).min(20) {
        fs_err::remove_file(sandbox.work("go")).ok(); // Of the round before.
        let job = format!("round-{round}");
        let options = [&["--job", &job][..], &same("replace")].concat();
        let run = |_| shell(&sandbox, &options, ALONE);
        let mut herd = Herd::start(&sandbox, (0..10).map(run));
        wait_until("one is left", || herd.ended() == 9);
        let [(survivor, _)] = herd.alive()[..] else {
            panic!("{:?}", herd.alive());
        };
        wait_until("it runs", || sandbox.work("marker").exists());
        fs_err::write(sandbox.work("go"), "").unwrap();
        for (number, ended) in herd.finish().into_iter().enumerate() {
            let expected = if number == survivor { [0, 0] } else { [9, 75] };
            let code = ended.code.unwrap();
            // 143 is for one that was asked to end before its job could hear it.
            let is_expected = expected.contains(&code) || number != survivor && code == 143;
            assert!(is_expected, "{code}: {}", ended.said);
        }
        assert!(!sandbox.work("clashes").exists(), "two ran at a time");
        assert_newest_survived(&kept(&sandbox, &job));
    }
    assert_free(&sandbox);
}

/// Whoever came last went through, and those that ran were ended by their successors.
#[track_caller]
fn assert_newest_survived(all: &[super::Kept]) {
    assert_eq!(all.len(), 10);
    for kept in all {
        let (result, error) = kept.words();
        let ended = [
            ("cancellation", "signal"),
            ("skip", "overlap"),
            ("success", ""),
        ];
        assert!(ended.contains(&(result, error)), "{}", kept.end);
    }
    let succeeded = all.iter().filter(|kept| kept.words().0 == "success");
    assert_eq!(succeeded.count(), 1);
}

#[test]
fn one_that_does_not_end_when_it_is_asked_is_killed_after_its_grace() {
    let sandbox = sandbox_with(&json!({}));
    configure(&sandbox, &json!({}), &json!({"grace": "200ms"}));
    // It ignores what it is asked, and its greaserun kills it.
    let options = [&["--job", "deaf"][..], &same("replace")].concat();
    let deaf = shell(
        &sandbox,
        &options,
        "trap '' TERM; echo $$ > deaf; sleep 1000",
    )
    .start();
    super::pid_in(&sandbox, "deaf");
    let next = hold(&sandbox, "next", &same("replace"));
    let finished = deaf.finish();
    assert_eq!(finished.code, Some(137), "{}", finished.all());
    // Its greaserun hears nothing at all.
    next.running.signal(rustix::process::Signal::STOP);
    let last = hold(&sandbox, "last", &same("replace"));
    assert_eq!(next.running.finish().signal, Some(9));
    last.finish();
    assert_free(&sandbox);
    assert_eq!(
        only(&sandbox, "next").words(),
        ("error", "supervisor-killed")
    );
}

/// A process of ours that has nothing to do with all this.
fn innocent(sandbox: &Sandbox) -> grease_testkit::sandbox::Running {
    sandbox.program("sleep").arguments(["1000"]).start()
}

#[test]
fn a_process_that_a_record_names_wrongly_is_never_signalled() {
    let sandbox = sandbox_with(&json!({}));
    configure(&sandbox, &json!({}), &json!({"grace": 0}));
    let free = shell(&sandbox, &same("forbid"), "exit 0").finish();
    assert_eq!(free.code, Some(0));
    let run = kept(&sandbox, "sh")[0].start["run"].clone();
    let innocent = innocent(&sandbox);
    let record = |run: &Value| {
        json!({
            "v": 1, "boot": grease_core::sys::host::boot_id(), "run": run, "job": "sh",
            "user": "root", "pid": innocent.pid(), "cost": 1.0, "mem_bytes": 0,
            "priority": "normal", "admitted_s": 1.0,
        })
    };
    let [place] = &names(&guard(&sandbox, "key"))[..] else {
        panic!("one place of one key");
    };
    let place = guard(&sandbox, "key").join(place);
    // Somebody holds the place and does not say truly who it is.
    let lock = sandbox.program("flock").arguments([&place]);
    let holder = lock.arguments(["sleep", "1000"]).start();
    let is_held = || fs_err::File::open(&place).unwrap().try_lock().is_err();
    wait_until("the place is held", is_held);
    let mut records = vec![
        record(&run).to_string(),
        record(&json!("01M86TGZ02EDHRTS4ZV88KX8GH")).to_string(),
        record(&json!("../../../x")).to_string(),
    ];
    if is_long() {
        // Who it may be that is in the way is waited for, for a while.
        records.push(format!("{{\"pid\": {}}}", innocent.pid()));
        records.push(String::new());
    }
    for said in records {
        fs_err::write(&place, format!("{said:<1024}")).unwrap();
        let options = [&["--max-wait", "0"][..], &same("replace")].concat();
        let finished = shell(&sandbox, &options, "exit 0").finish();
        assert_eq!(finished.code, Some(75), "{}", finished.all());
        let said = finished.err();
        assert!(
            said.contains("the job still runs and cannot be ended"),
            "{said}"
        );
    }
    for mut running in [innocent, holder] {
        assert!(!running.has_ended());
    }
}
