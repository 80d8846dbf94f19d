//! Rules of the repository that no compiler knows.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Which modules of `grease-core` may name which others. The five scopes never name one
/// another; only `config` knows them all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sys", &["model"]),
    ("diagnostics", &["sys"]),
    ("jar", &["model", "sys"]),
    ("registry", &["model", "sys"]),
    ("dispatch", &["model", "sys"]),
    ("arbitration", &["model", "sys"]),
    ("deployment", &["diagnostics", "jar", "model", "sys"]),
    ("execution", &["jar", "model", "registry", "sys"]),
    ("debugging", &["diagnostics", "model", "registry", "sys"]),
    (
        "config",
        &[
            "arbitration",
            "debugging",
            "deployment",
            "dispatch",
            "execution",
            "model",
            "sys",
        ],
    ),
];

/// Lines of code in a file beyond which it is split; tests at its end do not count.
const FILE_LINES_MAX: usize = 400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files of the repository, with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut dirs: Vec<PathBuf> = ["bin", "crates", "tests"]
        .map(|dir| root().join(dir))
        .into();
    while let Some(dir) = dirs.pop() {
        for entry in fs_err::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs_err::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(found.len() > 50, "the repository has more files than that");
    found
}

/// The modules that a line names as `crate::NAME` or in `crate::{NAME, ...}`.
fn named(line: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in line.split("crate::").skip(1) {
        let ident = |text: &str| -> String {
            text.chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect()
        };
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split('}').next().unwrap_or(list);
                names.extend(list.split(',').map(|name| ident(name.trim())));
            }
            None => {
                names.insert(ident(rest));
            }
        }
    }
    names.remove("");
    names
}

#[test]
fn modules_name_only_those_that_they_may() {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in sources() {
        let Ok(inner) = path.strip_prefix("crates/grease-core/src") else {
            continue;
        };
        let module = inner
            .iter()
            .next()
            .unwrap()
            .to_string_lossy()
            .replace(".rs", "");
        if module == "lib" {
            continue;
        }
        let allowed = MAY_USE.iter().find(|(known, _)| *known == module);
        let Some((_, allowed)) = allowed else {
            faults.push(format!("`{module}` is not in the table of this test"));
            continue;
        };
        seen.insert(module.clone());
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for name in named(line) {
                let known = MAY_USE.iter().any(|(known, _)| *known == name);
                if known && name != module && !allowed.contains(&name.as_str()) {
                    faults.push(format!(
                        "{}: `{module}` may not use `{name}`",
                        path.display()
                    ));
                }
            }
        }
    }
    assert_eq!(faults, [""; 0]);
    assert_eq!(
        seen.len(),
        MAY_USE.len(),
        "a module of the table does not exist"
    );
}

#[test]
fn the_scan_sees_what_it_is_for() {
    let names = |line| named(line).into_iter().collect::<Vec<_>>();
    assert_eq!(names("use crate::execution::Error;"), ["execution"]);
    assert_eq!(names("use crate::{jar, sys::fs};"), ["jar", "sys"]);
    assert_eq!(
        names("let x = crate::model::a(crate::jar::b);"),
        ["jar", "model"]
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn files_are_of_a_size_that_can_be_read() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| !path.ends_with("tests.rs"))
        .filter(|(path, _)| !path.iter().any(|part| part == "tests"))
        .map(|(path, text)| {
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            (path, code.lines().count())
        })
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert_eq!(long, [""; 0]);
}

#[test]
fn every_variable_that_is_read_or_given_is_documented() {
    let documented = fs_err::read_to_string(root().join("docs/environment.md")).unwrap();
    let mut missing = BTreeSet::new();
    for (path, text) in sources() {
        let in_tests = path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
        if in_tests || !path.starts_with("crates") {
            continue;
        }
        for quoted in text.split('"').filter(|text| is_variable(text)) {
            if !documented.contains(&format!("`{quoted}`")) {
                missing.insert(quoted.to_owned());
            }
        }
    }
    assert_eq!(missing, BTreeSet::new());
}

fn is_variable(text: &str) -> bool {
    let ours = ["GREASE_", "SCALEGREASE_"]
        .iter()
        .any(|prefix| text.starts_with(prefix));
    ours && text.len() > 7 && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

#[test]
fn the_project_speaks_only_of_the_project() {
    let mut faults = Vec::new();
    let mut files = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    files.extend(["ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let docs = fs_err::read_dir(root().join("docs")).unwrap();
    files.extend(
        docs.map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file()),
    );
    for path in files {
        let text = fs_err::read_to_string(&path).unwrap();
        for word in ["/work/main", "/tmp/target", "TODO", "FIXME"] {
            if text.contains(word) {
                faults.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert_eq!(faults, [""; 0]);
}
