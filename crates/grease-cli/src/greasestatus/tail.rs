//! The child's part of `greasestatus log`: copies the bytes of a log, from an offset on.

use std::io::Write as _;
use std::time::Duration;

use grease_core::debugging::read::{Piece, Sources, Tail};
use grease_core::model::ErrorKind;

use super::arguments;
use super::child;
use crate::failure::Failure;

/// How often a log that grows is looked at.
pub(super) const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Copies to standard output until the end of the log, or for ever.
pub(super) fn copy(asked: &arguments::Tail, sources: &Sources<'_>) -> Result<u8, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(
            ErrorKind::Io,
            format!("cannot read the log on the share: {error}"),
        )
    };
    let Some(root) = sources.root()? else {
        return Err(Failure::new(ErrorKind::Usage, "there is no share"));
    };
    let mut tail = Tail::new(&root, &asked.user, &asked.path, asked.offset);
    loop {
        child::tick();
        match tail.more().map_err(cannot)? {
            Piece::Bytes(bytes) => {
                if std::io::stdout().write_all(&bytes).is_err() {
                    return Ok(0); // Nobody reads it any more.
                }
            }
            Piece::Nothing if !asked.follow => return Ok(0),
            Piece::Absent if !asked.follow => {
                let text = format!("`{}` is not on the share", asked.path.display());
                return Err(Failure::new(ErrorKind::Io, text));
            }
            Piece::Nothing | Piece::Absent => std::thread::sleep(LOOK_PAUSE),
        }
    }
}
