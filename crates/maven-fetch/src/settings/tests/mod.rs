//! Settings as whole files, up to the list of repositories.

mod broken;
mod mirrored;
mod secrets;
mod sources;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;
use crate::repository::Repository;

/// Encrypted by Maven 3.8.7; the master password is `masterpw`, the password `repo-secret`.
const MASTER: &str = "{vf6LtZP7FK0Hx7VBhB9aEgZkwWXXBf55bps6kwZCSrU=}";
const ENCRYPTED: &str = "{+5wrJ0hrqDYHk/y+BMjx84BwN3ShY5Jc1rJnspKDvT8=}";

/// A home directory and an installation.
struct Site {
    directory: tempfile::TempDir,
    surroundings: Surroundings,
}

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let surroundings = Surroundings {
            home: directory.path().join("home"),
            installation_settings: vec![
                directory.path().join("absent/settings.xml"),
                directory.path().join("installation/settings.xml"),
            ],
            ..Surroundings::default()
        };
        Self {
            directory,
            surroundings,
        }
    }

    fn of_user(content: &str) -> Self {
        Self::new().file("home/.m2/settings.xml", content)
    }

    /// Settings whose only profile, which is active, declares these repositories.
    fn of_repositories(repositories: &[(&str, &str)], rest: &str) -> Self {
        let repositories: String = repositories
            .iter()
            .map(|(id, url)| repository(id, url, ""))
            .collect();
        Self::of_user(&format!(
            "<settings>{rest}{}</settings>",
            active("p", &repositories)
        ))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        fs_err::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.surroundings
            .environment
            .insert(name.to_owned(), value.to_owned());
        self
    }

    fn property(mut self, name: &str, value: &str) -> Self {
        self.surroundings
            .properties
            .insert(name.to_owned(), value.to_owned());
        self
    }

    fn load(&self) -> Result<Settings, Error> {
        Settings::load(self.surroundings.clone())
    }

    fn repositories(
        &self,
        own: &[OwnRepository],
    ) -> Result<(Vec<Repository>, Vec<Warning>), Error> {
        repositories(&self.load()?, own)
    }

    /// The repositories, where nothing is odd.
    fn listed(&self, own: &[OwnRepository]) -> Vec<Repository> {
        let (repositories, warnings) = self.repositories(own).unwrap();
        assert_eq!(warnings, []);
        repositories
    }

    /// The only repository, where nothing is odd.
    fn single(&self) -> Repository {
        let mut repositories = self.listed(&[]);
        assert_eq!(repositories.len(), 1);
        repositories.remove(0)
    }

    fn error(&self) -> Error {
        self.repositories(&[]).unwrap_err()
    }

    /// A text with the directory's own name taken out.
    fn told(&self, text: &impl ToString) -> String {
        text.to_string()
            .replace(self.directory.path().to_str().unwrap(), "")
    }
}

fn repository(id: &str, url: &str, rest: &str) -> String {
    format!("<repository><id>{id}</id><url>{url}</url>{rest}</repository>")
}

fn active(id: &str, repositories: &str) -> String {
    format!(
        "<profiles><profile><id>{id}</id><repositories>{repositories}</repositories></profile>\
         </profiles><activeProfiles><activeProfile>{id}</activeProfile></activeProfiles>"
    )
}

fn mirror(id: &str, pattern: &str, url: &str) -> String {
    format!(
        "<mirrors><mirror><id>{id}</id><mirrorOf>{pattern}</mirrorOf><url>{url}</url></mirror></mirrors>"
    )
}

fn shown(repositories: &[Repository]) -> Vec<String> {
    repositories
        .iter()
        .map(|one| format!("{} {}", one.id, one.url))
        .collect()
}

/// User name and password, as `USER:PASSWORD`.
fn credentials(repository: &Repository) -> Option<String> {
    let known = repository.credentials.as_ref()?;
    Some(format!("{}:{}", known.username, known.password.0))
}
