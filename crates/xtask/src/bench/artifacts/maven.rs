//! The peer: `mvn dependency:copy`, which needs no network but the repository of the benchmark.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use grease_testkit::component::Component;

use crate::bench::ground::{Ground, silent};
use crate::command::{command, run_quietly};

/// Where Debian's packages put plugins and libraries.
const DEBIAN: &str = "/usr/share/maven-repo";

/// Maven with a local repository of its own, which has its plugins.
pub(super) struct Maven {
    program: PathBuf,
    directory: PathBuf,
    /// Of the plugin.
    goal: String,
    /// Names and versions.
    pub(super) version: String,
}

impl Maven {
    /// Prepares Maven to ask the repository at `url`; `None` if this machine does not have it.
    pub(super) fn prepare(ground: &Ground, url: &str) -> Result<Option<Self>> {
        let Some(found) = Component::Maven.find() else {
            return Ok(None);
        };
        let directory = ground.path("maven");
        fs_err::create_dir(&directory)?;
        let local = directory.join("repository");
        // What has no tracking file counts as installed: the plugin is then found offline.
        run_quietly(command("cp").args(["-rL", DEBIAN]).arg(&local))?;
        let settings = directory.join("settings.xml");
        fs_err::write(&settings, write_settings(&local, url))?;
        let plugin = plugin_version()?;
        let version = format!(
            "Maven {}, maven-dependency-plugin {plugin}, {}",
            first_line(command(&found.path).args(["-q", "--version"]))?,
            first_line(command("java").arg("--version"))?,
        );
        Ok(Some(Self {
            program: found.path,
            directory,
            goal: format!("org.apache.maven.plugins:maven-dependency-plugin:{plugin}:copy"),
            version,
        }))
    }

    /// Copies an artifact into the directory `into`.
    pub(super) fn copy(&self, options: &[&str], coordinates: &str, into: &Path) -> Command {
        let mut mvn = silent(&self.program);
        mvn.args(["--batch-mode", "--quiet", "--settings"])
            .arg(self.directory.join("settings.xml"))
            .args(options)
            .arg(&self.goal)
            .arg(format!("-Dartifact={coordinates}"))
            .arg(format!("-DoutputDirectory={}", into.display()))
            .current_dir(&self.directory);
        mvn
    }

    /// Where it puts the artifacts of a group, given as a path.
    pub(super) fn place_of(&self, group: &str) -> PathBuf {
        self.directory.join("repository").join(group)
    }
}

/// Settings with one repository that is asked. Nothing is asked of `central`, plugins included.
pub(super) fn write_settings(local: &Path, url: &str) -> String {
    let repository = |element: &str, id: &str, url: &str, is_enabled: bool| {
        format!(
            "<{element}><id>{id}</id><url>{url}</url>\
             <releases><enabled>{is_enabled}</enabled></releases>\
             <snapshots><enabled>{is_enabled}</enabled></snapshots></{element}>"
        )
    };
    let nowhere = "http://127.0.0.1:1/";
    format!(
        "<settings><localRepository>{}</localRepository>\n<profiles><profile><id>bench</id>\n\
         <repositories>{}{}</repositories>\n<pluginRepositories>{}</pluginRepositories>\n\
         </profile></profiles>\n<activeProfiles><activeProfile>bench</activeProfile>\
         </activeProfiles></settings>\n",
        local.display(),
        repository("repository", "corp", url, true),
        repository("repository", "central", nowhere, false),
        repository("pluginRepository", "central", nowhere, false),
    )
}

/// The newest version of the plugin that Debian has.
fn plugin_version() -> Result<String> {
    let plugin = Path::new(DEBIAN).join("org/apache/maven/plugins/maven-dependency-plugin");
    let mut versions = Vec::new();
    for entry in fs_err::read_dir(plugin)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let numbers: Option<Vec<u32>> = name.split('.').map(|part| part.parse().ok()).collect();
        versions.extend(numbers.map(|numbers| (numbers, name)));
    }
    let newest = versions.into_iter().max();
    Ok(newest.context("the dependency plugin has no version")?.1)
}

/// The first line that a program prints.
fn first_line(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
