//! Where artifacts come from and where they are put, as the config and Maven's settings say it
//! together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use maven_fetch::local::LocalRepository;
use maven_fetch::repository::Repository;
use maven_fetch::settings::{self, OwnRepository, Settings, Surroundings};
use maven_fetch::state::State;
use maven_fetch::transport::display_address;

use super::config::Artifacts;
use super::maven::{Error, Setting};
use crate::sys::env::Env;

/// Where Maven's installation may have its settings, after `$MAVEN_HOME/conf`.
const INSTALLATIONS: [&str; 2] = ["/etc/maven", "/usr/share/maven/conf"];

/// Where artifacts come from and where they are put.
#[derive(Debug)]
pub struct Sources {
    pub(super) settings: Settings,
    /// Who is asked, in this order.
    pub(super) repositories: Vec<Repository>,
    pub(super) warnings: Vec<settings::Warning>,
    pub(super) local: LocalRepository,
    /// Local repositories that are only read.
    pub(super) tails: Vec<PathBuf>,
    pub(super) state: State,
}

/// A repository that is asked, as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The id under which its files are tracked; a mirror's own.
    pub id: String,
    /// Its address, without anything secret.
    pub url: String,
    /// Whether it is asked for released versions.
    pub releases: bool,
    /// Whether it is asked for snapshots.
    pub snapshots: bool,
    /// Groups that only it may supply.
    pub groups: Vec<String>,
    /// The ids of the repositories that it stands for, if it is a mirror.
    pub mirror_of: Vec<String>,
    /// Why it must not be asked, if so: the mirror that blocks it, and where that stands.
    pub blocked_by: Option<String>,
}

impl Sources {
    /// Reads the settings files, and decides who is asked.
    pub fn read(setting: &Setting<'_>) -> Result<Self, Error> {
        let properties = properties(setting.env);
        let settings = Settings::load(surroundings(setting, &properties))?;
        let own = own(setting.config);
        let (repositories, warnings) = match settings::repositories(&settings, &own) {
            Ok(found) => found,
            // What is here already needs no repository.
            Err(settings::Error::NoRepository) => (Vec::new(), settings.warnings.clone()),
            Err(error) => return Err(error.into()),
        };
        let configured = setting.config.local_repository.as_ref();
        let head = configured.map_or(&*settings.local_repository, |path| path.as_path());
        let state = State::new(setting.cache);
        let own = state.own_repository(head);
        let tails = tails(&properties);
        let local = LocalRepository::new(head.to_owned(), own, tails.clone());
        Ok(Self {
            settings,
            repositories,
            warnings,
            local,
            tails,
            state,
        })
    }

    /// The settings files that were read.
    pub fn settings_files(&self) -> &[PathBuf] {
        &self.settings.files
    }

    /// The local repository.
    pub fn local_repository(&self) -> &Path {
        self.local.head()
    }

    /// What is odd in the settings, though they can be used.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.iter().map(ToString::to_string).collect()
    }

    /// Who is asked, in this order.
    pub fn list(&self) -> Vec<Source> {
        let mirrored = self.settings.mirrored();
        let source = |repository: &Repository| Source {
            id: repository.id.clone(),
            url: display_address(repository, ""),
            releases: repository.releases.enabled,
            snapshots: repository.snapshots.enabled,
            groups: repository.groups.clone(),
            mirror_of: mirrored
                .iter()
                .filter(|(_, mirror)| *mirror == repository.id)
                .map(|(id, _)| id.clone())
                .collect(),
            blocked_by: repository.blocked_by.clone(),
        };
        self.repositories.iter().map(source).collect()
    }
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
