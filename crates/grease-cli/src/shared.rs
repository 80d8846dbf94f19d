//! The flags that all programs have.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use grease_core::config::{self, Absent, Config, Loaded};
use grease_core::execution::runner::Sections;
use grease_core::model::AbsolutePath;
use grease_core::sys::env::Env;
use grease_core::sys::fs;
use grease_core::sys::host::Account;

/// Flags that all programs have.
#[derive(Debug, Args)]
pub(crate) struct Shared {
    /// Read this config file
    ///
    /// A default file that does not exist stands for the built-in defaults; a file named here
    /// must exist.
    #[arg(short = 'c', long, value_name = "FILE", default_value = config::DEFAULT_FILE, global = true)]
    pub(crate) config_file: PathBuf,

    /// Say more about what is done
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// Say only what went wrong
    #[arg(short, long, conflicts_with = "verbose", global = true)]
    pub(crate) quiet: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(crate) color: Color,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where `.m2` is: `$HOME`, as everywhere in a shell, else the home of the account, as for Java.
///
/// The home of someone else, as `sudo` may leave it, does not say what is run as us.
pub(crate) fn home(env: &Env, account: &Account) -> PathBuf {
    let variable = env.raw("HOME").map(PathBuf::from);
    variable
        .filter(|home| home.is_absolute() && fs::is_owned(home, account.uid))
        .unwrap_or_else(|| account.home.clone())
}

/// The directory of all local state, if the config names one.
pub(crate) fn state_dir(config: &Config) -> Option<&Path> {
    config.common.state_dir.as_ref().map(AbsolutePath::as_path)
}

/// The sections of the config that runners live by.
pub(crate) fn sections(config: &Config) -> Sections<'_> {
    Sections {
        hadoop: &config.hadoop_runner,
        luigi: &config.luigi_runner,
        custom: &config.runners,
    }
}

impl Shared {
    /// Loads the config file.
    pub(crate) fn load_config(&self, env: &Env) -> Result<Loaded, config::Error> {
        let is_default = self.config_file.as_os_str() == config::DEFAULT_FILE;
        let absent = if is_default {
            Absent::Defaults
        } else {
            Absent::Error
        };
        config::load(&self.config_file, absent, env)
    }
}
