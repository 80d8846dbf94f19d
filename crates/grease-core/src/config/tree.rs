//! The config file's text as a value in which every key knows its place.

use std::collections::BTreeMap;
use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::{Map, Number, Value};

use crate::config::problem::Finding;

/// What a comment's key begins with.
const COMMENT: char = '_';

/// JSON as the standard has it: RFC 8259.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// A finding at a byte offset of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    /// Where in the text.
    pub(super) offset: usize,
    /// What there is to say.
    pub(super) finding: Finding,
}

/// A parsed text without its comments.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The value; members that are `null` are left out.
    pub(super) value: Value,
    /// Where each member, with its key, and each element stands, by path.
    places: BTreeMap<String, Range<usize>>,
    /// Keys that are given twice.
    pub(super) repeated: Vec<Remark>,
    /// Numbers that cannot be represented.
    pub(super) faults: Vec<Finding>,
}

impl Tree {
    /// Where the value at `path`, or the nearest around it that the text has, stands.
    pub(super) fn place(&self, path: &str) -> Range<usize> {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return place.clone();
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).expect("found there"),
                None => return 0..0,
            }
        }
    }
}

/// The path of the member `key` of the object at `path`.
pub(super) fn member(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The path of the element `index` of the list at `path`.
pub(super) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// Parses strict JSON; of a key that repeats the last counts, as in Python.
pub(super) fn parse(text: &str) -> Result<Tree, Remark> {
    let remark = |offset, message: String| Remark {
        offset,
        finding: Finding::new("", message),
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let message = error.kind().to_string();
        remark(
            error.range().start,
            format!("not JSON: {}", lower_first(&message)),
        )
    })?;
    let Some(root) = parsed.value else {
        let message = "not JSON: the file is empty, and the smallest config is `{}`";
        return Err(remark(0, message.to_owned()));
    };
    let mut tree = Tree::default();
    tree.value = tree.convert(&root, "");
    Ok(tree)
}

impl Tree {
    fn convert(&mut self, node: &ast::Value<'_>, path: &str) -> Value {
        match node {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
            ast::Value::StringLit(literal) => Value::String(literal.value.to_string()),
            ast::Value::NumberLit(literal) => self.number(literal, path),
            ast::Value::Array(list) => {
                let elements = list.elements.iter().enumerate().map(|(index, node)| {
                    let path = element(path, index);
                    self.places.insert(path.clone(), node.start()..node.end());
                    self.convert(node, &path)
                });
                Value::Array(elements.collect())
            }
            ast::Value::Object(object) => self.object(object, path),
        }
    }

    fn object(&mut self, object: &ast::Object<'_>, path: &str) -> Value {
        let mut last = BTreeMap::new();
        for property in &object.properties {
            let name = property.name.as_str();
            if name.starts_with(COMMENT) {
                continue;
            }
            if let Some(earlier) = last.insert(name, property) {
                let message = "given again further down; the last one counts";
                self.repeated.push(Remark {
                    offset: earlier.start(),
                    finding: Finding::new(member(path, name), message),
                });
            }
        }
        let mut members = Map::new();
        for (name, property) in last {
            let path = member(path, name);
            self.places
                .insert(path.clone(), property.start()..property.end());
            let value = self.convert(&property.value, &path);
            if !value.is_null() {
                members.insert(name.to_owned(), value);
            }
        }
        Value::Object(members)
    }

    fn number(&mut self, literal: &ast::NumberLit<'_>, path: &str) -> Value {
        if let Ok(number) = literal.value.parse::<Number>() {
            return Value::Number(number);
        }
        let message = format!("`{}` is too large for a number", literal.value);
        self.faults.push(Finding::new(path, message));
        Value::Null
    }
}

/// Whether `inner` is `path` or lies in it.
pub(super) fn within(inner: &str, path: &str) -> bool {
    inner
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || path.is_empty() || rest.starts_with(['.', '[']))
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_ascii_lowercase().to_string() + characters.as_str())
        .unwrap_or_default()
}
