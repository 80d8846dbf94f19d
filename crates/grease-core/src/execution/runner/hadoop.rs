//! Runner `hadoop`: `hadoop jar` on the fat jar.

use super::Runner;
use crate::execution::Error;
use crate::execution::command::{Command, Request};
use crate::execution::config::HadoopRunner;

/// Hadoop's client reads further options of the JVM here (`bin/hadoop`).
const CLIENT_OPTIONS: &str = "HADOOP_CLIENT_OPTS";

/// `HadoopRunner.command` + jar + words, with the jar appended to `HADOOP_CLASSPATH`.
#[derive(Debug)]
pub(super) struct Hadoop<'a> {
    pub(super) section: &'a HadoopRunner,
}

impl Runner for Hadoop<'_> {
    fn name(&self) -> &'static str {
        "hadoop"
    }

    fn summary(&self) -> &'static str {
        "`hadoop jar` with the jar and a main class"
    }

    fn part(&self, request: &Request<'_>) -> Result<String, Error> {
        let jar = request.jar("hadoop")?;
        let manifest_class = jar.main_class().map_err(|source| Error::Jar { source })?;
        // RunJar takes the class of the manifest, and only without one the first word.
        let first = request
            .words
            .first()
            .map(|word| word.to_string_lossy().into_owned());
        let class = manifest_class.or(first);
        class.ok_or(Error::NoCommand { runner: "hadoop" })
    }

    fn plan(&self, request: &Request<'_>) -> Result<Command, Error> {
        let jar_path = request.artifact("hadoop")?.path.clone();
        let mut command = Command::default();
        command
            .words
            .extend(self.section.command.as_slice().iter().map(Into::into));
        command.words.push(jar_path.clone().into());
        command.words.extend(request.words.iter().cloned());
        let jar_text = jar_path.to_string_lossy();
        let classpath = request.appended("HADOOP_CLASSPATH", ":", &jar_text);
        command.environment.push(("HADOOP_CLASSPATH", classpath));
        move_temporary_files(request, &mut command);
        Ok(command)
    }
}

/// `RunJar` unpacks the jar below `java.io.tmpdir` and leaves that behind when it is killed; in
/// the scratch directory it goes with the run.
fn move_temporary_files(request: &Request<'_>, command: &mut Command) {
    let scratch = request.scratch.to_string_lossy();
    if scratch.contains(char::is_whitespace) {
        command.notices.push(format!(
            "the scratch directory `{scratch}` holds a space, which {CLIENT_OPTIONS} cannot \
             carry: Hadoop unpacks the jar into its own temporary directory"
        ));
        return;
    }
    let option = format!("-Djava.io.tmpdir={scratch}");
    let options = request.appended(CLIENT_OPTIONS, " ", &option);
    command.environment.push((CLIENT_OPTIONS, options));
}
