//! `greasestatus guard`: does this host take jobs now, and why not?

mod json;
mod text;
mod verdict;

use std::path::{Path, PathBuf};

use grease_core::arbitration::admission::Arbiter;
use grease_core::arbitration::config::Guard;
use grease_core::arbitration::decision::Request;
use grease_core::arbitration::slots::Slots;
use grease_core::arbitration::view::View;
use grease_core::arbitration::waiting::{self, Waiter};
use grease_core::config::{Config, Loaded};
use grease_core::execution::runner;
use grease_core::model::guard::Check;
use grease_core::sys::env::Env;
use grease_core::sys::{clock, fs, host, state};
use jiff::Timestamp;

use super::arguments;
use super::finding::{self, Finding};
use crate::exit_code;
use crate::failure::Failure;
use crate::places;
use crate::shared::{self, Shared, sections};
use crate::terminal::{self, Terminal};
use verdict::{State, Verdict};

/// What there is to say about the guard.
struct Report {
    host: String,
    boot: String,
    time: Timestamp,
    /// The same moment in seconds since boot.
    now_s: f64,
    enabled: bool,
    /// Where the slots are; none if no run has been here yet.
    directory: Option<PathBuf>,
    /// Whether these slots are those of this user alone.
    is_own: bool,
    asked: Asked,
    view: View,
    /// Why such a job can never start here.
    impossible: Option<Check>,
    waiting: Vec<Waiter>,
    /// What is wrong with the guard's own state.
    findings: Vec<Finding>,
    verdict: Verdict,
}

/// The job that is asked about.
struct Asked {
    /// Whether it is one job that is asked about, and not the host.
    is_one: bool,
    job: Option<String>,
    runner: String,
    request: Request,
}

/// What could be seen of the slots.
struct Slotted {
    view: View,
    waiting: Vec<Waiter>,
    state: State,
    findings: Vec<Finding>,
}

/// Looks, tells, and gives the exit code.
pub(super) fn run(shared: &Shared, asked: &arguments::Guard, env: &Env, terminal: Terminal) -> u8 {
    let errors = Terminal::new(shared.color, env.is_set("NO_COLOR"));
    let report = match look(shared, asked, env, errors) {
        Ok(report) => report,
        Err(failure) => {
            errors.say(&failure.render());
            return failure.exit_code();
        }
    };
    if asked.json {
        terminal::print(&format!("{:#}\n", report.json()));
    } else if shared.quiet {
        terminal.print(&report.problems());
    } else {
        terminal.print(&report.text());
    }
    match report.verdict {
        _ if !report.findings.is_empty() => finding::exit_code(&report.findings),
        Verdict::Start(_) => 0,
        Verdict::Wait | Verdict::Drop(_) | Verdict::Never => exit_code::FOUND,
    }
}

fn look(
    shared: &Shared,
    asked: &arguments::Guard,
    env: &Env,
    errors: Terminal,
) -> Result<Report, Failure> {
    let Loaded { config, warnings } = shared.load_config(env)?;
    for problem in warnings.iter().filter(|_| !shared.quiet) {
        errors.say(&Finding::warning(problem.to_string(), problem.hint.clone()).text());
    }
    let asked = Asked::find(asked, &config)?;
    let account = host::account();
    let state_dir = shared::state_dir(&config);
    let spool = state::planned(state_dir, env, &account);
    let scratch_root = places::scratch_root(&config, Some(&spool));
    let scratch_root = scratch_root.unwrap_or_else(std::env::temp_dir);
    let directory = state::existing_guard_dir(state_dir, &spool);
    let arbiter = Arbiter {
        config: &config.guard,
        slots: Slots::to_look_at(directory.clone().unwrap_or_default()),
        places: places::watched(
            &config,
            env,
            &account,
            Some(&spool),
            &scratch_root,
            &fs::Mounts::read(),
        ),
        boot: host::boot_id(),
    };
    let slotted = Slotted::look(&arbiter, directory.as_deref(), &asked.request);
    let impossible = arbiter.impossible(&asked.request, &slotted.view.machine);
    let Guard {
        enabled,
        on_guard_error,
        ..
    } = config.guard;
    Ok(Report {
        host: host::name(),
        boot: arbiter.boot.clone(),
        time: clock::now(),
        now_s: clock::since_boot().as_secs_f64(),
        enabled,
        is_own: state_dir.is_none()
            && directory
                .as_ref()
                .is_some_and(|directory| directory.starts_with(&spool)),
        verdict: Verdict::of(
            enabled.then_some((slotted.state, on_guard_error)),
            impossible.is_some(),
            slotted.view.refuses(),
        ),
        directory,
        asked,
        impossible,
        view: slotted.view,
        waiting: slotted.waiting,
        findings: slotted.findings,
    })
}

impl Asked {
    fn find(asked: &arguments::Guard, config: &Config) -> Result<Self, Failure> {
        let runner = runner::find(asked.runner(), &sections(config))?;
        let job = asked.job.as_deref();
        let mut settings = config.jobs.settings(runner.name(), job.unwrap_or_default());
        asked.demand.apply(&mut settings);
        Ok(Self {
            is_one: asked.explains(),
            job: job.map(ToOwned::to_owned),
            runner: runner.name().to_owned(),
            request: Request::from(&settings),
        })
    }
}

impl Slotted {
    /// Looks at the slots as far as this user may.
    fn look(arbiter: &Arbiter<'_>, directory: Option<&Path>, request: &Request) -> Self {
        let of_machine = |state, findings| Self {
            view: arbiter.outlook_of_machine(request),
            waiting: Vec::new(),
            state,
            findings,
        };
        let Some(directory) = directory else {
            return of_machine(State::Usable, Vec::new());
        };
        let refused = |error| {
            let text = format!("the state of the guard cannot be used: {error}");
            Finding::refused_by_system(text, &error)
        };
        let checked = state::check_guard_dir(directory);
        let view = match checked.and_then(|()| arbiter.outlook(request)) {
            Ok(view) => view,
            Err(error) => return of_machine(State::Unusable, vec![refused(error)]),
        };
        let unwritable = fs::check_writable(directory).err();
        let state = if unwritable.is_some() {
            State::Unwritable
        } else {
            State::Usable
        };
        let mut findings: Vec<Finding> = unwritable.map(refused).into_iter().collect();
        let waiting = waiting::all(&arbiter.slots).unwrap_or_else(|error| {
            let text = format!("it cannot be told who waits: {error}");
            findings.push(Finding::refused_by_system(text, &error));
            Vec::new()
        });
        Self {
            view,
            waiting,
            state,
            findings,
        }
    }
}
