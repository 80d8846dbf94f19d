//! Copies of files whose names do not stay theirs.
//!
//! A snapshot that was installed here, or deployed without time stamps, has a name that the next
//! one takes over, and Maven rewrites it in place: a job would see its jar change under it. It gets
//! a copy, named by its content, below our own directory.

use std::io;
use std::path::Path;

use super::{Obtained, Work};
use crate::coordinates::Resolved;
use crate::local::{Content, FileFacts, LocalError};

impl Work<'_, '_> {
    /// The file that is handed out: itself, if its content stays.
    pub(super) fn settled(
        &self,
        artifact: &Resolved,
        obtained: Obtained,
    ) -> Result<Obtained, Box<LocalError>> {
        if !artifact.version.ends_with("SNAPSHOT") {
            return Ok(obtained);
        }
        let directory = self.fetcher.state.copies();
        let failed = |source: io::Error| {
            Box::new(LocalError::Io {
                action: "copy it to",
                path: directory.join(artifact.file_name()),
                source,
            })
        };
        let (content, path) =
            copy(&obtained.path, &directory, &artifact.file_name()).map_err(failed)?;
        Ok(Obtained {
            path,
            size_bytes: content.facts.size_bytes,
            sha1: content.sha1,
            sha256: content.sha256,
            ..obtained
        })
    }
}

/// Copies a file below `directory`. What is copied is read afterwards: the original may be
/// rewritten meanwhile.
pub(crate) fn copy(
    original: &Path,
    directory: &Path,
    name: &str,
) -> io::Result<(Content, std::path::PathBuf)> {
    crate::state::make_parent(&directory.join("copy"))?;
    let temporary = tempfile::Builder::new()
        .prefix(".copy.")
        .suffix(".tmp")
        .tempfile_in(directory)?
        .into_temp_path();
    fs_err::copy(original, &temporary)?;
    let content = Content::read(&temporary)?;
    let path = directory.join(&content.sha256).join(name);
    let is_here =
        FileFacts::of(&path).is_ok_and(|facts| facts.size_bytes == content.facts.size_bytes);
    if !is_here {
        crate::state::make_parent(&path)?;
        fs_err::File::open(&temporary)?.sync_all()?;
        temporary.persist(&path)?;
    }
    Ok((content, path))
}
