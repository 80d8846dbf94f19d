//! Placeholders: `${NAME}` in the values of settings.

/// How deep placeholders in the values of placeholders are followed: as deep as anyone nests them,
/// and an end for circles.
const DEPTH_MAX: usize = 8;

/// What one text may take in: each placeholder counts its value's bytes and one. Ends the growth
/// of properties that multiply one another; real values have some hundred bytes.
const BUDGET: usize = 64 * 1024;

/// A text with its placeholders replaced.
#[derive(PartialEq, Eq)]
pub(super) struct Expanded {
    /// The text; a placeholder without a value is left as it was written.
    pub(super) text: String,
    /// The name of the first placeholder in the text itself that has no value.
    pub(super) unresolved: Option<String>,
}

/// What a placeholder without a value means that stands in another's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nested {
    /// Nothing: a password out of the environment may contain anything.
    Literal,
    /// The same as one in the text itself.
    Reported,
}

/// Replaces placeholders, also those in their values, as Maven does.
pub(super) fn expand(
    text: &str,
    value_of: &dyn Fn(&str) -> Option<String>,
    nested: Nested,
) -> Expanded {
    let mut expansion = Expansion {
        value_of,
        nested,
        budget: BUDGET,
        unresolved: None,
    };
    let text = expansion.replace(text, DEPTH_MAX);
    Expanded {
        text,
        unresolved: expansion.unresolved,
    }
}

struct Expansion<'a> {
    value_of: &'a dyn Fn(&str) -> Option<String>,
    nested: Nested,
    budget: usize,
    unresolved: Option<String>,
}

impl Expansion<'_> {
    fn replace(&mut self, text: &str, depth: usize) -> String {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, following)) = after.split_once('}') else {
                // Nor does any further one end: looking for that from each anew takes minutes.
                break;
            };
            result.push_str(before);
            let value =
                (self.value_of)(name).filter(|value| depth > 0 && value.len() < self.budget);
            if let Some(value) = value {
                self.budget -= value.len() + 1;
                result.push_str(&self.replace(&value, depth - 1));
            } else {
                if depth == DEPTH_MAX || self.nested == Nested::Reported {
                    self.unresolved.get_or_insert_with(|| name.to_owned());
                }
                result.push_str("${");
                result.push_str(name);
                result.push('}');
            }
            rest = following;
        }
        result.push_str(rest);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(name: &str) -> Option<String> {
        let value = match name {
            "user.home" => "/home/ann",
            "env.TOKEN" => "a&b<c>\"'${env.INNER}",
            "env.INNER" => "in",
            "env.ODD" => "p${not.a.name}w}${",
            "circle" => "${circle}",
            "bomb" => return Some("${bomb}".repeat(1000)),
            "empty" => "",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn expanded(text: &str) -> (String, Option<String>) {
        let Expanded { text, unresolved } = expand(text, &value_of, Nested::Literal);
        (text, unresolved)
    }

    #[test]
    fn placeholders_with_a_value_are_replaced_also_within_values() {
        for (text, result) in [
            ("", ""),
            ("plain $x {y} $", "plain $x {y} $"),
            ("${user.home}/.m2", "/home/ann/.m2"),
            ("x${env.TOKEN}y", "xa&b<c>\"'iny"),
            ("${empty}${empty}", ""),
            ("${user.home", "${user.home"),
            ("${${user.home}", "${${user.home}"),
        ] {
            assert_eq!(expanded(text).0, result, "{text}");
        }
    }

    #[test]
    fn a_placeholder_without_a_value_is_left_and_named() {
        let (text, unresolved) = expanded("a ${env.NONE} ${user.home} ${other}");
        assert_eq!(text, "a ${env.NONE} /home/ann ${other}");
        assert_eq!(unresolved.as_deref(), Some("env.NONE"));
    }

    #[test]
    fn a_value_that_looks_like_a_placeholder_is_no_mistake() {
        assert_eq!(
            expanded("${env.ODD}"),
            ("p${not.a.name}w}${".to_owned(), None)
        );
        let reported = expand("${env.ODD}", &value_of, Nested::Reported);
        assert_eq!(reported.unresolved.as_deref(), Some("not.a.name"));
    }

    #[test]
    fn circles_and_bombs_end() {
        assert_eq!(expanded("${circle}").0, "${circle}");
        assert!(expanded("${bomb}").0.len() < 16 * BUDGET);
    }
}
