//! The real Maven, many specifications at a time: each is a module of one build, so that one that
//! fails does not keep the others from being resolved.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use grease_testkit::component::{Component, require};
use maven_fetch::version::Version;

use crate::cases::{Case, Goal};
use crate::outcome::Outcome;

/// Where Debian keeps the artifacts of its packages: what Maven itself needs.
pub(crate) const DEBIAN: &str = "/usr/share/maven-repo";

/// Finds Maven, or says that the calling test is skipped.
pub(crate) fn is_here() -> bool {
    require(Component::Maven).is_some()
}

/// Runs Maven to its end; it may fail.
pub(crate) fn run(settings: &Path, arguments: &[&str]) -> Output {
    // Each run is short: compiling well is not worth its time.
    let options = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto";
    #[expect(
        clippy::disallowed_methods,
        reason = "the peer that the tests compare with"
    )]
    let mut command = Command::new("mvn");
    command
        .args(["-B", "-ntp", "-s"])
        .arg(settings)
        .args(arguments)
        .env("MAVEN_OPTS", options)
        .env_remove("MAVEN_ARGS")
        .output()
        .unwrap()
}

/// What a run printed.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The newest of Debian's versions of a plugin, as Maven wants it named.
pub(crate) fn plugin(name: &str) -> String {
    let directory = Path::new(DEBIAN).join(format!("org/apache/maven/plugins/maven-{name}-plugin"));
    let versions = fs_err::read_dir(directory).unwrap();
    let version = versions
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .max_by_key(|version| Version::new(version))
        .unwrap();
    format!("org.apache.maven.plugins:maven-{name}-plugin:{version}")
}

/// An element for each pair.
pub(crate) fn elements(pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(String::new(), |mut text, (name, value)| {
        write!(text, "<{name}>{value}</{name}>").unwrap();
        text
    })
}

/// A plugin of a project, with executions that run one after the other.
pub(crate) fn plugin_of_project(name: &str, executions: &[(&str, String)]) -> String {
    let plugin = plugin(name);
    let (_, version) = plugin.rsplit_once(':').unwrap();
    let mut text = format!(
        "<plugin><groupId>org.apache.maven.plugins</groupId>\
         <artifactId>maven-{name}-plugin</artifactId><version>{version}</version><executions>"
    );
    for (index, (goal, configuration)) in executions.iter().enumerate() {
        write!(
            text,
            "<execution><id>e{index}</id><phase>validate</phase><goals><goal>{goal}</goal></goals>\
             <configuration>{configuration}</configuration></execution>"
        )
        .unwrap();
    }
    text + "</executions></plugin>"
}

/// A project that only runs plugins.
pub(crate) fn project(artifact: &str, rest: &str) -> String {
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>differential</groupId>\
         <artifactId>{artifact}</artifactId><version>1</version><packaging>pom</packaging>{rest}\
         </project>"
    )
}

/// Settings with a local repository. Maven's own plugins come from Debian.
pub(crate) fn settings(local: &Path, rest: &str) -> String {
    format!(
        "<settings><localRepository>{}</localRepository><mirrors><mirror><id>debian</id>\
         <mirrorOf>central</mirrorOf><url>file://{DEBIAN}</url></mirror></mirrors>{rest}\
         </settings>",
        local.display()
    )
}

/// Copies one artifact as people do it on the command line.
pub(crate) fn copy(settings: &Path, coordinates: &str, options: &[&str]) -> Outcome {
    let target = tempfile::tempdir().unwrap();
    let goal = format!("{}:copy", plugin("dependency"));
    let artifact = format!("-Dartifact={coordinates}");
    let directory = format!("-DoutputDirectory={}", target.path().display());
    let mut arguments = vec![goal.as_str(), &artifact, &directory];
    arguments.extend(options);
    let output = run(settings, &arguments);
    match fs_err::read_dir(target.path()).unwrap().next() {
        Some(file) if output.status.success() => Outcome::of_file(&file.unwrap().path()),
        _ => Outcome::Nothing(said(&output)),
    }
}

/// Specifications that one build resolves.
pub(crate) struct Build {
    directory: PathBuf,
    said: String,
}

impl Build {
    /// Resolves `cases` below `directory`, which must not exist: from repositories below
    /// `remotes`, into the local repository that `settings` name.
    pub(crate) fn run(
        directory: &Path,
        cases: &[&Case],
        remotes: &Path,
        settings: &Path,
        options: &[&str],
    ) -> Self {
        let mut modules = String::new();
        for (index, case) in cases.iter().enumerate() {
            write!(modules, "<module>c{index}</module>").unwrap();
            let module = directory.join(format!("c{index}"));
            fs_err::create_dir_all(&module).unwrap();
            let text = project(&format!("c{index}"), &module_of(case, remotes));
            fs_err::write(module.join("pom.xml"), text).unwrap();
        }
        let text = project("all", &format!("<modules>{modules}</modules>"));
        let file = directory.join("pom.xml");
        fs_err::write(&file, text).unwrap();
        let mut arguments = vec!["-fn", "-f", file.to_str().unwrap(), "validate"];
        arguments.extend(options);
        let said = said(&run(settings, &arguments));
        fs_err::write(directory.join("said"), &said).unwrap();
        assert!(said.contains("Reactor Summary"), "{said}");
        Self {
            directory: directory.to_owned(),
            said,
        }
    }

    /// What a former run left in a directory.
    pub(crate) fn of(directory: &Path) -> Self {
        let said = fs_err::read(directory.join("said")).unwrap();
        Self {
            directory: directory.to_owned(),
            said: String::from_utf8(said).unwrap(),
        }
    }

    /// What became of the specification with this index.
    pub(crate) fn outcome(&self, index: usize) -> Outcome {
        let target = self.directory.join(format!("c{index}/out"));
        let files = fs_err::read_dir(target).into_iter().flatten();
        let files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
        let mark = format!(" on project c{index}: ");
        let error = self.said.lines().find_map(|line| line.split_once(&mark));
        match (files.as_slice(), error) {
            ([file], None) => Outcome::of_file(file),
            ([], Some((_, error))) => Outcome::Nothing(error.to_owned()),
            _ => panic!(
                "c{index}: {files:?} {error:?} in {}",
                self.directory.display()
            ),
        }
    }
}

/// The part of a module that is about its specification.
fn module_of(case: &Case, remotes: &Path) -> String {
    let mut text = String::from("<repositories>");
    for source in case.sources {
        write!(
            text,
            "<repository>{}</repository>",
            source.elements(remotes)
        )
        .unwrap();
    }
    // What everybody has; nothing that is looked for here is there.
    text += "<repository><id>central</id><url>http://127.0.0.1:1/</url><releases>\
             <enabled>false</enabled></releases></repository></repositories>";
    let [group, artifact, version, packaging, classifier] = case.fields();
    let mut item = elements(&[
        ("groupId", group),
        ("artifactId", artifact),
        ("version", version),
        ("type", packaging),
    ]);
    if !classifier.is_empty() {
        item += &elements(&[("classifier", classifier)]);
    }
    let (goal, configuration) = match case.goal {
        Goal::Copy => (
            "copy",
            format!("<artifactItems><artifactItem>{item}</artifactItem></artifactItems>"),
        ),
        Goal::Dependency => {
            write!(
                text,
                "<dependencies><dependency>{item}</dependency></dependencies>"
            )
            .unwrap();
            let configuration = elements(&[("useBaseVersion", "false")]);
            ("copy-dependencies", configuration)
        }
    };
    let target = "<outputDirectory>${project.basedir}/out</outputDirectory>";
    let plugin = plugin_of_project("dependency", &[(goal, configuration + target)]);
    text + "<build><plugins>" + &plugin + "</plugins></build>"
}
