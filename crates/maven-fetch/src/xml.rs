//! XML from elsewhere: which bytes are text, and how it is parsed without a stall.
//!
//! The parser builds its tree without recursion and refuses entities. But it compares each
//! attribute with all others of its element, looks for each name among all namespaces that are
//! declared around it, and reserves memory for each `<` and `=` before it looks at any. So the text
//! is looked at first: what has more of these than any real file is not parsed.

use roxmltree::{Document, Error, ParsingOptions};

/// The mark that may stand before UTF-8.
const MARK: &str = "\u{feff}";

/// Within how many bytes an encoding is declared: real declarations have about 60.
const DECLARATION_BYTES_MAX: usize = 256;

/// What stands between the name of an attribute and its value.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// How much there is at most in a document of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Elements, texts and comments.
    pub(crate) nodes: u32,
    /// Attributes, with those that declare namespaces.
    pub(crate) attributes: usize,
}

/// Why a text is not read as XML. Holds nothing of the text, which may be a password or very long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has more nodes than the limit.
    Nodes,
    /// It has more attributes than the limit.
    Attributes,
    /// It declares a document type, which is where entities come from.
    DocumentType {
        /// Where, in bytes.
        offset: usize,
    },
    /// It is not well-formed.
    Syntax {
        /// Where, in bytes.
        offset: usize,
        /// What is expected there.
        problem: &'static str,
    },
}

/// Why bytes are not text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotUtf8 {
    /// How many bytes are, after the mark.
    pub(crate) valid_bytes: usize,
    /// What they are instead, as declared or by the look of the first ones.
    pub(crate) encoding: Option<String>,
}

/// Takes UTF-8, with or without a mark.
///
/// What is declared to be in another encoding is taken if all of it is ASCII and the encoding
/// includes that: then it is the same text.
pub(crate) fn text_of(bytes: &[u8]) -> Result<&str, NotUtf8> {
    let bytes = without_mark(bytes);
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'<', ..] | [b'<', 0, ..] = bytes {
        return Err(NotUtf8 {
            valid_bytes: 0,
            encoding: Some("UTF-16".to_owned()),
        });
    }
    let declared = declared_encoding(bytes);
    let valid_bytes = match (str::from_utf8(bytes), declared) {
        (Ok(text), None) => return Ok(text),
        (Ok(text), Some(encoding)) if text.is_ascii() && includes_ascii(encoding) => {
            return Ok(text);
        }
        (Ok(text), Some(_)) => text
            .find(|character: char| !character.is_ascii())
            .unwrap_or(0),
        (Err(error), _) => error.valid_up_to(),
    };
    Err(NotUtf8 {
        valid_bytes,
        encoding: declared.map(str::to_owned),
    })
}

/// The bytes after the mark, if there is one.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK.as_bytes()).unwrap_or(bytes)
}

/// The encoding that the first line declares, if it is not UTF-8.
fn declared_encoding(bytes: &[u8]) -> Option<&str> {
    let begin = bytes.get(..DECLARATION_BYTES_MAX).unwrap_or(bytes);
    let end = begin.windows(2).position(|pair| pair == b"?>")?;
    let declaration = str::from_utf8(begin.get(..end)?).ok()?;
    let (_, after) = declaration.strip_prefix("<?xml")?.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let name = value.split(['"', '\'']).nth(1)?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let is_utf_8 = ["UTF-8", "UTF8"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    (is_name && !is_utf_8).then_some(name)
}

fn includes_ascii(encoding: &str) -> bool {
    let family = encoding.get(..3).unwrap_or_default();
    !["UTF", "UCS"]
        .iter()
        .any(|wide| family.eq_ignore_ascii_case(wide))
}

/// Parses a text within limits; document types, and with them entities, are refused.
pub(crate) fn parse(text: &str, limits: Limits) -> Result<Document<'_>, Fault> {
    let nodes = limits.nodes as usize;
    // Twice, since an element has a tag at both ends.
    if text.bytes().filter(|byte| b"<=".contains(byte)).count() / 2 > nodes {
        return Err(Fault::Nodes);
    }
    let attributes = text.split('=').skip(1).filter(|after| begins_value(after));
    if attributes.take(limits.attributes + 1).count() > limits.attributes {
        return Err(Fault::Attributes);
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: limits.nodes,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| fault(text, &error))
}

/// Whether what follows a `=` can be the value of an attribute. Texts and comments may look so too.
fn begins_value(after: &str) -> bool {
    after.trim_start_matches(BLANKS).starts_with(['"', '\''])
}

/// Says what is wrong without the parser's own words, which quote the text.
fn fault(text: &str, error: &Error) -> Fault {
    let end = text.len();
    let position = error.pos();
    let there = offset(text, position.row as usize, position.col as usize);
    let (offset, problem) = match error {
        Error::NodesLimitReached => return Fault::Nodes,
        Error::AttributesLimitReached | Error::NamespacesLimitReached => return Fault::Attributes,
        Error::DtdDetected => {
            let offset = text.find("<!DOCTYPE").unwrap_or(0);
            return Fault::DocumentType { offset };
        }
        Error::NoRootNode => (0, "expected an element"),
        Error::UnclosedRootNode | Error::UnexpectedEndOfStream => (
            end,
            "expected the end of an element, found the end of the file",
        ),
        Error::UnexpectedCloseTag(..) => (there, "expected the end of another element"),
        Error::UnknownEntityReference(..) | Error::MalformedEntityReference(..) => (
            there,
            "expected one of the five entities of XML: `&` is written `&amp;`",
        ),
        Error::NonXmlChar(..) => (there, "expected a character that XML allows"),
        _ => (there, "expected well-formed XML"),
    };
    Fault::Syntax { offset, problem }
}

/// The byte at a line and column, both from 1, the column in characters.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let lines_before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let before: usize = lines_before.map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    let characters_before = rest.chars().take(column.saturating_sub(1));
    before + characters_before.map(char::len_utf8).sum::<usize>()
}
