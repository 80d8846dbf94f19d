//! The command line of `greasestatus`.

use std::time::Duration;

use clap::{Args, Parser};

use crate::shared::Shared;

/// Days within which runs used what is kept, unless others are asked for.
const DAYS: u32 = 30;

/// Show what runs, what failed and why, on this host and on the farm
///
/// Only the command `check` is there yet.
#[derive(Debug, Parser)]
#[command(name = "greasestatus", version, disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) shared: Shared,

    #[command(subcommand)]
    pub(super) command: Option<Subcommand>,
}

/// What there is to be shown.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    Check(Check),
}

/// Check the config, and show where artifacts come from
///
/// All that is wrong or doubtful is told at once, unknown keys of the config too, which a run only
/// warns of. Then come the repositories that are asked for artifacts, and what could be removed of
/// those that are here.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Remove builds of snapshots that no run used within this many days [default: 30]
    ///
    /// Never removed are releases, the newest build of each snapshot, what was fetched within
    /// these days, and what a run uses now. Nothing is removed unless it is known what runs used.
    #[arg(long, value_name = "DAYS", num_args = 0..=1, default_missing_value = "30")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=36500))]
    prune_artifacts: Option<u32>,

    /// Show it as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl Check {
    /// Whether what can be removed is to be removed.
    pub(super) fn prunes(&self) -> bool {
        self.prune_artifacts.is_some()
    }

    /// Within how many days runs used what is kept.
    pub(super) fn days(&self) -> u32 {
        self.prune_artifacts.unwrap_or(DAYS)
    }

    /// The same as a time.
    pub(super) fn age(&self) -> Duration {
        Duration::from_hours(24 * u64::from(self.days()))
    }
}
