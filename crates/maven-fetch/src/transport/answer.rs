//! What the head of an answer means: a pure function of status, headers and what was asked.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    LAST_MODIFIED, LOCATION, RETRY_AFTER,
};

use super::{Content, Request, Validators};
use crate::checksum::Checksum;

/// What is to be done on an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Its body is what was asked for, or nothing has changed.
    Take(Head),
    /// The same is to be asked elsewhere.
    Redirect(String),
    /// The conditions of the request make no sense to the server: ask again without any.
    AskPlainly(&'static str),
    /// There is no such file.
    NotFound,
    /// We may not.
    Refused,
    /// It may work later, perhaps after so long.
    Later(Option<Duration>),
    /// It cannot be used.
    Useless(String),
}

/// What the head of a useful answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) content: Content,
    pub(super) length: Option<u64>,
    pub(super) validators: Validators,
    pub(super) checksums: Vec<Checksum>,
    pub(super) content_type: Option<String>,
    pub(super) compressed: bool,
}

/// Says what is to be done on an answer.
pub(super) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    request: &Request<'_>,
    now: SystemTime,
) -> Answer {
    match status.as_u16() {
        200 => whole(headers, request),
        203 => Answer::Useless("something in between changed it (status 203)".to_owned()),
        206 => part(headers, request),
        304 if request.validators.is_some() => Answer::Take(head(headers, Content::NotModified)),
        304 => Answer::AskPlainly("it has not changed, but nothing was compared (status 304)"),
        301 | 302 | 303 | 307 | 308 => match text(headers, &LOCATION) {
            Some(location) => Answer::Redirect(location),
            None => Answer::Useless(format!("a redirect to nowhere (status {status})")),
        },
        401 | 403 | 407 => Answer::Refused,
        404 | 409 | 410 => Answer::NotFound,
        416 => Answer::AskPlainly("the rest of it does not exist (status 416)"),
        408 | 429 | 500..=599 => Answer::Later(retry_after(headers, now)),
        _ => Answer::Useless(format!("status {status}")),
    }
}

/// A body with the whole file, unless it is a page for people.
fn whole(headers: &HeaderMap, request: &Request<'_>) -> Answer {
    let head = head(headers, Content::Whole);
    let page = head.content_type.as_deref().is_some_and(is_page);
    let wanted = [".html", ".htm", ".xhtml"]
        .iter()
        .any(|suffix| request.path.ends_with(suffix));
    if page && !wanted {
        return Answer::Useless("a web page, perhaps to log in".to_owned());
    }
    Answer::Take(head)
}

/// A body with the rest of the file: it must be the rest that was asked for.
fn part(headers: &HeaderMap, request: &Request<'_>) -> Answer {
    let first = text(headers, &CONTENT_RANGE).and_then(|range| first_byte(&range));
    match (request.resume, first) {
        (Some((offset, validators)), Some(first)) if first == offset => {
            let head = head(headers, Content::From(offset));
            let changed = match (&validators.etag, &head.validators.etag) {
                (Some(ours), Some(theirs)) => ours != theirs,
                _ => false,
            };
            if changed {
                return Answer::AskPlainly("the rest of another state of the file (status 206)");
            }
            Answer::Take(head)
        }
        _ => Answer::AskPlainly("a part that was not asked for (status 206)"),
    }
}

fn head(headers: &HeaderMap, content: Content) -> Head {
    let pairs = headers
        .iter()
        .filter_map(|(name, value)| value.to_str().ok().map(|value| (name.as_str(), value)));
    Head {
        content,
        length: text(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        validators: Validators {
            etag: text(headers, &ETAG),
            last_modified: text(headers, &LAST_MODIFIED),
        },
        checksums: Checksum::from_headers(pairs),
        content_type: text(headers, &CONTENT_TYPE),
        compressed: text(headers, &CONTENT_ENCODING).is_some_and(|coding| {
            matches!(coding.to_ascii_lowercase().as_str(), "gzip" | "x-gzip")
        }),
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .map(|value| value.trim().to_owned())
}

/// Tells whether a media type is a page for people.
fn is_page(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"]
        .iter()
        .any(|page| media_type.eq_ignore_ascii_case(page))
}

/// The first byte that `Content-Range` names: `bytes 7-9/10` (RFC 9110, 14.4).
fn first_byte(range: &str) -> Option<u64> {
    range
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .trim()
        .parse()
        .ok()
}

/// `Retry-After`: seconds or a date (RFC 9110, 10.2.3). A date gone by means at once.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(&value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::repository::{ChecksumPolicy, Policy, Repository, UpdatePolicy};
    use crate::transport::Expect;

    fn repository() -> Repository {
        let policy = Policy {
            enabled: true,
            update: UpdatePolicy::Daily,
            checksum: ChecksumPolicy::Warn,
        };
        Repository {
            id: "corp".to_owned(),
            url: Url::parse("https://repo.example/").unwrap(),
            releases: policy,
            snapshots: policy,
            groups: Vec::new(),
            credentials: None,
            headers: Vec::new(),
            proxy: None,
            connect_timeout: None,
            request_timeout: None,
            blocked_by: None,
        }
    }

    fn judged(
        status: u16,
        pairs: &[(&'static str, &str)],
        validators: Option<&Validators>,
        resume: Option<(u64, &Validators)>,
    ) -> Answer {
        let repository = repository();
        let request = Request {
            repository: &repository,
            path: "a/b.jar",
            expect: Expect::Artifact,
            validators,
            resume,
            no_cache: false,
            timeout: Duration::from_secs(1),
            within: Duration::from_secs(1),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        judge(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            &request,
            now,
        )
    }

    #[test]
    fn each_status_means_one_thing() {
        for (status, expected) in [
            (401, Answer::Refused),
            (403, Answer::Refused),
            (407, Answer::Refused),
            (404, Answer::NotFound),
            (409, Answer::NotFound),
            (410, Answer::NotFound),
            (408, Answer::Later(None)),
            (429, Answer::Later(None)),
            (500, Answer::Later(None)),
            (503, Answer::Later(None)),
            (599, Answer::Later(None)),
        ] {
            assert_eq!(judged(status, &[], None, None), expected, "{status}");
        }
        for status in [201, 203, 204, 300, 302, 305, 400, 405, 451] {
            assert!(
                matches!(judged(status, &[], None, None), Answer::Useless(_)),
                "{status}"
            );
        }
    }

    #[test]
    fn a_web_page_is_no_artifact() {
        for page in [
            "text/html",
            "Text/HTML; charset=utf-8",
            "application/xhtml+xml",
        ] {
            let answer = judged(200, &[("content-type", page)], None, None);
            assert!(matches!(answer, Answer::Useless(_)), "{page}");
        }
        for other in ["application/java-archive", "text/plain", "text/xml"] {
            let answer = judged(200, &[("content-type", other)], None, None);
            assert!(matches!(answer, Answer::Take(_)), "{other}");
        }
    }

    #[test]
    fn not_modified_is_believed_only_when_something_was_compared() {
        let validators = Validators {
            etag: Some("\"x\"".to_owned()),
            last_modified: None,
        };
        assert!(matches!(
            judged(304, &[], Some(&validators), None),
            Answer::Take(Head {
                content: Content::NotModified,
                ..
            })
        ));
        assert!(matches!(
            judged(304, &[], None, None),
            Answer::AskPlainly(_)
        ));
        assert!(matches!(
            judged(304, &[], None, Some((7, &validators))),
            Answer::AskPlainly(_)
        ));
    }

    #[test]
    fn a_part_is_taken_only_if_it_continues_what_is_here() {
        let validators = Validators {
            etag: Some("\"x\"".to_owned()),
            last_modified: None,
        };
        let resume = Some((7, &validators));
        let from_7 = |pairs: &[(&'static str, &str)]| {
            matches!(
                judged(206, pairs, None, resume),
                Answer::Take(Head {
                    content: Content::From(7),
                    ..
                })
            )
        };
        assert!(from_7(&[("content-range", "bytes 7-9/10")]));
        assert!(from_7(&[
            ("content-range", "bytes 7-9/*"),
            ("etag", "\"x\"")
        ]));
        for pairs in [
            &[][..],
            &[("content-range", "bytes 6-9/10")],
            &[("content-range", "bytes */10")],
            &[("content-range", "bytes 7-9/10"), ("etag", "\"y\"")],
        ] {
            assert!(
                matches!(judged(206, pairs, None, resume), Answer::AskPlainly(_)),
                "{pairs:?}"
            );
        }
        let unasked = judged(206, &[("content-range", "bytes 0-9/10")], None, None);
        assert!(matches!(unasked, Answer::AskPlainly(_)));
        assert!(matches!(
            judged(416, &[], None, resume),
            Answer::AskPlainly(_)
        ));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (value, seconds) in [
            ("0", Some(0)),
            ("3600", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some(20)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let expected = Answer::Later(seconds.map(Duration::from_secs));
            assert_eq!(
                judged(503, &[("retry-after", value)], None, None),
                expected,
                "{value}"
            );
        }
    }
}
