//! The temporary file that a download grows in.
//!
//! Beside it, `<name>.json` says where the bytes are from. A run that ends without success leaves
//! both, to be continued; so does a killed one.

use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::num::NonZero;
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use rustix::fs::Advice;
use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempPath};

use super::leftover::{Leftover, leftovers, make_part, note_path};
use super::{BUFFER_BYTES, DownloadError, Situation};
use crate::checksum::{Algorithm, Digests};
use crate::transport::Validators;

/// What must stay free on the disk beside a download: for the state files of everything else.
const SPARE_BYTES: u64 = 64 * 1024 * 1024;

/// How much comes between two requests to begin writing: a fraction of a second at a gigabit.
const FLUSH_BYTES: u64 = 8 * 1024 * 1024;

/// Largest note beside a part. We write some hundred bytes.
const NOTE_MAX_BYTES: u64 = 64 * 1024;

/// Which download a part belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Where the part is.
    pub(super) directory: &'a Path,
    /// Name of the file that it is to become.
    pub(super) file_name: &'a str,
    /// Where the bytes are from, without credentials.
    pub(super) url: &'a str,
    /// The name stands for the same bytes for ever: a later run may continue.
    pub(super) immutable: bool,
}

/// What stands beside a part.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    version: u32,
    url: String,
    validators: Validators,
}

/// The version of [`Note`].
const NOTE_VERSION: u32 = 1;

/// A file that a download grows in. Dropped, it is removed.
pub(super) struct Part<'a> {
    place: Place<'a>,
    file: NamedTempFile<File>,
    note: TempPath,
    digests: Digests,
    validators: Validators,
    size: u64,
    /// Up to here the kernel was asked to write.
    flushing: u64,
    adopted: bool,
}

impl<'a> Part<'a> {
    /// Continues what an earlier run left, if it is of use; else begins an empty file.
    pub(super) fn open(place: Place<'a>, situation: &Situation<'_>) -> Result<Self, DownloadError> {
        for leftover in leftovers(place.directory, place.file_name) {
            if leftover.is_old() {
                tracing::debug!(path = %leftover.path().display(), "removing an old leftover");
                fs_err::remove_file(leftover.path()).ok(); // The next run tries again.
            } else if place.immutable
                && let Some(part) = Self::adopt(place, &leftover, situation)?
            {
                return Ok(part);
            }
        }
        let file = make_part(place.directory, place.file_name, |path| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o666)
                .open(path)
        })
        .map_err(|source| place.failed("make a temporary file", source))?;
        // Says that someone writes it. Where there are no locks, nobody can take it over.
        file.as_file().file().try_lock().ok();
        Self::new(place, file)
    }

    fn new(place: Place<'a>, file: NamedTempFile<File>) -> Result<Self, DownloadError> {
        let note = TempPath::try_from_path(note_path(file.path()))
            .map_err(|source| place.failed("make a temporary file", source))?;
        let digests = Digests::new(Algorithm::Sha256);
        let validators = Validators::default();
        Ok(Self {
            place,
            file,
            note,
            digests,
            validators,
            size: 0,
            flushing: 0,
            adopted: false,
        })
    }

    /// Takes over what another run left; none if it is of no use, or if someone writes it. Of
    /// several who try, one gets the lock, and after that the old name is gone.
    fn adopt(
        place: Place<'a>,
        leftover: &Leftover,
        situation: &Situation<'_>,
    ) -> Result<Option<Self>, DownloadError> {
        let Some(path) = leftover.own_part() else {
            return Ok(None);
        };
        let old_note = note_path(path);
        let Some(note) = read_note(&old_note) else {
            return Ok(None);
        };
        if note.version != NOTE_VERSION || note.url != place.url {
            return Ok(None);
        }
        let claimed = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .and_then(|file| {
                file.file().try_lock()?;
                let renamed = make_part(place.directory, place.file_name, |new| {
                    fs_err::rename(path, new)
                })?;
                Ok(NamedTempFile::from_parts(file, renamed.into_temp_path()))
            });
        let Ok(file) = claimed else { return Ok(None) };
        let mut part = Self {
            validators: note.validators,
            adopted: true,
            ..Self::new(place, file)?
        };
        if fs_err::rename(&old_note, &part.note).is_err() {
            return Ok(None);
        }
        let Part { digests, file, .. } = &mut part;
        let mut buffer = vec![0; BUFFER_BYTES];
        part.size = situation.pump(place.url, file.as_file_mut(), &mut buffer, |piece| {
            digests.update(piece);
            Ok(())
        })?;
        tracing::debug!(
            url = place.url,
            bytes = part.size,
            "continuing what an earlier run left"
        );
        Ok(Some(part))
    }

    /// Bytes that are here, and the validators they came with, if the rest of them may be asked
    /// for.
    pub(super) fn resumable(&self) -> Option<(u64, &Validators)> {
        let known = self.place.immutable && self.size > 0 && self.validators.strong().is_some();
        known.then_some((self.size, &self.validators))
    }

    /// Bytes that are here.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether it begins with what an earlier run received.
    pub(super) fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// What tells the state of the file that this is from others.
    pub(super) fn validators(&self) -> &Validators {
        &self.validators
    }

    /// Begins anew with what a server says about the whole file; `algorithm` will be needed.
    pub(super) fn begin(
        &mut self,
        validators: Validators,
        algorithm: Algorithm,
    ) -> Result<(), DownloadError> {
        let file = self.file.as_file_mut();
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .map_err(|source| self.place.failed("empty the temporary file", source))?;
        self.size = 0;
        self.flushing = 0;
        self.adopted = false;
        self.digests = Digests::new(algorithm);
        self.validators = validators;
        if self.place.immutable && self.validators.strong().is_some() {
            let note = Note {
                version: NOTE_VERSION,
                url: self.place.url.to_owned(),
                validators: self.validators.clone(),
            };
            let text = serde_json::to_vec(&note).expect("texts can be written as JSON");
            // Without it the next run starts anew, no more.
            fs_err::write(&self.note, text).ok();
        }
        Ok(())
    }

    /// Forgets where the bytes are from, so that the next transfer begins anew.
    pub(super) fn distrust(&mut self) {
        self.validators = Validators::default();
    }

    /// Appends the next bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.file
            .as_file_mut()
            .write_all(bytes)
            .map_err(|source| self.place.failed("write the temporary file", source))?;
        self.digests.update(bytes);
        self.size += bytes.len() as u64;
        if self.size - self.flushing >= FLUSH_BYTES {
            self.start_writing();
        }
        Ok(())
    }

    /// Has the kernel begin to write what came since the last time: else all of it would wait for the
    /// end, and the caller for that. `posix_fadvise(2)` on pages that are not written yet does it and
    /// drops none of them.
    fn start_writing(&mut self) {
        let length = NonZero::new(self.size - self.flushing);
        let file = self.file.as_file();
        rustix::fs::fadvise(file, self.flushing, length, Advice::DontNeed).ok(); // It comes later then.
        self.flushing = self.size;
    }

    /// Checks that there is room for so many bytes more, and some to spare.
    pub(super) fn check_room(&self, bytes: u64) -> Result<(), DownloadError> {
        // A file system that cannot say how much is free is believed to have room.
        let Ok(free) = rustix::fs::statvfs(self.place.directory) else {
            return Ok(());
        };
        let free_bytes = free.f_bavail.saturating_mul(free.f_frsize);
        if free_bytes < bytes.saturating_add(SPARE_BYTES) {
            return Err(self.place.disk_full());
        }
        Ok(())
    }

    /// A checksum of all that is here; read again if it was not foreseen.
    pub(super) fn hex(
        &mut self,
        algorithm: Algorithm,
        situation: &Situation<'_>,
    ) -> Result<String, DownloadError> {
        if !self.digests.includes(algorithm) {
            let mut digests = Digests::new(algorithm);
            let file = self.file.as_file_mut();
            file.seek(SeekFrom::Start(0))
                .map_err(|source| self.place.failed("read the temporary file", source))?;
            situation.pump(self.place.url, file, &mut vec![0; BUFFER_BYTES], |piece| {
                digests.update(piece);
                Ok(())
            })?;
            self.digests = digests;
        }
        Ok(self
            .digests
            .hex(algorithm)
            .expect("it was computed just now"))
    }

    /// What is wrong with its structure, if it is to be an archive.
    pub(super) fn flaw(&mut self) -> Result<Option<&'static str>, DownloadError> {
        if !super::archive::is_archive(self.place.file_name) {
            return Ok(None);
        }
        super::archive::flaw(self.file.as_file_mut())
            .map_err(|source| self.place.failed("read the temporary file", source))
    }

    /// Leaves it for the next run, if that may continue; else removes it.
    pub(super) fn leave(self) {
        if self.resumable().is_none() {
            return;
        }
        // Whatever fails here, the next run starts anew.
        let Self { file, note, .. } = self;
        note.keep().ok();
        file.keep().ok();
    }

    /// Makes sure that all of it is on the disk, and hands it over.
    pub(super) fn finish(self) -> Result<TempPath, DownloadError> {
        let Self { place, file, .. } = self;
        let (file, path) = file.into_parts();
        file.sync_all()
            .map_err(|source| place.failed("write the temporary file", source))?;
        // File systems over a network report a full disk or quota here at the latest.
        nix::unistd::close(file.into_parts().0)
            .map_err(|errno| place.failed("close the temporary file", errno.into()))?;
        Ok(path)
    }

    /// Hands it over as it is, to be looked at by a person.
    pub(super) fn reject(self) -> TempPath {
        self.file.into_temp_path()
    }
}

impl Place<'_> {
    fn failed(&self, action: &'static str, source: io::Error) -> DownloadError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => self.disk_full(),
            _ => DownloadError::Io {
                action,
                directory: self.directory.to_owned(),
                source,
            },
        }
    }

    fn disk_full(&self) -> DownloadError {
        DownloadError::DiskFull {
            url: self.url.to_owned(),
            directory: self.directory.to_owned(),
        }
    }
}

fn read_note(path: &Path) -> Option<Note> {
    let file = File::open(path).ok()?;
    serde_json::from_reader(io::Read::take(file, NOTE_MAX_BYTES)).ok()
}
