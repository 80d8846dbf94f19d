//! Repositories in directories: `file:` addresses.
//!
//! Links are followed wherever they lead: the directory is named by whoever configures this
//! machine, and sites do build repositories out of links. Paths with `..` are refused.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fs_err::File;

use super::address::{check_path, display_address};
use super::{Content, Introduction, Request, Response, Transport, TransportError, Validators};

/// Reads repositories in directories.
#[derive(Debug, Clone, Copy, Default)]
pub struct DirectoryTransport;

impl Transport for DirectoryTransport {
    /// Opens a file. Its time of change and its size tell one state from another.
    fn open(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        check_path(request.repository, request.path)?;
        let Ok(root) = request.repository.url.to_file_path() else {
            return Err(TransportError::Invalid {
                url: display_address(request.repository, request.path),
                reason: "it is not the address of a directory of this machine".to_owned(),
            });
        };
        let failed = |error: io::Error| explain(request, &root, &error);
        let mut file = File::open(root.join(request.path)).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(not_found(request));
        }
        let validators = Validators {
            etag: Some(format!(
                "\"{}.{:09}-{}\"",
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.size()
            )),
            last_modified: None,
        };
        let same = |theirs: &Validators| theirs.etag == validators.etag;
        let offset = match request.resume {
            Some((offset, theirs)) if same(theirs) && offset <= metadata.size() => offset,
            _ => 0,
        };
        let content = if request.validators.is_some_and(same) {
            Content::NotModified
        } else if offset > 0 {
            file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            Content::From(offset)
        } else {
            Content::Whole
        };
        let length = match content {
            Content::NotModified => 0,
            Content::Whole | Content::From(_) => metadata.size() - offset,
        };
        Ok(Response {
            content,
            length: Some(length),
            validators,
            checksums: Vec::new(),
            content_type: None,
            body: Box::new(file.take(length)),
        })
    }
}

/// Says why a file cannot be read. In a directory that is not there, nothing is known to be
/// missing: a file system that is not mounted looks like that.
fn explain(request: &Request<'_>, root: &Path, error: &io::Error) -> TransportError {
    let url = display_address(request.repository, request.path);
    let unreachable = |reason| TransportError::Unreachable {
        answered: None,
        url: url.clone(),
        reason,
        retry_after: None,
    };
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if root.is_dir() => {
            not_found(request)
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            unreachable(format!("the directory `{}` is not there", root.display()))
        }
        io::ErrorKind::PermissionDenied => TransportError::Refused {
            url: url.clone(),
            status: 403,
            introduction: Introduction::NoCredentials,
        },
        _ => unreachable(super::innermost(error)),
    }
}

fn not_found(request: &Request<'_>) -> TransportError {
    TransportError::NotFound {
        url: display_address(request.repository, request.path),
        status: 404,
    }
}
