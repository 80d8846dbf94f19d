//! Opens files that anyone may have put there: a pipe in place of one would be waited for without
//! an end, and a link leads to a file of someone else's choice.

use std::io;
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use rustix::fs::OFlags;

/// Opens a plain file for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    checked(OpenOptions::new().read(true), path, OFlags::NONBLOCK)
}

/// Opens a plain file for reading and writing, in place and not through a link; made if missing.
pub(crate) fn open_to_change(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    checked(options.mode(mode), path, flags)
}

fn checked(options: &mut OpenOptions, path: &Path, flags: OFlags) -> io::Result<File> {
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        let text = format!("`{}` is not a plain file", path.display());
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for_and_a_link_is_not_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(open(&pipe).is_err());
        assert!(open_to_change(&pipe, 0o666).is_err());
        let target = directory.path().join("target");
        fs_err::write(&target, "precious").unwrap();
        let link = directory.path().join("link");
        fs_err::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(open_to_change(&link, 0o666).is_err());
        assert!(open(&link).is_ok());
        assert!(open(&directory.path().join("none")).is_err());
    }
}
