//! Where local state lives (`docs/formats.md`).

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::env::Env;
use super::fs::{self, Mounts};
use super::host::Account;

/// Directory of the spools of all users, made by the package or by root's first run.
const SPOOLS: &str = "/var/spool/scalegrease";

/// Slots of all users of the host, made by the package or by root's first run.
pub const GUARD: &str = "/run/scalegrease/guard";

/// Directories in that of the guard: made by root where it makes that, so that nobody else owns
/// them.
const GUARD_INNER: [&str; 2] = ["key", "waiting"];

/// Root's cache.
const CACHE: &str = "/var/lib/scalegrease/cache";

/// Finds the directory for what a run must not lose: the registry, the log, the record.
///
/// `state_dir` is `common.state_dir` of the config. Without it the first of these that exists
/// or can be made and is not on a network file system: `/var/spool/scalegrease/UID`,
/// `$XDG_STATE_HOME/scalegrease`, `/var/tmp/scalegrease-UID`. The error names all of them.
pub fn spool_dir(
    state_dir: Option<&Path>,
    env: &Env,
    account: &Account,
) -> std::io::Result<PathBuf> {
    if let Some(root) = state_dir {
        let spools = root.join("spool");
        let spool = spools.join(account.uid.to_string());
        refuse_network(&spool)?;
        if account.uid == 0 && !spools.exists() {
            fs::shared_dir(&spools)?;
        }
        fs::private_dir(&spool)?;
        fs::check_trusted(&spool)?;
        return Ok(spool);
    }
    let mut refused = Vec::new();
    for spool in candidates(env, account) {
        let made = refuse_network(&spool).and_then(|()| prepare(&spool, account));
        match made {
            Ok(()) => return Ok(spool),
            Err(error) => refused.push(error.to_string()),
        }
    }
    Err(std::io::Error::other(refused.join("; ")))
}

/// The guard's directory: what it is, and what is to be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardDir {
    /// The directory.
    pub path: PathBuf,
    /// Whether it was just made for this user alone, where the host has none for all.
    pub is_new_and_own: bool,
}

/// Finds the directory of the guard's slots, or makes it; never on a network file system.
///
/// With `common.state_dir` it is `guard` there, else `/run/scalegrease/guard`. Made by root it is
/// for all users of the host; a user without it gets `guard` in the spool.
pub fn guard_dir(
    state_dir: Option<&Path>,
    spool: Option<&Path>,
    account: &Account,
    mounts: &Mounts,
) -> std::io::Result<GuardDir> {
    let is_root = account.uid == 0;
    let (path, is_own) = match (state_dir, spool) {
        (Some(root), _) => (root.join("guard"), false),
        (None, Some(spool)) if !is_root && !Path::new(GUARD).exists() => {
            (spool.join("guard"), true)
        }
        (None, _) => (PathBuf::from(GUARD), false),
    };
    refuse_network_among(mounts, &path)?;
    let is_missing = !path.exists();
    if is_missing && is_root {
        fs::open_dir(path.parent().unwrap_or(&path))?;
        fs::shared_dir(&path)?;
        for inner in GUARD_INNER {
            fs::shared_dir(&path.join(inner))?;
        }
    } else if is_missing {
        fs::private_dir(&path)?;
    }
    fs::check_trusted(&path)?;
    Ok(GuardDir {
        path,
        is_new_and_own: is_own && is_missing,
    })
}

/// Checks that this user may rely on what is in the directory that [`existing_guard_dir`] found.
pub fn check_guard_dir(path: &Path) -> std::io::Result<()> {
    refuse_network(path)?;
    fs::check_trusted(path)
}

/// Where the guard's slots are if there are any yet; makes nothing.
pub fn existing_guard_dir(state_dir: Option<&Path>, spool: &Path) -> Option<PathBuf> {
    let candidates = match state_dir {
        Some(root) => vec![root.join("guard")],
        None => vec![PathBuf::from(GUARD), spool.join("guard")],
    };
    candidates.into_iter().find(|path| path.is_dir())
}

/// Finds the directory for what can be had again: artifacts, and what is known about them.
///
/// With `common.state_dir` it is `cache/UID` there. Without it the first of these that exists or
/// can be made and is not on a network file system: root's `/var/lib/scalegrease/cache`,
/// `$XDG_CACHE_HOME/scalegrease` or `~/.cache/scalegrease`, `/var/tmp/scalegrease-cache-UID`.
pub fn cache_dir(
    state_dir: Option<&Path>,
    env: &Env,
    account: &Account,
) -> std::io::Result<PathBuf> {
    if let Some(root) = state_dir {
        let caches = root.join("cache");
        let cache = caches.join(account.uid.to_string());
        refuse_network(&cache)?;
        if account.uid == 0 && !caches.exists() {
            fs::shared_dir(&caches)?;
        }
        fs::private_dir(&cache)?;
        fs::check_trusted(&cache)?;
        return Ok(cache);
    }
    let mut refused = Vec::new();
    for cache in cache_candidates(env, account) {
        let made = refuse_network(&cache)
            .and_then(|()| fs::private_dir(&cache))
            .and_then(|()| fs::check_trusted(&cache));
        match made {
            Ok(()) => return Ok(cache),
            Err(error) => refused.push(error.to_string()),
        }
    }
    Err(std::io::Error::other(refused.join("; ")))
}

/// Where [`cache_dir`] is, or else will most likely be; makes nothing.
pub fn planned_cache(state_dir: Option<&Path>, env: &Env, account: &Account) -> PathBuf {
    if let Some(root) = state_dir {
        return root.join("cache").join(account.uid.to_string());
    }
    let candidates = cache_candidates(env, account);
    let existing = candidates.iter().find(|cache| cache.is_dir());
    existing.unwrap_or(&candidates[0]).clone()
}

fn cache_candidates(env: &Env, account: &Account) -> Vec<PathBuf> {
    let xdg = env
        .raw("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let xdg = xdg.unwrap_or_else(|| account.home.join(".cache"));
    let root_only = (account.uid == 0).then(|| PathBuf::from(CACHE));
    let of_all = [
        xdg.join("scalegrease"),
        PathBuf::from(format!("/var/tmp/scalegrease-cache-{}", account.uid)),
    ];
    root_only.into_iter().chain(of_all).collect()
}

/// Whose spools are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those of this user.
    Own,
    /// Those of all users of this host.
    All,
}

/// Lists the spools that exist, wherever they may be: a user without a place in the system's
/// directory today may have had one, or may get one. Makes nothing, and passes over a place of this
/// user's that another one took.
///
/// Those of all users can only be told where they lie side by side; else it is an error.
pub fn spools(
    whose: Whose,
    state_dir: Option<&Path>,
    env: &Env,
    account: &Account,
) -> std::io::Result<Vec<PathBuf>> {
    let side_by_side = state_dir.map_or(PathBuf::from(SPOOLS), |root| root.join("spool"));
    let spools = match state_dir {
        Some(_) => vec![side_by_side.join(account.uid.to_string())],
        None => candidates(env, account)
            .into_iter()
            .chain([account.home.join(".local/state/scalegrease")])
            .collect(),
    };
    let mut found = Vec::new();
    for spool in spools {
        match fs_err::metadata(&spool) {
            Ok(metadata) if metadata.uid() == account.uid => found.push(spool),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if whose == Whose::All {
        for entry in fs_err::read_dir(side_by_side)? {
            found.push(entry?.path());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Where [`spool_dir`] will most likely be; makes nothing.
pub fn planned(state_dir: Option<&Path>, env: &Env, account: &Account) -> PathBuf {
    if let Some(root) = state_dir {
        return root.join("spool").join(account.uid.to_string());
    }
    let [shared, own, _] = candidates(env, account);
    if account.uid == 0 || Path::new(SPOOLS).exists() {
        shared
    } else {
        own
    }
}

fn candidates(env: &Env, account: &Account) -> [PathBuf; 3] {
    let xdg = env
        .raw("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let xdg = xdg.unwrap_or_else(|| account.home.join(".local/state"));
    [
        Path::new(SPOOLS).join(account.uid.to_string()),
        xdg.join("scalegrease"),
        PathBuf::from(format!("/var/tmp/scalegrease-{}", account.uid)),
    ]
}

/// Makes a spool; the directory of all users' spools is root's to make, open like `/tmp`.
fn prepare(spool: &Path, account: &Account) -> std::io::Result<()> {
    let shared = Path::new(SPOOLS);
    if spool.starts_with(shared) && !shared.exists() {
        if account.uid != 0 {
            return Err(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                format!("`{SPOOLS}` does not exist, and only root may make it"),
            ));
        }
        fs::shared_dir(shared)?;
    }
    fs::private_dir(spool)
}

fn refuse_network(path: &Path) -> std::io::Result<()> {
    refuse_network_among(&Mounts::read(), path)
}

fn refuse_network_among(mounts: &Mounts, path: &Path) -> std::io::Result<()> {
    match mounts.remote(path) {
        None => Ok(()),
        Some(kind) => Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            format!("`{}` is on a network file system ({kind})", path.display()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_directory_holds_a_private_spool_for_each_user() {
        let dir = tempfile::tempdir().unwrap();
        let account = super::super::host::account();
        let spool = spool_dir(Some(dir.path()), &Env::default(), &account).unwrap();
        assert_eq!(
            spool,
            dir.path().join("spool").join(account.uid.to_string())
        );
    }

    #[test]
    fn the_spools_of_all_users_are_those_side_by_side() {
        let dir = tempfile::tempdir().unwrap();
        let (account, env) = (super::super::host::account(), Env::default());
        let list = |whose| spools(whose, Some(dir.path()), &env, &account);
        assert_eq!(list(Whose::Own).unwrap(), [""; 0].map(PathBuf::from));
        list(Whose::All).unwrap_err();
        let own = spool_dir(Some(dir.path()), &env, &account).unwrap();
        let other = dir.path().join("spool/x");
        fs_err::create_dir(&other).unwrap();
        assert_eq!(list(Whose::Own).unwrap(), std::slice::from_ref(&own));
        assert_eq!(list(Whose::All).unwrap(), [own, other]);
    }

    #[test]
    fn without_a_shared_spool_or_a_home_there_is_still_a_place() {
        let account = Account {
            uid: 4_000_000,
            name: "x".into(),
            home: "/nonexistent".into(),
        };
        let places = candidates(&Env::default(), &account);
        assert_eq!(places[2], Path::new("/var/tmp/scalegrease-4000000"));
        let env: Env = [("XDG_STATE_HOME", "/state")].into_iter().collect();
        assert_eq!(
            candidates(&env, &account)[1],
            Path::new("/state/scalegrease")
        );
    }
}
