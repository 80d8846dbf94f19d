//! The guard, through the real program: who starts, who waits, who is dropped, and what neither
//! crowds nor kills nor other users can make of it.

mod admission;
mod afterlife;
mod faked;
mod herd;
mod hostile;
mod load;
mod nested;
mod overlap;
mod priority;
mod records;
mod site;
mod spread;
mod state;
mod storm;
mod symptoms;
mod terminal;
mod waiting;

use std::path::Path;

use grease_testkit::length::rounds;
use grease_testkit::sandbox::{CALM, Run, Running, Sandbox, wait_for_file, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A job that tells when it runs; see [`Tally`].
const BRIEF: &str = "echo + >> tally; sleep 0.05; echo - >> tally";

/// A place for one test, whose guard decides by what `guard` says and by nothing else.
fn sandbox_with(guard: &Value) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    configure(&sandbox, guard, &json!({}));
    sandbox
}

/// Lays `guard` over a guard that decides by the slots alone, and `defaults` over the settings of
/// all jobs.
fn configure(sandbox: &Sandbox, guard: &Value, defaults: &Value) {
    let calm: Value = serde_json::from_str(&format!("{{\"x\": 0{CALM}}}")).unwrap();
    let mut all = calm["guard"].clone();
    lay_over(&mut all, &json!({"reserved_high": 0}));
    lay_over(&mut all, guard);
    let mut settings = json!({"nice": 0});
    lay_over(&mut settings, defaults);
    let config = json!({"guard": all, "jobs": {"defaults": settings}});
    sandbox.config(&config.to_string());
}

fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

/// Whether tests take their time, as in `cargo xtask soak`.
fn is_long() -> bool {
    rounds(1) > 1
}

/// `greaserun OPTIONS -r shell - -- sh -c SCRIPT`.
fn shell(sandbox: &Sandbox, options: &[&str], script: &str) -> Run {
    let fixed = ["-r", "shell", "-", "--", "sh", "-c", script];
    sandbox.greaserun(options.iter().chain(&fixed))
}

/// A job that runs until it is let go.
struct Held<'a> {
    sandbox: &'a Sandbox,
    name: &'a str,
    running: Running,
}

/// The script of a job that runs until [`let_go`].
fn holding(name: &str) -> String {
    format!(
        "echo + >> tally; echo $$ > {name}.runs
         until [ -e {name}.go ]; do sleep 0.02; done; echo - >> tally"
    )
}

/// Lets a job of [`holding`] end.
fn let_go(sandbox: &Sandbox, name: &str) {
    fs_err::write(sandbox.work(&format!("{name}.go")), "").unwrap();
}

/// Starts a job under a name; returns once it runs.
fn hold<'a>(sandbox: &'a Sandbox, name: &'a str, options: &[&str]) -> Held<'a> {
    let held = Held::start(sandbox, name, options);
    held.wait_until_it_runs();
    held
}

impl<'a> Held<'a> {
    /// Starts a job under a name, which may have to wait.
    fn start(sandbox: &'a Sandbox, name: &'a str, options: &[&str]) -> Self {
        let options = [&["--job", name], options].concat();
        let running = shell(sandbox, &options, &holding(name)).start();
        Self {
            sandbox,
            name,
            running,
        }
    }

    fn wait_until_it_runs(&self) {
        wait_for_file(&self.sandbox.work(&format!("{}.runs", self.name)));
    }

    fn runs(&self) -> bool {
        let file = format!("{}.runs", self.name);
        self.sandbox.work(&file).exists()
    }

    /// Lets it go; it must succeed.
    fn finish(self) {
        let_go(self.sandbox, self.name);
        let finished = self.running.finish();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
    }
}

/// What jobs wrote of themselves to the file `tally`, each a line at its start and at its end. A
/// line is appended at once, so their order is that of what happened.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    /// Jobs that started.
    started: usize,
    /// Most of them that ran at a time.
    most: usize,
}

impl Tally {
    fn read(sandbox: &Sandbox) -> Self {
        let text = fs_err::read_to_string(sandbox.work("tally")).unwrap_or_default();
        let (mut started, mut now, mut most) = (0, 0_usize, 0);
        for line in text.lines() {
            match line {
                "+" => (started, now) = (started + 1, now + 1),
                "-" => now -= 1,
                other => panic!("`{other}` in {text}"),
            }
            most = most.max(now);
        }
        Self { started, most }
    }
}

/// The events of one run; null for one that it does not have.
struct Kept {
    start: Value,
    execute: Value,
    end: Value,
}

impl Kept {
    /// The words of the end: result and error.
    fn words(&self) -> (&str, &str) {
        let word = |name: &str| self.end[name].as_str().unwrap_or_default();
        (word("result"), word("error"))
    }
}

/// What the log in the directory of a run says.
fn kept_in(directory: &Path) -> Kept {
    let log = fs_err::read(directory.join("log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let event = |name: &str| {
        let mark = format!(" stderr F greaserun: {name} {{");
        let line = log.lines().find_map(|line| line.split_once(&mark));
        line.map_or(Value::Null, |(_, rest)| {
            serde_json::from_str(&format!("{{{rest}")).unwrap()
        })
    };
    Kept {
        start: event("start"),
        execute: event("execute"),
        end: event("end"),
    }
}

/// The runs of a job that have ended, oldest first.
fn kept(sandbox: &Sandbox, job: &str) -> Vec<Kept> {
    let all = sandbox.sealed().into_iter().map(|dir| kept_in(&dir));
    all.filter(|kept| kept.start["job"] == job).collect()
}

/// The one run of a job that has ended.
fn only(sandbox: &Sandbox, job: &str) -> Kept {
    let mut all = kept(sandbox, job);
    assert_eq!(all.len(), 1, "runs of {job}");
    all.remove(0)
}

/// A file or directory of the guard.
fn guard(sandbox: &Sandbox, name: &str) -> std::path::PathBuf {
    sandbox.path("state/guard").join(name)
}

/// The names in a directory; none if there is no such directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What the runs that wait for the guard wrote of themselves, in no order.
fn waiters(sandbox: &Sandbox) -> Vec<Value> {
    let directory = guard(sandbox, "waiting");
    let read = |name: &String| fs_err::read_to_string(directory.join(name)).ok();
    let texts = names(&directory)
        .iter()
        .filter_map(read)
        .collect::<Vec<_>>();
    let parsed = texts
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok());
    parsed.collect()
}

/// Waits until a job says that it waits for the guard, and gives what it says.
fn wait_until_waiting(sandbox: &Sandbox, job: &str) -> Value {
    let mut found = Value::Null;
    wait_until(&format!("{job} waits"), || {
        let all = waiters(sandbox);
        let one = all.into_iter().find(|waiter| waiter["job"] == job);
        found = one.unwrap_or(Value::Null);
        !found.is_null()
    });
    found
}

/// Asserts that nobody holds anything any more: a job that takes all there is starts without
/// waiting, and after it nothing is left.
#[track_caller]
fn assert_all_is_free(sandbox: &Sandbox, options: &[&str]) {
    let options = [&["--max-wait", "0", "--job", "last"], options].concat();
    let finished = shell(sandbox, &options, "exit 0").finish();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    assert_eq!(sandbox.live(), [""; 0].map(std::path::PathBuf::from));
    assert_eq!(names(&guard(sandbox, "waiting")), [""; 0]);
}

/// Sends a signal to any process.
fn kill(pid: i32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// The process id that a job wrote to a file in its directory.
fn pid_in(sandbox: &Sandbox, file: &str) -> i32 {
    wait_for_file(&sandbox.work(file)).trim().parse().unwrap()
}
