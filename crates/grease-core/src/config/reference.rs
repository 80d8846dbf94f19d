//! `docs/config.md`: all keys in tables, made from the schema and the defaults.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::schema::{Node, schema};
use crate::config::{Config, tree};

/// What stands before the tables.
const HEAD: &str = include_str!("reference.md");

/// The text of `docs/config.md`.
pub fn reference() -> String {
    let document = schema();
    let defaults = serde_json::to_value(Config::default()).expect("plain data with text keys");
    let root = Node::root(&document);
    let mut text = HEAD.to_owned();
    for (key, node) in root.members() {
        let mut section = Section::default();
        section.rows(node, key, defaults.get(key));
        let heading = format!("\n## `{key}`\n\n{}\n", description(node));
        text.push_str(&heading);
        if !section.rows.is_empty() {
            text.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
            text.push_str(&section.rows);
        }
    }
    text
}

/// The table of a section.
#[derive(Default)]
struct Section {
    rows: String,
    told: BTreeSet<(String, String)>,
}

impl Section {
    /// Adds the rows for what lies in the object, list or map at `path`.
    fn rows(&mut self, node: Node<'_>, path: &str, default: Option<&Value>) {
        if let Some(elements) = node.elements().filter(|elements| elements.keys().is_some()) {
            self.rows(elements, &format!("{path}[]"), None);
        } else if node.keys().is_some() {
            self.members(node, path, default);
        } else if let Some(values) = node.values() {
            self.rows(values, &tree::member(path, "NAME"), None);
        }
    }

    fn members(&mut self, node: Node<'_>, path: &str, default: Option<&Value>) {
        let mut repeated = Vec::new();
        for (key, member) in node.members() {
            let default = default.and_then(|default| default.get(key));
            let told = (key.to_owned(), description(member));
            if default.is_none() && self.told.contains(&told) {
                repeated.push(format!("`{key}`"));
                continue;
            }
            self.told.insert(told);
            let path = tree::member(path, key);
            self.row(member, &path, default);
            self.rows(member, &path, default);
        }
        if !repeated.is_empty() {
            let keys = repeated.join(", ");
            let row = format!("| `{path}` | | | also, as above: {keys} |\n");
            self.rows.push_str(&row);
        }
    }

    fn row(&mut self, node: Node<'_>, path: &str, default: Option<&Value>) {
        let default = match default {
            None | Some(Value::Null) => String::new(),
            Some(Value::Object(_)) if node.keys().is_some() => String::new(), // Key by key below.
            Some(value) => format!("`{value}`"),
        };
        let row = format!(
            "| `{path}` | {} | {default} | {} |\n",
            kind(node),
            description(node)
        );
        self.rows.push_str(&row);
    }
}

fn description(node: Node<'_>) -> String {
    let text = node.keyword("description").and_then(Value::as_str);
    text.unwrap_or_default().replace('\n', " ")
}

/// What may be written, in a few words.
fn kind(node: Node<'_>) -> String {
    if let Some(title) = node.keyword("title").and_then(Value::as_str) {
        return title.to_owned();
    }
    let words = node.words();
    if !words.is_empty() {
        return words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let limit = |keyword| node.keyword(keyword).and_then(Value::as_f64);
    let range = match (limit("minimum"), limit("maximum")) {
        (Some(min), Some(max)) => format!(", {min} to {max}"),
        _ => String::new(),
    };
    match node.type_name() {
        Some("boolean") => "true or false".to_owned(),
        Some("integer") => format!("whole number{range}"),
        Some("number") => format!("number{range}"),
        Some("string") => "text".to_owned(),
        Some("array") => "list".to_owned(),
        Some("object") => "object".to_owned(),
        _ => String::new(),
    }
}
