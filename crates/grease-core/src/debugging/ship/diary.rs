//! What the shipper says of itself: `ship/log`, since nobody reads its standard error.

use std::io::Write as _;
use std::path::PathBuf;

use super::place::Place;
use crate::sys::clock;

/// Longest file; a longer one becomes `ship/log.old`, in place of the one before.
const BYTES_MAX: u64 = 256 * 1024;

/// The shipper's own messages.
#[derive(Debug)]
pub(super) struct Diary(PathBuf);

impl Diary {
    pub(super) fn new(place: &Place) -> Self {
        Self(place.file("log"))
    }

    /// Notes a line, as far as there is room for it.
    pub(super) fn note(&self, text: &str) {
        let file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.0);
        let Ok(mut file) = file else { return };
        let pid = std::process::id();
        writeln!(file, "{:.6} {pid} {text}", clock::now()).ok();
        if file.metadata().is_ok_and(|found| found.len() > BYTES_MAX) {
            fs_err::rename(&self.0, self.0.with_extension("old")).ok();
        }
    }
}
