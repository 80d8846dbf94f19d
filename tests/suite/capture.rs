//! What is kept of a run: its log, record, digest and index lines, whatever the job writes.

use std::path::Path;

use grease_core::debugging::frame;
use grease_core::model::Stream;
use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{
    Finished, Run, Sandbox, is_running, redact, wait_for_file, wait_until,
};
use rustix::process::Signal;
use serde_json::Value;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

/// A place with settings for logs.
fn sandbox_with(logs: &str) -> Sandbox {
    let sandbox = sandbox();
    sandbox.config(&format!(
        r#"{{"jobs": {{"defaults": {{"nice": 0}}}}, "logs": {logs}}}"#
    ));
    sandbox
}

fn shell(sandbox: &Sandbox, options: &[&str], script: &str) -> Run {
    let fixed = ["-r", "shell", "-", "--", "sh", "-c", script];
    sandbox.greaserun(options.iter().chain(&fixed))
}

/// A file of the last run that was sealed.
fn read(sandbox: &Sandbox, name: &str) -> String {
    let dir = sandbox.sealed().pop().expect("a run was sealed");
    String::from_utf8_lossy(&fs_err::read(dir.join(name)).unwrap()).into_owned()
}

fn end(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&read(sandbox, "sealed")).unwrap()
}

/// All events in the index, in their order.
fn index(sandbox: &Sandbox) -> Vec<Value> {
    let dir = sandbox.spool().join("index");
    let mut files: Vec<_> = fs_err::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let text: String = files
        .iter()
        .map(|file| fs_err::read_to_string(file).unwrap())
        .collect();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The bytes of a stream out of a log.
fn output(log: &[u8], wanted: Stream) -> Vec<u8> {
    log.split_inclusive(|byte| *byte == b'\n')
        .map(|line| frame::parse(line).expect("a line of the format"))
        .filter(|(stream, bytes)| *stream == wanted && !bytes.starts_with(b"greaserun: "))
        .flat_map(|(_, bytes)| bytes)
        .collect()
}

#[test]
fn every_event_of_a_run_stands_in_the_index_as_in_the_log() {
    let sandbox = sandbox();
    let finished = shell(&sandbox, &["--job", "daily"], "echo x; exit 3").finish();
    assert_eq!(finished.code, Some(3));
    let events = index(&sandbox);
    let words: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["start", "execute", "end"]);
    assert_eq!(events[2], end(&sandbox));
    let log = read(&sandbox, "log");
    let of_log = log
        .lines()
        .filter_map(|line| line.split_once("greaserun: ").map(|(_, text)| text));
    let mut of_log: Vec<Value> = of_log
        .map(|text| serde_json::from_str(text.split_once(' ').unwrap().1).unwrap())
        .collect();
    // What the guard saw and did not mind is in the log alone.
    assert!(!of_log[1]["guard"]["checks"].as_array().unwrap().is_empty());
    of_log[1]["guard"]["checks"] = Value::Array(Vec::new());
    assert_eq!(of_log, events);

    let [start, _, end] = events.as_slice() else {
        panic!("{events:?}")
    };
    for name in ["user", "host", "trigger", "runner", "log"] {
        assert_eq!(start[name], end[name], "{name}");
        assert!(start[name].is_string(), "{name}");
    }
    assert_eq!(start["time"], end["start"]);
    assert_eq!(end["log_bytes"], log.len());
    let run = end["run"].as_str().unwrap();
    let place = start["log"].as_str().unwrap();
    assert!(
        place.contains("/logs/daily/") && place.ends_with(&format!("-{run}.log")),
        "{place}"
    );
}

#[test]
fn a_run_that_did_not_start_or_was_killed_stands_in_the_index_too() {
    let sandbox = sandbox();
    sandbox
        .greaserun(["--job", "absent", "-r", "shell", "-", "no-such-program"])
        .finish();
    let running = shell(
        &sandbox,
        &["--job", "killed"],
        "echo Error: last words >&2; echo $$ > pid; sleep 1000",
    )
    .start();
    let pid: i32 = wait_for_file(&sandbox.work("pid")).trim().parse().unwrap();
    wait_until("its output is in the log", || {
        let live = sandbox.live();
        live.iter().any(|dir| {
            fs_err::read_to_string(dir.join("log"))
                .unwrap()
                .contains(" stderr F Error: last words\n")
        })
    });
    running.signal(Signal::KILL);
    running.finish();
    wait_until("the job is gone", || !is_running(pid));
    shell(&sandbox, &["--job", "next"], "exit 0").finish();
    let ends: Vec<(String, String)> = index(&sandbox)
        .iter()
        .filter(|event| event["event"] == "end")
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            (text("job"), text("error"))
        })
        .collect();
    let expected = [
        ("absent", "spawn"),
        ("killed", "supervisor-killed"),
        ("next", ""),
    ];
    let expected = expected.map(|(job, error)| (job.to_owned(), error.to_owned()));
    assert_eq!(ends, expected);

    let killed = &sandbox.sealed()[1];
    let sealed: Value =
        serde_json::from_str(&fs_err::read_to_string(killed.join("sealed")).unwrap()).unwrap();
    assert_eq!(sealed["trigger"], "manual");
    assert_eq!(
        sealed["log_bytes"],
        fs_err::metadata(killed.join("log")).unwrap().len()
    );
    let digest = fs_err::read_to_string(killed.join("digest")).unwrap();
    assert!(
        digest.contains("\nresult: error (supervisor-killed)\n"),
        "{digest}"
    );
    assert!(digest.ends_with("\n\nError: last words\n"), "{digest}");
    assert!(!killed.join("reserve").exists());
}

#[test]
fn a_failed_run_leaves_a_digest_and_a_good_one_does_not() {
    let sandbox = sandbox();
    shell(&sandbox, &[], "exit 0").finish();
    assert!(!sandbox.sealed()[0].join("digest").exists());
    let script =
        "echo reading; seq 50; echo 'ValueError: no input' >&2; printf 'e\\033[2Jnd'; exit 4";
    shell(&sandbox, &["--job", "daily"], script).finish();
    assert_eq!(
        end(&sandbox)["msg"],
        "failed with exit code 4: ValueError: no input"
    );
    let digest = read(&sandbox, "digest");
    let (head, lines) = digest.split_once("\n\n").unwrap();
    let host = end(&sandbox)["host"].as_str().unwrap().to_owned();
    let user = end(&sandbox)["user"].as_str().unwrap().to_owned();
    let head = head
        .replace(&host, "[HOST]")
        .replace(&format!("user: {user}"), "user: [USER]");
    let head: String = head
        .lines()
        .map(|line| match line.strip_prefix("took: ") {
            Some(_) => "took: [N] s\n".to_owned(),
            None => format!("{line}\n"),
        })
        .collect();
    insta::assert_snapshot!(redact(&head, &sandbox), @r"
    job: daily
    result: failure (exit)
    exit: 4
    msg: failed with exit code 4: ValueError: no input
    host: [HOST]
    user: [USER]
    trigger: manual
    start: [TIME]
    when: [TIME]
    took: [N] s
    run: [RUN]
    log: [SANDBOX]/state/spool/[UID]/sealed/[RUN]/log
    more: greasestatus why [RUN]
    ");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 40);
    assert_eq!(lines[39], "e\\u{1b}[2Jnd");
}

#[test]
fn a_failure_mail_tells_why_and_where_and_how_to_learn_more() {
    let sandbox = sandbox();
    let root = sandbox.path("share");
    let text = fs_err::read_to_string(sandbox.path("scalegrease.json")).unwrap();
    let with_root = format!(r#"{{"common": {{"file_logger": "{}", "#, root.display());
    let text = text.replacen(r#"{"common": {"#, &with_root, 1);
    fs_err::write(sandbox.path("scalegrease.json"), text).unwrap();
    let script = "echo 'Error: the cause' >&2; seq 30 >&2; exit 3";
    let finished = shell(&sandbox, &["--cron", "--job", "daily"], script).finish();
    let mail = finished.err();
    let run = end(&sandbox)["run"].as_str().unwrap().to_owned();
    let log = end(&sandbox)["log"].as_str().unwrap().to_owned();
    let user = end(&sandbox)["user"].as_str().unwrap().to_owned();
    assert!(
        mail.starts_with("greaserun: daily failed with exit code 3 after "),
        "{mail}"
    );
    assert!(mail.contains("\nError: the cause\n"), "{mail}");
    assert!(
        mail.contains(&format!("\nlog     less {}", sandbox.spool().display())),
        "{mail}"
    );
    let shared = format!("\nshare   less {}/{user}/{log}\n", root.display());
    assert!(mail.contains(&shared), "{mail}");
    assert!(
        mail.contains(&format!("\nwhy     greasestatus why {run} -c ")),
        "{mail}"
    );
    let digest = read(&sandbox, "digest");
    assert!(
        digest.contains(&format!("\nlog: {}/{user}/{log}\n", root.display())),
        "{digest}"
    );

    let finished = shell(&sandbox, &["--cron"], "echo fine").finish();
    assert_eq!(finished.all(), "exit code: 0\n----- stdout\n----- stderr\n");
}

#[test]
fn secrets_reach_the_terminal_and_nothing_that_is_kept() {
    let secret = "hunter2-is/the password";
    let script = r#"echo "$DB_PASSWORD"; printf %s "${DB_PASSWORD%/*}" >&2; sleep 0.05; echo "/${DB_PASSWORD#*/}" >&2
        echo "$1"; printf %s "$DB_PASSWORD" | base64; exit 1"#;
    for options in [&["--output", "stream"][..], &["--cron"]] {
        let sandbox = sandbox();
        let finished = shell(&sandbox, options, script)
            .arguments(["sh", "--api-key=0123-4567", "https://u:pa55word@h/"])
            .env("DB_PASSWORD", secret)
            .finish();
        assert_eq!(finished.code, Some(1));
        let said = finished.all();
        if options == ["--cron"] {
            assert!(said.contains("[REDACTED]"), "{said}");
        } else {
            assert!(finished.out().contains(secret) && finished.err().contains(secret));
        }
        let mut kept = [
            read(&sandbox, "log"),
            read(&sandbox, "digest"),
            read(&sandbox, "sealed"),
        ];
        if options == ["--cron"] {
            kept[0].push_str(&said);
        }
        let index: String = index(&sandbox).iter().map(Value::to_string).collect();
        for text in kept.iter().chain([&index]) {
            for secret in [
                "hunter2",
                "the password",
                "0123-4567",
                "pa55word",
                "aHVudGVy",
            ] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
        assert!(kept[0].contains(" stderr F [REDACTED]\n"), "{}", kept[0]);
    }
}

#[test]
fn a_log_that_grows_too_long_loses_its_middle() {
    let sandbox = sandbox_with(r#"{"limits": {"run": "1MiB", "tail": "128KiB"}}"#);
    let finished = shell(&sandbox, &["-q"], "seq 100000; echo the end; exit 1").finish();
    assert!(finished.out().ends_with("\n100000\nthe end\n"));
    let log = read(&sandbox, "log");
    assert!(log.len() < (1 << 20) + 4096, "{}", log.len());
    assert!(log.contains("stdout F 1\n") && log.contains("stdout F 100000\n"));
    let end = end(&sandbox);
    let omitted = end["omitted_bytes"].as_u64().unwrap();
    assert!(
        log.contains(&format!(
            "greaserun: {omitted} bytes of the log are not kept here"
        )),
        "{end}"
    );
    assert_eq!(end["log_bytes"], log.len());
    assert!(
        !finished.err().contains("not complete"),
        "{}",
        finished.err()
    );
    let names: Vec<_> = fs_err::read_dir(sandbox.sealed().pop().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("tail") || name == "reserve")
        .collect();
    assert_eq!(names, [""; 0]);
}

/// Mounts a file system of `size` where the state is, runs a job on it, and copies what was kept.
fn on_small_disk(sandbox: &Sandbox, size: &str, script: &str) -> Finished {
    let state = sandbox.path("state");
    let line = format!(
        "mount -t tmpfs -o size={size},mode=700 tmpfs \"$1\" && shift
        kept=$1; shift; \"$@\"; code=$?; cp -r {}/. \"$kept\"; exit $code",
        sandbox.spool().display()
    );
    fs_err::create_dir(&state).unwrap();
    fs_err::create_dir(sandbox.path("kept")).unwrap();
    sandbox
        .program("unshare")
        .arguments(["--mount", "sh", "-c", &line, "sh"])
        .arguments([&state, &sandbox.path("kept")])
        .arguments([sandbox.programs().join("greaserun")])
        .arguments(["-c".as_ref(), sandbox.path("scalegrease.json").as_os_str()])
        .arguments(["-q", "-r", "shell", "-", "--", "sh", "-c", script])
        .finish()
}

#[test]
fn a_disk_that_fills_up_costs_the_middle_and_never_the_end() {
    if require(Component::MountNamespace).is_none() {
        return;
    }
    let sandbox = sandbox();
    let script = "seq 100000; echo the end >&2; exit 5";
    let finished = on_small_disk(&sandbox, "2m", script);
    assert_eq!(finished.code, Some(5), "{}", finished.err());
    assert!(finished.out().ends_with("\n100000\n"));
    let sealed = sandbox.path("kept").join("sealed");
    let dir = fs_err::read_dir(&sealed)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = |path: &Path| fs_err::read_to_string(path).unwrap();
    let end: Value = serde_json::from_str(&text(&dir.join("sealed"))).unwrap();
    assert_eq!(
        (&end["exit"], &end["msg"]),
        (&5.into(), &"failed with exit code 5: the end".into())
    );
    let log = fs_err::read(dir.join("log")).unwrap();
    assert_eq!(end["log_bytes"], log.len());
    let stdout = String::from_utf8(output(&log, Stream::Stdout)).unwrap();
    assert!(stdout.starts_with("1\n2\n") && stdout.ends_with("\n99999\n100000\n"));
    let whole = (1..=100_000).fold(String::new(), |text, number| text + &format!("{number}\n"));
    assert_eq!(end["omitted_bytes"], whole.len() - stdout.len());
    assert!(text(&dir.join("digest")).ends_with("\nthe end\n"));
    let day = fs_err::read_dir(sandbox.path("kept").join("index"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert!(
        text(&day.path())
            .lines()
            .last()
            .unwrap()
            .contains("\"event\":\"end\"")
    );
}

#[test]
fn exact_bytes_are_in_the_log_however_they_were_written() {
    let sandbox = sandbox();
    // Lines of no byte, of one, and of many; bytes that are no text.
    let script =
        "yes '' | head -n 20000; yes | head -n 20000; cat /proc/self/exe; printf '\\0\\377end'";
    let finished = shell(&sandbox, &["-q"], script).finish();
    assert_eq!(finished.code, Some(0));
    let log = fs_err::read(sandbox.sealed()[0].join("log")).unwrap();
    assert!(
        output(&log, Stream::Stdout) == finished.stdout,
        "not the same bytes"
    );
}

/// Largest resident memory of the greaserun of a run that waits for the file `go`, KiB.
fn peak_of(sandbox: &Sandbox, script: &str) -> u64 {
    let script = format!("{script}; echo > written; until [ -e go ]; do sleep 0.02; done");
    let running = shell(sandbox, &["--cron"], &script).start();
    wait_for_file(&sandbox.work("written"));
    let status = fs_err::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    fs_err::write(sandbox.work("go"), "").unwrap();
    assert_eq!(running.finish().code, Some(0));
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn memory_stays_flat_whatever_the_job_writes() {
    let idle = peak_of(&sandbox(), "true"); // Mostly the program itself, in a debug build.
    for script in [
        "head -c 300000000 /dev/zero",
        "yes '' | head -c 3000000",
        "head -c 3000000 /dev/zero | dd bs=1 count=100000 2>/dev/null",
    ] {
        let sandbox = sandbox_with(r#"{"limits": {"run": "32MiB", "tail": "8MiB"}}"#);
        let peak = peak_of(&sandbox, script);
        assert!(
            peak < idle + 6 * 1024,
            "{peak} KiB of `{script}`, {idle} KiB of none"
        );
        let log = fs_err::metadata(sandbox.sealed()[0].join("log"))
            .unwrap()
            .len();
        assert!(log < (32 << 20) + 4096, "{log}");
    }
}
