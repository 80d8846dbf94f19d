//! What is no longer needed of our memory, and what it says about use.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Envelope, Resolution, State};

/// Name of a copy that is being made begins so.
const UNFINISHED: &str = ".copy.";

/// A copy of a file whose name does not stay its own: of a snapshot without time stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// SHA-256 of its content; none for one that was never finished.
    pub sha256: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// Size.
    pub size_bytes: u64,
}

impl State {
    /// What specifications were resolved to, at `limit` or later, out of whatever local repository.
    ///
    /// A specification that names one version exactly is resolved once, and only recalled after.
    pub fn resolutions_since(&self, limit: SystemTime) -> Vec<Resolution> {
        let paths = files_in(&self.root.join("resolutions"));
        let recent = paths.filter(|path| !is_before(path, limit));
        let texts = recent.filter_map(|path| fs_err::read(path).ok());
        texts
            .filter_map(|text| serde_json::from_slice::<Envelope<Resolution>>(&text).ok())
            .map(|envelope| envelope.record)
            .collect()
    }

    /// Lists the copies that were made before `limit`, and those that somebody began to make then.
    pub fn copies_before(&self, limit: SystemTime) -> Vec<Copy> {
        let copies = self.copies();
        let unfinished = files_in(&copies)
            .filter(|path| name(path).is_some_and(|name| name.starts_with(UNFINISHED)))
            .map(|path| (None, path));
        let finished = entries_of(&copies)
            .filter(|path| path.is_dir())
            .flat_map(|directory| {
                let sha256 = name(&directory).map(ToOwned::to_owned);
                files_in(&directory).map(move |path| (sha256.clone(), path))
            });
        unfinished
            .chain(finished)
            .filter(|(_, path)| is_before(path, limit))
            .map(|(sha256, path)| Copy {
                sha256,
                size_bytes: fs_err::symlink_metadata(&path).map_or(0, |found| found.len()),
                path,
            })
            .collect()
    }
}

impl Copy {
    /// Removes it; tells whether it was still there.
    pub fn remove(&self) -> io::Result<bool> {
        match fs_err::remove_file(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        if let (Some(_), Some(directory)) = (&self.sha256, self.path.parent()) {
            fs_err::remove_dir(directory).ok(); // Another copy may be in it, under another name.
        }
        Ok(true)
    }
}

fn entries_of(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs_err::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

fn files_in(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    entries_of(directory)
        .filter(|path| fs_err::symlink_metadata(path).is_ok_and(|found| found.is_file()))
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn is_before(path: &Path, limit: SystemTime) -> bool {
    let modified = fs_err::symlink_metadata(path).and_then(|found| found.modified());
    modified.is_ok_and(|modified| modified < limit)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::coordinates::Resolved;
    use crate::local::FileFacts;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn only_resolutions_of_late_are_given() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::new(directory.path());
        let resolution = Resolution {
            resolved: Resolved {
                group: "com.ex".to_owned(),
                artifact: "app".to_owned(),
                version: "3.0-20240101.000000-1".to_owned(),
                extension: "jar".to_owned(),
                classifier: None,
            },
            repository_id: "corp".to_owned(),
            path: directory.path().join("app.jar"),
            facts: FileFacts {
                size_bytes: 1,
                modified_ns: 1,
                inode: 1,
            },
            sha1: "1".to_owned(),
            sha256: "2".to_owned(),
            checked_at: Timestamp::UNIX_EPOCH,
            witnesses: Vec::new(),
            certain: true,
        };
        state
            .remember_resolution(directory.path(), "a", &resolution)
            .unwrap();
        let now = SystemTime::now();
        assert_eq!(state.resolutions_since(now - DAY), [resolution]);
        assert_eq!(state.resolutions_since(now + DAY), []);
    }

    #[test]
    fn old_copies_are_listed_by_their_content_and_removed_once() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::new(directory.path());
        for name in ["aa/app.jar", "aa/other.jar", "bb/app.jar"] {
            let path = state.copies().join(name);
            super::super::make_parent(&path).unwrap();
            fs_err::write(path, "x").unwrap();
        }
        let later = SystemTime::now() + DAY;
        fs_err::write(state.copies().join(".copy.1.tmp"), "xx").unwrap();
        assert_eq!(state.copies_before(later - 2 * DAY), []);
        let mut copies = state.copies_before(later);
        copies.sort_by(|one, other| one.path.cmp(&other.path));
        let shown: Vec<_> = copies
            .iter()
            .map(|copy| (copy.sha256.as_deref(), copy.size_bytes))
            .collect();
        assert_eq!(
            shown,
            [(None, 2), (Some("aa"), 1), (Some("aa"), 1), (Some("bb"), 1)]
        );
        assert!(copies[1].remove().unwrap());
        assert!(!copies[1].remove().unwrap());
        assert!(state.copies().join("aa/other.jar").exists());
        assert!(copies[3].remove().unwrap());
        assert!(!state.copies().join("bb").exists());
    }
}
