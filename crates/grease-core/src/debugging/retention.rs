//! Which finished runs on this host are removed.

use std::path::PathBuf;

/// Finished runs that are kept.
const RUNS_MAX: usize = 1000;

/// Runs beyond [`RUNS_MAX`] that are waited for, so that not every run has to remove one.
const RUNS_SLACK: usize = 50;

/// Bytes that the logs of finished runs may take.
const BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Chooses what to remove out of `sealed`, oldest first.
///
/// `bytes` tells the size of a run's log; it is asked only if `weigh` says that it is worth it,
/// since it costs a look at every run.
pub fn plan(sealed: &[PathBuf], weigh: bool, bytes: impl Fn(&PathBuf) -> u64) -> Vec<PathBuf> {
    let surplus = if sealed.len() > RUNS_MAX + RUNS_SLACK {
        sealed.len() - RUNS_MAX
    } else {
        0
    };
    let (mut remove, kept) = (sealed[..surplus].to_vec(), &sealed[surplus..]);
    if weigh {
        let mut total: u64 = kept.iter().map(&bytes).sum();
        for run in kept {
            if total <= BYTES_MAX {
                break;
            }
            total -= bytes(run);
            remove.push(run.clone());
        }
    }
    remove
}

/// Whether runs may have been removed before, going by those that are `kept` and the `bytes` of
/// their logs: then older ones are not known of.
///
/// Half of what logs may take counts as full, since one that is removed may be that large.
pub fn is_full(kept: usize, bytes: u64) -> bool {
    kept >= RUNS_MAX || bytes >= BYTES_MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(count: usize) -> Vec<PathBuf> {
        (0..count)
            .map(|number| PathBuf::from(format!("{number:05}")))
            .collect()
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        assert_eq!(plan(&runs(RUNS_MAX + RUNS_SLACK), false, |_| 0), runs(0));
        assert_eq!(plan(&runs(RUNS_MAX + 60), false, |_| 0), runs(60));
    }

    #[test]
    fn after_a_removal_the_rest_counts_as_full() {
        for (runs, each) in [
            (runs(RUNS_MAX + RUNS_SLACK + 1), 0),
            (runs(40), BYTES_MAX / 20),
        ] {
            let removed = plan(&runs, true, |_| each).len();
            assert!(removed > 0);
            let kept = runs.len() - removed;
            assert!(is_full(kept, each * u64::try_from(kept).unwrap()));
        }
        assert!(!is_full(RUNS_MAX - 1, BYTES_MAX / 3));
    }

    #[test]
    fn the_oldest_go_when_they_take_too_much() {
        let each = BYTES_MAX / 4;
        assert_eq!(plan(&runs(4), true, |_| each), runs(0));
        assert_eq!(plan(&runs(6), true, |_| each), runs(2));
        assert_eq!(plan(&runs(6), false, |_| each), runs(0));
    }
}
