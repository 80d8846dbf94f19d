//! Small files on the share: those that are published once, and the links to the last logs.

use std::path::Path;

use rustix::io::{Errno, Result};

use super::mirror::Fault;
use super::reader::Reader;
use super::root::{How, Root};
use crate::debugging::share::layout;
use crate::model::RunId;

/// Publishes a file that is complete when it appears, and never changed after; `false` if it was there
/// before.
///
/// `link(2)` is the only way to make a file that is either whole or not there and that takes the place
/// of no other; on NFS as well.
pub(super) fn once(root: &Root, path: &Path, content: &[u8]) -> Result<bool> {
    let temporary = root.beside(path);
    write(root, &temporary, content)?;
    let linked = root.link(&temporary, path)?;
    root.unlink(&temporary)?;
    Ok(linked)
}

/// Publishes a file once, and reads it back. One that is there and is not this one was cut by a server
/// that died: it is replaced.
pub(super) fn once_and_whole(
    root: &Root,
    path: &Path,
    content: &[u8],
) -> std::result::Result<(), Fault> {
    let is_new = once(root, path, content)?;
    if holds(root, path, content)? {
        return Ok(());
    }
    if is_new {
        return Err(Fault::Surprise(
            "its content on the share is not what was written",
        ));
    }
    let temporary = root.beside(path);
    write(root, &temporary, content)?;
    Ok(root.rename(&temporary, path)?)
}

/// Has the link to the last log of a job lead to that of `run`, unless it leads to a later one.
pub(super) fn latest(root: &Root, job: &str, log: &Path, run: RunId) -> Result<()> {
    let link = layout::latest(job);
    let target = Path::new("..").join(log);
    let now = root.read_link(&link)?;
    if now
        .as_deref()
        .and_then(run_of)
        .is_some_and(|now| now >= run)
    {
        return Ok(());
    }
    let temporary = root.beside(&link);
    root.unlink(&temporary)?;
    root.symlink(&target, &temporary)?;
    root.rename(&temporary, &link)
}

/// The run whose log a link leads to.
fn run_of(target: &Path) -> Option<RunId> {
    let name = target.file_name()?.to_str()?.strip_suffix(".log")?;
    name.get(name.len().checked_sub(26)?..)?.parse().ok()
}

fn write(root: &Root, path: &Path, content: &[u8]) -> Result<()> {
    let file = match root.open(path, How::New) {
        Err(Errno::EXIST) => {
            // Never written over: a process that died may have given it its name already.
            root.unlink(path)?;
            root.open(path, How::New)?
        }
        opened => opened?,
    };
    let mut written = 0;
    while written < content.len() {
        match rustix::io::pwrite(&file, &content[written..], written as u64) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => written += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    rustix::fs::fsync(&file)
}

/// Whether a file on the share holds this, and nothing else.
pub(super) fn holds(root: &Root, path: &Path, content: &[u8]) -> Result<bool> {
    let Some(mut reader) = Reader::open(root, path)? else {
        return Ok(false);
    };
    let is_whole = reader.length == content.len() as u64;
    Ok(is_whole && reader.block(0)? == content)
}

#[cfg(test)]
mod tests {
    use super::super::root::tests::share;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_is_published_once_stays_and_what_is_cut_is_mended() {
        let (dir, root) = share();
        let path = Path::new("2026-11-24/failed/x.txt");
        assert!(once(&root, path, b"why").unwrap());
        assert!(!once(&root, path, b"other").unwrap());
        let file = dir.path().join("etl").join(path);
        assert_eq!(fs_err::read(&file).unwrap(), b"why");
        once_and_whole(&root, path, b"why").unwrap();
        fs_err::write(&file, "w").unwrap();
        once_and_whole(&root, path, b"why").unwrap();
        assert_eq!(fs_err::read(&file).unwrap(), b"why");
        let names = fs_err::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    #[test]
    fn a_link_to_the_last_log_only_goes_forward() {
        let (dir, root) = share();
        let (old, new) = (RunId::new(), RunId::new());
        let log = |run: RunId| PathBuf::from(format!("2026-11-24/logs/j/130502Z-h-{run}.log"));
        let target = || fs_err::read_link(dir.path().join("etl/latest/j.log")).unwrap();
        latest(&root, "j", &log(old), old).unwrap();
        assert_eq!(target(), Path::new("..").join(log(old)));
        latest(&root, "j", &log(new), new).unwrap();
        latest(&root, "j", &log(old), old).unwrap();
        assert_eq!(target(), Path::new("..").join(log(new)));
    }
}
