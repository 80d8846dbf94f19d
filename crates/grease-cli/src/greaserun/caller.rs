//! Who called greaserun, and from where.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use grease_core::dispatch::{Facts, Trigger};
use grease_core::model::ErrorKind;
use grease_core::sys::env::Env;
use grease_core::sys::{host, process};

use super::arguments::Arguments;
use crate::failure::Failure;

/// The environment that cron gives to a job (`crontab(5)`), beside HOME and LOGNAME.
const CRON_ENVIRONMENT: [(&str, &str); 2] = [("SHELL", "/bin/sh"), ("PATH", "/usr/bin:/bin")];

/// The file mode creation mask that cron runs jobs with.
const CRON_UMASK: u32 = 0o022;

/// The caller of this run, as values.
#[derive(Debug)]
pub(super) struct Caller {
    /// The environment that the job inherits and the config is read with.
    pub(super) env: Env,
    /// The environment of greaserun itself: another one with `--as-cron`.
    pub(super) own_env: Env,
    /// The user.
    pub(super) account: host::Account,
    /// The host's name.
    pub(super) host: String,
    /// The host's boot.
    pub(super) boot: String,
    /// Why the run was started.
    pub(super) trigger: Trigger,
    /// The run whose job started this one.
    pub(super) parent: Option<String>,
    /// Where relative paths on the command line start.
    pub(super) directory: PathBuf,
    /// Where the job starts, if not there.
    pub(super) job_directory: Option<PathBuf>,
    /// The job's file mode creation mask, if not the caller's.
    pub(super) umask: Option<u32>,
    /// Whether the job shares the terminal.
    pub(super) on_terminal: bool,
    /// Whether a person can stop it there (Ctrl-Z) at any moment.
    pub(super) in_foreground: bool,
}

impl Caller {
    /// Looks at the process and its surroundings.
    pub(super) fn read(arguments: &Arguments, env: Env) -> Result<Self, Failure> {
        let directory = std::env::current_dir().map_err(|error| {
            Failure::new(
                ErrorKind::Io,
                format!("cannot tell the current directory: {error}"),
            )
        })?;
        let account = host::account();
        let parent = env
            .text("GREASE_RUN_ID")
            .filter(|run| !run.is_empty())
            .map(ToOwned::to_owned);
        let trigger = Trigger::of(&Facts {
            inside_a_run: parent.is_some(),
            declared: arguments.cron || env.is_set("GREASE_ENTRY"),
            ci: env.is_set("CI"),
            ancestors: process::ancestors(),
            terminal: process::has_terminal(),
            session: env.is_set("TERM") || env.is_set("SSH_CONNECTION"),
        });
        let bare = trigger == Trigger::Scheduled || arguments.as_cron;
        let cron = arguments.as_cron.then(|| as_cron(&account));
        Ok(Self {
            host: host::name(),
            boot: host::boot_id(),
            trigger,
            parent,
            directory,
            job_directory: arguments.as_cron.then(|| account.home.clone()),
            umask: arguments.as_cron.then_some(CRON_UMASK),
            on_terminal: !bare && std::io::stdin().is_terminal(),
            in_foreground: !bare && process::is_in_foreground(),
            env: cron.unwrap_or_else(|| env.clone()),
            own_env: env,
            account,
        })
    }
}

/// The environment of a job of `account` that cron starts.
fn as_cron(account: &host::Account) -> Env {
    let mut env: Env = CRON_ENVIRONMENT.into_iter().collect();
    env.set("HOME", &account.home);
    env.set("LOGNAME", &account.name);
    env
}
