//! Which finished runs on this host are removed.

use std::path::PathBuf;

/// Finished runs that are kept.
const RUNS_MAX: usize = 1000;

/// Runs beyond [`RUNS_MAX`] that are waited for, so that not every run has to remove one.
const RUNS_SLACK: usize = 50;

/// Bytes that the logs of finished runs may take.
const BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Runs that are looked at one by one, where those that wait for the share are very many.
const LOOKS_MAX: usize = 200;

/// Of so many runs one weighs all that is kept, however small its own log is.
const WEIGH_EACH: usize = 16;

/// Name of the file in the directory of a run that is on the share, verified.
pub const SHIPPED: &str = "shipped";

/// What is known of a finished run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What it takes on the disk.
    pub bytes: u64,
    /// Whether all of it is on the share.
    pub is_shipped: bool,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Whether there is a share that runs are kept for until they are on it.
    pub has_share: bool,
    /// Most that all runs may take (`logs.limits.spool`, `spool_pct`).
    pub bytes_max: u64,
    /// What the disk has too little (`logs.limits.spool_min_free`, `spool_min_free_pct`).
    pub bytes_wanted: u64,
}

/// What is removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The directories.
    pub remove: Vec<PathBuf>,
    /// How many of them are not on the share, though there is one.
    pub unshipped: usize,
}

/// Whether all that is kept is to be weighed, after a run whose log is or is not `heavy`.
pub fn weighs(sealed: usize, heavy: bool, room: &Room) -> bool {
    heavy || room.bytes_wanted > 0 || room.has_share && sealed.is_multiple_of(WEIGH_EACH)
}

/// Chooses what to remove out of `sealed`, oldest first.
///
/// `look` is asked of all runs only if `weigh` says that it is worth it. Runs that are not on the share
/// yet go last, and only where there is no room for them. The newest run stays, however large it is.
pub fn plan(sealed: &[PathBuf], room: &Room, weigh: bool, look: impl Fn(&PathBuf) -> Look) -> Plan {
    let surplus = if sealed.len() > RUNS_MAX + RUNS_SLACK {
        sealed.len() - RUNS_MAX
    } else {
        0
    };
    let (old, new) = sealed.split_at(surplus);
    let is_free = |run: &&PathBuf| !room.has_share || look(run).is_shipped;
    let looked_at = if room.has_share { LOOKS_MAX } else { surplus };
    let remove = old
        .iter()
        .take(looked_at)
        .filter(is_free)
        .cloned()
        .collect();
    let mut plan = Plan {
        remove,
        unshipped: 0,
    };
    if !weigh {
        return plan;
    }
    let rest = old
        .iter()
        .filter(|run| !plan.remove.contains(run))
        .chain(new);
    let rest: Vec<(&PathBuf, Look)> = rest.map(|run| (run, look(run))).collect();
    let is_free = |look: &Look| !room.has_share || look.is_shipped;
    let sum = |of: &dyn Fn(&Look) -> bool| -> u64 {
        let counted = rest.iter().filter(|(_, look)| of(look));
        counted.map(|(_, look)| look.bytes).sum()
    };
    let (mut free, all) = (sum(&is_free), sum(&|_| true));
    let removable = rest.iter().take(rest.len().saturating_sub(1));
    let mut surplus = all.saturating_sub(room.bytes_max).max(room.bytes_wanted);
    for (run, look) in removable.clone().filter(|(_, look)| is_free(look)) {
        if free <= BYTES_MAX && surplus == 0 {
            break;
        }
        free -= look.bytes;
        surplus = surplus.saturating_sub(look.bytes);
        plan.remove.push((*run).clone());
    }
    for (run, look) in removable.filter(|(_, look)| !is_free(look)) {
        if surplus == 0 {
            break;
        }
        surplus = surplus.saturating_sub(look.bytes);
        plan.remove.push((*run).clone());
        plan.unshipped += 1;
    }
    plan
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

    const LOCAL: Room = Room {
        has_share: false,
        bytes_max: u64::MAX,
        bytes_wanted: 0,
    };

    const SHARED: Room = Room {
        has_share: true,
        ..LOCAL
    };

    fn runs(count: usize) -> Vec<PathBuf> {
        (0..count)
            .map(|number| PathBuf::from(format!("{number:05}")))
            .collect()
    }

    /// Runs of one size, of which those before `shipped` are on the share.
    fn look(bytes: u64, shipped: usize) -> impl Fn(&PathBuf) -> Look {
        move |run| Look {
            bytes,
            is_shipped: run.to_str().unwrap().parse::<usize>().unwrap() < shipped,
        }
    }

    fn removed(
        count: usize,
        room: &Room,
        weigh: bool,
        look: impl Fn(&PathBuf) -> Look,
    ) -> Vec<PathBuf> {
        plan(&runs(count), room, weigh, look).remove
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        assert_eq!(
            removed(RUNS_MAX + RUNS_SLACK, &LOCAL, false, look(0, 0)),
            runs(0)
        );
        assert_eq!(removed(RUNS_MAX + 60, &LOCAL, false, look(0, 0)), runs(60));
    }

    #[test]
    fn after_a_removal_the_rest_counts_as_full() {
        for (count, each) in [(RUNS_MAX + RUNS_SLACK + 1, 0), (40, BYTES_MAX / 20)] {
            let removed = removed(count, &LOCAL, true, look(each, 0)).len();
            assert!(removed > 0);
            let kept = count - removed;
            assert!(is_full(kept, each * u64::try_from(kept).unwrap()));
        }
        assert!(!is_full(RUNS_MAX - 1, BYTES_MAX / 3));
    }

    #[test]
    fn the_oldest_go_when_they_take_too_much() {
        let each = BYTES_MAX / 4;
        assert_eq!(removed(4, &LOCAL, true, look(each, 0)), runs(0));
        assert_eq!(removed(6, &LOCAL, true, look(each, 0)), runs(2));
        assert_eq!(removed(6, &LOCAL, false, look(each, 0)), runs(0));
    }

    #[test]
    fn what_is_not_on_the_share_yet_is_kept_for_it() {
        assert_eq!(removed(RUNS_MAX + 60, &SHARED, false, look(0, 0)), runs(0));
        assert_eq!(removed(RUNS_MAX + 60, &SHARED, false, look(0, 7)), runs(7));
        let each = BYTES_MAX / 4;
        assert_eq!(removed(90, &SHARED, true, look(each, 0)), runs(0));
        assert_eq!(removed(90, &SHARED, true, look(each, 6)), runs(2));
    }

    #[test]
    fn where_there_is_no_room_what_is_on_the_share_goes_first() {
        let full = Room {
            bytes_max: 70,
            ..SHARED
        };
        for (shipped, unshipped) in [(9, 0), (3, 0), (2, 1), (0, 3)] {
            let plan = plan(&runs(10), &full, true, look(10, shipped));
            assert_eq!((plan.remove, plan.unshipped), (runs(3), unshipped));
        }
        let tight = Room {
            bytes_wanted: 15,
            ..SHARED
        };
        assert_eq!(removed(10, &tight, true, look(10, 0)), runs(2));
    }

    #[test]
    fn the_newest_run_stays_though_it_is_too_large() {
        let full = Room {
            bytes_max: 5,
            ..LOCAL
        };
        assert_eq!(removed(1, &full, true, look(10, 0)), runs(0));
        assert_eq!(removed(3, &full, true, look(10, 0)), runs(2));
    }

    #[test]
    fn small_runs_that_wait_for_the_share_are_weighed_too() {
        assert!(weighs(1, true, &LOCAL) && !weighs(WEIGH_EACH, false, &LOCAL));
        assert!(weighs(WEIGH_EACH, false, &SHARED) && !weighs(WEIGH_EACH + 1, false, &SHARED));
    }
}
