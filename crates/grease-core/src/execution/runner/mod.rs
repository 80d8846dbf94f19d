//! The runners: how each kind of job is started out of its jar.
//!
//! A new runner is one file with its tests, a `mod` line and a line in [`all`].

mod custom;
mod hadoop;
mod luigi;
mod python;
mod shell;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Debug;

use super::Error;
use super::command::{Command, Request};
use super::config::{CustomRunner, HadoopRunner, LuigiRunner};
use super::on_kill::OnKill;

/// A kind of job.
pub trait Runner: Debug {
    /// The name for `--runner`, matched without case.
    fn name(&self) -> &str;

    /// One line for help and manual.
    fn summary(&self) -> &str;

    /// The runner's own part of the job's name: task, class, script or program. It is known from
    /// the words after ARTIFACT alone, before the artifact is here.
    fn part(&self, words: &[OsString]) -> Result<String, Error>;

    /// What ends that which a job started elsewhere; most start nothing elsewhere.
    fn on_kill(&self) -> Option<OnKill> {
        None
    }

    /// Decides what is unpacked and executed; writes nothing.
    fn plan(&self, request: &Request<'_>) -> Result<Command, Error>;
}

/// The sections of the config that runners live by.
#[derive(Debug, Clone, Copy)]
pub struct Sections<'a> {
    /// `HadoopRunner`.
    pub hadoop: &'a HadoopRunner,
    /// `LuigiRunner`.
    pub luigi: &'a LuigiRunner,
    /// `runners`.
    pub custom: &'a BTreeMap<String, CustomRunner>,
}

/// All runners: the built-in ones, then those that the config defines.
pub fn all<'a>(sections: &Sections<'a>) -> Vec<Box<dyn Runner + 'a>> {
    let mut runners: Vec<Box<dyn Runner + 'a>> = vec![
        Box::new(shell::Shell),
        Box::new(hadoop::Hadoop {
            section: sections.hadoop,
        }),
        Box::new(luigi::Luigi {
            section: sections.luigi,
        }),
        Box::new(python::Python),
    ];
    for (name, section) in sections.custom {
        runners.push(Box::new(custom::Custom { name, section }));
    }
    runners
}

/// Finds a runner by its name, without case.
pub fn find<'a>(name: &str, sections: &Sections<'a>) -> Result<Box<dyn Runner + 'a>, Error> {
    let mut runners = all(sections);
    match runners
        .iter()
        .position(|runner| runner.name().eq_ignore_ascii_case(name))
    {
        Some(position) => Ok(runners.swap_remove(position)),
        None => Err(Error::UnknownRunner {
            name: name.to_owned(),
            known: runners
                .iter()
                .map(|runner| runner.name().to_owned())
                .collect(),
        }),
    }
}

/// The words after ARTIFACT, of which there must be at least one.
fn at_least_one<'a>(words: &'a [OsString], runner: &'static str) -> Result<&'a [OsString], Error> {
    if words.is_empty() {
        return Err(Error::NoCommand { runner });
    }
    Ok(words)
}

/// The last component of a path-like word: what a plain command is called.
fn base_name(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    word.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(&word)
        .to_owned()
}
