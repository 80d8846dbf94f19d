//! `greaserun`: runs a job out of a jar.

mod arbitrate;
mod arguments;
mod caller;
mod dry_run;
mod ended;
mod execute;
mod fetch;
mod halt;
mod on_kill;
mod patience;
mod plan;
mod record;
mod report;
mod ship;
mod stage;
mod sweep;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _};
use grease_core::config::{Config, Loaded, Problem};
use grease_core::debugging::redact::Redactor;
use grease_core::debugging::ship as shipper;
use grease_core::deployment::child;
use grease_core::diagnostics::{self, Mask, Show, TOLD};
use grease_core::execution::Outcome;
use grease_core::execution::scratch::Scratch;
use grease_core::execution::supervise::Signals;
use grease_core::execution::{runner, stub};
use grease_core::model::{ErrorKind, RunId};
use grease_core::registry::Registry;
use grease_core::sys::env::Env;
use grease_core::sys::state;

use crate::exit_code;
use crate::failure::Failure;
use crate::places;
use crate::shared::{self, state_dir};
use crate::terminal::{self, Terminal};
use crate::to_come::usage;
use arguments::Arguments;
use caller::Caller;
use halt::Halt;
use plan::Named;
use record::Record;
use report::Report;
use ship::Shipping;
use stage::Stage;

/// Shown by `--help`.
const EXAMPLES: &str = "\
Examples:
  greaserun -r shell com.acme:etl -- load.sh 2026-11-24
          Fetch the newest com.acme:etl and run its script load.sh
  greaserun -r shell target/etl.jar -- load.sh 2026-11-24
          Unpack the script load.sh of the jar and run it
  greaserun -r shell target/etl.jar -- java -cp {jar_path} com.acme.Load
          Run a command on the jar
  greaserun -r luigi target/etl.jar -- --module jobs Top --day 2026-11-24
          Run the Luigi task Top out of the folder python/ of the jar
  greaserun --as-cron -r shell target/etl.jar -- load.sh
          The same as cron would run it, to find out why it fails there
";

/// The command line.
pub(crate) fn command() -> clap::Command {
    let config = Config::default();
    let mut runners = String::from("Runners:\n");
    for runner in runner::all(&shared::sections(&config)) {
        writeln!(runners, "  {:8} {}", runner.name(), runner.summary()).expect("in memory");
    }
    let long = format!("{runners}\n{EXAMPLES}\n{}", exit_code::help());
    Arguments::command()
        .after_help(runners)
        .after_long_help(long)
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == stub::ARGUMENT) {
        return ExitCode::from(stub::run(&words[2..]));
    }
    if words.get(1).is_some_and(|word| word == child::ARGUMENT) {
        return ExitCode::from(child::run());
    }
    if words.get(1).is_some_and(|word| word == shipper::ARGUMENT) {
        let stage = words.get(2).map(OsString::as_os_str);
        if stage.is_some_and(|stage| stage == shipper::SWEEP) {
            return ExitCode::from(sweep::run());
        }
        return ExitCode::from(shipper::run(stage));
    }
    let mut command = command();
    let parsed = command
        .try_get_matches_from_mut(&words)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .and_then(|arguments| arguments.checked(&mut command));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let env = Env::read();
    let terminal = Terminal::new(arguments.shared.color, env.is_set("NO_COLOR"));
    ExitCode::from(
        run(&arguments, env, &words, terminal).unwrap_or_else(|failure| {
            terminal.say(&failure.render());
            failure.exit_code()
        }),
    )
}

/// The way of a run: why it starts, what it runs, how it went, and what is kept of it.
///
/// Fails only before there is a run to speak of; returns the exit code.
fn run(
    arguments: &Arguments,
    env: Env,
    words: &[OsString],
    terminal: Terminal,
) -> Result<u8, Failure> {
    let caller = Caller::read(arguments, env)?;
    let Loaded { config, warnings } = arguments.shared.load_config(&caller.env)?;
    let report = Report::new(arguments, &caller, terminal, words);
    tell_of_config(&warnings, &report);

    let run = RunId::new();
    let spool = spool(arguments, &config, &caller, &report);
    let scratch_root = scratch_root(&config, spool.as_deref(), &report);
    let stage = Stage {
        arguments,
        config: &config,
        caller: &caller,
        report: &report,
        run,
        spool: spool.as_deref(),
        scratch_root: &scratch_root,
        scratch: Scratch::path_for(&scratch_root, run),
    };
    let named = Named::find(arguments, &config, &caller);
    if arguments.dry_run {
        return stage.show(named?).map(|()| 0);
    }
    let job = named.as_ref().map(|named| named.job.to_string());
    let job = job.unwrap_or_else(|_| plan::fallback_name(arguments).to_string());
    // From here on a signal is an event, so that nothing made below is left behind.
    let signals = Signals::block()
        .map_err(|error| Failure::new(ErrorKind::Bug, format!("cannot set up signals: {error}")))?;
    let keeping = record::keeping(&config, &caller, arguments);
    mask_and_keep(&keeping.redactor, &stage, terminal);
    let registry = spool.clone().map(Registry::new);
    if let Some(registry) = &registry {
        stage.sweep(registry.some_dead_runs());
    }
    sweep::orphans(&scratch_root, &report);
    let meta = record::meta(run, &job, named.as_ref().ok(), &caller, &stage.scratch);
    let start = record::start_event(run, &job, named.as_ref().ok(), &caller, arguments);
    let mut record = Record::open(registry.clone(), &meta, &start, &config, keeping, &report);
    let mut shipping = Shipping::start(&stage);
    let ended = named.map_err(Halt::Failed).and_then(|named| {
        let kept = (&mut record.journal, &mut shipping);
        stage.play(named, &signals, registry.as_ref(), kept)
    });
    let end = match &ended {
        Ok(outcome) => ended::of_outcome(run, &job, &start.runner, outcome),
        Err(Halt::Failed(failure)) => ended::of_failure(run, &job, failure),
        Err(Halt::Dropped(dropped)) => {
            let drops = stage.count_drop(dropped);
            ended::of_drop(run, &job, dropped, drops)
        }
    };
    let left = record.close(end, &report);
    tell_of_halt(run, &ended);
    shipping.finish(&left, &ended, &signals, &report);
    drop(signals);
    match ended {
        Ok(outcome) if outcome.unread => Ok(ended::exit_code(&outcome)),
        Ok(outcome) => {
            report.release();
            report.ended(&left, &outcome);
            Ok(ended::exit_code(&outcome))
        }
        Err(Halt::Failed(failure)) => {
            report.failed(&failure, &left);
            Ok(failure.exit_code())
        }
        Err(Halt::Dropped(dropped)) => {
            report.dropped(&dropped, &left, config.guard.drop.notify_after_consecutive);
            Ok(exit_code::of(ErrorKind::NotNow))
        }
    }
}

/// From here on nobody is waited for who reads us, secrets are masked, and what this program does is kept, and
/// shown to those who ask for details.
fn mask_and_keep(redactor: &Redactor, stage: &Stage<'_>, terminal: Terminal) {
    stage.report.never_wait_to_tell();
    stage.report.redact(redactor);
    let redactor = redactor.clone();
    let mask: Mask = Arc::new(move |text| redactor.text(text));
    let show: Option<Show> = stage.report.shows_details().then(|| {
        let show = move |text: &str| {
            if terminal::can_take() {
                terminal.say(&format!("greaserun: {text}\n"));
            }
        };
        Box::new(show) as Show
    });
    diagnostics::keep(stage.spool, "greaserun", &mask, show);
}

/// Keeps why a run came to nothing; of one whose job ran there is the record.
fn tell_of_halt(run: RunId, ended: &Result<Outcome, Halt>) {
    match ended {
        Ok(_) => {}
        Err(Halt::Failed(failure)) => {
            tracing::warn!(target: TOLD, %run, "{}", failure.render());
        }
        Err(Halt::Dropped(dropped)) => tracing::info!(target: TOLD, %run, "{}", dropped.text),
    }
}

/// Tells what is doubtful in the config, with what was probably meant.
fn tell_of_config(warnings: &[Problem], report: &Report<'_>) {
    for warning in warnings {
        let hint = warning.hint.as_ref();
        let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
        report.warn(&format!("{warning}{hint}"));
    }
}

/// Where the registry, records and logs are; without one the run leaves none.
fn spool(
    arguments: &Arguments,
    config: &Config,
    caller: &Caller,
    report: &Report<'_>,
) -> Option<PathBuf> {
    if arguments.dry_run {
        return Some(state::planned(
            state_dir(config),
            &caller.env,
            &caller.account,
        ));
    }
    match state::spool_dir(state_dir(config), &caller.env, &caller.account) {
        Ok(spool) => Some(spool),
        Err(error) => {
            report.warn(&format!(
                "no place for logs and records, so none are kept: {error}"
            ));
            None
        }
    }
}

/// Where scratch directories are made.
fn scratch_root(config: &Config, spool: Option<&Path>, report: &Report<'_>) -> PathBuf {
    if let Some(root) = places::scratch_root(config, spool) {
        return root;
    }
    let root = std::env::temp_dir();
    report.warn(&format!(
        "no room beside the records: scratch is in `{}`",
        root.display()
    ));
    root
}
