//! Our side: a user with settings, a local repository and a cache.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use jiff::ZonedDateTime;
use maven_fetch::coordinates::{Coordinates, Defaults, Order};
use maven_fetch::fetch::{FetchError, Fetched, Fetcher, Occasion, Preferences};
use maven_fetch::local::LocalRepository;
use maven_fetch::repository::Repository;
use maven_fetch::settings::{self, Settings, Surroundings};
use maven_fetch::state::State;

use crate::cases::{Case, Source};
use crate::outcome::Outcome;

/// A user of ours.
pub(crate) struct User {
    home: PathBuf,
    local: LocalRepository,
    state: State,
}

impl User {
    /// A user whose things are below `home`; the local repository is `m2`.
    pub(crate) fn at(home: &Path) -> Self {
        let state = State::new(&home.join("cache"));
        let head = home.join("m2");
        let own = state.own_repository(&head);
        Self {
            home: home.to_owned(),
            local: LocalRepository::new(head, own, Vec::new()),
            state,
        }
    }

    /// The local repository.
    pub(crate) fn head(&self) -> &Path {
        self.local.head()
    }

    /// Fetches what a case asks for, from repositories below `remotes`.
    pub(crate) fn fetch(
        &self,
        case: &Case,
        remotes: &Path,
        preferences: Preferences,
    ) -> Result<Fetched, FetchError> {
        let repositories = self.repositories(&profile(case.sources, remotes));
        // Without the field, so that a packaging may stand for a classifier.
        let coordinates = case.coordinates.trim_end_matches(':');
        self.fetch_from(&repositories, coordinates, preferences)
    }

    /// Fetches what is asked for in the order of the dependency plugin.
    pub(crate) fn fetch_from(
        &self,
        repositories: &[Repository],
        coordinates: &str,
        preferences: Preferences,
    ) -> Result<Fetched, FetchError> {
        let cancel = AtomicBool::new(false);
        let mut occasion = Occasion {
            now: ZonedDateTime::now(),
            cancel: &cancel,
            progress: &mut |_, _| {},
        };
        self.fetch_on(repositories, coordinates, preferences, &mut occasion)
    }

    /// Fetches on an occasion of the caller's.
    pub(crate) fn fetch_on(
        &self,
        repositories: &[Repository],
        coordinates: &str,
        preferences: Preferences,
        occasion: &mut Occasion<'_>,
    ) -> Result<Fetched, FetchError> {
        let coordinates =
            Coordinates::parse_as(Order::Plugin, coordinates, &Defaults::default()).unwrap();
        let fetcher = Fetcher {
            repositories,
            local: &self.local,
            state: &self.state,
            preferences,
        };
        fetcher.fetch(&coordinates, occasion)
    }

    /// The repositories that settings with this content name.
    pub(crate) fn repositories(&self, text: &str) -> Vec<Repository> {
        fs_err::create_dir_all(&self.home).unwrap();
        let file = self.home.join("settings.xml");
        fs_err::write(&file, format!("<settings>{text}</settings>")).unwrap();
        let surroundings = Surroundings {
            home: self.home.clone(),
            user_settings: Some(file),
            ..Surroundings::default()
        };
        let settings = Settings::load(surroundings).unwrap();
        settings::repositories(&settings, &[]).unwrap().0
    }
}

/// An active profile with repositories, as settings have it.
pub(crate) fn profile(sources: &[Source], remotes: &Path) -> String {
    let mut repositories = String::new();
    for source in sources {
        let elements = source.elements(remotes);
        write!(repositories, "<repository>{elements}</repository>").unwrap();
    }
    format!(
        "<profiles><profile><id>p</id><repositories>{repositories}</repositories></profile>\
         </profiles><activeProfiles><activeProfile>p</activeProfile></activeProfiles>"
    )
}

/// What we made of it.
pub(crate) fn outcome(result: &Result<Fetched, FetchError>) -> Outcome {
    match result {
        Ok(fetched) => Outcome::File {
            name: fetched.artifact.file_name(),
            bytes: fs_err::read(&fetched.path).unwrap(),
        },
        Err(error) => Outcome::Nothing(error.to_string()),
    }
}
