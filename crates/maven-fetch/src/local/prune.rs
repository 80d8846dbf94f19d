//! Which builds of snapshots are no longer needed, and their removal.
//!
//! Releases are never removed, nor the newest build of each artifact of a snapshot, nor a build
//! that was used or made lately. Only files whose names carry a time stamp are touched, and what
//! downloads left behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::layout::{self, BuildStamp};
use super::{FileFacts, LocalError, LocalRepository, lookup, merge, tracking};

/// Deepest directory that is looked into: deeper than any group's.
const DEPTH_MAX: usize = 40;

/// Most directories that are looked into: ten times those of a large local repository.
const DIRECTORIES_MAX: usize = 1_000_000;

/// Age from which what a download left behind is of no use to anyone.
const LEFTOVER_AGE_MIN: Duration = Duration::from_hours(24);

/// Ends of the names of what downloads leave behind when they are killed.
const LEFTOVER_ENDS: [&str; 3] = [".part", ".part.json", ".tmp"];

/// One build of a snapshot: all files with one time stamp in one directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Build {
    /// Group.
    pub group: String,
    /// Artifact.
    pub artifact: String,
    /// Version with the time stamp, such as `3.0-20240102.030405-7`.
    pub version: String,
}

/// What can be removed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Builds with their files.
    pub builds: Vec<(Build, Vec<PathBuf>)>,
    /// What downloads left behind.
    pub leftovers: Vec<PathBuf>,
    /// Bytes that all of it takes.
    pub size_bytes: u64,
}

/// What was removed.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Files.
    pub files: usize,
    /// Bytes that they took.
    pub size_bytes: u64,
    /// What could not be removed, and why.
    pub problems: Vec<LocalError>,
}

impl LocalRepository {
    /// Plans what to remove from the head and from our own repository.
    ///
    /// A build goes if it is not the newest with any of its files' classifiers and extensions,
    /// all its files were written more than `age_min` before `now`, and `is_used` does not claim it.
    pub fn prunable(
        &self,
        is_used: &dyn Fn(&Build) -> bool,
        age_min: Duration,
        now: SystemTime,
    ) -> Plan {
        let mut plan = Plan::default();
        for root in [&self.head, &self.own] {
            for directory in directories(root) {
                let names = lookup::names(&directory);
                plan.add_leftovers(&directory, &names, now);
                let Some(snapshot) = SnapshotFiles::of(root, &directory, &names) else {
                    continue;
                };
                plan.add_builds(&snapshot, is_used, age_min, now);
            }
        }
        plan
    }
}

impl Plan {
    /// Removes what is planned, except for files that were written again since.
    pub fn apply(&self, now: SystemTime) -> Pruned {
        let mut pruned = Pruned::default();
        let mut by_directory: BTreeMap<&Path, Vec<&Path>> = BTreeMap::new();
        for path in self.builds.iter().flat_map(|(_, files)| files) {
            pruned.remove([path]);
            if let Some(directory) = path.parent() {
                by_directory.entry(directory).or_default().push(path);
            }
        }
        for (directory, files) in by_directory {
            pruned.untrack(directory, &files);
        }
        let leftovers = self
            .leftovers
            .iter()
            .filter(|path| is_older(path, LEFTOVER_AGE_MIN, now));
        pruned.remove(leftovers);
        pruned
    }

    fn add_leftovers(&mut self, directory: &Path, names: &[String], now: SystemTime) {
        for name in names {
            let is_ours =
                name.starts_with('.') && LEFTOVER_ENDS.iter().any(|end| name.ends_with(end));
            let path = directory.join(name);
            if is_ours && is_older(&path, LEFTOVER_AGE_MIN, now) {
                self.size_bytes += size(&path);
                self.leftovers.push(path);
            }
        }
    }

    fn add_builds(
        &mut self,
        snapshot: &SnapshotFiles<'_>,
        is_used: &dyn Fn(&Build) -> bool,
        age_min: Duration,
        now: SystemTime,
    ) {
        for (stamp, rests) in &snapshot.builds {
            let files: Vec<PathBuf> = snapshot.files(stamp, rests).collect();
            let is_old = files.iter().all(|path| is_older(path, age_min, now));
            let build = snapshot.build(stamp);
            if is_old && !snapshot.is_newest(stamp, rests) && !is_used(&build) {
                self.size_bytes += files.iter().map(|path| size(path)).sum::<u64>();
                self.builds.push((build, files));
            }
        }
    }
}

impl Pruned {
    fn remove<'a>(&mut self, files: impl IntoIterator<Item = &'a PathBuf>) {
        for path in files {
            let size_bytes = size(path);
            match fs_err::remove_file(path) {
                Ok(()) => {
                    self.files += 1;
                    self.size_bytes += size_bytes;
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => self.problems.push(LocalError::io("remove", path)(error)),
            }
        }
    }

    /// Forgets where the removed files came from. It does no harm to remember, so that a lock which
    /// another program holds is not insisted on.
    fn untrack(&mut self, directory: &Path, files: &[&Path]) {
        let path = directory.join(tracking::FILE_NAME);
        if !path.exists() {
            return;
        }
        let forgotten = merge::merge(&path, &|properties| {
            for name in files.iter().filter_map(|path| path.file_name()) {
                tracking::forget(properties, &name.to_string_lossy());
            }
        });
        match forgotten {
            Ok(()) | Err(LocalError::Busy { .. }) => {}
            Err(problem) => self.problems.push(problem),
        }
    }
}

/// The builds of one snapshot.
struct SnapshotFiles<'a> {
    directory: &'a Path,
    group: String,
    artifact: String,
    /// The version up to the time stamp.
    before: String,
    /// What follows the stamp in the names of each build's files.
    builds: BTreeMap<BuildStamp, Vec<&'a str>>,
}

impl<'a> SnapshotFiles<'a> {
    /// Sorts the files of a directory into builds, if it is that of a snapshot.
    fn of(root: &Path, directory: &'a Path, names: &'a [String]) -> Option<Self> {
        let relative = directory.strip_prefix(root).ok()?;
        let mut components: Vec<&str> = relative
            .iter()
            .map(std::ffi::OsStr::to_str)
            .collect::<Option<_>>()?;
        let (base_version, artifact) = (components.pop()?, components.pop()?);
        let prefix = layout::build_prefix(artifact, base_version)?;
        let mut builds: BTreeMap<BuildStamp, Vec<&str>> = BTreeMap::new();
        for name in names {
            if let Some(rest) = name.strip_prefix(&prefix)
                && let Some((stamp, rest)) = BuildStamp::parse(rest)
                && (rest.starts_with('.') || rest.starts_with('-'))
            {
                builds.entry(stamp).or_default().push(rest);
            }
        }
        Some(Self {
            directory,
            group: components.join("."),
            artifact: artifact.to_owned(),
            before: layout::before_stamp(base_version)?.to_owned(),
            builds,
        })
    }

    fn version(&self, stamp: &BuildStamp) -> String {
        format!("{}{}-{}", self.before, stamp.time, stamp.number)
    }

    fn build(&self, stamp: &BuildStamp) -> Build {
        let version = self.version(stamp);
        Build {
            group: self.group.clone(),
            artifact: self.artifact.clone(),
            version,
        }
    }

    fn files(&self, stamp: &BuildStamp, rests: &[&str]) -> impl Iterator<Item = PathBuf> {
        let start = format!("{}-{}", self.artifact, self.version(stamp));
        rests
            .iter()
            .map(move |rest| self.directory.join(format!("{start}{rest}")))
    }

    /// Tells whether a build is the newest that has one of its files. What goes with another file,
    /// as `app.jar.sha1` with `app.jar`, does not count.
    fn is_newest(&self, stamp: &BuildStamp, rests: &[&str]) -> bool {
        let goes_with = |rest: &str, other: &str| {
            rest.strip_prefix(other)
                .is_some_and(|companion| companion.starts_with('.'))
        };
        let is_companion = |rest: &str| rests.iter().any(|other| goes_with(rest, other));
        rests.iter().filter(|rest| !is_companion(rest)).any(|rest| {
            let mut with_it = self
                .builds
                .iter()
                .filter(|(_, others)| others.contains(rest));
            with_it
                .next_back()
                .is_some_and(|(newest, _)| newest == stamp)
        })
    }
}

/// All directories below a root, without following links.
fn directories(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next = vec![(root.to_owned(), 0)];
    while let Some((directory, depth)) = next.pop() {
        if depth < DEPTH_MAX
            && let Ok(entries) = fs_err::read_dir(&directory)
        {
            let below = entries
                .filter_map(Result::ok)
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| (entry.path(), depth + 1));
            next.extend(below);
        }
        found.push(directory);
        if found.len() == DIRECTORIES_MAX {
            break;
        }
    }
    found
}

fn is_older(path: &Path, age_min: Duration, now: SystemTime) -> bool {
    fs_err::symlink_metadata(path)
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > age_min))
}

fn size(path: &Path) -> u64 {
    FileFacts::of(path).map_or(0, |facts| facts.size_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const DIRECTORY: &str = "com/ex/app/3.0-SNAPSHOT";

    /// A repository with three builds, the newest without the classifier `c`; all made now.
    fn repository() -> (tempfile::TempDir, LocalRepository) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("m2");
        fs_err::create_dir_all(root.join(DIRECTORY)).unwrap();
        for name in [
            "app-3.0-20240101.000000-1-c.jar",
            "app-3.0-20240101.000000-1-c.jar.sha1",
            "app-3.0-20240102.000000-2-c.jar",
            "app-3.0-20240103.000000-3.jar",
            "app-3.0-SNAPSHOT-c.jar",
            "app-3.0-SNAPSHOT.jar.lastUpdated",
            "notes-20240101.000000-1.jar",
        ] {
            fs_err::write(root.join(DIRECTORY).join(name), name).unwrap();
        }
        let tracking = "app-3.0-20240101.000000-1-c.jar>corp=\n\
                        app-3.0-20240102.000000-2-c.jar>corp=\n";
        fs_err::write(root.join(DIRECTORY).join(tracking::FILE_NAME), tracking).unwrap();
        let own = directory.path().join("own");
        (directory, LocalRepository::new(root, own, Vec::new()))
    }

    fn versions(plan: &Plan) -> Vec<&str> {
        plan.builds
            .iter()
            .map(|(build, _)| build.version.as_str())
            .collect()
    }

    #[test]
    fn old_builds_go_and_the_newest_of_each_classifier_stays() {
        let (_directory, repository) = repository();
        let later = SystemTime::now() + 31 * DAY;
        let plan = repository.prunable(&|_| false, 30 * DAY, later);
        assert_eq!(versions(&plan), ["3.0-20240101.000000-1"]);
        let before = lookup::names(&repository.head.join(DIRECTORY)).len();
        let pruned = plan.apply(later);
        assert_eq!(
            (pruned.files, pruned.size_bytes, pruned.problems.len()),
            (2, plan.size_bytes, 0)
        );
        assert_eq!(
            lookup::names(&repository.head.join(DIRECTORY)).len(),
            before - 2
        );
        let tracking =
            merge::read(&repository.head.join(DIRECTORY).join(tracking::FILE_NAME)).unwrap();
        let tracked: Vec<_> = tracking.iter().map(|(key, _)| key).collect();
        assert_eq!(tracked, ["app-3.0-20240102.000000-2-c.jar>corp"]);
        assert_eq!(
            repository.prunable(&|_| false, 30 * DAY, later),
            Plan::default()
        );
    }

    #[test]
    fn what_is_tracked_of_removed_files_may_stay_while_another_program_has_the_lock() {
        let (_directory, repository) = repository();
        let later = SystemTime::now() + 31 * DAY;
        let path = repository.head.join(DIRECTORY).join(tracking::FILE_NAME);
        let file = fs_err::File::options().write(true).open(path).unwrap();
        assert_eq!(crate::lock::attempt(&file), crate::lock::Attempt::Held);
        let plan = repository.prunable(&|_| false, 30 * DAY, later);
        let pruned = plan.apply(later);
        assert_eq!((pruned.files, pruned.problems.len()), (2, 0));
    }

    #[test]
    fn what_was_used_or_written_lately_stays() {
        let (_directory, repository) = repository();
        let now = SystemTime::now();
        assert_eq!(
            repository.prunable(&|_| false, 30 * DAY, now + 29 * DAY),
            Plan::default()
        );
        let used = Build {
            group: "com.ex".to_owned(),
            artifact: "app".to_owned(),
            version: "3.0-20240101.000000-1".to_owned(),
        };
        let plan = repository.prunable(&|build| *build == used, 30 * DAY, now + 31 * DAY);
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn what_downloads_left_goes_after_a_day() {
        let (_directory, repository) = repository();
        let left = [
            ".app.jar.host.1.abc.part",
            ".app.jar.host.1.abc.part.json",
            ".x.tmp",
        ];
        let directory = repository.head.join(DIRECTORY);
        for name in left.iter().chain(&["app.tmp", ".hidden"]) {
            fs_err::write(directory.join(name), "x").unwrap();
        }
        let now = SystemTime::now();
        assert_eq!(repository.prunable(&|_| true, DAY, now), Plan::default());
        let later = now + 2 * DAY;
        let pruned = repository.prunable(&|_| true, DAY, later).apply(later);
        assert_eq!((pruned.files, pruned.size_bytes), (3, 3));
        assert!(left.iter().all(|name| !directory.join(name).exists()));
        assert!(directory.join("app.tmp").exists() && directory.join(".hidden").exists());
    }

    #[test]
    fn a_link_out_of_the_repository_is_not_followed() {
        let (_directory, repository) = repository();
        let (_other, elsewhere) = self::repository();
        fs_err::os::unix::fs::symlink(&elsewhere.head, repository.head.join("link")).unwrap();
        let plan = repository.prunable(&|_| false, DAY, SystemTime::now() + 31 * DAY);
        assert!(!plan.builds.is_empty());
        assert!(
            plan.builds
                .iter()
                .all(|(_, files)| files[0].starts_with(repository.head.join("com")))
        );
    }
}
