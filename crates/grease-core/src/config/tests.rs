//! The config file as a whole: messages, the file of 2014, the sample, schema and reference.

use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::Value;

use super::schema::Node;
use super::*;
use crate::model::{ErrorKind, Explain as _};
use crate::sys::env::Env;
use crate::sys::fs::{read_bounded, write_atomic};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn text_of(path: &str) -> String {
    read_bounded(&repository(path), 1 << 20).unwrap()
}

fn parsed(text: &str, env: &Env) -> Result<Loaded, Error> {
    parse(text, Path::new("/etc/scalegrease.json"), env)
}

/// What a person reads about `text`, warnings or the error.
fn told(text: &str, env: &Env) -> String {
    match parsed(text, env) {
        Ok(loaded) => warnings(&loaded),
        Err(error) => match error.hint() {
            Some(hint) => format!("error: {error}\nhint: {hint}"),
            None => format!("error: {error}"),
        },
    }
}

fn warnings(loaded: &Loaded) -> String {
    let lines = loaded.warnings.iter().map(|warning| match &warning.hint {
        Some(hint) => format!("{warning}\n  hint: {hint}\n"),
        None => format!("{warning}\n"),
    });
    lines.collect()
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_file_line_and_key() {
    let text = r#"{
  "common": {"file_logger": "logs", "state_dir": 7},
  "guard": {
    "enabled": "yes",
    "max_jobs": "lots",
    "min_running": -1,
    "load1_per_core": {"low": 2, "normal": 1},
    "memory": {"floor": "8GiB"},
    "max_wait": {"scheduled": "10 parsecs", "ci": {}},
    "pressure": {"io_full_avg60": "120%"},
    "command": []
  },
  "jobs": {
    "defaults": {
      "nice": 20, "priority": "urgent", "rlimits": {"threads": 1},
      "ionice": "best-effort:9", "max_running": 1.5
    },
    "match": [
      {"key": "a", "cost": 0},
      {"cost": 1},
      5
    ]
  },
  "runners": {"shell": {"command": "x"}, "Spark": {"command": "x"}, "flink": {}},
  "LuigiRunner": {"command": "luigi 'open"},
  "launch": {"crontab_unique_prefix": "a b", "crontab_etc_crond": "cron.d"},
  "snatch": {"policy": {"projects": [
    {"match": "com.*", "users": ["root"], "allow_root": true},
    {"match": "com.acme:x", "users": []},
    {"match": "com.acme:y", "users": ["root"]}
  ]}},
  "logs": {"retention": {"days": 0, "failed_days": 1e999}, "limits": []}
}"#;
    assert_snapshot!(told(text, &Env::default()), @r#"
    error: 28 problems in config `/etc/scalegrease.json`
      /etc/scalegrease.json:2: common.file_logger: expected an absolute path, found `logs`
      /etc/scalegrease.json:2: common.state_dir: expected a text, found the number `7`
      /etc/scalegrease.json:4: guard.enabled: expected `true` or `false`, found the text "yes"
      /etc/scalegrease.json:5: guard.max_jobs: expected a number above 0, or a multiple of the number of CPUs such as `4x`, found `lots`
      /etc/scalegrease.json:6: guard.min_running: expected a number from 0 to 1000, found -1
      /etc/scalegrease.json:7: guard.load1_per_core: expected low <= normal <= high, found 2, 1 and 1.75
      /etc/scalegrease.json:8: guard.memory.floor: the floor, 8GiB, is above the cap, 4GiB (`memory.cap`)
      /etc/scalegrease.json:9: guard.max_wait.ci: expected a duration such as `60s`, `1h30m`, a number of seconds, or `forever`, found an object
      /etc/scalegrease.json:9: guard.max_wait.scheduled: expected a duration such as `60s`, `1h30m`, a number of seconds, or `forever`, found `10 parsecs`
      /etc/scalegrease.json:10: guard.pressure.io_full_avg60: expected a percentage from 0 to 100 such as `10%`, or `off`, found `120%`
      /etc/scalegrease.json:11: guard.command: expected a command: a list of words, or one text that is split as a shell would, found one without a program
      /etc/scalegrease.json:15: jobs.defaults.nice: expected a number from -20 to 19, found 20
      /etc/scalegrease.json:15: jobs.defaults.priority: unknown word `urgent`, expected one of `low`, `normal`, `high`
      /etc/scalegrease.json:15: jobs.defaults.rlimits: unknown word `threads`, expected one of `as`, `core`, `cpu`, `data`, `fsize`, `memlock`, `nofile`, `nproc`, `stack`
      /etc/scalegrease.json:16: jobs.defaults.ionice: expected `idle`, `best-effort:0` to `best-effort:7` or `realtime:0` to `realtime:7`, found `best-effort:9`
      /etc/scalegrease.json:16: jobs.defaults.max_running: expected a whole number, found the number `1.5`
      /etc/scalegrease.json:19: jobs.match[0].cost: expected a number from 0.01 to 1024, found 0
      /etc/scalegrease.json:20: jobs.match[1]: the key `key` is missing
      /etc/scalegrease.json:24: runners.Spark: `Spark` is no name for a runner: a lower-case letter, then lower-case letters, digits, `_` and `-`
      /etc/scalegrease.json:24: runners.flink: the key `command` is missing
      /etc/scalegrease.json:24: runners.shell: `shell` is built in and cannot be defined again
      /etc/scalegrease.json:25: LuigiRunner.command: expected a command: a list of words, or one text that is split as a shell would, found `luigi 'open`
      /etc/scalegrease.json:26: launch.crontab_etc_crond: expected an absolute path, found `cron.d`
      /etc/scalegrease.json:26: launch.crontab_unique_prefix: expected letters, digits, `_` and `-`, found `a b`
      /etc/scalegrease.json:29: snatch.policy.projects[1].users: the list is empty
      /etc/scalegrease.json:32: logs.limits: expected an object, found a list
      /etc/scalegrease.json:32: logs.retention.days: expected a number from 1 to 36500, found 0
      /etc/scalegrease.json:32: logs.retention.failed_days: `1e999` is too large for a number
    "#);
}

#[test]
fn sections_that_contradict_themselves_are_told() {
    let text = r#"{
  "artifacts": {"repositories": [
    {"id": "one", "url": "https://one.example"},
    {"id": "one", "url": "ftp://two.example"}
  ]},
  "guard": {"jitter": {"max": "2h"}},
  "logs": {
    "limits": {"run": "1MiB", "tail": "2MiB"},
    "retention": {"days": 30, "failed_days": 7},
    "hooks": {"ping_url": "example"}
  }
}"#;
    assert_snapshot!(told(text, &Env::default()), @r#"
    error: 6 problems in config `/etc/scalegrease.json`
      /etc/scalegrease.json:4: artifacts.repositories[1].id: another repository is called `one` already
      /etc/scalegrease.json:4: artifacts.repositories[1].url: expected an address with `https://`, `http://` or `file://`, or an absolute path, found `ftp`
      /etc/scalegrease.json:6: guard.jitter.max: at most 1h is allowed, found 2h
      /etc/scalegrease.json:8: logs.limits.tail: the end kept, 2MiB, is longer than the log, 1MiB (`limits.run`)
      /etc/scalegrease.json:9: logs.retention.failed_days: failed runs would be kept for 7 days, others for 30 (`retention.days`)
      /etc/scalegrease.json:10: logs.hooks.ping_url: expected an address with `http://` or `https://`, found `example`
    "#);
}

#[test]
fn one_problem_stands_alone_with_its_hint() {
    let env: Env = [("WAIT", "10 parsecs")].into_iter().collect();
    assert_snapshot!(told("{\n\"guard\": {\"aging\":\n\"$WAIT\"}}", &env), @r#"
    error: /etc/scalegrease.json:2: guard.aging: expected a duration such as `250ms`, `60s`, `1h30m`, `7d` or a number of seconds, found `10 parsecs`
    hint: `$WAIT` was expanded here
    "#);
}

#[test]
fn a_text_that_is_not_json_is_told_with_its_line() {
    let env: Env = [("QUOTE", "a\"b")].into_iter().collect();
    let mut all = String::new();
    for text in [
        "",
        " \n ",
        "[]",
        "{\n  // no comments\n}",
        "{\n  \"common\": {},\n}",
        "{\n  \"common\": {}\n  \"guard\": {}\n}",
        "{\n  'common': {}\n}",
        "{\n  \"common\": {\"state_dir\": \"/x}\n}",
        "{}\n{}",
        "{\n\n  \"common\": {\"state_dir\": \"$QUOTE\"}\n}",
        "\u{feff}{}",
    ] {
        all.push_str(&told(text, &env));
        all.push('\n');
    }
    assert_snapshot!(all, @r#"
    error: /etc/scalegrease.json:1: not JSON: the file is empty, and the smallest config is `{}`
    error: /etc/scalegrease.json:1: not JSON: the file is empty, and the smallest config is `{}`
    error: /etc/scalegrease.json:1: expected an object, `{..}`, around all sections
    error: /etc/scalegrease.json:2: not JSON: comments are not allowed
    error: /etc/scalegrease.json:2: not JSON: trailing commas are not allowed
    error: /etc/scalegrease.json:2: not JSON: expected comma
    error: /etc/scalegrease.json:2: not JSON: single-quoted strings are not allowed
    error: /etc/scalegrease.json:2: not JSON: unterminated string literal
    error: /etc/scalegrease.json:2: not JSON: text cannot contain more than one JSON value
    error: /etc/scalegrease.json:3: not JSON: unexpected token
    hint: `$QUOTE` was expanded here
    error: /etc/scalegrease.json:1: not JSON: unexpected token
    "#);
}

#[test]
fn what_has_no_effect_is_a_warning_with_the_nearest_known_key() {
    let text = r#"{
  "comon": {},
  "common": {"state_dir": "/x"},
  "jobs": {"defaults": {"nicee": 1, "zzz": 2}, "runners": {"hadop": {}, "luigi": {"Cost": 1}}},
  "common": {"_note": 1, "_note": 2, "state_dir": "/y"},
  "ShellRunner": {"command": "x"},
  "guard": {}, "logs": null, "snatch": {}
}"#;
    assert_snapshot!(told(text, &Env::default()), @r#"
    /etc/scalegrease.json:2: comon: unknown key, without effect
      hint: the nearest known key is `common`
    /etc/scalegrease.json:3: common: given again further down; the last one counts
    /etc/scalegrease.json:4: jobs.defaults.nicee: unknown key, without effect
      hint: the nearest known key is `nice`
    /etc/scalegrease.json:4: jobs.defaults.zzz: unknown key, without effect
    /etc/scalegrease.json:4: jobs.runners.hadop: there is no such runner, so this is without effect
    /etc/scalegrease.json:4: jobs.runners.luigi.Cost: unknown key, without effect
      hint: the nearest known key is `cost`
    /etc/scalegrease.json:6: ShellRunner.command: unknown key, without effect
    /etc/scalegrease.json:7: snatch: checked, but without effect in this version
    "#);
    let config = parsed(text, &Env::default()).unwrap().config;
    let state_dir = config.common.state_dir.unwrap();
    assert_eq!(state_dir.as_path(), Path::new("/y"));
}

#[test]
fn the_file_of_2014_works_unchanged_without_its_variables() {
    let loaded = parsed(&text_of("tests/fixtures/config/2014.json"), &Env::default()).unwrap();
    assert_snapshot!(warnings(&loaded), @r#"
    /etc/scalegrease.json:8: common.file_logger: counts as not given: `$SCALEGREASE_LOG_ROOT` is not set
    /etc/scalegrease.json:11: extra_runners: no longer has an effect: a runner of the site is an entry of `runners`
    /etc/scalegrease.json:23: launch: checked, but without effect in this version
    /etc/scalegrease.json:25: launch.launcher_class: no longer has an effect: the store is the directory `launch.crontab_repository_dir`
    /etc/scalegrease.json:26: launch.crontab_repository_host: counts as not given: `$SCALEGREASE_CRONTAB_HOST` is not set
    /etc/scalegrease.json:31: launch.zookeeper: no longer has an effect: the store is the directory `launch.crontab_repository_dir`
    /etc/scalegrease.json:32: launch.kafka_launcher_topic: no longer has an effect: the store is the directory `launch.crontab_repository_dir`
    "#);
    let config = loaded.config;
    assert_eq!(config.common, Common::default());
    assert_eq!(
        config.hadoop_runner.command.as_slice(),
        ["hadoop", "--config", "/etc/hadoop/conf", "jar"]
    );
    assert_eq!(
        config.luigi_runner.command.as_slice(),
        ["luigi", "--scheduler-host", "luigi.acme.example"]
    );
    let directory = config.launch.crontab_repository_dir.unwrap();
    assert_eq!(directory.as_path(), Path::new("/mnt/scalegrease/crontabs"));
    assert_eq!(config.launch.crontab_repository_host, None);
    assert_eq!(config.launch.crontab_unique_prefix, "scalegrease");
}

#[test]
fn the_file_of_2014_takes_what_its_variables_say() {
    let env: Env = [
        ("SCALEGREASE_LOG_ROOT", "/mnt/logs"),
        ("SCALEGREASE_CRONTAB_HOST", "dp-001"),
        ("SCALEGREASE_ZK", "zk-1:2181"),
    ]
    .into_iter()
    .collect();
    let loaded = parsed(&text_of("tests/fixtures/config/2014.json"), &env).unwrap();
    assert_snapshot!(warnings(&loaded), @r#"
    /etc/scalegrease.json:11: extra_runners: no longer has an effect: a runner of the site is an entry of `runners`
    /etc/scalegrease.json:23: launch: checked, but without effect in this version
    /etc/scalegrease.json:25: launch.launcher_class: no longer has an effect: the store is the directory `launch.crontab_repository_dir`
    /etc/scalegrease.json:31: launch.zookeeper: no longer has an effect: the store is the directory `launch.crontab_repository_dir`
    /etc/scalegrease.json:32: launch.kafka_launcher_topic: no longer has an effect: the store is the directory `launch.crontab_repository_dir`
    "#);
    let root = loaded.config.common.file_logger.unwrap();
    assert_eq!(root.as_path(), Path::new("/mnt/logs"));
    let host = loaded.config.launch.crontab_repository_host.unwrap();
    assert_eq!(host.0, "dp-001");
}

#[test]
fn an_object_adds_to_the_defaults_and_null_is_absent() {
    let text = r#"{
        "jobs": {"defaults": {"nice": null}, "runners": {"hadoop": {"nice": 7}}},
        "guard": {"max_wait": {"ci": "5s"}, "max_jobs": null}
    }"#;
    let config = parsed(text, &Env::default()).unwrap().config;
    let hadoop = config.jobs.settings("hadoop", "x");
    assert_eq!((hadoop.cost, hadoop.nice), (0.5, 7));
    assert_eq!(config.jobs.settings("shell", "x").nice, 5);
    let default = Config::default();
    assert_eq!(
        config.guard.max_wait.scheduled,
        default.guard.max_wait.scheduled
    );
    assert_eq!(config.guard.max_jobs, default.guard.max_jobs);
    assert_eq!(parsed("{}", &Env::default()).unwrap().config, default);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_unless_it_is_the_default_one() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.json");
    let env = Env::default();
    assert_eq!(
        load(&missing, Absent::Defaults, &env).unwrap(),
        Loaded::default()
    );
    let error = load(&missing, Absent::Error, &env).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("missing.json"), "{error}");

    let latin = directory.path().join("latin.json");
    write_atomic(&latin, b"{\"_note\": \"\xe9\"}").unwrap();
    for file in [latin.as_path(), directory.path()] {
        let error = load(file, Absent::Defaults, &env).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
    let huge = directory.path().join("huge.json");
    write_atomic(&huge, &vec![b' '; (4 << 20) + 1]).unwrap();
    assert_eq!(
        load(&huge, Absent::Error, &env).unwrap_err().kind(),
        ErrorKind::Config
    );
}

#[test]
fn a_text_that_grows_too_long_is_refused() {
    let env: Env = [("X", "x".repeat(1 << 20))].into_iter().collect();
    let text = format!("{{\"_note\": \"{}\"}}", "$X".repeat(5));
    assert_snapshot!(told(&text, &env), @r#"
    error: /etc/scalegrease.json:1: longer than 4194304 bytes once variables are expanded
    hint: `$X` was expanded here
    "#);
}

#[test]
fn the_sample_shows_every_key_with_its_default() {
    let text = text_of("conf/scalegrease.json");
    let loaded = parsed(&text, &Env::default()).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_snapshot!(warnings(&loaded), @"/etc/scalegrease.json:127: launch: checked, but without effect in this version; the same holds for `snatch`");

    let shown: Value = serde_json::from_str(&text).unwrap();
    let document = schema();
    assert_shown(Node::root(&document), &shown, "");
}

/// Fails if the sample's value at `path` lacks a key that the schema has there.
fn assert_shown(node: Node<'_>, shown: &Value, path: &str) {
    for (key, member) in node.members() {
        let path = tree::member(path, key);
        if member.keyword("deprecated").is_some() {
            continue;
        }
        let shown = shown
            .get(key)
            .unwrap_or_else(|| panic!("the sample lacks `{path}`"));
        assert_shown(member, shown, &path);
    }
}

#[test]
fn the_examples_in_the_sample_work_once_they_are_no_comments() {
    let text = text_of("conf/scalegrease.json").replace("\"_example_", "\"");
    let loaded = parsed(&text, &Env::default()).unwrap();
    let config = loaded.config;
    assert_eq!(config.artifacts.repositories.len(), 1);
    assert_eq!(
        config
            .jobs
            .settings("shell", "com.acme:backfill#x")
            .max_running,
        Some(4)
    );
    assert_eq!(
        config.runners["spark"].command.as_slice()[0],
        "spark-submit"
    );
    assert_eq!(config.snatch.policy.projects.len(), 2);
    let unknown: Vec<_> = loaded
        .warnings
        .iter()
        .filter(|warning| warning.message.contains("unknown"))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_key_has_a_description() {
    fn check(node: Node<'_>, path: &str) {
        for (key, member) in node.members() {
            let path = tree::member(path, key);
            let description = member.keyword("description").and_then(Value::as_str);
            assert!(description.is_some_and(|text| !text.is_empty()), "{path}");
            check(member, &path);
            for (inner, suffix) in [(member.elements(), "[]"), (member.values(), ".NAME")] {
                if let Some(inner) = inner {
                    check(inner, &format!("{path}{suffix}"));
                }
            }
        }
    }
    check(Node::root(&schema()), "");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9%x/$ ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_.]{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every place in `value`, as a JSON pointer.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                pointers(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                pointers(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_parsed_or_refused(text in "[\\[\\]{}:,\"\\\\a-c0-9_$.\\n e+-]*") {
        parsed(&text, &Env::default()).ok();
    }

    #[test]
    fn a_sample_with_slips_is_parsed_or_refused(
        slips in proptest::collection::vec((any::<prop::sample::Index>(), "[\\]}\"$,0-9é]?"), 1..4),
    ) {
        let mut text: Vec<char> = text_of("conf/scalegrease.json").chars().collect();
        for (place, replacement) in slips {
            let place = place.index(text.len());
            text.splice(place..=place, replacement.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = parsed(&text, &Env::default()) {
            let located = error.to_string().contains("/etc/scalegrease.json:");
            prop_assert!(located, "{}", error);
        }
    }

    #[test]
    fn what_is_told_about_a_wrong_value_names_its_section(
        place: prop::sample::Index,
        value in any_json(),
    ) {
        let mut config = serde_json::to_value(Config::default()).unwrap();
        let mut places = Vec::new();
        pointers(&config, "", &mut places);
        let place = place.get(&places);
        *config.pointer_mut(place).unwrap() = value;
        let key = place.trim_start_matches('/').split('/').next().unwrap();
        match parsed(&config.to_string(), &Env::default()) {
            Ok(_) => {}
            Err(Error::Invalid { problems, .. }) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(problem.path.starts_with(key), "{} {}", place, problem);
                }
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn what_is_written_is_read_back(nice in -20..20_i32, seconds: u32, mebibytes: u32, on: bool) {
        let mut config = Config::default();
        config.jobs.defaults.nice = Some(nice);
        config.guard.aging = crate::model::quantity::Span::seconds(u64::from(seconds % 100_000));
        config.guard.disk.cache.min_free = crate::model::quantity::Bytes::mebibytes(mebibytes);
        config.guard.enabled = on;
        let text = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(parsed(&text, &Env::default()).unwrap().config, config);
    }
}

#[test]
fn the_written_schema_is_that_of_the_types() {
    assert!(
        super::schema::written() == schema(),
        "conf/scalegrease.schema.json is out of date: run `cargo xtask docs`"
    );
}
