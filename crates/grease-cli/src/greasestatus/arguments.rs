//! The command line of `greasestatus`.

use std::time::Duration;

use clap::{Args, Parser};

use crate::demand::Demand;
use crate::shared::Shared;

/// Days within which runs used what is kept, unless others are asked for.
const DAYS: u32 = 30;

/// Show what runs, what failed and why, on this host and on the farm
///
/// Only the commands `check` and `guard` are there yet.
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
    Guard(Guard),
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

/// Show whether this host takes jobs now, and why not
///
/// The first line says it of a job of default settings. Then come what the guard looks at with its
/// limits, the runs that hold slots, and those that wait. Nothing is made or changed.
///
/// With JOB, --explain or what a job asks for, the first line says what would become of that job.
#[derive(Debug, Args)]
pub(super) struct Guard {
    /// A job, `group:artifact#part`, whose settings are taken from the config
    #[arg(value_name = "JOB")]
    pub(super) job: Option<String>,

    /// Tell what would become of one job, by default one of default settings
    #[arg(long)]
    explain: bool,

    /// How the job is run [default: shell]
    #[arg(short, long, value_name = "RUNNER")]
    runner: Option<String>,

    #[command(flatten)]
    pub(super) demand: Demand,

    /// Show it as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl Guard {
    /// Whether it is one job that is asked about.
    pub(super) fn explains(&self) -> bool {
        let is_named = self.job.is_some() || self.runner.is_some();
        self.explain || is_named || self.demand.is_given()
    }

    /// The runner's name.
    pub(super) fn runner(&self) -> &str {
        self.runner.as_deref().unwrap_or("shell")
    }
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
