//! Environment variables in the text of the config file.

use std::ops::Range;

use crate::sys::env::Env;

/// A text after expansion, which remembers what came from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expanded {
    /// The text.
    pub(super) text: String,
    pieces: Vec<Piece>,
}

/// A variable's value in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    name: String,
    range: Range<usize>,
}

impl Expanded {
    /// The line, from 1, of the original text at the byte `offset` of the expanded one.
    pub(super) fn line(&self, offset: usize) -> usize {
        let bytes = self.text.as_bytes();
        let newlines = |range: Range<usize>| {
            let lines = bytes
                .get(range)
                .unwrap_or(bytes)
                .split(|byte| *byte == b'\n');
            lines.count() - 1
        };
        let inserted: usize = self
            .pieces
            .iter()
            .take_while(|piece| piece.range.start < offset)
            .map(|piece| newlines(piece.range.start..piece.range.end.min(offset)))
            .sum();
        1 + newlines(0..offset) - inserted
    }

    /// The variables, as `` `$NAME` ``, that were expanded on the lines of `range`.
    pub(super) fn variables(&self, range: &Range<usize>) -> Vec<String> {
        let lines = self.line(range.start)..=self.line(range.end);
        let mut names: Vec<String> = self
            .pieces
            .iter()
            .filter(|piece| lines.contains(&self.line(piece.range.start)))
            .map(|piece| format!("`${}`", piece.name))
            .collect();
        names.dedup();
        names
    }
}

/// Replaces `$NAME` and `${NAME}` by the variable's value, as Python's `os.path.expandvars`.
///
/// A variable that is not set, or not valid UTF-8, is left as written; so is `${` without `}`.
/// A value is not expanded again. What stands after `bytes_max` bytes of the result is left as it
/// is, so that short names with long values cannot fill the memory.
pub(super) fn expand(text: &str, env: &Env, bytes_max: usize) -> Expanded {
    let mut expanded = Expanded {
        text: String::with_capacity(text.len()),
        pieces: Vec::new(),
    };
    let mut rest = text;
    while expanded.text.len() <= bytes_max
        && let Some((before, reference, after)) = next_reference(rest)
    {
        expanded.text.push_str(before);
        let name = name_of(reference);
        match env.text(name) {
            Some(value) => {
                let start = expanded.text.len();
                expanded.text.push_str(value);
                expanded.pieces.push(Piece {
                    name: name.to_owned(),
                    range: start..expanded.text.len(),
                });
            }
            None => expanded.text.push_str(reference),
        }
        rest = after;
    }
    expanded.text.push_str(rest);
    expanded
}

/// The first variable that `text` refers to, as written, if there is one.
pub(super) fn first_reference(text: &str) -> Option<&str> {
    next_reference(text).map(|(_, reference, _)| reference)
}

/// Splits `text` at the first `$NAME` or `${NAME}`.
fn next_reference(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('$').find_map(|(start, _)| {
        let (before, from) = text.split_at(start);
        let length = reference_length(from.strip_prefix('$')?)?;
        let (reference, after) = from.split_at(1 + length);
        Some((before, reference, after))
    })
}

/// The bytes of the name, with its braces, at the beginning of `text`.
fn reference_length(text: &str) -> Option<usize> {
    if text.starts_with('{') {
        return text.find('}').map(|end| end + 1);
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    Some(end.unwrap_or(text.len())).filter(|length| *length > 0)
}

fn name_of(reference: &str) -> &str {
    let name = reference.strip_prefix('$').unwrap_or(reference);
    name.strip_prefix('{')
        .and_then(|name| name.strip_suffix('}'))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: usize = 1 << 20;

    fn env() -> Env {
        [
            ("A", "1"),
            ("LONG_1", "two\nlines"),
            ("AGAIN", "$A"),
            ("EMPTY", ""),
            ("x y", "odd"),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn variables_are_expanded_as_python_expands_them() {
        // Each line was compared with what Python 3 makes of it.
        for (text, expected) in [
            ("$A", "1"),
            ("${A}", "1"),
            ("x$A.y", "x1.y"),
            ("$AB", "$AB"),
            ("${AB}", "${AB}"),
            ("$$A", "$1"),
            ("$", "$"),
            ("${", "${"),
            ("${A", "${A"),
            ("${}", "${}"),
            ("$AGAIN", "$A"),
            ("[$EMPTY]", "[]"),
            ("${x y}", "odd"),
            ("${AB $A}", "${AB $A}"),
            ("$A$A", "11"),
            ("$é$A", "$é1"),
            ("{$A}", "{1}"),
            ("$-$A", "$-1"),
            ("${A}}", "1}"),
        ] {
            assert_eq!(expand(text, &env(), BYTES_MAX).text, expected, "{text}");
        }
    }

    #[test]
    fn a_value_of_several_lines_does_not_shift_the_lines_after_it() {
        let expanded = expand("a\n$LONG_1 b\nc", &env(), BYTES_MAX);
        assert_eq!(expanded.text, "a\ntwo\nlines b\nc");
        let line = |wanted: &str| expanded.line(expanded.text.find(wanted).unwrap());
        assert_eq!(
            (line("a"), line("two"), line("lines"), line("b"), line("c")),
            (1, 2, 2, 2, 3)
        );
        let variables = |wanted: &str| {
            let start = expanded.text.find(wanted).unwrap();
            expanded.variables(&(start..start + wanted.len()))
        };
        assert_eq!(variables(" b"), ["`$LONG_1`"]);
        assert!(variables("a\n").len() == 1 && variables("a").is_empty());
        assert!(variables("c").is_empty());
    }

    #[test]
    fn long_values_do_not_fill_the_memory() {
        let env: Env = [("A", "x".repeat(1000))].into_iter().collect();
        let text = "$A".repeat(1000);
        assert!(expand(&text, &env, 5000).text.len() < 5000 + 1000 + text.len());
    }

    proptest! {
        #[test]
        fn a_text_without_a_dollar_is_unchanged(text in "[^$]*") {
            prop_assert_eq!(expand(&text, &env(), BYTES_MAX).text, text);
        }

        #[test]
        fn an_empty_environment_changes_nothing(text in "[$A-C_{}\\n é]*") {
            prop_assert_eq!(expand(&text, &Env::default(), BYTES_MAX).text, text);
        }

        #[test]
        fn every_line_is_one_of_the_original(text in "[$A{}\\nL ]*", offset: prop::sample::Index) {
            let env: Env = [("A", "x\ny"), ("L", "\n\n")].into_iter().collect();
            let expanded = expand(&text, &env, BYTES_MAX);
            let line = expanded.line(offset.index(expanded.text.len() + 1));
            prop_assert!((1..=text.matches('\n').count() + 1).contains(&line));
        }
    }
}
