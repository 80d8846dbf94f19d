//! Runners that the config defines: `runners.NAME.command`.

use std::ffi::OsString;

use super::{Runner, base_name};
use crate::execution::Error;
use crate::execution::command::{Command, Request};
use crate::execution::config::CustomRunner;

/// The words of the config with placeholders replaced, followed by those of the job.
#[derive(Debug)]
pub(super) struct Custom<'a> {
    pub(super) name: &'a str,
    pub(super) section: &'a CustomRunner,
}

impl Runner for Custom<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn summary(&self) -> &'static str {
        "defined in the config"
    }

    fn plan(&self, request: &Request<'_>) -> Result<Command, Error> {
        let template = self.section.command.as_slice().iter().map(OsString::from);
        let words: Vec<OsString> = template.chain(request.words.iter().cloned()).collect();
        // The job is what it runs, not what it is run with.
        let part = base_name(request.words.first().unwrap_or(&words[0]));
        let words = words
            .iter()
            .map(|word| request.substitute(word))
            .collect::<Result<_, _>>()?;
        Ok(Command {
            part,
            words,
            ..Command::default()
        })
    }
}
