//! Who knows what runs use of the artifacts that are here: the records of all that may use them.

use std::path::Path;
use std::time::Duration;

use grease_core::debugging::history;
use grease_core::deployment::Uses;
use grease_core::sys::env::Env;
use grease_core::sys::fs::Mounts;
use grease_core::sys::host::Account;
use grease_core::sys::state::{self, Whose};
use grease_core::sys::{clock, fs};

use super::finding::Finding;

/// Where records of runs may be.
pub(super) struct Witnesses<'a> {
    pub(super) state_dir: Option<&'a Path>,
    pub(super) env: &'a Env,
    pub(super) account: &'a Account,
    pub(super) home: &'a Path,
}

/// It is not known what runs use, so that nothing may be removed.
pub(super) struct Unknown {
    /// Why not.
    pub(super) reason: String,
    hint: Option<String>,
    /// Something is wrong; else that is how things are here.
    pub(super) is_trouble: bool,
}

/// Whether this host alone uses the local repository, so that its records tell all.
pub(super) fn on_this_host(local_repository: &Path) -> Result<(), Unknown> {
    match Mounts::read().remote(local_repository) {
        None => Ok(()),
        Some(kind) => Err(Unknown {
            reason: format!(
                "the local repository is on a network ({kind}), and what other hosts use is not \
                 known here"
            ),
            hint: None,
            is_trouble: false,
        }),
    }
}

impl Witnesses<'_> {
    /// Reads what runs used within `age`, and what live ones use, as far as they may use this local
    /// repository and this user's cache.
    pub(super) fn uses(&self, local_repository: &Path, age: Duration) -> Result<Uses, Unknown> {
        let whose = if fs::is_private_to(local_repository, self.home, self.account.uid) {
            Whose::Own
        } else {
            Whose::All
        };
        let spools = state::spools(whose, self.state_dir, self.env, self.account);
        let spools = spools.map_err(|error| Unknown {
            reason: format!("the records of runs cannot be found: {error}"),
            hint: of_all(whose),
            is_trouble: error.kind() != std::io::ErrorKind::NotFound,
        })?;
        if spools.is_empty() {
            return Err(Unknown {
                reason: "no run is on record on this host".to_owned(),
                hint: Some("is it the config that greaserun is given?".to_owned()),
                is_trouble: false,
            });
        }
        let limit = clock::now().checked_sub(age).unwrap_or_default();
        let mut uses = Uses::default();
        for spool in &spools {
            let starts = history::used_since(spool, limit).map_err(|unknown| {
                let Finding { text, hint, .. } = Finding::doubt(&unknown);
                Unknown {
                    reason: text,
                    hint: hint.or(of_all(whose)),
                    is_trouble: !matches!(unknown, history::Unknown::Short { .. }),
                }
            })?;
            for start in starts {
                let sha256 = start
                    .fetched
                    .as_ref()
                    .map(|fetched| fetched.sha256.as_str());
                if let Some(artifact) = &start.artifact {
                    uses.note(artifact, sha256);
                }
            }
        }
        Ok(uses)
    }
}

/// What helps where the records of others count.
fn of_all(whose: Whose) -> Option<String> {
    let text = "other users may use the local repository, and only root can read what they ran";
    (whose == Whose::All).then(|| text.to_owned())
}

impl Unknown {
    pub(super) fn finding(&self, prunes: bool) -> Finding {
        let reason = &self.reason;
        let text = if prunes {
            format!("nothing was removed: {reason}")
        } else {
            format!("it is not known what can be removed: {reason}")
        };
        Finding::warning(text, self.hint.clone())
    }
}
