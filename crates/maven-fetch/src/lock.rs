//! Locks on whole files that programs in Java see too.
//!
//! `FileChannel.lock` of Java is `fcntl(2)` with `F_SETLK`; of the locks that Linux has for open
//! files, only open file description locks (`F_OFD_SETLK`) exclude it. They end with the last
//! descriptor of the file, and so with a killed process.

use fs_err::File;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// What became of an attempt to lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The file is locked until it is closed.
    Held,
    /// Someone else has it.
    Busy,
    /// There are no locks here: a file system over a network without its lock service, for one.
    Impossible(Errno),
}

/// Tries to lock a file, which must be open for writing, without waiting.
pub(crate) fn attempt(file: &File) -> Attempt {
    let whole = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).expect("it is 1"),
        l_whence: i16::try_from(libc::SEEK_SET).expect("it is 0"),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole)) {
        Ok(_) => Attempt::Held,
        Err(Errno::EAGAIN | Errno::EACCES) => Attempt::Busy,
        Err(errno) => Attempt::Impossible(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_others_until_the_file_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = File::create(&path).unwrap();
        let second = File::options().write(true).open(&path).unwrap();
        assert_eq!(attempt(&first), Attempt::Held);
        assert_eq!(attempt(&second), Attempt::Busy);
        drop(first);
        assert_eq!(attempt(&second), Attempt::Held);
    }

    #[test]
    fn a_file_that_cannot_be_written_cannot_be_locked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        assert_eq!(attempt(&reader), Attempt::Impossible(Errno::EBADF));
    }
}
