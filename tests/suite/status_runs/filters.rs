//! `runs` and `failures` with what they can be asked for.

use rustix::process::Signal;

use super::Farm;

#[test]
fn runs_are_filtered_by_all_that_is_known_of_them() {
    let Some(farm) = Farm::new(2) else { return };
    farm.hosts[0].run("load-a", "exit 0", 0);
    farm.hosts[1].run("load-b", "exit 9", 9);
    let slow = farm.hosts[0].start(&farm, "slow");
    slow.signal(Signal::TERM);
    slow.finish();
    farm.hosts[1].run("other", "exit 0", 0);
    let all = ["other", "slow", "load-b", "load-a"];
    for (words, expected) in [
        (&[][..], &all[..]),
        (&["--job", "load-*"], &["load-b", "load-a"]),
        (&["--job", "load-a"], &["load-a"]),
        (&["--job", "load"], &[]),
        (&["--host", "dp-000"], &["slow", "load-a"]),
        (&["--host", "dp-*"], &all),
        (&["--host", "elsewhere"], &[]),
        (&["--user", "*"], &all),
        (&["--user", "nobody-of-that-name"], &[]),
        (&["--failed"], &["load-b"]),
        (&["--result", "success"], &["other", "load-a"]),
        (&["--result", "failure"], &["load-b"]),
        (&["--result", "cancellation"], &["slow"]),
        (&["--result", "skip"], &[]),
        (&["--result", "timeout"], &[]),
        (&["-n", "2"], &["other", "slow"]),
        (&["-n", "0"], &all),
        (&["--since", "1h"], &all),
        (&["--until", "1h"], &[]),
        (&["--since", "2024-11-24", "--until", "2024-11-25"], &[]),
        (
            &["--since", "1h", "--host", "dp-001", "--result", "failure"],
            &["load-b"],
        ),
    ] {
        let asked = [&["runs"], words].concat();
        assert_eq!(farm.jobs(&asked), expected, "{words:?}");
    }
    assert_eq!(farm.jobs(&["failures"]), ["load-b"]);
    assert_eq!(farm.told(&["runs", "--job", "nothing"], 0), "none\n");
    let two = farm.told(&["runs", "-n", "2"], 0);
    assert!(
        two.ends_with("and 2 older ones (-n 0 shows all)\n"),
        "{two}"
    );
    for wrong in [
        &["runs", "--since", "yesterdayish"][..],
        &["runs", "--result", "bad"],
    ] {
        assert_eq!(farm.ask(wrong).code, Some(64), "{wrong:?}");
    }
}

#[test]
fn an_object_tells_all_of_a_run() {
    let Some(farm) = Farm::new(1) else { return };
    farm.hosts[0].run("daily", "echo broken >&2; exit 4", 4);
    let runs = farm.objects(&["runs", "--json"]);
    let run = &runs[0];
    for (key, expected) in [
        ("v", 1.into()),
        ("job", "daily".into()),
        ("host", "dp-000".into()),
        ("state", "done".into()),
        ("result", "failure".into()),
        ("error", "exit".into()),
        ("exit", 4.into()),
        ("signal", serde_json::Value::Null),
        ("runner", "shell".into()),
    ] {
        assert_eq!(run[key], expected, "{key} of {run}");
    }
    let log = farm.tree().join(run["log"].as_str().unwrap());
    let bytes = fs_err::metadata(log).unwrap().len();
    assert_eq!(run["log_bytes"], bytes);
    assert!(run["msg"].as_str().unwrap().contains("broken"), "{run}");
}
