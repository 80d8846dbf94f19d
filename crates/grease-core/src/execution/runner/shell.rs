//! Runner `shell`: a script that the jar ships, or a command with placeholders.

use std::ffi::{OsStr, OsString};

use super::{Runner, at_least_one, base_name};
use crate::execution::Error;
use crate::execution::command::{Command, Request};
use crate::jar::Selection;

/// If the first word names an entry of the jar, that script is unpacked and run with the rest
/// as its arguments; else the words are run with their placeholders replaced.
#[derive(Debug)]
pub(super) struct Shell;

impl Runner for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }

    fn summary(&self) -> &'static str {
        "a script in the jar, or a command with {jar_path} and {artifact_spec} replaced"
    }

    fn part(&self, words: &[OsString]) -> Result<String, Error> {
        Ok(base_name(&at_least_one(words, "shell")?[0]))
    }

    fn plan(&self, request: &Request<'_>) -> Result<Command, Error> {
        let words = at_least_one(request.words, "shell")?;
        let (first, rest) = words.split_first().expect("checked to be there");
        let mut command = Command::default();
        if let Some(name) = shipped(request, first)? {
            let script = Selection::File { name };
            command.unpack = Some(request.select("shell", &script)?);
            command.words.push(request.scratch.join(first).into());
            command.words.extend(rest.iter().cloned());
        } else {
            for word in words {
                command.words.push(request.substitute(word)?);
            }
        }
        Ok(command)
    }
}

/// The name of the entry that `word` names in the jar, if it does.
fn shipped(request: &Request<'_>, word: &OsStr) -> Result<Option<String>, Error> {
    let jar = request.artifact.and_then(|artifact| artifact.jar.as_ref());
    let (Some(name), Some(jar)) = (word.to_str(), jar) else {
        return Ok(None);
    };
    let found = jar.is_file(name).map_err(|source| Error::Jar { source })?;
    Ok(found.then(|| name.to_owned()))
}
