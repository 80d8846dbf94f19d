//! Placeholders in the words of a command: `{jar_path}` and `{artifact_spec}`.

use super::Error;

/// What the placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// Absolute path of the jar; absent for a run without an artifact.
    pub jar_path: Option<&'a str>,
    /// The artifact as resolved; absent for a run without an artifact.
    pub artifact_spec: Option<&'a str>,
}

/// The names of all placeholders.
pub const NAMES: [&str; 2] = ["jar_path", "artifact_spec"];

/// Replaces the placeholders in one word.
///
/// Only the known names in single braces are replaced; every other brace is left as it is
/// (`awk '{print $1}'`, JSON, `${x}`), and `{{jar_path}}` gives `{jar_path}`. What is put in
/// is not looked at again.
pub fn substitute(word: &str, values: Values<'_>) -> Result<String, Error> {
    let mut result = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('{') {
        result.push_str(before);
        if let Some((name, tail)) = escaped(after) {
            result.push('{');
            result.push_str(name);
            result.push('}');
            rest = tail;
        } else if let Some((name, tail)) = known(after) {
            result.push_str(value(name, values)?);
            rest = tail;
        } else {
            result.push('{');
            rest = after;
        }
    }
    result.push_str(rest);
    Ok(result)
}

/// `{name}}...` after the first brace of `{{name}}`.
fn escaped(after: &str) -> Option<(&'static str, &str)> {
    let (name, tail) = known(after.strip_prefix('{')?)?;
    Some((name, tail.strip_prefix('}')?))
}

/// `name}...` after the brace of `{name}`.
fn known(after: &str) -> Option<(&'static str, &str)> {
    NAMES.iter().find_map(|name| {
        let tail = after.strip_prefix(name)?.strip_prefix('}')?;
        Some((*name, tail))
    })
}

fn value<'a>(name: &'static str, values: Values<'a>) -> Result<&'a str, Error> {
    let value = match name {
        "jar_path" => values.jar_path,
        _ => values.artifact_spec,
    };
    value.ok_or(Error::PlaceholderWithoutArtifact { name })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALUES: Values<'static> = Values {
        jar_path: Some("/j.jar"),
        artifact_spec: Some("g:a:1"),
    };

    fn with_artifact(word: &str) -> String {
        substitute(word, VALUES).unwrap()
    }

    #[test]
    fn only_known_placeholders_are_replaced() {
        for (word, expected) in [
            ("{jar_path}", "/j.jar"),
            ("-cp={jar_path}:{artifact_spec}", "-cp=/j.jar:g:a:1"),
            ("{{jar_path}}", "{jar_path}"),
            ("{{{jar_path}}}", "{{jar_path}}"),
            ("{print $1}", "{print $1}"),
            ("${jar_path}", "$/j.jar"),
            ("${x}", "${x}"),
            ("{\"a\": {\"jar_path\": 1}}", "{\"a\": {\"jar_path\": 1}}"),
            ("{jar_path", "{jar_path"),
            ("{{jar_path}", "{/j.jar"),
            ("{unknown}", "{unknown}"),
        ] {
            assert_eq!(with_artifact(word), expected, "{word}");
        }
    }

    #[test]
    fn a_placeholder_without_an_artifact_is_an_error() {
        let none = Values {
            jar_path: None,
            artifact_spec: None,
        };
        assert!(substitute("x{jar_path}", none).is_err());
        assert_eq!(
            substitute("{{jar_path}} {x}", none).unwrap(),
            "{jar_path} {x}"
        );
    }

    proptest! {
        #[test]
        fn a_word_without_a_known_name_is_unchanged(word in "[{}a-i $\"']*") {
            prop_assert_eq!(with_artifact(&word), word);
        }

        #[test]
        fn a_doubled_brace_shows_the_placeholder_itself(
            before in "[^{}]*", after in "[^{}]*", name in prop::sample::select(&NAMES[..])
        ) {
            let word = format!("{before}{{{{{name}}}}}{after}");
            prop_assert_eq!(with_artifact(&word), format!("{before}{{{name}}}{after}"));
        }

        #[test]
        fn what_is_put_in_is_not_expanded_again(before in "[^{}]*", after in "[^{}]*") {
            let values = Values { jar_path: Some("{artifact_spec}"), artifact_spec: Some("x") };
            let word = format!("{before}{{jar_path}}{after}");
            let expected = format!("{before}{{artifact_spec}}{after}");
            prop_assert_eq!(substitute(&word, values).unwrap(), expected);
        }
    }
}
