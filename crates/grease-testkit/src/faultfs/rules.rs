//! What goes wrong: rules for the operations of the file system, as text.
//!
//! Rules are separated by blanks and read `OPERATIONS[@PATH]=ACTION[*COUNT|%PERCENT]`:
//!
//! - operations are separated by commas; `*` means every one, `open` means `open-read` and `open-write`;
//! - `@PATH` holds for paths that contain the text;
//! - `*COUNT` holds for the first so many requests, `%PERCENT` for so many of a hundred at random.
//!
//! The actions are in [`Action`]. All rules that match a request take effect.

use std::time::Duration;

use rustix::io::Errno;

/// What a rule does to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Action {
    /// `EIO`: nothing is done and the error is answered.
    Error(Errno),
    /// `done:EIO`: all is done and the error is answered, as when a reply is lost.
    Done(Errno),
    /// `lose:ENOSPC`: of an fsync; what was written since the last one is gone, as on NFS.
    Lose(Errno),
    /// `sleep:SECONDS`: is done later.
    Sleep(Duration),
    /// `hang`: is done when the rule is taken away.
    Hang,
    /// `rate:BYTES`: so many bytes in a second, for all requests together.
    Rate(u32),
    /// `drop-tail`: is done, and then the last 64 KiB of the file are lost.
    DropTail,
    /// `keep-cache`: of an open; the client goes on trusting what it has in memory.
    KeepCache,
}

/// How often a rule holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    Always,
    First(u32),
    Percent(u32),
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    operations: Vec<String>,
    path: String,
    action: Action,
    when: When,
}

/// The rules in force.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// State of the generator behind `%PERCENT`, the same in every run of a test.
    chance: u64,
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Verdict {
    /// It waits until no rule says so any more.
    pub(super) hang: bool,
    /// It waits for so long.
    pub(super) sleep: Duration,
    /// It waits for its turn at so many bytes in a second.
    pub(super) rate: Option<u32>,
    /// The error instead of what was asked.
    pub(super) error: Option<Errno>,
    /// The error after what was asked is done.
    pub(super) done: Option<Errno>,
    /// The error that comes with the loss of what was not yet synchronised.
    pub(super) lose: Option<Errno>,
    /// The end of the file is lost.
    pub(super) drop_tail: bool,
    /// Caches are not dropped.
    pub(super) keep_cache: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            chance: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

impl Rules {
    /// Takes the place of the rules so far; what chance brings goes on.
    pub(super) fn replace(&mut self, text: &str) -> Result<(), String> {
        let rules = text.split_whitespace().map(|rule| {
            parse(rule).ok_or_else(|| format!("`{rule}` is no rule of the fault file system"))
        });
        self.rules = rules.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Decides about a request, which counts for the rules that match it.
    pub(super) fn judge(&mut self, operation: &str, path: &str) -> Verdict {
        let mut verdict = Verdict::default();
        for rule in &mut self.rules {
            if rule.matches(operation, path) && rule.when.holds(&mut self.chance) {
                verdict.add(rule.action);
            }
        }
        verdict
    }

    /// Whether a request that waits has still a reason to.
    pub(super) fn delays(&self, operation: &str, path: &str) -> bool {
        let waits = |rule: &&Rule| {
            matches!(
                rule.action,
                Action::Hang | Action::Sleep(_) | Action::Rate(_)
            )
        };
        self.rules
            .iter()
            .filter(waits)
            .any(|rule| rule.matches(operation, path))
    }
}

impl Rule {
    fn matches(&self, operation: &str, path: &str) -> bool {
        let is_named = self.operations.iter().any(|name| {
            let rest = operation.strip_prefix(name.as_str());
            name == "*" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        is_named && path.contains(&self.path)
    }
}

impl When {
    fn holds(&mut self, chance: &mut u64) -> bool {
        match self {
            Self::Always => true,
            Self::First(left) => {
                let holds = *left > 0;
                *left = left.saturating_sub(1);
                holds
            }
            Self::Percent(percent) => {
                *chance ^= *chance << 13; // xorshift64 (Marsaglia, 2003)
                *chance ^= *chance >> 7;
                *chance ^= *chance << 17;
                *chance % 100 < u64::from(*percent)
            }
        }
    }
}

impl Verdict {
    fn add(&mut self, action: Action) {
        match action {
            Action::Error(errno) => self.error = self.error.or(Some(errno)),
            Action::Done(errno) => self.done = self.done.or(Some(errno)),
            Action::Lose(errno) => self.lose = self.lose.or(Some(errno)),
            Action::Sleep(time) => self.sleep += time,
            Action::Hang => self.hang = true,
            Action::Rate(rate) => self.rate = self.rate.or(Some(rate)),
            Action::DropTail => self.drop_tail = true,
            Action::KeepCache => self.keep_cache = true,
        }
    }

    /// Whether the request is not served at once.
    pub(super) fn waits(&self) -> bool {
        self.hang || self.rate.is_some() || !self.sleep.is_zero()
    }
}

fn parse(text: &str) -> Option<Rule> {
    let (subject, rest) = text.split_once('=')?;
    let (operations, path) = subject.split_once('@').unwrap_or((subject, ""));
    let (action, when) = if let Some((action, count)) = rest.split_once('*') {
        (action, When::First(count.parse().ok()?))
    } else if let Some((action, percent)) = rest.split_once('%') {
        (action, When::Percent(percent.parse().ok()?))
    } else {
        (rest, When::Always)
    };
    let action = match action.split_once(':') {
        Some(("sleep", time)) => {
            Action::Sleep(Duration::try_from_secs_f64(time.parse().ok()?).ok()?)
        }
        Some(("rate", bytes)) => Action::Rate(bytes.parse().ok().filter(|rate| *rate > 0)?),
        Some(("done", name)) => Action::Done(errno(name)?),
        Some(("lose", name)) => Action::Lose(errno(name)?),
        Some(_) => return None,
        None => match action {
            "hang" => Action::Hang,
            "drop-tail" => Action::DropTail,
            "keep-cache" => Action::KeepCache,
            name => Action::Error(errno(name)?),
        },
    };
    Some(Rule {
        operations: operations.split(',').map(str::to_owned).collect(),
        path: path.to_owned(),
        action,
        when,
    })
}

fn errno(name: &str) -> Option<Errno> {
    Some(match name {
        "EACCES" => Errno::ACCESS,
        "EDQUOT" => Errno::DQUOT,
        "EINVAL" => Errno::INVAL,
        "EIO" => Errno::IO,
        "ENOENT" => Errno::NOENT,
        "ENOSPC" => Errno::NOSPC,
        "EPERM" => Errno::PERM,
        "EROFS" => Errno::ROFS,
        "ESTALE" => Errno::STALE,
        "ETIMEDOUT" => Errno::TIMEDOUT,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        let mut rules = Rules::default();
        rules.replace(text).unwrap();
        rules
    }

    #[test]
    fn a_rule_holds_for_its_operations_its_paths_and_as_often_as_it_says() {
        let mut counted = rules("fsync,write@/index/=ENOSPC*2");
        let mut judge = |operation, path| counted.judge(operation, path).error;
        assert_eq!(judge("read", "/index/a"), None);
        assert_eq!(judge("write", "/logs/a"), None);
        assert_eq!(judge("write", "/index/a"), Some(Errno::NOSPC));
        assert_eq!(judge("fsync", "/index/a"), Some(Errno::NOSPC));
        assert_eq!(judge("fsync", "/index/a"), None);
    }

    #[test]
    fn open_means_both_ways_to_open_and_no_other_operation() {
        let mut open = rules("open=hang");
        for (operation, expected) in [
            ("open-read", true),
            ("open-write", true),
            ("opendir", false),
        ] {
            assert_eq!(open.judge(operation, "").hang, expected, "{operation}");
            assert_eq!(open.delays(operation, ""), expected, "{operation}");
        }
    }

    #[test]
    fn a_percentage_of_requests_is_hit() {
        let mut some = rules("*=EIO%20");
        let hit = (0..1000).filter(|_| some.judge("read", "").error.is_some());
        let hit = hit.count();
        assert!((150..250).contains(&hit), "{hit} of 1000");
    }

    #[test]
    fn all_rules_that_match_take_effect() {
        let verdict = rules("write=sleep:0.5 *=rate:10240 write=drop-tail write=lose:EIO")
            .judge("write", "/a");
        let expected = Verdict {
            sleep: Duration::from_millis(500),
            rate: Some(10240),
            drop_tail: true,
            lose: Some(Errno::IO),
            ..Verdict::default()
        };
        assert_eq!(verdict, expected);
        assert!(verdict.waits());
    }

    #[test]
    fn what_is_no_rule_is_refused_by_name() {
        for text in [
            "write",
            "write=",
            "write=EWHAT",
            "write=sleep:-1",
            "write=rate:0",
            "write=EIO*x",
            "write=wait:1",
        ] {
            let refused = Rules::default().replace(text).unwrap_err();
            assert!(refused.contains(text), "{refused}");
        }
    }
}
