//! One start on its way to a place of its key.

use std::io;
use std::time::{Duration, Instant};

use fs_err::File;

use super::newest::{self, Asked, Newest, now_ns};
use super::{Ask, Busy, Claim, END_MAX, Entry, KeyLock, Keys, Rule, Why};
use crate::arbitration::slots::{Holder, read, write};
use crate::arbitration::waiting::Ticket;
use crate::model::short_hash;

/// Distance of two tries to take a place.
const LOOK: Duration = Duration::from_millis(100);

/// Most places of a key (`jobs.defaults.max_running`).
const PLACES_MAX: u32 = 1000;

/// One start on its way.
pub(super) struct Start<'a> {
    keys: &'a Keys,
    name: String,
    claim: &'a Claim<'a>,
    /// What stood in `next` before we came.
    before: Newest,
    /// What we wrote there.
    own: Newest,
    /// The run in the way at the last look, if that could be read.
    in_the_way: Option<Holder>,
    /// A run that cannot be asked to end, and why.
    refused: Option<(String, String)>,
}

/// What to do about the run in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It has time.
    Wait,
    /// It is to be asked.
    Ask(Ask),
    /// Nothing: it is not to be ended.
    GiveUp,
}

impl<'a> Start<'a> {
    pub(super) fn new(keys: &'a Keys, claim: &'a Claim<'a>) -> Self {
        let Holder { boot, run, .. } = claim.holder;
        let own = Newest {
            came_ns: now_ns(),
            run: run.clone(),
            ..Newest::nobody(boot)
        };
        Self {
            keys,
            name: short_hash(claim.key),
            claim,
            before: Newest::nobody(boot),
            own,
            in_the_way: None,
            refused: None,
        }
    }

    /// Waits until a place is taken, or there is nothing to wait for.
    pub(super) fn wait_for_place(
        &mut self,
        wait: &mut dyn FnMut(Option<&Holder>, Duration) -> bool,
        end: &mut dyn FnMut(&Holder, Ask) -> Result<(), String>,
    ) -> io::Result<Entry> {
        let longest = self.claim.rule.longest_wait(self.claim.max_wait);
        let begun = Instant::now();
        let (mut waited, mut ticket) = (Duration::ZERO, None);
        loop {
            let why = match self.look(end)? {
                Ok(lock) => return Ok(Entry::Free(Some(lock))),
                Err(why) => why,
            };
            let left = longest.map_or(LOOK, |longest| longest.saturating_sub(waited));
            if let Some(why) = why.or_else(|| left.is_zero().then_some(Why::TooLong)) {
                return Ok(Entry::Busy(Busy {
                    holder: self.in_the_way.take(),
                    why,
                    waited,
                }));
            }
            self.wait_in_sight(&mut ticket);
            if !wait(self.in_the_way.as_ref(), left.min(LOOK)) {
                return Ok(Entry::GivenUp);
            }
            waited = begun.elapsed();
        }
    }

    /// Tells people what is waited for, as far as that can be written.
    fn wait_in_sight(&self, ticket: &mut Option<Ticket>) {
        let why = match &self.in_the_way {
            Some(holder) => format!("another run of the job: {holder}"),
            None => "another run of the job".to_owned(),
        };
        match ticket {
            Some(ticket) => ticket.tell(&why),
            None => *ticket = Ticket::open(&self.keys.slots, self.claim.holder.clone(), &why).ok(),
        }
    }

    /// Takes a place if one is free; else tells why there is nothing to wait for, if so.
    fn look(
        &mut self,
        end: &mut dyn FnMut(&Holder, Ask) -> Result<(), String>,
    ) -> io::Result<Result<KeyLock, Option<Why>>> {
        // Whoever comes from now on, until this look is over, comes after it.
        let next = self.lock_next()?;
        if next.as_ref().is_some_and(|next| self.is_older_than(next)) {
            return Ok(Err(Some(Why::Superseded)));
        }
        if let Some(lock) = self.take()? {
            return Ok(Ok(lock));
        }
        let why = match self.claim.rule {
            Rule::Forbid => Some(Why::Forbidden),
            Rule::Queue | Rule::Allow { .. } => None,
            Rule::Replace { grace } => self.end(grace, next.as_ref(), end)?,
        };
        Ok(Err(why))
    }

    /// Takes a free place, or finds out who is in the way, if that can be read: it cannot while a
    /// run that has just got its place is about to say so.
    ///
    /// Runs in any place count, whatever rule they came by.
    fn take(&mut self) -> io::Result<Option<KeyLock>> {
        self.in_the_way = None;
        let places = self.claim.rule.places();
        let (mut free, mut held) = (None, 0);
        for number in 0..PLACES_MAX {
            let name = format!("{}.{number}", self.name);
            let file = if number < places && free.is_none() {
                self.keys.files.open(&name)?
            } else {
                match self.keys.files.open_existing(&name) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    other => other?,
                }
            };
            if file.try_lock().is_ok() {
                free = free.or(Some(file));
                continue;
            }
            self.in_the_way = self.in_the_way.take().or_else(|| read(&file));
            held += 1;
            if held == places {
                return Ok(None);
            }
        }
        let Some(file) = free else { return Ok(None) };
        let is_left_over = read::<Holder>(&file).is_some();
        write(&file, self.claim.holder)?;
        Ok(Some(KeyLock { file, is_left_over }))
    }

    /// Ends the run in the way step by step, or says why not.
    ///
    /// That it cannot be asked is believed once it still stands there at the next look: a run that
    /// has just got its place has not yet overwritten what a dead one left.
    fn end(
        &mut self,
        grace: Duration,
        next: Option<&File>,
        end: &mut dyn FnMut(&Holder, Ask) -> Result<(), String>,
    ) -> io::Result<Option<Why>> {
        let Some(holder) = &self.in_the_way else {
            return Ok(None);
        };
        if let Some((_, why)) = self.refused.as_ref().filter(|(run, _)| *run == holder.run) {
            return Ok(Some(Why::Refuses(why.clone())));
        }
        let ask = match step(self.own.asked.as_ref(), &holder.run, grace, now_ns()) {
            Step::Wait => return Ok(None),
            Step::GiveUp => {
                let why = "it was killed, and is still there".to_owned();
                return Ok(Some(Why::Refuses(why)));
            }
            Step::Ask(ask) => ask,
        };
        if let Err(why) = end(holder, ask) {
            self.refused = Some((holder.run.clone(), why));
            return Ok(None);
        }
        self.own.asked = Some(Asked {
            run: holder.run.clone(),
            ask,
            at_ns: now_ns(),
        });
        next.map_or(Ok(()), |next| write(next, &self.own))?;
        Ok(None)
    }

    /// Says that we came, if only the newest goes on waiting.
    pub(super) fn announce(&mut self) -> io::Result<()> {
        if let Some(next) = self.lock_next()?
            && !self.is_older_than(&next)
        {
            self.before = Newest::read(&next, &self.own.boot);
            self.own.asked.clone_from(&self.before.asked);
            write(&next, &self.own)?;
        }
        Ok(())
    }

    /// Takes back that we came, so that those go on waiting who have not left for our sake.
    pub(super) fn withdraw(&self) {
        if let Ok(Some(next)) = self.lock_next()
            && Newest::read(&next, &self.own.boot).came() == self.own.came()
        {
            let before = Newest {
                asked: self.own.asked.clone(),
                ..self.before.clone()
            };
            write(&next, &before).ok(); // Then those leave, and whoever comes later does not.
        }
    }

    fn is_older_than(&self, next: &File) -> bool {
        self.own.came() < Newest::read(next, &self.own.boot).came()
    }

    /// The file that says who is the newest, locked; none if that does not matter, or someone keeps
    /// it locked.
    fn lock_next(&self) -> io::Result<Option<File>> {
        if self.claim.rule.is_for_the_newest() {
            newest::lock(&self.keys.files, &self.name)
        } else {
            Ok(None)
        }
    }
}

/// What to do now about a run in the way that was asked last what stands in `asked`.
fn step(asked: Option<&Asked>, run: &str, grace: Duration, now_ns: u64) -> Step {
    let Some(asked) = asked.filter(|asked| asked.run == run) else {
        return Step::Ask(Ask::Term);
    };
    let since = Duration::from_nanos(now_ns.saturating_sub(asked.at_ns));
    match asked.ask {
        Ask::Term if since > grace.saturating_add(END_MAX) => Step::Ask(Ask::Kill),
        Ask::Kill if since > END_MAX => Step::GiveUp,
        Ask::Term | Ask::Kill => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_asked_then_killed_after_its_grace_then_given_up() {
        let grace = Duration::from_secs(30);
        let second = 1_000_000_000;
        let begun = 1000 * second;
        let asked = |ask| Asked {
            run: "one".to_owned(),
            ask,
            at_ns: begun,
        };
        let after = |ask, seconds| {
            let now = begun + seconds * second;
            step(Some(&asked(ask)), "one", grace, now)
        };
        assert_eq!(step(None, "one", grace, begun), Step::Ask(Ask::Term));
        assert_eq!(after(Ask::Term, 0), Step::Wait);
        assert_eq!(after(Ask::Term, 35), Step::Wait);
        assert_eq!(after(Ask::Term, 36), Step::Ask(Ask::Kill));
        assert_eq!(after(Ask::Kill, 5), Step::Wait);
        assert_eq!(after(Ask::Kill, 6), Step::GiveUp);
        // Another one took its place.
        let other = step(Some(&asked(Ask::Kill)), "two", grace, begun + 60 * second);
        assert_eq!(other, Step::Ask(Ask::Term));
    }

    #[test]
    fn a_grace_without_end_overflows_nothing() {
        let asked = Asked {
            run: "one".to_owned(),
            ask: Ask::Term,
            at_ns: 0,
        };
        let step = step(Some(&asked), "one", Duration::MAX, u64::MAX);
        assert_eq!(step, Step::Wait);
    }
}
