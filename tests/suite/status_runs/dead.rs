//! A host that died: what is told of what ran there, and what can be done about it.

use std::time::Duration;

use super::{Farm, last};

#[test]
fn what_ran_on_a_host_that_died_is_doubted_and_then_lost() {
    let Some(farm) = Farm::new(2) else { return };
    farm.hosts[1].run("other", "exit 0", 0);
    let running = farm.hosts[0].start(&farm, "long");
    farm.hosts[0].die();
    drop(running);
    farm.age_heartbeat(0, Duration::from_mins(5));
    let state = || farm.objects(&["runs", "--job", "long", "--json"])[0]["state"].clone();
    assert_eq!(state(), "running?");
    let text = farm.told(&[], 0);
    assert!(
        text.starts_with("nothing is failing · 1 running (1?)"),
        "{text}"
    );
    let hosts = farm.told(&["hosts"], 0);
    let row = hosts
        .lines()
        .find(|line| line.starts_with("dp-000"))
        .unwrap();
    assert!(row.contains("5m") && row.contains("  1?  "), "{hosts}");

    farm.age_heartbeat(0, Duration::from_mins(49));
    assert_eq!(state(), "lost?");
    let text = farm.told(&[], 1);
    assert!(
        text.starts_with("1 lost? · 0 running · 1 ok in 24h"),
        "{text}"
    );
    assert!(text.contains("host seen 49m ago"), "{text}");
    let runs = farm.told(&["runs"], 0);
    assert!(runs.contains("? lost? host seen 49m ago"), "{runs}");
    let why = farm.told(&["why", "long"], 0);
    assert!(why.starts_with("long  lost? host seen 49m ago "), "{why}");
    assert!(
        why.contains("  started\n"),
        "what it said until then: {why}"
    );
    let hosts = farm.told(&["hosts"], 0);
    let row = hosts
        .lines()
        .find(|line| line.starts_with("dp-000"))
        .unwrap();
    assert!(row.contains("silent; 1 run lost?"), "{hosts}");
    // It failed in nobody's eyes but its own host's, which says so once it is back.
    assert_eq!(farm.told(&["failures"], 0), "none\n");
    farm.hosts[0].run("after", "exit 0", 0);
    grease_testkit::sandbox::wait_until("the host tells how it ended", || state() == "done");
    assert_eq!(farm.jobs(&["failures"]), ["long"]);
    let why = farm.told(&["why", "long"], 0);
    assert!(
        why.starts_with("long  FAILED (supervisor-killed) "),
        "{why}"
    );
}

#[test]
fn a_host_with_nothing_to_tell_is_not_silent_however_long() {
    let Some(farm) = Farm::new(1) else { return };
    farm.hosts[0].run("daily", "exit 0", 0);
    farm.hosts[0].kill_shipper(); // Its last heartbeat may name the run as live.
    farm.age_heartbeat(0, Duration::from_hours(3));
    let text = farm.told(&[], 0);
    assert!(text.starts_with("nothing is failing · 0 running"), "{text}");
    let hosts = &farm.objects(&["hosts", "--json"])[0];
    assert_eq!(hosts["live"], serde_json::json!([]), "{hosts}");
    assert_eq!(hosts["stale"], true, "{hosts}");
}

#[test]
fn stop_ends_a_run_on_its_host_and_tells_the_way_elsewhere() {
    let Some(farm) = Farm::new(1) else { return };
    let running = farm.hosts[0].start(&farm, "long");
    let there = farm.ask(&["stop", "long"]);
    assert_eq!(there.code, Some(75), "{}", there.all());
    let hint = last(&there.err()).to_owned();
    assert!(hint.contains("@dp-000 greasestatus stop 01"), "{hint}");
    let id = hint.rsplit(' ').next().unwrap();
    let here = farm.hosts[0].asking(&["stop", id]).finish();
    assert_eq!(here.code, Some(0), "{}", here.all());
    assert!(
        here.out()
            .starts_with(&format!("asked to end: run {id} of long\n"))
    );
    let ended = running.finish();
    assert_ne!(ended.code, Some(7), "{}", ended.all());
    let runs = farm.objects(&["runs", "--json"]);
    assert_eq!(runs[0]["result"], "cancellation", "{runs:?}");
    for host in &farm.hosts {
        let again = host.asking(&["stop", id]).finish();
        assert_eq!(again.code, Some(64), "{}", again.all());
        assert!(again.err().contains("does not run"), "{}", again.err());
    }
}
