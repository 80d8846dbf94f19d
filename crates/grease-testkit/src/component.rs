//! Real components that tests run against: where each is found and how it is installed.
//!
//! A test asks for what it needs with [`require`] and returns when the answer is `None`. What
//! was skipped is said on standard error and noted in `target/skipped-tests.txt`, which
//! `cargo xtask test` prints at its end. Under `SCALEGREASE_REQUIRE=all`, or a comma list of
//! names, a missing component fails the test instead.

mod table;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use table::ROWS;

/// Names the components whose absence fails a test: `all`, or a comma list of their names.
pub const REQUIRE_VARIABLE: &str = "SCALEGREASE_REQUIRE";

/// Names the directory of the fetched components, by default `target/components`.
pub const DIRECTORY_VARIABLE: &str = "SCALEGREASE_COMPONENTS";

/// The file whose presence says that a fetched component is whole.
pub const STAMP: &str = "complete";

/// What stands between the name of a skipped test and that of the component it lacks.
pub const NEEDS: &str = ": needs ";

/// Directories that hold programs and are not on every user's `PATH`.
const SYSTEM_DIRECTORIES: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// Where Debian's Maven packages put plugins and libraries.
const MAVEN_REPOSITORY: &str = "/usr/share/maven-repo";

/// The plugins that the projects under `tests/fixtures/projects` and their releases go through.
const MAVEN_PLUGINS: [&str; 8] = [
    "assembly",
    "compiler",
    "dependency",
    "deploy",
    "install",
    "jar",
    "resources",
    "surefire",
];

/// A program, a package or a facility of the machine that some tests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// A Python 3 interpreter that can make virtual environments.
    Python,
    /// Luigi and `luigid`; the path is the directory of its programs.
    Luigi,
    /// The Java virtual machine.
    Java,
    /// The Java compiler.
    JavaCompiler,
    /// Hadoop's client with a `hadoop` launcher; the path is the directory of the launcher.
    Hadoop,
    /// A jar with the classes of `tests/fixtures/projects/wordcount`.
    WordCount,
    /// Maven with the plugins that package, deploy and copy, in Debian's offline repository.
    Maven,
    /// A jar with all its dependencies, made by Maven: over 50 MB and 10,000 entries.
    FatJar,
    /// `script(1)`, which gives a program a terminal.
    Script,
    /// A cron daemon.
    Cron,
    /// The right to make mount namespaces; the path is that of `unshare(1)`.
    MountNamespace,
    /// `openssl(1)`, which makes certificates.
    Openssl,
    /// `bindfs(1)` and the right to mount with it: a file system that is not local.
    Bindfs,
    /// The web server nginx.
    Nginx,
    /// `stress-ng(1)`, which loads the machine.
    StressNg,
    /// FUSE, and the right to mount with it.
    Fuse,
    /// `lnav(1)`, which shows logs.
    Lnav,
    /// `promtool(1)` of Prometheus, which checks metrics.
    Promtool,
    /// The shell `zsh(1)`.
    Zsh,
    /// The shell `fish(1)`.
    Fish,
    /// `faketime(1)` with its library, by which a program sees another time.
    Faketime,
}

/// A component that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The program, or what the component's own description says.
    pub path: PathBuf,
}

/// How a component is found.
enum Place {
    /// A program on `PATH` or in a system directory.
    Program(&'static str),
    /// A program that succeeds with these arguments.
    Working(&'static str, &'static [&'static str]),
    /// A path within a directory that `cargo xtask setup` fetches or makes.
    Fetched(&'static str, &'static str),
    /// Maven with the plugins that [`MAVEN_PLUGINS`] names.
    Maven,
}

/// One row of the table of components.
struct Row {
    component: Component,
    /// What `SCALEGREASE_REQUIRE` and messages call it.
    name: &'static str,
    place: Place,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
}

impl Component {
    /// What messages and `SCALEGREASE_REQUIRE` call it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The one command that installs it.
    pub fn install(self) -> String {
        let row = self.row();
        if self.directory().is_some() {
            "cargo xtask setup".to_owned()
        } else if row.packages.is_empty() {
            "nothing, run the tests as root".to_owned()
        } else {
            format!("apt-get install -y {}", row.packages.join(" "))
        }
    }

    /// Looks for it on this machine.
    pub fn find(self) -> Option<Found> {
        let path = match self.row().place {
            Place::Program(name) => program(name),
            Place::Working(name, arguments) => working(name, arguments),
            Place::Fetched(directory, inside) => {
                fetched(&directory_of_components().join(directory), inside)
            }
            Place::Maven => maven(),
        }?;
        Some(Found { path })
    }

    /// The directory that `cargo xtask setup` makes for it, if it is one that is fetched.
    pub fn directory(self) -> Option<PathBuf> {
        match self.row().place {
            Place::Fetched(directory, _) => Some(directory_of_components().join(directory)),
            Place::Program(_) | Place::Working(..) | Place::Maven => None,
        }
    }

    fn row(self) -> &'static Row {
        ROWS.iter()
            .find(|row| row.component == self)
            .expect("a test checks that the table has a row for every component")
    }
}

/// The Debian packages that bring the components that are absent.
pub fn missing_packages() -> Vec<&'static str> {
    let absent = ROWS.iter().filter(|row| row.component.find().is_none());
    absent.flat_map(|row| row.packages).copied().collect()
}

/// Finds a component, or says that the calling test is skipped.
///
/// # Panics
///
/// When the component is absent and `SCALEGREASE_REQUIRE` names it.
pub fn require(component: Component) -> Option<Found> {
    let found = component.find();
    if found.is_none() {
        let thread = std::thread::current();
        let skipped = format!(
            "SKIPPED {}{NEEDS}{}; install: {}\n",
            thread.name().unwrap_or("a test"),
            component.name(),
            component.install()
        );
        let required = variable(REQUIRE_VARIABLE).unwrap_or_default();
        assert!(
            !is_required(&required.to_string_lossy(), component.name()),
            "{skipped}"
        );
        note(&skipped);
    }
    found
}

/// Where `cargo xtask setup` puts what it fetches.
pub fn directory_of_components() -> PathBuf {
    match variable(DIRECTORY_VARIABLE) {
        Some(directory) if !directory.is_empty() => PathBuf::from(directory),
        _ => workspace().join("target/components"),
    }
}

/// The file that names the tests that were skipped since it was last removed.
pub fn skipped_tests() -> PathBuf {
    workspace().join("target/skipped-tests.txt")
}

/// The root of the repository.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two directories below the root")
        .to_owned()
}

/// Whether the value of `SCALEGREASE_REQUIRE` names a component.
fn is_required(value: &str, name: &str) -> bool {
    value
        .split(',')
        .map(str::trim)
        .any(|word| word == "all" || word == name)
}

/// Says that a test was skipped, past the capture of the test harness, and notes it.
fn note(skipped: &str) {
    std::io::stderr().write_all(skipped.as_bytes()).ok(); // Nothing is left to tell it to.
    let path = skipped_tests();
    fs_err::create_dir_all(path.parent().expect("the file lies in `target`"))
        .and_then(|()| {
            fs_err::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
        })
        .and_then(|mut file| file.write_all(skipped.as_bytes()))
        .expect("`target` is writable while its tests run");
}

fn program(name: &str) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

fn fetched(directory: &Path, inside: &str) -> Option<PathBuf> {
    let path = directory.join(inside);
    (directory.join(STAMP).is_file() && path.exists()).then_some(path)
}

fn maven() -> Option<PathBuf> {
    let plugins = Path::new(MAVEN_REPOSITORY).join("org/apache/maven/plugins");
    MAVEN_PLUGINS
        .iter()
        .all(|plugin| plugins.join(format!("maven-{plugin}-plugin")).is_dir())
        .then(|| program("mvn"))
        .flatten()
}

fn working(name: &str, arguments: &[&str]) -> Option<PathBuf> {
    let path = program(name)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate stands below `execution`"
    )]
    let status = Command::new(&path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success()).then_some(path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this crate stands below `sys::env`"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_has_a_row_and_a_name_of_its_own() {
        for (index, row) in ROWS.iter().enumerate() {
            // The table is in the order of the enum, which makes a forgotten row visible.
            assert_eq!(row.component as usize, index, "{}", row.name);
            assert_eq!(
                ROWS.iter().filter(|other| other.name == row.name).count(),
                1
            );
        }
    }

    #[test]
    fn components_are_required_by_name_or_all_together() {
        for (value, name, expected) in [
            ("", "luigi", false),
            ("all", "luigi", true),
            ("hadoop, luigi", "luigi", true),
            ("hadoop", "luigi", false),
            ("luigi-old", "luigi", false),
        ] {
            assert_eq!(is_required(value, name), expected, "{value} {name}");
        }
    }

    #[test]
    fn a_half_fetched_component_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        fs_err::create_dir(directory.path().join("bin")).unwrap();
        assert_eq!(fetched(directory.path(), "bin"), None);
        fs_err::write(directory.path().join(STAMP), "").unwrap();
        assert_eq!(
            fetched(directory.path(), "bin"),
            Some(directory.path().join("bin"))
        );
        assert_eq!(fetched(directory.path(), "lib"), None);
    }

    #[test]
    fn a_program_is_found_and_a_stranger_is_not() {
        assert!(program("sh").is_some());
        assert_eq!(program("no-such-program-anywhere"), None);
    }
}
