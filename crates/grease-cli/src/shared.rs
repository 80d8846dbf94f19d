//! The flags that all programs have.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use grease_core::config::{self, Absent, Loaded};
use grease_core::sys::env::Env;

use crate::failure::Failure;

/// Flags that all programs have.
#[derive(Debug, Args)]
pub(crate) struct Shared {
    /// Read this config file
    ///
    /// A default file that does not exist stands for the built-in defaults; a file named here
    /// must exist.
    #[arg(short = 'c', long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    pub(crate) config_file: PathBuf,

    /// Say more about what is done
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Say only what went wrong
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
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

impl Shared {
    /// Loads the config file.
    pub(crate) fn load_config(&self, env: &Env) -> Result<Loaded, Failure> {
        let is_default = self.config_file.as_os_str() == config::DEFAULT_FILE;
        let absent = if is_default {
            Absent::Defaults
        } else {
            Absent::Error
        };
        config::load(&self.config_file, absent, env).map_err(Failure::from)
    }
}
