//! When somebody is told that a job failed, or works again: the rules of `logs.hooks.notify`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::model::{Flaw, Glob, ResultWord, Words};

/// Who is told of the failures of some jobs, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, expecting = "an object")]
pub struct Notify {
    /// When a message is sent: `first-failure` after a success, `every` failure, `after:N` failures
    /// in a row, `recovered` at the first success after a failure that was told.
    pub when: Vec<When>,
    /// The names of the jobs that this is about.
    pub jobs: Glob,
    /// A command that gets the message, a JSON object, on its standard input; it inherits nothing
    /// and has 10 seconds.
    pub command: Option<Words>,
    /// The address to which the message is posted, in place of a command.
    pub url: Option<String>,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            when: vec![When::FirstFailure, When::Recovered],
            jobs: Glob::new("*"),
            command: None,
            url: None,
        }
    }
}

/// One of the moments at which a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum When {
    /// The first failure after a success, or ever.
    FirstFailure,
    /// Every failure.
    Every,
    /// So many failures in a row.
    After(u32),
    /// The first success after a failure of which was told.
    Recovered,
}

/// A text that is no such moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `first-failure`, `every`, `recovered` or `after:N` with a number, found `{0}`")]
pub struct ParseWhenError(String);

impl FromStr for When {
    type Err = ParseWhenError;

    fn from_str(text: &str) -> Result<Self, ParseWhenError> {
        let count = |text: &str| text.parse().ok().filter(|count| *count > 0);
        match text {
            "first-failure" => Some(Self::FirstFailure),
            "every" => Some(Self::Every),
            "recovered" => Some(Self::Recovered),
            _ => text.strip_prefix("after:").and_then(count).map(Self::After),
        }
        .ok_or_else(|| ParseWhenError(text.to_owned()))
    }
}

impl TryFrom<String> for When {
    type Error = ParseWhenError;

    fn try_from(text: String) -> Result<Self, ParseWhenError> {
        text.parse()
    }
}

impl From<When> for String {
    fn from(when: When) -> Self {
        when.to_string()
    }
}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstFailure => formatter.write_str("first-failure"),
            Self::Every => formatter.write_str("every"),
            Self::After(count) => write!(formatter, "after:{count}"),
            Self::Recovered => formatter.write_str("recovered"),
        }
    }
}

impl JsonSchema for When {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "When".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "moment",
            "type": "string",
            "pattern": "^(first-failure|every|recovered|after:[1-9][0-9]*)$",
        })
    }
}

/// What the end of a run means for those who are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The job failed, was too slow, or could not be run.
    Failed,
    /// The job did its work.
    Succeeded,
}

/// What a result means; nothing if the job was not to run now, or somebody stopped it.
pub fn turn(result: ResultWord) -> Option<Turn> {
    match result {
        ResultWord::Success => Some(Turn::Succeeded),
        ResultWord::Failure | ResultWord::Error | ResultWord::Timeout => Some(Turn::Failed),
        ResultWord::Skip | ResultWord::Cancellation => None,
    }
}

/// What was known about a job before the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// So many failures in a row.
    Failures(u32),
    /// A later end, of a run somewhere else, is known already.
    Late,
}

impl Notify {
    /// Whether, and as what, an end is told.
    pub fn asks(&self, before: Before, turn: Turn) -> Option<When> {
        let before = match (before, turn) {
            (Before::Failures(before), _) => before,
            (Before::Late, Turn::Failed) => return self.listed(When::Every),
            (Before::Late, Turn::Succeeded) => return None,
        };
        match turn {
            Turn::Failed => {
                let now = before.saturating_add(1);
                let first = self.listed(When::FirstFailure).filter(|_| now == 1);
                first
                    .or_else(|| self.listed(When::After(now)))
                    .or_else(|| self.listed(When::Every))
            }
            Turn::Succeeded => {
                let was_told = before > 0 && before >= self.first_told();
                self.listed(When::Recovered).filter(|_| was_told)
            }
        }
    }

    fn listed(&self, when: When) -> Option<When> {
        self.when.contains(&when).then_some(when)
    }

    /// The failure in a row of which is told first.
    fn first_told(&self) -> u32 {
        let of = |when: &When| match when {
            When::FirstFailure | When::Every => Some(1),
            When::After(count) => Some(*count),
            When::Recovered => None,
        };
        self.when.iter().filter_map(of).min().unwrap_or(1)
    }

    /// What is wrong with it; `key` names it.
    pub fn check(&self, key: &str) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        match (&self.command, &self.url) {
            (None, None) => flaws.push(Flaw::new(
                key,
                "it has neither a `command` nor a `url`, so nobody is told".to_owned(),
            )),
            (Some(_), Some(_)) => flaws.push(Flaw::new(
                key,
                "it has a `command` and a `url`: write an entry for each".to_owned(),
            )),
            (None, Some(url)) => flaws.extend(check_address(url, &format!("{key}.url"))),
            (Some(_), None) => {}
        }
        if self.when.is_empty() {
            let text = "the list is empty, so nobody is ever told".to_owned();
            flaws.push(Flaw::new(format!("{key}.when"), text));
        }
        flaws
    }
}

/// What is wrong with an address.
pub fn check_address(url: &str, key: &str) -> Option<Flaw> {
    let is_address = reqwest::Url::parse(url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    (!is_address).then(|| {
        Flaw::new(
            key,
            format!("expected an address with `http://` or `https://`, found `{url}`"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(when: &[&str]) -> Notify {
        Notify {
            when: when.iter().map(|text| text.parse().unwrap()).collect(),
            ..Notify::default()
        }
    }

    /// What is told of a row of ends, `f` for a failure and `s` for a success.
    fn told(when: &[&str], ends: &str) -> Vec<String> {
        let mut before = 0;
        let mut told = Vec::new();
        for end in ends.chars() {
            let turn = [Turn::Succeeded, Turn::Failed][usize::from(end == 'f')];
            let asked = rule(when).asks(Before::Failures(before), turn);
            told.push(asked.map_or_else(|| "-".to_owned(), |when| when.to_string()));
            before = if end == 'f' { before + 1 } else { 0 };
        }
        told
    }

    #[test]
    fn each_rule_speaks_at_its_moments_only() {
        for (when, ends, expected) in [
            (
                &["first-failure"][..],
                "sffsf",
                "- first-failure - - first-failure",
            ),
            (&["every"], "sffsf", "- every every - every"),
            (&["after:3"], "fffffs", "- - after:3 - - -"),
            (&["recovered"], "ssffss", "- - - - recovered -"),
            (
                &["first-failure", "recovered"],
                "sffss",
                "- first-failure - recovered -",
            ),
            (
                &["after:2", "recovered"],
                "fsffs",
                "- - - after:2 recovered",
            ),
            (&["first-failure", "every"], "ff", "first-failure every"),
            (&["after:1", "every"], "ff", "after:1 every"),
        ] {
            assert_eq!(told(when, ends).join(" "), expected, "{when:?} {ends}");
        }
    }

    #[test]
    fn what_is_known_late_is_told_only_where_every_failure_is() {
        for (when, expected) in [
            ("first-failure", None),
            ("every", Some(When::Every)),
            ("recovered", None),
        ] {
            assert_eq!(rule(&[when]).asks(Before::Late, Turn::Failed), expected);
            assert_eq!(rule(&[when]).asks(Before::Late, Turn::Succeeded), None);
        }
    }

    #[test]
    fn moments_are_read_as_they_are_written_and_others_are_refused() {
        for text in ["first-failure", "every", "after:12", "recovered"] {
            assert_eq!(text.parse::<When>().unwrap().to_string(), text);
        }
        for text in [
            "", "after", "after:", "after:0", "after:-1", "after:x", "never", "Every",
        ] {
            text.parse::<When>().unwrap_err();
        }
    }

    #[test]
    fn an_entry_has_one_who_is_told() {
        let command = Words::split("mail-it");
        let url = Some("https://chat.example/hook".to_owned());
        let flaws = |rule: Notify| rule.check("hooks.notify[0]").len();
        assert_eq!(flaws(Notify::default()), 1);
        assert_eq!(
            flaws(Notify {
                command: command.clone(),
                ..Notify::default()
            }),
            0
        );
        assert_eq!(
            flaws(Notify {
                url: url.clone(),
                ..Notify::default()
            }),
            0
        );
        assert_eq!(
            flaws(Notify {
                command,
                url,
                ..Notify::default()
            }),
            1
        );
        let url = Some("chat.example".to_owned());
        assert_eq!(
            flaws(Notify {
                url,
                when: Vec::new(),
                ..Notify::default()
            }),
            2
        );
    }
}
