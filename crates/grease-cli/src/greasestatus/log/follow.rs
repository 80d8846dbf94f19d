//! Shows a log until it ends, and says what is not there yet.

use std::time::{Duration, Instant};

use grease_core::model::quantity::Bytes;
use grease_core::model::{ErrorKind, harmless};

use super::super::answer;
use super::super::arguments::{Find, Subcommand};
use super::super::context::Context;
use super::super::find::Resolved;
use super::super::tail::LOOK_PAUSE;
use super::out::Out;
use super::source::{Got, Source};
use super::view::View;
use crate::failure::Failure;

/// How often the state of a run is asked for whose log does not grow.
const STATE_PAUSE: Duration = Duration::from_secs(10);

/// How often it is said that the share does not respond.
const SAY_PAUSE: Duration = Duration::from_secs(10);

/// Shows a log.
pub(super) struct Follower<'a> {
    context: &'a Context,
    run: Resolved,
    source: Source,
    view: View,
    out: Out<'a>,
    follows: bool,
    /// Whether all that was there at first has been seen.
    is_caught_up: bool,
    asked: Instant,
    said: Option<Instant>,
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        context: &'a Context,
        run: &Resolved,
        source: Source,
        view: View,
        out: Out<'a>,
        follows: bool,
    ) -> Self {
        Self {
            context,
            run: run.clone(),
            source,
            view,
            out,
            follows,
            is_caught_up: false,
            asked: Instant::now(),
            said: None,
        }
    }

    /// Shows it to its end; returns the exit code.
    pub(super) fn run(mut self) -> Result<u8, Failure> {
        loop {
            let got = self.source.next().map_err(|error| {
                Failure::new(ErrorKind::Io, format!("cannot read the log: {error}"))
            })?;
            match got {
                Got::Bytes(bytes) => {
                    self.resumed();
                    self.view.take(&bytes);
                    self.asked = Instant::now();
                    if self.is_whole_wanted() && !self.print() {
                        return Ok(0); // Nobody reads any more.
                    }
                    if self.follows && self.view.end.is_some() {
                        return Ok(self.ended());
                    }
                }
                Got::End if !self.follows => return Ok(self.over()),
                Got::End | Got::Nothing => {
                    self.resumed();
                    if !self.wait() {
                        return Ok(0);
                    }
                    if self.has_ended() {
                        return Ok(self.ended());
                    }
                }
                Got::Silent(since) if !self.follows => {
                    self.view.close();
                    self.print();
                    let text = format!(
                        "share not responding for {} s: this is not all",
                        since.as_secs()
                    );
                    self.out.say(&text);
                    return Ok(75);
                }
                Got::Silent(since) => self.say_silent(since),
                Got::Failed(why) if !self.follows => {
                    self.view.close();
                    self.print();
                    let why = harmless(&why, &[], 300);
                    return Err(Failure::new(ErrorKind::NotNow, why));
                }
                Got::Failed(why) => {
                    self.say_sometimes(&format!("{why}; still trying (Ctrl-C to stop)"));
                    std::thread::sleep(LOOK_PAUSE);
                }
            }
        }
    }

    /// Whether lines can be printed as they come, or only the last ones are wanted of many.
    fn is_whole_wanted(&self) -> bool {
        self.is_caught_up || !self.view.is_limited()
    }

    fn print(&mut self) -> bool {
        let bytes = self.view.drain();
        let goes_on = self.out.write(&bytes);
        for remark in self.view.remarks() {
            self.out.say(&remark);
        }
        goes_on
    }

    /// All that is there has been seen; whether somebody still reads.
    fn wait(&mut self) -> bool {
        if !self.is_caught_up {
            self.is_caught_up = true;
            let goes_on = self.print();
            self.view.follow();
            return goes_on;
        }
        if matches!(self.source, Source::Here { .. }) {
            std::thread::sleep(LOOK_PAUSE);
        }
        true
    }

    /// Whether a run whose log does not grow has ended, with all of its log seen.
    fn has_ended(&mut self) -> bool {
        if self.view.end.is_some() {
            return true;
        }
        if self.asked.elapsed() < STATE_PAUSE {
            return false;
        }
        self.asked = Instant::now();
        let Some(run) = self.again() else {
            return false;
        };
        if run.outcome != self.run.outcome {
            self.out.say(&run.outcome);
        }
        self.run = run;
        let is_all = self
            .run
            .log_bytes
            .is_none_or(|bytes| self.source.offset() >= bytes);
        self.run.is_done() && is_all
    }

    /// What is told of the run now.
    fn again(&self) -> Option<Resolved> {
        let id = self.run.id.to_string();
        resolve(self.context, &id, Some(&self.run.user), false).ok()
    }

    /// A log that is followed is over.
    fn ended(&mut self) -> u8 {
        self.view.close();
        self.print();
        if let Some(run) = self.again() {
            self.run = run;
        }
        let outcome = if self.run.is_done() {
            self.run.outcome.clone()
        } else {
            // The log is here before its index line.
            let end = self.view.end.as_ref();
            end.and_then(|end| end["result"].as_str())
                .unwrap_or("?")
                .to_owned()
        };
        self.out.say(&format!("ended: {outcome}"));
        0
    }

    /// A log that is not followed is over, as far as it is there.
    fn over(&mut self) -> u8 {
        self.view.close();
        self.print();
        let seen = self.source.offset();
        match self.run.log_bytes {
            Some(all) if seen < all => {
                let host = &self.run.host;
                let (seen, all) = (Bytes::new(seen), Bytes::new(all));
                self.out.say(&format!(
                    "{seen} of {all} are here so far; {host} has the rest"
                ));
            }
            None if !self.run.is_done() => {
                self.out.say("it goes on; -f follows it");
            }
            _ => {}
        }
        0
    }

    fn say_silent(&mut self, since: Duration) {
        let text = format!(
            "share not responding for {} s; still trying (Ctrl-C to stop)",
            since.as_secs()
        );
        self.say_sometimes(&text);
    }

    fn say_sometimes(&mut self, text: &str) {
        if self.said.is_none_or(|said| said.elapsed() >= SAY_PAUSE) {
            self.said = Some(Instant::now());
            self.out.say(text);
        }
    }

    fn resumed(&mut self) {
        if self.said.take().is_some() {
            self.out.say("share responds again");
        }
    }
}

/// Finds a run by its name, by a child if there is a share.
pub(in super::super) fn resolve(
    context: &Context,
    name: &str,
    user: Option<&str>,
    ran: bool,
) -> Result<Resolved, Failure> {
    let mut words = context.words.clone();
    words.extend(["__find".into(), name.into()]);
    words.extend(
        user.iter()
            .flat_map(|user| ["--user".into(), (*user).into()]),
    );
    words.extend(ran.then(|| "--ran".into()));
    let find = Subcommand::Find(Find {
        name: name.to_owned(),
        user: user.map(ToOwned::to_owned),
        ran,
    });
    let (out, errors, code) = answer::collect(context, Some(&find), &words, false)?;
    if code != 0 && out.is_empty() {
        return Err(answer::retold(&errors, code));
    }
    let warnings = errors;
    context.errors.say(&warnings);
    Resolved::read(&out)
        .ok_or_else(|| Failure::new(ErrorKind::Bug, "a run was told in no form that is known"))
}
