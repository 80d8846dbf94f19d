//! Artifacts out of Maven repositories: how this farm's config becomes a call of `maven_fetch`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::ZonedDateTime;
use maven_fetch::coordinates::{Coordinates, CoordinatesError, Defaults};
use maven_fetch::download::Progress;
use maven_fetch::fetch::{FetchError, Fetched, Fetcher, Occasion, Preferences};
use maven_fetch::local::LocalRepository;
use maven_fetch::repository::UpdatePolicy;
use maven_fetch::resolve::{Freshness, Tolerance};
use maven_fetch::settings::{self, OwnRepository, Settings, Surroundings};
use maven_fetch::state::State;

use super::config::Artifacts;
use crate::model::{ErrorKind, Explain};
use crate::sys::env::Env;

/// The classifier of a job's jar, unless the coordinates say another (2014).
const CLASSIFIER: &str = "jar-with-dependencies";

/// Where Maven's installation may have its settings, after `$MAVEN_HOME/conf`.
const INSTALLATIONS: [&str; 2] = ["/etc/maven", "/usr/share/maven/conf"];

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
#[derive(Debug, Clone, Copy, Default)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Set from outside to end it.
    pub cancel: &'a AtomicBool,
    /// Is told the file's name, the bytes that are here, and those of the whole if known.
    pub progress: &'a mut dyn FnMut(&str, u64, Option<u64>),
}

/// Where an artifact came from, and how sure it is.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// Why.
    pub reason: String,
    /// How long ago it was certain, if it ever was.
    pub age: Option<Duration>,
}

/// An artifact that is here.
#[derive(Debug)]
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
pub(super) fn fetch(
    coordinates: &Coordinates,
    setting: &Setting<'_>,
    watch: &mut Watch<'_>,
) -> Result<Here, Error> {
    let properties = properties(setting.env);
    let settings = Settings::load(surroundings(setting, &properties))?;
    let (repositories, warnings) = match settings::repositories(&settings, &own(setting.config)) {
        Ok(found) => found,
        // What is here already needs no repository.
        Err(settings::Error::NoRepository) => (Vec::new(), Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let configured = setting.config.local_repository.as_ref();
    let head = configured.map_or(&*settings.local_repository, |path| path.as_path());
    let state = State::new(setting.cache);
    let own = state.own_repository(head);
    let fetcher = Fetcher {
        repositories: &repositories,
        local: &LocalRepository::new(head.to_owned(), own, tails(&properties)),
        state: &state,
        preferences: preferences(setting, settings.offline),
    };
    let progress = &mut *watch.progress;
    let outcome = fetcher.fetch(
        coordinates,
        &mut Occasion {
            now: watch.now.clone(),
            cancel: watch.cancel,
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
        Ok(found) => Ok(here(found, &warnings)),
        Err(error) if repositories.is_empty() && is_for_want_of_any(&error) => {
            Err(Error::NoRepository)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a repository might have helped.
fn is_for_want_of_any(error: &FetchError) -> bool {
    use maven_fetch::ErrorKind::{Config, NotFound};
    matches!(error.kind(), Config | NotFound)
}

/// What the settings are read from and depend on.
fn surroundings(setting: &Setting<'_>, properties: &BTreeMap<String, String>) -> Surroundings {
    let environment: BTreeMap<String, String> = setting
        .env
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
        .collect();
    let installation = environment.get("MAVEN_HOME");
    let installation = installation.map(|home| Path::new(home).join("conf"));
    let installation_settings = installation
        .into_iter()
        .chain(INSTALLATIONS.map(PathBuf::from))
        .map(|directory| directory.join("settings.xml"))
        .collect();
    let user_settings = setting.config.settings.as_ref();
    Surroundings {
        home: setting.home.to_owned(),
        environment,
        properties: properties.clone(),
        user_settings: user_settings.map(|path| path.as_path().to_owned()),
        global_settings: None,
        installation_settings,
    }
}

/// What `mvn` is given as `-DNAME=VALUE` in each of its calls: `MAVEN_OPTS`, `MAVEN_ARGS`.
fn properties(env: &Env) -> BTreeMap<String, String> {
    let words = ["MAVEN_OPTS", "MAVEN_ARGS"]
        .into_iter()
        .filter_map(|name| shlex::split(env.text(name)?))
        .flatten();
    words
        .filter_map(|word| {
            let (name, value) = word.strip_prefix("-D")?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Local repositories that are only read (`maven.repo.local.tail` of Maven 3.9).
fn tails(properties: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let tails = properties.get("maven.repo.local.tail");
    let tails = tails
        .map(|tails| tails.split(',').map(str::trim))
        .into_iter();
    tails
        .flatten()
        .filter(|tail| !tail.is_empty())
        .map(PathBuf::from)
        .collect()
}

fn own(config: &Artifacts) -> Vec<OwnRepository> {
    config
        .repositories
        .iter()
        .map(|repository| OwnRepository {
            groups: repository.groups.clone(),
            ..OwnRepository::new(&repository.id, &repository.url)
        })
        .collect()
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
            age_max: setting.config.max_stale.get(),
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

/// Why an artifact does not come out of a repository.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// They are no coordinates.
    #[error(transparent)]
    Coordinates(#[from] CoordinatesError),
    /// The settings file is of no use.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// It is not here, and there is nobody to ask.
    #[error("no Maven repository is configured")]
    NoRepository,
    /// It cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// What is missing when no repository is configured.
const NO_REPOSITORY: &str = "\
none is built in, not even `central`; add to the config (/etc/scalegrease.json)
  \"artifacts\": {\"repositories\": [{\"id\": \"releases\", \"url\": \"https://HOST/PATH/\"}]}
or to ~/.m2/settings.xml, as for mvn
  <settings><profiles><profile><id>jobs</id>
    <activation><activeByDefault>true</activeByDefault></activation>
    <repositories>
      <repository><id>releases</id><url>https://HOST/PATH/</url></repository>
    </repositories>
  </profile></profiles></settings>";

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        let kind = match self {
            Self::Coordinates(error) => error.kind(),
            Self::Settings(error) => error.kind(),
            Self::NoRepository => maven_fetch::ErrorKind::Config,
            Self::Fetch(error) => error.kind(),
        };
        match kind {
            maven_fetch::ErrorKind::Usage => ErrorKind::Usage,
            maven_fetch::ErrorKind::Config => ErrorKind::Config,
            maven_fetch::ErrorKind::NotFound => ErrorKind::Unavailable,
            maven_fetch::ErrorKind::Unreachable => ErrorKind::Unreachable,
            maven_fetch::ErrorKind::BadContent => ErrorKind::BadInput,
            maven_fetch::ErrorKind::Credentials => ErrorKind::Permission,
            maven_fetch::ErrorKind::Io => ErrorKind::Io,
            maven_fetch::ErrorKind::Cancelled => ErrorKind::NotNow,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Coordinates(error) => error.hint(),
            Self::Settings(error) => error.hint().map(ToOwned::to_owned),
            Self::NoRepository => Some(NO_REPOSITORY.to_owned()),
            Self::Fetch(error) => error.hint(),
        }
    }
}
