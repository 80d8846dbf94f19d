//! What is told and kept of runs that were dropped.

use grease_testkit::sandbox::{Finished, Sandbox};
use serde_json::{Value, json};

use super::{hold, kept, only, sandbox_with, shell};

/// A scheduled start of one job that does not wait.
fn tick(sandbox: &Sandbox) -> Finished {
    let options = ["--cron", "--job", "tick", "--max-wait", "0"];
    shell(sandbox, &options, "exit 0").finish()
}

#[test]
fn a_schedule_is_told_of_the_third_drop_in_a_row_and_then_less_and_less_often() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let told = |rounds: std::ops::RangeInclusive<usize>| -> Vec<(usize, String)> {
        let ticks = rounds.map(|round| (round, tick(&sandbox)));
        let codes = ticks.inspect(|(_, tick)| assert_eq!(tick.code, Some(75)));
        let texts = codes.map(|(round, tick)| (round, tick.out() + &tick.err()));
        texts.filter(|(_, said)| !said.is_empty()).collect()
    };
    let holder = hold(&sandbox, "holder", &[]);
    let said = told(1..=12);
    let rounds: Vec<usize> = said.iter().map(|(round, _)| *round).collect();
    assert_eq!(rounds, [3, 6, 12]);
    assert_digest(&sandbox, &said[0].1);
    let drops: Vec<Value> = kept(&sandbox, "tick")
        .into_iter()
        .map(|kept| kept.end["drops"].clone())
        .collect();
    assert_eq!(drops, (1..=12).map(Value::from).collect::<Vec<_>>());

    // One that ran ends the row.
    holder.finish();
    let good = tick(&sandbox);
    assert_eq!((good.code, good.err().as_str()), (Some(0), ""));
    let holder = hold(&sandbox, "another", &[]);
    let rounds: Vec<usize> = told(1..=4).iter().map(|(round, _)| *round).collect();
    assert_eq!(rounds, [3]);
    holder.finish();
}

/// Reason, who is in the way, the command that explains it, log and command to try again.
#[track_caller]
fn assert_digest(sandbox: &Sandbox, said: &str) {
    let config = sandbox.path("scalegrease.json");
    let run = kept(sandbox, "tick")[2].start["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let log = sandbox.spool().join("sealed").join(&run).join("log");
    for part in [
        "greaserun: tick was dropped: jobs with this one: 2 (at most 1)\n",
        "This was the 3. time in a row on ",
        "hint: what runs longest: holder (run ",
        &format!(
            "hint: greasestatus guard -c {} --explain --priority normal --cost 1\n",
            config.display()
        ),
        &format!("run     {run}\n"),
        &format!("log     less {}\n", log.display()),
        "again   cd ",
        " --max-wait 0 -r shell - -- sh -c 'exit 0' < /dev/null\n",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    assert!(log.exists());
}

#[test]
fn the_site_says_after_how_many_drops_it_is_told() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1, "drop": {"notify_after_consecutive": 1}}));
    let holder = hold(&sandbox, "holder", &[]);
    let said: Vec<bool> = (0..3).map(|_| !tick(&sandbox).err().is_empty()).collect();
    assert_eq!(said, [true, true, false]);
    holder.finish();
}

#[test]
fn skips_count_as_drops_do() {
    let sandbox = sandbox_with(&json!({}));
    let options = ["--key", "tick"];
    let holder = hold(
        &sandbox,
        "holder",
        &[&options[..], &["--overlap", "forbid"]].concat(),
    );
    let skip = || {
        let options = [&["--cron", "--job", "tick"][..], &options].concat();
        shell(&sandbox, &options, "exit 0").finish()
    };
    let said: Vec<String> = (0..3).map(|_| skip().err()).collect();
    assert_eq!((said[0].as_str(), said[1].as_str()), ("", ""));
    let told = "greaserun: tick was skipped: another run of the job has not ended\n";
    assert!(said[2].contains(told), "{}", said[2]);
    holder.finish();
}

#[test]
fn the_record_of_a_run_that_started_says_what_the_guard_saw() {
    let sandbox = sandbox_with(&json!({"max_jobs": 7}));
    let holder = hold(&sandbox, "holder", &["--cost", "2.5"]);
    let finished = shell(&sandbox, &["--job", "next"], "exit 0").finish();
    assert_eq!(finished.code, Some(0));
    let seen = &only(&sandbox, "next").execute["guard"];
    assert_eq!(
        (&seen["slots_used"], &seen["slots"]),
        (&json!(1), &json!(7))
    );
    let cost = seen["checks"].as_array().unwrap().iter();
    let cost = cost
        .clone()
        .find(|check| check["signal"] == "cost")
        .unwrap();
    assert_eq!(
        (&cost["value"], &cost["limit"]),
        (&json!(3.5), &json!(1000.0))
    );
    holder.finish();
}
