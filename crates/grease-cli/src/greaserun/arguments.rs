//! The command line of `greaserun`.

use std::ffi::OsString;

use clap::{Parser, ValueEnum};
use grease_core::model::jobs::{JobSettings, Leftovers, Overlap, Stdin};
use grease_core::model::quantity::{Span, Wait};

use crate::demand::Demand;
use crate::shared::Shared;

/// Limit of `jobs.defaults.max_running` in the config.
const MAX_RUNNING: u32 = 1000;

/// Run a job out of a jar
///
/// Once the host can take the job, the jar is fetched from a Maven repository or taken from the local
/// disk, the job is started by the runner, everything that it starts is supervised, and its exit
/// code is passed through.
///
/// All that follows ARTIFACT belongs to the job, with or without `--` in front.
#[derive(Debug, Parser)]
#[command(
    name = "greaserun",
    version,
    override_usage = "greaserun --runner <RUNNER> [OPTIONS] <ARTIFACT> [--] <COMMAND>..."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) shared: Shared,

    /// How the job is run; more runners can be defined in the config
    #[arg(short, long, value_name = "RUNNER")]
    runner: Option<String>,

    /// Do not put off a scheduled start to spread the starts of a minute
    #[arg(short = 'D', long)]
    pub(super) no_random_delay: bool,

    /// Use only artifacts that are on this machine; ask no repository
    #[arg(short = 'o', long)]
    pub(super) mvn_offline: bool,

    /// How often repositories are asked what is newest, instead of what their settings say
    #[arg(long, value_name = "WHEN", conflicts_with = "mvn_offline")]
    pub(super) update: Option<UpdateFlag>,

    /// Fail rather than run an artifact that may not be the newest
    ///
    /// By default a repository that does not answer, or not well, stops no job whose artifact is
    /// on this machine; the run is marked as stale.
    #[arg(long)]
    pub(super) strict_fetch: bool,

    /// Call the job NAME instead of what its command shows
    #[arg(long, value_name = "NAME")]
    pub(super) job: Option<String>,

    /// Wait at most so long until the host can take the job, then drop it: `10m`, `0`, `forever`
    ///
    /// By default a scheduled run waits 10 minutes, one of continuous integration not at all, and
    /// any other for ever on a terminal, else 10 minutes (`guard.max_wait` of the config).
    #[arg(long, value_name = "TIME")]
    pub(super) max_wait: Option<Wait>,

    /// Start the job however loaded the host is; it counts like any other
    #[arg(long)]
    pub(super) force: bool,

    #[command(flatten)]
    demand: Demand,

    /// What happens if the job still runs on this host: `forbid` skips this run, `queue` waits,
    /// `replace` ends the other, `allow` runs both, `allow:N` at most so many
    ///
    /// By default a scheduled run is skipped, and any other runs.
    #[arg(long, value_name = "WHAT", value_parser = overlap)]
    pub(super) overlap: Option<OverlapFlag>,

    /// Which runs are the same job for --overlap, instead of those of the same name out of the same
    /// line of a crontab
    #[arg(long, value_name = "KEY")]
    pub(super) key: Option<String>,

    /// End the job after this time: `90s`, `10m`, `1h30m`, `forever`
    #[arg(long, value_name = "TIME")]
    pub(super) timeout: Option<Wait>,

    /// Kill the job this long after it was asked to end
    #[arg(long, value_name = "TIME")]
    pub(super) grace: Option<Span>,

    /// What happens to processes that outlive the job's first one
    #[arg(long, value_name = "WHAT")]
    pub(super) leftovers: Option<LeftoversFlag>,

    /// What the job reads when there is no terminal
    #[arg(long, value_name = "WHAT")]
    pub(super) stdin: Option<StdinFlag>,

    /// What is shown of the job's output
    ///
    /// By default a scheduled run shows nothing, and a digest if it fails; any other run shows
    /// the output as it comes.
    #[arg(long, value_name = "WHAT")]
    pub(super) output: Option<Output>,

    /// The run is scheduled, whoever started it
    #[arg(long, conflicts_with = "as_cron")]
    pub(super) cron: bool,

    /// Run the job as cron would: its environment, directory and umask, and no terminal
    ///
    /// For a job that works by hand and not in cron. The run stays a manual one.
    #[arg(long)]
    pub(super) as_cron: bool,

    /// Show what would be done, and do nothing but fetch the artifact
    #[arg(long)]
    pub(super) dry_run: bool,

    /// With --dry-run: show it as JSON
    #[arg(long, requires = "dry_run")]
    pub(super) json: bool,

    /// A jar, or `group:artifact[:version[:packaging[:classifier]]]` to be fetched from Maven
    /// repositories, or `-` for a job without one; then the job's command
    #[arg(value_name = "ARTIFACT> [--] <COMMAND", required = true, num_args = 1..)]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) words: Vec<OsString>,
}

/// How often repositories are asked what is newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum UpdateFlag {
    /// Each time
    Always,
    /// Once a day
    Daily,
    /// Only if nothing is here
    Never,
}

/// What happens if the job still runs, and how many of it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OverlapFlag {
    overlap: Overlap,
    max_running: Option<u32>,
}

fn overlap(text: &str) -> Result<OverlapFlag, String> {
    let of = |overlap| {
        Ok(OverlapFlag {
            overlap,
            max_running: None,
        })
    };
    match text.split_once(':') {
        None if text == "forbid" => of(Overlap::Forbid),
        None if text == "queue" => of(Overlap::Queue),
        None if text == "replace" => of(Overlap::Replace),
        None if text == "allow" => of(Overlap::Allow),
        Some(("allow", number)) => match number.parse() {
            Ok(number @ 1..=MAX_RUNNING) => Ok(OverlapFlag {
                overlap: Overlap::Allow,
                max_running: Some(number),
            }),
            _ => Err(format!("expected a number from 1 to {MAX_RUNNING}")),
        },
        _ => Err("expected forbid, queue, replace, allow or allow:N".to_owned()),
    }
}

/// What happens to processes that outlive the job's first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LeftoversFlag {
    /// They are asked to end, and killed after the grace
    Kill,
    /// The run goes on until they have ended
    Wait,
    /// They are left to themselves
    Detach,
}

/// What the job reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StdinFlag {
    /// Nothing
    Null,
    /// What greaserun was given
    Inherit,
}

/// What is shown of the job's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// All of it, as it comes
    Stream,
    /// If the job fails: why, its last lines, and where the rest is
    Digest,
    /// None of it
    None,
}

impl Arguments {
    /// Refuses a flag that nobody knows: clap takes it for ARTIFACT, since the job's words, of
    /// which it thinks ARTIFACT is the first, may begin with hyphens.
    pub(super) fn checked(self, command: &mut clap::Command) -> Result<Self, clap::Error> {
        let artifact = self
            .words
            .first()
            .map(|word| word.to_string_lossy())
            .unwrap_or_default();
        if artifact.starts_with('-') && artifact != "-" {
            let text = format!("unexpected argument '{artifact}' found before ARTIFACT");
            return Err(command.error(clap::error::ErrorKind::UnknownArgument, text));
        }
        if self.runner.is_none() {
            let text = "the following required argument was not provided: --runner <RUNNER>";
            return Err(command.error(clap::error::ErrorKind::MissingRequiredArgument, text));
        }
        Ok(self)
    }

    /// The runner's name.
    pub(super) fn runner(&self) -> &str {
        self.runner.as_deref().expect("checked to be there")
    }

    /// ARTIFACT, and the job's words behind it without a `--` in front.
    pub(super) fn artifact_and_words(&self) -> (&OsString, &[OsString]) {
        let (artifact, words) = self.words.split_first().expect("clap wants at least one");
        let words = match words.split_first() {
            Some((first, rest)) if first == "--" => rest,
            _ => words,
        };
        (artifact, words)
    }

    /// Lays what the command line says over the settings of the config.
    pub(super) fn apply(&self, settings: &mut JobSettings) {
        self.demand.apply(settings);
        if let Some(flag) = self.overlap {
            settings.overlap = Some(flag.overlap);
            settings.max_running = flag.max_running;
        }
        if let Some(timeout) = self.timeout {
            settings.timeout = timeout.limit();
        }
        if let Some(grace) = self.grace {
            settings.grace = grace.get();
        }
        if let Some(leftovers) = self.leftovers {
            settings.leftovers = match leftovers {
                LeftoversFlag::Kill => Leftovers::Kill,
                LeftoversFlag::Wait => Leftovers::Wait,
                LeftoversFlag::Detach => Leftovers::Detach,
            };
        }
        if let Some(stdin) = self.stdin {
            settings.stdin = match stdin {
                StdinFlag::Null => Stdin::Null,
                StdinFlag::Inherit => Stdin::Inherit,
            };
        }
    }
}
