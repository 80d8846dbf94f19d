//! Runner `python`: the folder `python/` of the jar is unpacked and becomes the place to run.

use std::ffi::OsString;
use std::path::Path;

use super::{Runner, at_least_one, base_name};
use crate::execution::Error;
use crate::execution::command::{Command, Request};
use crate::jar::Selection;

/// The folder of the jar that holds the job.
const FOLDER: &str = "python";

/// Runs the words in a scratch directory that holds the content of `python/`.
#[derive(Debug)]
pub(super) struct Python;

impl Runner for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn summary(&self) -> &'static str {
        "a command in the unpacked folder python/ of the jar"
    }

    fn part(&self, words: &[OsString]) -> Result<String, Error> {
        Ok(script(at_least_one(words, "python")?))
    }

    fn plan(&self, request: &Request<'_>) -> Result<Command, Error> {
        let words = at_least_one(request.words, "python")?;
        plan(request, "python", words.to_vec())
    }
}

/// The plan that all runners share whose jobs live in `python/`.
pub(super) fn plan(
    request: &Request<'_>,
    runner: &'static str,
    words: Vec<OsString>,
) -> Result<Command, Error> {
    let jar_path = request.artifact(runner)?.path.clone();
    let folder = Selection::Folder {
        name: FOLDER.to_owned(),
    };
    let mut environment = vec![
        (
            "PYTHONPATH",
            request.appended("PYTHONPATH", ":", &request.scratch.to_string_lossy()),
        ),
        ("PLATFORM_ARTIFACT_SPEC", jar_path.into()),
    ];
    // Python holds output back when it goes into a pipe: the last lines before a crash.
    if request.env.raw("PYTHONUNBUFFERED").is_none() {
        environment.push(("PYTHONUNBUFFERED", "1".into()));
    }
    Ok(Command {
        unpack: Some(request.select(runner, &folder)?),
        words,
        environment,
        in_scratch: true,
        notices: Vec::new(),
    })
}

/// What `python x.py`, `python -m x` and `./x.py` are called: the script or module.
fn script(words: &[OsString]) -> String {
    let first = base_name(&words[0]);
    if !first.starts_with("python") {
        return first;
    }
    let mut arguments = words[1..].iter();
    while let Some(argument) = arguments.next() {
        match argument.to_string_lossy().as_ref() {
            "-m" => return arguments.next().map_or(first, |module| base_name(module)),
            // Python's options with a separate value.
            "-W" | "-X" | "--check-hash-based-pycs" => {
                arguments.next();
            }
            "-c" => return first,
            option if option.starts_with('-') => {}
            script if Path::new(script).extension().is_some() => return base_name(argument),
            _ => return first,
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_called_by_its_script_or_module() {
        for (line, expected) in [
            ("python jobs/load.py --day 1", "load.py"),
            ("python3 -u -X dev -m jobs.load", "jobs.load"),
            ("python3.11 -c pass x.py", "python3.11"),
            ("./bin/load.py x", "load.py"),
            ("sh x.py", "sh"),
            ("python -m", "python"),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(script(&words), expected, "{line}");
        }
    }
}
