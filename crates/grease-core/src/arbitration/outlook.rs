//! What the guard would decide, for people who ask and do not apply.

use std::io;

use super::admission::Arbiter;
use super::decision::{self, Limits, Occupancy, Request, at_most};
use super::site::Site;
use super::turnstile;
use super::view::View;
use crate::model::guard::{Check, Signal};
use crate::model::jobs::Priority;
use crate::sys::{clock, machine};

impl Arbiter<'_> {
    /// What host and slots are like, and what would be in the way of a job that came now; those who
    /// wait and would go first are. Where no run has been yet, nothing runs.
    pub fn outlook(&self, request: &Request) -> io::Result<View> {
        let mut view = match self.view(request) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.outlook_of_machine(request)
            }
            other => other?,
        };
        view.checks.extend(self.goes_first(request.priority));
        // It is over in a moment, and nothing to be told of.
        let spacing = |check: &&mut Check| check.signal == Signal::Spacing;
        for check in view.checks.iter_mut().filter(spacing) {
            check.refuses = false;
        }
        Ok(view)
    }

    /// What host and slots are like now, and what would speak against a start.
    pub fn view(&self, request: &Request) -> io::Result<View> {
        let machine = machine::read(&self.places);
        let now_s = clock::since_boot().as_secs_f64();
        let gate = self.slots.gate(&self.boot, now_s)?;
        let seen = gate.look()?;
        let mut view = self.view_of(request, machine, &gate, seen, false);
        drop(gate);
        let mut site = Site::new(self.config.command.as_ref());
        site.ask();
        site.add_to(&mut view);
        Ok(view)
    }

    /// The outlook without a look at the slots, as if nothing ran.
    pub fn outlook_of_machine(&self, request: &Request) -> View {
        let machine = machine::read(&self.places);
        let limits = Limits {
            config: self.config,
            cpus: machine.cpus,
        };
        let occupancy = Occupancy::default();
        let mut view = View {
            slots: decision::slots(&limits, request.priority),
            checks: decision::checks(request, &machine, &occupancy, &limits, false),
            held: Vec::new(),
            occupancy,
            machine,
        };
        let mut site = Site::new(self.config.command.as_ref());
        site.ask();
        site.add_to(&mut view);
        view
    }

    /// Whether others wait who go before one that comes now.
    fn goes_first(&self, own: Priority) -> Option<Check> {
        let mut not_below = [Priority::High, Priority::Normal, Priority::Low]
            .into_iter()
            .filter(|priority| *priority >= own);
        let first = not_below.find(|priority| turnstile::is_busy(&self.slots, *priority))?;
        let what = format!("runs of {first} priority that wait and go first");
        Some(at_most(Signal::Priority, 1.0, 0.0, &what))
    }
}
