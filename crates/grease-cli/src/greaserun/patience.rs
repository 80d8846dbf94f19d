//! Waiting for the host: signals are heard meanwhile, and a person sees what is waited for.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use grease_core::arbitration::admission::Woken;
use grease_core::execution::supervise::{Signals, Waited};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::process::Signal;

use super::report::Report;
use crate::failure::Failure;
use crate::terminal::duration;

/// How long a wait lasts before it is worth a word.
const WORD_AFTER: Duration = Duration::from_secs(1);

/// How often the line on a terminal changes.
const LINE: Duration = Duration::from_millis(250);

/// The wait of one run.
pub(super) struct Patience<'a> {
    signals: &'a Signals,
    report: &'a Report<'a>,
    /// How not to wait.
    way_out: &'static str,
    begun: Instant,
    line: Option<ProgressBar>,
    is_told: bool,
    asked: Option<Signal>,
}

impl<'a> Patience<'a> {
    pub(super) fn new(signals: &'a Signals, report: &'a Report<'a>, way_out: &'static str) -> Self {
        Self {
            signals,
            report,
            way_out,
            begun: Instant::now(),
            line: None,
            is_told: false,
            asked: None,
        }
    }

    /// Waits for a descriptor or a time, and tells what for.
    pub(super) fn pause(
        &mut self,
        why: &dyn Fn() -> String,
        other: Option<BorrowedFd<'_>>,
        length: Duration,
    ) -> Woken {
        let deadline = Instant::now() + length;
        loop {
            self.tell(why);
            let left = deadline.saturating_duration_since(Instant::now());
            let step = if self.report.is_watched() {
                left.min(LINE)
            } else {
                left
            };
            match self.signals.wait(other, step) {
                Waited::Asked(signal) => {
                    self.asked = Some(signal);
                    return Woken::Stop;
                }
                Waited::Ready => return Woken::Ready,
                Waited::Time if step == left => return Woken::Time,
                Waited::Time => {}
            }
        }
    }

    /// Why a wait was given up, if a signal did that.
    pub(super) fn cancelled(&self) -> Option<Failure> {
        self.asked.map(cancelled)
    }

    fn tell(&mut self, why: &dyn Fn() -> String) {
        let waited = self.begun.elapsed();
        // A terminal that cannot move its cursor gets a word, as a file does.
        if self.report.is_watched() && !self.line.get_or_insert_with(line).is_hidden() {
            if waited >= LINE {
                let line = self.line.get_or_insert_with(line);
                let waited = duration(waited);
                line.set_message(format!("waiting {waited}, {}: {}", self.way_out, why()));
                line.tick();
            }
        } else if waited >= WORD_AFTER && !self.is_told {
            self.is_told = true;
            self.report.remark(&format!("waits: {}", why()));
        }
    }
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

/// A signal came before there was a job to pass it on to.
pub(super) fn cancelled(signal: Signal) -> Failure {
    let number = signal.as_raw();
    let text = format!("ended by signal {number} before the job started");
    Failure::cancelled(number, text)
}

fn line() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("it is a template");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}
