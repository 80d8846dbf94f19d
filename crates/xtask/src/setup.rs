//! Fetches and makes the components that need no root.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use grease_testkit::component::{self, Component, STAMP};
use grease_testkit::pack::files_below;

use crate::command::{command, run_quietly};

/// The release of Luigi; the component's directory carries it too.
const LUIGI: &str = "luigi==3.8.1";

/// The package that carries Hadoop's client, with the digest of its source archive.
///
/// No package registry has Hadoop itself. This one ships the shaded client of Hadoop 3.3.4.
const PYSPARK: &str = "pyspark==3.5.9 \
     --hash=sha256:ea27adc39ddac9413b8951e45aa748cbed6c785971b81386efc41938f6243d93\n";

/// Where the jars lie in that archive.
const JARS_DIRECTORY: &str = "pyspark-3.5.9/deps/jars";

/// What `hadoop jar` needs, and `scala-library` for the fat jar: 56 MB of the archive's 318.
const JARS: [&str; 9] = [
    "commons-logging-1.1.3.jar",
    "hadoop-client-api-3.3.4.jar",
    "hadoop-client-runtime-3.3.4.jar",
    "log4j-1.2-api-2.20.0.jar",
    "log4j-api-2.20.0.jar",
    "log4j-core-2.20.0.jar",
    "log4j-slf4j2-impl-2.20.0.jar",
    "scala-library-2.12.18.jar",
    "slf4j-api-2.0.7.jar",
];

/// Group, artifact and version of what the fat jar is made of.
const DEPENDENCIES: [(&str, &str, &str); 5] = [
    ("org/apache/hadoop", "hadoop-client-api", "3.3.4"),
    ("org/apache/hadoop", "hadoop-client-runtime", "3.3.4"),
    ("org/scala-lang", "scala-library", "2.12.18"),
    ("org/slf4j", "slf4j-api", "2.0.7"),
    ("commons-logging", "commons-logging", "1.1.3"),
];

/// A component to fetch or make.
struct Recipe {
    component: Component,
    /// Makes it in an empty directory.
    make: fn(&Path) -> Result<()>,
    /// The files that it is made from, below `tests/fixtures/projects`, and other ingredients.
    project: Option<&'static str>,
    ingredients: String,
}

fn recipes() -> [Recipe; 4] {
    [
        Recipe {
            component: Component::Luigi,
            make: luigi,
            project: None,
            ingredients: LUIGI.to_owned(),
        },
        Recipe {
            component: Component::Hadoop,
            make: hadoop,
            project: Some("hadoop-client"),
            ingredients: format!("{PYSPARK}{JARS:?}"),
        },
        Recipe {
            component: Component::WordCount,
            make: word_count,
            project: Some("wordcount"),
            ingredients: String::new(),
        },
        Recipe {
            component: Component::FatJar,
            make: fat_jar,
            project: Some("fat-jar"),
            ingredients: format!("{DEPENDENCIES:?}"),
        },
    ]
}

/// Brings every component that is absent or was made from other ingredients.
///
/// One that fails is reported, and the others still come; the exit code is then 1.
pub(crate) fn setup() -> Result<ExitCode> {
    let directory = component::directory_of_components();
    fs_err::create_dir_all(&directory)?;
    let lock = fs_err::File::create(directory.join("lock"))?;
    lock.lock().context("cannot lock the components")?;
    let mut code = ExitCode::SUCCESS;
    for recipe in recipes() {
        let name = recipe.component.name();
        let start = Instant::now();
        match bring(&recipe) {
            Ok(true) => println!("{name}: made in {:.1} s", start.elapsed().as_secs_f64()),
            Ok(false) => println!("{name}: there"),
            Err(error) => {
                eprintln!("{name}: not made: {error:#}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Makes a component unless it is there; tells whether it had to.
fn bring(recipe: &Recipe) -> Result<bool> {
    let directory = recipe
        .component
        .directory()
        .context("the component is not one that is fetched")?;
    let mut stamp = recipe.ingredients.clone();
    if let Some(project) = recipe.project {
        for file in files_below(&project_directory(project))? {
            stamp.push_str(&fs_err::read_to_string(&file)?);
        }
    }
    let stamp_file = directory.join(STAMP);
    if fs_err::read_to_string(&stamp_file).is_ok_and(|made_from| made_from == stamp) {
        return Ok(false);
    }
    if directory.exists() {
        fs_err::remove_dir_all(&directory)?;
    }
    fs_err::create_dir_all(&directory)?;
    println!("{}: making it", recipe.component.name());
    (recipe.make)(&directory)?;
    fs_err::write(&stamp_file, stamp)?; // Last: it says that the rest is whole.
    Ok(true)
}

fn luigi(directory: &Path) -> Result<()> {
    let programs = virtual_environment(directory)?;
    run_quietly(command(programs.join("pip")).args(["install", "--quiet", LUIGI]))
}

fn hadoop(directory: &Path) -> Result<()> {
    copy_project("hadoop-client", directory)?;
    let fetching = tempfile::tempdir_in(directory)?;
    let programs = virtual_environment(&fetching.path().join("python"))?;
    let requirements = fetching.path().join("requirements.txt");
    fs_err::write(&requirements, PYSPARK)?;
    run_quietly(
        command(programs.join("pip"))
            .args(["download", "--quiet", "--no-deps", "--no-binary", ":all:"])
            .args(["--require-hashes", "--requirement"])
            .arg(&requirements)
            .arg("--dest")
            .arg(fetching.path()),
    )?;
    let library = directory.join("lib");
    fs_err::create_dir(&library)?;
    run_quietly(
        command("tar")
            .args(["--extract", "--no-same-owner", "--strip-components=3"])
            .arg("--file")
            .arg(fetching.path().join("pyspark-3.5.9.tar.gz"))
            .arg("--directory")
            .arg(&library)
            .args(JARS.map(|jar| format!("{JARS_DIRECTORY}/{jar}"))),
    )
}

fn word_count(directory: &Path) -> Result<()> {
    let compiler = needed(Component::JavaCompiler)?;
    let classes = directory.join("classes");
    run_quietly(
        command(&compiler)
            .args(["-source", "11", "-target", "11", "-Xlint:-options", "-cp"])
            .arg(hadoop_library()?.join("*"))
            .arg("-d")
            .arg(&classes)
            .args(files_below(&project_directory("wordcount"))?),
    )?;
    run_quietly(
        command(compiler.with_file_name("jar"))
            .args(["--create", "--file"])
            .arg(directory.join("wordcount.jar"))
            .arg("-C")
            .arg(&classes)
            .arg("."),
    )
}

/// Has Maven assemble the project in `directory`, offline, from jars that lie in Hadoop's client.
fn fat_jar(directory: &Path) -> Result<()> {
    let maven = needed(Component::Maven)?;
    needed(Component::JavaCompiler)?;
    copy_project("fat-jar", directory)?;
    let working = tempfile::tempdir_in(directory)?;
    let repository = working.path().join("repository");
    for (group, artifact, version) in DEPENDENCIES {
        let place = repository.join(group).join(artifact).join(version);
        fs_err::create_dir_all(&place)?;
        let jar = format!("{artifact}-{version}.jar");
        fs_err::copy(hadoop_library()?.join(&jar), place.join(&jar))?;
        let pom = format!(
            "<project><modelVersion>4.0.0</modelVersion><groupId>{}</groupId>\
             <artifactId>{artifact}</artifactId><version>{version}</version></project>\n",
            group.replace('/', ".")
        );
        fs_err::write(place.join(format!("{artifact}-{version}.pom")), pom)?;
    }
    let settings = working.path().join("settings.xml");
    fs_err::write(&settings, maven_settings(working.path(), &repository))?;
    run_quietly(
        command(maven)
            .args([
                "--batch-mode",
                "--no-transfer-progress",
                "--quiet",
                "--settings",
            ])
            .arg(&settings)
            .arg("package")
            .current_dir(directory),
    )
}

/// Settings with which Maven asks nobody but Debian's repository and `repository`.
fn maven_settings(working: &Path, repository: &Path) -> String {
    format!(
        "<settings>
  <localRepository>{}/local</localRepository>
  <mirrors>
    <mirror><id>debian</id><mirrorOf>central</mirrorOf><url>file:///usr/share/maven-repo</url></mirror>
  </mirrors>
  <profiles>
    <profile>
      <id>components</id>
      <repositories>
        <repository><id>components</id><url>file://{}</url></repository>
      </repositories>
    </profile>
  </profiles>
  <activeProfiles><activeProfile>components</activeProfile></activeProfiles>
</settings>
",
        working.display(),
        repository.display()
    )
}

/// Makes a Python environment and gives the directory of its programs.
fn virtual_environment(directory: &Path) -> Result<PathBuf> {
    let python = needed(Component::Python)?;
    run_quietly(command(python).args(["-m", "venv"]).arg(directory))?;
    Ok(directory.join("bin"))
}

/// The path of a component that another one is made with.
fn needed(component: Component) -> Result<PathBuf> {
    let found = component.find().with_context(|| {
        format!(
            "it needs `{}`; install: {}",
            component.name(),
            component.install()
        )
    })?;
    Ok(found.path)
}

fn hadoop_library() -> Result<PathBuf> {
    Ok(needed(Component::Hadoop)?.with_file_name("lib"))
}

fn project_directory(name: &str) -> PathBuf {
    component::workspace()
        .join("tests/fixtures/projects")
        .join(name)
}

fn copy_project(name: &str, directory: &Path) -> Result<()> {
    let project = project_directory(name);
    for file in files_below(&project)? {
        let copy = directory.join(file.strip_prefix(&project)?);
        fs_err::create_dir_all(copy.parent().context("a copy lies in a directory")?)?;
        fs_err::copy(&file, &copy)?;
    }
    Ok(())
}
