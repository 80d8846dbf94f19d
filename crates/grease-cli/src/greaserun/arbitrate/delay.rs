//! The delay of a scheduled start.

use std::time::Duration;

use grease_core::arbitration::admission::Arbiter;
use grease_core::arbitration::config::JitterMode;
use grease_core::arbitration::decision::Request;
use grease_core::arbitration::spread;
use grease_core::dispatch::Trigger;
use grease_core::execution::supervise::Waited;

use super::Court;
use crate::greaserun::halt::Halt;
use crate::greaserun::patience;

impl Court<'_> {
    /// Puts the start off, so that not all of a minute come at once.
    pub(super) fn put_off(&self, arbiter: Option<&Arbiter<'_>>) -> Result<Duration, Halt> {
        let jitter = &self.config.guard.jitter;
        let is_exempt = self.caller.trigger != Trigger::Scheduled || self.arguments.no_random_delay;
        if is_exempt || jitter.mode == JitterMode::None {
            return Ok(Duration::ZERO);
        }
        let draw = self.run.draw();
        if jitter.mode != JitterMode::Bid {
            let delay = spread::delay(jitter, &self.caller.host, &self.named.key, draw);
            self.sleep(delay)?;
            return Ok(delay);
        }
        let mut slept = Duration::ZERO;
        // A bid may rise while it is slept for; it never exceeds the longest delay.
        while let Some(rest) = spread::remaining(self.bid(arbiter, draw), slept) {
            self.sleep(rest)?;
            slept += rest;
        }
        Ok(slept)
    }

    fn bid(&self, arbiter: Option<&Arbiter<'_>>, draw: f64) -> Duration {
        let jitter = &self.config.guard.jitter;
        let appetite = arbiter.map(|arbiter| {
            let request = Request::from(&self.named.settings);
            arbiter.appetite(&request)
        });
        match appetite {
            Some(Ok(now)) => spread::bid(jitter, now.load, now.waiting, now.capacity, draw),
            // A host that cannot tell how loaded it is bids anything, so that not all such hosts of a
            // farm come at once.
            Some(Err(_)) | None => jitter.max.get().mul_f64(draw),
        }
    }

    fn sleep(&self, length: Duration) -> Result<(), Halt> {
        match self.signals.wait(None, length) {
            Waited::Asked(signal) => Err(Halt::Failed(patience::cancelled(signal))),
            Waited::Ready | Waited::Time => Ok(()),
        }
    }
}
