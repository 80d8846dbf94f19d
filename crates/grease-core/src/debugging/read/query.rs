//! Which runs are wanted, told of a run, of a line, and of a line's bytes.

use jiff::Timestamp;

use super::event::Line;
use super::find::Wanted;
use super::run::Run;
use super::scan::Sieve;
use crate::model::Glob;

/// Which runs are wanted.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only what has not ended before.
    pub since: Option<Timestamp>,
    /// Only what had begun by then.
    pub until: Option<Timestamp>,
    /// Only these jobs.
    pub job: Option<Glob>,
    /// Only these hosts.
    pub host: Option<Glob>,
    /// Only of these users.
    pub user: Option<Glob>,
    /// Only what failed.
    pub failed: bool,
    /// Only with this result.
    pub result: Option<String>,
    /// Only so many of the newest.
    pub limit: Option<usize>,
    /// Only what a person may mean by a word.
    pub wanted: Option<Wanted>,
}

/// Since and until as text.
#[derive(Debug)]
pub(super) struct Window {
    since: Option<String>,
    until: Option<String>,
}

impl Query {
    /// Whether a run is wanted.
    pub(super) fn admits(&self, run: &Run) -> bool {
        let end = run.end.as_ref();
        let ended = end.and_then(|end| end.time);
        self.since
            .is_none_or(|since| ended.is_none_or(|ended| ended >= since))
            && self
                .until
                .is_none_or(|until| run.start.is_none_or(|start| start <= until))
            && self.admits_names(&run.job, &run.user, &run.host)
            && self.admits_result(end.map(|end| &*end.result))
            && self
                .wanted
                .as_ref()
                .is_none_or(|wanted| wanted.fits(&run.job, &run.id.to_string()))
    }

    /// Since and until, as they stand in lines. Times have one form, and sort as text.
    pub(super) fn window(&self) -> Window {
        let text = |time: Timestamp| format!("{time:.6}");
        Window {
            since: self.since.map(text),
            until: self.until.map(text),
        }
    }

    /// The same of a line of a user's that tells all of its run, with the query's [`Query::window`].
    pub(super) fn admits_line(&self, line: &Line<'_>, user: &str, window: &Window) -> bool {
        let start = line.start.as_deref().unwrap_or_default();
        let host = line.host.as_deref().unwrap_or_default();
        self.admits_result(line.result.as_deref())
            && window
                .since
                .as_ref()
                .is_none_or(|since| *line.time >= **since)
            && window.until.as_ref().is_none_or(|until| *start <= **until)
            && self.admits_names(&line.job, user, host)
            && self
                .wanted
                .as_ref()
                .is_none_or(|wanted| wanted.fits(&line.job, &line.run))
    }

    fn admits_names(&self, job: &str, user: &str, host: &str) -> bool {
        let fits = |glob: &Option<Glob>, name| glob.as_ref().is_none_or(|glob| covers(glob, name));
        fits(&self.job, job) && fits(&self.user, user) && fits(&self.host, host)
    }

    fn admits_result(&self, result: Option<&str>) -> bool {
        let is_failure = !matches!(result, None | Some("success" | "skip" | "cancellation"));
        (!self.failed || is_failure)
            && self
                .result
                .as_deref()
                .is_none_or(|wanted| result == Some(wanted))
    }

    /// What can be told from the bytes of a line.
    pub(super) fn sieve(&self) -> Sieve {
        let mut sieve = Sieve::default();
        if self.failed {
            sieve.without(r#""result":"success""#);
            sieve.without(r#""result":"skip""#);
        }
        if self.failed || self.result.is_some() {
            sieve.only_ends();
        }
        if let Some(job) = self.job.as_ref().filter(|job| job.is_literal()) {
            sieve.or_with(&format!(r#""job":{}"#, quoted(job.as_str())));
        } else if let Some(wanted) = &self.wanted {
            wanted.sieve(&mut sieve);
        }
        sieve
    }
}

/// Whether a pattern covers a name.
pub(super) fn covers(glob: &Glob, name: &str) -> bool {
    if glob.is_literal() {
        glob.as_str() == name
    } else {
        glob.matches(name)
    }
}

/// A text as it stands in an index line.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
