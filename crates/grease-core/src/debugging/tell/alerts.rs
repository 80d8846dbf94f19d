//! How often a job has failed in a row, over all hosts: one file for each job, without a lock.
//!
//! `JOB.json` holds the state. The next state is published by giving a whole file the name
//! `JOB.json.SEQ` by `link(2)`, which exactly one host can do; who comes second looks again and
//! goes on from there. Then it takes the place of `JOB.json`, which may lag behind and is not wrong.
//! The share is untrusted: what cannot be read counts as absent.

use std::io;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::rules::{Before, Turn};
use crate::debugging::share::dir::Dir;
use crate::debugging::share::layout;
use crate::model::RunId;
use crate::sys::clock;

/// Directory of these files, below that of the user.
pub const DIRECTORY: &str = "alerts";

/// Largest state that is read; one of ours has less than a kilobyte.
const BYTES_MAX: u64 = 64 * 1024;

/// How often another host may be first before this is given up.
const RACES_MAX: usize = 32;

/// States beyond `JOB.json` that are looked for in one go.
const AHEAD_MAX: usize = 64;

/// Names of older states that are kept, so that a host that lags behind cannot take one of them.
const NAMES_KEPT: u64 = 8;

/// Ends that a state remembers, so that one that comes twice counts once.
const ENDS_KEPT: usize = 16;

/// How far ahead of ours another host's clock may be; an end of later than that is no later end, or one
/// clock that is wrong would have a job's failures told by nobody.
const AHEAD_TIME_MAX: SignedDuration = SignedDuration::from_mins(5);

/// How much an end may be older than the latest and still be a late one: no host waits longer with one.
const LATE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Largest number of a state that is believed: no job has failed and recovered so often.
const SEQ_MAX: u64 = 1 << 53;

/// The state of one job, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Streak {
    /// Version of this format.
    pub v: u32,
    /// The job's name.
    pub job: String,
    /// How often the state changed.
    pub seq: u64,
    /// Failures in a row.
    pub failures: u32,
    /// The end of the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The latest end that is known.
    pub time: String,
    /// The ends that changed it last.
    pub ends: Vec<Seen>,
}

/// An end that changed a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The run.
    pub run: String,
    /// The failures in a row before it.
    pub before: u32,
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End<'a> {
    /// The job's name.
    pub job: &'a str,
    /// The run's id.
    pub run: &'a str,
    /// When, as the event says it.
    pub time: &'a str,
    /// How.
    pub turn: Turn,
}

/// What an end does to a state.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing; so it was before.
    Stays(Before),
    /// There is a next state.
    Next(Box<Streak>, u32),
}

/// Decides; `clock` is what time it is here.
fn step(now: &Streak, end: End<'_>, clock: Timestamp) -> Step {
    if let Some(seen) = now.ends.iter().find(|seen| seen.run == end.run) {
        return Step::Stays(Before::Failures(seen.before));
    }
    if is_late(end.time, &now.time, clock) {
        return Step::Stays(Before::Late);
    }
    let before = now.failures;
    if end.turn == Turn::Succeeded && before == 0 {
        return Step::Stays(Before::Failures(0)); // The usual case costs no write.
    }
    let mut next = now.clone();
    next.v = 1;
    end.job.clone_into(&mut next.job);
    next.seq = next.seq.saturating_add(1);
    end.time.clone_into(&mut next.time);
    match end.turn {
        Turn::Failed => {
            next.failures = before.saturating_add(1);
            next.since.get_or_insert_with(|| end.time.to_owned());
        }
        Turn::Succeeded => {
            next.failures = 0;
            next.since = None;
        }
    }
    next.ends.push(Seen {
        run: end.run.to_owned(),
        before,
    });
    let surplus = next.ends.len().saturating_sub(ENDS_KEPT);
    next.ends.drain(..surplus);
    Step::Next(Box::new(next), before)
}

/// Whether an end at `time` comes after a later one, at `latest`, was known.
fn is_late(time: &str, latest: &str, clock: Timestamp) -> bool {
    let (Ok(time), Ok(latest)) = (time.parse::<Timestamp>(), latest.parse::<Timestamp>()) else {
        return false;
    };
    let behind = latest.duration_since(time);
    behind.is_positive() && behind < LATE_MAX && latest.duration_since(clock) <= AHEAD_TIME_MAX
}

/// Notes an end in the directory of a user; tells what was known before.
pub fn note(user: &Dir, end: End<'_>) -> io::Result<Before> {
    note_at(user, end, clock::now())
}

fn note_at(user: &Dir, end: End<'_>, clock: Timestamp) -> io::Result<Before> {
    let dir = user.make_child(DIRECTORY)?;
    let name = format!("{}.json", layout::file_name(end.job));
    for _ in 0..RACES_MAX {
        match step(&latest(&dir, &name)?, end, clock) {
            Step::Stays(before) => return Ok(before),
            Step::Next(next, before) => {
                if publish(&dir, &name, &next)? {
                    return Ok(Before::Failures(before));
                }
            }
        }
    }
    let text = format!("others changed `{DIRECTORY}/{name}` each time it was to be changed");
    Err(io::Error::other(text))
}

/// The newest state that there is.
fn latest(dir: &Dir, name: &str) -> io::Result<Streak> {
    let mut found = match read(dir, name)? {
        Found::State(state) => *state,
        Found::Nothing | Found::Garbage => Streak::default(),
    };
    for _ in 0..AHEAD_MAX {
        let seq = found.seq.saturating_add(1);
        match read(dir, &format!("{name}.{seq}"))? {
            Found::State(next) if next.seq == seq => found = *next,
            Found::Nothing => break,
            // Something else has the name: it is skipped, or no state could ever follow.
            Found::State(_) | Found::Garbage => found.seq = seq,
        }
    }
    Ok(found)
}

/// What stands under a name.
enum Found {
    State(Box<Streak>),
    Nothing,
    Garbage,
}

/// What cannot be read at this moment is an error: the state must not begin anew for that.
fn read(dir: &Dir, name: &str) -> io::Result<Found> {
    match dir.read(name, BYTES_MAX) {
        Ok(bytes) => {
            let state = serde_json::from_slice::<Streak>(&bytes).ok();
            let state = state.filter(|state| state.seq < SEQ_MAX);
            Ok(state.map_or(Found::Garbage, |state| Found::State(Box::new(state))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        // A link, a pipe, a directory, or too long for one of ours.
        Err(_) if !dir.facts(name)?.is_file || dir.facts(name)?.bytes > BYTES_MAX => {
            Ok(Found::Garbage)
        }
        Err(error) => Err(error),
    }
}

/// Publishes a state, unless another host was first.
fn publish(dir: &Dir, name: &str, next: &Streak) -> io::Result<bool> {
    let bytes = serde_json::to_vec(next).map_err(io::Error::from)?;
    let temporary = format!(".{}.tmp", RunId::new());
    let written = dir.write_new(&temporary, &bytes);
    let published = written.and_then(|()| {
        match dir.link(&temporary, &format!("{name}.{}", next.seq)) {
            // The reply to the first try may have been lost: then the second name is there.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(dir.links(&temporary)? == 2)
            }
            other => other.map(|()| true),
        }
    });
    if matches!(published, Ok(true)) && dir.rename(&temporary, name).is_ok() {
        if let Some(old) = next.seq.checked_sub(NAMES_KEPT) {
            dir.unlink(&format!("{name}.{old}")).ok(); // One more file; the next state is no worse.
        }
    } else {
        dir.unlink(&temporary).ok(); // The outcome that counts is known.
    }
    published
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn end<'a>(run: &'a str, time: &'a str, turn: Turn) -> End<'a> {
        End {
            job: "com.acme:etl",
            run,
            time,
            turn,
        }
    }

    fn minute(minute: usize) -> String {
        format!("2026-11-24T10:{minute:02}:00.000000Z")
    }

    /// Notes an end by a clock that is ahead of all the tests' ends.
    fn at_eleven(user: &Dir, end: End<'_>) -> io::Result<Before> {
        note_at(user, end, "2026-11-24T11:00:00Z".parse().unwrap())
    }

    /// A directory of a user in which somebody wrote the state of the job.
    fn with_state(text: &str) -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().unwrap();
        let alerts = place.path().join(DIRECTORY);
        fs_err::create_dir(&alerts).unwrap();
        let name = format!("{}.json", layout::file_name("com.acme:etl"));
        fs_err::write(alerts.join(name), text).unwrap();
        let user = Dir::open(place.path()).unwrap();
        (place, user)
    }

    #[test]
    fn a_host_whose_clock_is_ahead_does_not_mute_the_others() {
        for ahead in ["2027-11-24T10:00:00Z", "2026-11-24T11:06:00Z"] {
            let (_place, user) = with_state(&format!(r#"{{"v":1,"seq":7,"time":"{ahead}"}}"#));
            let found = [1, 2].map(|number| {
                let (run, time) = (number.to_string(), minute(number));
                at_eleven(&user, end(&run, &time, Turn::Failed)).unwrap()
            });
            assert_eq!(found, [0, 1].map(Before::Failures), "{ahead}");
        }
        for (known, is_late) in [
            ("2026-11-24T11:04:00Z", true),
            ("2026-11-24T10:01:00Z", false),
            ("2026-11-25T11:00:00Z", false),
            ("no time", false),
        ] {
            let (_place, user) = with_state(&format!(r#"{{"v":1,"seq":7,"time":"{known}"}}"#));
            let found = at_eleven(&user, end("1", &minute(1), Turn::Failed)).unwrap();
            assert_eq!(found == Before::Late, is_late, "{known}");
        }
        // An end of a host whose clock is days behind.
        let (_place, user) = with_state(r#"{"v":1,"seq":7,"time":"2026-11-24T10:00:00Z"}"#);
        let behind = end("1", "2026-11-20T10:00:00Z", Turn::Failed);
        assert_eq!(at_eleven(&user, behind).unwrap(), Before::Failures(0));
    }

    #[test]
    fn a_state_with_the_largest_number_is_no_state() {
        for seq in [u64::MAX, u64::MAX - 1, SEQ_MAX] {
            let (_place, user) = with_state(&format!(r#"{{"v":1,"seq":{seq},"failures":3}}"#));
            let found = [1, 2].map(|number| {
                let (run, time) = (number.to_string(), minute(number));
                at_eleven(&user, end(&run, &time, Turn::Failed)).unwrap()
            });
            assert_eq!(found, [0, 1].map(Before::Failures), "{seq}");
        }
    }

    #[test]
    fn failures_in_a_row_are_counted_and_an_end_counts_once() {
        let place = tempfile::tempdir().unwrap();
        let user = Dir::open(place.path()).unwrap();
        let mut found = Vec::new();
        for (number, turn) in [
            Turn::Succeeded,
            Turn::Failed,
            Turn::Failed,
            Turn::Succeeded,
            Turn::Failed,
        ]
        .into_iter()
        .enumerate()
        {
            let (run, time) = (number.to_string(), minute(number));
            found.push(at_eleven(&user, end(&run, &time, turn)).unwrap());
            if number > 0 {
                assert_eq!(
                    at_eleven(&user, end(&run, &time, turn)).unwrap(),
                    found[number]
                );
            }
        }
        assert_eq!(found, [0, 0, 1, 2, 0].map(Before::Failures));
        let late = at_eleven(&user, end("late", &minute(1), Turn::Failed)).unwrap();
        assert_eq!(late, Before::Late);
    }

    #[test]
    fn of_many_hosts_that_fail_at_the_same_moment_one_is_the_first() {
        let place = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(8);
        let mut found: Vec<u32> = std::thread::scope(|scope| {
            let hosts: Vec<_> = (0..8)
                .map(|host| {
                    let (barrier, path) = (&barrier, place.path());
                    scope.spawn(move || {
                        let user = Dir::open(path).unwrap();
                        barrier.wait();
                        match at_eleven(&user, end(&host.to_string(), &minute(0), Turn::Failed))
                            .unwrap()
                        {
                            Before::Failures(before) => before,
                            Before::Late => panic!("all have one time"),
                        }
                    })
                })
                .collect();
            hosts.into_iter().map(|host| host.join().unwrap()).collect()
        });
        found.sort_unstable();
        assert_eq!(found, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn few_files_stay_and_none_that_is_temporary() {
        let place = tempfile::tempdir().unwrap();
        let user = Dir::open(place.path()).unwrap();
        for number in 0..40 {
            at_eleven(
                &user,
                end(&number.to_string(), &minute(number), Turn::Failed),
            )
            .unwrap();
        }
        let entries = user.child(DIRECTORY).unwrap().entries().unwrap();
        assert_eq!(entries.len(), 1 + usize::try_from(NAMES_KEPT).unwrap());
        assert!(entries.iter().all(|entry| !entry.name.starts_with('.')));
        let bytes = fs_err::metadata(place.path().join("alerts").join(&entries[0].name)).unwrap();
        assert!(bytes.len() < 4096);
    }

    #[test]
    fn what_others_put_there_is_survived() {
        let place = tempfile::tempdir().unwrap();
        let user = Dir::open(place.path()).unwrap();
        at_eleven(&user, end("1", &minute(1), Turn::Failed)).unwrap();
        let alerts = place.path().join("alerts");
        let name = format!("{}.json", layout::file_name("com.acme:etl"));
        // Garbage in the place of the next state, a link in the place of the state.
        fs_err::write(alerts.join(format!("{name}.2")), [0; 100]).unwrap();
        let found = at_eleven(&user, end("2", &minute(2), Turn::Failed)).unwrap();
        assert_eq!(found, Before::Failures(1));
        fs_err::write(place.path().join("secret"), "{}").unwrap();
        fs_err::remove_file(alerts.join(&name)).unwrap();
        std::os::unix::fs::symlink(place.path().join("secret"), alerts.join(&name)).unwrap();
        let found = at_eleven(&user, end("3", &minute(3), Turn::Failed)).unwrap();
        assert_eq!(found, Before::Failures(2));
        assert_eq!(
            fs_err::read_to_string(place.path().join("secret")).unwrap(),
            "{}"
        );
    }
}
