//! `greasestatus stop`: ends a run on its host; elsewhere it says where that is done.

use grease_core::model::ErrorKind;
use grease_core::registry::{Ask, Meta, Registry};
use grease_core::sys::fs::read_bounded;

use super::arguments::Stop;
use super::context::Context;
use super::find::Resolved;
use crate::failure::Failure;
use crate::terminal;

/// Longest `meta.json` that is read.
const META_BYTES_MAX: u64 = 1 << 20;

/// Ends the run; returns the exit code.
pub(super) fn stop(context: &Context, asked: &Stop, run: &Resolved) -> Result<u8, Failure> {
    let id = run.id;
    for spool in &context.spools {
        let Some(dir) = spool.run_dir(id) else {
            continue;
        };
        let read = read_bounded(&dir.join("meta.json"), META_BYTES_MAX);
        let meta: Option<Meta> = read.ok().and_then(|text| serde_json::from_str(&text).ok());
        let ask = if asked.kill { Ask::Kill } else { Ask::Term };
        let registry = Registry::new(spool.dir.clone());
        let ended = meta.map_or(Ok(false), |meta| registry.end(id, &meta.key, ask));
        let cannot = |error| Failure::new(ErrorKind::Io, format!("cannot end run {id}: {error}"));
        if ended.map_err(cannot)? {
            let word = if asked.kill { "killed" } else { "asked to end" };
            terminal::print(&format!("{word}: run {id} of {}\n", shown(&run.job)));
            terminal::print(&format!("next: greasestatus log -f {}\n", run.short()));
            return Ok(0);
        }
        return Err(over(run));
    }
    if run.is_done() {
        return Err(over(run));
    }
    let kill = if asked.kill { " --kill" } else { "" };
    let host = shown(&run.host);
    let user = shown(&run.user);
    Err(Failure::new(
        ErrorKind::NotNow,
        format!("run {id} is on {host}, as {user}"),
    )
    .hinting(format!("ssh {user}@{host} greasestatus stop{kill} {id}")))
}

fn over(run: &Resolved) -> Failure {
    let text = format!("run {} does not run: {}", run.id, shown(&run.outcome));
    Failure::new(ErrorKind::Usage, text)
}

fn shown(text: &str) -> String {
    grease_core::model::harmless(text, &[], 100)
}
