//! What the schema says about a parsed file: unknown and retired keys, ranges, unset paths.

use serde_json::{Map, Value};

use crate::config::expand;
use crate::config::problem::Finding;
use crate::config::schema::Node;
use crate::config::tree::{element, member};

/// The titles of values that count as absent while they hold an unset variable.
const UNSET_WITH_VARIABLE: [&str; 2] = ["path", "host name"];

/// Fewer letters in common than this and a known key is no likely meaning of an unknown one.
const SIMILARITY_MIN: f64 = 0.7;

/// What a review found.
#[derive(Debug, Default)]
pub(super) struct Review {
    /// What is doubtful; the keys are taken out of the value.
    pub(super) warnings: Vec<Finding>,
    /// What is wrong; the keys are taken out of the value.
    pub(super) faults: Vec<Finding>,
}

/// Reviews `value`, and takes out of it what does not count.
pub(super) fn review(value: &mut Value, document: &Value) -> Review {
    let mut review = Review::default();
    review.value(value, Node::root(document), "");
    review
}

/// Which members an object keeps.
enum Verdict {
    Keep,
    Drop,
}

impl Review {
    fn value(&mut self, value: &mut Value, node: Node<'_>, path: &str) {
        match value {
            Value::Object(members) => self.object(members, node, path),
            Value::Array(list) => {
                if let Some(elements) = node.elements() {
                    for (index, value) in list.iter_mut().enumerate() {
                        self.value(value, elements, &element(path, index));
                    }
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, members: &mut Map<String, Value>, node: Node<'_>, path: &str) {
        members.retain(|key, value| {
            let path = member(path, key);
            match node.member(key) {
                None => {
                    if let Some(known) = node.keys() {
                        self.unknown(&path, key, known);
                    }
                    node.keys().is_none()
                }
                Some(node) => match self.member(value, node, &path) {
                    Verdict::Keep => {
                        self.value(value, node, &path);
                        true
                    }
                    Verdict::Drop => false,
                },
            }
        });
    }

    fn unknown(&mut self, path: &str, key: &str, known: &Map<String, Value>) {
        let nearest = known
            .iter()
            .filter(|(_, schema)| schema.get("deprecated").is_none())
            .map(|(name, _)| {
                (
                    strsim::jaro_winkler(&key.to_lowercase(), &name.to_lowercase()),
                    name,
                )
            })
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN);
        self.warnings.push(Finding {
            hint: nearest.map(|(_, name)| format!("the nearest known key is `{name}`")),
            is_unknown_key: true,
            ..Finding::new(path, "unknown key, without effect")
        });
    }

    fn member(&mut self, value: &Value, node: Node<'_>, path: &str) -> Verdict {
        let finding = |message: String| Finding::new(path, message);
        if node.keyword("deprecated").is_some() {
            let message = node.keyword("description").and_then(Value::as_str);
            self.warnings
                .push(finding(message.unwrap_or_default().to_owned()));
            return Verdict::Drop;
        }
        let title = node
            .keyword("title")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(text) = value.as_str()
            && UNSET_WITH_VARIABLE.contains(&title)
            && let Some(variable) = expand::first_reference(text)
        {
            self.warnings.push(finding(format!(
                "counts as not given: `{variable}` is not set"
            )));
            return Verdict::Drop;
        }
        match out_of_range(value, node) {
            None => Verdict::Keep,
            Some(message) => {
                self.faults.push(finding(message));
                Verdict::Drop
            }
        }
    }
}

/// What the limits of the schema say against `value`.
fn out_of_range(value: &Value, node: Node<'_>) -> Option<String> {
    let limit = |keyword| node.keyword(keyword).and_then(Value::as_f64);
    match value {
        Value::Number(number) => {
            let (min, max) = (limit("minimum")?, limit("maximum")?);
            let fits = (min..=max).contains(&number.as_f64()?);
            (!fits).then(|| format!("expected a number from {min} to {max}, found {number}"))
        }
        Value::Array(_) if node.keys().is_some() => {
            Some("expected an object, found a list".to_owned()) // Serde would take it by position.
        }
        Value::Array(list) => {
            (limit("minItems").is_some() && list.is_empty()).then(|| "the list is empty".to_owned())
        }
        Value::String(text) => (limit("minLength").is_some() && text.is_empty())
            .then(|| "the text is empty".to_owned()),
        _ => None,
    }
}
