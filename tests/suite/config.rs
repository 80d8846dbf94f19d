//! The config file as a run meets it: that of 2014, the one that is shipped, and broken ones.

use std::path::{Path, PathBuf};

use grease_testkit::component::{Component, require, workspace};
use grease_testkit::sandbox::{Finished, Run, Sandbox, redact};
use serde_json::Value;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

/// Writes a config as it stands, without the additions of the sandbox.
fn write_config(sandbox: &Sandbox, text: &str) {
    fs_err::write(sandbox.path("scalegrease.json"), text).unwrap();
}

/// `greaserun -c CONFIG ARGUMENTS` with a config that leaves state in its place on the host:
/// root gets an empty one there, anybody else has none and uses the home directory.
///
/// `None` if root may not hide its own.
fn with_state_of_its_own(sandbox: &Sandbox, config: &Path, arguments: &[&str]) -> Option<Run> {
    let mut words = vec![
        sandbox.programs().join("greaserun"),
        "-c".into(),
        config.to_owned(),
    ];
    words.extend(arguments.iter().map(PathBuf::from));
    if !rustix::process::geteuid().is_root() {
        return Some(sandbox.program(words.remove(0)).arguments(words));
    }
    let unshare = require(Component::MountNamespace)?.path;
    let script = "mount -t tmpfs tmpfs /var/spool; mount -t tmpfs tmpfs /run; exec \"$@\"";
    let run = sandbox
        .program(unshare)
        .arguments(["--mount", "sh", "-ec", script, "sh"]);
    Some(run.arguments(words))
}

/// What a run warned of, as file, line and key.
fn warned_of(finished: &Finished) -> Vec<String> {
    let err = finished.err();
    let warnings = err
        .lines()
        .filter_map(|line| line.strip_prefix("warning: "));
    let places = warnings.map(|warning| {
        let mut parts = warning.splitn(4, ':').map(str::trim);
        let [file, line, key] = std::array::from_fn(|_| parts.next().unwrap());
        let file = Path::new(file).file_name().unwrap().to_str().unwrap();
        format!("{file}:{line}: {key}")
    });
    places.collect()
}

#[test]
fn the_config_of_2014_runs_a_job_whether_its_variables_are_set_or_not() {
    let config = workspace().join("tests/fixtures/config/2014.json");
    let sandbox = sandbox();
    let always = [
        "2014.json:11: extra_runners",
        "2014.json:25: launch.launcher_class",
        "2014.json:31: launch.zookeeper",
        "2014.json:32: launch.kafka_launcher_topic",
    ];
    let unset = [
        "2014.json:8: common.file_logger",
        "2014.json:26: launch.crontab_repository_host",
    ];
    for is_set in [false, true] {
        let words = ["--force", "-r", "shell", "-", "echo", "ran"];
        let Some(mut run) = with_state_of_its_own(&sandbox, &config, &words) else {
            return;
        };
        if is_set {
            for (name, value) in [
                ("SCALEGREASE_LOG_ROOT", "/mnt/scalegrease/logs"),
                ("SCALEGREASE_CRONTAB_HOST", "crontabs.acme.example"),
                ("SCALEGREASE_ZK", "zookeeper-1:2181,zookeeper-2:2181"),
            ] {
                run = run.env(name, value);
            }
        }
        let finished = run.finish();
        assert_eq!(
            (finished.code, finished.out().as_str()),
            (Some(0), "ran\n"),
            "{}",
            finished.err()
        );
        let warnings = warned_of(&finished);
        for warning in always {
            assert!(
                warnings.iter().any(|told| told == warning),
                "{warning}: {}",
                finished.err()
            );
        }
        for warning in unset {
            let is_told = warnings.iter().any(|told| told == warning);
            assert_eq!(is_told, !is_set, "{warning}: {}", finished.err());
        }
    }
}

#[test]
fn the_config_of_2014_says_how_hadoop_and_luigi_are_called() {
    let config = workspace().join("tests/fixtures/config/2014.json");
    let sandbox = sandbox();
    grease_testkit::jar::JarBuilder::new()
        .file("python/a.py", "")
        .write(&sandbox.work("etl.jar"));
    let jar = sandbox.work("etl.jar").display().to_string();
    for (runner, expected) in [
        (
            "hadoop",
            vec![
                "hadoop",
                "--config",
                "/etc/hadoop/conf",
                "jar",
                &jar,
                "Count",
            ],
        ),
        (
            "luigi",
            vec!["luigi", "--scheduler-host", "luigi.acme.example"],
        ),
    ] {
        let words = ["--dry-run", "--json", "-r", runner, "etl.jar", "Count"];
        let Some(run) = with_state_of_its_own(&sandbox, &config, &words) else {
            return;
        };
        let finished = run.finish();
        assert_eq!(finished.code, Some(0), "{}", finished.err());
        let plan: Value = serde_json::from_str(&finished.out()).unwrap();
        let command: Vec<String> = serde_json::from_value(plan["command"].clone()).unwrap();
        assert_eq!(command[..expected.len()], expected);
    }
}

#[test]
fn warnings_about_the_config_are_for_people_and_not_for_the_mail_of_cron() {
    let config = workspace().join("tests/fixtures/config/2014.json");
    let sandbox = sandbox();
    let words = ["--cron", "-D", "--force", "-r", "shell", "-", "true"];
    let Some(run) = with_state_of_its_own(&sandbox, &config, &words) else {
        return;
    };
    let finished = run.finish();
    assert_eq!(finished.all(), "exit code: 0\n----- stdout\n----- stderr\n");
}

#[test]
fn the_config_that_is_shipped_runs_a_job() {
    let config = workspace().join("conf/scalegrease.json");
    let sandbox = sandbox();
    let words = [
        "--force",
        "-r",
        "shell",
        "-",
        "sh",
        "-c",
        "echo niceness $(nice)",
    ];
    let Some(run) = with_state_of_its_own(&sandbox, &config, &words) else {
        return;
    };
    let own = sandbox.program("nice").finish().out();
    let own: i32 = own.trim().parse().unwrap();
    let finished = run.finish();
    assert_eq!(
        finished.out(),
        format!("niceness {}\n", (own + 5).min(19)),
        "{}",
        finished.err()
    );
}

#[test]
fn a_broken_config_names_file_line_and_key_and_nothing_is_run() {
    let sandbox = sandbox();
    for (text, place) in [
        (
            "{\n  \"jobs\": {\"defaults\": {\n    \"nice\": \"high\"}}}",
            ":3: jobs.defaults.nice: ",
        ),
        (
            "{\n  \"common\": {\"state_dir\": \"here\"}\n}",
            ":2: common.state_dir: ",
        ),
        (
            "{\n  \"LuigiRunner\": {\"command\": \"luigi 'x\"}\n}",
            ":2: LuigiRunner.command: ",
        ),
        ("{\n\n  \"runners\": {\"x\": {}}\n}", ":3: runners.x"),
        ("{\n  \"common\": {}\n", ":"),
        ("[]", ":1: "),
        ("", ":1: "),
        ("\u{feff}{]", ":1: "),
    ] {
        write_config(&sandbox, text);
        for trigger in ["--as-cron", "--cron"] {
            let finished = sandbox
                .greaserun([trigger, "-r", "shell", "-", "touch", "ran"])
                .finish();
            assert_eq!(finished.code, Some(78), "{text}: {}", finished.all());
            let expected = format!(
                "error: {}{place}",
                sandbox.path("scalegrease.json").display()
            );
            assert!(
                finished.err().starts_with(&expected),
                "{text}: {}",
                finished.err()
            );
            assert!(!sandbox.work("ran").exists());
        }
    }
}

#[test]
fn several_faults_of_a_config_are_told_at_once() {
    let sandbox = sandbox();
    write_config(
        &sandbox,
        r#"{
            "common": {"state_dir": "here"},
            "jobs": {
                "defaults": {"nice": "high", "grace": "soon"},
                "match": [{"key": "a"}, {"key": "b", "overlap": "never"}]
            },
            "runners": {"Spark": {"command": []}}
        }"#,
    );
    let finished = sandbox.greaserun(["-r", "shell", "-", "true"]).finish();
    assert_eq!(finished.code, Some(78));
    insta::assert_snapshot!(redact(&finished.err(), &sandbox), @r#"
    error: 5 problems in config `[SANDBOX]/scalegrease.json`
      [SANDBOX]/scalegrease.json:2: common.state_dir: expected an absolute path, found `here`
      [SANDBOX]/scalegrease.json:4: jobs.defaults.grace: expected a duration such as `250ms`, `60s`, `1h30m`, `7d` or a number of seconds, found `soon`
      [SANDBOX]/scalegrease.json:4: jobs.defaults.nice: expected a whole number, found the text "high"
      [SANDBOX]/scalegrease.json:5: jobs.match[1].overlap: unknown word `never`, expected one of `forbid`, `queue`, `allow`, `replace`
      [SANDBOX]/scalegrease.json:7: runners.Spark.command: expected a command: a list of words, or one text that is split as a shell would, found one without a program
    "#);
}

#[test]
fn a_config_that_cannot_be_read_is_told_apart() {
    let sandbox = sandbox();
    let config = sandbox.path("scalegrease.json");
    fs_err::remove_file(&config).unwrap();
    let run = || sandbox.greaserun(["-r", "shell", "-", "true"]).finish();
    let absent = run();
    assert_eq!(absent.code, Some(78), "{}", absent.err());
    fs_err::create_dir(&config).unwrap();
    assert_eq!(run().code, Some(78));
    fs_err::remove_dir(&config).unwrap();
    fs_err::write(&config, b"{\"common\": \"\xff\"}").unwrap();
    let binary = run();
    assert_eq!(binary.code, Some(78), "{}", binary.err());
    for finished in [absent, binary] {
        assert!(
            finished.err().contains(config.to_str().unwrap()),
            "{}",
            finished.err()
        );
    }
}

#[test]
fn variables_in_paths_are_those_of_the_caller() {
    let sandbox = sandbox();
    write_config(
        &sandbox,
        r#"{"common": {"state_dir": "$HOME/state", "scratch_dir": "${PLACE}/scratch"}}"#,
    );
    let finished = sandbox
        .greaserun([
            "-q",
            "--force",
            "-r",
            "shell",
            "-",
            "printenv",
            "GREASE_SCRATCH_DIR",
        ])
        .env("PLACE", sandbox.path("place"))
        .finish();
    let scratch = PathBuf::from(finished.out().trim());
    assert!(
        scratch.starts_with(sandbox.path("place/scratch")),
        "{}",
        finished.all()
    );
    let state = sandbox.path("home/state/spool");
    let spool = fs_err::read_dir(&state)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(fs_err::read_dir(spool.join("sealed")).unwrap().count(), 1);
}

#[test]
fn a_place_whose_variable_is_unset_is_never_a_directory_of_that_name() {
    let sandbox = sandbox();
    let state = sandbox.path("state").display().to_string();
    let config = r#"{"common": {"state_dir": "STATE", "scratch_dir": "$SCRATCH_PLACE"}}"#;
    write_config(&sandbox, &config.replace("STATE", &state));
    let finished = sandbox
        .greaserun([
            "--force",
            "-r",
            "shell",
            "-",
            "printenv",
            "GREASE_SCRATCH_DIR",
        ])
        .finish();
    assert_eq!(finished.code, Some(0), "{}", finished.err());
    assert!(
        finished
            .out()
            .starts_with(sandbox.spool().to_str().unwrap()),
        "{}",
        finished.out()
    );
    assert!(
        finished.err().contains("`$SCRATCH_PLACE` is not set"),
        "{}",
        finished.err()
    );
    assert!(!sandbox.work("$SCRATCH_PLACE").exists());
}
