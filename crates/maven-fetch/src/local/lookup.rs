//! What is here: artifacts and builds of snapshots.
//!
//! Nothing here writes, except that a damaged file is moved out of the way. Files are named with
//! their time stamp, never by the base version of a snapshot: those are copies that Maven makes
//! and rewrites.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::facts::{self, Content, FileFacts};
use super::layout::{self, BuildStamp};
use super::tracking::{self, Origin};
use super::{LocalError, LocalRepository, merge};
use crate::coordinates::Resolved;

/// Most entries of one directory that are looked at: builds and versions are removed long before.
const ENTRIES_MAX: usize = 100_000;

/// An artifact that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Where it came from.
    pub origin: Origin,
    /// What the file system says about it now.
    pub facts: FileFacts,
    /// Why it is believed to be whole.
    pub evidence: Evidence,
}

/// Why a file is believed to be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// It has not been touched since it was recorded.
    Recorded,
    /// It was touched, and read again: its content is as recorded. The record is to be renewed.
    Read(Content),
    /// Its structure is sound; there is no record, or someone installed another file since.
    Structure,
    /// Its structure is sound, and its content is not what was recorded: another program has fetched
    /// it again, or the disk has changed it. Its repository knows.
    Replaced(Content),
}

/// What we recorded about a file when it was published.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What the file system said.
    pub facts: &'a FileFacts,
    /// SHA-1 of the content, in lower-case hexadecimal digits.
    pub sha1: &'a str,
}

impl LocalRepository {
    /// Looks for an artifact in all places, in their order.
    ///
    /// With what is `known`, a file that was not touched is not read. A file that is not whole
    /// counts as missing: it is moved away, except from a tail, and goes into `warnings`.
    pub fn find(
        &self,
        resolved: &Resolved,
        known: Option<Known<'_>>,
        warnings: &mut Vec<LocalError>,
    ) -> Option<Found> {
        let directory = resolved.directory();
        let name = resolved.file_name();
        for root in self.places() {
            let directory = root.join(&directory);
            let is_ours = !self.tails.iter().any(|tail| tail == root);
            match look(&directory, &name, known) {
                Ok(Some(Look::Found(found))) => return Some(found),
                Ok(Some(Look::Damaged { flaw, facts })) => {
                    let quarantine = if is_ours {
                        quarantine(&directory, &name, &facts)
                    } else {
                        None
                    };
                    let path = directory.join(&name);
                    warnings.push(LocalError::Damaged {
                        path,
                        flaw,
                        quarantine,
                    });
                }
                Ok(None) => {}
                Err(error) => warnings.push(error),
            }
        }
        None
    }

    /// Tells where an artifact came from, if it is here.
    pub fn origin(&self, resolved: &Resolved) -> Option<Origin> {
        let (directory, name) = (resolved.directory(), resolved.file_name());
        self.places().find_map(|root| {
            let directory = root.join(&directory);
            let is_here = fs_err::metadata(directory.join(&name)).is_ok_and(|file| file.is_file());
            is_here.then(|| {
                let tracking =
                    merge::read(&directory.join(tracking::FILE_NAME)).unwrap_or_default();
                Origin::of(&name, &tracking)
            })
        })
    }

    /// Tells the complete versions of an artifact that are here: releases, and builds of snapshots.
    ///
    /// The order is that of the directories. The content is not read; [`Self::find`] says more.
    pub fn complete(
        &self,
        group: &str,
        artifact: &str,
        extension: &str,
        classifier: Option<&str>,
    ) -> Vec<Resolved> {
        let directory = layout::artifact_directory(group, artifact);
        let mut versions: Vec<String> = self
            .places()
            .flat_map(|root| names(&root.join(&directory)))
            .collect();
        versions.sort();
        versions.dedup();
        versions
            .iter()
            .flat_map(|version| {
                let resolved = Resolved {
                    group: group.to_owned(),
                    artifact: artifact.to_owned(),
                    version: version.clone(),
                    extension: extension.to_owned(),
                    classifier: classifier.map(str::to_owned),
                };
                if layout::before_stamp(version).is_some() {
                    self.builds(&resolved)
                } else {
                    let is_here = self.is_plausible(&resolved);
                    is_here.then_some(resolved).into_iter().collect()
                }
            })
            .collect()
    }

    /// Tells the complete builds of a snapshot that are here, newest first.
    ///
    /// `snapshot` has the base version, such as `3.0-SNAPSHOT`, and the wanted classifier.
    pub fn builds(&self, snapshot: &Resolved) -> Vec<Resolved> {
        let Some(before) = layout::before_stamp(&snapshot.version) else {
            return Vec::new();
        };
        let prefix = format!("{}-{before}", snapshot.artifact);
        let directory = snapshot.directory();
        let end = match &snapshot.classifier {
            Some(classifier) => format!("-{classifier}.{}", snapshot.extension),
            None => format!(".{}", snapshot.extension),
        };
        let names: HashSet<String> = self
            .places()
            .flat_map(|root| names(&root.join(&directory)))
            .collect();
        let mut stamps: Vec<BuildStamp> = names
            .iter()
            .filter_map(|name| {
                let (stamp, rest) = BuildStamp::parse(name.strip_prefix(&prefix)?)?;
                (rest == end).then_some(stamp)
            })
            .collect();
        stamps.sort_by(|one, other| other.cmp(one));
        stamps
            .into_iter()
            .map(|BuildStamp { time, number }| Resolved {
                version: format!("{before}{time}-{number}"),
                ..snapshot.clone()
            })
            .filter(|resolved| self.is_plausible(resolved))
            .collect()
    }

    /// Tells whether a file is here and not damaged, as far as its structure tells.
    fn is_plausible(&self, resolved: &Resolved) -> bool {
        let path = resolved.path();
        self.places()
            .any(|root| matches!(facts::flaw(&root.join(&path)), Ok(None)))
    }
}

/// What a look at one place gives.
enum Look {
    Found(Found),
    Damaged { flaw: String, facts: FileFacts },
}

fn look(
    directory: &Path,
    name: &str,
    known: Option<Known<'_>>,
) -> Result<Option<Look>, LocalError> {
    let path = directory.join(name);
    let failed = |action| LocalError::io(action, &path);
    let facts = match fs_err::metadata(&path) {
        Ok(metadata) if metadata.is_file() => FileFacts::from(&metadata),
        Ok(_) => return Ok(None),
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(failed("look at")(error)),
    };
    // What is not tracked is accepted, and so is what nobody can tell to be tracked.
    let tracking = merge::read(&directory.join(tracking::FILE_NAME)).unwrap_or_default();
    let origin = Origin::of(name, &tracking);
    let found = |facts, evidence| {
        let (path, origin) = (path.clone(), origin.clone());
        Ok(Some(Look::Found(Found {
            path,
            origin,
            facts,
            evidence,
        })))
    };
    if known.is_some_and(|known| *known.facts == facts) {
        return found(facts, Evidence::Recorded);
    }
    if let Some(flaw) = facts::flaw(&path).map_err(failed("read"))? {
        return Ok(Some(Look::Damaged {
            flaw: flaw.to_owned(),
            facts,
        }));
    }
    let Some(known) = known else {
        return found(facts, Evidence::Structure);
    };
    let content = Content::read(&path).map_err(failed("read"))?;
    if content.sha1 == known.sha1 {
        return found(content.facts.clone(), Evidence::Read(content));
    }
    if matches!(origin, Origin::Installed { .. }) {
        // Someone built or put another file here: it is theirs, and Maven uses it as well.
        return found(content.facts, Evidence::Structure);
    }
    found(content.facts.clone(), Evidence::Replaced(content))
}

/// Moves a damaged file away, unless it was replaced meanwhile, and says where it is now. Only the
/// latest one is kept.
fn quarantine(directory: &Path, name: &str, facts: &FileFacts) -> Option<PathBuf> {
    let path = directory.join(name);
    let prefix = format!("{name}.bad-");
    let moved = Content::read(&path).and_then(|content| {
        if content.facts != *facts {
            return Err(io::Error::other("it was replaced meanwhile"));
        }
        let target = directory.join(format!("{prefix}{}", content.sha1));
        for older in names(directory)
            .iter()
            .filter(|other| other.starts_with(&prefix))
        {
            fs_err::remove_file(directory.join(older)).ok(); // Two are no worse than one.
        }
        fs_err::rename(&path, &target)?;
        Ok(target)
    });
    if let Err(error) = &moved {
        tracing::debug!(path = %path.display(), %error, "a damaged file stays where it is");
    }
    moved.ok()
}

/// Tells whether an error says that there is no such file.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Names in a directory, as far as they are text; none if it cannot be read.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .take(ENTRIES_MAX)
        .collect()
}
