//! XML with positions: reads a file within limits and gives its elements, texts and places.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roxmltree::Node;

use super::error::{Error, Warning};
use super::interpolation::{Expanded, Nested, expand};
use crate::xml::{self, Fault, Limits};

/// Largest file: settings of large companies have some ten kilobytes.
const BYTES_MAX: u64 = 1024 * 1024;

/// Most elements, texts and comments in a file, for the same reason. Attributes are of the outermost
/// element, and of configuration that is for other programs.
const LIMITS: Limits = Limits {
    nodes: 50_000,
    attributes: 512,
};

/// A file that was read.
#[derive(PartialEq, Eq)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    /// Reads a file whole; nothing if it does not exist. Bytes are UTF-8, with or without a mark.
    pub(super) fn read(path: &Path) -> Result<Option<Arc<Self>>, Error> {
        let failed = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let file = match fs_err::File::open(path) {
            Ok(file) => file,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(Error::TooLarge {
                path: path.to_owned(),
                limit: BYTES_MAX,
            });
        }
        let found = xml::text_of(&bytes).map(str::len);
        let valid_bytes = match &found {
            Ok(length) => *length,
            Err(not_utf_8) => not_utf_8.valid_bytes,
        };
        let valid = xml::without_mark(&bytes).get(..valid_bytes);
        let text = str::from_utf8(valid.unwrap_or_default()).expect("it was found valid so far");
        let source = Arc::new(Self {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        if found.is_err() {
            return Err(source.syntax_error(valid_bytes, "expected text in UTF-8"));
        }
        Ok(Some(source))
    }

    /// Parses the text as XML whose outermost element is `root`, and gives that to `take`.
    pub(super) fn parse<T>(
        self: &Arc<Self>,
        root: &'static str,
        value_of: &dyn Fn(&str) -> Option<String>,
        take: impl FnOnce(Element<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let document = xml::parse(&self.text, LIMITS).map_err(|fault| match fault {
            Fault::Nodes => self.syntax_error(
                0,
                "expected settings, found more elements than any settings have",
            ),
            Fault::Attributes => self.syntax_error(
                0,
                "expected settings, found more attributes than any settings have",
            ),
            Fault::DocumentType { offset } => {
                self.syntax_error(offset, "a document type declaration is refused")
            }
            Fault::Syntax { offset, problem } => self.syntax_error(offset, problem),
        })?;
        let element = Element {
            node: document.root_element(),
            source: self,
            value_of,
        };
        if element.name() != root {
            return Err(Error::Root {
                place: element.place(),
                expected: root,
            });
        }
        take(element)
    }

    fn syntax_error(self: &Arc<Self>, offset: usize, problem: &'static str) -> Error {
        Error::Syntax {
            place: Place {
                source: Arc::clone(self),
                offset,
            },
            problem,
        }
    }
}

/// Where something stands in a file. Shown as `FILE:LINE:COLUMN`, both from 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    source: Arc<Source>,
    /// In bytes. Lines are counted only for those who want to know.
    offset: usize,
}

impl Place {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// Line and column, in characters, both from 1.
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        (line, column)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_and_column();
        write!(formatter, "{}:{line}:{column}", self.path().display())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// An element, without its namespace: Maven does not look at it either.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    node: Node<'a, 'a>,
    source: &'a Arc<Source>,
    value_of: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Element<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.node.tag_name().name()
    }

    pub(super) fn place(&self) -> Place {
        Place {
            source: Arc::clone(self.source),
            offset: self.node.range().start,
        }
    }

    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        self.node
            .children()
            .filter(Node::is_element)
            .map(move |node| Self { node, ..self })
    }

    /// The child of this name. A second one is an error, as it is to Maven.
    pub(super) fn child(self, name: &str) -> Result<Option<Self>, Error> {
        let mut children = self.children().filter(|child| child.name() == name);
        let first = children.next();
        match children.next() {
            None => Ok(first),
            Some(second) => Err(Error::Syntax {
                place: second.place(),
                problem: "expected another element: this one stands here twice",
            }),
        }
    }

    /// The children of the child of this name.
    pub(super) fn list(self, name: &str) -> Result<impl Iterator<Item = Self>, Error> {
        Ok(self.child(name)?.into_iter().flat_map(Self::children))
    }

    /// The element's own text with placeholders replaced, without blanks around it; none if empty.
    pub(super) fn text(self) -> Option<Text> {
        let written: String = self
            .node
            .children()
            .filter(Node::is_text)
            .filter_map(|node| node.text())
            .collect();
        let Expanded { text, unresolved } = expand(written.trim(), self.value_of, Nested::Literal);
        let element = self.name().to_owned();
        (!text.is_empty()).then(|| Text {
            value: text,
            unresolved,
            element,
            place: self.place(),
        })
    }

    /// The text of the child of this name.
    pub(super) fn value(self, name: &str) -> Result<Option<Text>, Error> {
        Ok(self.child(name)?.and_then(Self::text))
    }

    /// The text of the child of this name, which must be there.
    pub(super) fn required(self, name: &'static str) -> Result<Text, Error> {
        self.value(name)?.ok_or_else(|| Error::Absent {
            place: self.place(),
            element: name,
            parent: self.name().to_owned(),
        })
    }

    /// The truth value of the child of this name. As to Maven, all but `true` is false.
    pub(super) fn flag(
        self,
        name: &str,
        default: bool,
        warnings: &mut Vec<Warning>,
    ) -> Result<bool, Error> {
        let Some(text) = self.value(name)? else {
            return Ok(default);
        };
        let known = ["true", "false"]
            .iter()
            .any(|word| text.value.eq_ignore_ascii_case(word));
        if !known {
            warnings.push(text.unknown("false"));
        }
        Ok(text.value.eq_ignore_ascii_case("true"))
    }
}

/// A text out of a file, with what is needed to complain about it. May be a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// With placeholders replaced; those without a value are as they were written.
    pub(super) value: String,
    /// The name of the first placeholder without a value.
    unresolved: Option<String>,
    pub(super) element: String,
    pub(super) place: Place,
}

impl Text {
    /// The text, if all placeholders have a value.
    pub(super) fn known(&self) -> Result<&str, Error> {
        self.resolved(|name| Some(name.to_owned()))
    }

    /// The same for a text that may be a password: only what is surely a variable is named.
    pub(super) fn known_secret(&self) -> Result<&str, Error> {
        self.resolved(|name| {
            let variable = name.strip_prefix("env.")?;
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            variable.bytes().all(word).then(|| name.to_owned())
        })
    }

    fn resolved(&self, shown: impl Fn(&str) -> Option<String>) -> Result<&str, Error> {
        match &self.unresolved {
            None => Ok(&self.value),
            Some(name) => Err(Error::Unresolved {
                place: self.place.clone(),
                element: self.element.clone(),
                name: shown(name),
            }),
        }
    }

    /// Looks again for the placeholders that had no value, among properties of profiles, which hold
    /// further placeholders but no foreign texts.
    pub(super) fn expanded(&self, value_of: &dyn Fn(&str) -> Option<String>) -> Self {
        if self.unresolved.is_none() {
            return self.clone();
        }
        let Expanded { text, unresolved } = expand(&self.value, value_of, Nested::Reported);
        Self {
            value: text,
            unresolved,
            ..self.clone()
        }
    }

    pub(super) fn unexpected(&self, expected: &'static str) -> Error {
        Error::Unexpected {
            place: self.place.clone(),
            element: self.element.clone(),
            expected,
        }
    }

    pub(super) fn unknown(&self, taken: &'static str) -> Warning {
        Warning::UnknownValue {
            place: self.place.clone(),
            element: self.element.clone(),
            value: self.value.clone(),
            taken,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}]", self.place)
    }
}
