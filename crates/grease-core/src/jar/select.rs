//! Which entries are unpacked, and whether they may be: writes nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use zip::CompressionMethod;
use zip::read::OwnedZipFileEntry;

use super::fault::RATIO_MAX;
use super::{Error, Fault, Jar, name};

/// Most bytes that are unpacked from one jar: more belongs into a data store.
const UNPACKED_BYTES_MAX: u64 = 8 << 30;

/// Below this many bytes unpacked, a high ratio does no harm: logs and zeros are small packed.
const RATIO_FROM_BYTES: u64 = 64 << 20;

/// The type of a file within `st_mode` (inode(7)), here and in zip's external attributes.
const FILE_TYPE: u32 = 0o170_000;
const REGULAR_FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMBOLIC_LINK: u32 = 0o120_000;
const OWNER_EXECUTES: u32 = 0o100;

/// The part of a jar that a runner needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// One file, unpacked at its own path and made executable.
    File {
        /// The entry's name.
        name: String,
    },
    /// All that lies in a folder, without the folder's own name.
    Folder {
        /// The folder's name, without a slash at its end.
        name: String,
    },
}

/// What will be unpacked: checked, and sorted so that a folder comes before what it holds.
#[derive(Debug, Serialize)]
pub struct UnpackPlan {
    #[serde(skip)]
    pub(super) entries: Vec<PlannedEntry>,
    file_count: usize,
    bytes: u64,
}

/// An entry and where it goes.
#[derive(Debug)]
pub(super) struct PlannedEntry {
    /// Path below the directory that is unpacked to; a folder's ends in a slash.
    pub(super) target: String,
    pub(super) executable: bool,
    pub(super) entry: OwnedZipFileEntry,
}

impl UnpackPlan {
    /// How many files will be written.
    pub fn file_count(&self) -> usize {
        self.file_count
    }

    /// How many bytes they hold together, as the jar declares.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl PlannedEntry {
    pub(super) fn is_folder(&self) -> bool {
        self.target.ends_with('/')
    }
}

impl Jar {
    /// Checks all that the selection needs and plans where it goes.
    pub fn select(&self, selection: &Selection) -> Result<UnpackPlan, Error> {
        let mut selected = Vec::new();
        self.each_entry(|entry| {
            if selection.target(entry.name_raw()).is_some() {
                selected.push(entry);
            }
        })?;
        let mut entries = Vec::new();
        for entry in selected {
            match planned(selection, &entry) {
                Ok(Some((target, executable))) => entries.push(PlannedEntry {
                    target,
                    executable,
                    entry,
                }),
                Ok(None) => {}
                Err(fault) => return Err(self.faulty(&entry, fault)),
            }
        }
        check_collisions(&entries)
            .map_err(|(index, fault)| self.faulty(&entries[index].entry, fault))?;
        entries.sort_unstable_by(|one, other| one.target.cmp(&other.target));
        let files = || entries.iter().filter(|entry| !entry.is_folder());
        let plan = UnpackPlan {
            file_count: files().count(),
            bytes: files().fold(0, |sum, file| file.entry.size().saturating_add(sum)),
            entries,
        };
        self.check_totals(selection, &plan)?;
        Ok(plan)
    }

    fn check_totals(&self, selection: &Selection, plan: &UnpackPlan) -> Result<(), Error> {
        let path = self.path().to_owned();
        let entries = self.entry_count();
        if plan.file_count == 0 {
            return Err(match selection.clone() {
                Selection::File { name } => Error::NoSuchFile {
                    path,
                    name,
                    entries,
                },
                Selection::Folder { name } => Error::NothingUnder {
                    path,
                    folder: name,
                    entries,
                },
            });
        }
        if plan.bytes > UNPACKED_BYTES_MAX {
            return Err(Error::TooLarge {
                path,
                bytes: plan.bytes,
                max: UNPACKED_BYTES_MAX,
            });
        }
        // Entries that share their data make a bomb of which no entry is one by itself.
        if grows_too_much(self.bytes(), plan.bytes) {
            return Err(Error::Ratio {
                path,
                packed: self.bytes(),
                unpacked: plan.bytes,
                max: RATIO_MAX,
            });
        }
        Ok(())
    }

    /// The error for an entry with a fault.
    pub(super) fn faulty(&self, entry: &OwnedZipFileEntry, fault: Fault) -> Error {
        Error::Entry {
            path: self.path().to_owned(),
            entry: name::shown(entry.name_raw()),
            fault,
        }
    }
}

impl Selection {
    /// Where an entry of that name goes, if it is selected.
    fn target<'a>(&self, entry: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Self::File { name } => (entry == name.as_bytes()).then_some(entry),
            Self::Folder { name } => entry.strip_prefix(name.as_bytes())?.strip_prefix(b"/"),
        }
    }
}

/// Target and executability of a selected entry; nothing for the selected folder itself.
fn planned(
    selection: &Selection,
    entry: &OwnedZipFileEntry,
) -> Result<Option<(String, bool)>, Fault> {
    let name = name::check(entry.name_raw())?;
    let mode = entry.external_attributes() >> 16;
    check_type(mode, name.ends_with('/'))?;
    if entry.encrypted() {
        return Err(Fault::Encrypted);
    }
    if !matches!(
        entry.compression(),
        CompressionMethod::Stored | CompressionMethod::Deflated
    ) {
        return Err(Fault::Compression {
            method: entry.compression().to_string(),
        });
    }
    if grows_too_much(entry.compressed_size(), entry.size()) {
        return Err(Fault::Ratio {
            packed: entry.compressed_size(),
            unpacked: entry.size(),
        });
    }
    let target = selection
        .target(name.as_bytes())
        .and_then(|target| std::str::from_utf8(target).ok())
        .filter(|target| !target.is_empty());
    let executable = matches!(selection, Selection::File { .. }) || mode & OWNER_EXECUTES != 0;
    Ok(target.map(|target| (target.to_owned(), executable)))
}

/// Whether an entry is a file or a folder and nothing else; mode 0 is what `jar` writes.
fn check_type(mode: u32, is_folder: bool) -> Result<(), Fault> {
    match mode & FILE_TYPE {
        0 | REGULAR_FILE => Ok(()),
        DIRECTORY if is_folder => Ok(()),
        SYMBOLIC_LINK => Err(Fault::SymbolicLink),
        _ => Err(Fault::SpecialFile { mode }),
    }
}

fn grows_too_much(packed: u64, unpacked: u64) -> bool {
    unpacked > RATIO_FROM_BYTES && unpacked / RATIO_MAX > packed
}

/// Whether no two entries want the same path; else one of them and its fault.
///
/// A folder may be listed twice: some tools do that, and there is only one way to make it.
fn check_collisions(entries: &[PlannedEntry]) -> Result<(), (usize, Fault)> {
    let mut paths: BTreeMap<String, usize> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let path = entry.target.trim_end_matches('/');
        let Some(earlier) = paths.insert(name::without_case(path), index) else {
            continue;
        };
        let earlier = &entries[earlier];
        let other = name::shown(earlier.entry.name_raw());
        if path != earlier.target.trim_end_matches('/') {
            return Err((index, Fault::CaseCollision { other }));
        }
        if !(entry.is_folder() && earlier.is_folder()) {
            return Err((index, Fault::Twice));
        }
    }
    for (path, index) in &paths {
        let file = name::folders(path)
            .filter_map(|folder| paths.get(folder))
            .find(|folder| !entries[**folder].is_folder());
        if let Some(file) = file {
            let other = name::shown(entries[*index].entry.name_raw());
            return Err((*file, Fault::FileAndFolder { other }));
        }
    }
    Ok(())
}
