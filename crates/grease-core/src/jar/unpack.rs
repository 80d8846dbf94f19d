//! Writes what was selected.

use std::io::{self, Read, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::positioned::PositionedReader;
use super::select::PlannedEntry;
use super::{Error, Fault, Jar, UnpackPlan, name};
use crate::sys;

/// Bytes copied at once.
const BUFFER_BYTES: usize = 128 * 1024;

impl Jar {
    /// Unpacks a plan of this jar into `into`, a directory of this user's own that holds none of
    /// the plan's names.
    ///
    /// Nothing that exists is followed or overwritten. Files are for this user only, executable
    /// where the plan says so; setuid and its like are dropped. After an error some files may
    /// have been written: whoever made the directory removes it.
    ///
    /// `stop` is asked after each piece; once it says so, the rest is left out with an error.
    pub fn unpack(
        &self,
        plan: &UnpackPlan,
        into: &Path,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let cannot_write = |source| Error::Write {
            path: into.to_owned(),
            source,
        };
        let free = sys::fs::free_bytes(into).map_err(cannot_write)?;
        check_space(plan.bytes(), free, into)?;
        let mut reader = self.reader();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut previous = "";
        for planned in &plan.entries {
            make_folders(into, previous, &planned.target)?;
            if !planned.is_folder() {
                let path = into.join(&planned.target);
                self.write(planned, &mut reader, &path, &mut buffer, stop)?;
            }
            previous = &planned.target;
        }
        Ok(())
    }

    fn write(
        &self,
        planned: &PlannedEntry,
        reader: &mut PositionedReader<'_>,
        path: &Path,
        buffer: &mut [u8],
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let entry = &planned.entry;
        let cannot_write = |source| not_written(path, source);
        let mut content = entry
            .as_ref()
            .with_reader(reader, zip::ZipReadOptions::new())
            .map_err(|error| self.broken_content(entry, error.into()))?;
        let mut file = fs_err::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if planned.executable { 0o700 } else { 0o600 })
            .open(path)
            .map_err(cannot_write)?;
        let mut found = 0;
        loop {
            if stop() {
                return Err(Error::Stopped {
                    path: self.path().to_owned(),
                });
            }
            // Fails once there is more than declared, and at the end if the checksum differs.
            let count = read_some(&mut content, buffer)
                .map_err(|error| self.broken_content(entry, error))?;
            if count == 0 {
                break;
            }
            file.write_all(&buffer[..count]).map_err(cannot_write)?;
            found += count as u64;
        }
        let declared = entry.size();
        if found != declared {
            return Err(self.faulty(entry, Fault::Short { declared, found }));
        }
        Ok(())
    }
}

/// Makes the folders of `target` that `previous`, the entry before it in order, does not share.
///
/// In a sorted plan all that lies in a folder stands together, so each is made exactly once.
fn make_folders(into: &Path, previous: &str, target: &str) -> Result<(), Error> {
    for folder in name::folders(target) {
        let is_made = previous
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'));
        if !is_made {
            let path = into.join(folder);
            std::fs::DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .map_err(|source| not_written(&path, source))?;
        }
    }
    Ok(())
}

/// The error for a file or folder that cannot be written, with the mount if that is full.
fn not_written(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let mount = path.parent().and_then(sys::fs::mount_point);
            let mount = mount.unwrap_or_else(|| path.clone());
            Error::Full {
                path,
                mount,
                source,
            }
        }
        _ => Error::Write { path, source },
    }
}

fn read_some(content: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match content.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn check_space(need: u64, free: u64, into: &Path) -> Result<(), Error> {
    if need <= free {
        return Ok(());
    }
    Err(Error::NoSpace {
        into: into.to_owned(),
        mount: sys::fs::mount_point(into).unwrap_or_else(|| into.to_owned()),
        need,
        free,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ErrorKind, Explain as _};

    #[test]
    fn a_full_file_system_is_named_before_anything_is_written() {
        let error = check_space(2_000, 1_000, Path::new("/proc/self")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unpacking needs 2000 bytes, and `/proc/self` on `/proc` has 1000 free"
        );
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(check_space(1_000, 1_000, Path::new("/proc/self")).is_ok());
    }

    #[test]
    fn a_file_system_that_becomes_full_meanwhile_is_named_too() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let error = not_written(Path::new("/proc/self/x"), kind.into());
            assert_eq!(
                error.to_string(),
                "cannot unpack to `/proc/self/x`, since `/proc` is full"
            );
            assert_eq!(error.kind(), ErrorKind::Io);
        }
        let other = not_written(
            Path::new("/proc/self/x"),
            io::ErrorKind::AlreadyExists.into(),
        );
        assert_eq!(other.to_string(), "cannot unpack to `/proc/self/x`");
    }
}
