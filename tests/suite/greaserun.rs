//! `greaserun` as a person meets it: names, plans, messages, and what is shown by trigger.

use std::path::PathBuf;

use grease_testkit::jar::JarBuilder;
use grease_testkit::sandbox::{Finished, Sandbox, redact, wait_for_file};
use serde_json::Value;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

/// A jar with coordinates, a script and a folder `python/`, in the working directory.
fn job_jar(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.work("etl.jar");
    JarBuilder::new()
        .pom_properties("com.acme", "etl", "1.0")
        .script(
            "bin/load.sh",
            "#!/bin/sh\necho \"loads $*\"\necho careful >&2\nexit ${CODE:-0}\n",
        )
        .file("python/jobs.py", b"print('from python')\n")
        .write(&path);
    path
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Finished {
    sandbox.greaserun(arguments).finish()
}

/// The start and the end event of the only run.
fn record(sandbox: &Sandbox) -> (Value, Value) {
    let [dir] = sandbox.sealed().try_into().unwrap();
    let log = fs_err::read_to_string(dir.join("log")).unwrap();
    let start = log.lines().next().unwrap().split_once("start ").unwrap().1;
    let end = fs_err::read_to_string(dir.join("sealed")).unwrap();
    (
        serde_json::from_str(start).unwrap(),
        serde_json::from_str(&end).unwrap(),
    )
}

#[test]
fn by_hand_the_output_comes_as_it_is_between_two_short_lines() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    let finished = run(
        &sandbox,
        &["-r", "shell", "etl.jar", "bin/load.sh", "a b", "--x"],
    );
    insta::assert_snapshot!(redact(&finished.all(), &sandbox), @r"
    exit code: 0
    ----- stdout
    loads a b --x
    ----- stderr
    greaserun: com.acme:etl#load.sh starts, run [RUN]
    careful
    greaserun: com.acme:etl#load.sh succeeded after [N] s; log [SANDBOX]/state/spool/[UID]/sealed/[RUN]/log
    ");
}

#[test]
fn quiet_leaves_the_jobs_output_alone() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    let finished = run(&sandbox, &["-q", "-r", "shell", "etl.jar", "bin/load.sh"]);
    assert_eq!(
        (finished.out().as_str(), finished.err().as_str()),
        ("loads \n", "careful\n")
    );
}

#[test]
fn a_scheduled_run_that_succeeds_is_silent() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    for scheduled in [
        sandbox.greaserun(["--cron", "-r", "shell", "etl.jar", "bin/load.sh"]),
        sandbox
            .greaserun(["-r", "shell", "etl.jar", "bin/load.sh"])
            .env("GREASE_ENTRY", "g:a/x#1"),
    ] {
        let finished = scheduled.finish();
        assert_eq!(
            (finished.code, finished.out(), finished.err()),
            (Some(0), String::new(), String::new())
        );
    }
}

#[test]
fn a_scheduled_run_that_fails_mails_the_reason_the_last_lines_and_where_the_rest_is() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    let finished = sandbox
        .greaserun([
            "--cron",
            "-r",
            "shell",
            "etl.jar",
            "bin/load.sh",
            "2026-11-24",
        ])
        .env("CODE", "3")
        .finish();
    insta::assert_snapshot!(redact(&finished.all(), &sandbox), @r"
    exit code: 3
    ----- stdout
    ----- stderr
    greaserun: com.acme:etl#load.sh failed with exit code 3 after [N] s on [HOST]

    The last lines of its output:
        loads 2026-11-24
        careful

    run     [RUN]
    user    [USER]
    ended   [TIME]
    log     less [SANDBOX]/state/spool/[UID]/sealed/[RUN]/log
    why     greasestatus why [RUN] -c [SANDBOX]/scalegrease.json
    again   cd [SANDBOX]/work && env -i HOME=[SANDBOX]/home PATH=/usr/local/bin:/usr/bin:/bin [BIN]/greaserun -c [SANDBOX]/scalegrease.json -r shell etl.jar bin/load.sh 2026-11-24 < /dev/null
    ");
}

#[test]
fn a_digest_has_the_last_twenty_lines_and_nothing_that_upsets_a_terminal() {
    let sandbox = sandbox();
    let script = "for n in $(seq 50); do echo line $n; done; printf '\\033[2J\\007bell'; exit 1";
    let finished = run(
        &sandbox,
        &["--cron", "-r", "shell", "-", "sh", "-c", script],
    );
    let shown: Vec<String> = finished
        .err()
        .lines()
        .filter_map(|line| line.strip_prefix("    ").map(ToOwned::to_owned))
        .collect();
    assert_eq!(shown.len(), 20);
    assert_eq!(shown[0], "line 32");
    assert_eq!(shown[19], r"\u{1b}[2J\u{7}bell");
}

#[test]
fn the_command_that_a_digest_offers_repeats_the_failure() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    let finished = run(
        &sandbox,
        &[
            "--cron",
            "-r",
            "shell",
            "etl.jar",
            "sh",
            "-c",
            "test -e etl.jar && test $1 = --cron && echo x; exit 7",
            "sh",
            "--cron",
        ],
    );
    let err = finished.err();
    let again = err
        .lines()
        .find_map(|line| line.strip_prefix("again "))
        .unwrap()
        .trim();
    assert!(again.contains("env -i"), "{again}");
    let elsewhere = sandbox.path("home");
    let repeated = sandbox
        .program("/bin/sh")
        .arguments(["-c", again])
        .directory(&elsewhere)
        .finish();
    assert_eq!((repeated.code, repeated.out().as_str()), (Some(7), "x\n"));
}

#[test]
fn output_can_be_asked_for_whatever_the_trigger() {
    let sandbox = sandbox();
    let job = ["-r", "shell", "-", "sh", "-c", "echo out; exit 2"];
    let with = |flags: &[&str]| run(&sandbox, &[flags, &job[..]].concat());
    assert_eq!(with(&["--cron", "--output", "stream"]).out(), "out\n");
    let digest = with(&["--output", "digest"]);
    assert_eq!(digest.out(), "");
    assert!(digest.err().contains("    out\n"));
    let none = with(&["--output", "none"]);
    assert_eq!(
        (none.code, none.out(), none.err()),
        (Some(2), String::new(), String::new())
    );
}

#[test]
fn continuous_integration_sees_the_output_though_it_has_no_terminal() {
    let sandbox = sandbox();
    let job = ["-r", "shell", "-", "sh", "-c", "echo $GREASE_TRIGGER"];
    let finished = sandbox.greaserun(job).env("CI", "true").finish();
    assert_eq!(finished.out(), "ci\n");
}

#[test]
fn a_dry_run_prints_a_plan_that_can_be_pasted_and_starts_nothing() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    let finished = run(
        &sandbox,
        &[
            "--dry-run",
            "-r",
            "shell",
            "etl.jar",
            "--",
            "touch",
            "it's {x}",
            "y",
        ],
    );
    insta::assert_snapshot!(redact(&finished.all(), &sandbox), @r#"
    exit code: 0
    ----- stdout
    job         com.acme:etl#touch
    runner      shell
    artifact    [SANDBOX]/work/etl.jar
    trigger     manual
    timeout     none

    cd [SANDBOX]/work
    export GREASE_ARTIFACT=[SANDBOX]/work/etl.jar
    export GREASE_JAR=[SANDBOX]/work/etl.jar
    export GREASE_JOB='com.acme:etl#touch'
    export GREASE_RUN_ID=[RUN]
    export GREASE_SCRATCH_DIR=[SANDBOX]/state/spool/[UID]/scratch/[RUN]
    export GREASE_TRIGGER=manual
    export TRACEPARENT=[TRACE]
    touch "it's {x}" y
    ----- stderr
    "#);
    assert!(sandbox.sealed().is_empty());
    assert!(sandbox.scratches().is_empty());
    let script = finished.out().split_once("\n\n").unwrap().1.to_owned();
    let pasted = sandbox
        .program("/bin/sh")
        .arguments(["-euc", &script])
        .finish();
    assert_eq!(pasted.code, Some(0), "{}", pasted.err());
    assert!(sandbox.work("it's {x}").exists());
}

#[test]
fn a_dry_run_can_be_read_by_programs() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    let arguments = [
        "--dry-run",
        "--json",
        "-r",
        "python",
        "--timeout",
        "90s",
        "etl.jar",
        "python3",
        "jobs.py",
    ];
    let plan: Value = serde_json::from_str(&run(&sandbox, &arguments).out()).unwrap();
    assert_eq!(plan["job"], "com.acme:etl#jobs.py");
    assert_eq!(plan["command"], serde_json::json!(["python3", "jobs.py"]));
    assert_eq!(plan["timeout_seconds"], 90.0);
    assert_eq!(plan["unpack"]["files"], 1);
    assert_eq!(
        plan["environment"]["PLATFORM_ARTIFACT_SPEC"],
        sandbox.work("etl.jar").to_str().unwrap()
    );
    assert_eq!(plan["directory"], plan["environment"]["PYTHONPATH"]);
}

#[test]
fn jobs_are_named_after_their_artifact_and_what_they_run() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    JarBuilder::new()
        .script("go", "#!/bin/sh\n")
        .write(&sandbox.work("plain.jar"));
    JarBuilder::new()
        .manifest("Manifest-Version: 1.0\r\nMain-Class: com.acme.Count\r\n\r\n")
        .write(&sandbox.work("main.jar"));
    for (arguments, expected) in [
        ("-r shell etl.jar bin/load.sh x", "com.acme:etl#load.sh"),
        ("-r shell etl.jar /bin/echo x", "com.acme:etl#echo"),
        ("-r SHELL plain.jar go", "plain.jar#go"),
        ("-r shell - /usr/bin/env", "env"),
        (
            "-r shell --job nightly etl.jar true",
            "com.acme:etl#nightly",
        ),
        ("-r shell --job nightly - true", "nightly"),
        (
            "-r hadoop etl.jar com.acme.Count in out",
            "com.acme:etl#com.acme.Count",
        ),
        ("-r hadoop main.jar wordcount in", "main.jar#wordcount"),
        ("-r hadoop main.jar 2026-11-24", "main.jar#hadoop"),
        (
            "-r luigi etl.jar --module jobs Top --day 1",
            "com.acme:etl#Top",
        ),
        ("-r python etl.jar python3 -m jobs", "com.acme:etl#jobs"),
    ] {
        let words = ["--dry-run", "--json"]
            .into_iter()
            .chain(arguments.split(' '));
        let finished = sandbox.greaserun(words).finish();
        let plan: Value = serde_json::from_str(&finished.out()).unwrap();
        assert_eq!(plan["job"], expected, "{arguments}");
    }
}

#[test]
fn the_job_gets_its_run_in_the_environment() {
    let sandbox = sandbox();
    let jar = job_jar(&sandbox);
    let finished = run(&sandbox, &["-q", "-r", "shell", "etl.jar", "env"]);
    let out = finished.out();
    let value = |name: &str| {
        out.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}=")))
            .map(ToOwned::to_owned)
    };
    let (start, _) = record(&sandbox);
    assert_eq!(value("GREASE_RUN_ID").as_deref(), start["run"].as_str());
    assert_eq!(value("GREASE_JOB").unwrap(), "com.acme:etl#env");
    assert_eq!(value("GREASE_JAR").unwrap(), jar.to_str().unwrap());
    assert_eq!(value("GREASE_ARTIFACT").unwrap(), jar.to_str().unwrap());
    assert_eq!(value("GREASE_TRIGGER").unwrap(), "manual");
    let run: grease_core::model::RunId = start["run"].as_str().unwrap().parse().unwrap();
    let trace = format!("00-{}-", run.as_uuid().simple());
    assert!(value("TRACEPARENT").unwrap().starts_with(&trace));
    let scratch = PathBuf::from(value("GREASE_SCRATCH_DIR").unwrap());
    assert!(scratch.starts_with(sandbox.spool()) && !scratch.exists());
}

#[test]
fn python_runs_in_the_unpacked_folder_and_finds_its_modules_anywhere() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    let script =
        "cd /; python3 -c 'import jobs, os; print(os.environ[\"PLATFORM_ARTIFACT_SPEC\"])'";
    let finished = sandbox
        .greaserun(["-q", "-r", "python", "etl.jar", "sh", "-c", script])
        .env("PYTHONPATH", "/elsewhere")
        .finish();
    let jar = sandbox.work("etl.jar");
    assert_eq!(
        finished.out(),
        format!("from python\n{}\n", jar.display()),
        "{}",
        finished.err()
    );
}

#[test]
fn hadoop_gets_the_jar_the_class_path_and_a_place_for_temporary_files() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    let fake = "#!/bin/sh\necho \"$@\"\necho $HADOOP_CLASSPATH\necho $HADOOP_CLIENT_OPTS\n";
    let program = sandbox.path("hadoop");
    fs_err::write(&program, fake).unwrap();
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    sandbox.config(&format!(
        r#"{{"HadoopRunner": {{"command": ["{}", "jar"]}}}}"#,
        program.display()
    ));
    let finished = sandbox
        .greaserun(["-q", "-r", "hadoop", "etl.jar", "Count", "in"])
        .env("HADOOP_CLASSPATH", "/a.jar")
        .env("HADOOP_CLIENT_OPTS", "-Xmx1g")
        .finish();
    let jar = sandbox.work("etl.jar").display().to_string();
    let out = finished.out();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], format!("jar {jar} Count in"));
    assert_eq!(lines[1], format!("/a.jar:{jar}"));
    assert!(
        lines[2].starts_with("-Xmx1g -Djava.io.tmpdir="),
        "{}",
        lines[2]
    );
    assert!(lines[2].contains("/scratch/"), "{}", lines[2]);
}

#[test]
fn hadoop_without_a_jar_or_a_class_is_refused() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    JarBuilder::new()
        .manifest("Manifest-Version: 1.0\r\nMain-Class: com.acme.Count\r\n\r\n")
        .write(&sandbox.work("main.jar"));
    fs_err::write(sandbox.work("text"), "no jar").unwrap();
    for (words, code) in [
        (["-", "Count"].as_slice(), 64),
        (&["etl.jar"], 64),
        (&["text", "Count"], 65),
        (&["main.jar"], 0),
    ] {
        let finished = sandbox
            .greaserun(["--dry-run", "-r", "hadoop"])
            .arguments(words)
            .finish();
        assert_eq!(finished.code, Some(code), "{words:?}: {}", finished.all());
    }
}

#[test]
fn a_runner_of_the_site_is_a_few_words_in_the_config() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    sandbox.config(r#"{"runners": {"echo": {"command": "echo jar={jar_path} {{jar_path}}"}}}"#);
    let finished = run(
        &sandbox,
        &["-q", "-r", "Echo", "etl.jar", "--", "x", "{print $1}"],
    );
    let jar = sandbox.work("etl.jar");
    assert_eq!(
        finished.out(),
        format!("jar={} {{jar_path}} x {{print $1}}\n", jar.display())
    );
}

#[test]
fn words_of_the_job_arrive_byte_for_byte() {
    use std::os::unix::ffi::OsStringExt as _;

    let sandbox = sandbox();
    let word = std::ffi::OsString::from_vec(b"\xff {x} $HOME '\"\n".to_vec());
    let arguments = ["-q", "-r", "shell", "-", "--", "printf", "%s"].map(Into::into);
    let finished = sandbox
        .greaserun(arguments.into_iter().chain([word.clone()]))
        .finish();
    assert_eq!(finished.stdout, word.into_vec());
}

#[test]
fn as_cron_gives_the_job_what_cron_gives() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    let script = "env | sort; pwd; umask; test -t 0 || echo no terminal; cat";
    let finished = sandbox
        .greaserun([
            "-q",
            "--as-cron",
            "-r",
            "shell",
            "etl.jar",
            "sh",
            "-c",
            script,
        ])
        .env("SECRET_OF_MY_SHELL", "1")
        .stdin("not read")
        .finish();
    let out = finished.out();
    let lines: Vec<&str> = out
        .lines()
        .filter(|line| !line.starts_with("GREASE_") && !line.starts_with("TRACEPARENT="))
        .collect();
    let account = sandbox
        .program("/bin/sh")
        .arguments(["-c", "id -un; echo ~$(id -un)"])
        .finish();
    let account = account.out();
    let (name, _) = account.split_once('\n').unwrap();
    let home = sandbox
        .program("/bin/sh")
        .arguments(["-c", &format!("echo ~{name}")])
        .finish();
    let home = home.out().trim().to_owned();
    let expected = [
        format!("HOME={home}"),
        format!("LOGNAME={name}"),
        "PATH=/usr/bin:/bin".to_owned(),
        format!("PWD={home}"),
        "SHELL=/bin/sh".to_owned(),
        home,
        "0022".to_owned(),
        "no terminal".to_owned(),
    ];
    assert_eq!(lines, expected, "{}", finished.err());
    assert_eq!(record(&sandbox).0["trigger"], "manual");
}

#[test]
fn a_run_that_cannot_start_leaves_a_record_too() {
    let sandbox = sandbox();
    for (arguments, code, error) in [
        ("-r shell no.jar x", 69, "artifact-not-found"),
        ("-r nope - x", 64, "usage"),
        ("-r shell - /no/such/program", 127, "spawn"),
    ] {
        let before = sandbox.sealed().len();
        let finished = sandbox.greaserun(arguments.split(' ')).finish();
        assert_eq!(finished.code, Some(code), "{arguments}");
        let sealed = sandbox.sealed();
        assert_eq!(sealed.len(), before + 1, "{arguments}");
        let end = fs_err::read_to_string(sealed[before].join("sealed")).unwrap();
        let end: Value = serde_json::from_str(&end).unwrap();
        assert_eq!(
            (&end["result"], &end["error"]),
            (&"error".into(), &error.into())
        );
    }
}

#[test]
fn the_record_tells_what_was_run_and_how_it_went() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    sandbox
        .greaserun(["-r", "shell", "etl.jar", "bin/load.sh", "x"])
        .env("CODE", "4")
        .finish();
    let (start, end) = record(&sandbox);
    for (key, value) in [
        ("event", "start"),
        ("job", "com.acme:etl#load.sh"),
        ("runner", "shell"),
    ] {
        assert_eq!(start[key], value);
    }
    assert_eq!(start["args"], serde_json::json!(["bin/load.sh", "x"]));
    for (key, value) in [("event", "end"), ("result", "failure"), ("error", "exit")] {
        assert_eq!(end[key], value);
    }
    assert_eq!(end["exit"], 4);
    assert_eq!(end["usage"]["out_bytes"], "loads x\n".len());
    assert_eq!(end["usage"]["err_bytes"], "careful\n".len());
}

#[test]
fn a_config_that_is_wrong_stops_the_run_before_it_starts() {
    let sandbox = sandbox();
    sandbox.config(r#"{"jobs": {"defaults": {"nice": "high"}}}"#);
    let finished = run(&sandbox, &["-r", "shell", "-", "touch", "ran"]);
    assert_eq!(finished.code, Some(78));
    assert!(
        finished.err().contains("jobs.defaults.nice"),
        "{}",
        finished.err()
    );
    assert!(!sandbox.work("ran").exists());
    let absent = sandbox
        .program("greaserun")
        .arguments(["-c", "/no.json", "-r", "shell", "-", "x"]);
    assert_eq!(absent.finish().code, Some(78));
}

#[test]
fn an_unknown_key_is_a_warning_and_cron_does_not_mail_it() {
    let sandbox = sandbox();
    sandbox.config(r#"{"comon": 1}"#);
    let finished = run(&sandbox, &["-r", "shell", "-", "true"]);
    assert_eq!(finished.code, Some(0));
    assert!(finished.err().contains("warning: "), "{}", finished.err());
    assert!(finished.err().contains("comon"), "{}", finished.err());
    assert!(finished.err().contains("`common`"), "{}", finished.err());
    assert_eq!(
        run(&sandbox, &["--cron", "-r", "shell", "-", "true"]).err(),
        ""
    );
    let failed = run(&sandbox, &["--cron", "-r", "shell", "-", "false"]);
    assert!(failed.err().contains("comon"), "{}", failed.err());
}

#[test]
fn a_log_can_be_followed_while_the_job_runs() {
    let sandbox = sandbox();
    let job = [
        "-r",
        "shell",
        "-",
        "sh",
        "-c",
        "echo first; while [ ! -e go ]; do sleep 0.01; done",
    ];
    let running = sandbox.greaserun(job).start();
    let mut log = String::new();
    grease_testkit::sandbox::wait_until("the log has the line", || {
        log = sandbox
            .live()
            .first()
            .map(|dir| fs_err::read_to_string(dir.join("log")).unwrap_or_default())
            .unwrap_or_default();
        log.contains("stdout F first")
    });
    fs_err::write(sandbox.work("go"), "").unwrap();
    assert_eq!(running.finish().code, Some(0));
    assert!(sandbox.live().is_empty());
}

#[test]
fn old_runs_do_not_pile_up_for_ever() {
    let sandbox = sandbox();
    run(&sandbox, &["-q", "-r", "shell", "-", "true"]);
    let sealed = sandbox.spool().join("sealed");
    for number in 0..1200 {
        fs_err::create_dir(sealed.join(format!("00000000000000000000{number:06}"))).unwrap();
    }
    run(&sandbox, &["-q", "-r", "shell", "-", "true"]);
    let left = sandbox.sealed();
    assert_eq!(left.len(), 1000);
    assert!(
        left[0].ends_with("00000000000000000000000202"),
        "{}",
        left[0].display()
    );
}

#[test]
fn a_file_that_is_no_archive_can_be_an_artifact_of_a_command() {
    let sandbox = sandbox();
    fs_err::write(sandbox.work("model.bin"), "weights\n").unwrap();
    let finished = run(
        &sandbox,
        &["-q", "-r", "shell", "model.bin", "cat", "{jar_path}"],
    );
    assert_eq!(finished.out(), "weights\n");
    let finished = run(&sandbox, &["-r", "python", "model.bin", "x"]);
    assert_eq!(finished.code, Some(65), "{}", finished.err());
    assert_eq!(wait_for_file(&sandbox.work("model.bin")), "weights\n");
}

#[test]
fn a_warning_of_a_silent_run_is_in_its_log() {
    let sandbox = sandbox();
    sandbox.config(r#"{"comon": 1}"#);
    run(&sandbox, &["--cron", "-r", "shell", "-", "true"]);
    let log = fs_err::read_to_string(sandbox.sealed()[0].join("log")).unwrap();
    assert!(log.contains("greaserun: warning: "), "{log}");
    assert!(log.contains("comon: unknown key"), "{log}");
}

#[test]
fn a_dry_run_makes_no_directory() {
    let sandbox = sandbox();
    run(&sandbox, &["--dry-run", "-r", "shell", "-", "true"]);
    assert!(!sandbox.path("state").exists());
}

#[test]
fn a_limit_on_file_sizes_cuts_the_log_and_not_the_run() {
    let sandbox = sandbox();
    let script = "ulimit -f 1; exec \"$0\" -c \"$1\" -q -r shell - -- sh -c 'seq 5000; exit 6'";
    let finished = sandbox
        .program("/bin/sh")
        .arguments(["-c", script])
        .arguments([
            sandbox.programs().join("greaserun"),
            sandbox.path("scalegrease.json"),
        ])
        .finish();
    assert_eq!(finished.code, Some(6), "{}", finished.err());
    assert!(
        finished.err().contains("log of this run is not complete"),
        "{}",
        finished.err()
    );
}

#[test]
fn a_dry_run_as_cron_shows_every_change_to_the_callers_environment() {
    let sandbox = sandbox();
    let job = ["--as-cron", "-r", "shell", "-", "env"];
    let plan = sandbox
        .greaserun([&["--dry-run"][..], &job[..]].concat())
        .env("OF_MY_SHELL", "1")
        .finish();
    let script = plan.out().split_once("\n\n").unwrap().1.to_owned();
    assert!(script.contains("unset OF_MY_SHELL\n"), "{script}");
    assert!(script.contains("umask 0022\n"), "{script}");
    let pasted = sandbox
        .program("/bin/sh")
        .arguments(["-c", &script])
        .env("OF_MY_SHELL", "1")
        .finish();
    let ran = sandbox
        .greaserun([&["-q"][..], &job[..]].concat())
        .env("OF_MY_SHELL", "1")
        .finish();
    let names = |out: &str| {
        let names = out.lines().filter_map(|line| line.split_once('='));
        let mut names: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
        names.retain(|name| !["PWD", "OLDPWD", "_", "SHLVL"].contains(&name.as_str()));
        names.sort();
        names
    };
    assert_eq!(names(&pasted.out()), names(&ran.out()));
}

#[test]
fn a_job_has_one_name_whether_it_can_be_planned_or_not() {
    let sandbox = sandbox();
    let names = ["good.jar", "without.jar"].map(|jar| {
        let builder = JarBuilder::new().pom_properties("com.acme", "etl", "1.0");
        match jar {
            "good.jar" => builder
                .file("python/jobs.py", b"")
                .write(&sandbox.work(jar)),
            _ => builder.write(&sandbox.work(jar)),
        }
        let job = ["-r", "python", jar, "python3", "-m", "jobs"];
        let code = run(&sandbox, &job).code;
        let sealed = sandbox.sealed();
        let end = fs_err::read_to_string(sealed.last().unwrap().join("sealed")).unwrap();
        let end: Value = serde_json::from_str(&end).unwrap();
        (code, end["job"].as_str().unwrap().to_owned())
    });
    let name = "com.acme:etl#jobs".to_owned();
    assert_eq!(names, [(Some(0), name.clone()), (Some(65), name)]);
}

#[test]
fn a_script_that_the_jar_lacks_is_told_so() {
    let sandbox = sandbox();
    job_jar(&sandbox);
    let finished = run(&sandbox, &["-r", "shell", "etl.jar", "nosuch.sh"]);
    assert_eq!(finished.code, Some(127));
    assert!(
        finished.err().contains("the jar has no entry `nosuch.sh`"),
        "{}",
        finished.err()
    );
}
