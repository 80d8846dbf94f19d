//! From a file's text to a config, with everything that is wrong or doubtful.

use std::io;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use serde_path_to_error::Segment;

use crate::config::expand::{self, Expanded};
use crate::config::problem::Finding;
use crate::config::review::review;
use crate::config::schema;
use crate::config::tree::{self, Tree, within};
use crate::config::{Config, Error, Problem};
use crate::sys::env::Env;
use crate::sys::fs::read_bounded;

/// Longest file in bytes, and longest text after expansion: far more than anyone writes.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Most problems that are told at a time.
const PROBLEMS_MAX: usize = 50;

/// Sections that are checked and that nothing in this version acts on.
const WITHOUT_EFFECT: [&str; 2] = ["launch", "snatch"];

/// What the absence of the file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The built-in defaults hold.
    Defaults,
    /// There must be a file: somebody named it.
    Error,
}

/// A config, and what is doubtful about its file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// What a person should look at, in the order of the file.
    pub warnings: Vec<Problem>,
}

/// Reads and checks the config `file`.
pub fn load(file: &Path, absent: Absent, env: &Env) -> Result<Loaded, Error> {
    match read_bounded(file, TEXT_BYTES_MAX as u64) {
        Ok(text) => parse(&text, file, env),
        Err(error) if error.kind() == io::ErrorKind::NotFound && absent == Absent::Defaults => {
            Ok(Loaded::default())
        }
        Err(source) => Err(Error::Read {
            file: file.to_owned(),
            source,
        }),
    }
}

/// Checks the text of the config `file`, which is only named, not read.
pub fn parse(text: &str, file: &Path, env: &Env) -> Result<Loaded, Error> {
    let expanded = expand::expand(text, env, TEXT_BYTES_MAX);
    let report = Report {
        file,
        expanded: &expanded,
    };
    let mut tree = report.tree()?;
    let mut value = std::mem::take(&mut tree.value);
    let without_effect = sections_without_effect(&value);
    let reviewed = review(&mut value, &schema::written());

    let mut faults = Faults(Vec::new());
    for fault in tree.faults.drain(..).chain(reviewed.faults) {
        faults.add(fault);
    }
    let config = deserialize(value, &mut faults);
    for flaw in config.check() {
        faults.add(Finding::new(flaw.key, flaw.message));
    }
    let mut warnings: Vec<Problem> = tree
        .repeated
        .iter()
        .map(|remark| report.problem(remark.offset, remark.finding.clone()))
        .collect();
    let found = reviewed.warnings.into_iter();
    let found = found.chain(unknown_runners(&config)).chain(without_effect);
    warnings.extend(found.map(|finding| report.problem(tree.place(&finding.path).start, finding)));
    in_order(&mut warnings);
    if faults.0.is_empty() {
        Ok(Loaded { config, warnings })
    } else {
        Err(report.refused(&tree, faults.0, warnings))
    }
}

/// Sorts problems as they stand in the file.
fn in_order(problems: &mut [Problem]) {
    problems.sort_by(|one, other| (one.line, &one.path).cmp(&(other.line, &other.path)));
}

/// What is wrong: at most one thing about a value and what lies in it, and not without end.
struct Faults(Vec<Finding>);

impl Faults {
    fn add(&mut self, fault: Finding) {
        let known = |earlier: &Finding| {
            within(&earlier.path, &fault.path) || within(&fault.path, &earlier.path)
        };
        if self.0.len() < PROBLEMS_MAX && !self.0.iter().any(known) {
            self.0.push(fault);
        }
    }
}

/// Knows where in which file things stand.
struct Report<'a> {
    file: &'a Path,
    expanded: &'a Expanded,
}

impl Report<'_> {
    fn tree(&self) -> Result<Tree, Error> {
        let refused = |offset, message: &str| {
            self.invalid(
                vec![(offset..offset, Finding::new("", message))],
                Vec::new(),
            )
        };
        if self.expanded.text.len() > TEXT_BYTES_MAX {
            let message = format!("longer than {TEXT_BYTES_MAX} bytes once variables are expanded");
            return Err(refused(0, &message));
        }
        let tree = tree::parse(&self.expanded.text)
            .map_err(|remark| refused(remark.offset, &remark.finding.message))?;
        if !tree.value.is_object() {
            return Err(refused(
                0,
                "expected an object, `{..}`, around all sections",
            ));
        }
        Ok(tree)
    }

    fn refused(&self, tree: &Tree, faults: Vec<Finding>, warnings: Vec<Problem>) -> Error {
        let placed = faults
            .into_iter()
            .map(|fault| (tree.place(&fault.path), fault));
        self.invalid(placed.collect(), warnings)
    }

    /// An error whose problems name the variables that were expanded on their lines.
    fn invalid(&self, faults: Vec<(Range<usize>, Finding)>, warnings: Vec<Problem>) -> Error {
        let mut problems: Vec<Problem> = faults
            .into_iter()
            .map(|(place, mut fault)| {
                let variables = self.expanded.variables(&place);
                if !variables.is_empty() {
                    fault.hint = Some(format!("{} was expanded here", variables.join(" and ")));
                }
                self.problem(place.start, fault)
            })
            .collect();
        in_order(&mut problems);
        Error::Invalid {
            file: self.file.to_owned(),
            problems,
            warnings,
        }
    }

    fn problem(&self, offset: usize, finding: Finding) -> Problem {
        Problem {
            file: self.file.to_owned(),
            path: finding.path,
            line: self.expanded.line(offset),
            message: finding.message,
            hint: finding.hint,
            is_unknown_key: finding.is_unknown_key,
        }
    }
}

/// One warning that names those sections of the file that nothing acts on yet.
fn sections_without_effect(value: &Value) -> Option<Finding> {
    let mut sections = WITHOUT_EFFECT.into_iter().filter(|path| {
        path.split('.')
            .try_fold(value, |value, key| value.get(key))
            .is_some()
    });
    let first = sections.next()?;
    let others: Vec<String> = sections.map(|section| format!("`{section}`")).collect();
    let mut message = "checked, but without effect in this version".to_owned();
    if !others.is_empty() {
        message.push_str("; the same holds for ");
        message.push_str(&others.join(", "));
    }
    Some(Finding::new(first, message))
}

fn unknown_runners(config: &Config) -> impl Iterator<Item = Finding> {
    config.unknown_runners().map(|name| {
        Finding::new(
            format!("jobs.runners.{name}"),
            "there is no such runner, so this is without effect",
        )
    })
}

/// Deserialises `value` over the defaults; what does not fit becomes a fault.
fn deserialize(mut value: Value, faults: &mut Faults) -> Config {
    let defaults = serde_json::to_value(Config::default()).expect("plain data with text keys");
    for _ in 0..PROBLEMS_MAX {
        let mut merged = defaults.clone();
        lay_over(&mut merged, &value);
        let error = match serde_path_to_error::deserialize::<_, Config>(merged) {
            Ok(config) => return config,
            Err(error) => error,
        };
        let path = path_of(error.path());
        faults.add(Finding::new(
            path,
            in_words_of_json(&error.inner().to_string()),
        ));
        if !remove(&mut value, error.path()) {
            break;
        }
    }
    Config::default() // There are problems, so nobody sees it.
}

/// Says what serde said in the words of JSON and in the order of the other messages.
fn in_words_of_json(message: &str) -> String {
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("the key {key} is missing");
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return format!("unknown word {rest}");
    }
    let mismatch = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, expected)) = mismatch.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    let expected = match expected {
        "u32" | "i32" => "a whole number",
        "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        "a boolean" => "`true` or `false`",
        "a string" => "a text",
        other => other,
    };
    let found = match found.split_once(' ') {
        Some(("integer", number)) => format!("the number {number}"),
        Some(("floating", number)) => format!("the number {}", number.trim_start_matches("point ")),
        Some(("string", text)) => format!("the text {text}"),
        Some(("boolean", value)) => value.to_owned(),
        _ if found == "map" => "an object".to_owned(),
        _ if found == "sequence" => "a list".to_owned(),
        _ => found.to_owned(),
    };
    format!("expected {expected}, found {found}")
}

/// Lays the members of `over` over those of `under`, object by object.
fn lay_over(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, over) in over {
                lay_over(under.entry(key).or_insert(Value::Null), over);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// The path as far as it consists of keys and elements.
fn path_of(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    for step in path {
        text = match step {
            Segment::Map { key } => tree::member(&text, key),
            Segment::Seq { index } => tree::element(&text, *index),
            Segment::Enum { .. } | Segment::Unknown => break,
        };
    }
    text
}

/// Takes the innermost member on the way to `path` out of `value`; false if there is none.
///
/// An element of a list takes the whole list with it, so that the others keep their numbers.
fn remove(value: &mut Value, path: &serde_path_to_error::Path) -> bool {
    let mut steps = path.iter();
    let keys = path
        .iter()
        .rposition(|step| matches!(step, Segment::Map { .. }));
    let Some(last) = keys else { return false };
    let mut node = value;
    for step in steps.by_ref().take(last) {
        let next = match step {
            Segment::Map { key } => node.get_mut(key),
            Segment::Seq { index } => node.get_mut(*index),
            Segment::Enum { .. } | Segment::Unknown => return false,
        };
        match next {
            Some(next) => node = next,
            None => return false,
        }
    }
    match (steps.next(), node) {
        (Some(Segment::Map { key }), Value::Object(members)) => members.remove(key).is_some(),
        _ => false,
    }
}
