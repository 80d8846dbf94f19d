//! Whether what is at the path of the share is the share.

use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::place::Place;
use super::root::{Access, Root};
use super::state::Word;
use crate::debugging::share::layout::MARKER;
use crate::debugging::share::marker::{self, Marker, Verdict};

/// First pause between two looks at a path that is not the share, and the longest.
const PROBE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// Which share this spool goes to (`ship/share`): seen once, it is the one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pin {
    root: String,
    share_id: String,
}

/// Why nothing is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) word: Word,
    pub(super) why: String,
    /// What the share refused, unless we refuse it.
    pub(super) errno: Option<Errno>,
}

/// When the path is looked at again.
#[derive(Debug, Default)]
pub(super) struct Probe {
    pause: Duration,
    /// Since boot.
    until: Duration,
}

impl Probe {
    /// Whether it is time; somebody who wakes the shipper wants to know now.
    pub(super) fn is_due(&self, now: Duration, is_woken: bool) -> bool {
        is_woken || now >= self.until
    }

    pub(super) fn until(&self) -> Duration {
        self.until
    }

    pub(super) fn refused(&mut self, now: Duration) {
        self.pause = (self.pause * 2).clamp(PROBE.0, PROBE.1);
        self.until = now + self.pause;
    }
}

/// Opens the share, if it is the right one; returns its id as well.
pub(super) fn open(
    path: &Path,
    place: &Place,
    user: &str,
    access: Access,
    tag: &str,
) -> Result<(Root, String), Refusal> {
    let shown = path.display();
    let failed = |errno: Errno| match errno {
        Errno::NOENT | Errno::NOTDIR => Refusal {
            word: Word::NoShare,
            why: format!("`{shown}` is no directory, and the root of a share is never made"),
            errno: None,
        },
        errno => Refusal {
            word: Word::Error,
            why: format!("cannot open `{shown}`: {}", std::io::Error::from(errno)),
            errno: Some(errno),
        },
    };
    let unreadable = |error: std::io::Error| Refusal {
        word: Word::Error,
        why: format!("cannot read the marker of `{shown}`: {error}"),
        errno: error.raw_os_error().map(Errno::from_raw_os_error),
    };
    let root = Root::open_path(path).map_err(failed)?;
    let pinned = pinned(place, path);
    let mut found = marker::read_in(&root).map_err(unreadable)?;
    if found.is_none() && pinned.is_none() && marker::is_initialised_by_itself(path) {
        found = Some(marker::init_in(&root).map_err(unreadable)?);
    }
    let marker = accept(found, pinned.as_deref(), path)?;
    if pinned.is_none() {
        let pin = Pin {
            root: shown.to_string(),
            share_id: marker.share_id.clone(),
        };
        let text = serde_json::to_string(&pin).expect("plain data");
        place.write("share", &text).map_err(unreadable)?;
    }
    let root = Root::new(root, user, access, tag);
    root.enter().map_err(|errno| Refusal {
        word: Word::Error,
        why: match errno {
            Errno::PERM => format!("the directory of {user} in `{shown}` belongs to another user"),
            errno => format!(
                "cannot use the directory of {user} in `{shown}`: {}",
                std::io::Error::from(errno)
            ),
        },
        errno: Some(errno),
    })?;
    Ok((root, marker.share_id))
}

/// Whether the path still leads to a root that was opened before.
pub(super) fn is_still(root: &Root, path: &Path, share_id: &str) -> bool {
    let now = Root::open_path(path);
    now.is_ok_and(|now| {
        let marker = marker::read_in(&now).ok().flatten();
        root.is_same(&now) == Ok(true) && marker.is_some_and(|found| found.share_id == share_id)
    })
}

fn accept(found: Option<Marker>, pinned: Option<&str>, path: &Path) -> Result<Marker, Refusal> {
    let shown = path.display();
    let (word, why) = match marker::check(found, pinned) {
        Verdict::Right(marker) => return Ok(marker),
        Verdict::Unmarked => (
            Word::NoShare,
            format!(
                "no `{MARKER}` in `{shown}`: it is not mounted, or `greasestatus share init` makes it a share"
            ),
        ),
        Verdict::Other { found, pinned } => (
            Word::WrongShare,
            format!("`{shown}` is the share {}, not {pinned}", found.share_id),
        ),
        Verdict::Newer(found) => (
            Word::WrongShare,
            format!(
                "`{shown}` has layout {}, which a later version made",
                found.layout
            ),
        ),
    };
    Err(Refusal {
        word,
        why,
        errno: None,
    })
}

/// The id of the share that was at this path before; that of another path does not count, since the
/// config names another share now.
fn pinned(place: &Place, path: &Path) -> Option<String> {
    let pin: Pin = serde_json::from_str(&place.read("share")?).ok()?;
    (pin.root == path.display().to_string()).then_some(pin.share_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_share_that_was_seen_first_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::make(dir.path()).unwrap();
        let path = dir.path().join("root");
        let open = || open(&path, &place, "etl", Access { group: None }, "t");
        let word = || open().map(|(_, id)| id).map_err(|refusal| refusal.word);
        assert_eq!(word(), Err(Word::NoShare));
        fs_err::create_dir(&path).unwrap();
        fs_err::write(path.join("file"), "").unwrap();
        assert_eq!(word(), Err(Word::NoShare));
        assert!(!path.join("etl").exists());
        let id = marker::init(&path).unwrap().share_id;
        assert_eq!(word(), Ok(id.clone()));
        let (root, _) = open().unwrap();
        assert!(is_still(&root, &path, &id));

        fs_err::rename(&path, dir.path().join("away")).unwrap();
        assert!(!is_still(&root, &path, &id));
        fs_err::create_dir(&path).unwrap();
        assert_eq!(word(), Err(Word::NoShare), "an empty mount point");
        marker::init(&path).unwrap();
        assert_eq!(word(), Err(Word::WrongShare));
        assert!(!path.join("etl").exists());
    }

    #[test]
    fn looks_get_rarer_and_somebody_who_wakes_the_shipper_wants_one() {
        let mut probe = Probe::default();
        assert!(probe.is_due(Duration::ZERO, false));
        for seconds in [1, 2, 4, 8, 15, 15] {
            probe.refused(Duration::ZERO);
            assert_eq!(probe.until(), Duration::from_secs(seconds));
        }
        assert!(!probe.is_due(Duration::from_secs(14), false));
        assert!(probe.is_due(Duration::from_secs(14), true));
    }
}
