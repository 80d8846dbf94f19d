//! Between the test and the file system: the rules in force, what was asked, what waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::rules::{Rules, Verdict};

/// What both sides share.
#[derive(Debug, Default)]
pub(super) struct Control {
    state: Mutex<State>,
    /// Told whenever the rules change.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rules: Rules,
    /// Every request so far, a line each.
    asked: Vec<String>,
    /// The lines of those that wait.
    waiting: Vec<String>,
    /// When a request at a limited rate has its turn.
    turn: Option<Instant>,
}

/// A request, and what happens to it.
#[derive(Debug)]
pub(super) struct Request {
    operation: &'static str,
    path: String,
    bytes: usize,
    line: String,
    pub(super) verdict: Verdict,
}

impl Control {
    /// Notes a request and decides what happens to it. `bytes` is what it reads or writes.
    pub(super) fn ask(
        &self,
        pid: u32,
        operation: &'static str,
        path: String,
        bytes: usize,
    ) -> Request {
        let line = format!("{pid}\t{operation}\t{path}\t{}", command(pid));
        let mut state = self.state();
        let verdict = state.rules.judge(operation, &path);
        state.asked.push(line.clone());
        Request {
            operation,
            path,
            bytes,
            line,
            verdict,
        }
    }

    /// Waits as the verdict says, or until the rules no longer say so.
    pub(super) fn wait(&self, request: &Request) {
        let mut state = self.state();
        let now = Instant::now();
        let mut until = now + request.verdict.sleep;
        if let Some(rate) = request.verdict.rate {
            let bytes = u32::try_from(request.bytes).unwrap_or(u32::MAX);
            let took = Duration::from_secs_f64(f64::from(bytes) / f64::from(rate));
            let turn = state.turn.unwrap_or(now).max(now) + took;
            state.turn = Some(turn);
            until = until.max(turn);
        }
        state.waiting.push(request.line.clone());
        while state.rules.delays(request.operation, &request.path) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() && !request.verdict.hang {
                break;
            }
            let left = if request.verdict.hang {
                Duration::MAX
            } else {
                left
            };
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let index = state.waiting.iter().position(|line| *line == request.line);
        if let Some(index) = index {
            state.waiting.remove(index);
        }
    }

    /// Answers a line of the test: a line with a count and so many lines.
    pub(super) fn answer(&self, question: &str) -> Vec<String> {
        let mut state = self.state();
        match question.split_once(' ').unwrap_or((question, "")) {
            ("rules", text) => {
                let refused = state.rules.replace(text).err();
                state.turn = None;
                self.changed.notify_all();
                refused.into_iter().collect()
            }
            ("asked", _) => state.asked.clone(),
            ("forget", _) => {
                state.asked.clear();
                Vec::new()
            }
            ("waiting", _) => state.waiting.clone(),
            _ => vec![format!("`{question}` is no question")],
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The command line of a process, its words separated by blanks.
///
/// It is looked at while the process waits for its answer, since it may be gone later. One that
/// is about to exit has none any more.
fn command(pid: u32) -> String {
    let bytes = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .replace(['\0', '\t', '\n'], " ")
        .trim_end()
        .to_owned()
}
