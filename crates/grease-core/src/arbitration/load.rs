//! The load average, corrected for what it does not know yet and what it knows no more.
//!
//! The kernel's `load1` follows the number of runnable tasks with a time constant of a minute: jobs
//! that just started hardly count in it, and jobs that just ended still do. Both errors are known
//! exactly as far as the jobs are our own: one that runs since `t` is missing by `w*e^(-t/60)`, and
//! one that ran for `d` and ended `t` ago is there by `w*(1-e^(-d/60))*e^(-t/60)` too much.

use serde::{Deserialize, Serialize};

/// Time constant of `load1`, seconds (`LOAD_FREQ` and `EXP_1` of the kernel).
const TAU_S: f64 = 60.0;

/// What jobs that have ended still add to `load1`: one number holds the whole history, since equal
/// time constants add up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Residue {
    /// How much it was.
    load: f64,
    /// When, in seconds since boot.
    at_s: f64,
}

impl Residue {
    /// How much it is at a later time; never below nothing, and nothing if it is of no use.
    pub fn at(self, now_s: f64) -> f64 {
        if self.at_s > now_s {
            return 0.0; // Of another clock.
        }
        let load = self.load * decay(now_s - self.at_s);
        if load.is_finite() { load.max(0.0) } else { 0.0 }
    }

    /// Adds a job of a weight that ends now and ran for so many seconds.
    #[must_use]
    pub fn with(self, now_s: f64, weight: f64, ran_s: f64) -> Self {
        Self {
            load: self.at(now_s) + weight * (1.0 - decay(ran_s)),
            at_s: now_s,
        }
    }
}

/// What `load1` would be if it knew the running jobs, each given by weight and seconds since its
/// start, and had forgotten the ended ones. Never below nothing.
pub fn corrected(load1: f64, running: impl IntoIterator<Item = (f64, f64)>, ended: f64) -> f64 {
    let missing: f64 = running
        .into_iter()
        .map(|(weight, ran_s)| weight * decay(ran_s))
        .sum();
    (load1 + missing - ended).max(0.0)
}

fn decay(seconds: f64) -> f64 {
    (-seconds.max(0.0) / TAU_S).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's load average: every five seconds the number of runnable tasks is mixed in
    /// (`kernel/sched/loadavg.c`).
    struct Kernel {
        load1: f64,
    }

    impl Kernel {
        const STEP_S: f64 = 5.0;

        fn step(&mut self, runnable: f64) {
            let kept = (-Self::STEP_S / TAU_S).exp();
            self.load1 = self.load1 * kept + runnable * (1.0 - kept);
        }
    }

    #[test]
    fn the_correction_is_off_by_less_than_half_a_job_where_the_average_is_off_by_four() {
        let mut kernel = Kernel { load1: 0.0 };
        let mut residue = Residue::default();
        let (mut worst, mut worst_bare) = (0.0_f64, 0.0_f64);
        // Four jobs from 10 s to 100 s, then none.
        for step in 0..60_u32 {
            let now = f64::from(step) * Kernel::STEP_S;
            let runs = (10.0..100.0).contains(&now);
            if (now - 100.0).abs() < 1e-9 {
                for _ in 0..4 {
                    residue = residue.with(now, 1.0, 90.0);
                }
            }
            let truth = if runs { 4.0 } else { 0.0 };
            let running = if runs {
                vec![(1.0, now - 10.0); 4]
            } else {
                Vec::new()
            };
            let estimate = corrected(kernel.load1, running, residue.at(now));
            worst = worst.max((estimate - truth).abs());
            worst_bare = worst_bare.max((kernel.load1 - truth).abs());
            kernel.step(truth);
        }
        assert!(worst < 0.4, "{worst}");
        assert!(worst_bare > 3.0, "{worst_bare}");
    }

    #[test]
    fn hundreds_of_short_jobs_are_remembered_in_one_number() {
        // One job of a second after the other: the load is one, and after them none.
        let mut kernel = Kernel { load1: 0.0 };
        let mut residue = Residue::default();
        for second in 0..200_u32 {
            residue = residue.with(f64::from(second) + 1.0, 1.0, 1.0);
            if second % 5 == 4 {
                kernel.step(1.0);
            }
        }
        let estimate = corrected(kernel.load1, [], residue.at(200.0));
        assert!(estimate < 0.1, "{estimate} of {}", kernel.load1);
    }

    #[test]
    fn what_makes_no_sense_counts_nothing() {
        let odd = Residue {
            load: f64::NAN,
            at_s: 0.0,
        };
        assert_eq!(odd.at(1.0).to_bits(), 0.0_f64.to_bits());
        let future = Residue {
            load: 2.0,
            at_s: 1e9,
        };
        assert!(future.at(1.0) <= 2.0);
        assert!(corrected(0.0, [], 5.0) >= 0.0);
    }
}
