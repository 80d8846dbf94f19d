//! Texts of others, made fit for a terminal.

use std::fmt::Write as _;

/// A text in which nothing can steer a terminal or turn the order of what is read: control
/// characters, but for those that are `kept`, and marks that change the direction of writing are
/// escaped. What is longer than `characters_max` is cut, and ends with `…`.
pub fn harmless(text: &str, kept: &[char], characters_max: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    for (position, c) in text.chars().enumerate() {
        if position == characters_max {
            shown.push('…');
            break;
        }
        if steers(c) && !kept.contains(&c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same of a text that is JSON: what it means stays as it is.
pub fn harmless_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside of texts there are none; inside each of them may be written by its number.
        if steers(c) && c != '\n' {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(shown, "\\u{unit:04x}").expect("in memory");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

fn steers(c: char) -> bool {
    // Line and paragraph separators; embeddings, overrides and isolates of the Unicode
    // Bidirectional Algorithm (UAX #9).
    const DIRECTION: [char; 11] = [
        '\u{2028}', '\u{2029}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}',
        '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
    ];
    c.is_control() || DIRECTION.contains(&c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped_and_what_is_long_is_cut() {
        for (text, kept, max, expected) in [
            ("a\x1b[2Jb", &[][..], 99, "a\\u{1b}[2Jb"),
            ("a\u{9b}2J", &[], 99, "a\\u{9b}2J"),
            ("a\tb\n", &['\t'], 99, "a\tb\\n"),
            ("\u{202e}fdp.exe", &[], 99, "\\u{202e}fdp.exe"),
            ("größer", &[], 3, "grö…"),
            ("größer", &[], 6, "größer"),
        ] {
            assert_eq!(harmless(text, kept, max), expected);
        }
    }

    #[test]
    fn json_means_the_same_and_steers_nothing() {
        let text = "a\x7f\u{9b}2J\x1b[2J\u{202e}\n\"größer\"";
        let json = serde_json::Value::from(text).to_string() + "\n";
        let shown = harmless_json(&json);
        assert!(!shown.trim_end().chars().any(steers), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }

    proptest! {
        #[test]
        fn nothing_that_steers_is_left(text: String, max in 0_usize..50) {
            let shown = harmless(&text, &[], max);
            prop_assert!(!shown.chars().any(steers), "{shown:?}");
            prop_assert!(text.chars().count() <= max || shown.ends_with('…'));
        }
    }
}
