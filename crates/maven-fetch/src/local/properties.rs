//! Text in the form of `java.util.Properties`: what Maven keeps beside artifacts.
//!
//! The rules are those of the class: Latin-1, `\uXXXX` for the rest (UTF-16), a backslash before
//! what separates, lines continued by a backslash at their end, `#` and `!` for comments.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;

/// Keys and values in the order in which they stand. Comments are not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Properties(Vec<(String, String)>);

impl Properties {
    /// Reads what it can: a malformed escape, as a crash may leave it, stands for itself.
    ///
    /// The last one of equal keys counts.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for line in logical_lines(bytes) {
            let (key, value) = split(&line);
            let (key, value) = (unescape(key), unescape(value));
            match places.entry(key.clone()) {
                Entry::Occupied(place) => pairs[*place.get()].1 = value,
                Entry::Vacant(place) => {
                    place.insert(pairs.len());
                    pairs.push((key, value));
                }
            }
        }
        Self(pairs)
    }

    /// Writes it with a comment in front.
    pub(super) fn print(&self, comment: &str) -> String {
        let mut text = format!("#{comment}\n");
        for (key, value) in &self.0 {
            escape(key, Blanks::All, &mut text);
            text.push('=');
            escape(value, Blanks::Leading, &mut text);
            text.push('\n');
        }
        text
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| *known == key)
            .map(|(_, value)| value)
    }

    /// Sets the value of a key, in its place if it is there.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((key.to_owned(), value.to_owned())),
        }
    }

    /// Removes the keys that `unwanted` names.
    pub(super) fn remove(&mut self, unwanted: impl Fn(&str) -> bool) {
        self.0.retain(|(key, _)| !unwanted(key));
    }

    /// All keys and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Joins continued lines; leaves out blank ones and comments.
fn logical_lines(bytes: &[u8]) -> Vec<Vec<char>> {
    let mut lines = Vec::new();
    let mut begun = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (natural, after) = rest.split_at(end.unwrap_or(rest.len()));
        let after_pair = after.strip_prefix(b"\r\n");
        rest = after_pair.unwrap_or(after.get(1..).unwrap_or_default());
        let start = natural.iter().position(|byte| !is_blank(char::from(*byte)));
        let line = &natural[start.unwrap_or(natural.len())..];
        if begun.is_empty() && line.first().is_none_or(|byte| matches!(byte, b'#' | b'!')) {
            continue;
        }
        let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
        let is_continued = backslashes % 2 == 1;
        let text = &line[..line.len() - usize::from(is_continued)];
        begun.extend(text.iter().map(|byte| char::from(*byte)));
        if !is_continued || end.is_none() {
            lines.push(std::mem::take(&mut begun));
        }
    }
    if !begun.is_empty() {
        lines.push(begun);
    }
    lines
}

/// Splits a line at the first separator that has no backslash in front.
fn split(line: &[char]) -> (&[char], &[char]) {
    let mut is_escaped = false;
    let end = line.iter().position(|character| {
        let ends = !is_escaped && (is_blank(*character) || matches!(character, '=' | ':'));
        is_escaped = !is_escaped && *character == '\\';
        ends
    });
    let Some(end) = end else { return (line, &[]) };
    let (key, rest) = line.split_at(end);
    let rest = trim_start(rest);
    let rest = rest
        .strip_prefix(&['='])
        .or_else(|| rest.strip_prefix(&[':']))
        .unwrap_or(rest);
    (key, trim_start(rest))
}

fn unescape(text: &[char]) -> String {
    let mut units = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut buffer = [0; 2];
    while let Some((first, after)) = rest.split_first() {
        let (character, after) = match (first, after.split_first()) {
            ('\\', Some(('u', digits))) if let Some(unit) = hexadecimal(digits) => {
                units.push(unit);
                rest = &digits[4..];
                continue;
            }
            ('\\', Some((escaped, after))) => (unescaped(*escaped), after),
            (plain, _) => (*plain, after),
        };
        rest = after;
        units.extend_from_slice(character.encode_utf16(&mut buffer));
    }
    String::from_utf16_lossy(&units)
}

/// What a character behind a backslash stands for.
fn unescaped(character: char) -> char {
    match character {
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'f' => '\x0C',
        other => other,
    }
}

/// Reads four hexadecimal digits.
fn hexadecimal(text: &[char]) -> Option<u16> {
    text.get(..4)?.iter().try_fold(0, |number, digit| {
        Some(number << 4 | u16::try_from(digit.to_digit(16)?).expect("a digit is below 16"))
    })
}

/// Which blanks get a backslash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blanks {
    All,
    Leading,
}

fn escape(text: &str, blanks: Blanks, out: &mut String) {
    for (index, character) in text.chars().enumerate() {
        match character {
            ' ' if blanks == Blanks::All || index == 0 => out.push_str("\\ "),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\x0C' => out.push_str("\\f"),
            '\\' | '=' | ':' | '#' | '!' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04X}").expect("a string takes all");
                }
            }
        }
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\x0C')
}

fn trim_start(text: &[char]) -> &[char] {
    let start = text.iter().position(|character| !is_blank(*character));
    &text[start.unwrap_or(text.len())..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    fn parsed(text: &[u8]) -> Vec<(String, String)> {
        Properties::parse(text).0
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn what_maven_writes_is_read() {
        let text = b"#NOTE: This is a Maven Resolver internal implementation file\n\
            #Tue Nov 24 01:53:53 UTC 2026\n\
            app-1.0.jar>corp=\n\
            maven-metadata-corp.xml/@default-corp-http\\://host\\:80/.lastUpdated=1700000000000\n\
            maven-metadata-corp.xml.error=Could not transfer\\: status 503 = bad\n";
        assert_eq!(
            parsed(text),
            [
                pair("app-1.0.jar>corp", ""),
                pair(
                    "maven-metadata-corp.xml/@default-corp-http://host:80/.lastUpdated",
                    "1700000000000"
                ),
                pair(
                    "maven-metadata-corp.xml.error",
                    "Could not transfer: status 503 = bad"
                ),
            ]
        );
    }

    #[test]
    fn every_form_that_the_java_class_reads_is_read_alike() {
        for (text, expected) in [
            (&b"a=b"[..], vec![pair("a", "b")]),
            (b"  a \t: b \r\n", vec![pair("a", "b ")]),
            (b"a b c", vec![pair("a", "b c")]),
            (b"a", vec![pair("a", "")]),
            (b"a==b", vec![pair("a", "=b")]),
            (b"a\\ b\\=c=d", vec![pair("a b=c", "d")]),
            (b"a=b\\\n   c", vec![pair("a", "bc")]),
            (b"a=b\\\r\n   c", vec![pair("a", "bc")]),
            (b"a=b\\\n\r c=d", vec![pair("a", "b"), pair("c", "d")]),
            (b"\\\n\na=b", vec![pair("a", "b")]),
            (b"a=b\\\\\nc=d", vec![pair("a", "b\\"), pair("c", "d")]),
            (
                b"a=\\u00e9\\uD83D\\uDE00\xe9",
                vec![pair("a", "\u{e9}\u{1f600}\u{e9}")],
            ),
            (b"a=\\t\\n\\r\\f\\z", vec![pair("a", "\t\n\r\x0Cz")]),
            (b"a=1\na=2", vec![pair("a", "2")]),
            (b"! no\n # no\n\na=#yes", vec![pair("a", "#yes")]),
            (b"a=b\\", vec![pair("a", "b")]),
        ] {
            assert_eq!(parsed(text), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_file_with_hundreds_of_thousands_of_keys_does_not_stall() {
        let mut text = String::new();
        for number in 0..400_000 {
            writeln!(text, "app-{number:06}.jar>corp=").unwrap();
        }
        let properties = Properties::parse((text.clone() + &text).as_bytes());
        assert_eq!(properties.iter().count(), 400_000);
        assert_eq!(properties.iter().last(), Some(("app-399999.jar>corp", "")));
    }

    #[test]
    fn a_half_written_escape_loses_nothing_else() {
        assert_eq!(parsed(b"a=1\nb=\\u00"), [pair("a", "1"), pair("b", "u00")]);
        assert_eq!(
            parsed(b"b=\\uzzzz1\na=1"),
            [pair("b", "uzzzz1"), pair("a", "1")]
        );
    }

    #[test]
    fn what_is_printed_is_escaped_as_the_java_class_does() {
        let mut properties = Properties::default();
        properties.set("a b:c", "  x=#!\\\u{e9}\u{1f600}\t");
        assert_eq!(
            properties.print("note"),
            "#note\na\\ b\\:c=\\  x\\=\\#\\!\\\\\\u00E9\\uD83D\\uDE00\\t\n"
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_the_same(pairs in proptest::collection::vec(any::<(String, String)>(), 0..6)) {
            let mut properties = Properties::default();
            for (key, value) in &pairs {
                properties.set(key, value);
            }
            prop_assert_eq!(Properties::parse(properties.print("comment").as_bytes()), properties);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>()) {
            Properties::parse(&bytes);
        }
    }
}
