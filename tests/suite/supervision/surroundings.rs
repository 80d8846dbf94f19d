//! What a job finds around it: descriptors, environment, limits, other runs.

use std::path::PathBuf;

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Sandbox, wait_until};
use serde_json::Value;

use super::{assert_clean, job, record, sandbox, sandbox_with, shell, through};

#[test]
fn a_job_inherits_no_descriptor_of_greaserun() {
    let sandbox = sandbox();
    // What the tests were started with is not greaserun's either.
    let line = "for fd in $(ls /proc/self/fd); do [ $fd -gt 2 ] && eval \"exec $fd>&-\"; done
        exec \"$@\"";
    let finished = through(
        &sandbox,
        &["bash", "-c", line, "bash"],
        &[],
        &["sh", "-c", "ls -l /proc/$$/fd"],
    )
    .finish();
    let out = finished.out();
    let lines: Vec<&str> = out.lines().filter(|line| line.contains("->")).collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[0].contains(" 0 -> /dev/null"), "{out}");
    for (line, number) in lines[1..].iter().zip(1..) {
        assert!(line.contains(&format!(" {number} -> pipe:")), "{out}");
    }
}

#[test]
fn a_job_starts_in_the_callers_directory_in_a_session_of_its_own() {
    let sandbox = sandbox();
    let dir = sandbox.path("some where");
    fs_err::create_dir(&dir).unwrap();
    let script = "pwd; [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ]";
    let finished = shell(&sandbox, &[], script).directory(&dir).finish();
    assert_eq!(finished.out(), format!("{}\n", dir.display()));
    assert_eq!(finished.code, Some(0));
}

#[test]
fn a_command_is_looked_for_in_the_path_of_the_job() {
    let sandbox = sandbox();
    let dir = sandbox.path("bin");
    fs_err::create_dir(&dir).unwrap();
    std::os::unix::fs::symlink("/bin/echo", dir.join("my-own-command")).unwrap();
    let path = format!("/nonexistent:{}:/bin", dir.display());
    let finished = job(&sandbox, &[], &["my-own-command", "hello"])
        .env("PATH", path)
        .finish();
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(0), "hello\n")
    );
}

#[test]
fn an_environment_of_a_megabyte_and_a_long_list_of_arguments_arrive() {
    let sandbox = sandbox();
    let value = "v".repeat(100_000);
    let mut run = job(
        &sandbox,
        &["-q"],
        &["sh", "-c", "env | wc -c; echo $#", "sh"],
    );
    for number in 0..10 {
        run = run.env(&format!("LARGE_{number}"), &value);
    }
    let finished = run
        .arguments((0..20_000).map(|number| format!("argument-{number}")))
        .finish();
    let out = finished.out();
    let (bytes, count) = out.split_once('\n').unwrap();
    assert!(
        bytes.trim().parse::<usize>().unwrap() > 1_000_000,
        "{}",
        finished.err()
    );
    assert_eq!(count.trim(), "20000");
}

#[test]
fn arguments_that_are_too_long_for_the_kernel_are_told_with_their_size() {
    // The stack limits arguments and environment to a quarter of it (`execve(2)`).
    let sandbox = sandbox_with(r#"{"nice": 0, "rlimits": {"stack": "512KiB"}}"#);
    let words = (0..20_000).map(|number| format!("argument-{number}"));
    let finished = job(&sandbox, &[], &["true"]).arguments(words).finish();
    assert_eq!(finished.code, Some(126));
    let said = finished.err();
    assert!(said.contains("cannot execute `true`"), "{said}");
    assert!(said.contains("Argument list too long"), "{said}");
    assert!(said.contains("hint: ") && said.contains(" bytes"), "{said}");
    assert_eq!(record(&sandbox)["error"], "spawn");
}

#[test]
fn words_and_variables_that_are_no_text_arrive_unchanged() {
    use std::os::unix::ffi::OsStrExt as _;

    let sandbox = sandbox();
    let odd = std::ffi::OsStr::from_bytes(b"\xff \n'\"$x\\");
    let finished = job(
        &sandbox,
        &["-q"],
        &["sh", "-c", r#"printf '%s|%s' "$1" "$ODD""#, "sh"],
    )
    .arguments([odd])
    .env("ODD", odd)
    .finish();
    assert_eq!(
        finished.stdout,
        [odd.as_bytes(), b"|", odd.as_bytes()].concat()
    );
}

#[test]
fn niceness_memory_priority_and_limits_of_the_config_arrive() {
    let sandbox = sandbox_with(
        r#"{"nice": 7, "oom_score_adj": 456, "ionice": "idle",
            "rlimits": {"nofile": 77, "core": 0, "fsize": "1MiB"}}"#,
    );
    let script = "nice; cat /proc/self/oom_score_adj; ionice
        ulimit -n; ulimit -H -n; ulimit -c; ulimit -f";
    let finished = shell(&sandbox, &[], script).finish();
    assert_eq!(
        finished.out(),
        "7\n456\nidle\n77\n77\n0\n2048\n",
        "{}",
        finished.err()
    );
    assert!(!finished.err().contains("warning"), "{}", finished.err());
}

#[test]
fn the_session_of_a_nicer_job_is_nicer_too() {
    let autogroup = "/proc/self/autogroup";
    let Ok(_) = fs_err::read_to_string(autogroup) else {
        return;
    };
    let sandbox = sandbox_with(r#"{"nice": 7}"#);
    let script = format!("cut -d' ' -f3 {autogroup}; nice");
    assert_eq!(shell(&sandbox, &[], &script).finish().out(), "7\n7\n");
    // A caller that is nicer already is not made less nice, whoever it is.
    let finished = through(&sandbox, &["nice", "-n", "12"], &[], &["sh", "-c", &script]).finish();
    assert_eq!(finished.out(), "12\n12\n");
}

#[test]
fn a_job_whose_caller_is_sooner_killed_for_memory_stays_so_without_a_warning() {
    let sandbox = sandbox();
    let line = r#"echo 700 > /proc/self/oom_score_adj; exec "$@""#;
    let finished = through(
        &sandbox,
        &["sh", "-c", line, "sh"],
        &[],
        &["cat", "/proc/self/oom_score_adj"],
    )
    .finish();
    assert_eq!(finished.out(), "700\n");
    assert!(!finished.err().contains("warning"), "{}", finished.err());
}

#[test]
fn what_cannot_be_set_is_a_warning_and_the_job_runs() {
    let sandbox =
        sandbox_with(r#"{"nice": 0, "ionice": "idle", "rlimits": {"nofile": 2000000000}}"#);
    // ionice(1) is looked for in the path of the job.
    let finished = through(
        &sandbox,
        &["sh", "-c", r#"PATH=/nonexistent; exec "$@""#, "sh"],
        &[],
        &["/bin/echo", "ran"],
    )
    .finish();
    assert_eq!((finished.code, finished.out().as_str()), (Some(0), "ran\n"));
    let said = finished.err();
    for warning in [
        "cannot set the I/O class to idle for the job: No such file or directory",
        "cannot set the limit `nofile` to 2000000000 for the job: Operation not permitted",
    ] {
        assert!(said.contains(warning), "{said}");
        assert!(
            super::log(&sandbox).contains(warning),
            "it is not in the log"
        );
    }
}

/// The start event of the run whose sealed directory is given.
fn start_of(dir: &std::path::Path) -> Value {
    let log = fs_err::read_to_string(dir.join("log")).unwrap();
    let (_, json) = log.lines().next().unwrap().split_once("start ").unwrap();
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_run_that_a_job_starts_is_manual_and_names_its_parent() {
    let sandbox = sandbox();
    let inner = r#"echo "$GREASE_RUN_ID ${GREASE_SCHEDULE-none} $GREASE_SCRATCH_DIR"; exit 7"#;
    let script = r#"echo "$GREASE_RUN_ID ${GREASE_SCHEDULE-none} $GREASE_SCRATCH_DIR"
        greaserun -q -c "$CONFIG" -r shell --job inner - sh -c "$INNER""#;
    let path = format!("{}:/usr/bin:/bin", sandbox.programs().display());
    let finished = shell(&sandbox, &["-q", "--cron", "--output", "stream"], script)
        .env("PATH", path)
        .env("CONFIG", sandbox.path("scalegrease.json"))
        .env("INNER", inner)
        .env("GREASE_ENTRY", "group:artifact/file.cron#id")
        .env("GREASE_SCHEDULE", "5 * * * *")
        .finish();
    assert_eq!(finished.code, Some(7), "{}", finished.err());
    let out = finished.out();
    let told: Vec<Vec<&str>> = out.lines().map(|line| line.split(' ').collect()).collect();
    let [outer, inner] = told.as_slice() else {
        panic!("{out}")
    };
    assert_ne!(outer[0], inner[0]);
    assert_ne!(
        outer[2], inner[2],
        "each has a scratch directory of its own"
    );
    assert_eq!((outer[1], inner[1]), ("none", "none"));

    let start = |run: &str| start_of(&sandbox.spool().join("sealed").join(run));
    assert_eq!(start(outer[0])["trigger"], "scheduled");
    assert_eq!(start(outer[0]).get("parent"), None);
    assert_eq!(start(inner[0])["trigger"], "manual");
    assert_eq!(start(inner[0])["parent"], outer[0]);
    assert_clean(&sandbox);
}

#[test]
fn two_runs_in_one_line_of_shell_are_two_runs_with_their_own_codes() {
    let sandbox = sandbox();
    let line = r#"greaserun -c "$CONFIG" -r shell - sh -c 'exit 3' ||
        greaserun -c "$CONFIG" -r shell - sh -c 'exit 4'; echo "$?"
        greaserun -c "$CONFIG" -r shell - sh -c 'echo a; echo b' |
        greaserun -c "$CONFIG" --stdin inherit -r shell - wc -l"#;
    let finished = sandbox
        .program("sh")
        .arguments(["-c", line])
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", sandbox.programs().display()),
        )
        .env("CONFIG", sandbox.path("scalegrease.json"))
        .finish();
    assert_eq!(finished.out(), "4\n2\n", "{}", finished.err());
    let results = |dir: &PathBuf| {
        let end = fs_err::read_to_string(dir.join("sealed")).unwrap();
        serde_json::from_str::<Value>(&end).unwrap()["exit"].as_i64()
    };
    let mut exits: Vec<Option<i64>> = sandbox.sealed().iter().map(results).collect();
    exits.sort_unstable();
    assert_eq!(exits, [Some(0), Some(0), Some(3), Some(4)]);
}

fn usage(sandbox: &Sandbox, name: &str) -> u64 {
    record(sandbox)["usage"][name].as_u64().unwrap()
}

#[test]
fn the_record_counts_bytes_and_the_cpu_time_of_all_processes() {
    let sandbox = sandbox();
    // The spinning one is an orphan when it ends.
    let spin = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done";
    let script = format!("printf 12345; printf 123 >&2; (setsid sh -c '{spin}' &); exit 0");
    let finished = shell(&sandbox, &["-q", "--leftovers", "wait"], &script).finish();
    assert_eq!((finished.code, finished.out().as_str()), (Some(0), "12345"));
    assert_eq!(
        (usage(&sandbox, "out_bytes"), usage(&sandbox, "err_bytes")),
        (5, 3)
    );
    assert!(
        usage(&sandbox, "cpu_ms") >= 50,
        "{} ms",
        usage(&sandbox, "cpu_ms")
    );
    assert!(usage(&sandbox, "duration_ms") >= 50);
}

#[test]
fn the_cpu_time_that_the_caller_had_used_before_is_not_counted() {
    let sandbox = sandbox();
    let line = r#"sh -c 'i=0; while [ $i -lt 400000 ]; do i=$((i + 1)); done'; exec "$@""#;
    through(&sandbox, &["sh", "-c", line, "sh"], &[], &["true"]).finish();
    let counted = usage(&sandbox, "cpu_ms");
    assert!(counted < 200, "{counted} ms");
}

#[test]
fn the_cpu_time_of_a_leftover_that_was_killed_is_counted() {
    let sandbox = sandbox_with(r#"{"nice": 0, "drain": "500ms", "grace": "1ms"}"#);
    let script = "trap '' TERM; setsid sh -c 'while :; do :; done' & exit 0";
    assert_eq!(shell(&sandbox, &[], script).finish().code, Some(0));
    assert!(
        usage(&sandbox, "cpu_ms") >= 100,
        "{} ms",
        usage(&sandbox, "cpu_ms")
    );
}

#[test]
fn the_record_knows_the_peak_memory_of_a_moment_and_of_the_whole_tree() {
    if require(Component::Python).is_none() {
        return;
    }
    let sandbox = sandbox();
    let moment = "python3 -c 'bytearray(60_000_000)'; sleep 0.1";
    assert_eq!(shell(&sandbox, &[], moment).finish().code, Some(0));
    assert!(usage(&sandbox, "maxrss_kb") > 55_000);
    assert!(usage(&sandbox, "tree_rss_kb") > 55_000);

    let together = "for i in 1 2 3; do python3 -c \"
import os, time
held = bytearray(30_000_000)
open('held$i', 'w').close()
while not os.path.exists('go'): time.sleep(0.02)
\" & done; wait";
    let running = shell(&sandbox, &[], together).start();
    wait_until("all hold their memory", || {
        (1..=3).all(|number| sandbox.work(&format!("held{number}")).exists())
    });
    // Samples are at most this far apart in the first seconds of a run.
    let since = std::time::Instant::now();
    wait_until("it has been sampled", || since.elapsed().as_secs() >= 2);
    fs_err::write(sandbox.work("go"), "").unwrap();
    assert_eq!(running.finish().code, Some(0));
    assert!(usage(&sandbox, "maxrss_kb") < 60_000);
    assert!(
        usage(&sandbox, "tree_rss_kb") > 85_000,
        "{}",
        usage(&sandbox, "tree_rss_kb")
    );
}
