//! Artifacts out of Maven repositories: how this farm's config becomes a call of `maven_fetch`.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::ZonedDateTime;
use maven_fetch::coordinates::{Coordinates, Defaults};
use maven_fetch::download::Progress;
use maven_fetch::fetch::{FetchError, Fetched, Fetcher, Occasion, Preferences};
use maven_fetch::repository::UpdatePolicy;
use maven_fetch::resolve::{Freshness, Tolerance};
use maven_fetch::settings;
use serde::{Deserialize, Serialize};

use super::child;
use super::config::Artifacts;
pub(super) use super::refusal::Error;
use super::sources::Sources;
use crate::sys::env::Env;
use crate::sys::fs::Mounts;

/// The classifier of a job's jar, unless the coordinates say another (2014).
const CLASSIFIER: &str = "jar-with-dependencies";

/// What a fetch depends on beside the coordinates.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The section `artifacts` of the config.
    pub config: &'a Artifacts,
    /// The environment: `${env.NAME}` of the settings file, `MAVEN_HOME`, proxies.
    pub env: &'a Env,
    /// The user's home directory.
    pub home: &'a Path,
    /// Where things are remembered between two runs.
    pub cache: &'a Path,
    /// How it is done.
    pub manner: Manner,
}

/// How a fetch is done, as the command line says.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Manner {
    /// No repository is asked.
    pub offline: bool,
    /// How often repositories are asked what is newest, whatever their policies say.
    pub update: Option<Update>,
    /// What may not be the newest is an error.
    pub strict: bool,
    /// A person waits.
    pub attended: bool,
}

/// How often repositories are asked what is newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Update {
    /// Each time.
    Always,
    /// Once a day.
    Daily,
    /// Only if nothing is here.
    Never,
}

/// What happens around a fetch.
pub struct Watch<'a> {
    /// The time, in the zone whose midnights count.
    pub now: ZonedDateTime,
    /// Whether it is to be given up; asked several times a second.
    pub stop: &'a dyn Fn() -> bool,
    /// Is told the file's name, the bytes that are here, and those of the whole if known.
    pub progress: &'a mut dyn FnMut(&str, u64, Option<u64>),
}

/// Where an artifact came from, and how sure it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The version; a snapshot's with its time stamp.
    pub version: String,
    /// The id of the repository; none for what was installed here.
    pub repository: Option<String>,
    /// Size.
    pub size_bytes: u64,
    /// SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Whether it was downloaded just now.
    pub downloaded: bool,
    /// Why it may not be the newest, if so.
    pub stale: Option<Stale>,
    /// What a person should know besides.
    pub notices: Vec<String>,
}

/// Why an artifact may not be the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stale {
    /// Why.
    pub reason: String,
    /// How long ago it was certain, if it ever was.
    pub age: Option<Duration>,
}

/// An artifact that is here.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Here {
    pub(super) path: PathBuf,
    /// The specification as resolved, with all five fields.
    pub(super) spec: String,
    /// `group:artifact`.
    pub(super) name: String,
    pub(super) origin: Origin,
}

/// Reads coordinates, with the defaults of 2014.
pub(super) fn coordinates(argument: &str) -> Result<Coordinates, Error> {
    let defaults = Defaults {
        version: Some("LATEST".to_owned()),
        packaging: "jar".to_owned(),
        classifier: Some(CLASSIFIER.to_owned()),
    };
    Ok(Coordinates::parse(argument, &defaults)?)
}

/// Brings the artifact that coordinates mean.
///
/// What was answered lately is recalled here. All else is done by a child: it can be abandoned when
/// a name server or a file system over a network hangs, and its threads and memory end with it.
pub(super) fn fetch(
    argument: &str,
    coordinates: &Coordinates,
    setting: &Setting<'_>,
    watch: &mut Watch<'_>,
) -> Result<Here, Error> {
    let configured = setting.config.settings.as_ref();
    let m2 = configured.map_or_else(
        || setting.home.join(".m2"),
        |path| path.as_path().to_owned(),
    );
    let mounts = Mounts::read();
    let mut place = remote(&mounts, &[&m2]);
    if place.is_none() {
        let sources = Sources::read(setting)?;
        place = sources.remote(&mounts);
        let recalled = match place {
            None => sources.fetcher(setting).recall(coordinates, &watch.now),
            Some(_) => None,
        };
        if let Some(recalled) = recalled {
            return Ok(here(recalled, &sources.warnings));
        }
    }
    match child::fetch(argument, setting, watch) {
        Err(Error::Silent) if !setting.manner.offline => {
            // Perhaps a repository in a directory hangs, and the artifact is here.
            let manner = Manner {
                offline: true,
                ..setting.manner
            };
            let offline = Setting { manner, ..*setting };
            let mut here =
                child::fetch(argument, &offline, watch).map_err(|_| silent(place.clone()))?;
            here.origin.notices.push(silent(place).to_string());
            Ok(here)
        }
        Err(Error::Silent) => Err(silent(place)),
        other => other,
    }
}

/// What to say of a child that was given up.
fn silent(place: Option<String>) -> Error {
    Error::Hangs {
        place: place.unwrap_or_else(|| "a repository".to_owned()),
    }
}

/// The same wherever files are, for a process that can be abandoned: the artifact is copied into the
/// cache if it is on a file system over a network.
pub(super) fn fetch_to_local_disk(
    coordinates: &Coordinates,
    setting: &Setting<'_>,
    watch: &mut Watch<'_>,
) -> Result<Here, Error> {
    let sources = Sources::read(setting)?;
    let mut here = sources.fetch(coordinates, setting, watch)?;
    if Mounts::read().remote(&here.path).is_some() {
        here.path = sources
            .state
            .keep(&here.path, &here.origin.sha256)
            .map_err(|source| Error::Copy {
                path: here.path.clone(),
                source,
            })?;
    }
    Ok(here)
}

/// The first of some paths that is on a file system over a network, with the kind of that.
fn remote(mounts: &Mounts, paths: &[&Path]) -> Option<String> {
    paths.iter().find_map(|path| {
        let kind = mounts.remote(path)?;
        Some(format!("{} ({kind})", path.display()))
    })
}

impl Sources {
    /// A place that is on a file system over a network, if there is one.
    fn remote(&self, mounts: &Mounts) -> Option<String> {
        let directories = self
            .repositories
            .iter()
            .filter_map(|one| one.url.to_file_path().ok());
        let directories: Vec<PathBuf> = directories
            .chain([self.local.head().to_owned()])
            .chain(self.tails.iter().cloned())
            .collect();
        let paths: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
        remote(mounts, &paths)
    }

    fn fetcher<'a>(&'a self, setting: &Setting<'_>) -> Fetcher<'a> {
        Fetcher {
            repositories: &self.repositories,
            local: &self.local,
            state: &self.state,
            preferences: preferences(setting, self.settings.offline),
        }
    }

    fn fetch(
        &self,
        coordinates: &Coordinates,
        setting: &Setting<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Here, Error> {
        let progress = &mut *watch.progress;
        let outcome = self.fetcher(setting).fetch(
            coordinates,
            &mut Occasion {
                now: watch.now.clone(),
                cancel: &AtomicBool::new(false), // This process is ended as a whole.
                progress: &mut |artifact, state: Progress| {
                    progress(
                        &artifact.file_name(),
                        state.received_bytes,
                        state.total_bytes,
                    );
                },
            },
        );
        match outcome {
            Ok(found) => Ok(here(found, &self.warnings)),
            Err(error) if self.repositories.is_empty() && is_for_want_of_any(&error) => {
                Err(Error::NoRepository)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a repository might have helped.
fn is_for_want_of_any(error: &FetchError) -> bool {
    use maven_fetch::ErrorKind::{Config, NotFound};
    matches!(error.kind(), Config | NotFound)
}

fn preferences(setting: &Setting<'_>, settings_offline: bool) -> Preferences {
    let Manner {
        offline,
        update,
        strict,
        attended,
    } = setting.manner;
    Preferences {
        offline: offline || settings_offline,
        update: update.map(|update| match update {
            Update::Always => UpdatePolicy::Always,
            Update::Daily => UpdatePolicy::Daily,
            Update::Never => UpdatePolicy::Never,
        }),
        tolerance: Tolerance {
            strict,
            age_max: setting.config.max_stale.limit().unwrap_or(Duration::MAX),
        },
        attended,
        ..Preferences::default()
    }
}

fn here(fetched: Fetched, warnings: &[settings::Warning]) -> Here {
    let stale = match fetched.freshness {
        Freshness::Fresh => None,
        Freshness::Stale { reason, age } => Some(Stale {
            reason: reason.to_string(),
            age,
        }),
    };
    let of_settings = warnings.iter().map(ToString::to_string);
    let of_fetch = fetched.notices.iter().map(ToString::to_string);
    let notices = of_settings.chain(of_fetch).collect();
    let artifact = fetched.artifact;
    Here {
        path: fetched.path,
        spec: artifact.to_string(),
        name: format!("{}:{}", artifact.group, artifact.artifact),
        origin: Origin {
            version: artifact.version,
            repository: fetched.repository,
            size_bytes: fetched.size_bytes,
            sha256: fetched.sha256,
            downloaded: fetched.downloaded,
            stale,
            notices,
        },
    }
}
