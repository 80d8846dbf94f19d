//! Runners that the config defines: `runners.NAME.command`.

use std::ffi::OsString;

use super::{Runner, base_name};
use crate::execution::Error;
use crate::execution::command::{Command, Request};
use crate::execution::config::CustomRunner;
use crate::execution::on_kill::OnKill;

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

    fn part(&self, words: &[OsString]) -> Result<String, Error> {
        // The job is what it runs, not what it is run with.
        let own = words.first().map(|word| base_name(word));
        Ok(own.unwrap_or_else(|| base_name(self.section.command.as_slice()[0].as_ref())))
    }

    fn on_kill(&self) -> Option<OnKill> {
        let command = self.section.on_kill.command()?.clone();
        Some(OnKill {
            command,
            takes_applications: false,
        })
    }

    fn plan(&self, request: &Request<'_>) -> Result<Command, Error> {
        let template = self.section.command.as_slice().iter().map(OsString::from);
        let words = template
            .chain(request.words.iter().cloned())
            .map(|word| request.substitute(&word))
            .collect::<Result<_, _>>()?;
        Ok(Command {
            words,
            ..Command::default()
        })
    }
}
