//! What settings are read from and depend on, as values: files, environment, properties.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What settings are read from and depend on. Nothing else of the machine is looked at.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The user's home directory: `.m2` and `.netrc` are in it, and `${user.home}` stands for it.
    pub home: PathBuf,
    /// Environment variables, for `${env.NAME}` and for proxies.
    pub environment: BTreeMap<String, String>,
    /// What `mvn` gets by `-DNAME=VALUE`: for `${NAME}`, for the activation of profiles, and
    /// `maven.repo.local` and `settings.security`.
    pub properties: BTreeMap<String, String>,
    /// The user's settings, if not `.m2/settings.xml`. Must exist.
    pub user_settings: Option<PathBuf>,
    /// The settings of the installation, if not one of `installation_settings`. Must exist.
    pub global_settings: Option<PathBuf>,
    /// Where the settings of the installation may be: the first that exists counts.
    pub installation_settings: Vec<PathBuf>,
}

impl Surroundings {
    /// Looks at the environment of this process: the only place of this crate that does.
    ///
    /// The home directory is `$HOME`, else that of the user database (Java takes the latter).
    /// Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let installation = environment
            .get("MAVEN_HOME")
            .map(|home| Path::new(home).join("conf"));
        let installation_settings = installation
            .into_iter()
            .chain(["/etc/maven", "/usr/share/maven/conf"].map(PathBuf::from))
            .map(|directory| directory.join("settings.xml"))
            .collect();
        Self {
            home: std::env::home_dir().unwrap_or_else(|| PathBuf::from("/")),
            environment,
            installation_settings,
            ..Self::default()
        }
    }

    /// The value of a placeholder: a property, `user.home`, or `env.NAME`, in this order.
    pub(super) fn value_of(&self, name: &str) -> Option<String> {
        let variable = || self.environment.get(name.strip_prefix("env.")?).cloned();
        self.properties
            .get(name)
            .cloned()
            .or_else(|| (name == "user.home").then(|| self.home.to_string_lossy().into_owned()))
            .or_else(variable)
    }

    /// The user's settings file, and whether it must exist.
    pub(super) fn user_file(&self) -> (PathBuf, bool) {
        match &self.user_settings {
            Some(file) => (file.clone(), true),
            None => (self.home.join(".m2/settings.xml"), false),
        }
    }

    /// Where the installation's settings may be, and whether they must be there.
    pub(super) fn global_files(&self) -> Vec<(&Path, bool)> {
        match &self.global_settings {
            Some(file) => vec![(file, true)],
            None => self
                .installation_settings
                .iter()
                .map(|file| (file.as_path(), false))
                .collect(),
        }
    }

    /// The file with the master password.
    pub(super) fn security_file(&self) -> PathBuf {
        match self.properties.get("settings.security") {
            Some(file) => PathBuf::from(file),
            None => self.home.join(".m2/settings-security.xml"),
        }
    }

    /// The file of `netrc(5)`.
    pub(super) fn netrc_file(&self) -> PathBuf {
        match self
            .environment
            .get("NETRC")
            .filter(|file| !file.is_empty())
        {
            Some(file) => PathBuf::from(file),
            None => self.home.join(".netrc"),
        }
    }
}

impl fmt::Debug for Surroundings {
    /// Names of variables and properties only: values may be passwords.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Surroundings")
            .field("home", &self.home)
            .field("environment", &self.environment.keys())
            .field("properties", &self.properties.keys())
            .field("user_settings", &self.user_settings)
            .field("global_settings", &self.global_settings)
            .field("installation_settings", &self.installation_settings)
            .finish()
    }
}
