//! `settings.xml` of the user and of the installation, and the repositories that they make.
//!
//! [`Settings::load`] reads the files; [`repositories`] decides which repositories are asked, in
//! which order, as whom and through which proxy. Nothing of the machine is looked at but what
//! [`Surroundings`] says, and files are read within limits.
//!
//! Where this differs from Maven 3:
//!
//! - No repository is built in. `central` is asked where a profile declares it or a mirror stands
//!   for it (`mirrorOf` `central`, `*` or the like), and not otherwise.
//! - A placeholder without a value in something that is used, and a password that cannot be
//!   decrypted, are errors. Maven sends them as they are written.
//! - `offline` of the installation counts where the user's settings say nothing.
//! - Blanks around the commas of `mirrorOf` and the bars of `nonProxyHosts` do not count.
//! - Activation of profiles by JDK, system or file is not looked at, and said so.
//! - `~/.netrc`, and the proxies of the environment where settings have none, are used too.

mod address;
mod cipher;
mod document;
mod effective;
mod error;
mod interpolation;
mod mirrors;
mod model;
mod netrc;
mod passwords;
mod policies;
mod profiles;
mod proxies;
mod surroundings;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use document::Place;
pub use effective::{OwnRepository, repositories};
pub use error::{Error, Origin, Warning};
pub use surroundings::Surroundings;

use document::Source;
use model::{Declared, Mirror, Model, ProxyEntry, Server};

/// What the settings of user and installation say together.
#[derive(Debug)]
pub struct Settings {
    /// The local repository: by `maven.repo.local`, by settings, or `~/.m2/repository`.
    pub local_repository: PathBuf,
    /// Whether the network must not be used.
    pub offline: bool,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// What is odd in them; [`repositories`] gives these too.
    pub warnings: Vec<Warning>,
    mirrors: Vec<Mirror>,
    servers: Vec<Server>,
    proxies: Vec<ProxyEntry>,
    /// The repositories of active profiles, as declared.
    declared: Vec<Declared>,
    surroundings: Surroundings,
}

impl Settings {
    /// Reads the user's settings and those of the installation. Either may be absent, unless the
    /// caller named it.
    pub fn load(surroundings: Surroundings) -> Result<Self, Error> {
        let mut warnings = Vec::new();
        let mut files = Vec::new();
        let (user_file, explicit) = surroundings.user_file();
        let user = Self::read(
            &user_file,
            explicit,
            &surroundings,
            &mut files,
            &mut warnings,
        )?;
        let mut global = None;
        for (file, explicit) in surroundings.global_files() {
            global = Self::read(file, explicit, &surroundings, &mut files, &mut warnings)?;
            if global.is_some() {
                break;
            }
        }
        let model = user.unwrap_or_default().over(global.unwrap_or_default());
        let declared = profiles::declared(
            &model.profiles,
            &model.active_profiles,
            &surroundings,
            &mut warnings,
        );
        let local_repository = match (
            surroundings.properties.get("maven.repo.local"),
            &model.local_repository,
        ) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(text)) => PathBuf::from(text.known()?),
            (None, None) => surroundings.home.join(".m2/repository"),
        };
        Ok(Self {
            local_repository,
            offline: model.offline.unwrap_or(false),
            files,
            warnings,
            mirrors: model.mirrors,
            servers: model.servers,
            proxies: model.proxies,
            declared,
            surroundings,
        })
    }

    fn read(
        file: &Path,
        explicit: bool,
        surroundings: &Surroundings,
        files: &mut Vec<PathBuf>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Model>, Error> {
        let Some(source) = Source::read(file)? else {
            let path = file.to_owned();
            return if explicit {
                Err(Error::Missing { path })
            } else {
                Ok(None)
            };
        };
        files.push(file.to_owned());
        let value_of = |name: &str| surroundings.value_of(name);
        source
            .parse("settings", &value_of, |root| Model::of(root, warnings))
            .map(Some)
    }
}
