//! The byte mirror: a file on the share that becomes, and stays, what a growing local file is.
//!
//! One writer for each file, explicit offsets, `fsync`, then the next bytes: whatever dies meanwhile, it
//! goes on. After a start or a surprise nothing is believed: both files are compared, and what is not
//! the same is cut off and written again. But what this host had and has lost is never cut off: the copy is
//! kept under another name then.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::{Errno, Result};

use super::bookmark::Bookmark;
use super::reader::{BLOCK, Reader};
use super::root::{How, Root};
use crate::debugging::share::layout;
use crate::model::RunId;

/// Most bytes that are compared in one step; other files wait for that long.
const COMPARE_BYTES_MAX: u64 = 64 << 20;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// All that there is locally is on the share, as far as the server has said.
    Level,
    /// There is more to do.
    More,
}

/// Why a step did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The share refused something.
    Share(Errno),
    /// The file on the share is not what was written: somebody else was there, or the server lost
    /// something. It is compared and mended.
    Surprise(&'static str),
    /// The local file cannot be read.
    Local(Errno),
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Share(errno)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(errno) => std::io::Error::from(*errno).fmt(formatter),
            Self::Surprise(what) => formatter.write_str(what),
            Self::Local(errno) => {
                let error = std::io::Error::from(*errno);
                write!(formatter, "the local copy cannot be read: {error}")
            }
        }
    }
}

/// How much of a file on the share is known to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Nothing, or so many bytes from its beginning, compared since.
    None { compared: u64 },
    /// This many bytes are there, and the file is no longer.
    Known(u64),
}

/// A file that grows here, and its copy on the share.
#[derive(Debug)]
pub(super) struct Mirror {
    local: OwnedFd,
    path: PathBuf,
    /// Whether others write the local file under its lock, and may take back what they wrote.
    shared: bool,
    /// The copy, open for writing.
    copy: Option<OwnedFd>,
    trust: Trust,
    /// Bytes from the beginning that were read back and are right.
    verified: u64,
    /// Bytes from the beginning that were brought from this file before, if it is that file still; all,
    /// once this process has brought some, and knows what it wrote.
    ours: u64,
}

impl Mirror {
    /// Mirrors a local file to `path` below the user's directory; `before` is what was brought of it, if
    /// that is known. Of what is new, the copy need not be looked at.
    pub(super) fn new(
        local: &Path,
        path: PathBuf,
        shared: bool,
        before: Option<&Bookmark>,
    ) -> Result<Self> {
        let flags = rustix::fs::OFlags::RDONLY
            | rustix::fs::OFlags::NOFOLLOW
            | rustix::fs::OFlags::NONBLOCK
            | rustix::fs::OFlags::CLOEXEC;
        let local = rustix::fs::open(local, flags, rustix::fs::Mode::empty())?;
        let fitting = before.filter(|before| before.fits(&local));
        Ok(Self {
            ours: fitting.map_or(0, |before| before.offset),
            local,
            path,
            shared,
            copy: None,
            trust: if before.is_some_and(|before| before.offset == 0) {
                Trust::Known(0)
            } else {
                Trust::None { compared: 0 }
            },
            verified: 0,
        })
    }

    /// Bytes that are on the share.
    pub(super) fn offset(&self) -> u64 {
        match self.trust {
            Trust::None { compared } => compared,
            Trust::Known(offset) => offset,
        }
    }

    /// Bytes that there are here.
    pub(super) fn length(&self) -> std::result::Result<u64, Fault> {
        length(&self.local).map_err(Fault::Local)
    }

    /// The bookmark of what is on the share.
    pub(super) fn bookmark(&self) -> Bookmark {
        Bookmark::of(&self.local, self.offset())
    }

    /// Whether the file at `path` is the one that is mirrored: others may have removed that.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        let found =
            rustix::fs::lstat(path).and_then(|at| Ok((at, rustix::fs::fstat(&self.local)?)));
        found.is_ok_and(|(at, local)| (at.st_dev, at.st_ino) == (local.st_dev, local.st_ino))
    }

    /// Believes nothing any more, and holds nothing open.
    pub(super) fn distrust(&mut self) {
        self.trust = Trust::None { compared: 0 };
        self.verified = 0;
        self.copy = None;
    }

    /// Whether all that is on the share was read back.
    pub(super) fn is_verified(&self) -> bool {
        self.trust == Trust::Known(self.verified)
    }

    /// Brings at most `bytes_max` more.
    pub(super) fn step(
        &mut self,
        root: &Root,
        bytes_max: usize,
    ) -> std::result::Result<Step, Fault> {
        let done = match self.trust {
            Trust::None { compared } => self.compare(root, compared),
            Trust::Known(offset) => self.append(root, offset, bytes_max),
        };
        if done.is_err() {
            self.distrust();
        }
        done
    }

    fn append(
        &mut self,
        root: &Root,
        offset: u64,
        bytes_max: usize,
    ) -> std::result::Result<Step, Fault> {
        let bytes = self.read(offset, bytes_max)?;
        if bytes.is_empty() {
            if self.length()? < offset {
                self.ours = 0;
                return Err(Fault::Surprise("the local copy was cut"));
            }
            return Ok(Step::Level);
        }
        if self.copy.is_none() {
            self.copy = Some(open_copy(root, &self.path)?);
        }
        let copy = self.copy.as_ref().expect("just opened");
        if length(copy)? != offset {
            return Err(Fault::Surprise(
                "its length on the share is not what it was",
            ));
        }
        let mut written = 0;
        while written < bytes.len() {
            match rustix::io::pwrite(copy, &bytes[written..], offset + written as u64) {
                Ok(0) => return Err(Errno::IO.into()),
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        // A failed one is never repeated: the second says that all is well, and it is not.
        rustix::fs::fsync(copy)?;
        let found = rustix::fs::fstat(copy)?;
        let end = offset + bytes.len() as u64;
        if found.st_nlink == 0 {
            return Err(Fault::Surprise("it was removed from the share"));
        }
        if u64::try_from(found.st_size) != Ok(end) {
            return Err(Fault::Surprise(
                "its length on the share is not what was written",
            ));
        }
        self.trust = Trust::Known(end);
        self.ours = u64::MAX;
        Ok(Step::More)
    }

    /// Compares what is on the share with what is here, and cuts off what is not the same; or keeps it.
    fn compare(&mut self, root: &Root, from: u64) -> std::result::Result<Step, Fault> {
        let path = self.path.clone();
        let Some(mut reader) = Reader::open(root, &path)? else {
            self.trust = Trust::Known(0);
            return Ok(Step::More);
        };
        let end = self.length()?.min(reader.length);
        let equal = self.common(&mut reader, from, end)?;
        if equal == end || equal < end.min(from + COMPARE_BYTES_MAX) {
            if reader.length > equal && equal >= self.ours {
                // Nobody has these bytes but the share: the file here is what was damaged.
                return self.keep(root);
            }
            if reader.length > equal {
                let copy = open_copy(root, &path)?;
                rustix::fs::ftruncate(&copy, equal)?;
                rustix::fs::fsync(&copy)?;
            }
            self.trust = Trust::Known(equal);
        } else {
            self.trust = Trust::None { compared: equal };
        }
        self.verified = equal;
        Ok(Step::More)
    }

    /// Gives the copy another name, so that it stays, and begins anew.
    fn keep(&mut self, root: &Root) -> std::result::Result<Step, Fault> {
        let kept = layout::kept(&self.path, RunId::new());
        root.rename(&self.path, &kept)?;
        let (path, kept) = (self.path.display(), kept.display());
        tracing::warn!("`{path}` on the share has what this host has not: it is kept as `{kept}`");
        self.trust = Trust::Known(0);
        self.verified = 0;
        self.copy = None;
        Ok(Step::More)
    }

    /// Reads back what is on the share; [`Step::Level`] once all of it is what is here.
    pub(super) fn verify(&mut self, root: &Root) -> std::result::Result<Step, Fault> {
        let done = self.read_back(root);
        if done.is_err() {
            self.distrust();
        }
        done
    }

    fn read_back(&mut self, root: &Root) -> std::result::Result<Step, Fault> {
        let Trust::Known(offset) = self.trust else {
            return Ok(Step::More);
        };
        if offset == 0 && self.length()? == 0 {
            return Ok(Step::Level); // Nothing was made.
        }
        let path = self.path.clone();
        let Some(mut reader) = Reader::open(root, &path)? else {
            return Err(Fault::Surprise("it was removed from the share"));
        };
        if reader.length != offset {
            return Err(Fault::Surprise(
                "its length on the share is not what was written",
            ));
        }
        let end = offset.min(self.verified + COMPARE_BYTES_MAX);
        let equal = self.common(&mut reader, self.verified, end)?;
        if equal < end {
            return Err(Fault::Surprise(
                "its content on the share is not what was written",
            ));
        }
        self.verified = equal;
        Ok(if equal == offset {
            Step::Level
        } else {
            Step::More
        })
    }

    /// Bytes from the beginning, at least `from` and at most `end`, that are the same in both files;
    /// those before `from` are. No more than [`COMPARE_BYTES_MAX`] are looked at.
    fn common(
        &self,
        reader: &mut Reader<'_>,
        from: u64,
        end: u64,
    ) -> std::result::Result<u64, Fault> {
        let end = end.min(from + COMPARE_BYTES_MAX);
        let mut block = Reader::block_of(from);
        while block < end {
            let ours = self.read(block, BLOCK)?;
            if (ours.len() as u64) < (end - block).min(BLOCK as u64) {
                return Err(Fault::Surprise("the local copy is being written to"));
            }
            let theirs = reader.block(block)?;
            let both = ours.iter().zip(theirs);
            let equal = both.take_while(|(one, other)| one == other).count();
            let equal = block + equal as u64;
            if equal < end.min(block + BLOCK as u64) {
                return Ok(equal.min(end));
            }
            block += BLOCK as u64;
        }
        Ok(end)
    }

    /// Reads here. Whoever appends to a shared file under its lock may take back what it wrote as long
    /// as it holds that: nothing is read meanwhile.
    fn read(&self, offset: u64, bytes_max: usize) -> std::result::Result<Vec<u8>, Fault> {
        use rustix::fs::FlockOperation;

        if self.shared
            && rustix::fs::flock(&self.local, FlockOperation::NonBlockingLockShared).is_err()
        {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; bytes_max];
        let mut filled = 0;
        let read = loop {
            match rustix::io::pread(&self.local, &mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break Ok(()),
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(errno) => break Err(Fault::Local(errno)),
            }
        };
        if self.shared {
            rustix::fs::flock(&self.local, FlockOperation::Unlock).ok(); // It is ours.
        }
        bytes.truncate(filled);
        read.map(|()| bytes)
    }
}

fn open_copy(root: &Root, path: &Path) -> std::result::Result<OwnedFd, Fault> {
    let copy = root.open(path, How::Mirror)?;
    let mode = rustix::fs::fstat(&copy)?.st_mode;
    if FileType::from_raw_mode(mode) != FileType::RegularFile {
        return Err(Errno::ISDIR.into());
    }
    Ok(copy)
}

fn length(file: &OwnedFd) -> Result<u64> {
    Ok(u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::super::root::tests::share;
    use super::*;

    /// One log, and what may happen to it and to its copy.
    struct Case {
        dir: tempfile::TempDir,
        root: Root,
        local: PathBuf,
        mirror: Option<Mirror>,
    }

    const COPY: &str = "2026-11-24/logs/j/x.log";

    impl Case {
        fn new() -> Self {
            let (dir, root) = share();
            let local = dir.path().join("local");
            fs_err::write(&local, "").unwrap();
            Self {
                dir,
                root,
                local,
                mirror: None,
            }
        }

        fn copy(&self) -> PathBuf {
            self.dir.path().join("etl").join(COPY)
        }

        /// A new shipper never knows whether something is there.
        fn mirror(&mut self) -> &mut Mirror {
            let make = || Mirror::new(&self.local, COPY.into(), false, None).unwrap();
            self.mirror.get_or_insert_with(make)
        }

        fn append(&self, bytes: &[u8]) {
            let mut options = fs_err::OpenOptions::new();
            let mut file = options.append(true).open(&self.local).unwrap();
            file.write_all(bytes).unwrap();
        }

        fn step(&mut self, bytes_max: usize) -> std::result::Result<Step, Fault> {
            self.mirror();
            let mirror = self.mirror.as_mut().unwrap();
            mirror.step(&self.root, bytes_max)
        }

        /// As a shipper does once nobody writes to the log any more.
        fn finish(&mut self) {
            for _ in 0..1000 {
                if self.step(1000) != Ok(Step::Level) {
                    continue;
                }
                let mirror = self.mirror.as_mut().unwrap();
                if mirror.verify(&self.root) == Ok(Step::Level) {
                    return;
                }
            }
            panic!("it does not come to an end");
        }

        fn change_copy(&self, change: impl FnOnce(&fs_err::File)) {
            let file = fs_err::OpenOptions::new().write(true).open(self.copy());
            if let Ok(file) = file {
                change(&file);
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Append(Vec<u8>),
        Step(usize),
        Crash,
        Truncate(u64),
        /// What a server leaves that dies between a truncation and a write: a hole.
        Hole(u64, u64),
        Overwrite(u64),
        Unlink,
        RemoveTree,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let bytes = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(any::<u8>(), 5_000..9_000),
        ];
        let act = prop_oneof![
            4 => bytes.prop_map(Act::Append),
            6 => (1..5000_usize).prop_map(Act::Step),
            1 => Just(Act::Crash),
            1 => (0..9000_u64).prop_map(Act::Truncate),
            1 => (0..9000_u64, 0..9000_u64).prop_map(|(to, length)| Act::Hole(to, length)),
            1 => (0..9000_u64).prop_map(Act::Overwrite),
            1 => Just(Act::Unlink),
            1 => Just(Act::RemoveTree),
        ];
        prop::collection::vec(act, 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(grease_testkit::length::rounds(64)))]
        #[test]
        fn whatever_happens_the_copy_ends_byte_identical(acts in acts()) {
            use std::os::unix::fs::FileExt as _;

            let mut case = Case::new();
            for act in acts {
                match act {
                    Act::Append(bytes) => case.append(&bytes),
                    Act::Step(bytes_max) => drop(case.step(bytes_max)),
                    Act::Crash => case.mirror = None,
                    Act::Truncate(length) => {
                        case.change_copy(|file| file.set_len(length).unwrap());
                    }
                    Act::Hole(to, length) => case.change_copy(|file| {
                        file.set_len(to).unwrap();
                        file.set_len(length).unwrap();
                    }),
                    Act::Overwrite(at) => case.change_copy(|file| {
                        if at < file.metadata().unwrap().len() {
                            file.file().write_all_at(b"!", at).unwrap();
                        }
                    }),
                    Act::Unlink => { fs_err::remove_file(case.copy()).ok(); }
                    Act::RemoveTree => { fs_err::remove_dir_all(case.dir.path().join("etl")).ok(); }
                }
            }
            case.finish();
            let ours = fs_err::read(&case.local).unwrap();
            let theirs = fs_err::read(case.copy()).unwrap_or_default();
            prop_assert!(ours == theirs, "{} and {} bytes", ours.len(), theirs.len());
        }
    }

    #[test]
    fn a_file_that_another_removed_is_brought_again() {
        let mut case = Case::new();
        case.append(b"one\n");
        case.finish();
        fs_err::remove_file(case.copy()).unwrap();
        case.append(b"two\n");
        let gone = Fault::Surprise("it was removed from the share");
        assert_eq!(case.step(1000), Err(gone));
        case.finish();
        assert_eq!(fs_err::read(case.copy()).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn what_is_equal_is_not_written_again() {
        let mut case = Case::new();
        case.append(&vec![b'x'; 200_000]);
        case.finish();
        case.mirror = None;
        case.append(b"more");
        assert_eq!(case.step(1000), Ok(Step::More));
        assert_eq!(case.mirror().offset(), 200_000, "compared, in one step");
        case.finish();
        assert_eq!(fs_err::metadata(case.copy()).unwrap().len(), 200_004);
    }

    #[test]
    fn what_this_host_has_lost_stays_on_the_share() {
        let mut case = Case::new();
        case.append(b"one\ntwo\nthree\n");
        case.finish();
        let brought = case.mirror().bookmark();
        for (local, before) in [
            ("one\n", Some(brought)), // A power failure took its end.
            ("four\n", None),         // Lost with its bookmark, and begun anew.
        ] {
            case.mirror = None;
            fs_err::write(&case.local, local).unwrap();
            let mirror = Mirror::new(&case.local, COPY.into(), false, before.as_ref());
            case.mirror = Some(mirror.unwrap());
            case.finish();
            assert_eq!(fs_err::read_to_string(case.copy()).unwrap(), local);
        }
        let dir = case.copy().parent().unwrap().to_owned();
        let texts = fs_err::read_dir(dir).unwrap();
        let mut texts: Vec<String> = texts
            .map(|entry| fs_err::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        texts.sort();
        assert_eq!(texts, ["four\n", "one\n", "one\ntwo\nthree\n"]);
    }

    #[test]
    fn what_another_changed_is_mended_where_it_is_by_the_next_shipper() {
        let mut case = Case::new();
        case.append(b"one\ntwo\n");
        case.finish();
        let brought = case.mirror().bookmark();
        fs_err::write(case.copy(), b"one\ntwX\n").unwrap();
        let mirror = Mirror::new(&case.local, COPY.into(), false, Some(&brought));
        case.mirror = Some(mirror.unwrap());
        case.finish();
        let dir = case.copy().parent().unwrap().to_owned();
        assert_eq!(fs_err::read_dir(dir).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_read_here_while_another_may_take_it_back() {
        let mut case = Case::new();
        case.mirror =
            Some(Mirror::new(&case.local, COPY.into(), true, Some(&Bookmark::default())).unwrap());
        let writer = fs_err::File::open(&case.local).unwrap();
        writer.lock().unwrap();
        case.append(b"half a li");
        assert_eq!(case.step(1000), Ok(Step::Level));
        assert!(!case.copy().exists());
        writer.unlock().unwrap();
        case.append(b"ne\n");
        case.finish();
        assert_eq!(fs_err::read(case.copy()).unwrap(), b"half a line\n");
    }
}
