//! What is written to disk: golden files of every version, read by today's code, and today's
//! files, which have the same fields.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use grease_core::arbitration::slots::Holder;
use grease_core::debugging::frame;
use grease_core::model::guard::{Check, GuardRecord, Signal as Seen};
use grease_core::model::jobs::Priority;
use grease_core::model::{
    EndEvent, ErrorWord, ExecuteEvent, FetchedRecord, ResultWord, RunId, StaleRecord, StartEvent,
    Stream, UsageRecord,
};
use grease_core::registry::Meta;
use grease_testkit::component::workspace;
use grease_testkit::jar::JarBuilder;
use grease_testkit::sandbox::{Sandbox, wait_for_file};
use rustix::process::Signal;
use serde_json::{Value, json};

const RUN: &str = "01JD0V3Z5W8Q4N2T7M6K9XBCPA";
const JOB: &str = "com.acme:etl#load.sh";
const BOOT: &str = "6f1c7d0e-3c54-4a7f-9a53-0d6b8c1e2f47";

/// What stands in a golden end event.
struct End {
    file: &'static str,
    result: ResultWord,
    error: Option<ErrorWord>,
    exit: Option<i32>,
    signal: Option<i32>,
    was_started: bool,
}

impl End {
    /// The end of a run whose first process exited.
    const fn exit(
        file: &'static str,
        result: ResultWord,
        error: Option<ErrorWord>,
        code: i32,
    ) -> Self {
        Self {
            file,
            result,
            error,
            exit: Some(code),
            signal: None,
            was_started: true,
        }
    }

    /// The end of a run whose first process was ended by a signal.
    const fn signal(file: &'static str, result: ResultWord, error: ErrorWord, signal: i32) -> Self {
        let signal = Some(signal);
        Self {
            file,
            result,
            error: Some(error),
            exit: None,
            signal,
            was_started: true,
        }
    }

    /// The end of a run that was not started because it was not the time for it.
    const fn skip(file: &'static str, error: ErrorWord) -> Self {
        Self {
            result: ResultWord::Skip,
            ..Self::error(file, error)
        }
    }

    /// The end of a run that was not started, or lost.
    const fn error(file: &'static str, error: ErrorWord) -> Self {
        let (result, error) = (ResultWord::Error, Some(error));
        Self {
            file,
            result,
            error,
            exit: None,
            signal: None,
            was_started: false,
        }
    }
}

/// The golden ends of version 1.
const ENDS: [End; 10] = [
    End::exit("success", ResultWord::Success, None, 0),
    End::exit(
        "failure-exit",
        ResultWord::Failure,
        Some(ErrorWord::Exit),
        3,
    ),
    End::signal("failure-signal", ResultWord::Failure, ErrorWord::Signal, 9),
    End::signal("timeout", ResultWord::Timeout, ErrorWord::Timeout, 15),
    End::exit(
        "skip-already-running",
        ResultWord::Skip,
        Some(ErrorWord::AlreadyRunning),
        10,
    ),
    End::signal(
        "cancellation",
        ResultWord::Cancellation,
        ErrorWord::Signal,
        15,
    ),
    End::skip("skip-guard-command", ErrorWord::GuardCommand),
    End::skip("skip-overlap", ErrorWord::Overlap),
    End::error("error-artifact-bad", ErrorWord::ArtifactBad),
    End::error("error-supervisor-killed", ErrorWord::SupervisorKilled),
];

/// A golden file of version 1.
fn golden(name: &str) -> Vec<u8> {
    fs_err::read(workspace().join("tests/fixtures/formats/1").join(name)).unwrap()
}

fn golden_json(name: &str) -> Value {
    serde_json::from_slice(&golden(name)).unwrap()
}

fn golden_end(name: &str) -> Value {
    golden_json(&format!("sealed/{name}.json"))
}

/// The same with a field that nobody knows, in every object.
fn with_unknown_fields(value: &Value) -> Value {
    let Some(object) = value.as_object() else {
        return value.clone();
    };
    let known = object
        .iter()
        .map(|(key, value)| (key.clone(), with_unknown_fields(value)));
    known
        .chain([("x-of-later".to_owned(), json!({"a": [1]}))])
        .collect()
}

#[test]
fn a_meta_of_version_1_is_read() {
    let expected = Meta {
        v: 1,
        run: RUN.to_owned(),
        job: JOB.to_owned(),
        boot: BOOT.to_owned(),
        pid: 4711,
        scratch: PathBuf::from("/var/spool/scalegrease/1000/scratch").join(RUN),
        kill_survivors: true,
        key: "com.acme:etl/etl.cron#load com.acme:etl#load.sh".to_owned(),
        started: 812_345,
    };
    let golden = golden_json("meta.json");
    for value in [with_unknown_fields(&golden), golden] {
        assert_eq!(serde_json::from_value::<Meta>(value).unwrap(), expected);
    }
    assert_eq!(RUN.parse::<RunId>().unwrap().to_string(), RUN);
}

#[test]
fn an_end_of_version_1_is_read() {
    for expected in ENDS {
        let name = expected.file;
        let golden = golden_end(name);
        let end: EndEvent = serde_json::from_value(golden.clone()).unwrap();
        assert_eq!((end.v, end.event.as_str()), (1, "end"), "{name}");
        assert_eq!((end.run.as_str(), end.job.as_str()), (RUN, JOB), "{name}");
        assert_eq!(end.time, "2026-11-24T13:05:04.500000Z", "{name}");
        assert_eq!(
            (end.result, end.error),
            (expected.result, expected.error),
            "{name}"
        );
        assert_eq!(
            (end.exit, end.signal),
            (expected.exit, expected.signal),
            "{name}"
        );
        assert_eq!(end.msg.as_deref(), golden["msg"].as_str(), "{name}");
        assert_eq!(end.leftovers, usize::from(name == "failure-exit"), "{name}");
        let usage = UsageRecord {
            duration_ms: 2376,
            cpu_ms: 310,
            maxrss_kb: 20_480,
            tree_rss_kb: 28_672,
            out_bytes: 44,
            err_bytes: 8,
        };
        assert_eq!(end.usage, expected.was_started.then_some(usage), "{name}");
        let drops = golden["drops"]
            .as_u64()
            .map(|drops| u32::try_from(drops).unwrap());
        assert_eq!(end.drops, drops, "{name}");
        let guard = golden.get("guard").map(|_| guard(true));
        assert_eq!(end.guard, guard, "{name}");
        let later: EndEvent = serde_json::from_value(with_unknown_fields(&golden)).unwrap();
        assert_eq!(later, end, "{name}");
    }
}

/// What stands under `guard` in the golden files.
fn guard(is_drop: bool) -> GuardRecord {
    let check = |signal, value, limit, at_least, what: &str| Check {
        signal,
        value,
        limit,
        at_least,
        what: what.to_owned(),
        refuses: false,
    };
    let memory = "MiB of memory that this job leaves";
    let mut checks = vec![
        check(Seen::Jobs, 3.0, 31.0, false, "jobs with this one"),
        check(Seen::Load, 4.5, 10.0, false, "corrected load with this job"),
        check(Seen::Memory, 9000.0, 1205.0, true, memory),
    ];
    let mut holders = Vec::new();
    if is_drop {
        let what = "exit code of `/usr/local/bin/may-run`";
        let command = check(Seen::Command, 1.0, 0.0, false, what);
        checks.push(Check {
            refuses: true,
            ..command
        });
        holders.push(format!("{JOB} (run 01JD0V3Z5W8Q4N2T7M6K9XBCP9 of etl)"));
    }
    GuardRecord {
        waited_ms: 2380,
        slots_used: 2,
        slots: 31,
        waiting: 1,
        forced: false,
        checks,
        holders,
    }
}

#[test]
fn an_execute_of_version_1_is_read() {
    let golden = golden_json("execute.json");
    for value in [with_unknown_fields(&golden), golden] {
        let execute: ExecuteEvent = serde_json::from_value(value).unwrap();
        assert_eq!((execute.v, execute.event.as_str()), (1, "execute"));
        assert_eq!((execute.run.as_str(), execute.job.as_str()), (RUN, JOB));
        assert_eq!(execute.time, "2026-11-24T13:05:02.200000Z");
        let waits = (execute.delay_ms, execute.overlap_ms, execute.fetch_ms);
        assert_eq!(waits, (31_250, 12, 812));
        assert_eq!(execute.guard, Some(guard(false)));
        assert_eq!(execute.artifact.as_deref(), Some(FETCHED));
        assert_eq!(execute.fetched, Some(fetched()));
    }
}

#[test]
fn a_slot_of_version_1_is_read() {
    let golden = golden_json("slot.json");
    for value in [with_unknown_fields(&golden), golden] {
        let expected = Holder {
            v: 1,
            boot: BOOT.to_owned(),
            run: RUN.to_owned(),
            job: JOB.to_owned(),
            user: "etl".to_owned(),
            pid: 4711,
            cost: 1.5,
            mem_bytes: 1 << 30,
            priority: Priority::Normal,
            admitted_s: 81_234.5,
        };
        assert_eq!(serde_json::from_value::<Holder>(value).unwrap(), expected);
    }
}

#[test]
fn every_golden_end_is_tested() {
    let dir = fs_err::read_dir(workspace().join("tests/fixtures/formats/1/sealed")).unwrap();
    let files: BTreeSet<String> = dir
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let tested = ENDS.map(|end| format!("{}.json", end.file));
    assert_eq!(files, BTreeSet::from(tested));
}

#[test]
fn a_log_of_version_1_is_read() {
    let log = golden("log");
    let mut streams = [Vec::new(), Vec::new()];
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let (stream, bytes) = frame::parse(line).unwrap();
        streams[usize::from(stream == Stream::Stderr)].extend(bytes);
    }
    let [stdout, stderr] = streams;
    let expected = b"reading 2026-11-24\n\nhalf a line, and \xff\0 the rest\nno line feed";
    assert_eq!(stdout, expected);
    let stderr = String::from_utf8(stderr).unwrap();
    let lines: Vec<&str> = stderr.lines().collect();
    let [start, careful, remark, end] = lines.try_into().unwrap();
    assert_eq!(careful, "careful");
    assert_eq!(remark, "greaserun: 812 bytes of output are not kept here");
    let end: EndEvent = serde_json::from_str(end.strip_prefix("greaserun: end ").unwrap()).unwrap();
    assert_eq!(
        serde_json::to_value(end).unwrap(),
        golden_end("failure-exit")
    );
    let start: Value =
        serde_json::from_str(start.strip_prefix("greaserun: start ").unwrap()).unwrap();
    let expected = StartEvent {
        v: 1,
        event: "start".to_owned(),
        run: RUN.to_owned(),
        job: JOB.to_owned(),
        user: "etl".to_owned(),
        host: "worker-7".to_owned(),
        boot: BOOT.to_owned(),
        time: "2026-11-24T13:05:02.120000Z".to_owned(),
        trigger: "scheduled".to_owned(),
        runner: "shell".to_owned(),
        artifact: Some("/srv/etl.jar".to_owned()),
        fetched: None,
        args: vec!["load.sh".to_owned(), "2026-11-24".to_owned()],
        parent: Some("01JD0V3Z00R7D5G1H8W3Y2AEFS".to_owned()),
        pid: 4711,
        log: None,
    };
    for value in [with_unknown_fields(&start), start] {
        assert_eq!(
            serde_json::from_value::<StartEvent>(value).unwrap(),
            expected
        );
    }
}

const FETCHED: &str = "com.acme:etl:3.0-20240102.030405-7:jar:jar-with-dependencies";

fn fetched() -> FetchedRecord {
    FetchedRecord {
        version: "3.0-20240102.030405-7".to_owned(),
        repository: Some("corp".to_owned()),
        size_bytes: 125_829_120,
        sha256: "9f".repeat(32),
        stale: Some(StaleRecord {
            reason: "repository `corp` does not answer".to_owned(),
            age_s: Some(7200),
        }),
    }
}

#[test]
fn a_start_with_a_fetched_artifact_is_read() {
    let golden = golden_json("start-fetched.json");
    for value in [with_unknown_fields(&golden), golden] {
        let start: StartEvent = serde_json::from_value(value).unwrap();
        assert_eq!(start.artifact.as_deref(), Some(FETCHED));
        assert_eq!(start.fetched, Some(fetched()));
    }
}

#[test]
fn a_line_that_was_cut_is_not_taken_for_a_whole_one() {
    for line in [
        "",
        "2026-11-24T13:05:02.223456Z",
        "2026-11-24T13:05:02.223456Z stdout",
        "2026-11-24T13:05:02.223456Z stdout F",
        "2026-11-24T13:05:02.223456Z stdin F x",
        "2026-11-24T13:05:02.223456Z stdout Q x",
    ] {
        assert_eq!(frame::parse(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn every_word_that_is_documented_can_be_read() {
    let page = fs_err::read_to_string(workspace().join("docs/formats.md")).unwrap();
    let words = |field: &str| -> Vec<Value> {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{field}` |")))
            .unwrap();
        row.split('`').skip(3).step_by(2).map(Value::from).collect()
    };
    assert_eq!(words("result").len(), 6);
    for word in words("result") {
        assert!(
            serde_json::from_value::<ResultWord>(word.clone()).is_ok(),
            "{word}"
        );
    }
    assert_eq!(words("error").len(), 30);
    for word in words("error") {
        assert!(
            serde_json::from_value::<ErrorWord>(word.clone()).is_ok(),
            "{word}"
        );
    }
}

/// Names of all fields, those of objects in them included.
fn fields(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        names.insert(key.clone());
        names.extend(
            fields(value)
                .into_iter()
                .map(|inner| format!("{key}.{inner}")),
        );
    }
    names
}

/// The same without those that were added to version 1 later.
fn first_fields(value: &Value) -> BTreeSet<String> {
    let added: &[&str] = match value["event"].as_str() {
        Some("start") => &["log"],
        _ => &[
            "user",
            "host",
            "start",
            "trigger",
            "runner",
            "artifact",
            "log",
            "log_bytes",
            "omitted_bytes",
        ],
    };
    let mut names = fields(value);
    names.retain(|name| !added.contains(&name.as_str()));
    names
}

#[test]
fn a_start_and_an_end_with_what_was_added_later_are_written_and_read() {
    let sandbox = sandbox();
    sandbox.config(r#"{"logs": {"limits": {"run": "64KiB", "tail": "16KiB"}}}"#);
    // More than one read: what comes in one is cut no further.
    let script =
        "for i in 1 2 3 4 5 6; do seq 5000; sleep 0.02; done; echo Error: no input >&2; exit 3";
    sandbox
        .greaserun(["-q", "-r", "shell", "etl.jar", "--", "sh", "-c", script])
        .finish();
    let (written, golden) = (sealed(&sandbox), golden_json("end-with-facts.json"));
    assert_eq!(fields(&written), fields(&golden), "{written}");
    assert_eq!(written["msg"], golden["msg"]);
    let end: EndEvent = serde_json::from_value(with_unknown_fields(&golden)).unwrap();
    assert_eq!(serde_json::to_value(&end).unwrap(), golden);
    let facts = end.facts.unwrap();
    assert_eq!(
        (facts.user.as_str(), facts.host.as_str()),
        ("etl", "worker-7")
    );

    let start = start_of(&fs_err::read(sandbox.sealed()[0].join("log")).unwrap());
    let golden = golden_json("start-with-log.json");
    assert_eq!(fields(&start), fields(&golden), "{start}");
    let read: StartEvent = serde_json::from_value(with_unknown_fields(&golden)).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), golden);
    assert_eq!(read.log, facts.log);
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    sandbox.config(
        r#"{"jobs": {"defaults": {"nice": 0}}, "guard": {"enabled": false},
            "LuigiRunner": {"command": ["sh", "-c", "exit 10"]}}"#,
    );
    JarBuilder::new()
        .file("python/a.py", "")
        .write(&sandbox.work("etl.jar"));
    sandbox
}

/// The file `sealed` of the oldest run.
fn sealed(sandbox: &Sandbox) -> Value {
    read_json(&sandbox.sealed()[0].join("sealed"))
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

#[track_caller]
fn assert_same_fields(written: &Value, golden: &Value) {
    assert_eq!(first_fields(written), fields(golden), "{written}");
    for word in ["v", "event", "result", "error", "msg", "exit", "signal"] {
        if word != "msg" || golden["error"] != "artifact-bad" {
            assert_eq!(written[word], golden[word], "{word} in {written}");
        }
    }
}

#[test]
fn ends_are_written_as_in_version_1() {
    for (name, arguments) in [
        ("success", "-r shell etl.jar true"),
        ("failure-exit", "-r shell etl.jar -- sh -c"),
        ("failure-signal", "-r shell etl.jar -- sh -c"),
        ("timeout", "--timeout 100ms -r shell etl.jar sleep 60"),
        ("skip-already-running", "-r luigi etl.jar Top"),
        ("error-artifact-bad", "-r python etl.jar x"),
    ] {
        let sandbox = sandbox();
        let script = match name {
            "failure-exit" => Some("exit 3"),
            "failure-signal" => Some("kill -9 $$"),
            _ => None,
        };
        if name == "error-artifact-bad" {
            fs_err::write(sandbox.work("etl.jar"), "").unwrap();
        }
        sandbox
            .greaserun(arguments.split(' ').chain(script))
            .finish();
        assert_same_fields(&sealed(&sandbox), &golden_end(name));
    }
}

#[test]
fn a_drop_and_a_skip_are_written_as_in_version_1() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    sandbox.config(r#"{"guard": {"command": "false", "disk": {}}}"#);
    // The site's command is asked where nothing else refuses.
    let finished = sandbox
        .greaserun(["--max-wait", "0", "-r", "shell", "-", "true"])
        .finish();
    let dropped = sealed(&sandbox);
    assert_eq!(finished.code, Some(75), "{}", finished.err());
    let golden = golden_end("skip-guard-command");
    let mut expected = fields(&golden);
    expected.remove("guard.holders"); // Nothing runs.
    assert_eq!(first_fields(&dropped), expected, "{dropped}");

    let sandbox = self::sandbox();
    let of_schedule = ["--cron", "-D", "--job", "j", "-r", "shell", "-"];
    let runs = ["sh", "-c", "echo > ran; exec sleep 60"];
    let first = sandbox.greaserun(of_schedule.iter().chain(&runs)).start();
    wait_for_file(&sandbox.work("ran"));
    let second = sandbox
        .greaserun(of_schedule.iter().chain(&["true"]))
        .finish();
    assert_eq!(second.code, Some(75), "{}", second.err());
    assert_same_fields(&sealed(&sandbox), &golden_end("skip-overlap"));
    drop(first);
}

#[test]
fn an_execute_is_written_as_in_version_1() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    sandbox
        .greaserun(["-q", "-r", "shell", "-", "true"])
        .finish();
    let log = fs_err::read_to_string(sandbox.sealed()[0].join("log")).unwrap();
    let (_, execute) = log.split_once("greaserun: execute ").unwrap();
    let execute: Value = serde_json::from_str(execute.lines().next().unwrap()).unwrap();
    let mut expected = fields(&golden_json("execute.json"));
    for of_artifacts in [
        "artifact",
        "version",
        "repository",
        "size_bytes",
        "sha256",
        "stale",
        "stale.reason",
        "stale.age_s",
    ] {
        assert!(expected.remove(of_artifacts), "{of_artifacts}");
    }
    assert_eq!(fields(&execute), expected, "{execute}");
    assert_eq!(
        (&execute["v"], &execute["event"]),
        (&1.into(), &"execute".into())
    );
}

#[test]
fn a_cancelled_run_is_written_as_in_version_1() {
    let sandbox = sandbox();
    let running = sandbox
        .greaserun(["-r", "shell", "-", "sh", "-c", "echo > ran; exec sleep 60"])
        .start();
    wait_for_file(&sandbox.work("ran"));
    running.signal(Signal::TERM);
    assert_eq!(running.finish().code, Some(128 + 15));
    assert_same_fields(&sealed(&sandbox), &golden_end("cancellation"));
}

#[test]
fn a_run_that_is_ended_before_its_job_starts_is_cancelled_and_no_error_of_the_host() {
    let sandbox = sandbox();
    // Blocked, the signal waits for greaserun, which looks when it is about to start the job.
    let finished = sandbox
        .program("env")
        .arguments([
            "--block-signal=TERM",
            "sh",
            "-c",
            "kill -TERM $$; exec \"$@\"",
            "sh",
        ])
        .arguments([sandbox.programs().join("greaserun"), "-c".into()])
        .arguments([sandbox.path("scalegrease.json")])
        .arguments(["-r", "shell", "-", "touch", "ran"])
        .finish();
    assert_eq!(finished.code, Some(128 + 15), "{}", finished.err());
    assert!(!sandbox.work("ran").exists());
    let end = sealed(&sandbox);
    assert_eq!(
        (&end["result"], &end["error"]),
        (&"cancellation".into(), &"signal".into())
    );
}

#[test]
fn start_and_meta_and_the_end_of_a_killed_run_are_written_as_in_version_1() {
    let sandbox = sandbox();
    let running = sandbox
        .greaserun([
            "-r",
            "shell",
            "etl.jar",
            "sh",
            "-c",
            "echo > ran; exec sleep 60",
        ])
        .env("GREASE_RUN_ID", "01JD0V3Z00R7D5G1H8W3Y2AEFS")
        .start();
    wait_for_file(&sandbox.work("ran"));
    let [dir] = sandbox.live().try_into().unwrap();
    let meta = read_json(&dir.join("meta.json"));
    assert_eq!(fields(&meta), fields(&golden_json("meta.json")));
    assert_eq!(meta["v"], 1);
    running.signal(Signal::KILL);
    assert_eq!(running.finish().signal, Some(9));
    sandbox
        .greaserun(["-q", "-r", "shell", "-", "true"])
        .finish();
    assert_eq!(sandbox.sealed().len(), 2);
    assert_same_fields(&sealed(&sandbox), &golden_end("error-supervisor-killed"));
    let start = start_of(&fs_err::read(sandbox.sealed()[0].join("log")).unwrap());
    assert_eq!(first_fields(&start), fields(&start_of(&golden("log"))));
    assert_eq!((&start["v"], &start["event"]), (&1.into(), &"start".into()));
}

#[test]
fn a_complete_run_that_was_not_moved_any_more_keeps_its_record() {
    let sandbox = sandbox();
    let live = sandbox.spool().join("runs").join(RUN);
    fs_err::create_dir_all(&live).unwrap();
    fs_err::write(live.join("lock"), "").unwrap();
    for (name, file) in [
        ("meta.json", "meta.json"),
        ("log", "log"),
        ("sealed", "sealed/success.json"),
    ] {
        fs_err::write(live.join(name), golden(file)).unwrap();
    }
    sandbox
        .greaserun(["-q", "-r", "shell", "-", "true"])
        .finish();
    let moved = sandbox.spool().join("sealed").join(RUN);
    assert_eq!(read_json(&moved.join("sealed")), golden_end("success"));
    assert_eq!(fs_err::read(moved.join("log")).unwrap(), golden("log"));
    assert!(sandbox.live().is_empty());
}

/// The start event in the first line of a log.
fn start_of(log: &[u8]) -> Value {
    let (_, line) =
        frame::parse(log.split_inclusive(|byte| *byte == b'\n').next().unwrap()).unwrap();
    serde_json::from_slice(line.strip_prefix(b"greaserun: start ").unwrap()).unwrap()
}
