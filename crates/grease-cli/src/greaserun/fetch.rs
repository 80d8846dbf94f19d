//! Brings the artifact here, and tells the user how far it is.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use grease_core::config::Config;
use grease_core::deployment::{Artifact, Manner, Named, Origin, Setting, Update, Watch};
use grease_core::dispatch::Trigger;
use grease_core::execution::supervise::Signals;
use grease_core::sys::{clock, state};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arguments::{Arguments, UpdateFlag};
use super::caller::Caller;
use super::halt::Halt;
use super::patience::cancelled;
use super::report::Report;
use crate::failure::Failure;
use crate::shared;
use crate::terminal::duration;

/// How long a download lasts before it is worth a progress bar.
const BAR_AFTER: Duration = Duration::from_secs(1);

/// A cache in which nothing can be made, for want of one.
const NOWHERE: &str = "/proc/scalegrease";

/// How the bar looks, with and without the length known.
const BAR: &str = "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}";
const SPINNER: &str = "{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}";

/// Brings artifacts here.
pub(super) struct Bringer<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) config: &'a Config,
    pub(super) caller: &'a Caller,
    pub(super) report: &'a Report<'a>,
    /// Signals, where they are blocked: what came so far is continued by the next run.
    pub(super) signals: Option<&'a Signals>,
}

impl Bringer<'_> {
    /// Brings the artifact here.
    pub(super) fn bring(&self, named: &Named) -> Result<Option<Artifact>, Halt> {
        let Self {
            config,
            caller,
            report,
            ..
        } = *self;
        let cache = match named {
            Named::Coordinates { .. } => self.cache(),
            Named::Nothing | Named::File(_) => PathBuf::new(),
        };
        let setting = Setting {
            config: &config.artifacts,
            env: &caller.env,
            home: &shared::home(&caller.env, &caller.account),
            cache: &cache,
            manner: manner(self.arguments, caller, report),
        };
        let begun = Instant::now();
        let mut bar = Bar {
            begun,
            shown: None,
            is_watched: report.is_watched(),
        };
        let asked = Cell::new(None);
        let stop = || {
            let now = || self.signals.and_then(Signals::ending);
            asked.set(asked.get().or_else(now));
            asked.get().is_some()
        };
        let found = named.find(
            &setting,
            &mut Watch {
                now: clock::local(&caller.env),
                stop: &stop,
                progress: &mut |file, received, total| bar.show(file, received, total),
            },
        );
        bar.clear();
        if let Some(signal) = asked.get() {
            return Err(Halt::Failed(cancelled(signal)));
        }
        let found = found.map_err(Failure::from)?;
        if let Some(artifact) = &found
            && let Some(origin) = &artifact.origin
        {
            tell(&artifact.spec, origin, begun.elapsed(), report);
        }
        Ok(found)
    }

    fn cache(&self) -> PathBuf {
        let state_dir = shared::state_dir(self.config);
        let cache = state::cache_dir(state_dir, &self.caller.env, &self.caller.account);
        cache.unwrap_or_else(|error| {
            let text = format!("nothing is remembered between runs: {error}");
            self.report.warn(&text);
            PathBuf::from(NOWHERE)
        })
    }
}

fn manner(arguments: &Arguments, caller: &Caller, report: &Report<'_>) -> Manner {
    Manner {
        offline: arguments.mvn_offline,
        update: arguments.update.map(|update| match update {
            UpdateFlag::Always => Update::Always,
            UpdateFlag::Daily => Update::Daily,
            UpdateFlag::Never => Update::Never,
        }),
        strict: arguments.strict_fetch,
        attended: caller.trigger == Trigger::Manual && report.is_watched(),
    }
}

/// Tells where the artifact came from, and what is doubtful about it.
fn tell(spec: &str, origin: &Origin, lasted: Duration, report: &Report<'_>) {
    if origin.downloaded {
        let size = indicatif::BinaryBytes(origin.size_bytes);
        let from = origin
            .repository
            .as_deref()
            .unwrap_or("the local repository");
        let lasted = duration(lasted);
        report.remark(&format!("fetched {spec}: {size} from `{from}` in {lasted}"));
    } else {
        report.detail(&format!("{spec} is here already"));
    }
    if let Some(stale) = &origin.stale {
        let age = stale
            .age
            .map(|age| format!(", certain {} ago", duration(age)));
        report.warn(&format!(
            "{spec} may not be the newest{}: {}",
            age.unwrap_or_default(),
            stale.reason
        ));
    }
    for notice in &origin.notices {
        report.warn(notice);
    }
}

/// A progress bar, once there is something to wait for.
struct Bar {
    begun: Instant,
    shown: Option<ProgressBar>,
    is_watched: bool,
}

impl Bar {
    fn show(&mut self, file: &str, received: u64, total: Option<u64>) {
        if !self.is_watched || self.begun.elapsed() < BAR_AFTER {
            return;
        }
        let bar = self.shown.get_or_insert_with(|| {
            let template = if total.is_some() { BAR } else { SPINNER };
            let style = ProgressStyle::with_template(template).expect("it is a valid template");
            ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr())
                .with_style(style)
                .with_message(file.to_owned())
        });
        bar.set_position(received);
    }

    fn clear(self) {
        if let Some(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}
