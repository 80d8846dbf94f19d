//! The command line of `greasestatus`.

use std::time::Duration;

use clap::{Args, Parser};

use crate::demand::Demand;
use crate::shared::Shared;

/// Days within which runs used what is kept, unless others are asked for.
const DAYS: u32 = 30;

/// Show what runs, what failed and why, on this host and on the farm
///
/// Without a command it says first what is wrong now. RUN is the end of a run's id, five characters or
/// more; JOB is a job's name or what stands behind the `#` in it, and means its last run; `JOB@-2` is
/// the last but one, `JOB@failed` the last that failed, `JOB@13:05` the one that started then.
///
/// Records are read from the tree that `common.file_logger` names, and from this host, which knows
/// its own runs first. If the share does not answer, what this host knows is shown, with exit code 75.
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
    Failures(Failures),
    Runs(Runs),
    Why(Why),
    Log(Log),
    Job(Job),
    Suggest(Suggest),
    Hosts(Hosts),
    Stop(Stop),
    Share(Share),
    Gc(Gc),
    Check(Check),
    Guard(Guard),
    #[command(name = "__names", hide = true)]
    Names(Names),
    #[command(name = "__find", hide = true)]
    Find(Find),
    #[command(name = "__tail", hide = true)]
    Tail(Tail),
}

/// Show what failed, the newest first
#[derive(Debug, Args)]
pub(super) struct Failures {
    /// Since then: `90m`, `7d`, `2026-11-24`, `14:05`
    #[arg(long, value_name = "TIME", default_value = "1d")]
    pub(super) since: String,

    #[command(flatten)]
    pub(super) which: Which,

    /// Show at most so many; 0 for all
    #[arg(short, value_name = "N", default_value = "50")]
    pub(super) number: usize,

    /// Show each as a JSON object in a line
    #[arg(long)]
    pub(super) json: bool,
}

/// Show runs, the newest first
#[derive(Debug, Args)]
pub(super) struct Runs {
    /// What had not ended before: `90m`, `7d`, `2026-11-24`, `14:05`
    #[arg(long, value_name = "TIME", default_value = "1d")]
    pub(super) since: String,

    /// What had begun by then
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,

    #[command(flatten)]
    pub(super) which: Which,

    /// Only what failed
    #[arg(long)]
    pub(super) failed: bool,

    /// Only with this result
    #[arg(long, value_name = "WORD", conflicts_with = "failed")]
    #[arg(value_parser = ["success", "failure", "error", "timeout", "skip", "cancellation"])]
    pub(super) result: Option<String>,

    /// Show at most so many; 0 for all
    #[arg(short, value_name = "N", default_value = "50")]
    pub(super) number: usize,

    /// Show each as a JSON object in a line
    #[arg(long)]
    pub(super) json: bool,
}

/// Which runs.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only of jobs whose name fits this pattern
    #[arg(long, value_name = "GLOB")]
    pub(super) job: Option<String>,

    /// Only on hosts whose name fits this pattern
    #[arg(long, value_name = "GLOB")]
    pub(super) host: Option<String>,

    /// Only of users whose name fits this pattern
    #[arg(long, value_name = "GLOB")]
    pub(super) user: Option<String>,
}

/// Show why a run failed: of a job, the last one that did
#[derive(Debug, Args)]
pub(super) struct Why {
    /// A job, or the end of a run's id
    #[arg(value_name = "JOB|RUN")]
    pub(super) name: String,

    /// Only of users whose name fits this pattern
    #[arg(long, value_name = "GLOB")]
    pub(super) user: Option<String>,
}

/// Show what a run printed
///
/// Colours pass to a terminal, other escapes do not; `E` marks standard error. On a terminal it is shown in
/// `$GREASE_PAGER`, else `$PAGER`, else less, but not with -f or --raw.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Log {
    /// A job, or the end of a run's id
    #[arg(value_name = "JOB|RUN")]
    pub(super) name: String,

    /// Go on until the run ends
    #[arg(short, long)]
    pub(super) follow: bool,

    /// Only so many of the last lines
    #[arg(short, value_name = "N")]
    pub(super) number: Option<usize>,

    /// Only lines since then: `90m`, `2026-11-24`, `14:05`
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,

    /// Only lines with this text in them
    #[arg(long, value_name = "TEXT")]
    pub(super) grep: Option<String>,

    /// Only standard output
    #[arg(long, conflicts_with = "stderr")]
    pub(super) stdout: bool,

    /// Only standard error
    #[arg(long)]
    pub(super) stderr: bool,

    /// Give exactly the bytes that the job wrote; what greaserun said goes to standard error
    #[arg(long, conflicts_with_all = ["number", "since", "grep"])]
    pub(super) raw: bool,

    /// Print where the log is, and nothing else
    #[arg(long, conflicts_with_all = ["follow", "raw"])]
    pub(super) path: bool,

    /// Only of users whose name fits this pattern
    #[arg(long, value_name = "GLOB")]
    pub(super) user: Option<String>,
}

/// Show how a job has been doing
#[derive(Debug, Args)]
pub(super) struct Job {
    /// A job
    #[arg(value_name = "JOB")]
    pub(super) name: String,

    /// Since then
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub(super) since: String,

    /// Only of users whose name fits this pattern
    #[arg(long, value_name = "GLOB")]
    pub(super) user: Option<String>,

    /// Show it as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Suggest a timeout, memory and cost for a job, from what its runs took
///
/// By runs that succeeded: twice what 99 % of them took, the most memory and a fifth, the CPUs that 90 % of
/// them kept busy. With fewer than ten runs nothing is suggested, and the exit code is 1.
#[derive(Debug, Args)]
pub(super) struct Suggest {
    /// A job
    #[arg(value_name = "JOB")]
    pub(super) name: String,

    /// By runs that had not ended before: `7d`, `2026-11-24`
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub(super) since: String,

    /// Only of users whose name fits this pattern
    #[arg(long, value_name = "GLOB")]
    pub(super) user: Option<String>,

    /// Show it as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Show the hosts of the farm: when they were seen last, what runs there, what waits to be shipped
#[derive(Debug, Args)]
pub(super) struct Hosts {
    /// Show each as a JSON object in a line
    #[arg(long)]
    pub(super) json: bool,
}

/// End a run that goes on: on its host; elsewhere the command for that is printed
#[derive(Debug, Args)]
pub(super) struct Stop {
    /// A job, or the end of a run's id
    #[arg(value_name = "JOB|RUN")]
    pub(super) name: String,

    /// Kill greaserun itself, if it does not end
    #[arg(long)]
    pub(super) kill: bool,
}

/// Make a directory a share, or look at the one that the config names
#[derive(Debug, Args)]
pub(super) struct Share {
    #[command(subcommand)]
    pub(super) command: ShareCommand,
}

/// What is done with a share.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ShareCommand {
    Init(ShareInit),
    /// Tell whether the share that the config names is there, and which it is
    Check,
}

/// Make a directory the root of a share, by a marker without which nothing is written to it
///
/// The directory must be there: on NFS, mount it first. What is a share already stays what it is.
#[derive(Debug, Args)]
pub(super) struct ShareInit {
    /// The root: what `common.file_logger` names
    #[arg(value_name = "DIR")]
    pub(super) directory: std::path::PathBuf,
}

/// Remove runs of this user from the share that are older than the config says, and compress old logs
///
/// It is done once a day anyway, by the process that ships logs.
#[derive(Debug, Args)]
pub(super) struct Gc {
    /// Only tell what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Print names that begin with a word, for shells.
#[derive(Debug, Args)]
pub(super) struct Names {
    #[arg(default_value = "", allow_hyphen_values = true)]
    pub(super) word: String,
}

/// Tell one run as a JSON object.
#[derive(Debug, Args)]
pub(super) struct Find {
    pub(super) name: String,

    #[arg(long)]
    pub(super) user: Option<String>,

    /// One that was not left out.
    #[arg(long)]
    pub(super) ran: bool,
}

/// Copy the rest of a log from the share.
#[derive(Debug, Args)]
pub(super) struct Tail {
    pub(super) user: String,

    pub(super) path: std::path::PathBuf,

    pub(super) offset: u64,

    #[arg(long)]
    pub(super) follow: bool,
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
