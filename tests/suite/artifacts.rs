//! `greaserun group:artifact`: out of repositories that are well, ill, or gone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use grease_testkit::component::{self, Component};
use grease_testkit::jar::JarBuilder;
use grease_testkit::sandbox::{Finished, Sandbox, redact};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::server::{Answer, Server};

const CLASSIFIER: &str = "jar-with-dependencies";

/// The script of every job here: tells what it was given.
const SCRIPT: &str = "#!/bin/sh\necho \"$GREASE_VERSION runs $*\"\n";

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

/// A sandbox that asks a repository.
fn asking(url: &str) -> Sandbox {
    let sandbox = sandbox();
    let config = json!({"artifacts": {"repositories": [{"id": "corp", "url": url}]}});
    sandbox.config(&config.to_string());
    sandbox
}

fn jar(version: &str) -> Vec<u8> {
    JarBuilder::new()
        .script("job.sh", SCRIPT)
        .file("version", version.as_bytes())
        .bytes()
}

fn path(version: &str) -> String {
    format!("com/acme/etl/{version}/etl-{version}-{CLASSIFIER}.jar")
}

fn metadata(latest: &str, date: &str) -> Vec<u8> {
    format!(
        "<metadata><groupId>com.acme</groupId><artifactId>etl</artifactId><versioning>\
         <latest>{latest}</latest><release>{latest}</release>\
         <versions><version>{latest}</version></versions>\
         <lastUpdated>{date}</lastUpdated></versioning></metadata>"
    )
    .into_bytes()
}

const METADATA: &str = "com/acme/etl/maven-metadata.xml";

/// A repository with one version.
fn repository(version: &str) -> Server {
    let server = Server::start();
    deploy(&server, version, "20240101000000");
    server
}

fn deploy(server: &Server, version: &str, date: &str) {
    server.script(METADATA, [Answer::file(metadata(version, date)).etag(date)]);
    server.script(&path(version), [with_checksum(jar(version))]);
}

/// A file with its checksum in the header.
fn with_checksum(body: Vec<u8>) -> Answer {
    let mut sha1 = String::new();
    for byte in Sha1::digest(&body) {
        write!(sha1, "{byte:02x}").unwrap();
    }
    Answer::file(body).header("x-checksum-sha1", &sha1)
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Finished {
    let command = ["-r", "shell"].iter().chain(arguments);
    sandbox.greaserun(command).finish()
}

/// The event of the job's start, of a job that was started, and the end event of the last run.
fn record(sandbox: &Sandbox) -> (Value, Value) {
    let dir = sandbox.sealed().pop().unwrap();
    let log = fs_err::read_to_string(dir.join("log")).unwrap();
    let execute = log.split_once("greaserun: execute ");
    let execute = execute.map_or("null", |(_, rest)| rest.lines().next().unwrap());
    let end = fs_err::read_to_string(dir.join("sealed")).unwrap();
    (
        serde_json::from_str(execute).unwrap(),
        serde_json::from_str(&end).unwrap(),
    )
}

#[test]
fn an_artifact_is_fetched_once_and_its_identity_is_on_record() {
    let server = repository("1.0");
    let sandbox = asking(&server.url());
    let first = run(&sandbox, &["com.acme:etl", "job.sh", "a", "b"]);
    insta::assert_snapshot!(redact(&first.all(), &sandbox), @r"
    exit code: 0
    ----- stdout
    [N] runs a b
    ----- stderr
    greaserun: fetched com.acme:etl:1.0:jar:jar-with-dependencies: 248 B from `corp` in [N] s
    greaserun: com.acme:etl#job.sh starts, run [RUN]
    greaserun: com.acme:etl#job.sh succeeded after [N] s; log [SANDBOX]/state/spool/[UID]/sealed/[RUN]/log
    ");
    let requests = server.paths().len();
    let second = run(&sandbox, &["com.acme:etl", "job.sh"]);
    assert_eq!(second.out(), "1.0 runs \n");
    assert_eq!(server.paths().len(), requests, "nothing is asked for again");
    let (start, _) = record(&sandbox);
    assert_eq!(start["job"], "com.acme:etl#job.sh");
    assert_eq!(
        start["artifact"],
        "com.acme:etl:1.0:jar:jar-with-dependencies"
    );
    assert_eq!(start["version"], "1.0");
    assert_eq!(start["repository"], "corp");
    assert_eq!(start["size_bytes"], jar("1.0").len());
    assert_eq!(start["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(start.get("stale"), None);
}

#[test]
fn the_job_is_told_the_version_and_the_checksum_of_its_jar() {
    let server = repository("1.0");
    let sandbox = asking(&server.url());
    let words = [
        "com.acme:etl",
        "--",
        "sh",
        "-c",
        "echo $GREASE_VERSION {artifact_spec}; echo $GREASE_JAR_SHA256 {jar_path} | sha256sum -c",
    ];
    let finished = run(&sandbox, &words);
    let jar = sandbox
        .path("home")
        .join(".m2/repository")
        .join(path("1.0"));
    assert_eq!(
        finished.out(),
        format!(
            "1.0 com.acme:etl:1.0:jar:jar-with-dependencies\n{}: OK\n",
            jar.display()
        )
    );
}

#[test]
fn a_run_inside_a_run_is_not_told_the_outer_version() {
    let server = repository("1.0");
    let sandbox = asking(&server.url());
    JarBuilder::new()
        .script(
            "inner.sh",
            "#!/bin/sh\necho \"[$GREASE_VERSION$GREASE_JAR_SHA256]\"\n",
        )
        .write(&sandbox.work("inner.jar"));
    let inner = format!(
        "greaserun -q -c {} -r shell inner.jar inner.sh",
        sandbox.path("scalegrease.json").display()
    );
    let path = format!("{}:/usr/bin:/bin", sandbox.programs().display());
    let finished = sandbox
        .greaserun(["-r", "shell", "com.acme:etl", "--", "sh", "-c", &inner])
        .env("PATH", path)
        .finish();
    assert_eq!(finished.out(), "[]\n");
}

#[test]
fn a_repository_that_is_gone_stops_no_job_whose_jar_is_here() {
    let server = repository("1.0");
    let sandbox = asking(&server.url());
    run(&sandbox, &["com.acme:etl", "job.sh"]);
    drop(server);
    let again = ["--update", "always", "com.acme:etl", "job.sh"];
    let finished = run(&sandbox, &again);
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(0), "1.0 runs \n")
    );
    assert!(
        finished.err().contains("may not be the newest"),
        "{}",
        finished.err()
    );
    assert!(
        finished.err().contains("Connection refused"),
        "{}",
        finished.err()
    );
    let (start, end) = record(&sandbox);
    let reason = start["stale"]["reason"].as_str().unwrap();
    assert!(reason.contains("`corp` does not answer"), "{reason}");
    assert_eq!(end["result"], "success");
    let log = fs_err::read_to_string(sandbox.sealed().pop().unwrap().join("log")).unwrap();
    assert!(
        log.contains("greaserun: warning: com.acme:etl:1.0"),
        "{log}"
    );

    let strict = [&["--strict-fetch"], &again[..]].concat();
    let finished = run(&sandbox, &strict);
    assert_eq!(finished.code, Some(69), "{}", finished.err());
}

#[test]
fn what_may_be_stale_is_silent_towards_cron() {
    let server = repository("1.0");
    let sandbox = asking(&server.url());
    run(&sandbox, &["com.acme:etl", "job.sh"]);
    server.script(METADATA, [Answer::status(500)]);
    let finished = run(
        &sandbox,
        &["--cron", "--update", "always", "com.acme:etl", "job.sh"],
    );
    assert_eq!(
        (finished.code, finished.out(), finished.err()),
        (Some(0), String::new(), String::new())
    );
    assert_ne!(record(&sandbox).0.get("stale"), None);
}

#[test]
fn offline_asks_nobody() {
    let server = repository("1.0");
    let sandbox = asking(&server.url());
    let finished = run(&sandbox, &["-o", "com.acme:etl", "job.sh"]);
    assert_eq!(finished.code, Some(69), "{}", finished.err());
    assert_eq!(server.paths(), [""; 0]);
    run(&sandbox, &["com.acme:etl", "job.sh"]);
    let requests = server.paths().len();
    let finished = run(&sandbox, &["-o", "com.acme:etl", "job.sh"]);
    assert_eq!(
        (finished.code, finished.out().as_str()),
        (Some(0), "1.0 runs \n")
    );
    assert_eq!(server.paths().len(), requests);
}

#[test]
fn a_new_version_is_seen_as_often_as_asked() {
    let server = repository("1.0");
    let sandbox = asking(&server.url());
    run(&sandbox, &["com.acme:etl", "job.sh"]);
    deploy(&server, "1.1", "20240102000000");
    for (update, expected) in [("never", "1.0"), ("daily", "1.0"), ("always", "1.1")] {
        let finished = run(&sandbox, &["--update", update, "com.acme:etl", "job.sh"]);
        assert_eq!(finished.out(), format!("{expected} runs \n"), "{update}");
    }
}

#[test]
fn without_a_repository_the_lines_to_add_are_told() {
    let finished = run(&sandbox(), &["com.acme:etl", "job.sh"]);
    insta::assert_snapshot!(finished.all(), @r#"
    exit code: 78
    ----- stdout
    ----- stderr
    error: no Maven repository is configured
    hint: none is built in, not even `central`; add to the config (/etc/scalegrease.json)
      "artifacts": {"repositories": [{"id": "releases", "url": "https://HOST/PATH/"}]}
    or to ~/.m2/settings.xml, as for mvn
      <settings><profiles><profile><id>jobs</id>
        <activation><activeByDefault>true</activeByDefault></activation>
        <repositories>
          <repository><id>releases</id><url>https://HOST/PATH/</url></repository>
        </repositories>
      </profile></profiles></settings>
    "#);
}

#[test]
fn what_is_not_there_is_told_with_its_address_and_filed_under_its_name() {
    let server = repository("1.0");
    let sandbox = asking(&server.url());
    let finished = run(&sandbox, &["com.acme:etl:9.9", "job.sh"]);
    let text = redact(&finished.all(), &sandbox).replace(&server.url(), "http://corp/");
    insta::assert_snapshot!(text, @r"
    exit code: 69
    ----- stdout
    ----- stderr
    error: version `9.9` of `com.acme:etl:9.9:jar:jar-with-dependencies` is not to be had: the repository does not have it
      `http://corp/com/acme/etl/9.9/etl-9.9-jar-with-dependencies.jar` does not exist (status 404)
    hint: it may be in the middle of its deployment: run it again, or ask for another version
    ");
    let (_, end) = record(&sandbox);
    assert_eq!(end["job"], "com.acme:etl#job.sh");
    assert_eq!(end["error"], "artifact-not-found");
}

#[test]
fn an_unreachable_repository_and_nothing_here_is_no_job() {
    let server = repository("1.0");
    let sandbox = asking(&server.url());
    drop(server);
    let finished = run(&sandbox, &["com.acme:etl", "job.sh"]);
    assert_eq!(finished.code, Some(69));
    assert_eq!(record(&sandbox).1["error"], "artifact-fetch");
}

#[test]
fn a_login_page_is_no_jar() {
    let server = repository("1.0");
    server.script(&path("1.0"), [Answer::login_page()]);
    let sandbox = asking(&server.url());
    let finished = run(&sandbox, &["com.acme:etl:1.0", "job.sh"]);
    assert_eq!(finished.code, Some(65), "{}", finished.err());
    assert!(finished.err().contains(&path("1.0")), "{}", finished.err());
    assert_eq!(record(&sandbox).1["error"], "artifact-bad");
}

#[test]
fn a_password_that_is_wrong_is_told_and_not_shown() {
    let server = repository("1.0");
    for path in [METADATA, &path("1.0")] {
        server.script(path, [Answer::status(401)]);
    }
    let sandbox = asking(&server.url());
    let settings = "<settings><servers><server><id>corp</id><username>etl</username>\
                    <password>hush</password></server></servers></settings>";
    let m2 = sandbox.path("home").join(".m2");
    fs_err::create_dir_all(&m2).unwrap();
    fs_err::write(m2.join("settings.xml"), settings).unwrap();
    let finished = run(&sandbox, &["com.acme:etl", "job.sh"]);
    assert_eq!(finished.code, Some(77), "{}", finished.err());
    assert!(!finished.all().contains("hush"), "{}", finished.all());
}

#[test]
fn the_repositories_and_the_local_repository_of_mvn_are_used() {
    let directory = tempfile::tempdir().unwrap();
    let jar_path = directory.path().join(path("1.0"));
    fs_err::create_dir_all(jar_path.parent().unwrap()).unwrap();
    fs_err::write(&jar_path, jar("1.0")).unwrap();
    fs_err::write(
        directory.path().join(METADATA),
        metadata("1.0", "20240101000000"),
    )
    .unwrap();
    let sandbox = sandbox();
    let m2 = sandbox.path("home").join(".m2");
    fs_err::create_dir_all(&m2).unwrap();
    let settings = format!(
        "<settings><profiles><profile><id>jobs</id><activation><activeByDefault>true\
         </activeByDefault></activation><repositories><repository><id>corp</id>\
         <url>file://{}</url></repository></repositories></profile></profiles></settings>",
        directory.path().display()
    );
    fs_err::write(m2.join("settings.xml"), settings).unwrap();
    let elsewhere = sandbox.path("elsewhere");
    let finished = sandbox
        .greaserun(["-r", "shell", "com.acme:etl", "job.sh"])
        .env(
            "MAVEN_OPTS",
            format!("-Xmx1g -Dmaven.repo.local={}", elsewhere.display()),
        )
        .finish();
    assert_eq!(finished.out(), "1.0 runs \n", "{}", finished.err());
    assert!(is_file(&elsewhere.join(path("1.0"))));
}

#[expect(clippy::disallowed_methods, reason = "it is no job")]
fn mount_tool(name: &str) -> Command {
    Command::new(name)
}

/// A directory that is mounted over a network, as far as anyone can tell.
struct Mounted(PathBuf);

impl Mounted {
    fn over(directory: &Path) -> Self {
        fs_err::create_dir_all(directory).unwrap();
        assert!(
            mount_tool("bindfs")
                .arg(directory)
                .arg(directory)
                .status()
                .unwrap()
                .success()
        );
        Self(directory.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        mount_tool("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[test]
fn a_job_gets_a_local_copy_of_what_is_on_a_network() {
    if component::require(Component::Bindfs).is_none() {
        return;
    }
    let server = repository("1.0");
    let sandbox = asking(&server.url());
    let mounted = Mounted::over(&sandbox.path("home/.m2"));
    let words = ["com.acme:etl", "--", "echo", "{jar_path}"];
    let finished = run(&sandbox, &words);
    assert_eq!(finished.code, Some(0), "{}", finished.err());
    let cache = sandbox.path("state/cache");
    let copy = PathBuf::from(finished.out().trim());
    assert!(copy.starts_with(&cache), "{}", copy.display());
    assert_eq!(fs_err::read(&copy).unwrap(), jar("1.0"));
    assert!(is_file(&mounted.0.join("repository").join(path("1.0"))));
    let again = run(&sandbox, &words);
    assert_eq!(again.out(), finished.out());

    let (start, _) = record(&sandbox);
    assert_eq!(start["repository"], "corp");
    let finished = run(&sandbox, &["com.acme:etl:9.9", "job.sh"]);
    assert_eq!(finished.code, Some(69), "{}", finished.err());
    assert!(finished.err().contains(&path("9.9")), "{}", finished.err());
}

fn is_file(path: &Path) -> bool {
    fs_err::metadata(path).is_ok_and(|found| found.is_file())
}

#[test]
fn the_settings_in_the_home_of_another_user_do_not_choose_what_root_runs() {
    if component::require(Component::MountNamespace).is_none() {
        return;
    }
    let server = repository("1.0");
    let sandbox = sandbox();
    let local = sandbox.path("repository");
    sandbox.config(&json!({"artifacts": {"local_repository": local}}).to_string());
    let home = sandbox.path("home");
    fs_err::create_dir_all(home.join(".m2")).unwrap();
    let settings = format!(
        "<settings><profiles><profile><id>jobs</id><activation><activeByDefault>true\
         </activeByDefault></activation><repositories><repository><id>evil</id>\
         <url>{}</url></repository></repositories></profile></profiles></settings>",
        server.url()
    );
    fs_err::write(home.join(".m2/settings.xml"), settings).unwrap();
    std::os::unix::fs::chown(&home, Some(65_534), None).unwrap();
    let finished = run(&sandbox, &["com.acme:etl", "job.sh"]);
    assert_ne!(finished.code, Some(0), "{}", finished.all());
    assert_eq!(server.paths(), [""; 0]);
}

#[test]
fn a_download_does_not_keep_the_lock_of_whoever_called_greaserun() {
    let server = repository("1.0");
    server.script(&path("1.0"), [with_checksum(jar("1.0")).hang()]);
    let sandbox = asking(&server.url());
    let lock = sandbox.path("lock");
    let script = format!(
        "exec 9>{}; flock 9; exec {} -c {} -r shell com.acme:etl job.sh",
        lock.display(),
        sandbox.programs().join("greaserun").display(),
        sandbox.path("scalegrease.json").display()
    );
    let running = sandbox
        .program("/bin/sh")
        .arguments(["-c", &script])
        .start();
    let begun = std::time::Instant::now();
    while !server.paths().contains(&path("1.0")) {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never asked");
        std::thread::sleep(Duration::from_millis(20));
    }
    let file = fs_err::File::open(&lock).unwrap();
    assert!(file.try_lock().is_err(), "greaserun holds it");
    running.signal(Signal::KILL);
    running.finish();
    while file.try_lock().is_err() {
        assert!(begun.elapsed() < Duration::from_mins(1), "the lock stays");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_no_group_claims_nothing_silently() {
    for group in ["com.acme*", "com.acme.", " com.acme", "com/acme", ""] {
        let sandbox = sandbox();
        let repository = json!({"id": "corp", "url": "https://h/", "groups": [group]});
        sandbox.config(&json!({"artifacts": {"repositories": [repository]}}).to_string());
        let finished = run(&sandbox, &["com.acme:etl", "job.sh"]);
        assert_eq!(finished.code, Some(78), "{group}: {}", finished.err());
        assert!(
            finished.err().contains("repositories[0].groups[0]"),
            "{}",
            finished.err()
        );
    }
}

#[test]
fn a_download_that_lasts_shows_how_far_it_is_on_a_terminal_and_nowhere_else() {
    let Some(script) = component::require(Component::Script) else {
        return;
    };
    let whole = JarBuilder::new()
        .script("job.sh", SCRIPT)
        .file("noise", noise(300_000))
        .bytes();
    // Two and a half seconds.
    let slow = || with_checksum(whole.clone()).drip(30_000, Duration::from_millis(250));
    let server = repository("1.0");
    server.script(&path("1.0"), [slow()]);
    let sandbox = asking(&server.url());
    let command = format!(
        "{} -c {} -r shell com.acme:etl job.sh",
        sandbox.programs().join("greaserun").display(),
        sandbox.path("scalegrease.json").display()
    );
    let shown = sandbox
        .program(script.path)
        .arguments(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .finish();
    let bar = "etl-1.0-jar-with-dependencies.jar";
    assert_eq!(shown.code, Some(0), "{}", shown.all());
    assert!(shown.out().contains(bar), "{}", shown.out());
    assert!(shown.out().contains("greaserun: fetched com.acme:etl:1.0"));

    let sandbox = asking(&server.url());
    let shown = run(&sandbox, &["com.acme:etl", "job.sh"]);
    assert!(!shown.all().contains(bar), "{}", shown.all());
    let fetched = shown.err().matches("greaserun: fetched").count();
    assert_eq!(fetched, 1, "{}", shown.err());
}

#[test]
fn an_interrupted_download_is_continued_by_the_next_run() {
    let server = repository("1.0");
    let whole = JarBuilder::new()
        .script("job.sh", SCRIPT)
        .file("noise", noise(400_000))
        .bytes();
    let half = whole.len() / 2;
    let slow = with_checksum(whole.clone()).hang_after(half);
    let good = with_checksum(whole.clone());
    server.script(&path("1.0"), [slow, good]);
    let sandbox = asking(&server.url());
    let running = sandbox
        .greaserun(["-r", "shell", "com.acme:etl", "job.sh"])
        .start();
    let directory = sandbox.path("home/.m2/repository/com/acme/etl/1.0");
    wait_for_part(&directory, half as u64);
    running.signal(Signal::KILL);
    assert_eq!(running.finish().code, None);
    let finished = run(&sandbox, &["com.acme:etl", "job.sh"]);
    assert_eq!(finished.out(), "1.0 runs \n", "{}", finished.err());
    let log = server.log();
    let last = log.iter().rfind(|request| request.path() == path("1.0"));
    assert_eq!(
        last.unwrap().header("range"),
        Some(&*format!("bytes={half}-"))
    );
}

/// Bytes that do not compress.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state & 0xff) as u8
    };
    std::iter::repeat_with(&mut next).take(count).collect()
}

/// Waits until what came of a download is on the disk.
fn wait_for_part(directory: &Path, bytes: u64) {
    let is_part = |entry: std::io::Result<fs_err::DirEntry>| {
        let entry = entry.ok()?;
        let is_part = entry.file_name().to_string_lossy().ends_with(".part");
        is_part.then(|| entry.metadata().map_or(0, |found| found.len()))
    };
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        let sizes = fs_err::read_dir(directory).into_iter().flatten();
        if sizes.filter_map(is_part).any(|size| size >= bytes) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no part of {bytes} bytes in {}", directory.display());
}
