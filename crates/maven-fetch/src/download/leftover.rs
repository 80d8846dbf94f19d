//! Names of temporary files, and what other downloads of the same file have in a directory.
//!
//! A temporary file is named `.<file>.<host>.<process>.<random>.part`, so that names never
//! collide, also where hosts share a directory. While someone writes it, it is locked.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{Builder, NamedTempFile};

/// Age from which what a run left behind is of no use to anyone: whoever wrote it is long dead,
/// and the next run starts anew.
const LEFTOVER_MAX: Duration = Duration::from_hours(24);

/// What another download of the same file has in the directory, dead or alive.
pub(super) struct Leftover {
    path: PathBuf,
    role: Role,
    modified: Option<SystemTime>,
}

/// What a leftover is.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    /// A file that a download grows in, made by this host.
    Part { host: String },
    /// What stands beside it.
    Note,
}

impl Leftover {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether it is of no use to anyone any more.
    pub(super) fn is_old(&self) -> bool {
        self.modified
            .and_then(|modified| modified.elapsed().ok())
            .is_some_and(|age| age > LEFTOVER_MAX)
    }

    /// Its path, if it is a file that a download grew in on this host. Whether one of another host
    /// is still written is not known: locks do not always reach there.
    pub(super) fn own_part(&self) -> Option<&Path> {
        let own = matches!(&self.role, Role::Part { host: theirs } if *theirs == host());
        own.then_some(&self.path)
    }
}

/// Lists what downloads of a file have in a directory; nothing if it cannot be read.
pub(super) fn leftovers(directory: &Path, file_name: &str) -> Vec<Leftover> {
    let Ok(entries) = fs_err::read_dir(directory) else {
        return Vec::new();
    };
    let own = rustix::process::geteuid().as_raw();
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let role = role(entry.file_name().to_str()?, file_name)?;
            let metadata = entry.metadata().ok()?;
            // Another user could change it after it was checked.
            if metadata.uid() != own {
                return None;
            }
            let modified = metadata.modified().ok();
            Some(Leftover {
                path: entry.path(),
                role,
                modified,
            })
        })
        .collect()
}

/// Makes a temporary file, in whatever way, at a path that is free.
pub(super) fn make_part<R>(
    directory: &Path,
    file_name: &str,
    make: impl FnMut(&Path) -> io::Result<R>,
) -> io::Result<NamedTempFile<R>> {
    let prefix = format!(".{file_name}.{}.{}.", host(), std::process::id());
    Builder::new()
        .prefix(&prefix)
        .rand_bytes(8)
        .suffix(".part")
        .make_in(directory, make)
}

/// Where it is noted what a temporary file is.
pub(super) fn note_path(part: &Path) -> PathBuf {
    let mut path = part.as_os_str().to_owned();
    path.push(".json");
    path.into()
}

/// This host's name, without what separates the fields of a temporary file's name.
fn host() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    name.replace(|character: char| !character.is_ascii_alphanumeric(), "-")
}

/// Reads out of a name what it is for downloads of a file; none if it is nothing of theirs.
fn role(name: &str, file_name: &str) -> Option<Role> {
    let fields = name
        .strip_prefix('.')?
        .strip_prefix(file_name)?
        .strip_prefix('.')?;
    let (fields, is_note) = match fields.strip_suffix(".json") {
        Some(fields) => (fields, true),
        None => (fields, false),
    };
    let fields: Vec<&str> = fields.strip_suffix(".part")?.split('.').collect();
    let [host, process, _] = fields.try_into().ok()?;
    process.parse::<u32>().ok()?;
    Some(if is_note {
        Role::Note
    } else {
        Role::Part {
            host: host.to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_is_and_of_which_host() {
        let part = |host: &str| {
            Some(Role::Part {
                host: host.to_owned(),
            })
        };
        assert_eq!(role(".a-1.jar.h-1.42.Xy.part", "a-1.jar"), part("h-1"));
        assert_eq!(
            role(".a-1.jar.h.42.Xy.part.json", "a-1.jar"),
            Some(Role::Note)
        );
        for other in [
            "a-1.jar",
            ".a-1.jar.h.42.Xy.tmp",
            ".a-1.jar.h.x.Xy.part",
            ".a-1.jar.sha1.h.1.X.part",
        ] {
            assert_eq!(role(other, "a-1.jar"), None, "{other}");
        }
    }

    #[test]
    fn what_this_host_makes_is_found_again_as_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let made = make_part(directory.path(), "a.jar", |path| fs_err::write(path, "")).unwrap();
        make_part(directory.path(), "b.jar", |path| fs_err::write(path, "")).unwrap();
        let found = leftovers(directory.path(), "a.jar");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].own_part(), Some(made.path()));
        assert!(!found[0].is_old());
    }
}
