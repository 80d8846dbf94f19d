//! What holds at every moment, whoever is killed, full, or writes at the same time: what can be
//! found in the local repository is whole.

use std::collections::{BTreeMap, HashSet};

use crate::remote::{FAT, jar, sha1};
use crate::user::Seen;

/// Checks all that can be found. Jars are those of their versions; metadata is in `said`.
pub(crate) fn check(files: &BTreeMap<String, Seen>, said: &HashSet<Vec<u8>>) {
    for (path, (content, ..)) in files {
        let name = path.rsplit('/').next().unwrap();
        if name.starts_with('.') {
            continue; // Nobody takes it for anything else.
        }
        let text = String::from_utf8_lossy(content);
        if let Some(version) = version_of(name) {
            assert!(*content == jar(version), "{path} is not whole");
        } else if let Some(version) = name.strip_suffix(".sha1").and_then(version_of) {
            assert_eq!(text, sha1(&jar(version)), "{path}");
        } else if name.starts_with("maven-metadata-") {
            assert!(
                said.contains(content),
                "{path} is nothing that was said: {text}"
            );
        } else {
            // An update in place: the process may have died before its single write.
            assert!(text.is_empty() || text.ends_with('\n'), "{path}: {text}");
            let is_known = name == "_remote.repositories" || name == "resolver-status.properties";
            assert!(is_known, "{path} is nothing that we write");
        }
    }
}

/// The version of a fat jar, by its name.
pub(crate) fn version_of(name: &str) -> Option<&str> {
    name.strip_prefix("app-")?
        .strip_suffix(&format!("-{FAT}.jar"))
}
