//! Runner `hadoop`: `hadoop jar` on the fat jar.

use std::ffi::OsString;

use super::{Runner, at_least_one};
use crate::execution::Error;
use crate::execution::command::{Command, Request};
use crate::execution::config::HadoopRunner;
use crate::execution::on_kill::OnKill;

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

    fn part(&self, words: &[OsString]) -> Result<String, Error> {
        // Not the class that a manifest may name: the jar is not here yet.
        let first = words.first().and_then(|word| word.to_str());
        let program = first.filter(|word| is_class_name(word));
        Ok(program.unwrap_or("hadoop").to_owned())
    }

    fn on_kill(&self) -> Option<OnKill> {
        let command = self.section.on_kill.command()?.clone();
        Some(OnKill {
            command,
            takes_applications: true,
        })
    }

    fn plan(&self, request: &Request<'_>) -> Result<Command, Error> {
        let jar = request.jar("hadoop")?;
        let manifest_class = jar.main_class().map_err(|source| Error::Jar { source })?;
        if manifest_class.is_none() {
            at_least_one(request.words, "hadoop")?; // RunJar takes the class from there.
        }
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

/// Whether a word may be the name of a class, or of a program of a driver's: Java's identifiers with
/// dots between them.
fn is_class_name(word: &str) -> bool {
    word.split('.').all(|part| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$')
            && part
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '$')
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_called_after_its_class_or_program_and_not_after_its_arguments() {
        let section = HadoopRunner::default();
        let runner = Hadoop { section: &section };
        for (line, expected) in [
            ("com.acme.Load 2026-11-24", "com.acme.Load"),
            ("wordcount in out", "wordcount"),
            ("2026-11-24", "hadoop"),
            ("/data/in /data/out", "hadoop"),
            ("-Dx=y com.acme.Load", "hadoop"),
            ("a..b", "hadoop"),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(runner.part(&words).unwrap(), expected, "{line}");
        }
        assert_eq!(runner.part(&[]).unwrap(), "hadoop");
    }
}
