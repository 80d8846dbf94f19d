//! The plan of a run: what is unpacked, what is executed, where and with what environment.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::Error;
use super::placeholder::{Values, substitute};
use crate::jar::{Jar, Selection, UnpackPlan};
use crate::model::RunId;
use crate::sys::env::Env;

/// What a runner is given to make a plan of.
#[derive(Debug)]
pub struct Request<'a> {
    /// The words after ARTIFACT.
    pub words: &'a [OsString],
    /// The artifact; absent for `-`.
    pub artifact: Option<&'a LocalArtifact>,
    /// The scratch directory of the run, which need not exist yet.
    pub scratch: &'a Path,
    /// The environment of the caller.
    pub env: &'a Env,
}

/// A jar on this machine.
#[derive(Debug)]
pub struct LocalArtifact {
    /// Absolute path.
    pub path: PathBuf,
    /// The specification as resolved: coordinates, or the path of a local file.
    pub spec: String,
    /// The open jar; `None` for a file that is no archive and need not be one.
    pub jar: Option<Jar>,
    /// Version and SHA-256 of one that is known under its coordinates.
    pub identity: Option<Identity>,
}

/// What tells an artifact from all others.
#[derive(Debug)]
pub struct Identity {
    /// The version; a snapshot's with its time stamp.
    pub version: String,
    /// SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// What a run will do, decided before anything is done; `--dry-run` prints it.
#[derive(Debug, Default)]
pub struct Command {
    /// What is unpacked into the scratch directory.
    pub unpack: Option<UnpackPlan>,
    /// Program and arguments.
    pub words: Vec<OsString>,
    /// Variables set for the job beside those of every run.
    pub environment: Vec<(&'static str, OsString)>,
    /// The job starts in its scratch directory instead of the caller's directory.
    pub in_scratch: bool,
    /// What a person should know about this plan.
    pub notices: Vec<String>,
}

impl Request<'_> {
    /// What placeholders stand for in this run.
    fn values(&self) -> Values<'_> {
        Values {
            jar_path: self.artifact.and_then(|artifact| artifact.path.to_str()),
            artifact_spec: self.artifact.map(|artifact| artifact.spec.as_str()),
        }
    }

    /// The artifact, for a runner that cannot do without.
    pub fn artifact(&self, runner: &'static str) -> Result<&LocalArtifact, Error> {
        self.artifact.ok_or(Error::ArtifactNeeded { runner })
    }

    /// The open jar, for a runner that cannot do without.
    pub fn jar(&self, runner: &'static str) -> Result<&Jar, Error> {
        let artifact = self.artifact(runner)?;
        let missing = || Error::NotAJar {
            runner,
            path: artifact.path.clone(),
        };
        artifact.jar.as_ref().ok_or_else(missing)
    }

    /// A word with its placeholders replaced; one that is no UTF-8 is left as it is.
    pub fn substitute(&self, word: &OsStr) -> Result<OsString, Error> {
        match word.to_str() {
            Some(text) => substitute(text, self.values()).map(Into::into),
            None => Ok(word.to_owned()),
        }
    }

    /// Plans to unpack a part of the jar.
    pub fn select(&self, runner: &'static str, selection: &Selection) -> Result<UnpackPlan, Error> {
        self.jar(runner)?
            .select(selection)
            .map_err(|source| Error::Jar { source })
    }

    /// The value of a variable with something appended after `separator`.
    pub fn appended(&self, variable: &str, separator: &str, value: &str) -> OsString {
        match self.env.raw(variable) {
            Some(held) if !held.is_empty() => {
                let mut joined = held.to_owned();
                joined.push(separator);
                joined.push(value);
                joined
            }
            _ => value.into(),
        }
    }
}

/// The variables that every job gets.
pub struct RunVariables<'a> {
    /// The run's id.
    pub run: RunId,
    /// The job's name.
    pub job: &'a str,
    /// Why the run was started: `scheduled`, `manual` or `ci`.
    pub trigger: &'static str,
    /// The artifact, if there is one.
    pub artifact: Option<&'a LocalArtifact>,
    /// The run's scratch directory.
    pub scratch: &'a Path,
}

/// The trace that the job's own spans belong to, with the run as their parent
/// (<https://www.w3.org/TR/trace-context/>).
///
/// A trace that the caller is part of goes on, else the run's id is that of the trace.
fn traceparent(run: RunId, given: Option<&str>) -> String {
    let bits = run.as_uuid().as_u128();
    let span = u64::try_from(bits & u128::from(u64::MAX)).expect("64 bits");
    let is_id = |text: &str, digits: usize| {
        let is_hex = text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        text.len() == digits && is_hex && text.bytes().any(|byte| byte != b'0')
    };
    let given = given.and_then(|given| {
        let fields: Vec<&str> = given.split('-').collect();
        let [version, trace, parent, flags] = fields[..] else {
            return None;
        };
        let is_whole = version == "00" && is_id(trace, 32) && is_id(parent, 16);
        (is_whole && flags.len() == 2).then(|| (trace.to_owned(), flags.to_owned()))
    });
    let (trace, flags) = given.unwrap_or_else(|| (format!("{bits:032x}"), "01".to_owned()));
    format!("00-{trace}-{span:016x}-{flags}")
}

/// Composes the environment of a job out of the caller's.
///
/// `GREASE_SCHEDULE` stays behind: a run that a job starts is not scheduled itself.
pub fn environment(caller: &Env, command: &Command, run: &RunVariables<'_>) -> Env {
    let mut env = caller.clone();
    env.remove("GREASE_SCHEDULE");
    env.set("GREASE_RUN_ID", run.run.to_string());
    env.set(
        "TRACEPARENT",
        traceparent(run.run, caller.text("TRACEPARENT")),
    );
    env.set("GREASE_JOB", run.job);
    env.set("GREASE_TRIGGER", run.trigger);
    env.set("GREASE_SCRATCH_DIR", run.scratch);
    // Those of an outer run are not this one's.
    for name in [
        "GREASE_JAR",
        "GREASE_ARTIFACT",
        "GREASE_VERSION",
        "GREASE_JAR_SHA256",
    ] {
        env.remove(name);
    }
    if let Some(artifact) = run.artifact {
        env.set("GREASE_JAR", &artifact.path);
        env.set("GREASE_ARTIFACT", &artifact.spec);
        if let Some(identity) = &artifact.identity {
            env.set("GREASE_VERSION", &identity.version);
            env.set("GREASE_JAR_SHA256", &identity.sha256);
        }
    }
    for (name, value) in &command.environment {
        env.set(*name, value);
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_begins_with_the_run_or_goes_on() {
        let run: RunId = "01KB00000000000000000000AB".parse().unwrap();
        let own = format!("00-{}-{}-01", run.as_uuid().simple(), "000000000000014b");
        assert_eq!(traceparent(run, None), own);
        for broken in [
            "",
            "00",
            "00-0-0-01",
            "x",
            "00-00000000000000000000000000000000-00f067aa0bb902b7-01",
        ] {
            assert_eq!(traceparent(run, Some(broken)), own, "{broken}");
        }
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0bb902b7-00";
        assert_eq!(
            traceparent(run, Some(given)),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-000000000000014b-00"
        );
    }
}
