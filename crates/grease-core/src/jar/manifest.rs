//! The main class that a jar's manifest names.

use super::{Error, Jar};

/// Where the manifest lies; found without regard to case, as Java does.
const MANIFEST: &str = "META-INF/MANIFEST.MF";

/// How much of a manifest is read: its first section, whose `Class-Path` can be long.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

impl Jar {
    /// `Main-Class` of the manifest, if there is one.
    pub fn main_class(&self) -> Result<Option<String>, Error> {
        let mut manifest = None;
        self.each_entry(|entry| {
            if entry.name_raw().eq_ignore_ascii_case(MANIFEST.as_bytes()) {
                manifest.get_or_insert(entry);
            }
        })?;
        let Some(manifest) = manifest else {
            return Ok(None);
        };
        Ok(main_class(&self.read_start(&manifest, MANIFEST_BYTES_MAX)?))
    }
}

/// `Main-Class` of the main section, which ends at the first empty line (JAR File Specification).
///
/// A line that starts with a space continues the one before; as lines are cut at 72 bytes, a
/// character may lie in both.
fn main_class(manifest: &[u8]) -> Option<String> {
    let mut attribute: Vec<u8> = Vec::new();
    let mut lines = manifest
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    loop {
        let line = lines.next().unwrap_or_default();
        if let Some(rest) = line.strip_prefix(b" ") {
            attribute.extend_from_slice(rest);
            continue;
        }
        if let Some(class) = value_of_main_class(&attribute) {
            return Some(class);
        }
        if line.is_empty() {
            return None;
        }
        attribute = line.to_vec();
    }
}

fn value_of_main_class(attribute: &[u8]) -> Option<String> {
    let attribute = std::str::from_utf8(attribute).ok()?;
    let (key, value) = attribute.split_once(':')?;
    let value = value.trim();
    (key.eq_ignore_ascii_case("Main-Class") && !value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_class_is_read_through_continuation_lines() {
        for (manifest, expected) in [
            (
                "Manifest-Version: 1.0\r\nMain-Class: a.B\r\n\r\n",
                Some("a.B"),
            ),
            (
                "Main-Class: a.very.long\r\n .Name\r\n .And\r\n Class\r\n",
                Some("a.very.long.Name.AndClass"),
            ),
            ("Main-Class:\n  a.B\n\n", Some("a.B")),
            ("main-class: a.B", Some("a.B")),
            ("Main-Class: a.B ", Some("a.B")),
            ("Main-Class: \n\n", None),
            ("Main-Classes: a.B\n", None),
            ("Manifest-Version: 1.0\n\nName: x\nMain-Class: a.B\n", None),
            ("", None),
            (" Main-Class: a.B\n", Some("a.B")),
        ] {
            assert_eq!(
                main_class(manifest.as_bytes()).as_deref(),
                expected,
                "{manifest:?}"
            );
        }
    }

    #[test]
    fn a_character_cut_by_the_line_length_is_put_together() {
        let (start, end) = "Main-Class: a.Caf\u{e9}".as_bytes().split_at(18);
        let manifest = [start, b"\r\n ", end, b"\r\n"].concat();
        assert_eq!(main_class(&manifest).as_deref(), Some("a.Caf\u{e9}"));
    }
}
