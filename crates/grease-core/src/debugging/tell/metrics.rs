//! What a monitoring agent is told: counters of this user's runs on this host, as Prometheus reads them.
//!
//! The text exposition format, version 0.0.4, in a file `scalegrease_UID.prom` that node-exporter's
//! textfile collector reads. <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{EndEvent, ExecuteEvent, ResultWord, StartEvent};

/// Most jobs that are told of; those that were seen least lately are forgotten.
const JOBS_MAX: usize = 2000;

/// Most runs that are remembered as running: more than a host can have.
const LIVE_MAX: usize = 20_000;

/// Upper bounds of the duration's buckets, seconds.
const BUCKETS: [u32; 9] = [1, 5, 15, 60, 300, 900, 3600, 10_800, 43_200];

/// What is counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    jobs: BTreeMap<String, Job>,
    /// The runs that have begun and not ended, and whether the job of each was started.
    live: BTreeMap<String, bool>,
    /// Runs that were not let in, by reason.
    refused: BTreeMap<String, u64>,
    fetches: u64,
    fetch_ms: u64,
    log_bytes: u64,
    /// What could not be told to somebody.
    pub(super) given_up: u64,
}

/// What is counted for one job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Job {
    /// Runs by result and trigger.
    runs: BTreeMap<String, BTreeMap<String, u64>>,
    start: f64,
    success: Option<f64>,
    exit: Option<i32>,
    duration_ms: Option<u64>,
    /// Runs by bucket of their duration, the longest in the last.
    buckets: [u64; BUCKETS.len() + 1],
    total_ms: u64,
}

/// What is told of a job's last run.
struct Gauge {
    name: &'static str,
    help: &'static str,
    value: fn(&Job) -> Option<f64>,
}

const GAUGES: [Gauge; 4] = [
    Gauge {
        name: "job_last_start_timestamp_seconds",
        help: "When a run of the job last began.",
        value: |job| Some(job.start),
    },
    Gauge {
        name: "job_last_success_timestamp_seconds",
        help: "When a run of the job last succeeded.",
        value: |job| job.success,
    },
    Gauge {
        name: "job_last_exit_code",
        help: "What the job's last run exited with; 128 and the signal that ended it.",
        value: |job| job.exit.map(f64::from),
    },
    Gauge {
        name: "job_duration_seconds",
        help: "How long the job's last run took.",
        value: |job| job.duration_ms.map(thousandth),
    },
];

/// What is known of the shipper.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// Bytes that are not on the share yet.
    pub backlog_bytes: u64,
    /// How long it has been waiting for the share, seconds.
    pub stuck_seconds: u64,
}

impl Metrics {
    /// Counts a start.
    pub fn started(&mut self, event: &StartEvent) {
        if self.live.len() >= LIVE_MAX {
            self.live.pop_first(); // The oldest: ids sort by time.
        }
        self.live.insert(event.run.clone(), false);
        let start = seconds(&event.time);
        let job = self.job(&event.job);
        job.start = job.start.max(start);
    }

    /// Counts the start of a job.
    pub fn executing(&mut self, event: &ExecuteEvent) {
        self.live.insert(event.run.clone(), true);
        if event.fetched.is_some() {
            self.fetches += 1;
            self.fetch_ms += event.fetch_ms;
        }
    }

    /// Counts an end.
    pub fn ended(&mut self, event: &EndEvent) {
        self.live.remove(&event.run);
        self.log_bytes += event.log_bytes.unwrap_or(0);
        if event.result == ResultWord::Skip
            && let Some(error) = event.error
        {
            *self.refused.entry(word(&error)).or_default() += 1;
        }
        let trigger = event.facts.as_ref().map_or("", |facts| &facts.trigger);
        let trigger = if trigger.is_empty() {
            "unknown"
        } else {
            trigger
        };
        let job = self.job(&event.job);
        let of_result = job.runs.entry(word(&event.result)).or_default();
        *of_result.entry(trigger.to_owned()).or_default() += 1;
        if let Some(usage) = event.usage {
            let limit = |bound: &u32| usage.duration_ms <= u64::from(*bound) * 1000;
            let bucket = BUCKETS.iter().position(limit).unwrap_or(BUCKETS.len());
            job.buckets[bucket] += 1;
            job.total_ms += usage.duration_ms;
            job.duration_ms = Some(usage.duration_ms);
        }
        if event.exit.is_some() || event.signal.is_some() {
            job.exit = event.exit.or(event.signal.map(|signal| 128 + signal));
        }
        if event.result == ResultWord::Success {
            let end = seconds(&event.time);
            job.success = Some(job.success.map_or(end, |before| before.max(end)));
        }
    }

    /// Forgets runs that are gone without an end that was seen.
    pub fn keep_live(&mut self, lives: impl Fn(&str) -> bool) {
        self.live.retain(|run, _| lives(run));
    }

    fn job(&mut self, name: &str) -> &mut Job {
        if self.jobs.len() >= JOBS_MAX && !self.jobs.contains_key(name) {
            let start = |job: &Job| job.start;
            let oldest = self
                .jobs
                .iter()
                .min_by(|(_, one), (_, other)| start(one).total_cmp(&start(other)));
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.jobs.remove(&oldest);
            }
        }
        self.jobs.entry(name.to_owned()).or_default()
    }

    /// The file's text.
    pub fn text(&self, user: &str, status: Status) -> String {
        let mut text = String::new();
        self.of_jobs(&mut text, user);
        self.of_host(&mut text, user, status);
        text
    }

    fn of_jobs(&self, text: &mut String, user: &str) {
        head(
            text,
            "run_total",
            "counter",
            "Runs that ended, by result and trigger.",
        );
        for (name, job) in &self.jobs {
            for (result, triggers) in &job.runs {
                for (trigger, count) in triggers {
                    let labels = [
                        ("job", &**name),
                        ("user", user),
                        ("result", result),
                        ("trigger", trigger),
                    ];
                    sample(text, "run_total", &labels, count);
                }
            }
        }
        head(
            text,
            "run_duration_seconds",
            "histogram",
            "How long the runs of a job took.",
        );
        for (name, job) in &self.jobs {
            let labels = [("job", &**name), ("user", user)];
            let mut below = 0;
            let bounds = BUCKETS.iter().map(ToString::to_string);
            for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(job.buckets) {
                below += count;
                let labels = [labels[0], labels[1], ("le", &bound)];
                sample(text, "run_duration_seconds_bucket", &labels, below);
            }
            sample(
                text,
                "run_duration_seconds_sum",
                &labels,
                thousandth(job.total_ms),
            );
            sample(text, "run_duration_seconds_count", &labels, below);
        }
        for Gauge { name, help, value } in GAUGES {
            head(text, name, "gauge", help);
            for (job, found) in &self.jobs {
                if let Some(value) = value(found) {
                    sample(text, name, &[("job", job), ("user", user)], value);
                }
            }
        }
    }

    fn of_host(&self, text: &mut String, user: &str, status: Status) {
        let labels = [("user", user)];
        let mut one = |name: &str, kind: &str, help: &str, value: u64| {
            head(text, name, kind, help);
            sample(text, name, &labels, value);
        };
        let running = self.live.values().filter(|executes| **executes).count();
        let waiting = self.live.len() - running;
        let help = "Runs that have begun and whose job was not started yet.";
        one("running", "gauge", "Jobs that run.", running as u64);
        one("waiting", "gauge", help, waiting as u64);
        let help = "Bytes of logs written.";
        one("log_bytes_total", "counter", help, self.log_bytes);
        let help = "Bytes of logs that are not on the share yet.";
        one("ship_backlog_bytes", "gauge", help, status.backlog_bytes);
        let help = "How long the share has not answered.";
        one("ship_stuck_seconds", "gauge", help, status.stuck_seconds);
        let help = "Pings and messages that could not be delivered.";
        one("tell_given_up_total", "counter", help, self.given_up);
        let help = "Runs that were not let in, or had nothing to do, by reason.";
        head(text, "guard_refused_total", "counter", help);
        for (rule, count) in &self.refused {
            let labels = [("user", user), ("rule", rule)];
            sample(text, "guard_refused_total", &labels, count);
        }
        let help = "How long it took to bring artifacts.";
        head(text, "artifact_fetch_seconds", "summary", help);
        let sum = thousandth(self.fetch_ms);
        sample(text, "artifact_fetch_seconds_sum", &labels, sum);
        sample(text, "artifact_fetch_seconds_count", &labels, self.fetches);
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    writeln!(
        text,
        "# HELP scalegrease_{name} {help}\n# TYPE scalegrease_{name} {kind}"
    )
    .expect("in memory");
}

fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    writeln!(text, "scalegrease_{name}{{{}}} {value}", labels.join(",")).expect("in memory");
}

/// A label's value: a backslash, a quote and a line feed are escaped.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// The word that a record has for it.
fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    let word = word.and_then(|word| word.as_str().map(str::to_owned));
    word.unwrap_or_else(|| "unknown".to_owned())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "so large a number is read by nobody to the last digit"
)]
fn thousandth(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// Seconds since 1970; 0 for what is no time.
fn seconds(time: &str) -> f64 {
    let time = time.parse::<Timestamp>();
    time.map_or(0.0, |time| time.as_duration().as_secs_f64())
}

/// Replaces the file in the agent's directory. Whoever reads it finds a whole one.
///
/// Others may be able to write to that directory, so nothing that is there is written into.
pub fn write(directory: &Path, uid: u32, text: &str) -> io::Result<()> {
    let path = directory.join(format!("scalegrease_{uid}.prom"));
    let temporary = directory.join(format!(".scalegrease_{uid}.tmp"));
    let written = (|| {
        if fs_err::symlink_metadata(&temporary).is_ok() {
            fs_err::remove_file(&temporary)?; // Of a process that was killed.
        }
        let mut file = fs_err::File::create_new(&temporary)?;
        file.write_all(text.as_bytes())?;
        let for_everybody = std::fs::Permissions::from_mode(0o644);
        file.set_permissions(for_everybody)?;
        fs_err::rename(&temporary, &path)
    })();
    if written.is_err() {
        fs_err::remove_file(&temporary).ok(); // The error that counts is the one returned.
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn start(run: &str, job: &str) -> StartEvent {
        serde_json::from_value(
            json!({"v": 1, "event": "start", "run": run, "job": job, "user": "etl",
            "host": "h", "boot": "b", "time": "2026-11-24T10:00:00.500000Z", "trigger": "scheduled",
            "runner": "shell", "args": [], "pid": 1}),
        )
        .unwrap()
    }

    fn end(run: &str, job: &str, more: &serde_json::Value) -> EndEvent {
        let mut event = json!({"v": 1, "event": "end", "run": run, "job": job,
            "time": "2026-11-24T10:00:02.000000Z", "result": "success", "leftovers": 0, "user": "etl",
            "host": "h", "start": "2026-11-24T10:00:00.5Z", "trigger": "scheduled", "runner": "shell"});
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(event).unwrap()
    }

    fn value(text: &str, sample: &str) -> Option<String> {
        let found = text.lines().find_map(|line| line.strip_prefix(sample));
        found.map(|value| value.trim().to_owned())
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn runs_are_counted_by_what_became_of_them() {
        let mut metrics = Metrics::default();
        let usage = json!({"duration_ms": 6500, "cpu_ms": 1, "maxrss_kb": 1, "tree_rss_kb": 1, "out_bytes": 0, "err_bytes": 0});
        metrics.started(&start("1", "etl"));
        metrics.ended(&end(
            "1",
            "etl",
            &json!({"exit": 0, "usage": usage, "log_bytes": 100}),
        ));
        metrics.started(&start("2", "etl"));
        metrics.ended(&end(
            "2",
            "etl",
            &json!({"result": "failure", "error": "signal", "signal": 9, "usage": usage}),
        ));
        metrics.ended(&end(
            "3",
            "etl",
            &json!({"result": "skip", "error": "guard-load"}),
        ));
        metrics.started(&start("4", "etl"));
        let status = Status {
            backlog_bytes: 7,
            stuck_seconds: 3,
        };
        let text = metrics.text("etl", status);
        for (sample, expected) in [
            (
                r#"scalegrease_run_total{job="etl",user="etl",result="success",trigger="scheduled"}"#,
                "1",
            ),
            (
                r#"scalegrease_run_total{job="etl",user="etl",result="failure",trigger="scheduled"}"#,
                "1",
            ),
            (
                r#"scalegrease_run_duration_seconds_bucket{job="etl",user="etl",le="5"}"#,
                "0",
            ),
            (
                r#"scalegrease_run_duration_seconds_bucket{job="etl",user="etl",le="15"}"#,
                "2",
            ),
            (
                r#"scalegrease_run_duration_seconds_bucket{job="etl",user="etl",le="+Inf"}"#,
                "2",
            ),
            (
                r#"scalegrease_run_duration_seconds_sum{job="etl",user="etl"}"#,
                "13",
            ),
            (
                r#"scalegrease_job_last_exit_code{job="etl",user="etl"}"#,
                "137",
            ),
            (
                r#"scalegrease_job_last_success_timestamp_seconds{job="etl",user="etl"}"#,
                "1795514402",
            ),
            (
                r#"scalegrease_guard_refused_total{user="etl",rule="guard-load"}"#,
                "1",
            ),
            (r#"scalegrease_waiting{user="etl"}"#, "1"),
            (r#"scalegrease_running{user="etl"}"#, "0"),
            (r#"scalegrease_log_bytes_total{user="etl"}"#, "100"),
            (r#"scalegrease_ship_stuck_seconds{user="etl"}"#, "3"),
        ] {
            assert_eq!(
                value(&text, sample).as_deref(),
                Some(expected),
                "{sample}\n{text}"
            );
        }
    }

    #[test]
    fn a_name_cannot_forge_a_sample() {
        let mut metrics = Metrics::default();
        metrics.started(&start("1", "a\"} 1\nforged{x=\"\\"));
        let text = metrics.text("etl", Status::default());
        assert!(
            !text.lines().any(|line| line.starts_with("forged")),
            "{text}"
        );
        assert!(text.contains(r#"job="a\"} 1\nforged{x=\"\\""#), "{text}");
    }

    #[test]
    fn what_is_kept_has_limits() {
        let mut metrics = Metrics::default();
        for number in 0..JOBS_MAX + 10 {
            metrics.started(&start(&format!("{number:06}"), &format!("job-{number}")));
        }
        assert_eq!(metrics.jobs.len(), JOBS_MAX);
        let json = serde_json::to_string(&metrics).unwrap();
        assert_eq!(serde_json::from_str::<Metrics>(&json).unwrap(), metrics);
    }

    #[test]
    fn the_file_is_for_everybody_and_a_link_in_its_way_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let other = place.path().join("other");
        fs_err::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, place.path().join(".scalegrease_7.tmp")).unwrap();
        std::os::unix::fs::symlink(&other, place.path().join("scalegrease_7.prom")).unwrap();
        write(place.path(), 7, "x 1\n").unwrap();
        let path = place.path().join("scalegrease_7.prom");
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "x 1\n");
        assert_eq!(
            fs_err::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o644
        );
        assert_eq!(fs_err::read_to_string(&other).unwrap(), "mine");
        assert_eq!(fs_err::read_dir(place.path()).unwrap().count(), 2);
    }
}
