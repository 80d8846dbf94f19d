//! `greasestatus check`: is the config right, and where do artifacts come from?

use grease_core::config::{self, Config};
use grease_core::sys::env::Env;
use grease_core::sys::host;

use super::arguments::Check;
use super::artifacts::Artifacts;
use super::finding::{self, Finding};
use super::report::Report;
use crate::shared::Shared;
use crate::terminal::{self, Terminal};

/// Checks, tells, and gives the exit code.
pub(super) fn run(shared: &Shared, check: &Check, env: &Env, terminal: Terminal) -> u8 {
    let mut findings = Vec::new();
    let account = host::account();
    let config = load(shared, env, &mut findings);
    let artifacts =
        config.and_then(|config| Artifacts::look(&config, check, env, &account, &mut findings));
    let report = Report {
        config_file: &shared.config_file,
        findings: &findings,
        artifacts: artifacts.as_ref(),
    };
    if check.json {
        terminal::print(&format!("{:#}\n", report.json()));
    } else if shared.quiet {
        terminal.print(&report.problems());
    } else {
        terminal.print(&report.text());
    }
    finding::exit_code(&findings)
}

/// Loads the config, with all that is wrong in it; none if it cannot be used.
fn load(shared: &Shared, env: &Env, findings: &mut Vec<Finding>) -> Option<Config> {
    match shared.load_config(env) {
        Ok(loaded) => {
            findings.extend(loaded.warnings.iter().map(Finding::odd));
            Some(loaded.config)
        }
        Err(config::Error::Invalid {
            problems, warnings, ..
        }) => {
            let refused = problems.iter().map(|one| (one.line, Finding::refused(one)));
            let odd = warnings.iter().map(|one| (one.line, Finding::odd(one)));
            let mut all: Vec<(usize, Finding)> = refused.chain(odd).collect();
            all.sort_by_key(|(line, _)| *line);
            findings.extend(all.into_iter().map(|(_, finding)| finding));
            None
        }
        Err(error) => {
            findings.push(Finding::error(&error));
            None
        }
    }
}
