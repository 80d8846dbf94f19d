//! A farm of ten hosts of which one dies in each round, and comes back: what people are told is true at
//! every look. A job's name tells how its runs end: `ok-*`, `bad-*`, and `long-*`, which dies with its host.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use grease_testkit::length::rounds;
use grease_testkit::sandbox::wait_until;
use serde_json::Value;

use super::{Farm, Host};

const HOSTS: usize = 10;

/// Runs of a host in a round; the last one of the host that dies is a long one.
const RUNS: usize = 5;

/// How many runs there should be, by host, job and result.
type Truth = BTreeMap<(String, String, String), usize>;

/// What was seen to be so, and stays so.
#[derive(Default)]
struct Seen(BTreeMap<String, String>);

#[test]
fn what_is_told_of_a_farm_is_true_while_hosts_die() {
    let Some(farm) = Farm::new(HOSTS) else { return };
    for host in &farm.hosts {
        host.configure(&farm.share(), "0s");
    }
    let mut truth = Truth::new();
    let mut seen = Seen::default();
    farm.hosts[0].run("ok-0", "echo the first", 0);
    expect(&mut truth, &farm.hosts[0], "ok-0", "success");
    wait_until("the first run is told of", || {
        farm.jobs(&["runs"]).len() == 1
    });
    for round in 0..rounds(5) {
        let round = usize::try_from(round).unwrap();
        go_through(&farm, round, &mut truth, &mut seen);
        assert_told(&farm, &truth, &farm.hosts[round % HOSTS].name, &mut seen);
    }
}

fn expect(truth: &mut Truth, host: &Host, job: &str, result: &str) {
    let key = (host.name.clone(), job.to_owned(), result.to_owned());
    *truth.entry(key).or_default() += 1;
}

/// A round: all hosts run something, one dies, another one's log is followed.
fn go_through(farm: &Farm, round: usize, truth: &mut Truth, seen: &mut Seen) {
    let victim = &farm.hosts[round % HOSTS];
    let survivor = &farm.hosts[(round + 3) % HOSTS];
    let (lost, kept) = (format!("long-{round}-lost"), format!("long-{round}-kept"));
    let dying = victim.start(farm, &lost);
    let followed = survivor.start(farm, &kept);
    let reader = farm.hosts[HOSTS].asking(&["log", "-f", &kept]).start();
    std::thread::scope(|scope| {
        let work = |host: &Host, number: usize| {
            for turn in 0..RUNS - 1 {
                let kind = (round + number + turn) % 3;
                let (job, code) = [("ok-1", 0), ("bad-1", 3), ("ok-2", 0)][kind];
                host.run(
                    job,
                    &format!("echo no input of {} >&2; exit {code}", host.name),
                    code,
                );
            }
        };
        let is_victim = |number: usize| number == round % HOSTS;
        let others = (0..HOSTS).filter(|number| !is_victim(*number));
        let workers: Vec<_> = others
            .map(|number| {
                let host = &farm.hosts[number];
                scope.spawn(move || work(host, number))
            })
            .collect();
        work(victim, round % HOSTS);
        victim.die();
        farm.age_heartbeat(round % HOSTS, Duration::from_mins(11));
        let mut looks = 0;
        while looks == 0
            || !workers
                .iter()
                .all(std::thread::ScopedJoinHandle::is_finished)
        {
            drop(look(farm, &victim.name, seen));
            looks += 1;
        }
    });
    drop(dying);
    for number in 0..HOSTS {
        for turn in 0..RUNS - 1 {
            let kind = (round + number + turn) % 3;
            let (job, result) = [
                ("ok-1", "success"),
                ("bad-1", "failure"),
                ("ok-2", "success"),
            ][kind];
            expect(truth, &farm.hosts[number], job, result);
        }
    }
    assert_lost(farm, &lost, &victim.name);
    survivor.release(followed, &kept);
    let told = reader.finish();
    assert!(
        told.out().contains("started") && told.err().contains("ended: ✗ exit 7"),
        "{}",
        told.all()
    );
    expect(truth, survivor, &kept, "failure");
    victim.run("ok-back", "echo back", 0);
    expect(truth, victim, "ok-back", "success");
    expect(truth, victim, &lost, "error");
}

/// The run of the host that died, and nothing else, is told to be lost.
fn assert_lost(farm: &Farm, job: &str, host: &str) {
    let run = &farm.objects(&["runs", "--job", job, "--json"])[0];
    assert_eq!(
        (&run["state"], &run["host"]),
        (&"lost?".into(), &host.into()),
        "{run}"
    );
    let why = farm.told(&["why", job], 0);
    assert!(
        why.contains("lost? host seen 1") && why.contains("  started\n"),
        "{why}"
    );
    let overview = farm.ask(&[]);
    assert_eq!(overview.code, Some(1), "{}", overview.all());
    assert!(overview.out().contains("LOST?  "), "{}", overview.out());
    let hosts = farm.objects(&["hosts", "--json"]);
    for told in &hosts {
        let has_lost = !told["lost"].as_array().unwrap().is_empty();
        assert_eq!(has_lost, told["host"] == host, "{told}");
    }
    let log = farm.ask(&["log", job]);
    assert!(log.out().contains("started"), "{}", log.all());
}

/// Whatever is told at any moment fits what the jobs do.
fn look(farm: &Farm, dead: &str, seen: &mut Seen) -> Vec<Value> {
    let runs = farm.objects(&["runs", "-n", "0", "--json"]);
    let mut ids = BTreeSet::new();
    for run in &runs {
        let text = |key: &str| run[key].as_str().unwrap_or_default().to_owned();
        let (id, job, result) = (text("run"), text("job"), text("result"));
        assert!(ids.insert(id.clone()), "told twice: {run}");
        let expected = match job.split('-').next() {
            Some("ok") => &["", "success"][..],
            Some("bad") => &["", "failure"],
            _ => &["", "failure", "error"],
        };
        assert!(expected.contains(&&*result), "{run}");
        let state = text("state");
        assert!(state != "lost?" || text("host") == dead, "{run}");
        let before = seen.0.insert(id, result.clone()).unwrap_or_default();
        assert!(
            before.is_empty() || before == result,
            "it was {before}: {run}"
        );
    }
    let is_gone = |id: &&String| !ids.contains(*id);
    assert_eq!(seen.0.keys().find(is_gone), None, "told of no more");
    for run in farm.objects(&["failures", "-n", "0", "--json"]) {
        assert!(!run["job"].as_str().unwrap().starts_with("ok"), "{run}");
        assert!(run["end"].is_string(), "{run}");
    }
    runs
}

/// Once all has arrived, all answers are exact.
fn assert_told(farm: &Farm, truth: &Truth, back: &str, seen: &mut Seen) {
    let count: usize = truth.values().sum();
    let mut runs = Vec::new();
    wait_until("all runs are told of, with their ends", || {
        runs = look(farm, back, seen); // Its heartbeat may come a moment later.
        runs.len() >= count && runs.iter().all(|run| run["state"] == "done")
    });
    let mut told = Truth::new();
    for run in &runs {
        let [host, job, result] = ["host", "job", "result"].map(|key| run[key].as_str().unwrap());
        *told
            .entry((host.to_owned(), job.to_owned(), result.to_owned()))
            .or_default() += 1;
    }
    assert_eq!(&told, truth);
    let failed = |run: &&Value| run["result"] != "success";
    let expected: Vec<&Value> = runs.iter().filter(failed).map(|run| &run["run"]).collect();
    let failures = farm.objects(&["failures", "-n", "0", "--json"]);
    let failures: Vec<&Value> = failures.iter().map(|run| &run["run"]).collect();
    assert_eq!(failures, expected);

    let last = runs.iter().find(|run| run["job"] == "bad-1").unwrap();
    let host = last["host"].as_str().unwrap();
    let why = farm.told(&["why", "bad-1"], 0);
    assert!(why.starts_with("bad-1  FAILED (exit 3) "), "{why}");
    assert!(why.contains(&format!("@{host}, ")), "{why}");
    wait_until("its digest or log has arrived", || {
        let why = farm.told(&["why", "bad-1"], 0);
        why.contains(&format!("  no input of {host}\n"))
    });
    let hosts = farm.objects(&["hosts", "--json"]);
    assert_eq!(hosts.len(), HOSTS, "{hosts:?}");
    for told in &hosts {
        for key in ["live", "lost"] {
            assert!(told[key].as_array().unwrap().is_empty(), "{told}");
        }
    }
}
