//! Where a user's jobs write: the places whose disks the guard watches.

use std::path::{Path, PathBuf};

use grease_core::config::Config;
use grease_core::sys::env::Env;
use grease_core::sys::fs::Mounts;
use grease_core::sys::host::Account;
use grease_core::sys::machine::Place;
use grease_core::sys::{fs, state};

use crate::shared::state_dir;

/// Directory of scratch directories below the spool, unless the config names another.
const SCRATCH: &str = "scratch";

/// Where scratch directories are made; none if neither the config names a place nor there is room
/// beside the records.
pub(crate) fn scratch_root(config: &Config, spool: Option<&Path>) -> Option<PathBuf> {
    if let Some(configured) = &config.common.scratch_dir {
        return Some(configured.as_path().to_owned());
    }
    let has_room = |spool: &&Path| !spool.exists() || fs::has_room(spool);
    spool.filter(has_room).map(|spool| spool.join(SCRATCH))
}

/// What is written to where, but for what is over a network.
pub(crate) fn watched(
    config: &Config,
    env: &Env,
    account: &Account,
    spool: Option<&Path>,
    scratch_root: &Path,
    mounts: &Mounts,
) -> Vec<(Place, PathBuf)> {
    let cache = state::planned_cache(state_dir(config), env, account);
    let spool = spool.map(|spool| (Place::Spool, spool.to_owned()));
    [
        (Place::Scratch, scratch_root.to_owned()),
        (Place::Cache, cache),
    ]
    .into_iter()
    .chain(spool)
    // What is over a network may hang.
    .filter(|(_, path)| mounts.remote(path).is_none())
    .collect()
}
