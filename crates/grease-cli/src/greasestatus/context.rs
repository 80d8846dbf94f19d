//! What all commands about runs need: the config, where records are, and how to show them.

use std::path::PathBuf;
use std::sync::Arc;

use grease_core::debugging::config::Retention;
use grease_core::debugging::read::{Sources, Spool};
use grease_core::debugging::redact::Redactor;
use grease_core::debugging::share::layout;
use grease_core::diagnostics::{self, Mask, Show};
use grease_core::model::jobs::Jobs;
use grease_core::model::{AbsolutePath, ErrorKind};
use grease_core::sys::clock;
use grease_core::sys::env::Env;
use grease_core::sys::host;
use grease_core::sys::state::{self, Whose};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::finding::Finding;
use crate::failure::Failure;
use crate::shared::{self, Shared};
use crate::terminal::Terminal;

/// What all commands about runs need.
pub(super) struct Context {
    /// The root of the tree on shared storage; only the child touches it.
    pub(super) share: Option<PathBuf>,
    pub(super) spools: Vec<Spool>,
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
    /// Whether colours may be shown on standard output.
    pub(super) colored: bool,
    pub(super) quiet: bool,
    /// How long runs stay on the share.
    pub(super) retention: Retention,
    /// What jobs are given here.
    pub(super) jobs: Jobs,
    /// The cache of this user, whose directory a parent does not make.
    pub(super) cache: PathBuf,
    /// The flags by which a child reads the same config.
    pub(super) words: Vec<std::ffi::OsString>,
    pub(super) errors: Terminal,
}

impl Context {
    /// Reads the config and looks at this host. Only a parent `tells` warnings.
    pub(super) fn read(
        shared: &Shared,
        env: &Env,
        colored: bool,
        tells: bool,
    ) -> Result<Self, Failure> {
        let errors = Terminal::new(shared.color, env.is_set("NO_COLOR"));
        let loaded = shared.load_config(env)?;
        for problem in loaded.warnings.iter().filter(|_| tells && !shared.quiet) {
            errors.say(&Finding::warning(problem.to_string(), problem.hint.clone()).text());
        }
        let config = loaded.config;
        let account = host::account();
        let state_dir = shared::state_dir(&config);
        let spools = state::spools(Whose::Own, state_dir, env, &account).map_err(|error| {
            Failure::new(
                ErrorKind::Io,
                format!("cannot look for the records of this host: {error}"),
            )
        })?;
        if tells {
            let redactor = Redactor::new(&config.logs.redact, env, &[]);
            let mask: Mask = Arc::new(move |text| redactor.text(text));
            let show = move |text: &str| errors.say(&format!("greasestatus: {text}\n"));
            let show = shared.verbose.then(|| Box::new(show) as Show);
            diagnostics::keep(
                spools.first().map(PathBuf::as_path),
                "greasestatus",
                &mask,
                show,
            );
        }
        let planned = || state::planned_cache(state_dir, env, &account);
        let cache = if tells {
            planned()
        } else {
            state::cache_dir(state_dir, env, &account).unwrap_or_else(|_| planned())
        };
        let (user, host) = (layout::file_name(&account.name), host::name());
        let spool = |dir| Spool {
            dir,
            user: user.as_str().into(),
            host: host.as_str().into(),
        };
        let local = clock::local(env);
        Ok(Self {
            share: config
                .common
                .file_logger
                .as_ref()
                .map(AbsolutePath::as_path)
                .map(Into::into),
            spools: spools.into_iter().map(spool).collect(),
            now: local.timestamp(),
            zone: local.time_zone().clone(),
            colored,
            quiet: shared.quiet,
            retention: config.logs.retention.clone(),
            jobs: config.jobs.clone(),
            cache,
            words: vec!["-c".into(), shared.config_file.clone().into()],
            errors,
        })
    }

    /// What this host knows by itself.
    pub(super) fn local(&self) -> Sources<'_> {
        Sources {
            share: None,
            spools: &self.spools,
            now: self.now,
            tick: &|| (),
        }
    }

    /// That, and the share; for the child alone.
    pub(super) fn all<'a>(&'a self, tick: &'a (dyn Fn() + Sync)) -> Sources<'a> {
        Sources {
            share: self.share.as_deref(),
            tick,
            ..self.local()
        }
    }
}
