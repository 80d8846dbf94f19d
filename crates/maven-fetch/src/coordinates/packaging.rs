//! Packagings: the words that stand for an extension and perhaps a classifier.

/// Words that are packagings and never versions; by them the orders are told apart.
const WORDS: [&str; 31] = [
    "jar",
    "pom",
    "war",
    "ear",
    "rar",
    "par",
    "zip",
    "tar",
    "tar.gz",
    "tgz",
    "tar.bz2",
    "so",
    "py",
    "egg",
    "whl",
    "sh",
    "json",
    "xml",
    "yaml",
    "aar",
    "kar",
    "nar",
    "module",
    "test-jar",
    "ejb",
    "ejb-client",
    "javadoc",
    "java-source",
    "maven-plugin",
    "bundle",
    "fatjar",
];

/// Packagings whose extension is another word, with the extension and the classifier, as in
/// Maven's `DefaultArtifactHandler`s.
const EXTENSIONS: [(&str, &str, Option<&str>); 8] = [
    ("ejb", "jar", None),
    ("maven-plugin", "jar", None),
    ("bundle", "jar", None),
    ("fatjar", "jar", None),
    ("test-jar", "jar", Some("tests")),
    ("ejb-client", "jar", Some("client")),
    ("java-source", "jar", Some("sources")),
    ("javadoc", "jar", Some("javadoc")),
];

/// Whether a text is a packaging and cannot be a version.
pub(super) fn is_packaging(text: &str) -> bool {
    WORDS.contains(&text)
}

/// The extension of a packaging, and the classifier that it implies.
pub(super) fn extension(packaging: &str) -> (&str, Option<&'static str>) {
    EXTENSIONS
        .iter()
        .find(|(word, ..)| *word == packaging)
        .map_or((packaging, None), |(_, extension, classifier)| {
            (*extension, *classifier)
        })
}
