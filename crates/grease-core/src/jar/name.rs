//! Whether the name of an entry can be the name of a file.

use super::Fault;
use super::fault::{COMPONENT_BYTES_MAX, NAME_BYTES_MAX};

/// Most characters of a name that an error shows.
const SHOWN_CHARACTERS_MAX: usize = 120;

/// The name as text, if it stays under the directory that it is joined to.
///
/// A folder's name ends in a slash (APPNOTE.TXT 4.4.17).
pub(super) fn check(name: &[u8]) -> Result<&str, Fault> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Fault::LongName);
    }
    let name = std::str::from_utf8(name).map_err(|_| Fault::NotUtf8)?;
    if name.starts_with('/') {
        return Err(Fault::AbsoluteName);
    }
    if name.contains('\\') {
        return Err(Fault::Backslash);
    }
    if name.contains(char::is_control) {
        return Err(Fault::ControlCharacter);
    }
    for component in name.strip_suffix('/').unwrap_or(name).split('/') {
        match component {
            ".." => return Err(Fault::ParentInName),
            "" | "." => return Err(Fault::IdleComponent),
            _ if component.len() > COMPONENT_BYTES_MAX => return Err(Fault::LongName),
            _ => {}
        }
    }
    Ok(name)
}

/// The same text for names that differ only in case.
///
/// Upper case first, so that characters with several lower-case forms meet (`σ` and `ς`).
pub(super) fn without_case(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// The folders that a path lies in, outermost first.
pub(super) fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/')
        .filter_map(|(end, _)| path.get(..end))
}

/// A name for an error: escaped, and cut where it is long.
pub(super) fn shown(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let mut shown: String = name
        .chars()
        .take(SHOWN_CHARACTERS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().nth(SHOWN_CHARACTERS_MAX).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_files_and_folders_are_taken_as_they_are() {
        for name in [
            "a",
            "python/a.py",
            "python/",
            "a b/é.txt",
            "..a/b..",
            "...",
            "C:/x",
            "~/x",
        ] {
            assert_eq!(check(name.as_bytes()), Ok(name));
        }
    }

    #[test]
    fn names_that_lead_elsewhere_or_nowhere_are_refused() {
        for (name, fault) in [
            ("/etc/passwd", Fault::AbsoluteName),
            ("/", Fault::AbsoluteName),
            ("../x", Fault::ParentInName),
            ("a/../../x", Fault::ParentInName),
            ("a/..", Fault::ParentInName),
            ("a/../", Fault::ParentInName),
            ("a//b", Fault::IdleComponent),
            ("./a", Fault::IdleComponent),
            ("a//", Fault::IdleComponent),
            ("", Fault::IdleComponent),
            ("..\\x", Fault::Backslash),
            ("a\0b", Fault::ControlCharacter),
            ("a\nb", Fault::ControlCharacter),
            ("a\u{85}", Fault::ControlCharacter),
        ] {
            assert_eq!(check(name.as_bytes()), Err(fault), "{name:?}");
        }
        assert_eq!(check(b"a\xff"), Err(Fault::NotUtf8));
    }

    #[test]
    fn names_are_as_long_as_file_systems_allow() {
        let component = "x".repeat(COMPONENT_BYTES_MAX);
        assert!(check(component.as_bytes()).is_ok());
        assert_eq!(
            check(format!("{component}y").as_bytes()),
            Err(Fault::LongName)
        );
        let mut name = format!("{component}/").repeat(NAME_BYTES_MAX / (COMPONENT_BYTES_MAX + 1));
        assert_eq!(name.len(), NAME_BYTES_MAX);
        assert!(check(name.as_bytes()).is_ok());
        name.push('x');
        assert_eq!(check(name.as_bytes()), Err(Fault::LongName));
    }

    #[test]
    fn names_equal_but_for_case_meet() {
        for (one, other) in [
            ("Read.ME", "read.me"),
            ("ΑΣ", "ας"),
            ("É", "é"),
            ("Straße", "STRASSE"),
        ] {
            assert_eq!(without_case(one), without_case(other));
        }
        assert_ne!(without_case("a"), without_case("b"));
    }

    #[test]
    fn what_an_error_shows_of_a_name_is_short_and_on_one_line() {
        assert_eq!(shown(b"a\nb\xff"), "a\\nb\u{fffd}");
        assert_eq!(
            shown(&[b'x'; 5000]),
            format!("{}...", "x".repeat(SHOWN_CHARACTERS_MAX))
        );
    }

    fn tricky() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            Just("..".to_owned()),
            Just(".".to_owned()),
            Just("/".to_owned()),
            Just("\\".to_owned()),
            Just("\0".to_owned()),
            "[a-z.]{0,3}",
            "\\PC{0,3}",
        ];
        let pieces =
            proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat().into_bytes());
        prop_oneof![pieces, proptest::collection::vec(any::<u8>(), 0..20)]
    }

    proptest! {
        #[test]
        fn an_accepted_name_stays_under_the_directory_that_it_is_joined_to(name in tricky()) {
            if let Ok(name) = check(&name) {
                let root = Path::new("/scratch");
                let joined = root.join(name);
                prop_assert!(joined.starts_with(root) && joined != root);
                let rest = joined.strip_prefix(root).unwrap();
                prop_assert!(rest.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }

        #[test]
        fn folding_twice_changes_nothing_more(name: String) {
            let folded = without_case(&name);
            prop_assert_eq!(without_case(&folded), folded);
        }
    }
}
