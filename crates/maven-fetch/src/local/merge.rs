//! Changes a properties file that other programs change as well.
//!
//! Maven locks the file itself and rewrites it in place (resolver 1.9 and later), or rewrites it
//! in place without any lock (1.6). The same is done here with one write; where there are no
//! locks, the file is replaced. An update that is lost all the same does no harm: what is not
//! tracked is accepted, and a missing stamp costs one request.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use fs_err::File;
use fs_err::os::unix::fs::FileExt as _;

use super::LocalError;
use super::atomic::{self, Durability};
use super::properties::Properties;
use crate::lock::{self, Attempt};
use crate::regular;

/// What Maven writes into the first line.
const COMMENT: &str = "NOTE: This is a Maven Resolver internal implementation file, its format can \
                       be changed without prior notice.";

/// Largest properties file: a hundred bytes for each of 40,000 builds of a snapshot.
const PROPERTIES_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// How often and in which distance the lock is tried: as Maven Resolver does. Who holds it
/// rewrites a small file.
const LOCK_TRIES: u32 = 8;
const LOCK_DISTANCE: Duration = Duration::from_millis(50);

/// How often the file is opened again because it was replaced while we waited for its lock.
const OPEN_TRIES: u32 = 3;

/// Reads a properties file; one that is not there is empty.
pub(super) fn read(path: &Path) -> Result<Properties, LocalError> {
    match regular::open(path) {
        Ok(mut file) => parse(&mut file, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Properties::default()),
        Err(error) => Err(LocalError::io("read", path)(error)),
    }
}

/// Changes a properties file; makes it where it is missing, leaves it alone where `change` does
/// nothing.
pub(super) fn merge(path: &Path, change: &dyn Fn(&mut Properties)) -> Result<(), LocalError> {
    merge_under(lock::attempt, path, change)
}

fn merge_under(
    attempt: fn(&File) -> Attempt,
    path: &Path,
    change: &dyn Fn(&mut Properties),
) -> Result<(), LocalError> {
    let failed = |action| LocalError::io(action, path);
    for _ in 0..OPEN_TRIES {
        let mut file = regular::open_to_change(path, 0o666).map_err(failed("open"))?;
        let lock = wait(attempt, &file);
        if lock == Attempt::Busy {
            return Err(LocalError::Busy {
                path: path.to_owned(),
            });
        }
        if !is_still(path, &file) {
            continue;
        }
        let old = parse(&mut file, path)?;
        let mut new = old.clone();
        change(&mut new);
        if new == old {
            return Ok(());
        }
        let text = new.print(COMMENT);
        if let Attempt::Impossible(errno) = lock {
            tracing::debug!(path = %path.display(), %errno, "no lock: the file is replaced");
            let replaced = atomic::replace(path, text.as_bytes(), 0o666, Durability::Whole);
            return replaced.map(drop).map_err(failed("replace"));
        }
        return file
            .write_all_at(text.as_bytes(), 0)
            .and_then(|()| file.set_len(text.len() as u64))
            .map_err(failed("write"));
    }
    Err(LocalError::Busy {
        path: path.to_owned(),
    })
}

fn parse(file: &mut File, path: &Path) -> Result<Properties, LocalError> {
    let mut bytes = Vec::new();
    file.take(PROPERTIES_MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(LocalError::io("read", path))?;
    if bytes.len() as u64 > PROPERTIES_MAX_BYTES {
        let max_bytes = PROPERTIES_MAX_BYTES;
        return Err(LocalError::TooLarge {
            path: path.to_owned(),
            max_bytes,
        });
    }
    Ok(Properties::parse(&bytes))
}

/// Waits a little for the lock.
fn wait(attempt: fn(&File) -> Attempt, file: &File) -> Attempt {
    for _ in 1..LOCK_TRIES {
        match attempt(file) {
            Attempt::Busy => thread::sleep(LOCK_DISTANCE),
            other => return other,
        }
    }
    attempt(file)
}

/// Tells whether a path still leads to an open file: another program may have replaced it.
fn is_still(path: &Path, file: &File) -> bool {
    let identity = |found: io::Result<std::fs::Metadata>| {
        found.map(|metadata| (metadata.dev(), metadata.ino())).ok()
    };
    identity(fs_err::metadata(path)) == identity(file.metadata())
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    fn set(path: &Path, key: &str, value: &str) -> Result<(), LocalError> {
        merge(path, &|properties| properties.set(key, value))
    }

    #[test]
    fn keys_of_others_stay_and_the_file_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status");
        fs_err::write(
            &path,
            "# by hand\nother=1\nlong=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
        )
        .unwrap();
        let before = fs_err::metadata(&path).unwrap().ino();
        merge(&path, &|properties| {
            properties.set("ours", "2");
            properties.remove(|key| key == "long");
        })
        .unwrap();
        assert_eq!(
            fs_err::read_to_string(&path).unwrap(),
            format!("#{COMMENT}\nother=1\nours=2\n")
        );
        assert_eq!(fs_err::metadata(&path).unwrap().ino(), before);
    }

    #[test]
    fn nothing_is_written_when_nothing_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status");
        fs_err::write(&path, "# by hand\nkey=1\n").unwrap();
        set(&path, "key", "1").unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"# by hand\nkey=1\n");
    }

    #[test]
    fn a_file_that_another_program_holds_for_long_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status");
        let other = File::create(&path).unwrap();
        assert_eq!(lock::attempt(&other), Attempt::Held);
        let error = set(&path, "key", "1").unwrap_err();
        assert!(matches!(error, LocalError::Busy { .. }), "{error}");
        assert_eq!(fs_err::metadata(&path).unwrap().len(), 0);
    }

    #[test]
    fn where_there_are_no_locks_the_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status");
        let impossible = |_: &File| Attempt::Impossible(Errno::ENOLCK);
        for key in ["one", "two"] {
            let before = fs_err::metadata(&path).map(|metadata| metadata.ino()).ok();
            merge_under(impossible, &path, &|properties| properties.set(key, "x")).unwrap();
            assert_ne!(
                fs_err::metadata(&path).map(|metadata| metadata.ino()).ok(),
                before
            );
        }
        assert_eq!(read(&path).unwrap().iter().count(), 2);
        assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_was_replaced_while_it_was_opened_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status");
        fs_err::write(&path, "old=1\n").unwrap();
        // Another program replaces the file at the moment in which its lock is asked for.
        let replaced_once = |file: &File| {
            if file.metadata().unwrap().len() == 6 {
                let other = file.path().with_extension("other");
                fs_err::write(&other, "other=12345\n").unwrap();
                fs_err::rename(&other, file.path()).unwrap();
            }
            lock::attempt(file)
        };
        merge_under(replaced_once, &path, &|properties| {
            properties.set("ours", "2");
        })
        .unwrap();
        let found = read(&path).unwrap();
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            [("other", "12345"), ("ours", "2")]
        );
    }

    #[test]
    fn a_file_beyond_the_limit_is_neither_read_nor_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status");
        let file = File::create(&path).unwrap();
        file.set_len(PROPERTIES_MAX_BYTES + 1).unwrap();
        assert!(matches!(read(&path), Err(LocalError::TooLarge { .. })));
        assert!(matches!(
            set(&path, "key", "1"),
            Err(LocalError::TooLarge { .. })
        ));
        assert_eq!(file.metadata().unwrap().len(), PROPERTIES_MAX_BYTES + 1);
    }

    #[test]
    fn no_update_is_lost_between_threads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status");
        thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..50 {
                        set(path, &format!("{writer}-{number}"), "x").unwrap();
                    }
                });
            }
        });
        assert_eq!(read(&path).unwrap().iter().count(), 200);
    }
}
