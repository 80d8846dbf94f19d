//! What is wrong with settings, and what is merely odd.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::document::Place;
use crate::ErrorKind;

/// Why settings cannot be used. Never holds a password or a text that may contain one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that the caller named does not exist.
    #[error("the settings file `{}` does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is too large to be what it should be.
    #[error("`{}` is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A file is not well-formed.
    #[error("`{place}`: {problem}")]
    Syntax {
        /// Where.
        place: Place,
        /// What is wrong there.
        problem: &'static str,
    },
    /// A file is XML, but not of the kind that it should be.
    #[error("`{place}`: expected `<{expected}>` as the outermost element")]
    Root {
        /// Where the outermost element stands.
        place: Place,
        /// What it should be.
        expected: &'static str,
    },
    /// A value is not what it should be.
    #[error("`{place}`: expected {expected} in `<{element}>`")]
    Unexpected {
        /// Where.
        place: Place,
        /// The element.
        element: String,
        /// What should be in it.
        expected: &'static str,
    },
    /// An element is missing.
    #[error("`{place}`: expected `<{element}>` in `<{parent}>`")]
    Absent {
        /// Where the parent stands.
        place: Place,
        /// The element that should be there.
        element: &'static str,
        /// The element that should have it.
        parent: String,
    },
    /// A value that is used has a placeholder for which there is no value.
    #[error("`{place}`: {} in `<{element}>` has no value", placeholder(name.as_deref()))]
    Unresolved {
        /// Where.
        place: Place,
        /// The element.
        element: String,
        /// The placeholder's name, where it cannot be part of a password.
        name: Option<String>,
    },
    /// A repository's address cannot be used.
    #[error("the address of repository `{repository}` ({origin}) cannot be used: {reason}")]
    Address {
        /// The repository's id.
        repository: String,
        /// Who named it.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
    },
    /// Two repositories of the caller's list have one id, or one has none that can be used.
    #[error("`{id}` cannot be the id of a repository in the given list: {reason}")]
    Identity {
        /// The id.
        id: String,
        /// Why not.
        reason: &'static str,
    },
    /// An encrypted password cannot be decrypted.
    #[error("`{place}`: cannot decrypt `<{element}>`: {reason}")]
    Decryption {
        /// Where the password stands.
        place: Place,
        /// The element.
        element: String,
        /// Why not.
        reason: String,
    },
    /// Nobody named a repository.
    #[error("no Maven repository is configured")]
    NoRepository,
}

impl Error {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Decryption { .. } => ErrorKind::Credentials,
            Self::Read { .. }
            | Self::Missing { .. }
            | Self::TooLarge { .. }
            | Self::Syntax { .. }
            | Self::Root { .. }
            | Self::Unexpected { .. }
            | Self::Absent { .. }
            | Self::Unresolved { .. }
            | Self::Address { .. }
            | Self::Identity { .. }
            | Self::NoRepository => ErrorKind::Config,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unresolved { .. } => {
                Some("set the environment variable or property, or write the value itself")
            }
            Self::Address { .. } => {
                Some("an address is `https://HOST/PATH`, `http://...`, `file:///PATH` or `/PATH`")
            }
            Self::Decryption { .. } => Some(
                "encrypt it again with `mvn --encrypt-password` of Maven 3, or write \
                 `${env.NAME}` and give it in the environment, or use `~/.netrc`",
            ),
            Self::NoRepository => Some(NO_REPOSITORY_HINT),
            Self::Read { .. }
            | Self::Missing { .. }
            | Self::TooLarge { .. }
            | Self::Syntax { .. }
            | Self::Root { .. }
            | Self::Unexpected { .. }
            | Self::Absent { .. }
            | Self::Identity { .. } => None,
        }
    }
}

/// The lines that are missing when no repository is configured.
const NO_REPOSITORY_HINT: &str = "\
no repository is built in, not even `central`; add to ~/.m2/settings.xml, for example:
  <settings>
    <profiles>
      <profile>
        <id>repositories</id>
        <activation><activeByDefault>true</activeByDefault></activation>
        <repositories>
          <repository><id>releases</id><url>https://HOST/PATH/</url></repository>
        </repositories>
      </profile>
    </profiles>
  </settings>";

fn placeholder(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("`${{{name}}}`"),
        None => "a placeholder `${...}`".to_owned(),
    }
}

/// Who named a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Settings.
    Settings(Place),
    /// The caller's own list.
    Caller,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(place) => write!(formatter, "`{place}`"),
            Self::Caller => formatter.write_str("of the given list"),
        }
    }
}

/// What is odd in settings, though they can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A profile would be made active by something that is not looked at.
    #[error(
        "`{place}`: profile `{profile}` is not active: activation by `<{condition}>` is not supported"
    )]
    Activation {
        /// Where the condition stands.
        place: Place,
        /// The profile's id.
        profile: String,
        /// The condition's element.
        condition: String,
    },
    /// A profile that should be active does not exist.
    #[error("`{place}`: there is no profile `{profile}`")]
    NoProfile {
        /// Where it is asked for.
        place: Place,
        /// The profile's id.
        profile: String,
    },
    /// A value is not one of those that are known.
    #[error("`{place}`: `{value}` is unknown in `<{element}>`: taken as `{taken}`")]
    UnknownValue {
        /// Where.
        place: Place,
        /// The element.
        element: String,
        /// What is there.
        value: String,
        /// What is taken instead.
        taken: &'static str,
    },
    /// Something stands twice, and one of the two is not used.
    #[error("`{place}`: a second {what} `{id}` is ignored")]
    Repeated {
        /// Where the one stands that is not used.
        place: Place,
        /// What it is.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A repository of settings is not asked, since it is of an unknown kind.
    #[error("`{place}`: repository `{repository}` is not used: {reason}")]
    Unsupported {
        /// Where.
        place: Place,
        /// The repository's id.
        repository: String,
        /// Why.
        reason: String,
    },
    /// Part of an entry is not used.
    #[error("`{place}`: `<{element}>` is ignored: {reason}")]
    Ignored {
        /// Where.
        place: Place,
        /// The element.
        element: String,
        /// Why.
        reason: &'static str,
    },
    /// The caller's repository takes the place of one in settings.
    #[error("`{place}`: repository `{repository}` is replaced by that of the given list")]
    Replaced {
        /// Where the one in settings stands.
        place: Place,
        /// Its id.
        repository: String,
    },
    /// The netrc file has credentials for a repository, and they are not used.
    #[error("`{}`: the credentials for `{host}` are not used: {reason}", path.display())]
    Netrc {
        /// The file.
        path: PathBuf,
        /// The repository's host.
        host: String,
        /// Why not.
        reason: &'static str,
    },
    /// A proxy in the environment cannot be used.
    #[error("the environment variable `{variable}` is ignored: {reason}")]
    EnvironmentProxy {
        /// The variable.
        variable: &'static str,
        /// Why.
        reason: &'static str,
    },
}
