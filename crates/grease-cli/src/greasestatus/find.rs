//! One run by its name, for what goes on with it outside of the child.

use grease_core::debugging::read::{Found, Run, Sources, Wanted, find as look};
use grease_core::model::{Glob, RunId};
use serde_json::Value;

use super::answer::{Reply, missing};
use super::arguments::Find;
use super::context::Context;
use super::named;
use crate::failure::Failure;

/// A run, as the child tells it.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) id: RunId,
    pub(super) job: String,
    pub(super) user: String,
    pub(super) host: String,
    /// Below the directory of the user.
    pub(super) log: Option<String>,
    pub(super) state: String,
    pub(super) start: Option<jiff::Timestamp>,
    /// How it ended, in a few words.
    pub(super) outcome: String,
    pub(super) log_bytes: Option<u64>,
}

/// Answers with one run.
pub(super) fn find(
    context: &Context,
    asked: &Find,
    sources: &Sources<'_>,
) -> Result<Reply, Failure> {
    let user = asked.user.as_ref().map(Glob::new);
    let run = if let Some(moment) = named::parted(context, &asked.name) {
        let has_log = |run: &Run| run.end.as_ref().is_none_or(|end| &*end.result != "skip");
        named::at(context, sources, moment, user.as_ref(), has_log)?
    } else {
        let wanted = Wanted::parse(&asked.name);
        let wanted = if asked.ran { wanted.that_ran() } else { wanted };
        match look(sources, &wanted, user.as_ref())? {
            Found::Run(run) => run,
            other => return Err(missing(sources, &asked.name, other)),
        }
    };
    Ok(Reply {
        out: format!("{}\n", object(&run, sources.now)),
        troubles: Vec::new(),
        code: 0,
    })
}

fn object(run: &Run, now: jiff::Timestamp) -> Value {
    let mut object = run.json();
    object["outcome"] = super::words::outcome(run, now).into();
    object
}

impl Resolved {
    /// Reads what [`find`] told.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let told: Value = serde_json::from_slice(bytes).ok()?;
        let text = |key: &str| told[key].as_str().map(ToOwned::to_owned);
        Some(Self {
            id: text("run")?.parse().ok()?,
            job: text("job")?,
            user: text("user")?,
            host: text("host")?,
            log: text("log"),
            state: text("state")?,
            start: text("start").and_then(|start| start.parse().ok()),
            outcome: text("outcome")?,
            log_bytes: told["log_bytes"].as_u64(),
        })
    }

    /// Whether it has ended.
    pub(super) fn is_done(&self) -> bool {
        self.state == "done"
    }

    /// The end of its id.
    pub(super) fn short(&self) -> String {
        let id = self.id.to_string();
        id.split_at(id.len() - 5).1.to_lowercase()
    }
}
