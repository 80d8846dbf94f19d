//! This host and this user.

use std::path::PathBuf;

use nix::unistd::{Uid, User};

use super::fs;

/// Largest of the small files under `/proc` that are read here.
const PROC_FILE_BYTES_MAX: u64 = 4096;

/// The host's name as the kernel has it.
pub fn name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The id of this boot (`random(4)`), by which records of an earlier boot are told apart;
/// empty where `/proc` does not tell.
pub fn boot_id() -> String {
    fs::read_bounded(
        "/proc/sys/kernel/random/boot_id".as_ref(),
        PROC_FILE_BYTES_MAX,
    )
    .map(|text| text.trim().to_owned())
    .unwrap_or_default()
}

/// A user of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Numeric id.
    pub uid: u32,
    /// Login name, or the id in digits for a user without an entry.
    pub name: String,
    /// Home directory; `/` for a user without an entry.
    pub home: PathBuf,
}

/// The effective user of this process.
pub fn account() -> Account {
    let uid = Uid::effective();
    match User::from_uid(uid) {
        Ok(Some(user)) => Account {
            uid: uid.as_raw(),
            name: user.name,
            home: user.dir,
        },
        Ok(None) | Err(_) => Account {
            uid: uid.as_raw(),
            name: uid.to_string(),
            home: PathBuf::from("/"),
        },
    }
}
