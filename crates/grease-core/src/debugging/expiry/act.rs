//! The one place that removes anything from the share.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use super::compress::{self, Compressed};
use super::plan::{Facts, Step};
use super::{DEPTH_MAX, TRASH, WEIGHT, is_over, run_of};
use crate::debugging::share::dir::Dir;
use crate::debugging::share::layout;
use crate::model::RunId;

/// Most names that one pass removes, so that a server is not flooded.
const UNLINKS_MAX: usize = 1000;

/// How long one pass takes, within one file: shipping waits meanwhile.
const TIME_MAX: Duration = Duration::from_secs(10);

/// How much a pass may do.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Names that may still be removed.
    pub unlinks: usize,
    /// When it is over.
    pub until: Instant,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            unlinks: UNLINKS_MAX,
            until: Instant::now() + TIME_MAX,
        }
    }
}

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Names removed.
    pub unlinked: usize,
    /// Logs compressed.
    pub compressed: usize,
    /// Bytes that that saved.
    pub saved_bytes: u64,
    /// There is more to do: the budget was used up.
    pub more: bool,
    /// What could not be done, for people; it is tried again the next time.
    pub problems: Vec<String>,
}

/// Does what was planned in the directory of a user.
pub fn act(user: &Dir, steps: &[Step], facts: &Facts, budget: Budget) -> Report {
    let mut pass = Pass {
        budget,
        report: Report::default(),
    };
    for step in steps {
        if pass.is_over() {
            break;
        }
        let (name, done) = match step {
            Step::Sweep(name) => (name, pass.sweep(user, name)),
            Step::Remove(day) => (day, pass.remove(user, day)),
            Step::Thin(day) => (day, pass.thin(user, day, &facts.live)),
            Step::Compress(day) => (day, pass.compress(user, day, facts)),
        };
        if let Err(error) = done {
            pass.problem(name, &error);
        }
    }
    if !steps.is_empty()
        && !pass.is_over()
        && let Err(error) = pass.latest(user)
    {
        pass.problem(layout::LATEST, &error);
    }
    pass.report
}

struct Pass {
    budget: Budget,
    report: Report,
}

impl Pass {
    /// Whether the budget is used up; then there is more to do.
    fn is_over(&mut self) -> bool {
        let is_over = self.report.unlinked >= self.budget.unlinks || is_over(self.budget.until);
        self.report.more |= is_over;
        is_over
    }

    fn problem(&mut self, name: &str, error: &io::Error) {
        // Another host was first, or a file that is open somewhere still has a name (`.nfs...`).
        let is_expected = matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
        );
        if !is_expected {
            self.report.problems.push(format!("{name}: {error}"));
        }
    }

    /// Takes a day out of sight at once, then removes what is in it.
    fn remove(&mut self, user: &Dir, day: &str) -> io::Result<()> {
        let trash = format!("{TRASH}{day}-{}", RunId::new());
        user.rename(day, &trash)?;
        self.sweep(user, &trash)
    }

    fn sweep(&mut self, user: &Dir, name: &str) -> io::Result<()> {
        self.empty(&user.child(name)?, DEPTH_MAX)?;
        if self.is_over() {
            return Ok(());
        }
        user.remove_dir(name)
    }

    fn empty(&mut self, dir: &Dir, depth: usize) -> io::Result<()> {
        for entry in dir.entries()? {
            if self.is_over() {
                return Ok(());
            }
            if !entry.is_dir {
                dir.unlink(&entry.name)?;
            } else if depth > 0 {
                self.empty(&dir.child(&entry.name)?, depth - 1)?;
                if self.is_over() {
                    return Ok(());
                }
                dir.remove_dir(&entry.name)?;
            }
            self.report.unlinked += 1;
        }
        Ok(())
    }

    /// Removes the logs of runs that did not fail; digests, index and the logs of failed runs stay.
    fn thin(&mut self, user: &Dir, day: &str, live: &BTreeSet<RunId>) -> io::Result<()> {
        let day = user.child(day)?;
        let failed = failed(&day)?;
        let Ok(logs) = day.child(layout::LOGS) else {
            return Ok(());
        };
        let before = self.report.unlinked;
        for job in logs.entries()?.into_iter().filter(|job| job.is_dir) {
            let dir = logs.child(&job.name)?;
            let mut kept = 0;
            for entry in dir.entries()? {
                if self.is_over() {
                    break;
                }
                match run_of(&entry.name) {
                    Some(run)
                        if !failed.contains(&run) && !live.contains(&run) && !entry.is_dir =>
                    {
                        dir.unlink(&entry.name)?;
                        self.report.unlinked += 1;
                    }
                    _ => kept += 1, // Of a failed run, or not ours.
                }
            }
            if kept == 0 {
                logs.remove_dir(&job.name).or_else(ignore_left)?;
            }
        }
        if self.report.unlinked > before {
            day.unlink(WEIGHT)?;
        }
        Ok(())
    }

    fn compress(&mut self, user: &Dir, day: &str, facts: &Facts) -> io::Result<()> {
        let day = user.child(day)?;
        let Ok(logs) = day.child(layout::LOGS) else {
            return Ok(());
        };
        let before = self.report.compressed;
        for job in logs.entries()?.into_iter().filter(|job| job.is_dir) {
            let dir = logs.child(&job.name)?;
            for entry in dir.entries()?.into_iter().filter(|entry| !entry.is_dir) {
                if self.is_over() {
                    break;
                }
                if compress::is_left_over(&dir, &entry.name, facts.now) {
                    dir.unlink(&entry.name)?;
                    self.report.unlinked += 1;
                }
                let is_live = run_of(&entry.name).is_none_or(|run| facts.live.contains(&run));
                if is_live || !has_ending(&entry.name, "log") {
                    continue;
                }
                match compress::log(&dir, &entry.name, facts.now) {
                    Ok(Compressed::Yes { saved }) => {
                        self.report.compressed += 1;
                        self.report.unlinked += 1;
                        self.report.saved_bytes = self.report.saved_bytes.saturating_add(saved);
                    }
                    Ok(Compressed::NotYet) => {}
                    Err(error) => self.problem(&entry.name, &error),
                }
            }
        }
        if self.report.compressed > before {
            day.unlink(WEIGHT)?;
        }
        Ok(())
    }

    /// Lets links to the last logs lead to what became of these, and removes those that lead nowhere.
    fn latest(&mut self, user: &Dir) -> io::Result<()> {
        let Ok(latest) = user.child(layout::LATEST) else {
            return Ok(());
        };
        for entry in latest.entries()? {
            if self.is_over() {
                return Ok(());
            }
            let Some(target) = latest.read_link(&entry.name)? else {
                continue;
            };
            let place = target
                .strip_prefix("../")
                .map(str::to_owned)
                .unwrap_or_default();
            if exists(user, &place) || latest.read_link(&entry.name)?.as_ref() != Some(&target) {
                continue;
            }
            if exists(user, &format!("{place}.zst")) {
                latest.replace_link(&entry.name, &format!("{target}.zst"))?;
            } else {
                latest.unlink(&entry.name)?;
                self.report.unlinked += 1;
            }
        }
        Ok(())
    }
}

fn has_ending(name: &str, ending: &str) -> bool {
    std::path::Path::new(name)
        .extension()
        .is_some_and(|found| found == ending)
}

/// Whether there is something at a path below a user's directory, links on the way not followed.
fn exists(user: &Dir, path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let Some(name) = parts.pop() else {
        return false;
    };
    let Some((first, rest)) = parts.split_first() else {
        return false;
    };
    let dir = user.child(first);
    let dir = rest.iter().fold(dir, |dir, part| dir?.child(part));
    dir.is_ok_and(|dir| dir.facts(name).is_ok())
}

/// The runs of a day that failed: those with a digest.
fn failed(day: &Dir) -> io::Result<BTreeSet<RunId>> {
    match day.child(layout::FAILED) {
        Ok(dir) => Ok(dir
            .entries()?
            .iter()
            .filter_map(|entry| run_of(&entry.name))
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        // Without knowing which runs failed, none of their logs may go.
        Err(error) => Err(error),
    }
}

fn ignore_left(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::DirectoryNotEmpty => Ok(()),
        _ => Err(error),
    }
}
