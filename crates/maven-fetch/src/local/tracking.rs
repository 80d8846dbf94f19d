//! Where files came from, as Maven tracks it in `_remote.repositories`.
//!
//! Maven uses a file for a repository if it is tracked to that repository's id, or was installed
//! here (tracked to no id, or not tracked at all). A file that came from another repository it
//! first confirms with the one that it asks.

use super::properties::Properties;

/// Name of the file, one in each directory of a version.
pub(super) const FILE_NAME: &str = "_remote.repositories";

/// Where a file came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was built or put here: nothing says that it came from a repository.
    Installed {
        /// Someone said so, by `mvn install` for one; else nothing is known of it.
        is_declared: bool,
    },
    /// It came from the repositories with these ids.
    Repositories(Vec<String>),
}

impl Origin {
    pub(super) fn of(file_name: &str, tracking: &Properties) -> Self {
        let ids: Vec<&str> = tracking
            .iter()
            .filter_map(|(key, _)| key.strip_prefix(file_name)?.strip_prefix('>'))
            .collect();
        if ids.is_empty() || ids.contains(&"") {
            return Self::Installed {
                is_declared: !ids.is_empty(),
            };
        }
        Self::Repositories(ids.into_iter().map(str::to_owned).collect())
    }

    /// Tells whether the file may be used without asking any of these repositories.
    ///
    /// If not, it may once its checksum is what one of them says.
    pub fn is_accepted_for(&self, ids: &[&str]) -> bool {
        match self {
            Self::Installed { .. } => true,
            Self::Repositories(known) => known.iter().any(|id| ids.contains(&id.as_str())),
        }
    }
}

/// Notes that a file came from, or was confirmed by, the repository `id`.
pub(super) fn note(tracking: &mut Properties, file_name: &str, id: &str) {
    tracking.set(&format!("{file_name}>{id}"), "");
}

/// Forgets a file.
pub(super) fn forget(tracking: &mut Properties, file_name: &str) {
    tracking.remove(|key| {
        key.strip_prefix(file_name)
            .is_some_and(|rest| rest.starts_with('>'))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acceptance_matrix_of_maven_holds() {
        for (tracking, expected, known, unknown) in [
            ("", Origin::Installed { is_declared: false }, true, true),
            (
                "other.jar>corp=",
                Origin::Installed { is_declared: false },
                true,
                true,
            ),
            (
                "a.jar.sha1>corp=",
                Origin::Installed { is_declared: false },
                true,
                true,
            ),
            (
                "a.jar>=",
                Origin::Installed { is_declared: true },
                true,
                true,
            ),
            (
                "a.jar>corp=",
                Origin::Repositories(vec!["corp".to_owned()]),
                true,
                false,
            ),
            (
                "a.jar>x=\na.jar>corp=",
                Origin::Repositories(vec!["x".to_owned(), "corp".to_owned()]),
                true,
                false,
            ),
            (
                "a.jar>corp=\na.jar>=",
                Origin::Installed { is_declared: true },
                true,
                true,
            ),
        ] {
            let origin = Origin::of("a.jar", &Properties::parse(tracking.as_bytes()));
            assert_eq!(origin, expected, "{tracking}");
            assert_eq!(origin.is_accepted_for(&["b", "corp"]), known, "{tracking}");
            assert_eq!(origin.is_accepted_for(&["b"]), unknown, "{tracking}");
        }
    }

    #[test]
    fn a_file_is_noted_beside_others_and_forgotten_without_them() {
        let mut tracking = Properties::parse(b"a.jar.sha1>corp=\na.jar>x=\n");
        note(&mut tracking, "a.jar", "corp");
        assert!(Origin::of("a.jar", &tracking).is_accepted_for(&["corp"]));
        assert!(Origin::of("a.jar", &tracking).is_accepted_for(&["x"]));
        forget(&mut tracking, "a.jar");
        assert_eq!(tracking, Properties::parse(b"a.jar.sha1>corp=\n"));
    }
}
