//! The plan of a run: what `--dry-run` shows and what is otherwise carried out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use grease_core::config::Config;
use grease_core::deployment::{self, Origin};
use grease_core::execution::command::{
    Command, Identity, LocalArtifact, Request, RunVariables, environment,
};
use grease_core::execution::on_kill::OnKill;
use grease_core::execution::runner::{self, Runner};
use grease_core::model::jobs::JobSettings;
use grease_core::model::{ErrorKind, JobName, RunId};
use grease_core::sys::env::Env;

use super::arguments::Arguments;
use super::caller::Caller;
use super::fetch::Bringer;
use super::halt::Halt;
use super::on_kill;
use crate::failure::Failure;
use crate::shared::sections;

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
    /// What ends that which the job started elsewhere.
    pub(super) on_kill: Option<OnKill>,
    /// What the job is given and held to.
    pub(super) settings: JobSettings,
    /// The job's whole environment.
    pub(super) environment: Env,
    /// Where the job starts; `None` for the caller's directory.
    pub(super) directory: Option<PathBuf>,
}

/// What is known of a run before its artifact is here, and so also of one that never starts.
#[derive(Debug)]
pub(super) struct Named<'a> {
    /// The job's name.
    pub(super) job: JobName,
    /// Which runs are the same job: those of the same name out of the same line of a crontab.
    pub(super) key: String,
    /// What the job is given and held to.
    pub(super) settings: JobSettings,
    runner: Box<dyn Runner + 'a>,
    /// What ARTIFACT names.
    meant: deployment::Named,
    /// The artifact, if it is a file on this machine.
    local: Option<deployment::Artifact>,
}

impl<'a> Named<'a> {
    /// Finds the runner, and names the job after it and its artifact; fetches nothing.
    pub(super) fn find(
        arguments: &Arguments,
        config: &'a Config,
        caller: &Caller,
    ) -> Result<Self, Failure> {
        let (artifact, words) = arguments.artifact_and_words();
        let runner = runner::find(arguments.runner(), &sections(config))?;
        let meant = deployment::named(&text_of(artifact)?, &caller.directory)?;
        let local = meant.local()?;
        let name = local.as_ref().map(|local| local.name.clone());
        let name = name.or_else(|| meant.name());
        let job = match &arguments.job {
            Some(given) => JobName::new(name.as_deref(), given)
                .map_err(|error| Failure::new(ErrorKind::Usage, format!("--job: {error}")))?,
            None => JobName::lossy(name.as_deref(), &runner.part(words)?),
        };
        let mut settings = config.jobs.settings(runner.name(), job.as_str());
        arguments.apply(&mut settings);
        let entry = caller.env.text("GREASE_ENTRY");
        let key = match (&arguments.key, entry) {
            (Some(given), _) => given.clone(),
            (None, Some(entry)) => format!("{entry} {job}"),
            (None, None) => job.to_string(),
        };
        Ok(Self {
            job,
            key,
            settings,
            runner,
            meant,
            local,
        })
    }

    /// The runner's name.
    pub(super) fn runner(&self) -> &str {
        self.runner.name()
    }

    /// Longest that a run of it takes to end once it is asked to.
    pub(super) fn end_max(&self) -> Duration {
        let hook = self.runner.on_kill().map(|_| on_kill::TIME_MAX);
        self.settings.grace + hook.unwrap_or_default()
    }

    /// The path of a local artifact.
    pub(super) fn spec(&self) -> Option<String> {
        self.local.as_ref().map(|local| local.spec.clone())
    }

    /// Brings the artifact here.
    pub(super) fn fetch(&mut self, bringer: &Bringer<'_>) -> Result<(), Halt> {
        if self.local.is_none() {
            self.local = bringer.bring(&self.meant)?;
        }
        Ok(())
    }
}

impl Plan {
    /// Decides what the run does, once its artifact is here; reads the jar, and writes nothing.
    pub(super) fn make(
        named: Named<'_>,
        arguments: &Arguments,
        caller: &Caller,
        run: RunId,
        scratch: &Path,
    ) -> Result<Self, Failure> {
        let (artifact, origin) = match named.local.map(taken_apart) {
            Some((artifact, origin)) => (Some(artifact), origin),
            None => (None, None),
        };
        let request = Request {
            words: arguments.artifact_and_words().1,
            artifact: artifact.as_ref(),
            scratch,
            env: &caller.env,
        };
        let command = named.runner.plan(&request)?;
        let variables = RunVariables {
            run,
            job: named.job.as_str(),
            trigger: caller.trigger.as_str(),
            artifact: artifact.as_ref(),
            scratch,
        };
        let environment = environment(&caller.env, &command, &variables);
        let in_scratch = command.in_scratch.then(|| scratch.to_owned());
        let directory = in_scratch.or_else(|| caller.job_directory.clone());
        Ok(Self {
            on_kill: named.runner.on_kill(),
            runner: named.runner.name().to_owned(),
            job: named.job,
            settings: named.settings,
            artifact,
            origin,
            command,
            environment,
            directory,
        })
    }
}

/// An artifact as execution needs it, with its name and where it came from.
fn taken_apart(found: deployment::Artifact) -> (LocalArtifact, Option<Origin>) {
    let deployment::Artifact {
        path,
        spec,
        name: _,
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
    (artifact, origin)
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

fn text_of(artifact: &OsString) -> Result<String, Failure> {
    artifact.to_str().map(ToOwned::to_owned).ok_or_else(|| {
        let text = format!(
            "the name of the artifact is not UTF-8: `{}`",
            artifact.display()
        );
        Failure::new(ErrorKind::Usage, text)
    })
}
