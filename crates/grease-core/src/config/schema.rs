//! The JSON Schema of the config file, made from the types.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::config::Config;

/// Keys of 2014 that nothing acts on any more: section (empty for the top), key, what to say.
const RETIRED: [(&str, &str, &str); 4] = [
    (
        "",
        "extra_runners",
        "no longer has an effect: a runner of the site is an entry of `runners`",
    ),
    (
        "launch",
        "launcher_class",
        "no longer has an effect: the store is the directory `launch.crontab_repository_dir`",
    ),
    (
        "launch",
        "zookeeper",
        "no longer has an effect: the store is the directory `launch.crontab_repository_dir`",
    ),
    (
        "launch",
        "kafka_launcher_topic",
        "no longer has an effect: the store is the directory `launch.crontab_repository_dir`",
    ),
];

/// The JSON Schema (draft 2020-12) of the config file.
///
/// Keys that nothing acts on any more stand in it as `deprecated`.
pub fn schema() -> Value {
    let mut schema = generator().into_root_schema_for::<Config>();
    add_retired(&mut schema);
    RecursiveTransform(close).transform(&mut schema);
    schema.to_value()
}

/// The same out of `conf/scalegrease.schema.json`, which `cargo xtask docs` writes and a test
/// holds to the types: every start of a job needs it, and reading costs less than making it.
pub(super) fn written() -> Value {
    const FILE: &str = include_str!("../../../../conf/scalegrease.schema.json");
    serde_json::from_str(FILE).expect("`cargo xtask docs` writes JSON")
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

fn add_retired(schema: &mut Schema) {
    for (section, key, message) in RETIRED {
        let pointer = match section {
            "" => "/properties".to_owned(),
            section => format!("/$defs/{}/properties", definition(section)),
        };
        schema
            .pointer_mut(&pointer)
            .and_then(Value::as_object_mut)
            .expect("the types have the section")
            .insert(
                key.to_owned(),
                json!({ "deprecated": true, "description": message }),
            );
    }
}

fn definition(section: &str) -> String {
    let mut characters = section.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// Lets every object have comments, and one with named keys no others.
fn close(schema: &mut Schema) {
    let is_object = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(|name| name == "object"),
        one => one.is_some_and(|name| name == "object"),
    };
    if !is_object {
        return;
    }
    schema.insert("patternProperties".to_owned(), json!({ "^_": true }));
    if schema.get("additionalProperties").is_none() {
        if schema.get("properties").is_none() {
            schema.insert("properties".to_owned(), json!({}));
        }
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
}

/// A schema in the document it stands in.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    document: &'a Value,
    node: &'a Value,
}

impl<'a> Node<'a> {
    /// The schema of the whole file.
    pub(super) fn root(document: &'a Value) -> Self {
        Self {
            document,
            node: document,
        }
    }

    /// The keys of an object with named keys.
    pub(super) fn keys(self) -> Option<&'a Map<String, Value>> {
        self.target().get("properties").and_then(Value::as_object)
    }

    /// The schema of the member `key`.
    pub(super) fn member(self, key: &str) -> Option<Self> {
        let target = self.target();
        target
            .get("properties")
            .and_then(|keys| keys.get(key))
            .or_else(|| {
                target
                    .get("additionalProperties")
                    .filter(|schema| schema.is_object())
            })
            .map(|node| self.at(node))
    }

    /// The named keys of an object with their schemas, in the order of the alphabet.
    pub(super) fn members(self) -> impl Iterator<Item = (&'a str, Self)> {
        let keys = self.keys().into_iter().flatten();
        keys.map(move |(key, node)| (key.as_str(), self.at(node)))
    }

    /// The schema of the values of an object with free keys.
    pub(super) fn values(self) -> Option<Self> {
        let values = self.target().get("additionalProperties")?;
        values.is_object().then(|| self.at(values))
    }

    /// The words that an enumeration allows; empty for other types.
    pub(super) fn words(self) -> Vec<&'a str> {
        let target = self.target();
        let listed = target
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let described = target
            .get("oneOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        listed
            .chain(described.filter_map(|word| word.get("const")))
            .filter_map(Value::as_str)
            .collect()
    }

    /// The JSON type, if there is one beside `null`.
    pub(super) fn type_name(self) -> Option<&'a str> {
        match self.target().get("type")? {
            Value::String(name) => Some(name),
            Value::Array(names) => names
                .iter()
                .filter_map(Value::as_str)
                .find(|name| *name != "null"),
            _ => None,
        }
    }

    /// The schema of a list's elements.
    pub(super) fn elements(self) -> Option<Self> {
        self.target().get("items").map(|node| self.at(node))
    }

    /// A keyword of the schema, such as `title` or `minimum`; what stands beside a reference
    /// goes before what it refers to.
    pub(super) fn keyword(self, name: &str) -> Option<&'a Value> {
        self.node.get(name).or_else(|| self.target().get(name))
    }

    fn at(self, node: &'a Value) -> Self {
        Self { node, ..self }
    }

    /// The schema without references and without the alternative `null`.
    fn target(self) -> &'a Value {
        let mut node = self.node;
        while let Some(next) = self.step(node) {
            node = next;
        }
        node
    }

    fn step(self, node: &'a Value) -> Option<&'a Value> {
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            return self.document.pointer(reference.strip_prefix('#')?);
        }
        let alternatives = node.get("anyOf")?.as_array()?;
        alternatives
            .iter()
            .find(|alternative| alternative.get("type").and_then(Value::as_str) != Some("null"))
    }
}
