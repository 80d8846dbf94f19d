//! Names in a local repository that no remote one has, and what the names of builds say.

/// What stands in file names for characters that not every file system takes (Maven Resolver
/// 2.0.11; older ones take the id as it is).
const ESCAPES: [(char, &str); 9] = [
    ('\\', "-BACKSLASH-"),
    ('/', "-SLASH-"),
    (':', "-COLON-"),
    ('"', "-QUOTE-"),
    ('<', "-LT-"),
    ('>', "-GT-"),
    ('|', "-PIPE-"),
    ('?', "-QMARK-"),
    ('*', "-ASTERISK-"),
];

/// Name of the metadata file of the repository `id`; `local` is what `mvn install` writes.
pub(super) fn metadata_file_name(id: &str) -> String {
    let mut name = String::from("maven-metadata-");
    for character in id.chars() {
        match ESCAPES.iter().find(|(known, _)| *known == character) {
            Some((_, escape)) => name.push_str(escape),
            None => name.push(character),
        }
    }
    name.push_str(".xml");
    name
}

/// Directory of an artifact, relative to the repository.
pub(super) fn artifact_directory(group: &str, artifact: &str) -> String {
    format!("{}/{artifact}", group.replace('.', "/"))
}

/// What precedes the time stamp in the versions of a snapshot's builds; none for a release.
pub(super) fn before_stamp(base_version: &str) -> Option<&str> {
    base_version.strip_suffix("SNAPSHOT")
}

/// What precedes the time stamp in the file names of a snapshot's builds; none for a release.
pub(super) fn build_prefix(artifact: &str, base_version: &str) -> Option<String> {
    Some(format!("{artifact}-{}", before_stamp(base_version)?))
}

/// Which build of a snapshot a file is of. In the order of their making.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BuildStamp {
    /// Universal time, `yyyyMMdd.HHmmss`.
    pub(super) time: String,
    /// Counts the builds of a snapshot.
    pub(super) number: u64,
}

impl BuildStamp {
    /// Reads `yyyyMMdd.HHmmss-N` and gives what follows.
    pub(super) fn parse(text: &str) -> Option<(Self, &str)> {
        const TIME: &[u8] = b"dddddddd.dddddd-";
        let (time, rest) = text.split_at_checked(TIME.len())?;
        let fits = time.bytes().zip(TIME).all(|(found, wanted)| match wanted {
            b'd' => found.is_ascii_digit(),
            other => found == *other,
        });
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = rest.split_at(digits);
        let time = time.trim_end_matches('-').to_owned();
        fits.then_some((
            Self {
                time,
                number: number.parse().ok()?,
            },
            rest,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_id_never_makes_another_directory() {
        assert_eq!(metadata_file_name("corp"), "maven-metadata-corp.xml");
        assert_eq!(
            metadata_file_name("a/b\\c:*"),
            "maven-metadata-a-SLASH-b-BACKSLASH-c-COLON--ASTERISK-.xml"
        );
    }

    #[test]
    fn builds_are_ordered_by_time_and_then_by_number() {
        let stamp = |text| BuildStamp::parse(text).unwrap().0;
        assert!(stamp("20240102.030405-9") < stamp("20240102.030405-10"));
        assert!(stamp("20240102.030405-10") < stamp("20240103.000000-1"));
        assert_eq!(
            BuildStamp::parse("20240102.030405-10-c.jar").unwrap().1,
            "-c.jar"
        );
        for text in [
            "",
            "20240102.030405",
            "20240102.030405-",
            "2024010a.030405-1",
            "20240102-030405-1",
        ] {
            assert_eq!(BuildStamp::parse(text), None, "{text}");
        }
    }
}
