//! Programs of others read what Scalegrease writes, with what is shipped for them.
//!
//! fluent-bit and vector are not among Debian's packages; what their parsers of container logs expect
//! is what lnav's format says here: a time, a stream, `F` or `P`, and the rest.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use grease_core::debugging::config::{Hooks, Retention};
use grease_core::debugging::expiry::{self, Budget, Manner};
use grease_core::debugging::share::dir::Dir;
use grease_core::debugging::tell::Teller;
use grease_core::debugging::tell::metrics::Status;
use grease_core::model::AbsolutePath;
use grease_testkit::component::{Component, Found, require, workspace};
use grease_testkit::sandbox::Sandbox;
use serde_json::Value;

/// A job that says things at levels, a line in two pieces, and bytes that are no text.
const TALK: &str = r"echo 'INFO luigi-interface: Running   job'
printf '10%%...'; sleep 1.5; echo '20%%'
printf 'odd \000 \377 \033[31mbytes\n'
echo 'WARNING: slow' >&2
echo 'RuntimeError: no input partition' >&2
exit 3";

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

/// The log of a run of [`TALK`].
fn log(sandbox: &Sandbox, job: &str) -> PathBuf {
    let finished = sandbox
        .greaserun(["-q", "-r", "shell", "-", "sh", "-c", job])
        .finish();
    assert_eq!(finished.code, Some(3), "{}", finished.err());
    let [dir] = sandbox.sealed().try_into().unwrap();
    dir.join("log")
}

/// What lnav makes of the lines of a log, with the format that is shipped.
fn lines_by_lnav(sandbox: &Sandbox, lnav: &Found, log: &Path) -> Vec<Value> {
    let format = workspace().join("conf/lnav/scalegrease.json");
    let installed = sandbox
        .program(&lnav.path)
        .arguments(["-i".as_ref(), format.as_os_str()])
        .finish();
    assert_eq!(installed.code, Some(0), "{}", installed.all());
    let query = ";SELECT log_time, log_level, stream, tag, log_body FROM scalegrease_log";
    let read = sandbox
        .program(&lnav.path)
        .env("TZ", "UTC")
        .arguments(["-n", "-c", query, "-c", ":write-json-to -"])
        .arguments([log])
        .finish();
    assert_eq!(read.code, Some(0), "{}", read.all());
    serde_json::from_str(&read.out()).unwrap_or_else(|_| panic!("{}", read.all()))
}

fn column<'a>(lines: &'a [Value], name: &str) -> Vec<&'a str> {
    let text = |line: &'a Value| line[name].as_str().unwrap_or_default();
    lines.iter().map(text).collect()
}

#[test]
fn lnav_reads_a_log_with_the_format_that_is_shipped() {
    let Some(lnav) = require(Component::Lnav) else {
        return;
    };
    let sandbox = sandbox();
    let log = log(&sandbox, TALK);
    let count = fs_err::read(&log).unwrap().split(|b| *b == b'\n').count() - 1;
    let lines = lines_by_lnav(&sandbox, &lnav, &log);
    assert_eq!(lines.len(), count, "every line of the log is one of lnav's");
    let level_of = |part: &str| {
        let line = lines
            .iter()
            .find(|line| line["log_body"].as_str().unwrap().starts_with(part));
        line.unwrap_or_else(|| panic!("{part}: {lines:?}"))["log_level"].clone()
    };
    assert_eq!(level_of("INFO luigi-interface: Running   job"), "info");
    assert_eq!(level_of("WARNING: slow"), "warning");
    assert_eq!(level_of("RuntimeError: no input"), "error");
    assert!(column(&lines, "tag").contains(&"F"));
    let streams = column(&lines, "stream");
    assert!(streams.contains(&"stdout") && streams.contains(&"stderr"));
    let mut sorted = column(&lines, "log_time");
    sorted.sort_unstable();
    assert_eq!(sorted, column(&lines, "log_time"));
}

#[test]
fn lnav_reads_a_log_that_was_compressed_on_the_share() {
    let Some(lnav) = require(Component::Lnav) else {
        return;
    };
    let sandbox = sandbox();
    // In a compressed file, lnav 0.11 stops at a NUL and shows what is no UTF-8 in another way.
    let log = log(&sandbox, &TALK.replace("\\000 \\377", ""));
    let run = log
        .parent()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let plain = lines_by_lnav(&sandbox, &lnav, &log);
    let old = SystemTime::now() - Duration::from_hours(24 * 10);
    let day = jiff::Timestamp::try_from(old).unwrap().to_string();
    let day = day.split('T').next().unwrap();
    let logs = sandbox.path("share/etl").join(day).join("logs/job");
    fs_err::create_dir_all(&logs).unwrap();
    let copy = logs.join(format!("120000Z-h-{run}.log"));
    fs_err::copy(&log, &copy).unwrap();
    let file = fs_err::OpenOptions::new().write(true).open(&copy).unwrap();
    file.set_modified(old).unwrap();
    let retention = Retention::default();
    let root = Dir::open(&sandbox.path("share")).unwrap();
    let (_, report) =
        expiry::pass(&root, "etl", &retention, Manner::Now, Budget::default()).unwrap();
    assert_eq!(
        (report.compressed, report.problems.len()),
        (1, 0),
        "{report:?}"
    );
    assert!(!copy.exists());
    let compressed = logs.join(format!("120000Z-h-{run}.log.zst"));
    assert_eq!(lines_by_lnav(&sandbox, &lnav, &compressed), plain);
}

#[test]
fn promtool_accepts_the_metrics() {
    let Some(promtool) = require(Component::Promtool) else {
        return;
    };
    let sandbox = sandbox();
    for (name, code) in [("good", "0"), ("bad", "1"), ("ödd\"na\\me", "0")] {
        let script = format!("exit {code}");
        sandbox
            .greaserun(["-q", "--job", name, "-r", "shell", "-", "sh", "-c", &script])
            .finish();
    }
    assert_eq!(sandbox.sealed().len(), 3);
    let directory = sandbox.path("textfiles");
    fs_err::create_dir(&directory).unwrap();
    let hooks = Hooks {
        textfile_dir: AbsolutePath::try_from(directory.to_str().unwrap().to_owned()).ok(),
        ..Hooks::default()
    };
    let mut teller = Teller::new(&sandbox.spool(), &hooks, "etl");
    teller.look();
    teller.status(Status::default());
    assert_eq!(teller.take_news(), [""; 0]);
    let uid = rustix::process::geteuid().as_raw();
    let text = fs_err::read(directory.join(format!("scalegrease_{uid}.prom"))).unwrap();
    let checked = sandbox
        .program(&promtool.path)
        .arguments(["check", "metrics"])
        .stdin(text.clone())
        .finish();
    assert_eq!(
        (checked.code, checked.out() + &checked.err()),
        (Some(0), String::new()),
        "{}",
        String::from_utf8_lossy(&text)
    );
    let text = String::from_utf8(text).unwrap();
    let runs = text
        .lines()
        .filter(|line| line.starts_with("scalegrease_run_total{"));
    assert_eq!(runs.count(), 3, "{text}");
}
