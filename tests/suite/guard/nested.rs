//! Runs that a job starts: they share its slot.

use grease_core::model::RunId;
use serde_json::json;

use super::{assert_all_is_free, hold, only, sandbox_with, shell};

#[test]
fn a_job_that_starts_another_does_not_wait_for_itself() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let greaserun = sandbox.programs().join("greaserun");
    let config = sandbox.path("scalegrease.json");
    let inner = format!(
        "{} -c {} --job inner --max-wait 0 -r shell - -- sh -c 'exit 4'",
        greaserun.display(),
        config.display()
    );
    let outer = format!("{inner}; echo $?; {}", inner.replace("inner", "again"));
    let finished = shell(&sandbox, &["-q", "--job", "outer"], &outer).finish();
    assert_eq!((finished.code, finished.out().as_str()), (Some(4), "4\n"));
    let parent = only(&sandbox, "outer").start["run"].clone();
    for job in ["inner", "again"] {
        let kept = only(&sandbox, job);
        assert_eq!(
            (&kept.start["parent"], &kept.start["trigger"]),
            (&parent, &json!("manual"))
        );
    }
    assert_all_is_free(&sandbox, &["--cost", "1000"]);
}

#[test]
fn the_id_of_a_run_that_holds_no_slot_gives_no_right() {
    let sandbox = sandbox_with(&json!({"max_jobs": 1}));
    let finished = shell(&sandbox, &["--job", "gone"], "exit 0").finish();
    assert_eq!(finished.code, Some(0));
    let gone = only(&sandbox, "gone").start["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let holder = hold(&sandbox, "holder", &[]);
    for parent in [
        gone,
        RunId::new().to_string(),
        "garbage".into(),
        "../../x".into(),
    ] {
        let finished = shell(&sandbox, &["--max-wait", "0"], "exit 0")
            .env("GREASE_RUN_ID", &parent)
            .finish();
        assert_eq!(finished.code, Some(75), "{parent}: {}", finished.all());
    }
    holder.finish();
}
