//! How often in a row a job was dropped or skipped: a schedule is told of it only now and then.
//!
//! One file for each job in the spool. What is lost of it delays a message, no more.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::short_hash;
use crate::sys;

/// Directory of the files, below the spool.
const DIRECTORY: &str = "drops";

/// Longest file that is read.
const BYTES_MAX: u64 = 64;

/// Counts another drop of a job; returns how many there were in a row.
pub fn count(spool: &Path, job: &str) -> io::Result<u32> {
    let path = path(spool, job);
    sys::fs::private_dir(&spool.join(DIRECTORY))?;
    let before = sys::fs::read_bounded(&path, BYTES_MAX).unwrap_or_default();
    let count = before.trim().parse::<u32>().unwrap_or(0).saturating_add(1);
    sys::fs::write_atomic(&path, format!("{count}\n").as_bytes())?;
    Ok(count)
}

/// The job runs: what was counted is forgotten.
pub fn forget(spool: &Path, job: &str) {
    fs_err::remove_file(path(spool, job)).ok(); // Mostly there is none.
}

/// Whether a schedule is told of this drop: of the first `each`-th one, and then at ever longer
/// distances.
pub fn is_told(count: u32, each: u32) -> bool {
    let each = each.max(1);
    count.is_multiple_of(each) && (count / each).is_power_of_two()
}

fn path(spool: &Path, job: &str) -> PathBuf {
    spool.join(DIRECTORY).join(short_hash(job))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_in_a_row_are_counted_for_each_job_until_it_runs() {
        let spool = tempfile::tempdir().unwrap();
        let count = |job| count(spool.path(), job).unwrap();
        assert_eq!([count("a"), count("b"), count("a")], [1, 1, 2]);
        forget(spool.path(), "a");
        assert_eq!([count("a"), count("b")], [1, 2]);
        fs_err::write(path(spool.path(), "a"), "\0garbage").unwrap();
        assert_eq!(count("a"), 1);
    }

    #[test]
    fn a_schedule_is_told_less_and_less_often() {
        let told: Vec<u32> = (1..=50).filter(|count| is_told(*count, 3)).collect();
        assert_eq!(told, [3, 6, 12, 24, 48]);
        assert!((1..=2).all(|count| is_told(count, 1)));
    }
}
