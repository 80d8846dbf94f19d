//! `greasestatus log`: of a run that is named by its time, byte for byte, and in a pager; and what leads
//! to it.

use std::io::Write as _;

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::{Finished, Run, Sandbox, wait_for_file, wait_until};
use serde_json::{Value, json};

use crate::records::{self, asking, status};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

/// Runs a piece of shell as the job `odd`.
fn run(sandbox: &Sandbox, script: &str) -> Finished {
    let fixed = ["--job", "odd", "-q", "-r", "shell", "-", "--", "sh", "-c"];
    sandbox.greaserun(fixed).arguments([script]).finish()
}

/// What a piece of shell writes by itself, with the id of the one run so far.
fn alone(sandbox: &Sandbox, script: &str) -> Finished {
    let sealed = sandbox.sealed();
    let run = sealed[0].file_name().unwrap();
    let shell = sandbox.program("sh").arguments(["-c", script]);
    shell.env("GREASE_RUN_ID", run).finish()
}

/// The bytes of both streams of a job, as the log gives them.
fn raw(sandbox: &Sandbox) -> [Vec<u8>; 2] {
    ["--stdout", "--stderr"].map(|stream| {
        let finished = status(sandbox, &["log", "odd", "--raw", stream]);
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        finished.stdout
    })
}

#[track_caller]
fn assert_exact(script: &str) {
    let sandbox = sandbox();
    run(&sandbox, script);
    let alone = alone(&sandbox, script);
    let [stdout, stderr] = raw(&sandbox);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(stdout == alone.stdout, "{:?}", text(&stdout));
    assert!(stderr == alone.stderr, "{:?}", text(&stderr));
}

#[test]
fn raw_gives_bytes_that_are_no_text_and_lines_without_an_end() {
    assert_exact(r"printf 'a\000b\377\303\n\n\r\033[2J no line feed'; printf '\000\000\377' >&2");
}

#[test]
fn raw_gives_what_was_written_byte_by_byte() {
    assert_exact(
        "for c in g r e a s e r u n : ' ' e n d ' ' x; do
            printf \"$c\"; printf \"$c\" >&2; sleep 0.002
        done; echo; echo >&2; i=0
        while [ $i -lt 300 ]; do printf .; printf , >&2; i=$((i + 1)); done",
    );
}

#[test]
fn raw_gives_lines_of_a_job_that_look_like_greaseruns_own() {
    assert_exact(
        r#"for out in 1 2; do
            echo 'greaserun: warning: this is the job' >&$out
            echo "greaserun: end {\"v\":1,\"event\":\"end\",\"run\":\"$GREASE_RUN_ID\"}" >&$out
            printf 'greaserun: ' >&$out; echo 'greaserun: greaserun: ' >&$out
            echo '2026-11-24T13:05:02.123456Z stderr F greaserun: start {}' >&$out
            echo '2026-11-24T13:05:02.123456Z stdout P ' >&$out
        done; echo greaserun: last >&2; printf 'greaserun: ' >&2"#,
    );
}

#[test]
fn raw_of_a_job_that_wrote_nothing_is_nothing_and_remarks_stand_beside_it() {
    let sandbox = sandbox();
    // Nobody knows this key of the config, which greaserun warns of.
    sandbox.config(r#"{"no_such_section": 1}"#);
    assert_eq!(run(&sandbox, "exit 0").code, Some(0));
    assert_eq!(raw(&sandbox).concat(), b"");
    let shown = status(&sandbox, &["log", "odd"]);
    assert!(
        shown.out().contains("E greaserun: warning: "),
        "{}",
        shown.all()
    );
    let raw = status(&sandbox, &["log", "odd", "--raw"]);
    assert!(raw.err().contains("── warning: "), "{}", raw.all());
}

#[test]
fn raw_of_a_cut_log_is_its_begin_and_its_end_and_what_is_missing_is_told_beside() {
    let sandbox = sandbox();
    sandbox.config(r#"{"logs": {"limits": {"run": "64KiB", "tail": "16KiB"}}}"#);
    // Each second line looks like one of greaserun's own.
    let script = r#"awk 'BEGIN { for (i = 0; i < 9000; i++)
        printf "%s%06d\n", i % 2 ? "greaserun: " : "", i > "/dev/stderr" }'"#;
    run(&sandbox, script);
    let whole = alone(&sandbox, script).stderr;
    let cut = status(&sandbox, &["log", "odd", "--raw"]);
    let text = cut.out();
    let same = |(one, other): &(&u8, &u8)| one == other;
    let begin = cut.stdout.iter().zip(&whole).take_while(same).count();
    let ends = cut.stdout.iter().rev().zip(whole.iter().rev());
    let end = ends.take_while(same).count();
    assert!(begin > 1000 && end > 1000, "{begin} {end}");
    assert!(
        text.len() < whole.len() && begin + end >= text.len(),
        "{begin} {end}"
    );
    assert!(
        cut.err().contains(" bytes of the log are not kept here"),
        "{}",
        cut.err()
    );
    let quiet = status(&sandbox, &["log", "odd", "--raw", "-q"]);
    assert_eq!((quiet.out(), quiet.err()), (text, String::new()));
}

/// A sandbox with a share on which a job of two hosts is recorded, and the day of its runs. On each
/// host it ran at five past one and at five past three; on one of them at five past two as well.
fn two_hosts() -> (Sandbox, String) {
    let sandbox = records::sandbox(&json!({}));
    let yesterday = jiff::Timestamp::now() - std::time::Duration::from_hours(24);
    let day = yesterday.to_string().split('T').next().unwrap().to_owned();
    for (host, time, failed) in [
        ("one", "13:05:02", false),
        ("two", "13:05:31", false),
        ("one", "14:05:02", false),
        ("one", "15:05:02", false),
        ("two", "15:05:02", true),
    ] {
        let start = format!("{day}T{time}Z").parse().unwrap();
        records::write(&sandbox, &records::end("g:a#load", host, start, 60, failed));
    }
    (sandbox, day)
}

#[test]
fn a_run_is_found_by_the_time_at_which_it_started_or_about() {
    let (sandbox, day) = two_hosts();
    for (time, expected) in [
        ("14:05", "one-"),
        ("14:05:02", "one-"),
        ("14:01", "one-"),
        ("14:09", "one-"),
        ("13:05:31", "two-"),
    ] {
        let name = format!("load@{day}T{time}");
        let path = status(&sandbox, &["log", "--path", &name]);
        let begin = format!("{}/share/etl/logs/{expected}", sandbox.path("").display());
        let begin = begin.replace("//", "/");
        assert!(path.out().starts_with(&begin), "{name}: {}", path.all());
    }
    let why = status(&sandbox, &["why", &format!("load@{day}T14:05")]);
    assert!(why.out().contains("succeeded"), "{}", why.all());
    // Of two, the one that failed is what `why` is asked for.
    let why = status(&sandbox, &["why", &format!("g:a#load@{day}T15:05")]);
    assert!(why.out().contains("FAILED (signal 9)"), "{}", why.all());
}

#[test]
fn where_a_time_names_no_run_or_several_it_is_told_which_there_are() {
    let (sandbox, day) = two_hosts();
    let asked = |time: &str| {
        let finished = status(&sandbox, &["log", &format!("load@{day}{time}")]);
        assert_eq!((finished.code, finished.out()), (Some(64), String::new()));
        finished.err()
    };
    let several = asked("T13:05");
    assert!(several.contains("error: 2 runs of `g:a#load` started about"));
    assert!(several.contains(" 13:05:02 on one: ✓), "), "{several}");
    assert!(several.contains(" 13:05:31 on two: ✓)\n"), "{several}");
    let none = asked("T14:30");
    assert!(
        none.contains("no run of `g:a#load` started about"),
        "{none}"
    );
    let nearest = none.split_once("the nearest: ").unwrap().1;
    let at = |time| nearest.find(time).unwrap_or(usize::MAX);
    assert!(
        at("14:05:02") < at("15:05:02") && at("15:05:02") < usize::MAX,
        "{none}"
    );
    assert!(asked("").contains("error: 5 runs of"));
    let far = status(&sandbox, &["log", "load@2020-02-02T13:05"]).err();
    assert!(
        far.contains("nor within a day of it; its last one is "),
        "{far}"
    );
    let unknown = status(&sandbox, &["log", "nope@13:05"]);
    assert_eq!(unknown.code, Some(64));
    assert!(unknown.err().contains("no job and no run `nope`"));
}

#[test]
fn a_time_of_day_is_the_last_one() {
    let sandbox = sandbox();
    run(&sandbox, "echo hello");
    let [dir] = &sandbox.sealed()[..] else {
        panic!("one run")
    };
    let end: Value = serde_json::from_slice(&fs_err::read(dir.join("sealed")).unwrap()).unwrap();
    let start = end["start"].as_str().unwrap();
    let minute = start.split_once('T').unwrap().1.get(..5).unwrap();
    let log = status(&sandbox, &["log", "-q", &format!("odd@{minute}")]);
    assert!(log.out().ends_with("  hello\n"), "{}", log.all());
    let stop = status(&sandbox, &["stop", &format!("odd@{minute}")]);
    assert!(!stop.err().contains("no job and no run"), "{}", stop.all());
}

#[test]
fn the_last_word_of_a_run_by_hand_that_failed_is_the_command_that_tells_why() {
    let sandbox = sandbox();
    let by_hand = |options: &[&str], script: &str| {
        let fixed = ["-r", "shell", "-", "--", "sh", "-c", script];
        let finished = sandbox.greaserun(options).arguments(fixed).finish();
        let last = finished.err().lines().last().unwrap_or_default().to_owned();
        last.strip_prefix("greaserun: more: ")
            .map(ToOwned::to_owned)
    };
    let command = by_hand(&[], "echo no input >&2; exit 3").unwrap();
    assert!(command.starts_with("greasestatus why "), "{command}");
    let path = format!("{}:/usr/bin:/bin", sandbox.programs().display());
    let shell = sandbox.program("sh").env("PATH", path);
    // It works in any directory.
    let shell = shell.directory(&sandbox.path("home"));
    let why = shell.arguments(["-c", &command]).finish();
    assert!(why.out().contains("FAILED (exit 3)"), "{}", why.all());
    let late = by_hand(&["--timeout", "0.1s"], "sleep 1000");
    assert!(late.is_some(), "a timeout is a failure");
    assert_eq!(by_hand(&[], "echo well"), None);
    assert_eq!(by_hand(&["-q"], "exit 3"), None);
    assert_eq!(by_hand(&[], "kill -INT $PPID; exec sleep 1000"), None);
}

/// A log of three lines, and the words that show it on a terminal; none without script(1).
fn on_terminal(sandbox: &Sandbox, words: &str) -> Option<Run> {
    let script = require(Component::Script)?.path;
    let config = sandbox.path("scalegrease.json");
    let program = sandbox.programs().join("greasestatus");
    let command = format!("exec {} -c {} {words}", program.display(), config.display());
    let run = sandbox
        .program(script)
        .arguments(["-qec", &command, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm");
    Some(run)
}

#[test]
fn on_a_terminal_a_log_is_shown_in_the_pager_that_is_wanted() {
    let sandbox = sandbox();
    run(&sandbox, "echo one; echo two >&2");
    let paged = sandbox.work("paged");
    for (pager, other) in [
        ("tee paged", "false"),
        ("tee -a 'paged' | sed s/^/shown:/", "cat"),
    ] {
        let Some(shown) = on_terminal(&sandbox, "log odd") else {
            return;
        };
        let shown = shown
            .env("GREASE_PAGER", pager)
            .env("PAGER", other)
            .finish();
        assert_eq!(shown.code, Some(0), "{}", shown.all());
        assert!(shown.out().contains("one"), "{}", shown.all());
        let text = fs_err::read_to_string(&paged).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        // What greasestatus has to say stands there too: the pager has the terminal.
        assert!(lines[0].starts_with("── run "), "{text}");
        assert!(
            lines[1].ends_with("  one") && lines[2].ends_with("E two"),
            "{text}"
        );
        fs_err::remove_file(&paged).unwrap();
    }
    let shown = on_terminal(&sandbox, "log odd").unwrap();
    shown.env("PAGER", "tee paged").finish();
    assert!(paged.exists(), "PAGER is asked next");
}

#[test]
fn without_a_pager_of_ones_own_it_is_less_which_ends_if_all_fits() {
    let sandbox = sandbox();
    run(&sandbox, "echo one");
    let less = sandbox.work("less");
    fs_err::write(&less, "#!/bin/sh\necho \"$LESS\" > habits\ncat > paged\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&less, executable).unwrap();
    let path = format!("{}:/usr/bin:/bin", sandbox.path("work").display());
    for (own, habits) in [(None, "FRX\n"), (Some("S"), "S\n")] {
        let Some(shown) = on_terminal(&sandbox, "log odd") else {
            return;
        };
        let shown = shown.env("PATH", &path);
        let shown = match own {
            Some(own) => shown.env("LESS", own),
            None => shown,
        };
        assert_eq!(shown.finish().code, Some(0));
        assert_eq!(wait_for_file(&sandbox.work("habits")), habits);
    }
}

#[test]
fn there_is_no_pager_where_nobody_could_use_it() {
    let sandbox = sandbox();
    run(&sandbox, "echo one");
    let plain = asking(&sandbox, &["log", "odd"])
        .env("TERM", "xterm")
        .env("GREASE_PAGER", "tee paged")
        .finish();
    assert!(plain.out().ends_with("  one\n"), "{}", plain.all());
    for (words, name, value) in [
        ("log odd -f", "TERM", "xterm"),
        ("log odd --raw", "TERM", "xterm"),
        ("log odd", "TERM", "dumb"),
        ("log odd", "GREASE_PAGER", ""),
        ("log odd", "GREASE_PAGER", "no-such-pager --flag"),
    ] {
        let Some(shown) = on_terminal(&sandbox, words) else {
            return;
        };
        let shown = shown.env("GREASE_PAGER", "tee paged").env(name, value);
        let shown = shown.finish();
        assert!(shown.out().contains("one\r\n"), "{words}: {}", shown.all());
        assert!(!sandbox.work("paged").exists(), "{words} {name}={value}");
    }
}

#[test]
fn a_pager_that_is_left_early_ends_it() {
    let sandbox = sandbox();
    run(&sandbox, "seq 100000");
    let Some(shown) = on_terminal(&sandbox, "log odd") else {
        return;
    };
    let shown = shown.env("PAGER", "head -n 2").finish();
    assert_eq!(shown.code, Some(0), "{}", shown.err());
    assert!(shown.out().ends_with("  1\r\n"), "{}", shown.all());
}

#[test]
fn ctrl_c_is_for_the_pager() {
    let sandbox = sandbox();
    run(&sandbox, "echo one");
    let script = "trap 'echo > interrupted' INT; echo > started
        until [ -e go ]; do sleep 0.02; done; cat > paged";
    fs_err::write(sandbox.work("pager"), script).unwrap();
    let Some(shown) = on_terminal(&sandbox, "log odd") else {
        return;
    };
    let (mut running, mut keys) = shown.env("PAGER", "sh pager").start_and_type();
    wait_for_file(&sandbox.work("started"));
    keys.write_all(b"\x03").unwrap();
    keys.flush().unwrap();
    wait_for_file(&sandbox.work("interrupted"));
    assert!(!running.has_ended());
    fs_err::write(sandbox.work("go"), "").unwrap();
    assert_eq!(running.finish().code, Some(0));
    wait_until("all is shown", || {
        fs_err::read_to_string(sandbox.work("paged")).is_ok_and(|text| text.contains("one"))
    });
}
