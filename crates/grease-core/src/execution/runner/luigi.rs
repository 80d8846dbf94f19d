//! Runner `luigi`: a Luigi workflow in the folder `python/` of the jar.

use std::ffi::OsString;

use super::{Runner, at_least_one, base_name, python};
use crate::execution::Error;
use crate::execution::command::{Command, Request};
use crate::execution::config::LuigiRunner;

/// Makes Luigi's exit code tell what happened: without these options a failed task exits 0.
/// The values are those that Luigi's documentation recommends ("Configuring", `[retcode]`).
const EXIT_CODES: [(&str, &str); 6] = [
    ("--retcode-already-running", "10"),
    ("--retcode-missing-data", "20"),
    ("--retcode-not-run", "25"),
    ("--retcode-task-failed", "30"),
    ("--retcode-scheduling-error", "35"),
    ("--retcode-unhandled-exception", "40"),
];

/// Luigi's own options that stand without a value, as `luigi --help-all` of 3.8.1 shows them;
/// after any other comes one.
const FLAGS: [&str; 15] = [
    "--assistant",
    "--help",
    "--help-all",
    "--local-scheduler",
    "--no-lock",
    "--parallel-scheduling",
    "--take-lock",
    "--worker-cache-task-completion",
    "--worker-check-complete-on-run",
    "--worker-check-unfulfilled-deps",
    "--worker-count-last-scheduled",
    "--worker-count-uniques",
    "--worker-force-multiprocessing",
    "--worker-keep-alive",
    "--worker-retry-external-tasks",
];

/// Python with `LuigiRunner.command` in front.
#[derive(Debug)]
pub(super) struct Luigi<'a> {
    pub(super) section: &'a LuigiRunner,
}

impl Runner for Luigi<'_> {
    fn name(&self) -> &'static str {
        "luigi"
    }

    fn summary(&self) -> &'static str {
        "a Luigi workflow in the folder python/ of the jar"
    }

    fn part(&self, words: &[OsString]) -> Result<String, Error> {
        let named = task(at_least_one(words, "luigi")?);
        let command = self.section.command.as_slice();
        Ok(named.unwrap_or_else(|| base_name(command[0].as_ref())))
    }

    fn plan(&self, request: &Request<'_>) -> Result<Command, Error> {
        let command = self.section.command.as_slice();
        let arguments = at_least_one(request.words, "luigi")?;
        let mut words: Vec<_> = command.iter().map(Into::into).collect();
        // In front of the job's own options, so that one given there wins.
        words.extend(
            EXIT_CODES
                .iter()
                .flat_map(|(option, code)| [option.into(), code.into()]),
        );
        words.extend(arguments.iter().cloned());
        python::plan(request, "luigi", words)
    }
}

/// The task that a Luigi command line starts: `--task NAME`, else its first free word.
fn task(arguments: &[OsString]) -> Option<String> {
    let mut free = None;
    let mut rest = arguments.iter().map(|argument| argument.to_string_lossy());
    while let Some(argument) = rest.next() {
        if let Some(name) = argument.strip_prefix("--task=") {
            return Some(name.to_owned());
        }
        if argument == "--task" {
            return rest.next().map(Into::into);
        }
        if argument.starts_with('-') {
            if !argument.contains('=') && !FLAGS.contains(&argument.as_ref()) {
                rest.next();
            }
        } else if free.is_none() {
            free = Some(argument.into_owned());
        }
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_is_found_wherever_it_stands() {
        for (line, expected) in [
            ("--module jobs Top --day 2026-11-24", Some("Top")),
            ("Top --module jobs", Some("Top")),
            ("--local-scheduler Top --module jobs", Some("Top")),
            ("--module=jobs --no-lock pkg.Top", Some("pkg.Top")),
            ("--module jobs --task Top", Some("Top")),
            ("x --task=Top", Some("Top")),
            ("--module jobs", None),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(task(&words).as_deref(), expected, "{line}");
        }
    }
}
