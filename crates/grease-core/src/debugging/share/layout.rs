//! Names in the tree on shared storage: one directory for each user, in it one for each day.
//!
//! All paths here are relative to the directory of the user, `ROOT/USER`. Described in
//! `docs/formats.md`.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::{RunId, short_hash};

/// The file in the root by which a share is known.
pub const MARKER: &str = "grease-share.json";

/// Directory of a day's index files.
pub const INDEX: &str = "index";

/// Directory of a day's failure digests.
pub const FAILED: &str = "failed";

/// Directory of a day's logs.
pub const LOGS: &str = "logs";

/// Directory of the links to the last logs.
pub const LATEST: &str = "latest";

/// Directory of the heartbeats.
pub const HOSTS: &str = "hosts";

/// What the names of files begin with that are kept beside those that were written anew.
const KEPT: &str = "kept-";

/// Longest name that a text is made into; some file systems allow no more than 143 bytes.
const NAME_BYTES_MAX: usize = 100;

/// The UTC day of a time, which is also the name of its directory: `2026-11-24`.
pub fn day(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::UTC)
        .strftime("%Y-%m-%d")
        .to_string()
}

/// Where the log of a run is.
pub fn log(start: Timestamp, job: &str, host: &str, run: RunId) -> PathBuf {
    let name = format!("{}-{}-{run}.log", clock(start), file_name(host));
    Path::new(&day(start))
        .join(LOGS)
        .join(file_name(job))
        .join(name)
}

/// Where the digest of a failed run is.
pub fn digest(start: Timestamp, job: &str, host: &str, run: RunId) -> PathBuf {
    let (job, host) = (file_name(job), file_name(host));
    let name = format!("{}-{job}-{host}-{run}.txt", clock(start));
    Path::new(&day(start)).join(FAILED).join(name)
}

/// Where the events of a day on a host are; `host` is the name that the host has on the share.
pub fn index(day: &str, host: &str) -> PathBuf {
    Path::new(day)
        .join(INDEX)
        .join(format!("{}.jsonl", file_name(host)))
}

/// The name, in the same directory, under which a file of the share is kept that has what its host has
/// lost; `id` tells it from others.
pub fn kept(path: &Path, id: RunId) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{KEPT}{id}.{name}"))
}

/// The host whose index has this name, without its extension.
pub fn host_of_index(stem: &str) -> &str {
    let kept = stem.strip_prefix(KEPT);
    match kept.and_then(|rest| rest.split_once('.')) {
        Some((id, host)) if id.parse::<RunId>().is_ok() => host,
        _ => stem,
    }
}

/// The link to the last log of a job.
pub fn latest(job: &str) -> PathBuf {
    Path::new(LATEST).join(format!("{}.log", file_name(job)))
}

/// The heartbeat of a host; `host` is the name that it has on the share.
pub fn heartbeat(host: &str) -> PathBuf {
    Path::new(HOSTS).join(format!("{}.json", file_name(host)))
}

/// A text as the name of a file: letters, digits, `.`, `_` and `-` as they are, all else `_`.
///
/// What was changed or cut ends in six digits of the text's hash, so that two texts stay two files.
pub fn file_name(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain: String = text
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    let is_safe =
        !plain.is_empty() && !plain.starts_with(['.', '-']) && plain.len() <= NAME_BYTES_MAX;
    if is_safe && plain == text {
        return plain;
    }
    let hash = short_hash(text);
    let stem: String = plain
        .trim_start_matches(['.', '-'])
        .chars()
        .take(NAME_BYTES_MAX - 7)
        .collect();
    format!(
        "{}-{}",
        if stem.is_empty() { "_" } else { &stem },
        hash.split_at(6).0
    )
}

fn clock(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::UTC)
        .strftime("%H%M%SZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_kept_beside_an_index_is_of_the_same_host() {
        let path = kept(&index("2026-11-24", "dp-007.x"), RunId::new());
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(host_of_index(stem), "dp-007.x");
        for name in ["dp-007", "kept-it.x", "kept-"] {
            assert_eq!(host_of_index(name), name);
        }
    }

    #[test]
    fn names_tell_when_what_and_where() {
        let start: Timestamp = "2026-11-24T13:05:02.5Z".parse().unwrap();
        let run: RunId = "01KB00000000000000000000AB".parse().unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        assert_eq!(
            text(log(start, "daily", "dp-007", run)),
            "2026-11-24/logs/daily/130502Z-dp-007-01KB00000000000000000000AB.log"
        );
        assert_eq!(
            text(digest(start, "daily", "dp-007", run)),
            "2026-11-24/failed/130502Z-daily-dp-007-01KB00000000000000000000AB.txt"
        );
        assert_eq!(text(index("2026-11-24", "h")), "2026-11-24/index/h.jsonl");
        assert_eq!(text(latest("daily")), "latest/daily.log");
    }

    #[test]
    fn a_job_that_is_no_file_name_becomes_one_that_is_its_own() {
        let name = file_name("com.acme:etl#load.sh");
        assert!(name.starts_with("com.acme_etl_load.sh-"), "{name}");
        assert_ne!(name, file_name("com.acme:etl_load.sh"));
        assert!(!file_name("../../etc").starts_with('.'));
        assert!(!file_name("").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_safe_component(text: String) {
            let name = file_name(&text);
            prop_assert!(name.len() <= NAME_BYTES_MAX && !name.starts_with(['.', '-']));
            prop_assert_eq!(Path::new(&name).components().count(), 1);
        }
    }
}
