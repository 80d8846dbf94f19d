//! What is read in the spool: lines that were added to an index, and digests.

use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use crate::sys;

/// Most bytes of an index that are looked at in one go.
const INDEX_BYTES_MAX: u64 = 4 << 20;

/// Largest digest that is read.
const DIGEST_BYTES_MAX: u64 = 64 * 1024;

/// The whole lines behind `from`, and where they end.
pub(super) fn added(path: &Path, from: u64) -> io::Result<(Vec<u8>, u64)> {
    let mut file = fs_err::File::open(path)?;
    let length = file.metadata()?.len();
    if length <= from {
        return Ok((Vec::new(), length)); // A shorter one is another one: it was read, or is lost.
    }
    file.seek(io::SeekFrom::Start(from))?;
    let mut lines = Vec::new();
    file.take(INDEX_BYTES_MAX).read_to_end(&mut lines)?;
    let end = lines
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let is_endless = end == 0 && lines.len() as u64 == INDEX_BYTES_MAX;
    let end = if is_endless { lines.len() } else { end };
    lines.truncate(end);
    Ok((lines, from + end as u64))
}

/// The digest of a run, whether it is sealed by now or not.
pub(super) fn digest(spool: &Path, run: &str) -> Option<String> {
    run.parse::<crate::model::RunId>().ok()?; // It becomes a part of a path.
    let read = |state: &str| {
        let path = spool.join(state).join(run).join("digest");
        sys::fs::read_bounded(&path, DIGEST_BYTES_MAX).ok()
    };
    read("runs")
        .or_else(|| read("sealed"))
        .or_else(|| read("runs"))
}
