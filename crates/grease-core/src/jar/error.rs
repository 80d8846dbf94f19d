//! What can go wrong with a jar as a whole.

use std::io;
use std::path::PathBuf;

use zip::result::ZipError;

use super::Fault;
use crate::model::{ErrorKind, Explain};

/// Why a jar cannot be read or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or this user may not read it.
    #[error("cannot open jar `{}`", path.display())]
    Open {
        /// The jar.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory, pipe or device.
    #[error("`{}` is not a file, so it cannot be a jar", path.display())]
    NotAFile {
        /// What was given as a jar.
        path: PathBuf,
    },
    /// The caller wanted to stop.
    #[error("unpacking of `{}` was stopped", path.display())]
    Stopped {
        /// The jar.
        path: PathBuf,
    },
    /// Something else than a zip archive.
    #[error("`{}` is not a jar: it holds no zip archive", path.display())]
    NotAJar {
        /// What was given as a jar.
        path: PathBuf,
        /// What the zip reader missed.
        source: ZipError,
    },
    /// It begins as a jar does, and its directory is cut off or broken.
    #[error(
        "jar `{}` is cut off or damaged: the directory at its end cannot be read",
        path.display()
    )]
    Damaged {
        /// The jar.
        path: PathBuf,
        /// What the zip reader found.
        source: ZipError,
    },
    /// More entries than any jar has.
    #[error("jar `{}` has {entries} entries, more than the {max} allowed", path.display())]
    TooManyEntries {
        /// The jar.
        path: PathBuf,
        /// How many it has, as its directory says.
        entries: usize,
        /// How many it may have.
        max: usize,
    },
    /// A directory inflated by comments or extra fields.
    #[error(
        "the directory of jar `{}` has {bytes} bytes, more than the {max} allowed",
        path.display()
    )]
    LargeDirectory {
        /// The jar.
        path: PathBuf,
        /// From the directory's start to the end of the jar.
        bytes: u64,
        /// How many it may have.
        max: u64,
    },
    /// Reading failed in the middle.
    #[error("cannot read jar `{}`", path.display())]
    Read {
        /// The jar.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No entry of that name is a file.
    #[error("there is no file `{name}` among the {entries} entries of jar `{}`", path.display())]
    NoSuchFile {
        /// The jar.
        path: PathBuf,
        /// The name looked for.
        name: String,
        /// How many entries there are.
        entries: usize,
    },
    /// No file lies in that folder.
    #[error(
        "there is nothing under `{folder}/` among the {entries} entries of jar `{}`",
        path.display()
    )]
    NothingUnder {
        /// The jar.
        path: PathBuf,
        /// The folder looked for.
        folder: String,
        /// How many entries there are.
        entries: usize,
    },
    /// An entry that cannot be unpacked as it is.
    #[error("entry `{entry}` of jar `{}` {fault}", path.display())]
    Entry {
        /// The jar.
        path: PathBuf,
        /// The entry's name, escaped and shortened for display.
        entry: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// An entry whose bytes are not what its header promises.
    #[error("the content of entry `{entry}` of jar `{}` is broken", path.display())]
    Content {
        /// The jar.
        path: PathBuf,
        /// The entry's name, escaped and shortened for display.
        entry: String,
        /// What the zip reader found.
        source: io::Error,
    },
    /// More than a scratch directory is meant to take.
    #[error(
        "{bytes} bytes of jar `{}` would be unpacked, more than the {max} allowed",
        path.display()
    )]
    TooLarge {
        /// The jar.
        path: PathBuf,
        /// Bytes unpacked, as declared.
        bytes: u64,
        /// How many may be unpacked.
        max: u64,
    },
    /// A bomb spread over several entries.
    #[error(
        "{unpacked} bytes would be unpacked from jar `{}`, which has {packed}: \
         more than {max} times as many",
        path.display()
    )]
    Ratio {
        /// The jar.
        path: PathBuf,
        /// Bytes of the jar.
        packed: u64,
        /// Bytes unpacked, as declared.
        unpacked: u64,
        /// How many times as many there may be.
        max: u64,
    },
    /// The file system is too full.
    #[error(
        "unpacking needs {need} bytes, and `{}` on `{}` has {free} free",
        into.display(),
        mount.display()
    )]
    NoSpace {
        /// Where it was to be unpacked to.
        into: PathBuf,
        /// The mount point of that place.
        mount: PathBuf,
        /// Bytes needed.
        need: u64,
        /// Bytes free for this user.
        free: u64,
    },
    /// The file system became full meanwhile, or has more room than blocks or inodes.
    #[error("cannot unpack to `{}`, since `{}` is full", path.display(), mount.display())]
    Full {
        /// The file or directory.
        path: PathBuf,
        /// The mount point of that place.
        mount: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Creating or writing failed.
    #[error("cannot unpack to `{}`", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::Unavailable,
                io::ErrorKind::PermissionDenied => ErrorKind::Permission,
                _ => ErrorKind::Io,
            },
            Self::Stopped { .. } => ErrorKind::NotNow,
            Self::Read { .. } | Self::NoSpace { .. } | Self::Full { .. } | Self::Write { .. } => {
                ErrorKind::Io
            }
            Self::NotAFile { .. }
            | Self::NotAJar { .. }
            | Self::Damaged { .. }
            | Self::TooManyEntries { .. }
            | Self::LargeDirectory { .. }
            | Self::NoSuchFile { .. }
            | Self::NothingUnder { .. }
            | Self::Entry { .. }
            | Self::Content { .. }
            | Self::TooLarge { .. }
            | Self::Ratio { .. } => ErrorKind::BadInput,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Open { .. } | Self::Read { .. } | Self::Write { .. } | Self::Stopped { .. } => {
                return None;
            }
            Self::NotAFile { .. } => "give the path of a jar, or Maven coordinates",
            Self::NotAJar { .. } => {
                "look at its first lines: what a repository answers in place of a jar (a login \
                 page, an error) is often stored under the jar's name"
            }
            Self::Damaged { .. } | Self::Content { .. } => {
                "fetch or build the jar again: a copy that broke off looks like this"
            }
            Self::TooManyEntries { .. } | Self::LargeDirectory { .. } => {
                "leave out what the job does not need, and build the jar again"
            }
            Self::NoSuchFile { path, .. } | Self::NothingUnder { path, .. } => {
                return Some(format!("`unzip -l {}` lists what there is", path.display()));
            }
            Self::Entry { fault, .. } => fault.hint(),
            Self::TooLarge { .. } | Self::Ratio { .. } => {
                "fetch data from a data store instead of packing it into the jar"
            }
            Self::NoSpace { .. } | Self::Full { .. } => {
                "make room there, or let `common.scratch_dir` name a larger file system"
            }
        };
        Some(hint.to_owned())
    }
}
