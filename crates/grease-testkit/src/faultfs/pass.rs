//! The file system as the kernel asks for it: every operation, passed through to the directory.

use std::ffi::OsStr;
use std::path::Path;
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenAccMode,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{AtFlags, Timestamps};

use super::disk::{Changes, Disk};
use super::rules::Verdict;
use super::serve::{PassThrough, memory, owner, timespec};

impl Filesystem for PassThrough {
    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let asked = self.at(request, "lookup", parent, name);
        let name = name.to_owned();
        self.enter(asked, reply, move |disk| disk.lookup(parent, &name));
    }

    fn forget(&self, _: &Request, ino: INodeNo, times: u64) {
        self.disk.forget(ino, times);
    }

    fn getattr(&self, request: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.serve(
            self.on(request, "getattr", ino),
            reply,
            ReplyAttr::error,
            move |disk, _| disk.attributes(ino),
            |reply, attributes| reply.attr(&memory(), &attributes),
        );
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        user: Option<u32>,
        group: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let operation = if size.is_some() {
            "truncate"
        } else {
            "setattr"
        };
        let changes = Changes {
            mode,
            user,
            group,
            size,
            times: (accessed.is_some() || modified.is_some()).then(|| Timestamps {
                last_access: timespec(accessed),
                last_modification: timespec(modified),
            }),
        };
        self.serve(
            self.on(request, operation, ino),
            reply,
            ReplyAttr::error,
            move |disk, _| disk.change(ino, &changes),
            |reply, attributes| reply.attr(&memory(), &attributes),
        );
    }

    fn readlink(&self, request: &Request, ino: INodeNo, reply: ReplyData) {
        self.serve(
            self.on(request, "readlink", ino),
            reply,
            ReplyData::error,
            move |disk, _| disk.read_link(ino),
            |reply, target| reply.data(&target),
        );
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let asked = self.at(request, "mknod", parent, name);
        let (name, owner) = (name.to_owned(), owner(request));
        self.enter(asked, reply, move |disk| {
            disk.make_node(parent, &name, mode & !umask, owner)
        });
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let asked = self.at(request, "mkdir", parent, name);
        let (name, owner) = (name.to_owned(), owner(request));
        self.enter(asked, reply, move |disk| {
            disk.make_directory(parent, &name, mode & !umask, owner)
        });
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let asked = self.at(request, "unlink", parent, name);
        let name = name.to_owned();
        self.perform(asked, reply, move |disk, _| {
            disk.remove(parent, &name, AtFlags::empty())
        });
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let asked = self.at(request, "rmdir", parent, name);
        let name = name.to_owned();
        self.perform(asked, reply, move |disk, _| {
            disk.remove(parent, &name, AtFlags::REMOVEDIR)
        });
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let asked = self.at(request, "symlink", parent, name);
        let (name, target, owner) = (name.to_owned(), target.to_owned(), owner(request));
        self.enter(asked, reply, move |disk| {
            disk.make_symlink(parent, &name, &target, owner)
        });
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let asked = self.at(request, "rename", parent, name);
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        self.perform(asked, reply, move |disk, _| {
            disk.rename((parent, &name), (new_parent, &new_name), flags.bits())
        });
    }

    fn link(
        &self,
        request: &Request,
        ino: INodeNo,
        parent: INodeNo,
        name: &OsStr,
        reply: ReplyEntry,
    ) {
        let asked = self.at(request, "link", parent, name);
        let name = name.to_owned();
        self.enter(asked, reply, move |disk| disk.make_link(ino, parent, &name));
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let operation = match flags.acc_mode() {
            OpenAccMode::O_RDONLY => "open-read",
            OpenAccMode::O_WRONLY | OpenAccMode::O_RDWR => "open-write",
        };
        self.serve(
            self.on(request, operation, ino),
            reply,
            ReplyOpen::error,
            move |disk, verdict| Ok((disk.open(ino, flags.0)?, verdict.keep_cache)),
            |reply, (handle, keep_cache)| {
                let flags = if keep_cache {
                    FopenFlags::FOPEN_KEEP_CACHE
                } else {
                    FopenFlags::empty()
                };
                reply.opened(FileHandle(handle), flags);
            },
        );
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let asked = self.at(request, "create", parent, name);
        let (name, owner) = (name.to_owned(), owner(request));
        self.serve(
            asked,
            reply,
            ReplyCreate::error,
            move |disk, _| disk.create(parent, &name, mode & !umask, flags, owner),
            |reply, (attributes, handle)| {
                let handle = FileHandle(handle);
                reply.created(
                    &memory(),
                    &attributes,
                    Generation(0),
                    handle,
                    FopenFlags::empty(),
                );
            },
        );
    }

    fn read(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let size = size as usize;
        self.serve(
            self.on(request, "read", ino).with(size),
            reply,
            ReplyData::error,
            move |disk, _| disk.read(handle.0, offset, size),
            |reply, bytes| reply.data(&bytes),
        );
    }

    fn write(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let asked = self.on(request, "write", ino).with(bytes.len());
        let bytes = bytes.to_owned();
        let act = move |disk: &Disk, verdict: Verdict| {
            disk.write(ino, handle.0, &bytes, offset)?;
            if verdict.drop_tail {
                disk.drop_tail(handle.0)?;
            }
            Ok(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
        };
        self.serve(asked, reply, ReplyWrite::error, act, ReplyWrite::written);
    }

    fn flush(
        &self,
        request: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: LockOwner,
        reply: ReplyEmpty,
    ) {
        self.perform(self.on(request, "flush", ino), reply, |_, _| Ok(()));
    }

    fn release(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.perform(self.on(request, "release", ino), reply, move |disk, _| {
            disk.close(handle.0);
            Ok(())
        });
    }

    fn fsync(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        _: bool,
        reply: ReplyEmpty,
    ) {
        let act = move |disk: &Disk, verdict: Verdict| {
            if let Some(errno) = verdict.lose {
                disk.lose(ino, handle.0)?;
                return Err(errno);
            }
            disk.synchronise(ino);
            if verdict.drop_tail {
                disk.drop_tail(handle.0)?;
            }
            Ok(())
        };
        self.perform(self.on(request, "fsync", ino), reply, act);
    }

    fn opendir(&self, request: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.serve(
            self.on(request, "opendir", ino),
            reply,
            ReplyOpen::error,
            move |disk, _| disk.attributes(ino),
            |reply, _| reply.opened(FileHandle(0), FopenFlags::empty()),
        );
    }

    fn readdir(
        &self,
        request: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        self.serve(
            self.on(request, "readdir", ino),
            reply,
            ReplyDirectory::error,
            move |disk, _| disk.list(ino),
            move |mut reply, entries| {
                let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
                for (next, (ino, kind, name)) in (1..).zip(entries).skip(skipped) {
                    let name = <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&name);
                    if reply.add(INodeNo(ino), next, kind, name) {
                        break;
                    }
                }
                reply.ok();
            },
        );
    }

    fn fsyncdir(&self, request: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.perform(self.on(request, "fsyncdir", ino), reply, |_, _| Ok(()));
    }

    fn statfs(&self, request: &Request, ino: INodeNo, reply: ReplyStatfs) {
        self.serve(
            self.on(request, "statfs", ino),
            reply,
            ReplyStatfs::error,
            |disk, _| disk.space(),
            |reply, space| {
                let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
                reply.statfs(
                    space.f_blocks,
                    space.f_bfree,
                    space.f_bavail,
                    space.f_files,
                    space.f_ffree,
                    small(space.f_bsize),
                    small(space.f_namemax),
                    small(space.f_frsize),
                );
            },
        );
    }
}
