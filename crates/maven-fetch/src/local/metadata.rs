//! What metadata is here, and when it was last checked.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::facts::FileFacts;
use super::lookup::is_missing;
use super::status::{self, Status};
use super::{LocalError, LocalRepository, layout, merge};
use crate::regular;

/// Largest metadata file: 200,000 versions have less.
const METADATA_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A metadata file that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMetadata {
    /// The file.
    pub path: PathBuf,
    /// All of it.
    pub bytes: Vec<u8>,
    /// When it was checked, and what went wrong since, as far as Maven noted it.
    pub status: Status,
    /// When the file was last written.
    pub modified: Option<Timestamp>,
    /// What the file system says about it.
    pub facts: FileFacts,
}

impl LocalRepository {
    /// Where it stands what was installed here in a directory such as `com/ex/app`.
    pub(crate) fn installed(&self, directory: &str) -> Vec<PathBuf> {
        let name = layout::metadata_file_name("local");
        let path = |root: &Path| root.join(directory).join(&name);
        self.places().map(path).collect()
    }

    /// Reads the metadata of the repository `id` (`local`: of what was installed here) for a
    /// directory such as `com/ex/app` or `com/ex/app/3.0-SNAPSHOT`.
    ///
    /// Where several places have it, the one that was checked last counts.
    pub fn metadata(
        &self,
        directory: &str,
        id: &str,
        warnings: &mut Vec<LocalError>,
    ) -> Option<StoredMetadata> {
        let name = layout::metadata_file_name(id);
        let mut newest: Option<StoredMetadata> = None;
        for root in self.places() {
            match read_metadata(&root.join(directory), &name) {
                Ok(Some(stored)) => {
                    let is_newer = newest
                        .as_ref()
                        .is_none_or(|newest| stored.status.checked_at > newest.status.checked_at);
                    if is_newer {
                        newest = Some(stored);
                    }
                }
                Ok(None) => {}
                Err(error) => warnings.push(error),
            }
        }
        newest
    }
}

fn read_metadata(directory: &Path, name: &str) -> Result<Option<StoredMetadata>, LocalError> {
    let path = directory.join(name);
    let failed = |action| LocalError::io(action, &path);
    // First the stamp, which is written last: an old file is never seen with a new stamp. Without
    // its stamp a file is only asked for once more.
    let stamps = merge::read(&directory.join(status::FILE_NAME)).unwrap_or_default();
    let file = match regular::open(&path) {
        Ok(file) => file,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(failed("open")(error)),
    };
    let metadata = file.metadata().map_err(failed("read"))?;
    let mut bytes = Vec::new();
    file.take(METADATA_MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed("read"))?;
    if bytes.len() as u64 > METADATA_MAX_BYTES {
        return Err(LocalError::TooLarge {
            path,
            max_bytes: METADATA_MAX_BYTES,
        });
    }
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok());
    let status = Status::of(name, &stamps);
    let facts = FileFacts::from(&metadata);
    Ok(Some(StoredMetadata {
        path,
        bytes,
        status,
        modified,
        facts,
    }))
}
