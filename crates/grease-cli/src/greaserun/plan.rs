//! The plan of a run: what `--dry-run` shows and what is otherwise carried out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use grease_core::config::Config;
use grease_core::deployment::{self, Origin};
use grease_core::execution::command::{
    Command, Identity, LocalArtifact, Request, RunVariables, environment,
};
use grease_core::execution::runner::{self, Runner, Sections};
use grease_core::model::jobs::JobSettings;
use grease_core::model::{ErrorKind, JobName, RunId};
use grease_core::sys::env::Env;

use super::arguments::Arguments;
use super::caller::Caller;
use super::fetch;
use super::report::Report;
use crate::failure::Failure;

/// Everything that is decided before anything is done.
#[derive(Debug)]
pub(super) struct Plan {
    /// The job's name.
    pub(super) job: JobName,
    /// The runner's name.
    pub(super) runner: String,
    /// The artifact, if there is one.
    pub(super) artifact: Option<LocalArtifact>,
    /// Where the artifact came from, unless it is a local file.
    pub(super) origin: Option<Origin>,
    /// What is unpacked and executed.
    pub(super) command: Command,
    /// What the job is given and held to.
    pub(super) settings: JobSettings,
    /// The job's whole environment.
    pub(super) environment: Env,
    /// Where the job starts; `None` for the caller's directory.
    pub(super) directory: Option<PathBuf>,
}

/// What is known of a run before it is planned, and so also of one whose plan fails.
#[derive(Debug)]
pub(super) struct Named<'a> {
    /// The job's name.
    pub(super) job: JobName,
    runner: Box<dyn Runner + 'a>,
    artifact: Option<LocalArtifact>,
    origin: Option<Origin>,
}

impl<'a> Named<'a> {
    /// Finds the runner, brings the artifact here, and names the job after them.
    pub(super) fn find(
        arguments: &Arguments,
        config: &'a Config,
        caller: &Caller,
        scratch: &Path,
        report: &Report<'_>,
    ) -> Result<Self, Failure> {
        let (artifact, words) = arguments.artifact_and_words();
        let runner = runner::find(arguments.runner(), &sections(config))?;
        let named = deployment::named(&text_of(artifact)?, &caller.directory)?;
        let found = fetch::bring(&named, arguments, config, caller, report)?;
        let (name, artifact, origin) = match found {
            Some(found) => {
                let (name, artifact, origin) = taken_apart(found);
                (Some(name), Some(artifact), origin)
            }
            None => (None, None, None),
        };
        let request = Request {
            words,
            artifact: artifact.as_ref(),
            scratch,
            env: &caller.env,
        };
        let job = match &arguments.job {
            Some(given) => JobName::new(name.as_deref(), given)
                .map_err(|error| Failure::new(ErrorKind::Usage, format!("--job: {error}")))?,
            None => JobName::lossy(name.as_deref(), &runner.part(&request)?),
        };
        Ok(Self {
            job,
            runner,
            artifact,
            origin,
        })
    }
}

impl Plan {
    /// Decides what the run does; reads the jar, and writes nothing.
    pub(super) fn make(
        named: Named<'_>,
        arguments: &Arguments,
        config: &Config,
        caller: &Caller,
        run: RunId,
        scratch: &Path,
    ) -> Result<Self, Failure> {
        let Named {
            job,
            runner,
            artifact,
            origin,
        } = named;
        let request = Request {
            words: arguments.artifact_and_words().1,
            artifact: artifact.as_ref(),
            scratch,
            env: &caller.env,
        };
        let command = runner.plan(&request)?;
        let mut settings = config.jobs.settings(runner.name(), job.as_str());
        arguments.apply(&mut settings);
        let variables = RunVariables {
            run,
            job: job.as_str(),
            trigger: caller.trigger.as_str(),
            artifact: artifact.as_ref(),
            scratch,
        };
        let environment = environment(&caller.env, &command, &variables);
        let in_scratch = command.in_scratch.then(|| scratch.to_owned());
        let directory = in_scratch.or_else(|| caller.job_directory.clone());
        let runner = runner.name().to_owned();
        Ok(Self {
            job,
            runner,
            artifact,
            origin,
            command,
            settings,
            environment,
            directory,
        })
    }
}

/// An artifact as execution needs it, with its name and where it came from.
fn taken_apart(found: deployment::Artifact) -> (String, LocalArtifact, Option<Origin>) {
    let deployment::Artifact {
        path,
        spec,
        name,
        jar,
        origin,
    } = found;
    let identity = origin.as_ref().map(|origin| Identity {
        version: origin.version.clone(),
        sha256: origin.sha256.clone(),
    });
    let artifact = LocalArtifact {
        path,
        spec,
        jar,
        identity,
    };
    (name, artifact, origin)
}

/// The name under which a run is recorded whose artifact or runner was not found.
pub(super) fn fallback_name(arguments: &Arguments) -> JobName {
    let (artifact, words) = arguments.artifact_and_words();
    let base = |word: &OsString| {
        let name = Path::new(word).file_name().unwrap_or(word);
        name.to_string_lossy().into_owned()
    };
    let artifact = artifact
        .to_str()
        .and_then(deployment::name_in)
        .or_else(|| (artifact != "-").then(|| base(artifact)));
    let part = arguments.job.clone().or_else(|| words.first().map(base));
    JobName::lossy(artifact.as_deref(), part.as_deref().unwrap_or("unknown"))
}

/// The sections of the config that runners live by.
pub(super) fn sections(config: &Config) -> Sections<'_> {
    Sections {
        hadoop: &config.hadoop_runner,
        luigi: &config.luigi_runner,
        custom: &config.runners,
    }
}

fn text_of(artifact: &OsString) -> Result<String, Failure> {
    artifact.to_str().map(ToOwned::to_owned).ok_or_else(|| {
        let text = format!(
            "the name of the artifact is not UTF-8: `{}`",
            artifact.display()
        );
        Failure::new(ErrorKind::Usage, text)
    })
}
