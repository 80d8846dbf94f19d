//! The thread that tells, against real servers and commands.

use std::io::Write as _;
use std::path::PathBuf;

use grease_testkit::listener::Listener;
use grease_testkit::sandbox::wait_until;
use serde_json::{Value, json};

use super::rules::Notify;
use super::*;
use crate::model::{AbsolutePath, Glob, RunId, Words};

/// What a server of pings says.
const OK: &str = "200 OK\r\nPing-Body-Limit: 20";

/// A spool with the index of one day.
struct Spool(tempfile::TempDir);

impl Spool {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs_err::create_dir(place.path().join("index")).unwrap();
        Self(place)
    }

    fn append(&self, event: &Value) {
        let path = self.0.path().join("index/2026-11-24.jsonl");
        let mut file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(format!("{event}\n").as_bytes()).unwrap();
    }

    /// Notes the start and the end of a run; returns its id.
    fn run(&self, job: &str, more: &Value) -> String {
        let run = RunId::new().to_string();
        let time = jiff::Timestamp::now().to_string();
        self.append(&json!({"v": 1, "event": "start", "run": run, "job": job, "user": "etl", "host": "h", "boot": "b",
            "time": time, "trigger": "scheduled", "runner": "shell", "args": [], "pid": 1}));
        let mut end = json!({"v": 1, "event": "end", "run": run, "job": job, "time": time, "leftovers": 0, "user": "etl",
            "host": "h", "start": time, "trigger": "scheduled", "runner": "shell", "result": "success", "exit": 0});
        end.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let sealed = self.0.path().join("sealed").join(&run);
        fs_err::create_dir_all(&sealed).unwrap();
        if end["result"] == "failure" {
            fs_err::write(
                sealed.join("digest"),
                format!("job: {job}\n\nlast line of {run}\n"),
            )
            .unwrap();
        }
        self.append(&end);
        run
    }

    fn telling(&self, hooks: &Hooks, has_share: bool) -> Telling {
        Telling::start(self.0.path(), hooks, "etl", has_share).unwrap()
    }
}

fn failure() -> Value {
    json!({"result": "failure", "error": "exit", "exit": 3, "msg": "failed with exit code 3: no input"})
}

fn pings(server: &Listener) -> Hooks {
    Hooks {
        ping_url: Some(server.url() + "/ping/KEY"),
        ..Hooks::default()
    }
}

/// A rule whose command appends what it gets to a file.
fn to_file(place: &std::path::Path, when: &[&str]) -> (Notify, PathBuf) {
    let file = place.join("told");
    let script = format!("cat >> {0}; echo >> {0}", file.display());
    let words = ["sh", "-c", &script].map(str::to_owned).into();
    let rule = Notify {
        when: when.iter().map(|text| text.parse().unwrap()).collect(),
        command: Words::new(words),
        ..Notify::default()
    };
    (rule, file)
}

fn told(file: &std::path::Path) -> Vec<Value> {
    let text = fs_err::read_to_string(file).unwrap_or_default();
    // Two hosts write to one file: their line ends may come after both.
    serde_json::Deserializer::from_str(&text)
        .into_iter()
        .map_while(Result::ok)
        .collect()
}

#[test]
fn a_run_is_pinged_at_its_start_and_with_its_exit_code_and_digest() {
    let server = Listener::start(&[OK]);
    let spool = Spool::new();
    let run = spool.run("com.acme:etl", &failure());
    let telling = spool.telling(&pings(&server), false);
    let heard = server.wait_for(2);
    telling.finish(Duration::from_secs(30));
    let rid = run.parse::<RunId>().unwrap().as_uuid();
    assert_eq!(
        heard[0].line,
        format!("POST /ping/KEY/com-acme-etl/start?rid={rid}")
    );
    assert_eq!(
        heard[1].line,
        format!("POST /ping/KEY/com-acme-etl/3?rid={rid}")
    );
    let digest = format!("job: com.acme:etl\n\nlast line of {run}\n");
    assert_eq!(heard[1].body.len(), 20);
    assert!(digest.ends_with(&heard[1].body), "{}", heard[1].body);
}

#[test]
fn a_server_that_is_ill_hears_it_later_and_once_and_what_is_refused_is_told() {
    let server = Listener::start(&["503 Busy", OK, OK, "404 Nothing", OK]);
    let spool = Spool::new();
    spool.run("a", &json!({}));
    let telling = spool.telling(&pings(&server), false);
    // The start fails, and is no news once the end is known; that was known before it was tried.
    server.wait_for(3);
    spool.run("b", &json!({}));
    server.wait_for(5);
    telling.finish(Duration::from_secs(30));
    let lines: Vec<String> = server.posted().iter().map(|r| r.line.clone()).collect();
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(
        (
            count("/a/start"),
            count("/a/0"),
            count("/b/start"),
            count("/b/0")
        ),
        (2, 1, 1, 1),
        "{lines:?}"
    );
    let (trouble, left) = trouble(spool.0.path());
    let trouble = trouble.unwrap();
    assert_eq!((trouble.given_up, left), (1, 0));
    assert!(
        trouble.text.starts_with(
            "ping `b/start` is given up after 1 tries: `127.0.0.1` answers with status 404"
        ),
        "{trouble:?}"
    );
}

#[test]
fn what_was_told_is_not_told_again_by_the_next_process_and_what_was_not_is() {
    let spool = Spool::new();
    spool.run("a", &json!({}));
    let away = Hooks {
        ping_url: Some("http://127.0.0.1:1/x".to_owned()),
        ..Hooks::default()
    };
    let telling = spool.telling(&away, false);
    wait_until("it was tried", || trouble(spool.0.path()).0.is_some());
    telling.finish(Duration::from_secs(30));
    assert_eq!(trouble(spool.0.path()).1, 2);
    let server = Listener::start(&[OK]);
    spool
        .telling(&pings(&server), false)
        .finish(Duration::from_mins(1));
    let before = server.wait_for(1).len();
    spool
        .telling(&pings(&server), false)
        .finish(Duration::from_mins(1));
    assert_eq!(server.posted().len(), before);
    assert_eq!(trouble(spool.0.path()).1, 0);
}

#[test]
fn counters_survive_their_process_and_count_each_run_once() {
    let spool = Spool::new();
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().to_str().unwrap().to_owned();
    let hooks = Hooks {
        textfile_dir: AbsolutePath::try_from(directory).ok(),
        ..Hooks::default()
    };
    for _ in 0..3 {
        spool.run("etl", &json!({}));
        spool.telling(&hooks, false).finish(Duration::from_secs(30));
    }
    let uid = rustix::process::geteuid().as_raw();
    let text =
        fs_err::read_to_string(place.path().join(format!("scalegrease_{uid}.prom"))).unwrap();
    let sample =
        r#"scalegrease_run_total{job="etl",user="etl",result="success",trigger="scheduled"} 3"#;
    assert!(text.contains(sample), "{text}");
}

#[test]
fn a_torn_line_is_waited_for_and_garbage_is_passed_over() {
    let spool = Spool::new();
    let path = spool.0.path().join("index/2026-11-24.jsonl");
    let event = json!({"v": 1, "event": "end", "run": RunId::new().to_string(), "job": "x", "leftovers": 0,
        "time": jiff::Timestamp::now().to_string(), "result": "skip", "error": "guard-load"});
    let text = format!("\0\0\0\nno json\n{event}\n{event}");
    fs_err::write(&path, &text).unwrap();
    let mut teller = Teller::new(spool.0.path(), &Hooks::default(), "etl");
    teller.look();
    teller.look();
    let refused = |teller: &Teller| {
        let text = teller.state_text();
        let sample = r#"scalegrease_guard_refused_total{user="etl",rule="guard-load"} "#;
        text.lines()
            .find_map(|line| line.strip_prefix(sample))
            .unwrap()
            .to_owned()
    };
    assert_eq!(refused(&teller), "1");
    fs_err::write(&path, format!("{text}\n")).unwrap();
    teller.look();
    assert_eq!(refused(&teller), "2");
}

#[test]
fn a_command_hears_of_the_first_failure_and_of_the_recovery() {
    let spool = Spool::new();
    let place = tempfile::tempdir().unwrap();
    let (rule, file) = to_file(place.path(), &["first-failure", "recovered"]);
    let hooks = Hooks {
        notify: vec![rule],
        ..Hooks::default()
    };
    let telling = spool.telling(&hooks, false);
    let first = spool.run("etl", &failure());
    spool.run("etl", &failure());
    spool.run("etl", &json!({}));
    spool.run("etl", &json!({}));
    wait_until("both are told", || told(&file).len() == 2);
    telling.finish(Duration::from_secs(30));
    let told = told(&file);
    assert_eq!(told.len(), 2);
    assert_eq!(
        (&told[0]["when"], &told[0]["run"]),
        (&json!("first-failure"), &json!(first))
    );
    assert_eq!(
        told[0]["text"],
        format!("etl: failed with exit code 3: no input, on h as etl\ngreasestatus why {first}")
    );
    assert!(told[0]["digest"].as_str().unwrap().contains("last line of"));
    assert_eq!(
        (&told[1]["when"], &told[1]["failures"]),
        (&json!("recovered"), &json!(2))
    );
}

#[test]
fn jobs_of_others_and_runs_of_long_ago_are_not_told() {
    let spool = Spool::new();
    let place = tempfile::tempdir().unwrap();
    let (rule, file) = to_file(place.path(), &["every"]);
    let hooks = Hooks {
        notify: vec![Notify {
            jobs: Glob::new("etl*"),
            ..rule
        }],
        ..Hooks::default()
    };
    spool.run(
        "etl-old",
        &json!({"result": "failure", "exit": 1, "time": "2026-01-01T00:00:00Z"}),
    );
    spool.run("other", &failure());
    spool.run("etl-new", &failure());
    spool.telling(&hooks, false).finish(Duration::from_secs(30));
    let jobs: Vec<Value> = told(&file)
        .into_iter()
        .map(|message| message["job"].clone())
        .collect();
    assert_eq!(jobs, [json!("etl-new")]);
}

#[test]
fn of_two_hosts_that_see_a_job_fail_one_tells() {
    let share = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let (rule, file) = to_file(place.path(), &["first-failure", "after:2"]);
    let hooks = Hooks {
        notify: vec![rule],
        ..Hooks::default()
    };
    let hosts: Vec<(Spool, Telling)> = (0..2)
        .map(|_| {
            let spool = Spool::new();
            spool.run("etl", &failure());
            let telling = spool.telling(&hooks, true);
            (spool, telling)
        })
        .collect();
    for (_, telling) in &hosts {
        wait_until("the end was seen", || telling.is_busy());
    }
    std::thread::scope(|scope| {
        for (_, telling) in &hosts {
            scope.spawn(|| telling.ask_share(Dir::open(share.path()), "etl"));
        }
    });
    for (_, telling) in hosts {
        telling.finish(Duration::from_secs(30));
    }
    let mut whens: Vec<String> = told(&file)
        .iter()
        .map(|message| message["when"].to_string())
        .collect();
    whens.sort();
    assert!(
        whens == ["\"after:2\"", "\"first-failure\""] || whens.len() < 2,
        "{whens:?}"
    );
    assert_eq!(
        whens.iter().filter(|when| when.contains("first")).count(),
        1
    );
}

#[test]
fn without_an_answer_of_the_share_this_host_tells_and_the_share_hears_of_it_later() {
    let spool = Spool::new();
    let place = tempfile::tempdir().unwrap();
    let (rule, _) = to_file(place.path(), &["first-failure"]);
    let hooks = Hooks {
        notify: vec![rule],
        ..Hooks::default()
    };
    let run = spool.run("etl", &failure());
    let mut teller = Teller::new(spool.0.path(), &hooks, "etl");
    teller.look();
    teller.judge_alone(Duration::from_mins(1));
    assert_eq!(teller.state.queue.len(), 1, "the share is waited for");
    let item = teller.state.queue.judgeable().remove(0);
    teller.judged(&item, rules::Before::Failures(0), true);
    let said = teller.state.queue.next(Instant::now()).unwrap();
    assert!(
        format!("{said:?}").contains("other hosts may tell"),
        "{said:?}"
    );
    let quiet = teller.state.queue.judgeable();
    assert_eq!(quiet.len(), 1, "the share is still to hear of it");
    teller.judged(&quiet[0], rules::Before::Failures(0), false);
    assert_eq!(
        (
            teller.state.queue.judgeable().len(),
            teller.state.queue.len()
        ),
        (0, 1),
        "{run}"
    );
}

#[test]
fn a_directory_for_metrics_that_is_not_there_is_told_once() {
    let spool = Spool::new();
    let directory = AbsolutePath::try_from("/nowhere/at-all".to_owned());
    let hooks = Hooks {
        textfile_dir: directory.ok(),
        ..Hooks::default()
    };
    let mut teller = Teller::new(spool.0.path(), &hooks, "etl");
    teller.status(Status::default());
    teller.status(Status::default());
    let news = teller.take_news();
    assert_eq!(news.len(), 1, "{news:?}");
    assert!(
        news[0].starts_with("no metrics (`logs.hooks.textfile_dir`): "),
        "{news:?}"
    );
}
