//! `netrc(5)`: the last place where credentials are looked for.
//!
//! An own parser: the format is a list of words, and the crate for it is not kept up.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::repository::{Credentials, Secret};

/// Largest file: each entry has about 100 bytes.
const BYTES_MAX: u64 = 256 * 1024;

/// What is read for others of the file's mode than its owner.
const OTHERS: u32 = 0o077;

/// Looks for a host's credentials in a file; none if there is no such file.
///
/// An error says why credentials that are there are not used. Entries for `default` are not looked
/// at: a password is sent to those hosts only that someone named for it.
pub(super) fn find(path: &Path, host: &str) -> Result<Option<Credentials>, &'static str> {
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return Err("the file cannot be read"),
    };
    let mode = file
        .metadata()
        .map_err(|_| "the file cannot be read")?
        .mode();
    let mut text = String::new();
    file.take(BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|_| "the file is not UTF-8 text")?;
    let found = parse(&text, host);
    if found.is_some() && mode & OTHERS != 0 {
        return Err("others than its owner may read or write the file: `chmod 600` it");
    }
    Ok(found)
}

/// The first entry for a host that has a login.
fn parse(text: &str, host: &str) -> Option<Credentials> {
    let words = words(text);
    let mut words = words.iter().map(String::as_str);
    let mut ours = false;
    let mut login: Option<&str> = None;
    let mut password: Option<&str> = None;
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" => {
                if login.is_some() {
                    break;
                }
                password = None;
                ours = word == "machine"
                    && words
                        .next()
                        .is_some_and(|name| name.eq_ignore_ascii_case(host));
            }
            "login" if ours => login = words.next(),
            "password" if ours => password = words.next(),
            "login" | "password" | "account" => {
                words.next();
            }
            _ => {}
        }
    }
    login.map(|login| Credentials {
        username: login.to_owned(),
        password: Secret(password.unwrap_or_default().to_owned()),
    })
}

/// The words of a file: without comments and macros, which end at an empty line.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        in_macro &= !line.trim().is_empty();
        let mut rest = if in_macro { "" } else { line.trim_start() };
        while !rest.is_empty() && !rest.starts_with('#') {
            let (word, after) = first_word(rest);
            if word == "macdef" {
                in_macro = true;
                break;
            }
            words.push(word);
            rest = after.trim_start();
        }
    }
    words
}

/// Takes the first word; in quotes it may hold blanks, and `\` before quotes and `\`.
fn first_word(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return (word.to_owned(), rest);
    };
    let mut word = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => word.extend(characters.next()),
            _ => word.push(character),
        }
    }
    (word, characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# machine r.corp login comment password comment
machine other.corp login machine password login
machine r.corp
    login ann
    password \"a \\\"b\\\" #c\"
macdef init
machine m.corp login macro password macro

machine m.corp login bob
machine nologin password p
machine odd login password password x#y
machine R.CORP login second password second
default login any password any
";

    fn found(host: &str) -> Option<(String, String)> {
        parse(FILE, host).map(|known| (known.username, known.password.0))
    }

    #[test]
    fn the_first_entry_of_the_host_counts() {
        let pair = |login: &str, password: &str| Some((login.to_owned(), password.to_owned()));
        assert_eq!(found("r.corp"), pair("ann", "a \"b\" #c"));
        assert_eq!(found("R.corp"), pair("ann", "a \"b\" #c"));
        assert_eq!(found("other.corp"), pair("machine", "login"));
        assert_eq!(found("m.corp"), pair("bob", ""));
        assert_eq!(found("odd"), pair("password", "x#y"));
    }

    #[test]
    fn a_host_that_is_not_named_gets_nothing() {
        for host in ["nologin", "corp", "default", "ann", "", "unknown"] {
            assert_eq!(found(host), None, "{host}");
        }
    }
}
