//! What is said: pings as healthchecks.io defines them, and the JSON that commands and addresses get.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde_json::{Value, json};

use super::rules::When;
use crate::model::{EndEvent, ErrorWord, ResultWord, RunId, harmless};

/// Longest reason that is put into a text of one line, in characters.
const REASON_CHARS_MAX: usize = 300;

/// Exit code that stands for a timeout.
const TIMED_OUT: i32 = 124;

/// The name by which a job's check is known: what healthchecks.io allows in a slug.
pub(super) fn slug(job: &str) -> String {
    let of = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || c == '_' => c,
        _ => '-',
    };
    let mut slug: String = job.chars().map(of).collect();
    while slug.contains("--") {
        slug = slug.replace("--", "-");
    }
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "job" } else { slug }.to_owned()
}

/// The last part of a ping's address at the end of a run.
pub(super) fn action(end: &EndEvent) -> String {
    match end.result {
        ResultWord::Success => "0".to_owned(),
        ResultWord::Skip => "log".to_owned(),
        ResultWord::Timeout => TIMED_OUT.to_string(),
        ResultWord::Failure => {
            let code = end.exit.or(end.signal.map(|signal| 128 + signal));
            let code = code.filter(|code| (1..=255).contains(code));
            code.map_or_else(|| "fail".to_owned(), |code| code.to_string())
        }
        ResultWord::Error | ResultWord::Cancellation => "fail".to_owned(),
    }
}

/// The address of a ping: `BASE/SLUG/ACTION?rid=UUID`; what `BASE` has behind a `?` stays.
pub(super) fn ping_address(base: &str, slug: &str, action: &str, run: &str) -> Option<Url> {
    let mut url = Url::parse(base).ok()?;
    url.path_segments_mut()
        .ok()?
        .pop_if_empty()
        .extend([slug, action]);
    if let Ok(run) = run.parse::<RunId>() {
        let rid = run.as_uuid().to_string();
        url.query_pairs_mut().append_pair("rid", &rid);
    }
    Some(url)
}

/// The last bytes of a text, from the beginning of a character on.
pub(super) fn last_bytes(text: &str, bytes_max: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.split_at(from).1
}

/// How a run ended, in one line.
pub(super) fn in_one_line(end: &EndEvent) -> String {
    let word = |error: ErrorWord| serde_json::to_value(error).ok();
    let error = end.error.and_then(word);
    let error = error.as_ref().and_then(Value::as_str).unwrap_or_default();
    let how = match (end.result, end.exit, end.signal) {
        (ResultWord::Success, ..) => "succeeded".to_owned(),
        (ResultWord::Failure, Some(code), _) => format!("failed with exit code {code}"),
        (ResultWord::Failure, None, Some(signal)) => format!("was ended by signal {signal}"),
        (ResultWord::Failure, None, None) => "failed".to_owned(),
        (ResultWord::Timeout, ..) => "took too long and was ended".to_owned(),
        (ResultWord::Skip, ..) => format!("was not run ({error})"),
        (ResultWord::Cancellation, ..) => "was stopped".to_owned(),
        (ResultWord::Error, ..) => format!("could not be run ({error})"),
    };
    // The reason of a record says how it ended, too.
    let how = match &end.msg {
        Some(reason) if end.result != ResultWord::Success => format!(": {reason}"),
        _ => format!(" {how}"),
    };
    let mut text = harmless(&format!("{}{how}", end.job), &[], REASON_CHARS_MAX);
    if let Some(usage) = end.usage {
        let took = i64::try_from(usage.duration_ms).unwrap_or(i64::MAX);
        let took = SignedDuration::from_millis(took);
        write!(text, ", after {took:#}").expect("in memory");
    }
    if let Some(facts) = &end.facts {
        let place = format!(", on {} as {}", facts.host, facts.user);
        text.push_str(&harmless(&place, &[], REASON_CHARS_MAX));
    }
    text
}

/// What a command or an address gets, without the digest; `failures` counts those in a row, this one
/// included, and for `recovered` those that are over.
pub(super) fn payload(when: When, end: &EndEvent, failures: u32, alone: bool) -> Value {
    let mut text = in_one_line(end);
    let more = match when {
        When::Recovered => format!(", after {failures} failures in a row"),
        _ if failures > 1 => format!(" ({failures} failures in a row)"),
        _ => String::new(),
    };
    write!(text, "{more}\ngreasestatus why {}", end.run).expect("in memory");
    if alone {
        text.push_str("\nThe share could not be asked: other hosts may tell of this job too.");
    }
    json!({
        "v": 1,
        "text": text,
        "when": when,
        "job": end.job,
        "run": end.run,
        "user": end.facts.as_ref().map(|facts| &facts.user),
        "host": end.facts.as_ref().map(|facts| &facts.host),
        "failures": failures,
        "end": end,
    })
}

/// Whether an event is too old to be told as news.
pub(super) fn is_old(time: &str, now: Timestamp, age_max: SignedDuration) -> bool {
    let time = time.parse::<Timestamp>();
    time.is_ok_and(|time| now.duration_since(time) > age_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(more: &Value) -> EndEvent {
        let mut event = json!({"v": 1, "event": "end", "run": "01KB00000000000000000000AB", "job": "com.acme:etl",
            "time": "2026-11-24T10:00:02Z", "leftovers": 0});
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn a_check_is_known_by_what_a_slug_allows() {
        for (job, expected) in [
            ("daily-tracks", "daily-tracks"),
            ("com.acme:etl#Load_All.sh", "com-acme-etl-load_all-sh"),
            ("--ö--", "job"),
        ] {
            assert_eq!(slug(job), expected);
        }
    }

    #[test]
    fn a_ping_says_how_it_went_and_of_which_run() {
        for (event, expected) in [
            (json!({"result": "success", "exit": 0}), "0"),
            (json!({"result": "success", "exit": 10}), "0"),
            (
                json!({"result": "failure", "error": "exit", "exit": 3}),
                "3",
            ),
            (
                json!({"result": "failure", "error": "signal", "signal": 9}),
                "137",
            ),
            (
                json!({"result": "failure", "error": "exit", "exit": 0}),
                "fail",
            ),
            (
                json!({"result": "timeout", "error": "timeout", "exit": 0}),
                "124",
            ),
            (
                json!({"result": "error", "error": "artifact-not-found"}),
                "fail",
            ),
            (json!({"result": "skip", "error": "guard-load"}), "log"),
            (
                json!({"result": "cancellation", "error": "signal", "exit": 0}),
                "fail",
            ),
        ] {
            assert_eq!(action(&end(&event)), expected, "{event}");
        }
        let run = "01KB00000000000000000000AB";
        let rid = run.parse::<RunId>().unwrap().as_uuid();
        for (base, expected) in [
            (
                "https://hc-ping.com/KEY",
                format!("https://hc-ping.com/KEY/etl/start?rid={rid}"),
            ),
            (
                "http://h:8000/ping/KEY/?create=1",
                format!("http://h:8000/ping/KEY/etl/start?create=1&rid={rid}"),
            ),
        ] {
            assert_eq!(
                ping_address(base, "etl", "start", run).unwrap().as_str(),
                expected
            );
        }
        assert_eq!(ping_address("mailto:x", "etl", "start", run), None);
    }

    #[test]
    fn a_long_body_keeps_its_end_and_whole_characters() {
        assert_eq!(last_bytes("abcdef", 3), "def");
        assert_eq!(last_bytes("abc", 3), "abc");
        assert_eq!(last_bytes("aöb", 2), "b");
        assert_eq!(last_bytes("aöb", 0), "");
    }

    #[test]
    fn a_text_says_what_where_and_why_and_steers_nothing() {
        let failed = end(
            &json!({"result": "failure", "error": "exit", "exit": 1, "msg": "failed with exit code 1: no input\u{1b}[2J",
            "usage": {"duration_ms": 248_000, "cpu_ms": 1, "maxrss_kb": 1, "tree_rss_kb": 1, "out_bytes": 0, "err_bytes": 0},
            "user": "etl", "host": "dp-007", "start": "2026-11-24T10:00:00Z", "trigger": "scheduled", "runner": "shell"}),
        );
        let payload = payload(When::After(3), &failed, 3, false);
        assert_eq!(
            payload["text"],
            "com.acme:etl: failed with exit code 1: no input\\u{1b}[2J, after 4m 8s, on dp-007 as etl (3 failures in a row)\n\
             greasestatus why 01KB00000000000000000000AB"
        );
        assert_eq!(payload["when"], "after:3");
        assert_eq!(payload["end"]["exit"], 1);
    }
}
