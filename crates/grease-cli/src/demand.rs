//! What a job asks of its host, as flags.

use clap::{Args, ValueEnum};
use grease_core::model::jobs::{JobSettings, Priority};
use grease_core::model::quantity::Bytes;

/// Limits of `jobs.defaults.cost` in the config.
const COST_MIN: f64 = 0.01;
const COST_MAX: f64 = 1024.0;

/// What a job asks of its host.
#[derive(Debug, Args)]
pub(crate) struct Demand {
    /// Who goes first when the host is busy
    #[arg(long, value_name = "WHO")]
    priority: Option<PriorityFlag>,

    /// How much of the host's capacity the job takes, in CPUs
    #[arg(long, value_name = "CPUS", value_parser = cost)]
    cost: Option<f64>,

    /// Memory to be set aside for the job: `512MiB`, `4GiB`
    #[arg(long, value_name = "SIZE")]
    mem: Option<Bytes>,

    /// Disk space that the job needs in its scratch directory: `10GiB`
    #[arg(long, value_name = "SIZE")]
    disk: Option<Bytes>,
}

/// Who goes first when the host is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PriorityFlag {
    /// Goes last: backfills
    Low,
    /// Goes by the order of arrival
    Normal,
    /// Goes first
    High,
}

fn cost(text: &str) -> Result<f64, String> {
    let cost = text.parse().ok();
    cost.filter(|cost| (COST_MIN..=COST_MAX).contains(cost))
        .ok_or_else(|| format!("expected a number from {COST_MIN} to {COST_MAX}"))
}

impl Demand {
    /// Lays what the command line says over the settings of the config.
    pub(crate) fn apply(&self, settings: &mut JobSettings) {
        if let Some(priority) = self.priority {
            settings.priority = match priority {
                PriorityFlag::Low => Priority::Low,
                PriorityFlag::Normal => Priority::Normal,
                PriorityFlag::High => Priority::High,
            };
        }
        settings.cost = self.cost.unwrap_or(settings.cost);
        settings.mem = self.mem.or(settings.mem);
        settings.disk = self.disk.or(settings.disk);
    }

    /// Whether the command line says anything.
    pub(crate) fn is_given(&self) -> bool {
        self.priority.is_some() || self.cost.is_some() || self.mem.is_some() || self.disk.is_some()
    }
}
