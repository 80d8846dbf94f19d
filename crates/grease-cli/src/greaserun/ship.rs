//! What greaserun has to do with the shipper: to start it, to wake it, and to wait for it a little.
//!
//! It knows of the share only what the shipper tells in the spool.

use std::path::Path;
use std::time::Duration;

use grease_core::debugging::ship::{self, Task, Waited};
use grease_core::execution::Outcome;
use grease_core::execution::supervise::Signals;
use grease_core::sys::clock;

use super::halt::Halt;
use super::record::{self, Left};
use super::report::Report;
use super::stage::Stage;
use crate::shared::state_dir;

/// Shortest pause between two looks whether the shipper still runs, and the longest, for one that ends
/// each time it is started. A pulse of the job comes every 5 s.
const LOOK: (Duration, Duration) = (Duration::from_secs(4), Duration::from_mins(5));

/// The shipper of this run's spool, if there is anything for one to do.
pub(super) struct Shipping(Option<Call>);

struct Call {
    task: Task,
    patience: Duration,
    /// Pause until the next look whether the shipper still runs.
    pause: Duration,
    /// When that is, in time since boot.
    look_at: Duration,
}

impl Shipping {
    /// Starts a shipper, unless one runs, or there is nothing for one to do.
    pub(super) fn start(stage: &Stage<'_>) -> Self {
        let (config, caller) = (stage.config, stage.caller);
        let root = record::share(config).map(Path::to_owned);
        let is_needed = root.is_some() || !config.logs.hooks.is_empty();
        let Some(spool) = stage.spool.filter(|_| is_needed) else {
            return Self(None);
        };
        let call = Call {
            task: Task {
                spool: spool.to_owned(),
                root,
                logs: config.logs.clone(),
                user: caller.account.name.clone(),
                host: caller.host.clone(),
                state_dir: state_dir(config).map(Path::to_owned),
                scratch_root: stage.scratch_root.to_owned(),
            },
            patience: config.logs.wait.get(),
            pause: LOOK.0,
            look_at: clock::since_boot() + LOOK.0,
        };
        call.make(stage.report);
        Self(Some(call))
    }

    /// Starts another shipper where the one that ran is gone. For each pulse of the job: costs a look at
    /// a lock every 5 s, and says nothing, which is for [`Shipping::finish`].
    pub(super) fn look(&mut self) {
        let now = clock::since_boot();
        let Some(call) = self.0.as_mut().filter(|call| now >= call.look_at) else {
            return;
        };
        call.look_at = now + call.pause;
        if ship::is_running(&call.task.spool) {
            call.pause = LOOK.0;
        } else {
            ship::start(&call.task).ok();
            call.pause = (call.pause * 2).min(LOOK.1);
        }
    }

    /// The run has ended: waits a little for its log to arrive, unless that is of no use, or somebody
    /// ends greaserun.
    pub(super) fn finish(
        &self,
        left: &Left,
        ended: &Result<Outcome, Halt>,
        signals: &Signals,
        report: &Report<'_>,
    ) {
        let Some(call) = &self.0 else { return };
        call.make(report);
        let was_dropped = matches!(ended, Err(Halt::Dropped(_)));
        let Some(dir) = left.dir.as_deref().filter(|_| !was_dropped) else {
            return;
        };
        if call.task.root.is_none() {
            return;
        }
        let stop = || signals.ending().is_some();
        let waited = ship::wait_shipped(&call.task.spool, dir, call.patience, &stop);
        if let Waited::NotYet(why) = waited {
            report.remark(&format!(
                "log not yet on the share ({why}); local copy: {}; it will be shipped later",
                dir.join("log").display()
            ));
        }
    }
}

impl Call {
    /// Has a shipper look at the spool at once; one is started if none runs.
    fn make(&self, report: &Report<'_>) {
        match ship::start(&self.task) {
            Ok(()) => ship::wake(&self.task.spool),
            Err(error) => report.warn(&format!("nobody brings logs to the share now: {error}")),
        }
    }
}
