//! Many runs at once.

use std::process::{Child, Stdio};

use grease_testkit::sandbox::{Run, Sandbox, wait_until};

/// Runs that were started together. What they print goes to files: threads that read it would be
/// more than the runs. Dropped before their end, they are killed.
pub(super) struct Herd<'a> {
    sandbox: &'a Sandbox,
    children: Vec<Child>,
}

/// How one of them ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit code; none if a signal ended it.
    pub(super) code: Option<i32>,
    /// All that it printed.
    pub(super) said: String,
}

impl<'a> Herd<'a> {
    /// Starts all of them; output of an earlier herd in the same place is replaced.
    pub(super) fn start(sandbox: &'a Sandbox, runs: impl IntoIterator<Item = Run>) -> Self {
        let mut herd = Self {
            sandbox,
            children: Vec::new(),
        };
        for run in runs {
            herd.add(run);
        }
        herd
    }

    /// Starts one more.
    pub(super) fn add(&mut self, run: Run) {
        let said = self.sandbox.path(&format!("said.{}", self.children.len()));
        let said = fs_err::File::create(said).unwrap().into_parts().0;
        let mut command = run.into_command();
        let streams = [said.try_clone().unwrap(), said].map(Stdio::from);
        let [stdout, stderr] = streams;
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        self.children.push(command.spawn().unwrap());
    }

    /// The process ids of those that have not ended, with their place in the herd.
    pub(super) fn alive(&mut self) -> Vec<(usize, i32)> {
        let children = self.children.iter_mut().enumerate();
        let alive = children.filter_map(|(number, child)| {
            let is_alive = child.try_wait().unwrap().is_none();
            is_alive.then(|| (number, i32::try_from(child.id()).unwrap()))
        });
        alive.collect()
    }

    /// How many have ended.
    pub(super) fn ended(&mut self) -> usize {
        self.children.len() - self.alive().len()
    }

    /// Waits for the end of all, one after the other.
    pub(super) fn finish(mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        for (number, child) in self.children.iter_mut().enumerate() {
            wait_until("a run of the herd ends", || {
                child.try_wait().unwrap().is_some()
            });
            let said = self.sandbox.path(&format!("said.{number}"));
            ended.push(Ended {
                code: child.wait().unwrap().code(),
                said: fs_err::read_to_string(said).unwrap(),
            });
        }
        ended
    }
}

impl Drop for Herd<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            child.kill().ok(); // It has ended if all went well.
            child.wait().ok();
        }
    }
}
