//! The section `artifacts` of the config: where jars come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use maven_fetch::coordinates::{Field, check};

use crate::model::quantity::Wait;
use crate::model::{AbsolutePath, Flaw};

/// Where artifacts come from and how old a copy may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Artifacts {
    /// Maven repositories, asked in this order after those of the settings file. None is built
    /// in.
    pub repositories: Vec<Repository>,
    /// The local repository; as in the settings file, else `~/.m2/repository`, if absent.
    pub local_repository: Option<AbsolutePath>,
    /// Maven's settings file; `~/.m2/settings.xml` if absent.
    pub settings: Option<AbsolutePath>,
    /// How long ago an artifact must have been certain to be used while its repository cannot be
    /// asked; `forever` stops no job whose artifact is here.
    pub max_stale: Wait,
}

impl Default for Artifacts {
    fn default() -> Self {
        Self {
            repositories: Vec::new(),
            local_repository: None,
            settings: None,
            max_stale: Wait::Forever,
        }
    }
}

/// A Maven repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(expecting = "an object with `id` and `url`")]
pub struct Repository {
    /// Its name, by which mirrors and credentials of the settings file find it.
    #[schemars(length(min = 1))]
    pub id: String,
    /// Its address: `https://`, `http://` or `file://`, or an absolute path.
    pub url: String,
    /// Groups that only this repository may supply, each with all below it: `com.acme`. Other
    /// repositories are never asked for them.
    #[serde(default)]
    pub groups: Vec<String>,
}

impl Artifacts {
    /// What contradicts the rules of the section.
    pub fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        for (index, repository) in self.repositories.iter().enumerate() {
            let key = format!("repositories[{index}]");
            let (id, url) = (&repository.id, &repository.url);
            if self
                .repositories
                .iter()
                .take(index)
                .any(|earlier| earlier.id == *id)
            {
                flaws.push(Flaw::new(
                    format!("{key}.id"),
                    format!("another repository is called `{id}` already"),
                ));
            }
            let schemes = ["http://", "https://", "file://", "/"];
            if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
                // What follows the scheme may be a password.
                let start = url
                    .split_once("://")
                    .map_or("something else", |(scheme, _)| scheme);
                flaws.push(Flaw::new(
                    format!("{key}.url"),
                    format!(
                        "expected an address with `https://`, `http://` or `file://`, or an absolute \
                         path, found `{start}`"
                    ),
                ));
            }
            for (place, group) in repository.groups.iter().enumerate() {
                let name = group.strip_suffix(".*").unwrap_or(group);
                if let Err(error) = check(Field::Group, name) {
                    flaws.push(Flaw::new(
                        format!("{key}.groups[{place}]"),
                        format!("expected a group such as `com.acme`: {error}"),
                    ));
                }
            }
        }
        flaws
    }
}
