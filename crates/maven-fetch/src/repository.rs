//! A repository, with all that is needed to ask it.

use std::fmt;
use std::time::Duration;

use url::Url;

use crate::ErrorKind;

/// A remote repository as it is effectively used: after mirrors, with credentials and proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The id under which the local repository tracks files; a mirror's own if one applies.
    pub id: String,
    /// Where it is: `http`, `https` or `file`; ends in a slash.
    pub url: Url,
    /// For released versions.
    pub releases: Policy,
    /// For snapshot versions.
    pub snapshots: Policy,
    /// Groups (`com.acme` with all below it) that only this repository may supply; empty for none.
    pub groups: Vec<String>,
    /// Who we are to it.
    pub credentials: Option<Credentials>,
    /// Headers sent with every request to its own origin.
    pub headers: Vec<(String, Secret)>,
    /// The proxy in between.
    pub proxy: Option<Proxy>,
    /// Longest wait for a connection, if the settings say so.
    pub connect_timeout: Option<Duration>,
    /// Longest wait for the next bytes, if the settings say so.
    pub request_timeout: Option<Duration>,
    /// Why it must not be asked at all: the id of the mirror that blocks it, and where it stands.
    pub blocked_by: Option<String>,
}

impl Repository {
    /// Refuses if a mirror blocks the repository: to be called before anything is asked.
    pub fn check_allowed(&self) -> Result<(), Blocked> {
        match &self.blocked_by {
            None => Ok(()),
            Some(mirror) => Err(Blocked {
                repository: self.id.clone(),
                mirror: mirror.clone(),
            }),
        }
    }
}

/// A repository must not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("repository `{repository}` must not be asked: the mirror `{mirror}` blocks it")]
pub struct Blocked {
    /// The id under which it would be tracked, which is the mirror's.
    pub repository: String,
    /// The mirror, and where it stands.
    pub mirror: String,
}

impl Blocked {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        "use an `https` address for what it stands for, or name a mirror for that in settings.xml"
    }
}

/// What holds for one kind of version in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether the repository has such versions.
    pub enabled: bool,
    /// How often metadata is asked for again.
    pub update: UpdatePolicy,
    /// What happens on a wrong or missing checksum.
    pub checksum: ChecksumPolicy,
}

impl Policy {
    /// Maven's own, where nobody says otherwise.
    pub const USUAL: Self = Self {
        enabled: true,
        update: UpdatePolicy::Daily,
        checksum: ChecksumPolicy::Warn,
    };

    /// What holds for one mirror of two repositories, as Maven Resolver merges: what one of them
    /// has, asked for as often as the more eager, checked as the laxer.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        match (self.enabled, other.enabled) {
            (true, true) => Self {
                enabled: true,
                update: if other.update.period() < self.update.period() {
                    other.update
                } else {
                    self.update
                },
                checksum: self.checksum.min(other.checksum),
            },
            (false, true) => other,
            (_, false) => self,
        }
    }
}

/// How often metadata is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdatePolicy {
    /// Each time.
    Always,
    /// Once in each local day.
    Daily,
    /// After so long.
    Interval(Duration),
    /// Never, once it is here.
    Never,
}

impl UpdatePolicy {
    /// How long an answer holds, to tell the more eager of two.
    fn period(self) -> Duration {
        match self {
            Self::Always => Duration::ZERO,
            Self::Daily => Duration::from_hours(24),
            Self::Interval(period) => period,
            Self::Never => Duration::MAX,
        }
    }
}

/// What happens on a wrong or missing checksum, the laxest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChecksumPolicy {
    /// Checksums are not looked at.
    Ignore,
    /// A wrong one is an error, a missing one a warning.
    Warn,
    /// A wrong or missing one is an error.
    Fail,
}

/// A user name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// An HTTP proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are to it.
    pub credentials: Option<Credentials>,
}

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}
