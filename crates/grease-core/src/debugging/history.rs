//! What the records of runs say about the artifacts that they used.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::{journal, retention};
use crate::model::{ErrorKind, Explain, RunId, StartEvent};
use crate::registry::Registry;

/// Why it is not known what runs used.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// A spool cannot be read.
    #[error("the records of runs cannot be read")]
    Spool(#[source] io::Error),
    /// A run does not say what it used.
    #[error("run `{}` does not say what it uses", run.display())]
    Run {
        /// Its directory.
        run: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The records do not reach back that far.
    #[error(
        "the records in `{}` reach back only to {since:.0}; older ones have been removed",
        spool.display()
    )]
    Short {
        /// The spool.
        spool: PathBuf,
        /// When the oldest run that is known started.
        since: Timestamp,
    },
}

impl Explain for Unknown {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Spool(source) | Self::Run { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::Permission,
                _ => ErrorKind::Io,
            },
            Self::Short { .. } => ErrorKind::NotNow,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Spool(_) => None,
            Self::Run { run, .. } => {
                let run = run.display();
                Some(format!("if it has ended, look into `{run}` and remove it"))
            }
            Self::Short { .. } => Some("ask for fewer days".to_owned()),
        }
    }
}

/// How often a run that moves while it is looked for is looked for again.
const LOOKS_MAX: u32 = 5;

/// Pause before that: a run is registered, and sealed, in far less.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// The start events of all runs in a spool that live, or ended at `limit` or later.
///
/// What each of them used is known, or nothing is: the caller removes what none of them used.
pub fn used_since(spool: &Path, limit: Timestamp) -> Result<Vec<StartEvent>, Unknown> {
    let mut looks = 0;
    let (mut used, sealed) = loop {
        let runs = Registry::new(spool.to_owned())
            .all()
            .map_err(Unknown::Spool)?;
        looks += 1;
        match of_live(&runs.live) {
            Ok(used) => break (used, runs.sealed),
            // It is being registered or sealed at this moment, or not at all if that goes on.
            Err(Unknown::Run { source, .. })
                if source.kind() == io::ErrorKind::NotFound && looks < LOOKS_MAX =>
            {
                std::thread::sleep(LOOK_PAUSE);
            }
            Err(unknown) => return Err(unknown),
        }
    };
    if let Some(since) = short(&sealed, limit) {
        let spool = spool.to_owned();
        return Err(Unknown::Short { spool, since });
    }
    for run in &sealed {
        used.extend(of_sealed(run, limit)?);
    }
    Ok(used)
}

fn of_live(runs: &[PathBuf]) -> Result<Vec<StartEvent>, Unknown> {
    let starts = runs.iter().map(|run| {
        journal::start_of(run).map_err(|source| Unknown::Run {
            run: run.clone(),
            source,
        })
    });
    starts.collect()
}

/// When the oldest run started that is known of, if runs after `limit` may have been removed.
fn short(sealed: &[PathBuf], limit: Timestamp) -> Option<Timestamp> {
    let bytes = |run: &PathBuf| {
        fs_err::symlink_metadata(run.join(journal::LOG)).map_or(0, |found| found.len())
    };
    if !retention::is_full(sealed.len(), sealed.iter().map(bytes).sum()) {
        return None;
    }
    let oldest = sealed.iter().find_map(|run| {
        let id: RunId = run.file_name()?.to_str()?.parse().ok()?;
        id.drawn_at()
    });
    oldest.filter(|oldest| *oldest > limit)
}

fn of_sealed(run: &Path, limit: Timestamp) -> Result<Option<StartEvent>, Unknown> {
    let ended = journal::end_of(run).ok();
    let ended = ended.and_then(|end| end.time.parse::<Timestamp>().ok());
    if ended.is_some_and(|ended| ended < limit) {
        return Ok(None);
    }
    match journal::start_of(run) {
        Ok(start) => Ok(Some(start)),
        Err(_) if !run.exists() => Ok(None), // Too old to be kept.
        Err(source) => Err(Unknown::Run {
            run: run.to_owned(),
            source,
        }),
    }
}
