//! `greasestatus check`: what is wrong with the config, where artifacts come from, and what of
//! those that are here is no longer needed.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use grease_testkit::jar::JarBuilder;
use grease_testkit::sandbox::{Finished, Run, Sandbox, redact, wait_for_file};
use serde_json::{Value, json};

/// Three builds of one snapshot, the newest last.
const BUILDS: [&str; 3] = [
    "3.0-20240101.000000-1",
    "3.0-20240102.000000-2",
    "3.0-20240103.000000-3",
];

const DIRECTORY: &str = "com/acme/etl/3.0-SNAPSHOT";

const DAY: Duration = Duration::from_hours(24);

fn file_name(build: &str) -> String {
    format!("etl-{build}-jar-with-dependencies.jar")
}

/// A sandbox whose config names a repository with [`BUILDS`], and whose machine has no settings of
/// Maven's.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    let repository = sandbox.path("repository");
    let directory = repository.join(DIRECTORY);
    fs_err::create_dir_all(&directory).unwrap();
    for build in BUILDS {
        JarBuilder::new()
            .script("job.sh", "#!/bin/sh\necho ran\n")
            .file("build", build)
            .write(&directory.join(file_name(build)));
    }
    let artifacts = json!({"repositories": [{"id": "corp", "url": repository}]});
    sandbox.config(&json!({"artifacts": artifacts}).to_string());
    let installation = sandbox.path("maven/conf");
    fs_err::create_dir_all(&installation).unwrap();
    fs_err::write(installation.join("settings.xml"), "<settings/>").unwrap();
    sandbox
}

fn check(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let config = sandbox.path("scalegrease.json");
    sandbox
        .program("greasestatus")
        .arguments(["check", "-c"])
        .arguments([config])
        .arguments(arguments)
        .env("MAVEN_HOME", sandbox.path("maven"))
}

fn prune(sandbox: &Sandbox) -> Finished {
    check(sandbox, &["--prune-artifacts"]).finish()
}

/// What `--json` shows, and the exit code.
fn json_of(sandbox: &Sandbox, arguments: &[&str]) -> (Value, Option<i32>) {
    let finished = check(sandbox, arguments).arguments(["--json"]).finish();
    assert_eq!(finished.err(), "");
    (
        serde_json::from_slice(&finished.stdout).unwrap(),
        finished.code,
    )
}

fn job(sandbox: &Sandbox, artifact: &str, words: &[&str]) -> Run {
    sandbox
        .greaserun(["-r", "shell", artifact])
        .arguments(words)
        .env("MAVEN_HOME", sandbox.path("maven"))
}

fn run(sandbox: &Sandbox, artifact: &str) {
    let finished = job(sandbox, artifact, &["job.sh"]).finish();
    assert_eq!(finished.out(), "ran\n", "{}", finished.err());
}

/// Runs each of the builds, so that all of them are here.
fn run_all(sandbox: &Sandbox) {
    for build in BUILDS {
        run(sandbox, &format!("com.acme:etl:{build}"));
    }
}

/// Which of the builds are here.
fn here(sandbox: &Sandbox) -> Vec<&'static str> {
    let directory = sandbox.path("home/.m2/repository").join(DIRECTORY);
    let is_here = |build: &&str| directory.join(file_name(build)).exists();
    BUILDS.into_iter().filter(is_here).collect()
}

fn cache(sandbox: &Sandbox) -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    sandbox.path("state/cache").join(uid.to_string()).join("v1")
}

/// What a check showed, without what differs from run to run.
fn shown(finished: &Finished, sandbox: &Sandbox) -> String {
    let uid = rustix::process::geteuid().as_raw();
    redact(&finished.all(), sandbox).replace(&format!("/cache/{uid}\n"), "/cache/[UID]\n")
}

/// Makes all files below a directory 40 days old.
fn age(directory: &Path) {
    let then = SystemTime::now() - 40 * DAY;
    for entry in fs_err::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path);
        } else {
            let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
            file.set_modified(then).unwrap();
        }
    }
}

/// Makes all that was fetched, and what is remembered of it, 40 days old.
fn age_artifacts(sandbox: &Sandbox) {
    age(&sandbox.path("home/.m2/repository"));
    age(&cache(sandbox));
}

/// Makes a finished run one that ended 40 days ago.
fn age_run(run: &Path) {
    let path = run.join("sealed");
    let mut end: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let seconds = 40 * DAY.as_secs();
    let then = SystemTime::now() - Duration::from_secs(seconds);
    let then = then.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let then = jiff::Timestamp::from_second(i64::try_from(then.as_secs()).unwrap()).unwrap();
    end["time"] = format!("{then:.6}").into();
    fs_err::write(&path, end.to_string()).unwrap();
}

#[test]
fn all_that_is_wrong_with_the_config_is_told_at_once_unknown_keys_too() {
    let sandbox = sandbox();
    let config = "{\n\"artefacts\": {},\n\"artifacts\": {\"max_stale\": \"soon\"},\n\
                  \"jobs\": {\"defaults\": {\"qwerty\": 1, \"nice\": 99}}\n}";
    fs_err::write(sandbox.path("scalegrease.json"), config).unwrap();
    let finished = check(&sandbox, &[]).finish();
    insta::assert_snapshot!(shown(&finished, &sandbox), @r"
    exit code: 78
    ----- stdout
    error: [SANDBOX]/scalegrease.json:2: artefacts: unknown key, without effect
    hint: the nearest known key is `artifacts`
    error: [SANDBOX]/scalegrease.json:3: artifacts.max_stale: expected a duration such as `60s`, `1h30m`, a number of seconds, or `forever`, found `soon`
    error: [SANDBOX]/scalegrease.json:4: jobs.defaults.nice: expected a number from -20 to 19, found 99
    error: [SANDBOX]/scalegrease.json:4: jobs.defaults.qwerty: unknown key, without effect
    hint: take it out, or look up its name in docs/config.md

    config            [SANDBOX]/scalegrease.json
    ----- stderr
    ");
}

#[test]
fn a_config_that_can_be_used_but_for_an_unknown_key_is_an_error_and_its_facts_are_shown() {
    let sandbox = sandbox();
    sandbox.config(r#"{"qwerty": 1}"#);
    let (shown, code) = json_of(&sandbox, &[]);
    assert_eq!(code, Some(78));
    assert_eq!(shown["findings"][0]["severity"], "error");
    assert_eq!(
        shown["findings"][0]["hint"],
        "take it out, or look up its name in docs/config.md"
    );
    assert_eq!(shown["artifacts"]["repositories"], json!([]));
}

#[test]
fn what_is_merely_doubtful_is_found() {
    let sandbox = sandbox();
    sandbox.config(r#"{"launch": {"zookeeper": "z:2181"}}"#);
    let finished = check(&sandbox, &["-q"]).finish();
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.out().starts_with("warning: "),
        "{}",
        finished.out()
    );
}

#[test]
fn a_config_that_is_named_and_not_there_cannot_be_used() {
    let sandbox = sandbox();
    fs_err::remove_file(sandbox.path("scalegrease.json")).unwrap();
    let (shown, code) = json_of(&sandbox, &[]);
    assert_eq!(code, Some(78));
    assert_eq!(shown["artifacts"], Value::Null);
    assert_eq!(shown["config_exists"], false);
}

#[test]
fn it_is_told_where_artifacts_come_from_and_where_they_are() {
    let sandbox = sandbox();
    let finished = check(&sandbox, &[]).finish();
    insta::assert_snapshot!(shown(&finished, &sandbox), @r"
    exit code: 0
    ----- stdout
    nothing is wrong

    config            [SANDBOX]/scalegrease.json
    Maven's settings  [SANDBOX]/maven/conf/settings.xml
    repositories      corp  file://[SANDBOX]/repository/  releases and snapshots
    local repository  [SANDBOX]/home/.m2/repository
    cache             [SANDBOX]/state/cache/[UID]
    removable         not known: no run is on record on this host
    ----- stderr
    ");
    let quiet = check(&sandbox, &["-q"]).finish();
    assert_eq!((quiet.code, quiet.out()), (Some(0), String::new()));
}

/// Settings with a mirror, a blocking mirror, passwords everywhere, and an oddity.
const SETTINGS: &str = r"<settings>
  <servers>
    <server><id>inside</id><username>me</username><password>s3cret</password></server>
  </servers>
  <mirrors>
    <mirror><id>inside</id><url>https://me:s3cret@repo.example/all?key=s3cret</url>
      <mirrorOf>one,two,central</mirrorOf></mirror>
    <mirror><id>no-http</id><url>http://0.0.0.0/</url>
      <mirrorOf>external:http:*</mirrorOf><blocked>true</blocked></mirror>
  </mirrors>
  <profiles><profile><id>p</id><repositories>
    <repository><id>one</id><url>https://one.example/</url>
      <snapshots><enabled>false</enabled></snapshots></repository>
    <repository><id>two</id><url>https://two.example/</url>
      <snapshots><enabled>false</enabled></snapshots></repository>
    <repository><id>old</id><url>http://me:s3cret@old.example/</url></repository>
  </repositories></profile></profiles>
  <activeProfiles><activeProfile>p</activeProfile><activeProfile>gone</activeProfile></activeProfiles>
</settings>";

#[test]
fn repositories_are_shown_as_they_are_asked_and_without_secrets() {
    let sandbox = sandbox();
    fs_err::create_dir(sandbox.path("home/.m2")).unwrap();
    fs_err::write(sandbox.path("home/.m2/settings.xml"), SETTINGS).unwrap();
    let own = json!({"id": "own", "url": "https://me:s3cret@own.example/", "groups": ["com.acme"]});
    sandbox.config(&json!({"artifacts": {"repositories": [own]}}).to_string());
    let finished = check(&sandbox, &[]).finish();
    insta::assert_snapshot!(shown(&finished, &sandbox), @r"
    exit code: 1
    ----- stdout
    warning: `[SANDBOX]/home/.m2/settings.xml:18:51`: there is no profile `gone`
    hint: correct it there, or take it out
    warning: no job can be run out of repository `no-http`: the mirror no-http ([SANDBOX]/home/.m2/settings.xml:8:5) blocks it
    hint: use an `https` address for what it stands for, or name a mirror for that

    config            [SANDBOX]/scalegrease.json
    Maven's settings  [SANDBOX]/home/.m2/settings.xml
                      [SANDBOX]/maven/conf/settings.xml
    repositories      inside   https://repo.example/all/  releases; the mirror of one, two, central
                      no-http  http://0.0.0.0/            releases and snapshots; the mirror of old; BLOCKED
                      own      https://own.example/       releases and snapshots, and nobody else for com.acme
    local repository  [SANDBOX]/home/.m2/repository
    cache             [SANDBOX]/state/cache/[UID]
    removable         not known: no run is on record on this host
    ----- stderr
    ");
    let (shown, code) = json_of(&sandbox, &[]);
    assert_eq!(code, Some(1));
    assert!(!shown.to_string().contains("s3cret"), "{shown}");
    let repositories = &shown["artifacts"]["repositories"];
    assert_eq!(
        repositories[0]["mirror_of"],
        json!(["one", "two", "central"])
    );
    assert_eq!(repositories[0]["supplies"], json!(["releases"]));
    assert_ne!(repositories[1]["blocked_by"], Value::Null);
    assert_eq!(repositories[2]["groups"], json!(["com.acme"]));
}

#[test]
fn settings_that_cannot_be_used_are_an_error() {
    let sandbox = sandbox();
    fs_err::create_dir(sandbox.path("home/.m2")).unwrap();
    fs_err::write(sandbox.path("home/.m2/settings.xml"), "<settings>").unwrap();
    let (shown, code) = json_of(&sandbox, &[]);
    assert_eq!(code, Some(78));
    let text = shown["findings"][0]["text"].as_str().unwrap();
    assert!(text.contains(".m2/settings.xml:1:"), "{text}");
}

#[test]
fn what_no_run_used_for_long_is_told_and_removed_when_asked_for() {
    let sandbox = sandbox();
    run_all(&sandbox);
    age_artifacts(&sandbox);
    sandbox.sealed().iter().for_each(|run| age_run(run));
    let (shown, code) = json_of(&sandbox, &[]);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(shown["artifacts"]["removable"]["builds"], 2);
    assert_eq!(here(&sandbox), BUILDS);

    let (shown, code) = json_of(&sandbox, &["--prune-artifacts"]);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(here(&sandbox), [BUILDS[2]]);
    let artifacts = &shown["artifacts"];
    assert_eq!(artifacts["unused_days"], 30);
    assert_eq!(artifacts["removed"]["files"], 4, "two jars, two checksums");
    assert_eq!(
        artifacts["removed"]["size_bytes"],
        artifacts["removable"]["size_bytes"]
    );

    let (shown, code) = json_of(&sandbox, &["--prune-artifacts"]);
    assert_eq!(
        (code, &shown["artifacts"]["removed"]["files"]),
        (Some(0), &json!(0))
    );
    run(&sandbox, &format!("com.acme:etl:{}", BUILDS[0]));
}

#[test]
fn what_was_never_finished_goes_after_a_day() {
    let sandbox = sandbox();
    run_all(&sandbox);
    let directory = sandbox.path("home/.m2/repository").join(DIRECTORY);
    let copies = cache(&sandbox).join("copies");
    fs_err::create_dir_all(&copies).unwrap();
    let part = |name: &str| directory.join(format!(".etl.jar.host.1.{name}.part"));
    let left = [part("old"), copies.join(".copy.old.tmp")];
    let young = [part("young"), copies.join(".copy.young.tmp")];
    for path in &left {
        fs_err::write(path, "12345").unwrap();
    }
    age_artifacts(&sandbox);
    for path in &young {
        fs_err::write(path, "12345").unwrap();
    }
    let (shown, _) = json_of(&sandbox, &["--prune-artifacts"]);
    let expected = json!({"builds": 0, "leftovers": 2, "size_bytes": 10});
    assert_eq!(shown["artifacts"]["removable"], expected);
    assert!(left.iter().all(|path| !path.exists()));
    assert!(young.iter().all(|path| path.exists()));
}

#[test]
fn what_a_run_used_of_late_stays() {
    let sandbox = sandbox();
    run_all(&sandbox);
    age_artifacts(&sandbox);
    let runs = sandbox.sealed();
    age_run(&runs[0]);
    let finished = prune(&sandbox);
    assert_eq!(finished.code, Some(0), "{}", finished.out());
    assert_eq!(here(&sandbox), BUILDS[1..]);
    // Of the last 50 days, also the first one is known.
    age_run(&runs[1]);
    let finished = check(&sandbox, &["--prune-artifacts", "50"]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.out());
    assert_eq!(here(&sandbox), BUILDS[1..]);
}

#[test]
fn what_was_used_under_its_path_stays_too() {
    let sandbox = sandbox();
    run_all(&sandbox);
    age_artifacts(&sandbox);
    sandbox.sealed().iter().for_each(|run| age_run(run));
    let directory = sandbox.path("home/.m2/repository").join(DIRECTORY);
    let path = directory.join(file_name(BUILDS[0]));
    run(&sandbox, path.to_str().unwrap());
    assert_eq!(prune(&sandbox).code, Some(0));
    assert_eq!(here(&sandbox), [BUILDS[0], BUILDS[2]]);
}

#[test]
fn what_was_only_resolved_of_late_stays() {
    let sandbox = sandbox();
    run_all(&sandbox);
    age_artifacts(&sandbox);
    sandbox.sealed().iter().for_each(|run| age_run(run));
    fs_err::remove_dir_all(cache(&sandbox).join("resolutions")).unwrap();
    let artifact = format!("com.acme:etl:{}", BUILDS[1]);
    let dry = job(&sandbox, "--dry-run", &[&artifact, "job.sh"]).finish();
    assert_eq!(dry.code, Some(0), "{}", dry.err());
    assert_eq!(prune(&sandbox).code, Some(0));
    assert_eq!(here(&sandbox), BUILDS[1..]);
}

#[test]
fn what_a_live_run_uses_stays_however_long_it_has_been_running() {
    let sandbox = sandbox();
    run_all(&sandbox);
    sandbox.sealed().iter().for_each(|run| age_run(run));
    let (started, end) = (sandbox.path("started"), sandbox.path("end"));
    let script = format!(
        "echo > {}; until [ -e {} ]; do sleep 0.05; done; test -e {{jar_path}}",
        started.display(),
        end.display()
    );
    let artifact = format!("com.acme:etl:{}", BUILDS[0]);
    let running = job(&sandbox, &artifact, &["--", "sh", "-c", &script]).start();
    wait_for_file(&started);
    age_artifacts(&sandbox);
    assert_eq!(prune(&sandbox).code, Some(0));
    assert_eq!(here(&sandbox), [BUILDS[0], BUILDS[2]]);
    fs_err::write(end, "").unwrap();
    assert_eq!(running.finish().code, Some(0));
}

#[test]
fn two_that_prune_at_the_same_time_remove_each_file_once() {
    let sandbox = sandbox();
    run_all(&sandbox);
    let directory = sandbox.path("home/.m2/repository").join(DIRECTORY);
    for number in 10..2000 {
        let name = file_name(&format!("3.0-20230101.000000-{number}"));
        fs_err::write(directory.join(name), "old").unwrap();
    }
    age_artifacts(&sandbox);
    let both = [(); 2].map(|()| check(&sandbox, &["--prune-artifacts", "--json"]).start());
    let removed = both.map(|running| {
        let finished = running.finish();
        assert_eq!(finished.code, Some(0), "{}", finished.out());
        let shown: Value = serde_json::from_slice(&finished.stdout).unwrap();
        shown["artifacts"]["removed"]["files"].as_u64().unwrap()
    });
    assert_eq!(removed.iter().sum::<u64>(), 1990);
    assert_eq!(here(&sandbox), BUILDS);
}

#[test]
fn the_copy_of_an_installed_snapshot_goes_when_it_is_not_used() {
    let sandbox = sandbox();
    let directory = sandbox.path("home/.m2/repository/com/acme/own/1.0-SNAPSHOT");
    fs_err::create_dir_all(&directory).unwrap();
    let install = |content: &str| {
        JarBuilder::new()
            .script("job.sh", "#!/bin/sh\necho ran\n")
            .file("content", content)
            .write(&directory.join("own-1.0-SNAPSHOT-jar-with-dependencies.jar"));
        let metadata = "<metadata><groupId>com.acme</groupId><artifactId>own</artifactId>\
                        <version>1.0-SNAPSHOT</version><versioning><snapshot>\
                        <localCopy>true</localCopy></snapshot></versioning></metadata>";
        fs_err::write(directory.join("maven-metadata-local.xml"), metadata).unwrap();
        let tracking = "own-1.0-SNAPSHOT-jar-with-dependencies.jar>=\n";
        fs_err::write(directory.join("_remote.repositories"), tracking).unwrap();
        run(&sandbox, "com.acme:own:1.0-SNAPSHOT");
    };
    let copies = || {
        fs_err::read_dir(cache(&sandbox).join("copies"))
            .unwrap()
            .count()
    };
    install("one");
    install("two");
    assert_eq!(copies(), 2);
    age_artifacts(&sandbox);
    age_run(&sandbox.sealed()[0]);
    assert_eq!(prune(&sandbox).code, Some(0));
    assert_eq!(copies(), 1, "the run of the second one is on record");
    age_run(&sandbox.sealed()[1]);
    assert_eq!(prune(&sandbox).code, Some(0));
    assert_eq!(copies(), 0);
    assert!(
        directory
            .join("own-1.0-SNAPSHOT-jar-with-dependencies.jar")
            .exists()
    );
}

#[test]
fn old_records_are_forgotten_and_younger_ones_kept() {
    let sandbox = sandbox();
    run_all(&sandbox);
    let records = cache(&sandbox).join("resolutions");
    let count = || fs_err::read_dir(&records).unwrap().count();
    assert_eq!(count(), 3);
    age_artifacts(&sandbox);
    assert_eq!(prune(&sandbox).code, Some(0));
    assert_eq!(count(), 3, "they are younger than 90 days");
    let old = fs_err::read_dir(&records).unwrap().next().unwrap().unwrap();
    let file = fs_err::OpenOptions::new()
        .write(true)
        .open(old.path())
        .unwrap();
    file.set_modified(SystemTime::now() - 91 * DAY).unwrap();
    assert_eq!(prune(&sandbox).code, Some(0));
    assert_eq!(count(), 2);
}

/// Asserts that nothing is removed, and tells why not.
fn refusal(sandbox: &Sandbox) -> String {
    age_artifacts(sandbox);
    let before = here(sandbox);
    let (shown, code) = json_of(sandbox, &["--prune-artifacts"]);
    assert_eq!((code, here(sandbox)), (Some(1), before), "{shown}");
    assert_eq!(shown["artifacts"]["removed"], Value::Null);
    assert_eq!(shown["artifacts"]["removable"], Value::Null);
    let findings = shown["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{shown}");
    let text = findings[0]["text"].as_str().unwrap();
    text.strip_prefix("nothing was removed: ")
        .unwrap()
        .to_owned()
}

#[test]
fn nothing_is_removed_if_the_records_cannot_be_read() {
    let sandbox = sandbox();
    run_all(&sandbox);
    let sealed = sandbox.spool().join("sealed");
    fs_err::rename(&sealed, sandbox.path("elsewhere")).unwrap();
    fs_err::write(&sealed, "").unwrap();
    let reason = refusal(&sandbox);
    assert!(
        reason.starts_with("the records of runs cannot be read: "),
        "{reason}"
    );
    let (_, code) = json_of(&sandbox, &[]);
    assert_eq!(
        code,
        Some(1),
        "that is wrong whether something is to be removed or not"
    );
}

#[test]
fn nothing_is_removed_if_one_run_does_not_say_what_it_used() {
    let sandbox = sandbox();
    run_all(&sandbox);
    let runs = sandbox.sealed();
    fs_err::write(runs[1].join("log"), "").unwrap();
    let reason = refusal(&sandbox);
    assert!(reason.contains(runs[1].to_str().unwrap()), "{reason}");
    // One that ended long ago need not say it.
    age_run(&runs[1]);
    assert_eq!(prune(&sandbox).code, Some(0));
}

#[test]
fn nothing_is_removed_where_no_run_is_on_record() {
    let sandbox = sandbox();
    run_all(&sandbox);
    fs_err::remove_dir_all(sandbox.path("state/spool")).unwrap();
    let reason = refusal(&sandbox);
    assert_eq!(reason, "no run is on record on this host");
    let (_, code) = json_of(&sandbox, &[]);
    assert_eq!(code, Some(0), "it is how things are");
}

#[test]
fn nothing_is_removed_if_the_records_do_not_reach_back_far_enough() {
    let sandbox = sandbox();
    run_all(&sandbox);
    let run = sandbox.sealed().pop().unwrap();
    for number in 0..1000 {
        let name = run.file_name().unwrap().to_str().unwrap();
        let other = run.with_file_name(format!("{}{number:05}", name.get(..21).unwrap()));
        fs_err::create_dir(&other).unwrap();
        for file in ["log", "sealed"] {
            fs_err::hard_link(run.join(file), other.join(file)).unwrap();
        }
    }
    let reason = refusal(&sandbox);
    assert!(reason.contains("reach back only to 20"), "{reason}");
}

#[test]
fn nothing_is_removed_from_a_shared_repository_if_the_records_of_another_user_cannot_be_read() {
    let sandbox = sandbox();
    let repository = sandbox.path("repository");
    let artifacts = json!({
        "repositories": [{"id": "corp", "url": repository}],
        "local_repository": sandbox.path("shared"),
    });
    run_all(&sandbox);
    fs_err::rename(sandbox.path("home/.m2/repository"), sandbox.path("shared")).unwrap();
    let other = sandbox.path("state/spool/other");
    fs_err::create_dir(&other).unwrap();
    fs_err::write(other.join("runs"), "").unwrap();
    assert_eq!(
        prune(&sandbox).code,
        Some(0),
        "that of the home is this user's alone"
    );
    sandbox.config(&json!({"artifacts": artifacts}).to_string());
    let (shown, code) = json_of(&sandbox, &["--prune-artifacts"]);
    assert_eq!(
        (code, &shown["artifacts"]["removed"]),
        (Some(1), &Value::Null)
    );
    assert!(
        shown["findings"][0]["hint"]
            .as_str()
            .unwrap()
            .contains("only root"),
        "{shown}"
    );
}
