//! What is still to be said, and when: in order for each who is told, and tried a limited number of
//! times. Pure: clocks are values here.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::message;
use super::send::Refusal;
use crate::model::{EndEvent, Words};

/// Most that waits; beyond it, the oldest is given up.
const LENGTH_MAX: usize = 1000;

/// Pauses after the first, second and further tries that failed; then it is given up.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_mins(1),
    Duration::from_mins(5),
];

/// Age at which news is none: a check is not set right by an end of long ago.
pub(super) const AGE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// Age at which the share's state need not hear of an end any more.
const QUIET_AGE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Most pings of one check in [`PING_WINDOW`] (healthchecks.io refuses more).
const PINGS_MAX: usize = 5;

/// See [`PINGS_MAX`].
const PING_WINDOW: Duration = Duration::from_mins(1);

/// Something to be said or asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    /// Its number, which no other has.
    pub id: u64,
    /// What.
    pub what: What,
    /// Since when, in UTC.
    pub since: String,
    /// How often it failed.
    #[serde(default)]
    pub tries: usize,
    /// Not before; at once if absent.
    #[serde(skip)]
    pub(super) due: Option<Instant>,
}

/// What is to be said or asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum What {
    /// How often the job had failed is to be asked, and who is told follows from it.
    Judge {
        /// The end.
        end: Box<EndEvent>,
        /// Nobody is told any more: it was judged without the share.
        quiet: bool,
    },
    /// A ping.
    Ping {
        /// Name of the check.
        check: String,
        /// `start`, an exit code, `fail` or `log`.
        action: String,
        /// The run.
        run: String,
        /// What is said where there is no digest.
        text: String,
    },
    /// A message.
    Notify {
        /// To whom.
        target: Target,
        /// What, without the digest.
        payload: Value,
        /// The run.
        run: String,
    },
}

/// Who gets a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Target {
    /// A command.
    Command(Words),
    /// An address.
    Url(String),
}

impl What {
    /// What is said in order.
    fn lane(&self) -> String {
        match self {
            Self::Judge { .. } => "judge".to_owned(),
            Self::Ping { check, .. } => format!("ping {check}"),
            Self::Notify {
                target: Target::Command(words),
                ..
            } => format!("command {:?}", words.as_slice()),
            Self::Notify {
                target: Target::Url(url),
                ..
            } => format!("url {url}"),
        }
    }

    /// What is away together: the server of all pings, or one address.
    fn host(&self) -> String {
        match self {
            Self::Ping { .. } => "ping".to_owned(),
            other => other.lane(),
        }
    }

    /// What it is, for people; an address may hold a key.
    fn name(&self) -> String {
        match self {
            Self::Judge { end, .. } => format!("the state of `{}`", end.job),
            Self::Ping { check, action, .. } => format!("ping `{check}/{action}`"),
            Self::Notify { payload, .. } => {
                let of = |key: &str| payload[key].as_str().unwrap_or_default().to_owned();
                format!("message `{}` about `{}`", of("when"), of("job"))
            }
        }
    }
}

/// What waits.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Queue {
    next_id: u64,
    items: VecDeque<Item>,
    #[serde(skip)]
    pinged: HashMap<String, VecDeque<Instant>>,
    #[serde(skip)]
    away: HashMap<String, Instant>,
}

impl Queue {
    /// Adds something, not to be done before `due`; returns what is given up for it.
    pub(super) fn push(
        &mut self,
        what: What,
        now: Timestamp,
        due: Option<Instant>,
    ) -> Option<String> {
        if let What::Ping { run, action, .. } = &what
            && action != "start"
        {
            // A start that did not get through is no news once the run has ended.
            let is_stale = |item: &Item| {
                matches!(&item.what, What::Ping { run: of, action, .. } if of == run && action == "start")
                    && item.tries > 0
            };
            self.items.retain(|item| !is_stale(item));
        }
        self.items.push_back(Item {
            id: self.next_id,
            what,
            since: now.to_string(),
            tries: 0,
            due,
        });
        self.next_id += 1;
        let dropped = (self.items.len() > LENGTH_MAX)
            .then(|| self.items.pop_front())
            .flatten();
        dropped.map(|item| format!("{} is given up: {LENGTH_MAX} others wait", item.what.name()))
    }

    /// What can be said now, if anything.
    pub(super) fn next(&mut self, now: Instant) -> Option<Item> {
        for sent in self.pinged.values_mut() {
            sent.retain(|time| now.duration_since(*time) < PING_WINDOW);
        }
        self.pinged.retain(|_, sent| !sent.is_empty());
        self.away.retain(|_, until| *until > now);
        let mut behind = BTreeSet::new();
        for item in &self.items {
            let lane = item.what.lane();
            let is_full = match &item.what {
                What::Judge { .. } => continue,
                What::Ping { check, .. } => self
                    .pinged
                    .get(check)
                    .is_some_and(|sent| sent.len() >= PINGS_MAX),
                What::Notify { .. } => false,
            };
            let is_early = item.due.is_some_and(|due| due > now);
            if behind.contains(&lane) {
                continue;
            }
            if is_full || is_early || self.away.contains_key(&item.what.host()) {
                behind.insert(lane);
                continue;
            }
            return Some(item.clone());
        }
        None
    }

    /// Notes how it went; returns what is to be told if it did not go well, and whether that was
    /// the last try.
    pub(super) fn tried(
        &mut self,
        id: u64,
        outcome: &Result<(), Refusal>,
        now: Instant,
    ) -> Option<(String, bool)> {
        let position = self.items.iter().position(|item| item.id == id)?;
        let item = &mut self.items[position];
        if let What::Ping { check, .. } = &item.what {
            self.pinged.entry(check.clone()).or_default().push_back(now);
        }
        let Err(refusal) = outcome else {
            self.items.remove(position);
            return None;
        };
        let pause = match refusal {
            Refusal::Never(_) => None,
            Refusal::Later(_) | Refusal::Unreachable(_) => PAUSES.get(item.tries),
        };
        item.tries += 1;
        let name = item.what.name();
        let Some(pause) = pause else {
            let tries = item.tries;
            self.items.remove(position);
            return Some((
                format!("{name} is given up after {tries} tries: {refusal}"),
                true,
            ));
        };
        item.due = Some(now + *pause);
        if matches!(refusal, Refusal::Unreachable(_)) {
            self.away.insert(item.what.host(), now + *pause);
        }
        Some((format!("{name} is tried again: {refusal}"), false))
    }

    /// What is to be judged, oldest first.
    pub(super) fn judgeable(&self) -> Vec<Item> {
        let is_one = |item: &&Item| matches!(item.what, What::Judge { .. });
        self.items.iter().filter(is_one).cloned().collect()
    }

    /// What is to be judged and has waited for the share for `patience`; all of it without one.
    pub(super) fn overdue(&self, now: Timestamp, patience: SignedDuration) -> Vec<Item> {
        let mut found = self.judgeable();
        found.retain(|item| {
            let is_quiet = matches!(item.what, What::Judge { quiet: true, .. });
            !is_quiet && (patience.is_zero() || message::is_old(&item.since, now, patience))
        });
        found
    }

    /// Whether an end is still to be judged of which somebody may be told.
    pub(super) fn has_open(&self) -> bool {
        let is_open = |item: &Item| matches!(item.what, What::Judge { quiet: false, .. });
        self.items.iter().any(is_open)
    }

    /// Takes something off.
    pub(super) fn remove(&mut self, id: u64) {
        self.items.retain(|item| item.id != id);
    }

    /// Nobody is told of an end any more; the share's state still hears of it.
    pub(super) fn hush(&mut self, id: u64) {
        for item in self.items.iter_mut().filter(|item| item.id == id) {
            if let What::Judge { quiet, .. } = &mut item.what {
                *quiet = true;
            }
        }
    }

    /// Gives up what is too old; tells what.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<String> {
        let mut given_up = Vec::new();
        self.items.retain(|item| {
            let is_quiet = matches!(item.what, What::Judge { quiet: true, .. });
            let age_max = if is_quiet { QUIET_AGE_MAX } else { AGE_MAX };
            let is_old = message::is_old(&item.since, now, age_max);
            if is_old && !is_quiet {
                given_up.push(format!(
                    "{} is given up: it is too old to be news",
                    item.what.name()
                ));
            }
            !is_old
        });
        given_up
    }

    /// How much waits to be said.
    pub(super) fn len(&self) -> usize {
        let is_quiet = |item: &&Item| matches!(item.what, What::Judge { quiet: true, .. });
        self.items.len() - self.items.iter().filter(is_quiet).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(check: &str, action: &str, run: &str) -> What {
        What::Ping {
            check: check.into(),
            action: action.into(),
            run: run.into(),
            text: String::new(),
        }
    }

    fn actions(queue: &mut Queue, now: Instant) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(item) = queue.next(now) {
            if let What::Ping { check, action, .. } = &item.what {
                said.push(format!("{check}/{action}"));
            }
            queue.tried(item.id, &Ok(()), now);
        }
        said
    }

    #[test]
    fn a_check_hears_in_order_and_not_more_than_it_takes() {
        let mut queue = Queue::default();
        let (now, wall) = (Instant::now(), Timestamp::now());
        for run in 0..4 {
            queue.push(ping("a", "start", &run.to_string()), wall, None);
            queue.push(ping("a", "0", &run.to_string()), wall, None);
        }
        queue.push(ping("b", "0", "x"), wall, None);
        let said = actions(&mut queue, now);
        assert_eq!(said, ["a/start", "a/0", "a/start", "a/0", "a/start", "b/0"]);
        assert_eq!(actions(&mut queue, now + PING_WINDOW / 2), [""; 0]);
        let said = actions(&mut queue, now + PING_WINDOW);
        assert_eq!(said, ["a/0", "a/start", "a/0"]);
    }

    #[test]
    fn what_fails_is_tried_again_so_often_and_then_given_up() {
        let mut queue = Queue::default();
        let mut now = Instant::now();
        queue.push(ping("a", "1", "r"), Timestamp::now(), None);
        queue.push(ping("b", "1", "r"), Timestamp::now(), None);
        let refusal = Err(Refusal::Later("status 503".to_owned()));
        let mut told = Vec::new();
        for pause in PAUSES {
            let item = queue.next(now).unwrap();
            told.push(queue.tried(item.id, &refusal, now).unwrap());
            now += pause;
        }
        let item = queue.next(now).unwrap();
        told.push(queue.tried(item.id, &refusal, now).unwrap());
        assert_eq!(told.iter().filter(|(_, is_last)| *is_last).count(), 1);
        assert_eq!(
            told[4].0,
            "ping `a/1` is given up after 5 tries: status 503"
        );
        assert_eq!(actions(&mut queue, now), ["b/1"]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn one_wait_is_enough_to_know_that_a_server_is_away() {
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.push(ping("a", "1", "r"), Timestamp::now(), None);
        queue.push(ping("b", "1", "r"), Timestamp::now(), None);
        let item = queue.next(now).unwrap();
        queue.tried(item.id, &Err(Refusal::Unreachable("no".to_owned())), now);
        assert_eq!(queue.next(now), None);
        assert_eq!(actions(&mut queue, now + PAUSES[0]), ["a/1", "b/1"]);
    }

    #[test]
    fn a_start_that_got_lost_is_no_news_after_the_end() {
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.push(ping("a", "start", "r"), Timestamp::now(), None);
        let item = queue.next(now).unwrap();
        queue.tried(item.id, &Err(Refusal::Later("no".to_owned())), now);
        queue.push(ping("a", "0", "r"), Timestamp::now(), None);
        assert_eq!(actions(&mut queue, now), ["a/0"]);
    }

    #[test]
    fn the_queue_has_an_end_and_its_content_an_age() {
        let mut queue = Queue::default();
        let wall = Timestamp::now();
        for number in 0..LENGTH_MAX {
            assert_eq!(
                queue.push(ping("a", "0", &number.to_string()), wall, None),
                None
            );
        }
        queue.push(ping("b", "0", "x"), wall, None).unwrap();
        assert_eq!(queue.len(), LENGTH_MAX);
        assert_eq!(queue.expire(wall).len(), 0);
        assert_eq!(
            queue
                .expire(wall + AGE_MAX + SignedDuration::from_secs(1))
                .len(),
            LENGTH_MAX
        );
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn what_waits_outlives_its_process() {
        let mut queue = Queue::default();
        let end: EndEvent = serde_json::from_str(
            r#"{"v":1,"event":"end","run":"r","job":"j","time":"t","result":"failure","error":"exit","exit":1,"leftovers":0,
            "user":"etl","host":"h","start":"t","trigger":"manual","runner":"shell"}"#,
        )
        .unwrap();
        queue.push(
            What::Judge {
                end: Box::new(end),
                quiet: false,
            },
            Timestamp::now(),
            None,
        );
        queue.push(ping("a", "0", "r"), Timestamp::now(), None);
        let text = serde_json::to_string(&queue).unwrap();
        let again: Queue = serde_json::from_str(&text).unwrap();
        assert_eq!(again.items, queue.items);
    }
}
