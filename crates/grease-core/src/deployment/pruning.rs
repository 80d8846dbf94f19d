//! What of the local repository and of the cache is no longer needed, and its removal.
//!
//! Whoever keeps the records of runs says what they used; without that knowledge nothing may be
//! removed. Releases and the newest build of each artifact always stay.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use maven_fetch::local::{Build, Plan};
use maven_fetch::state::{Copy, State};

use super::Sources;

/// Age from which what was not finished is of no use to anyone, as for downloads.
const UNFINISHED_AGE_MIN: Duration = Duration::from_hours(24);

/// Age from which what is remembered about repositories and files is forgotten, however few days
/// are asked for: it takes little room, and spares requests.
const RECORD_AGE_MIN: Duration = Duration::from_hours(90 * 24);

/// What runs used.
#[derive(Debug, Default, Clone)]
pub struct Uses {
    builds: HashSet<Build>,
    contents: HashSet<String>,
    paths: HashSet<PathBuf>,
}

/// What can be removed.
#[derive(Debug)]
pub struct Prunable {
    state: State,
    plan: Plan,
    copies: Vec<Copy>,
}

/// What was removed.
#[derive(Debug, Default)]
pub struct Removed {
    /// Files.
    pub files: usize,
    /// Bytes that they took.
    pub size_bytes: u64,
    /// Old records about repositories and files.
    pub records: usize,
    /// What could not be removed, and why.
    pub problems: Vec<String>,
}

impl Uses {
    /// Notes what a run used, in the words of its record: coordinates as resolved or the path of a
    /// local file, and the SHA-256 of what was fetched.
    pub fn note(&mut self, artifact: &str, sha256: Option<&str>) {
        self.contents.extend(sha256.map(ToOwned::to_owned));
        let path = Path::new(artifact);
        if path.is_absolute() {
            self.paths.extend(fs_err::canonicalize(path));
            return;
        }
        let mut fields = artifact.split(':').map(ToOwned::to_owned);
        if let (Some(group), Some(artifact), Some(version)) =
            (fields.next(), fields.next(), fields.next())
        {
            self.builds.insert(Build {
                group,
                artifact,
                version,
            });
        }
    }

    fn has_build(&self, build: &Build, files: &[PathBuf]) -> bool {
        self.builds.contains(build) || files.iter().any(|file| self.has_file(file))
    }

    fn has_copy(&self, copy: &Copy) -> bool {
        let content = copy.sha256.as_ref();
        content.is_some_and(|sha256| self.contents.contains(sha256)) || self.has_file(&copy.path)
    }

    fn has_file(&self, file: &Path) -> bool {
        !self.paths.is_empty()
            && fs_err::canonicalize(file).is_ok_and(|file| self.paths.contains(&file))
    }
}

impl Sources {
    /// Looks for what was made more than `age_min` before `now` and may be removed if no run used
    /// it since: what is then in use is still to be taken out.
    pub fn candidates(&self, age_min: Duration, now: SystemTime) -> Prunable {
        let mut copies = self.state.copies_before(before(now, age_min));
        let unfinished = self.state.copies_before(before(now, UNFINISHED_AGE_MIN));
        copies.retain(|copy| copy.sha256.is_some());
        copies.extend(unfinished.into_iter().filter(|copy| copy.sha256.is_none()));
        Prunable {
            state: self.state.clone(),
            plan: self.local.prunable(&|_| false, age_min, now),
            copies,
        }
    }

    /// Adds what specifications were resolved to within `age` before `now`.
    pub fn add_resolved(&self, uses: &mut Uses, age: Duration, now: SystemTime) {
        for resolution in self.state.resolutions_since(before(now, age)) {
            uses.note(&resolution.resolved.to_string(), Some(&resolution.sha256));
        }
    }
}

impl Prunable {
    /// Takes out what is in use.
    #[must_use]
    pub fn without(mut self, uses: &Uses) -> Self {
        self.plan
            .builds
            .retain(|(build, files)| !uses.has_build(build, files));
        self.copies.retain(|copy| !uses.has_copy(copy));
        self
    }

    /// Builds of snapshots, and copies of snapshots without time stamps.
    pub fn builds(&self) -> usize {
        let finished = self.copies.iter().filter(|copy| copy.sha256.is_some());
        self.plan.builds.len() + finished.count()
    }

    /// What was never finished.
    pub fn leftovers(&self) -> usize {
        let unfinished = self.copies.iter().filter(|copy| copy.sha256.is_none());
        self.plan.leftovers.len() + unfinished.count()
    }

    /// Bytes that all of it takes.
    pub fn size_bytes(&self) -> u64 {
        let of_builds = self.plan.builds.iter().flat_map(|(_, files)| files);
        let files = of_builds.chain(&self.plan.leftovers);
        let in_repository: u64 = files
            .filter_map(|file| fs_err::symlink_metadata(file).ok())
            .map(|found| found.len())
            .sum();
        let of_copies = self.copies.iter().map(|copy| copy.size_bytes);
        in_repository + of_copies.sum::<u64>()
    }

    /// Removes it, and forgets old records. What is gone already, or was written again since, is no
    /// matter.
    pub fn remove(&self, age_min: Duration, now: SystemTime) -> Removed {
        let pruned = self.plan.apply(now);
        let mut removed = Removed {
            files: pruned.files,
            size_bytes: pruned.size_bytes,
            records: 0,
            problems: pruned.problems.iter().map(told).collect(),
        };
        for copy in &self.copies {
            match copy.remove() {
                Ok(true) => {
                    removed.files += 1;
                    removed.size_bytes += copy.size_bytes;
                }
                Ok(false) => {}
                Err(error) => removed.problems.push(error.to_string()),
            }
        }
        let limit = before(now, age_min.max(RECORD_AGE_MIN));
        removed.records = self.state.sweep(limit);
        removed
    }
}

fn before(now: SystemTime, age: Duration) -> SystemTime {
    now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// An error with its causes in one line.
fn told(error: &maven_fetch::local::LocalError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(version: &str) -> Build {
        Build {
            group: "com.acme".to_owned(),
            artifact: "etl".to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn a_build_is_in_use_by_its_coordinates_or_by_the_path_of_one_of_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("etl-3.0-20240101.000000-1.jar");
        fs_err::write(&file, "x").unwrap();
        let link = directory.path().join("link.jar");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let files = [file];

        let mut uses = Uses::default();
        uses.note("com.acme:etl:3.0-20240102.000000-2:jar:c", None);
        assert!(uses.has_build(&build("3.0-20240102.000000-2"), &files));
        assert!(!uses.has_build(&build("3.0-20240101.000000-1"), &files));
        uses.note(link.to_str().unwrap(), None);
        assert!(uses.has_build(&build("3.0-20240101.000000-1"), &files));
    }

    #[test]
    fn a_copy_is_in_use_by_its_content_or_by_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let copy = |name: &str, sha256: &str| {
            let path = directory.path().join(name);
            fs_err::write(&path, "x").unwrap();
            Copy {
                sha256: Some(sha256.to_owned()),
                path,
                size_bytes: 1,
            }
        };
        let (one, two) = (copy("one", "1111"), copy("two", "2222"));
        let mut uses = Uses::default();
        uses.note("com.acme:etl:3.0-SNAPSHOT:jar:", Some("1111"));
        assert!(uses.has_copy(&one) && !uses.has_copy(&two));
        uses.note(two.path.to_str().unwrap(), None);
        assert!(uses.has_copy(&two));
    }
}
