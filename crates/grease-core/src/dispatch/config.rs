//! The sections `launch` and `snatch` of the config: crontabs to publish and to install.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{AbsolutePath, Flaw, Glob};

/// Where crontabs are published, and what they are called where they are installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Launch {
    /// The central directory of crontabs, on shared storage.
    pub crontab_repository_dir: Option<AbsolutePath>,
    /// The host that holds the central directory; this host's own file system if absent.
    pub crontab_repository_host: Option<HostName>,
    /// The directory that cron reads, cron(8).
    pub crontab_etc_crond: AbsolutePath,
    /// What the names of installed files begin with: letters, digits, `_` and `-`.
    pub crontab_unique_prefix: String,
}

impl Default for Launch {
    fn default() -> Self {
        Self {
            crontab_repository_dir: None,
            crontab_repository_host: None,
            crontab_etc_crond: AbsolutePath::try_from("/etc/cron.d".to_owned())
                .expect("begins with a slash"),
            crontab_unique_prefix: "scalegrease".to_owned(),
        }
    }
}

impl Launch {
    /// What contradicts the rules of the section.
    pub fn check(&self) -> Vec<Flaw> {
        // cron(8): names in cron.d consist of these only, else the file is not read.
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let prefix = &self.crontab_unique_prefix;
        if !prefix.is_empty() && prefix.chars().all(allowed) {
            return Vec::new();
        }
        vec![Flaw::new(
            "crontab_unique_prefix",
            format!(
                "expected letters, digits, `_` and `-`, found `{}`",
                prefix.escape_debug()
            ),
        )]
    }
}

/// The name of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, title = "host name")]
pub struct HostName(pub String);

/// Which published crontabs are installed on this host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Snatch {
    /// The public keys whose signatures count, in the format of ssh-keygen(1), ALLOWED SIGNERS,
    /// with patterns of projects as principals.
    pub allowed_signers: Option<AbsolutePath>,
    /// This host's tags, which a crontab may ask for.
    pub tags: Vec<String>,
    /// Which projects may install what.
    pub policy: Policy,
}

/// Which projects may install what; a project that no entry covers may install nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Policy {
    /// For every project.
    pub defaults: ProjectDefaults,
    /// By project; the first entry that covers it counts.
    pub projects: Vec<Project>,
}

/// What a project may do unless its entry says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct ProjectDefaults {
    /// Whether a crontab must be signed. Without signatures the central directory must be local
    /// and writable by root only.
    pub require_signature: bool,
    /// How many different keys must have signed.
    #[schemars(range(min = 1, max = 10))]
    pub threshold: u32,
    /// The commands allowed in a job line.
    pub commands: Commands,
    /// Names, as patterns, of the environment variables that a crontab may set.
    pub env: Vec<Glob>,
    /// Most crontabs of a project.
    #[schemars(range(min = 1, max = 1000))]
    pub max_crontabs: u32,
    /// Most job lines of a project.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_jobs: u32,
    /// Shortest time in minutes between two runs of a job line.
    #[schemars(range(min = 1, max = 1440))]
    pub min_interval_minutes: u32,
    /// Whether `@reboot` is allowed.
    pub allow_reboot: bool,
    /// Whether jobs may run as a user below the system's first ordinary one (`UID_MIN`).
    pub allow_system_user: bool,
}

impl Default for ProjectDefaults {
    fn default() -> Self {
        Self {
            require_signature: true,
            threshold: 1,
            commands: Commands::Greaserun,
            env: ["MAILTO", "LANG", "LC_ALL"].map(Glob::new).into(),
            max_crontabs: 20,
            max_jobs: 100,
            min_interval_minutes: 5,
            allow_reboot: false,
            allow_system_user: false,
        }
    }
}

/// What one project, or the projects that a pattern covers, may do; absent is as in `defaults`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(expecting = "an object with `match` and `users`")]
pub struct Project {
    /// The projects: a pattern over `group:artifact`, in which `*` stands for any text and `?`
    /// for one character.
    #[serde(rename = "match")]
    pub projects: Glob,
    /// The users as whom its jobs may run.
    #[schemars(length(min = 1))]
    pub users: Vec<String>,
    /// Whether `root` may be one of them; `match` must then be a name without a pattern.
    #[serde(default)]
    pub allow_root: bool,
    /// How many different keys must have signed.
    #[schemars(range(min = 1, max = 10))]
    pub threshold: Option<u32>,
    /// The commands allowed in a job line.
    pub commands: Option<Commands>,
    /// Names, as patterns, of the environment variables that a crontab may set.
    pub env: Option<Vec<Glob>>,
    /// Most crontabs of a project.
    #[schemars(range(min = 1, max = 1000))]
    pub max_crontabs: Option<u32>,
    /// Most job lines of a project.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_jobs: Option<u32>,
    /// Shortest time in minutes between two runs of a job line.
    #[schemars(range(min = 1, max = 1440))]
    pub min_interval_minutes: Option<u32>,
    /// Whether `@reboot` is allowed.
    pub allow_reboot: Option<bool>,
    /// Whether jobs may run as a user below the system's first ordinary one (`UID_MIN`).
    pub allow_system_user: Option<bool>,
}

/// The commands allowed in a job line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Commands {
    /// Only greaserun, with nothing around it.
    Greaserun,
    /// Any command.
    Any,
}

impl Snatch {
    /// What contradicts the rules of the section.
    pub fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        for (index, project) in self.policy.projects.iter().enumerate() {
            let key = format!("policy.projects[{index}]");
            if project.allow_root && !project.projects.is_literal() {
                flaws.push(Flaw::new(
                    format!("{key}.allow_root"),
                    format!(
                        "`root` is for a project named in full, and `{}` is a pattern",
                        project.projects.as_str()
                    ),
                ));
            }
            if !project.allow_root && project.users.iter().any(|user| user == "root") {
                flaws.push(Flaw::new(
                    format!("{key}.users"),
                    "`root` needs `allow_root` as well",
                ));
            }
        }
        flaws
    }
}
