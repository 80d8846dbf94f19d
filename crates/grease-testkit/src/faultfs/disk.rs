//! The directory behind the mount, by inodes: every operation as it is, without faults.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};
use rustix::io::{Errno, Result};

/// What a server loses that dies between its answer and its disk.
const TAIL: u64 = 64 << 10;

/// The directory behind the mount.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    nodes: HashMap<u64, Node>,
    files: HashMap<u64, Arc<OwnedFd>>,
    last_file: u64,
    /// Lengths at the last fsync of the nodes that were written to since.
    durable: HashMap<u64, u64>,
}

/// An inode that the kernel knows; the descriptor keeps its number from being used again.
#[derive(Debug)]
struct Node {
    place: Arc<OwnedFd>,
    lookups: u64,
}

/// The user and group that asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// What to change of a node.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) mode: Option<u32>,
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) times: Option<rustix::fs::Timestamps>,
}

impl Disk {
    /// The directory `root`.
    pub(super) fn new(root: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let place = Arc::new(rustix::fs::open(root, flags, Mode::empty())?);
        let mut tables = Tables::default();
        tables.nodes.insert(1, Node { place, lookups: 1 }); // FUSE_ROOT_ID
        Ok(Self {
            root: root.to_owned(),
            tables: Mutex::new(tables),
        })
    }

    /// Where a node is now, from the root of the mount.
    pub(super) fn path(&self, ino: INodeNo) -> String {
        let path = self
            .node(ino)
            .and_then(|place| rustix::fs::readlink(link_to(&place), Vec::new()));
        let Ok(path) = path else {
            return "?".to_owned();
        };
        let path = path.to_string_lossy();
        let root = self.root.to_string_lossy();
        let inner = path.strip_prefix(&*root).unwrap_or(&path);
        if inner.is_empty() { "/" } else { inner }.to_owned()
    }

    /// The node of a name, which the kernel knows from now on.
    pub(super) fn lookup(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place = rustix::fs::openat(self.node(parent)?, name, flags, Mode::empty())?;
        let attributes = attributes(&stat(&place)?, None);
        self.tables()
            .nodes
            .entry(attributes.ino.0)
            .or_insert_with(|| Node {
                place: Arc::new(place),
                lookups: 0,
            })
            .lookups += 1;
        Ok(attributes)
    }

    /// The kernel forgets a node so many times.
    pub(super) fn forget(&self, ino: INodeNo, times: u64) {
        let mut tables = self.tables();
        if let Some(node) = tables.nodes.get_mut(&ino.0) {
            node.lookups = node.lookups.saturating_sub(times);
            if node.lookups == 0 && ino.0 != 1 {
                tables.nodes.remove(&ino.0);
            }
        }
    }

    pub(super) fn attributes(&self, ino: INodeNo) -> Result<FileAttr> {
        let place = self.node(ino)?;
        Ok(attributes(&stat(&place)?, Some(ino)))
    }

    pub(super) fn change(&self, ino: INodeNo, changes: &Changes) -> Result<FileAttr> {
        let place = self.node(ino)?;
        let link = link_to(&place);
        if let Some(mode) = changes.mode {
            rustix::fs::chmod(&link, Mode::from_raw_mode(mode))?;
        }
        if changes.user.is_some() || changes.group.is_some() {
            let user = changes.user.map(rustix::fs::Uid::from_raw);
            let group = changes.group.map(rustix::fs::Gid::from_raw);
            rustix::fs::chownat(&*place, "", user, group, AtFlags::EMPTY_PATH)?;
        }
        if let Some(size) = changes.size {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let file = rustix::fs::open(&link, flags, Mode::empty())?;
            rustix::fs::ftruncate(file, size)?;
        }
        if let Some(times) = &changes.times {
            rustix::fs::utimensat(CWD, &link, times, AtFlags::empty())?;
        }
        Ok(attributes(&stat(&place)?, Some(ino)))
    }

    pub(super) fn read_link(&self, ino: INodeNo) -> Result<Vec<u8>> {
        let place = self.node(ino)?;
        Ok(rustix::fs::readlinkat(place, "", Vec::new())?.into_bytes())
    }

    pub(super) fn make_directory(
        &self,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        owner: Owner,
    ) -> Result<FileAttr> {
        let place = self.node(parent)?;
        rustix::fs::mkdirat(&place, name, Mode::from_raw_mode(mode))?;
        owner.take(&place, name)?;
        self.lookup(parent, name)
    }

    pub(super) fn make_node(
        &self,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        owner: Owner,
    ) -> Result<FileAttr> {
        let place = self.node(parent)?;
        let kind = rustix::fs::FileType::from_raw_mode(mode);
        rustix::fs::mknodat(&place, name, kind, Mode::from_raw_mode(mode), 0)?;
        owner.take(&place, name)?;
        self.lookup(parent, name)
    }

    pub(super) fn make_symlink(
        &self,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        owner: Owner,
    ) -> Result<FileAttr> {
        let place = self.node(parent)?;
        rustix::fs::symlinkat(target, &place, name)?;
        owner.take(&place, name)?;
        self.lookup(parent, name)
    }

    pub(super) fn make_link(
        &self,
        ino: INodeNo,
        parent: INodeNo,
        name: &OsStr,
    ) -> Result<FileAttr> {
        let place = self.node(ino)?;
        let new = self.node(parent)?;
        rustix::fs::linkat(CWD, link_to(&place), new, name, AtFlags::SYMLINK_FOLLOW)?;
        self.lookup(parent, name)
    }

    pub(super) fn remove(&self, parent: INodeNo, name: &OsStr, flags: AtFlags) -> Result<()> {
        rustix::fs::unlinkat(self.node(parent)?, name, flags)
    }

    pub(super) fn rename(
        &self,
        from: (INodeNo, &OsStr),
        to: (INodeNo, &OsStr),
        flags: u32,
    ) -> Result<()> {
        let flags = rustix::fs::RenameFlags::from_bits_retain(flags);
        let (old, new) = (self.node(from.0)?, self.node(to.0)?);
        rustix::fs::renameat_with(old, from.1, new, to.1, flags)
    }

    /// Opens a node. Appending is the kernel's part, and direct I/O is between it and the mount.
    pub(super) fn open(&self, ino: INodeNo, flags: i32) -> Result<u64> {
        let place = self.node(ino)?;
        let file = rustix::fs::open(link_to(&place), open_flags(flags), Mode::empty())?;
        Ok(self.tables().keep(file))
    }

    pub(super) fn create(
        &self,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        flags: i32,
        owner: Owner,
    ) -> Result<(FileAttr, u64)> {
        let place = self.node(parent)?;
        let exclusive = OFlags::from_bits_retain(flags.cast_unsigned()) & OFlags::EXCL;
        let flags = open_flags(flags) | OFlags::CREATE | OFlags::NOFOLLOW | exclusive;
        let file = rustix::fs::openat(&place, name, flags, Mode::from_raw_mode(mode))?;
        owner.take(&place, name)?;
        let attributes = self.lookup(parent, name)?;
        Ok((attributes, self.tables().keep(file)))
    }

    pub(super) fn read(&self, handle: u64, offset: u64, size: usize) -> Result<Vec<u8>> {
        let file = self.file(handle)?;
        let mut bytes = vec![0; size];
        let mut filled = 0;
        while filled < size {
            let at = offset + filled as u64;
            let read = rustix::io::pread(&*file, bytes.split_at_mut(filled).1, at)?;
            if read == 0 {
                break;
            }
            filled += read;
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    pub(super) fn write(
        &self,
        ino: INodeNo,
        handle: u64,
        mut bytes: &[u8],
        mut offset: u64,
    ) -> Result<()> {
        let file = self.file(handle)?;
        let length = length(&file)?;
        self.tables().durable.entry(ino.0).or_insert(length);
        while !bytes.is_empty() {
            let written = rustix::io::pwrite(&*file, bytes, offset)?;
            bytes = bytes.split_at(written).1;
            offset += written as u64;
        }
        Ok(())
    }

    /// All that was written so far is safe.
    pub(super) fn synchronise(&self, ino: INodeNo) {
        self.tables().durable.remove(&ino.0);
    }

    /// Loses what was written since the last [`Disk::synchronise`].
    pub(super) fn lose(&self, ino: INodeNo, handle: u64) -> Result<()> {
        let Some(durable) = self.tables().durable.remove(&ino.0) else {
            return Ok(());
        };
        let file = self.file(handle)?;
        rustix::fs::ftruncate(&*file, durable.min(length(&file)?))
    }

    /// Loses the end of a file.
    pub(super) fn drop_tail(&self, handle: u64) -> Result<()> {
        let file = self.file(handle)?;
        rustix::fs::ftruncate(&*file, length(&file)?.saturating_sub(TAIL))
    }

    pub(super) fn close(&self, handle: u64) {
        self.tables().files.remove(&handle);
    }

    /// The entries of a directory.
    pub(super) fn list(&self, ino: INodeNo) -> Result<Vec<(u64, FileType, Vec<u8>)>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(self.node(ino)?, ".", flags, Mode::empty())?;
        let entries = rustix::fs::Dir::new(dir)?.map(|entry| {
            let entry = entry?;
            let name = entry.file_name().to_bytes().to_owned();
            Ok((entry.ino(), kind(entry.file_type()), name))
        });
        entries.collect()
    }

    pub(super) fn space(&self) -> Result<rustix::fs::StatVfs> {
        rustix::fs::statvfs(&self.root)
    }

    fn node(&self, ino: INodeNo) -> Result<Arc<OwnedFd>> {
        let tables = self.tables();
        let node = tables.nodes.get(&ino.0).ok_or(Errno::STALE)?;
        Ok(Arc::clone(&node.place))
    }

    fn file(&self, handle: u64) -> Result<Arc<OwnedFd>> {
        let tables = self.tables();
        tables.files.get(&handle).cloned().ok_or(Errno::BADF)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn keep(&mut self, file: OwnedFd) -> u64 {
        self.last_file += 1;
        self.files.insert(self.last_file, Arc::new(file));
        self.last_file
    }
}

impl Owner {
    /// Gives what was just made to the one who asked for it.
    fn take(self, parent: &Arc<OwnedFd>, name: &OsStr) -> Result<()> {
        let user = rustix::fs::Uid::from_raw(self.user);
        let group = rustix::fs::Gid::from_raw(self.group);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(parent, name, Some(user), Some(group), flags)
    }
}

/// A path that leads to what a descriptor stands for, unlinked or not.
fn link_to(place: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", place.as_raw_fd())
}

fn open_flags(flags: i32) -> OFlags {
    let flags = OFlags::from_bits_retain(flags.cast_unsigned());
    (flags & (OFlags::RWMODE | OFlags::TRUNC)) | OFlags::CLOEXEC
}

fn stat(place: &OwnedFd) -> Result<Stat> {
    rustix::fs::statat(place, "", AtFlags::EMPTY_PATH)
}

fn length(file: &OwnedFd) -> Result<u64> {
    Ok(rustix::fs::fstat(file)?.st_size.cast_unsigned())
}

fn kind(kind: rustix::fs::FileType) -> FileType {
    match kind {
        rustix::fs::FileType::Directory => FileType::Directory,
        rustix::fs::FileType::Symlink => FileType::Symlink,
        rustix::fs::FileType::Fifo => FileType::NamedPipe,
        _ => FileType::RegularFile, // No test makes anything else.
    }
}

fn attributes(stat: &Stat, ino: Option<INodeNo>) -> FileAttr {
    let time = |seconds: i64, nanoseconds: u64| -> SystemTime {
        let nanoseconds = u32::try_from(nanoseconds).unwrap_or_default();
        UNIX_EPOCH + Duration::new(seconds.cast_unsigned(), nanoseconds)
    };
    let mode = stat.st_mode;
    FileAttr {
        ino: ino.unwrap_or(INodeNo(stat.st_ino)),
        size: stat.st_size.cast_unsigned(),
        blocks: stat.st_blocks.cast_unsigned(),
        atime: time(stat.st_atime, stat.st_atime_nsec),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec),
        crtime: UNIX_EPOCH,
        kind: kind(rustix::fs::FileType::from_raw_mode(mode)),
        perm: u16::try_from(mode & 0o7777).unwrap_or_default(),
        nlink: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}
