//! What the real Maven did, once for all tests of a run: it costs seconds to start.
//!
//! Tests may be processes of their own. The first one that comes has Maven do it, in a directory
//! that is named by the run; the others wait for it. A later run removes what this one leaves.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fs_err::File;

use crate::cases::{AGREED, Case};
use crate::faults::{FIRST, OFFLINE, SECOND};
use crate::handmade;
use crate::maven::{self, Build, settings};
use crate::outcome::Outcome;
use crate::remotes;

/// Tells one run of the tests from another, where each test is a process.
const RUN_VARIABLE: &str = "NEXTEST_RUN_ID";

/// The directories of the artifacts that the tests are about.
const GROUPS: [&str; 2] = ["com/ex", "com/ill"];

/// What Maven did, and what it did it to.
pub(crate) struct Ground {
    directory: PathBuf,
    /// Locked as long as someone looks.
    lock: File,
}

impl Ground {
    /// What Maven did; none, and the test is skipped, if it is not here.
    pub(crate) fn shared() -> Option<&'static Self> {
        static GROUND: OnceLock<Ground> = OnceLock::new();
        maven::is_here().then(|| GROUND.get_or_init(Self::make_or_find))
    }

    fn make_or_find() -> Self {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential");
        fs_err::create_dir_all(&all).unwrap();
        let name = run();
        remove_former(&all, &name);
        let lock = File::create(all.join(format!("{name}.lock"))).unwrap();
        lock.lock().unwrap();
        let ground = Self {
            directory: all.join(name),
            lock,
        };
        assert!(
            !ground.path("failed").exists(),
            "Maven failed in another test"
        );
        if !ground.path("complete").exists() {
            ground.make();
        }
        ground.lock.lock_shared().unwrap();
        ground
    }

    fn make(&self) {
        if self.directory.exists() {
            fs_err::remove_dir_all(&self.directory).unwrap();
        }
        let remotes = self.path("remotes");
        let local = self.path("m2");
        fs_err::create_dir_all(&remotes).unwrap();
        // Until it is complete: the other tests need not try it again.
        fs_err::write(self.path("failed"), "").unwrap();
        let file = self.settings();
        fs_err::write(&file, settings(&local, "")).unwrap();

        remotes::fill(&self.directory, &remotes, &file);
        handmade::furnish(&remotes);
        copy(&remotes, &self.path("healthy"));
        forget_deployment(&local);
        copy_artifacts(&local, &self.path("installed"));

        Build::run(&self.path("first"), &first(), &remotes, &file, &[]);
        copy_artifacts(&local, &self.path("first-local"));
        handmade::spoil(&remotes);
        crate::faults::spoil_local(&local);
        Build::run(&self.path("second"), &cases(SECOND), &remotes, &file, &[]);
        Build::run(
            &self.path("offline"),
            &cases(OFFLINE),
            &remotes,
            &file,
            &["-o"],
        );
        // What is left of it are Maven's plugins.
        for group in GROUPS {
            fs_err::remove_dir_all(local.join(group)).unwrap();
        }
        fs_err::rename(self.path("failed"), self.path("complete")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn settings(&self) -> PathBuf {
        self.path("settings.xml")
    }

    /// The repositories as they were at first, copied to `remotes`.
    pub(crate) fn copy_remotes(&self, remotes: &Path) {
        copy(&self.path("healthy"), remotes);
    }

    /// What was installed, copied to the local repository `local`.
    pub(crate) fn copy_installed(&self, local: &Path) {
        copy(&self.path("installed"), local);
    }

    /// What Maven's local repository was after the first time, copied to `local`.
    pub(crate) fn copy_first_local(&self, local: &Path) {
        copy(&self.path("first-local"), local);
    }

    /// The plugins that Maven needs, copied to the local repository `local`.
    pub(crate) fn copy_plugins(&self, local: &Path) {
        copy(&self.path("m2"), local);
    }

    /// What Maven made of the cases that both agree on.
    pub(crate) fn agreed(&self) -> Vec<Outcome> {
        let build = Build::of(&self.path("first"));
        (0..AGREED.len())
            .map(|index| build.outcome(index))
            .collect()
    }

    /// What Maven made of a case before the repositories became ill.
    pub(crate) fn first(&self, name: &str) -> Outcome {
        let index = AGREED.len() + index_of(FIRST, name);
        Build::of(&self.path("first")).outcome(index)
    }

    /// What Maven made of a case afterwards.
    pub(crate) fn second(&self, name: &str) -> Outcome {
        Build::of(&self.path("second")).outcome(index_of(SECOND, name))
    }

    /// What Maven made of a case after that, offline.
    pub(crate) fn offline(&self, name: &str) -> Outcome {
        Build::of(&self.path("offline")).outcome(index_of(OFFLINE, name))
    }
}

/// The name of this run of the tests.
fn run() -> String {
    #[expect(clippy::disallowed_methods, reason = "tests have no `sys::env`")]
    let run = std::env::var(RUN_VARIABLE);
    run.unwrap_or_else(|_| format!("process-{}", std::process::id()))
}

/// Removes what former runs left, unless someone still looks at it.
fn remove_former(all: &Path, name: &str) {
    for entry in fs_err::read_dir(all).unwrap() {
        let path = entry.unwrap().path();
        let is_lock = path
            .extension()
            .is_some_and(|extension| extension == "lock");
        if !is_lock || path.file_stem().is_some_and(|stem| stem == name) {
            continue;
        }
        // Others clean up at the same moment: whatever is gone is gone.
        let Ok(lock) = File::open(&path) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            fs_err::remove_dir_all(path.with_extension("")).ok();
            fs_err::remove_file(&path).ok();
        }
    }
}

fn first() -> Vec<&'static Case> {
    AGREED
        .iter()
        .chain(FIRST.iter().map(|(_, case)| case))
        .collect()
}

fn cases(named: &'static [(&str, Case)]) -> Vec<&'static Case> {
    named.iter().map(|(_, case)| case).collect()
}

fn index_of(named: &[(&str, Case)], name: &str) -> usize {
    named.iter().position(|(other, _)| *other == name).unwrap()
}

/// Removes what Maven notes here about metadata when it deploys.
fn forget_deployment(local: &Path) {
    for file in files_below(&local.join("com/ex")) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name.contains("-deployed.xml") || name == "resolver-status.properties" {
            fs_err::remove_file(&file).unwrap();
        }
    }
}

/// Copies the artifacts that the tests are about from one local repository to another.
fn copy_artifacts(from: &Path, to: &Path) {
    for group in GROUPS.map(|group| from.join(group)) {
        if group.exists() {
            copy(&group, &to.join(group.strip_prefix(from).unwrap()));
        }
    }
}

/// All files below a directory.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.append(&mut files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Copies the files below a directory, over what is there.
pub(crate) fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs_err::create_dir_all(target.parent().unwrap()).unwrap();
        fs_err::copy(&file, &target).unwrap();
    }
}
