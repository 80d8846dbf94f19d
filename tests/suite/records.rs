//! A share with records of hosts that were never there.

use grease_core::debugging::share::marker;
use grease_core::model::RunId;
use grease_testkit::sandbox::{CALM, Finished, Run, Sandbox};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A sandbox whose config names a share and has these jobs.
pub(crate) fn sandbox(jobs: &Value) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    let (state, share) = (sandbox.path("state"), sandbox.path("share"));
    let config = json!({
        "common": {"state_dir": state, "file_logger": share},
        "jobs": jobs,
    });
    let config = config.to_string();
    let config = config.strip_suffix('}').unwrap();
    fs_err::write(
        sandbox.path("scalegrease.json"),
        format!("{config}{CALM}}}"),
    )
    .unwrap();
    fs_err::create_dir(&share).unwrap();
    marker::init(&share).unwrap();
    sandbox
}

/// What a run leaves: of a job on a host, from a time on, for so many seconds. A failed one was killed.
pub(crate) fn end(job: &str, host: &str, start: Timestamp, seconds: u64, failed: bool) -> Value {
    let end = start + std::time::Duration::from_secs(seconds);
    json!({
        "v": 1, "event": "end", "run": RunId::new().to_string(), "job": job,
        "time": format!("{end:.6}"), "start": format!("{start:.6}"),
        "user": "etl", "host": host, "trigger": "scheduled", "runner": "shell",
        "log": format!("logs/{host}-{start:.0}.log"),
        "result": if failed { "failure" } else { "success" },
        "error": failed.then_some("signal"),
        "signal": failed.then_some(9),
        "leftovers": 0,
    })
}

/// Adds an end to the index of its host.
pub(crate) fn write(sandbox: &Sandbox, end: &Value) {
    let (time, host) = (end["time"].as_str().unwrap(), end["host"].as_str().unwrap());
    let day = time.split('T').next().unwrap();
    let index = sandbox.path("share/etl").join(day).join("index");
    fs_err::create_dir_all(&index).unwrap();
    let path = index.join(format!("{host}.jsonl"));
    let before = fs_err::read_to_string(&path).unwrap_or_default();
    fs_err::write(path, format!("{before}{end}\n")).unwrap();
}

/// Asks greasestatus, in UTC.
pub(crate) fn status(sandbox: &Sandbox, words: &[&str]) -> Finished {
    asking(sandbox, words).finish()
}

/// The same, before it starts.
pub(crate) fn asking(sandbox: &Sandbox, words: &[&str]) -> Run {
    let config = sandbox.path("scalegrease.json");
    let program = sandbox.program("greasestatus").env("TZ", "UTC");
    program
        .arguments(["-c"])
        .arguments([config])
        .arguments(words)
}
