//! The name of a job.

use std::fmt;

/// Longest name in bytes: file names on the share are made from it (`docs/formats.md`).
const LENGTH_MAX: usize = 200;

/// The name under which a job's runs are found: `group:artifact#part`, or the part alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName(String);

impl JobName {
    /// Composes a name; `artifact` is absent for a run without an artifact.
    ///
    /// Fails when a component is empty, is longer than the limit, or holds a character that
    /// would break a log line, a file name or a pattern: control characters, white space, `#`.
    pub fn new(artifact: Option<&str>, part: &str) -> Result<Self, JobNameError> {
        let name = match artifact {
            Some(artifact) => format!("{}#{}", checked(artifact)?, checked(part)?),
            None => checked(part)?.to_owned(),
        };
        if name.len() > LENGTH_MAX {
            return Err(JobNameError::TooLong { name });
        }
        Ok(Self(name))
    }

    /// Composes a name out of what was found rather than chosen: what [`JobName::new`] would
    /// refuse is replaced by `_` or cut.
    pub fn lossy(artifact: Option<&str>, part: &str) -> Self {
        let clean = |text: &str| -> String {
            let cleaned: String = text
                .chars()
                .map(|c| if allowed(c) { c } else { '_' })
                .collect();
            if cleaned.is_empty() {
                "_".to_owned()
            } else {
                cleaned
            }
        };
        let part = cut(clean(part), LENGTH_MAX / 2);
        let Some(artifact) = artifact else {
            return Self(part);
        };
        // The part tells the jobs of one artifact apart, so it is the artifact that gives way.
        let artifact = cut(clean(artifact), LENGTH_MAX - part.len() - 1);
        Self(format!("{artifact}#{part}"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    while text.len() > bytes_max {
        text.pop();
    }
    text
}

fn allowed(c: char) -> bool {
    !(c.is_control() || c.is_whitespace() || c == '#')
}

fn checked(component: &str) -> Result<&str, JobNameError> {
    if component.is_empty() {
        return Err(JobNameError::Empty);
    }
    match component.chars().find(|c| !allowed(*c)) {
        Some(found) => Err(JobNameError::Character {
            name: component.to_owned(),
            found,
        }),
        None => Ok(component),
    }
}

/// Why a job cannot be named so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobNameError {
    /// Nothing is left to call the job by.
    #[error("a job's name cannot be empty")]
    Empty,
    /// A character that log lines, file names or patterns cannot hold.
    #[error("the job's name `{}` holds the character {found:?}", name.escape_debug())]
    Character {
        /// The component as given.
        name: String,
        /// The first character at fault.
        found: char,
    },
    /// The name is too long for file names made from it.
    #[error("the job's name `{name}` is longer than {LENGTH_MAX} bytes")]
    TooLong {
        /// The name as composed.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_composed() {
        let name = JobName::new(Some("com.acme:etl"), "Top").unwrap();
        assert_eq!(name.as_str(), "com.acme:etl#Top");
        assert_eq!(
            JobName::new(None, "backup.sh").unwrap().as_str(),
            "backup.sh"
        );
    }

    #[test]
    fn what_breaks_a_line_or_a_pattern_is_refused() {
        for part in ["", "a b", "a#b", "a\nb", "a\u{7f}"] {
            assert!(JobName::new(Some("g:a"), part).is_err(), "{part:?}");
        }
    }

    #[test]
    fn jobs_of_an_artifact_with_a_long_name_differ() {
        let artifact = "a".repeat(240);
        assert_ne!(
            JobName::lossy(Some(&artifact), "x"),
            JobName::lossy(Some(&artifact), "y")
        );
    }

    proptest! {
        #[test]
        fn what_was_found_always_makes_a_valid_name(artifact in "\\PC*", part: String) {
            let name = JobName::lossy(Some(&artifact), &part);
            prop_assert!(name.as_str().len() <= LENGTH_MAX);
            prop_assert!(name.as_str().chars().all(|c| c == '#' || allowed(c)));
        }
    }
}
