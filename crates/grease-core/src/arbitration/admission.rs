//! Admission: waits until the job may start, or says why it may not.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::config::Guard;
use super::decision::{self, Limits, Request};
use super::pace::{LOOK, Stand, is_due, pause_after};
use super::site::Site;
use super::slots::{Gate, Holder, Seen, Slot, Slots};
use super::turnstile::{self, Entry};
use super::view::{Appetite, View};
use super::waiting::{self, Ticket};
use crate::model::guard::{Check, GuardRecord, Signal};
use crate::model::jobs::Priority;
use crate::sys::clock;
use crate::sys::machine::{self, Machine, Place};

/// How long beyond its time a job waits for what is over in a moment: the distance to the last start,
/// and those who came before and wait for that.
const BRIEF_MAX: Duration = Duration::from_secs(5);

/// A request for a slot, and who makes it.
#[derive(Debug, Clone)]
pub struct Applicant {
    /// What is asked for.
    pub request: Request,
    /// Who asks; the time of its admission is filled in.
    pub holder: Holder,
    /// Longest wait; none for ever.
    pub max_wait: Option<Duration>,
    /// Whether it may be stopped by a person (Ctrl-Z): then it never stands in others' way.
    pub is_interactive: bool,
    /// Whether it starts whatever the guard says; it takes a slot all the same.
    pub is_forced: bool,
}

/// What became of an application.
#[derive(Debug)]
pub enum Admission {
    /// The job may start.
    Admitted(Box<Admitted>),
    /// It may not, after waiting for long enough.
    Dropped(Box<GuardRecord>, Box<View>),
    /// It never can.
    Impossible(Check),
    /// The waiting was ended.
    Stopped,
}

/// A job that may start.
#[derive(Debug)]
pub struct Admitted {
    /// To be held until its end.
    pub slot: Slot,
    /// What the guard saw.
    pub record: GuardRecord,
    /// Signals that cannot be read on this host, with the reason, unless a run was told since boot.
    pub unreadable: Vec<String>,
}

/// What is in the way of a start.
#[derive(Debug)]
pub enum Obstacle<'a> {
    /// Others came before.
    Queue,
    /// The guard refuses.
    Guard(&'a View),
}

/// What ended a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The descriptor has something to say.
    Ready,
    /// Time is over.
    Time,
    /// The waiting is to be given up.
    Stop,
}

/// Waits for a descriptor or a time, whichever comes first.
pub type Pause<'a> = dyn FnMut(&Obstacle<'_>, Option<BorrowedFd<'_>>, Duration) -> Woken + 'a;

/// The guard of this host.
#[derive(Debug)]
pub struct Arbiter<'a> {
    /// The section `guard` of the config.
    pub config: &'a Guard,
    /// The slots.
    pub slots: Slots,
    /// What is written to where.
    pub places: Vec<(Place, PathBuf)>,
    /// The host's boot.
    pub boot: String,
}

/// One application on its way.
struct Attempts<'a> {
    applicant: &'a Applicant,
    begun: Instant,
    site: Site<'a>,
    ticket: Option<Ticket>,
    place: Option<turnstile::Place>,
    /// Whether others came before and still wait.
    is_behind: bool,
    /// The last look at the machine: slots are looked at far more often.
    seen: Option<(Instant, Machine)>,
}

impl Attempts<'_> {
    fn stand(&self) -> Stand {
        match &self.place {
            _ if self.applicant.is_interactive => Stand::Terminal,
            Some(place) if place.is_in_queue() => Stand::Head,
            Some(_) | None => Stand::Beside,
        }
    }

    /// What the machine is like, as of a moment ago.
    fn machine(&mut self, places: &[(Place, PathBuf)]) -> Machine {
        match &self.seen {
            Some((when, machine)) if when.elapsed() < LOOK => machine.clone(),
            _ => {
                let machine = machine::read(places);
                self.seen = Some((Instant::now(), machine.clone()));
                machine
            }
        }
    }
}

impl Arbiter<'_> {
    /// Applies for a slot.
    pub fn admit(&self, applicant: &Applicant, pause: &mut Pause<'_>) -> io::Result<Admission> {
        let mut attempts = Attempts {
            applicant,
            begun: Instant::now(),
            site: Site::new(self.config.command.as_ref()),
            ticket: None,
            place: None,
            is_behind: false,
            seen: None,
        };
        let mut is_to_queue = !applicant.is_interactive && !applicant.is_forced;
        // Who finds nobody waiting looks at once, and stands in line only if the guard refuses: so
        // the turn is only ever held by one that waits.
        if is_to_queue && turnstile::is_busy(&self.slots, applicant.request.priority) {
            is_to_queue = false;
            if let Some(end) = self.queue(&mut attempts, applicant.max_wait, pause)? {
                return Ok(end);
            }
        }
        loop {
            let waited = attempts.begun.elapsed();
            let view = match self.attempt(&mut attempts, waited)? {
                Ok(admitted) => return Ok(Admission::Admitted(Box::new(admitted))),
                Err(view) => view,
            };
            if let Some(check) = self.impossible(&applicant.request, &view.machine) {
                return Ok(Admission::Impossible(check));
            }
            // What is over in a moment drops nobody.
            let is_brief = view.refuses_for_a_moment();
            let beyond = if is_brief { BRIEF_MAX } else { Duration::ZERO };
            let limit = applicant.max_wait.map(|max| max + beyond);
            if limit.is_some_and(|limit| waited >= limit) {
                let record = view.record(waited, self.count_waiting(&attempts));
                return Ok(Admission::Dropped(Box::new(record), view));
            }
            is_to_queue |= attempts.is_behind;
            if is_to_queue {
                is_to_queue = false;
                let within = limit.map(|limit| limit.saturating_sub(waited));
                match self.queue(&mut attempts, within, pause)? {
                    Some(end) => return Ok(end),
                    None => continue,
                }
            }
            self.wait_in_sight(&mut attempts, &view);
            let left = applicant.max_wait.map(|max| max.saturating_sub(waited));
            let length = pause_after(&view, attempts.stand());
            let left = left.filter(|left| !left.is_zero());
            let length = left.map_or(length, |left| length.min(left));
            if pause(&Obstacle::Guard(&view), None, length) == Woken::Stop {
                return Ok(Admission::Stopped);
            }
        }
    }

    /// Waits for the turn; an end of the application, if it ends here.
    fn queue(
        &self,
        attempts: &mut Attempts<'_>,
        within: Option<Duration>,
        pause: &mut Pause<'_>,
    ) -> io::Result<Option<Admission>> {
        let applicant = attempts.applicant;
        attempts.is_behind = false;
        let priority = applicant.request.priority;
        if let Some(place) = turnstile::try_enter(&self.slots, priority)? {
            attempts.place = Some(place);
            return Ok(None);
        }
        let machine = attempts.machine(&self.places);
        if let Some(check) = self.impossible(&applicant.request, &machine) {
            return Ok(Some(Admission::Impossible(check)));
        }
        if within.is_some_and(|within| within.is_zero()) {
            // The one attempt that there is time for tells what is in the way.
            attempts.is_behind = true;
            return Ok(None);
        }
        attempts.ticket = Ticket::open(&self.slots, applicant.holder.clone(), "others wait").ok();
        let mut sleep = |turn: BorrowedFd<'_>, length| pause(&Obstacle::Queue, Some(turn), length);
        match turnstile::enter(&self.slots, priority, within, &mut sleep)? {
            Entry::Turn(place) => attempts.place = Some(place),
            Entry::TooLate => attempts.is_behind = true,
            Entry::Stopped => return Ok(Some(Admission::Stopped)),
        }
        Ok(None)
    }

    /// Decides and reserves in one step.
    fn attempt(
        &self,
        attempts: &mut Attempts<'_>,
        waited: Duration,
    ) -> io::Result<Result<Admitted, Box<View>>> {
        let applicant = attempts.applicant;
        if let Some(place) = &mut attempts.place {
            place.beat();
        }
        let is_due = is_due(applicant.max_wait, waited);
        let mut machine = attempts.machine(&self.places);
        loop {
            let now_s = clock::since_boot().as_secs_f64();
            let mut gate = self.slots.gate(&self.boot, now_s)?;
            let seen = gate.look()?;
            let mut view = self.view_of(&applicant.request, machine, &gate, seen, is_due);
            if let Some((_, seen)) = &mut attempts.seen {
                seen.stuck = view.machine.stuck; // One look is enough for as long as that one.
            }
            view.checks.extend(self.must_yield(attempts, waited));
            let is_free = !view.refuses();
            if is_free && !applicant.is_forced && attempts.site.is_to_be_asked() {
                // Outside of the gate: it may take its time.
                drop(gate);
                attempts.site.ask();
                machine = view.machine;
                continue;
            }
            attempts.site.add_to(&mut view);
            if !applicant.is_forced && view.refuses() {
                return Ok(Err(Box::new(view)));
            }
            let record = GuardRecord {
                forced: view.refuses(),
                holders: Vec::new(),
                ..view.record(waited, self.count_waiting(attempts))
            };
            let unreadable = gate.not_told_yet(&view.machine.unreadable);
            let holder = Holder {
                admitted_s: now_s,
                ..applicant.holder.clone()
            };
            let slot = gate.take(&view.held, holder)?;
            return Ok(Ok(Admitted {
                slot,
                record,
                unreadable,
            }));
        }
    }

    /// Whether a run holds a slot now.
    pub fn is_held_by(&self, run: &str) -> io::Result<bool> {
        let now_s = clock::since_boot().as_secs_f64();
        let seen = self.slots.gate(&self.boot, now_s)?.look()?;
        let holders = seen.held.iter().filter_map(|(_, holder)| holder.as_ref());
        Ok(holders.into_iter().any(|holder| holder.run == run))
    }

    /// How loaded the host is, for a bid.
    pub fn appetite(&self, request: &Request) -> io::Result<Appetite> {
        let view = self.view(request)?;
        let load = view
            .checks
            .iter()
            .find(|check| check.signal == Signal::Load);
        // Where there is no load average, what the jobs are said to take stands for it.
        let costs = || view.occupancy.running.iter().map(|job| job.cost).sum();
        Ok(Appetite {
            load: load.map_or_else(costs, |load| load.value - request.cost),
            waiting: waiting::count(&self.slots),
            capacity: decision::load_limit(request, &self.limits(&view.machine)),
        })
    }

    /// Why the request can never be met.
    pub fn impossible(&self, request: &Request, machine: &Machine) -> Option<Check> {
        decision::impossible(request, machine, &self.limits(machine))
    }

    pub(super) fn view_of(
        &self,
        request: &Request,
        mut machine: Machine,
        gate: &Gate<'_>,
        seen: Seen,
        is_due: bool,
    ) -> View {
        let occupancy = gate.occupancy(&seen);
        let limits = self.limits(&machine);
        let mut checks = decision::checks(request, &machine, &occupancy, &limits, is_due);
        let is_load = |check: &Check| check.refuses && check.signal == Signal::Load;
        if checks.iter().any(is_load) && machine.look_for_stuck() {
            checks = decision::checks(request, &machine, &occupancy, &limits, is_due);
        }
        View {
            slots: decision::slots(&limits, request.priority),
            checks,
            occupancy,
            held: seen.held,
            machine,
        }
    }

    /// Lets others pass if only what this job asks for itself is in the way, and tells people what
    /// it waits for, as far as that can be written.
    fn wait_in_sight(&self, attempts: &mut Attempts<'_>, view: &View) {
        let Attempts {
            applicant, ticket, ..
        } = attempts;
        let why = view.refusals();
        match ticket {
            Some(ticket) => ticket.tell(&why),
            None => {
                *ticket = Ticket::open(&self.slots, applicant.holder.clone(), &why).ok();
            }
        }
        let modest = Request {
            mem_bytes: 0,
            disk_bytes: 0,
            ..applicant.request
        };
        let limits = self.limits(&view.machine);
        let others = decision::checks(&modest, &view.machine, &view.occupancy, &limits, false);
        let is_of_its_own = others.iter().all(|check| !check.refuses);
        if is_of_its_own && modest != applicant.request {
            attempts.place = None;
        }
    }

    /// Whether others wait who go first: those of a higher priority, unless we have waited for long,
    /// and those who came before.
    fn must_yield(&self, attempts: &Attempts<'_>, waited: Duration) -> Option<Check> {
        let own = attempts.applicant.request.priority;
        let is_young = waited < self.config.aging.get();
        let above = [Priority::Normal, Priority::High]
            .into_iter()
            .filter(|priority| is_young && *priority > own);
        let first = above
            .filter(|higher| turnstile::is_busy(&self.slots, *higher))
            .chain(attempts.is_behind.then_some(own))
            .next()?;
        let what = format!("runs of {first} priority that wait and go first");
        Some(decision::at_most(Signal::Priority, 1.0, 0.0, &what))
    }

    /// Runs that wait; who did not wait has no need to know.
    fn count_waiting(&self, attempts: &Attempts<'_>) -> usize {
        match attempts.ticket {
            Some(_) => waiting::count(&self.slots).saturating_sub(1),
            None => 0,
        }
    }

    fn limits(&self, machine: &Machine) -> Limits<'_> {
        Limits {
            config: self.config,
            cpus: machine.cpus,
        }
    }
}
