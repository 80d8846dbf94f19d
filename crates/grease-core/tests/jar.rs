//! Jars good and hostile: what is refused and in which words, what is unpacked, and that nothing
//! is ever written elsewhere.
#![expect(
    clippy::unwrap_used,
    reason = "a failed step of a test may panic wherever it is"
)]

use std::error::Error as _;
use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use grease_core::jar::{Coordinates, Error, Jar, Selection};
use grease_core::model::{ErrorKind, Explain as _};
use grease_testkit::jar::hostile::{self, BROKEN_JARS, GOOD_SCRIPT, ILL_JARS};
use grease_testkit::jar::raw::{self, RawEntry};
use grease_testkit::jar::{JarBuilder, write_large};
use proptest::prelude::*;
use tempfile::TempDir;

/// A directory with a jar in it, and beside it an empty one to unpack into.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("into")).unwrap();
        Self { dir }
    }

    fn with(jar: &JarBuilder) -> Self {
        let place = Self::new();
        jar.write(&place.jar());
        place
    }

    fn jar(&self) -> PathBuf {
        self.dir.path().join("etl.jar")
    }

    fn scratch(&self) -> PathBuf {
        self.dir.path().join("into")
    }

    fn unpack(&self, selection: &Selection) -> Result<(), Error> {
        let jar = Jar::open(&self.jar())?;
        let plan = jar.select(selection)?;
        jar.unpack(&plan, &self.scratch(), &|| false)
    }

    /// An error with its causes, without the temporary directory.
    fn told(&self, error: &Error) -> String {
        let mut told = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(told, " <- {error}").unwrap();
            cause = error.source();
        }
        told.replace(&*self.dir.path().to_string_lossy(), "")
    }

    /// What lies in the whole directory beside the jar, with permissions; folders end in a slash.
    fn written(&self) -> Vec<String> {
        let mut written = Vec::new();
        collect(self.dir.path(), self.dir.path(), &mut written);
        written.retain(|line| !line.starts_with("etl.jar ") && !line.starts_with("into/ "));
        written.sort();
        written
    }
}

fn collect(root: &Path, dir: &Path, written: &mut Vec<String>) {
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let found = fs_err::symlink_metadata(&path).unwrap();
        let slash = if found.is_dir() { "/" } else { "" };
        let mode = found.permissions().mode() & 0o7777;
        let name = path.strip_prefix(root).unwrap().display();
        written.push(format!("{name}{slash} {mode:o}"));
        if found.is_dir() {
            collect(root, &path, written);
        }
    }
}

fn folder(name: &str) -> Selection {
    let name = name.to_owned();
    Selection::Folder { name }
}

fn file(name: &str) -> Selection {
    let name = name.to_owned();
    Selection::File { name }
}

#[test]
fn an_ill_entry_that_is_needed_is_refused_and_nothing_is_written_elsewhere() {
    let mut told = String::new();
    for ill in ILL_JARS {
        let place = Place::new();
        ill.write(&place.jar());
        let error = place.unpack(&folder("python")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadInput, "{}", ill.name);
        assert!(error.hint().is_some(), "{}", ill.name);
        let jar = Jar::open(&place.jar()).unwrap();
        // What is wrong with the content shows only while it is written.
        let was_planned = jar.select(&folder("python")).is_ok();
        let mut elsewhere = place.written();
        elsewhere.retain(|line| !(was_planned && line.starts_with("into/")));
        assert_eq!(elsewhere, [""; 0], "{}", ill.name);
        let when = if was_planned { "writing" } else { "planning" };
        writeln!(told, "{} ({when}): {}", ill.name, place.told(&error)).unwrap();
    }
    insta::assert_snapshot!(told, @r#"
    zip slip (planning): entry `python/../../evil` of jar `/etl.jar` has `..` in its name, which leads out of the folder it is unpacked to
    zip slip by a folder (planning): entry `python/../` of jar `/etl.jar` has `..` in its name, which leads out of the folder it is unpacked to
    absolute name behind the folder (planning): entry `python//etc/passwd` of jar `/etl.jar` has `.` or nothing between two slashes of its name
    backslashes (planning): entry `python/..\\..\\evil` of jar `/etl.jar` has a backslash in its name, where a slash was expected
    control character (planning): entry `python/a\nb` of jar `/etl.jar` has a control character in its name
    name cut by NUL (planning): entry `python/a.py\0.txt` of jar `/etl.jar` has a control character in its name
    name not UTF-8 (planning): entry `python/��.py` of jar `/etl.jar` has a name that is not UTF-8
    long part of a name (planning): entry `python/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...` of jar `/etl.jar` has a name longer than 4096 bytes, or a part of it longer than 255
    long name (planning): entry `python/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x...` of jar `/etl.jar` has a name longer than 4096 bytes, or a part of it longer than 255
    symbolic link (planning): entry `python/link` of jar `/etl.jar` is a symbolic link
    symbolic link as a folder (planning): entry `python/link/` of jar `/etl.jar` is a symbolic link
    device (planning): entry `python/null` of jar `/etl.jar` is neither a file nor a folder: its mode is 20666
    folder without a slash (planning): entry `python/folder` of jar `/etl.jar` is neither a file nor a folder: its mode is 40755
    encrypted (planning): entry `python/secret.py` of jar `/etl.jar` is encrypted
    unknown compression (planning): entry `python/odd.py` of jar `/etl.jar` is compressed with method Ppmd, where stored or deflated was expected
    same name twice (planning): entry `python/a.py` of jar `/etl.jar` is there twice
    names equal but for case (planning): entry `python/éA.py` of jar `/etl.jar` differs from entry `python/Éa.py` only in upper and lower case
    file and folder (planning): entry `python/a` of jar `/etl.jar` is a file, and also a folder in the name of entry `python/a/b.py`
    10 GB bomb (planning): entry `python/zeros` of jar `/etl.jar` would grow from 10608643 to 10737418240 bytes, more than 200 times as many
    10 GB declared as stored (planning): 10737418254 bytes of jar `/etl.jar` would be unpacked, more than the 8589934592 allowed
    bomb of entries that share their data (planning): 4294967310 bytes would be unpacked from jar `/etl.jar`, which has 40515: more than 200 times as many
    more data than declared (writing): the content of entry `python/zeros` of jar `/etl.jar` is broken <- File is larger than its declared uncompressed size
    less data than declared (writing): entry `python/short.py` of jar `/etl.jar` ends after 15 bytes, where 16 were expected
    wrong checksum (writing): the content of entry `python/wrong.py` of jar `/etl.jar` is broken <- Invalid checksum
    no deflate stream (writing): the content of entry `python/junk.py` of jar `/etl.jar` is broken <- corrupt deflate stream
    data behind the end (writing): the content of entry `python/away.py` of jar `/etl.jar` is broken <- invalid Zip archive: Unexpected end of zip::format::blocks::ZipLocalEntryBlock
    "#);
}

#[test]
fn no_more_than_declared_is_written() {
    let ill = ILL_JARS
        .iter()
        .find(|ill| ill.name == "more data than declared")
        .unwrap();
    let place = Place::new();
    ill.write(&place.jar());
    place.unpack(&folder("python")).unwrap_err();
    let written = fs_err::metadata(place.scratch().join("zeros"))
        .unwrap()
        .len();
    assert!(written <= 10, "{written} bytes");
}

#[test]
fn an_ill_entry_that_is_not_needed_does_no_harm() {
    for ill in ILL_JARS {
        let place = Place::new();
        ill.write(&place.jar());
        place.unpack(&file(GOOD_SCRIPT)).unwrap();
        let expected = ["into/bin/ 700", "into/bin/run.sh 700"];
        assert_eq!(place.written(), expected, "{}", ill.name);
    }
}

#[test]
fn what_is_no_whole_jar_is_refused_when_it_is_opened() {
    let mut told = String::new();
    for broken in BROKEN_JARS {
        let place = Place::new();
        broken.write(&place.jar());
        let error = Jar::open(&place.jar()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadInput, "{}", broken.name);
        assert!(error.hint().is_some(), "{}", broken.name);
        writeln!(told, "{}: {}", broken.name, place.told(&error)).unwrap();
    }
    insta::assert_snapshot!(told, @r#"
    empty file: `/etl.jar` is not a jar: it holds no zip archive <- invalid Zip archive: Could not find EOCD
    a login page: `/etl.jar` is not a jar: it holds no zip archive <- invalid Zip archive: Could not find EOCD
    truncated: jar `/etl.jar` is cut off or damaged: the directory at its end cannot be read <- invalid Zip archive: Unexpected end of zip::format::blocks::Zip32CDEBlock
    truncated in its directory: jar `/etl.jar` is cut off or damaged: the directory at its end cannot be read <- invalid Zip archive: Could not find EOCD
    truncated in its first entry: jar `/etl.jar` is cut off or damaged: the directory at its end cannot be read <- invalid Zip archive: Could not find EOCD
    "#);
}

#[test]
fn a_path_that_is_no_readable_file_is_told_apart() {
    let place = Place::new();
    let error = Jar::open(&place.jar()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        format!("cannot open jar `{}`", place.jar().display())
    );
    for path in [place.scratch(), PathBuf::from("/dev/null")] {
        let error = Jar::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadInput);
        assert!(matches!(error, Error::NotAFile { .. }));
    }
    let error = Error::Open {
        path: place.jar(),
        source: std::io::ErrorKind::PermissionDenied.into(),
    };
    assert_eq!(error.kind(), ErrorKind::Permission);
}

#[test]
fn an_absolute_name_is_refused_even_when_it_is_asked_for() {
    let place = Place::new();
    hostile::write_absolute_name(&place.jar());
    let error = place.unpack(&file("/etc/passwd")).unwrap_err();
    assert_eq!(
        place.told(&error),
        "entry `/etc/passwd` of jar `/etl.jar` has an absolute name"
    );
    assert_eq!(place.written(), [""; 0]);
}

#[test]
fn a_jar_without_entries_opens_and_has_nothing_to_select() {
    let place = Place::new();
    hostile::write_empty(&place.jar());
    let jar = Jar::open(&place.jar()).unwrap();
    assert_eq!(jar.entry_count(), 0);
    assert!(!jar.is_file("run.sh").unwrap());
    assert_eq!(jar.main_class().unwrap(), None);
    assert_eq!(jar.coordinates().unwrap(), None);
    let error = jar.select(&folder("python")).unwrap_err();
    assert_eq!(
        place.told(&error),
        "there is nothing under `python/` among the 0 entries of jar `/etl.jar`"
    );
    let error = jar.select(&file("run.sh")).unwrap_err();
    assert_eq!(
        place.told(&error),
        "there is no file `run.sh` among the 0 entries of jar `/etl.jar`"
    );
    assert_eq!(error.kind(), ErrorKind::BadInput);
}

#[test]
fn a_folder_of_empty_folders_has_nothing_in_it() {
    let place = Place::with(&JarBuilder::new().folder("python/").folder("python/a/"));
    let jar = Jar::open(&place.jar()).unwrap();
    let error = jar.select(&folder("python")).unwrap_err();
    assert!(matches!(error, Error::NothingUnder { .. }), "{error}");
    let error = jar.select(&file("python/a/")).unwrap_err();
    assert!(matches!(error, Error::NoSuchFile { .. }), "{error}");
}

/// A jar with a bit of everything; `python2/` and `a/python/` are not `python/`.
fn ordinary() -> JarBuilder {
    JarBuilder::new()
        .manifest("Main-Class: com.acme.Main")
        .folder("python/")
        .folder("python/empty/")
        .file("python/main.py", "print()")
        .file("python/lib/deep/er.py", vec![b'x'; 300_000])
        .file("python/lib-2/a.py", "")
        .script("python/tool.sh", "#!/bin/sh\n")
        .file_with_mode("python/setuid", "x", 0o6755)
        .file_with_mode("python/open", "x", 0o1666)
        .file("python2/no.py", "no")
        .file("a/python/no.py", "no")
        .file("bin/run.sh", "#!/bin/sh\n")
        .pom_properties("com.acme", "etl", "1.2")
}

/// The bytes of that jar.
static ORDINARY: LazyLock<Vec<u8>> = LazyLock::new(|| ordinary().bytes());

/// What unpacking `python/` of it writes.
const ORDINARY_WRITTEN: [&str; 10] = [
    "into/empty/ 700",
    "into/lib-2/ 700",
    "into/lib-2/a.py 600",
    "into/lib/ 700",
    "into/lib/deep/ 700",
    "into/lib/deep/er.py 600",
    "into/main.py 600",
    "into/open 600",
    "into/setuid 700",
    "into/tool.sh 700",
];

#[test]
fn a_folder_is_unpacked_without_its_name_and_for_this_user_only() {
    let place = Place::with(&ordinary());
    place.unpack(&folder("python")).unwrap();
    assert_eq!(place.written(), ORDINARY_WRITTEN);
    let large = fs_err::read(place.scratch().join("lib/deep/er.py")).unwrap();
    assert_eq!(large, vec![b'x'; 300_000]);
}

#[test]
fn a_folder_that_is_listed_twice_is_made_once() {
    let place = Place::new();
    let entry = |name| RawEntry::stored(name, "");
    raw::write(
        &place.jar(),
        &[entry("python/a/"), entry("python/a/b"), entry("python/a/")],
    );
    place.unpack(&folder("python")).unwrap();
    assert_eq!(place.written(), ["into/a/ 700", "into/a/b 600"]);
}

#[test]
fn a_plan_says_how_much_it_will_write() {
    let place = Place::with(&ordinary());
    let plan = Jar::open(&place.jar())
        .unwrap()
        .select(&folder("python"))
        .unwrap();
    assert_eq!((plan.file_count(), plan.bytes()), (6, 300_019));
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(json, r#"{"file_count":6,"bytes":300019}"#);
}

#[test]
fn one_file_is_unpacked_at_its_own_path_and_is_executable() {
    let place = Place::with(&ordinary());
    place.unpack(&file("bin/run.sh")).unwrap();
    assert_eq!(place.written(), ["into/bin/ 700", "into/bin/run.sh 700"]);
}

#[test]
fn only_an_exact_name_of_a_file_is_a_file() {
    let place = Place::with(&ordinary());
    let jar = Jar::open(&place.jar()).unwrap();
    assert!(jar.is_file("bin/run.sh").unwrap());
    for name in [
        "",
        "bin",
        "bin/",
        "python/",
        "run.sh",
        "./bin/run.sh",
        "BIN/run.sh",
    ] {
        assert!(!jar.is_file(name).unwrap(), "{name}");
    }
}

#[test]
fn what_exists_is_neither_followed_nor_overwritten() {
    let place = Place::with(&ordinary());
    let precious = place.dir.path().join("precious");
    fs_err::write(&precious, "old").unwrap();
    symlink(&precious, place.scratch().join("main.py")).unwrap();
    let error = place.unpack(&folder("python")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot unpack to `{}`",
            place.scratch().join("main.py").display()
        )
    );
    assert_eq!(fs_err::read(&precious).unwrap(), b"old");
}

#[test]
fn a_link_in_the_place_of_a_folder_is_not_followed() {
    let place = Place::with(&ordinary());
    let elsewhere = place.dir.path().join("elsewhere");
    fs_err::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, place.scratch().join("lib")).unwrap();
    assert_eq!(
        place.unpack(&folder("python")).unwrap_err().kind(),
        ErrorKind::Io
    );
    assert_eq!(fs_err::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_jar_that_executes_itself_and_one_in_zip64_are_ordinary_jars() {
    let executable = ordinary().preamble("#!/bin/sh\nexec java -jar \"$0\"\n");
    for jar in [executable, ordinary().zip64()] {
        let place = Place::with(&jar);
        place.unpack(&folder("python")).unwrap();
        assert_eq!(place.written(), ORDINARY_WRITTEN);
        let jar = Jar::open(&place.jar()).unwrap();
        assert_eq!(jar.main_class().unwrap().as_deref(), Some("com.acme.Main"));
    }
}

#[test]
fn more_entries_than_the_short_form_counts_are_all_seen() {
    let place = Place::new();
    write_large(&place.jar(), 70_000, 20);
    let jar = Jar::open(&place.jar()).unwrap();
    assert_eq!(jar.entry_count(), 70_000);
    let plan = jar.select(&folder("python")).unwrap();
    assert_eq!(plan.file_count(), 20);
    jar.unpack(&plan, &place.scratch(), &|| false).unwrap();
    let last = fs_err::read_to_string(place.scratch().join("package19/module19.py")).unwrap();
    assert_eq!(last, "content 69999\n");
}

#[test]
fn the_main_class_is_the_one_of_the_manifest() {
    let long = "com.acme.".to_owned() + &"x".repeat(100);
    let (start, end) = long.split_at(58);
    let manifest = format!("Main-Class: {start}\r\n {end}");
    let place = Place::with(&JarBuilder::new().manifest(&manifest));
    let jar = Jar::open(&place.jar()).unwrap();
    assert_eq!(jar.main_class().unwrap(), Some(long));
}

#[test]
fn a_broken_manifest_is_an_error_and_harms_nothing_else() {
    let mut bytes = ORDINARY.clone();
    // The manifest is the first entry; its name is 20 bytes long.
    bytes[30 + 20] ^= 0xff;
    let place = Place::new();
    fs_err::write(place.jar(), bytes).unwrap();
    let jar = Jar::open(&place.jar()).unwrap();
    assert_eq!(jar.main_class().unwrap_err().kind(), ErrorKind::BadInput);
    assert!(jar.coordinates().unwrap().is_some());
    place.unpack(&folder("python")).unwrap();
}

#[test]
fn the_file_name_tells_a_jar_from_its_dependencies() {
    let fat = JarBuilder::new()
        .pom_properties("com.acme", "etl", "1.2")
        .pom_properties("com.acme", "etl-core", "1.1-SNAPSHOT")
        .pom_properties("org.other", "etl-core", "9")
        .pom_properties("com.acme", "twins", "1")
        .pom_properties("org.other", "twins", "1")
        .pom_properties("com.acme", "odd", "${version}");
    let dir = tempfile::tempdir().unwrap();
    for (name, expected) in [
        ("etl.jar", Some("com.acme:etl:1.2")),
        ("etl-1.2.jar", Some("com.acme:etl:1.2")),
        (
            "etl-1.2-jar-with-dependencies.jar",
            Some("com.acme:etl:1.2"),
        ),
        ("etl-1.3.jar", None),
        (
            "etl-core-1.1-SNAPSHOT.jar",
            Some("com.acme:etl-core:1.1-SNAPSHOT"),
        ),
        (
            "etl-core-1.1-20261124.020621-2.jar",
            Some("com.acme:etl-core:1.1-SNAPSHOT"),
        ),
        ("etl-core-9.jar", Some("org.other:etl-core:9")),
        ("twins-1.jar", None),
        ("odd.jar", None),
        ("other.jar", None),
    ] {
        let path = dir.path().join(name);
        fat.write(&path);
        let found = Jar::open(&path).unwrap().coordinates().unwrap();
        let found =
            found.map(|found| format!("{}:{}:{}", found.group, found.artifact, found.version));
        assert_eq!(found.as_deref(), expected, "{name}");
    }
}

#[test]
fn a_jar_with_one_set_of_coordinates_has_them_under_any_name() {
    let place = Place::with(&JarBuilder::new().pom_properties("com.acme", "load", "3"));
    let found = Jar::open(&place.jar()).unwrap().coordinates().unwrap();
    let expected = Coordinates {
        group: "com.acme".to_owned(),
        artifact: "load".to_owned(),
        version: "3".to_owned(),
    };
    assert_eq!(found, Some(expected));
}

/// Asks everything of the file and unpacks what can be: what is written stays in its place, and
/// no error blames the machine.
fn exercise(place: &Place) -> Result<(), TestCaseError> {
    let mut errors = Vec::new();
    match Jar::open(&place.jar()) {
        Err(error) => errors.push(error),
        Ok(jar) => {
            errors.extend(jar.is_file("bin/run.sh").err());
            errors.extend(jar.main_class().err());
            errors.extend(jar.coordinates().err());
        }
    }
    errors.extend(place.unpack(&folder("python")).err());
    errors.extend(place.unpack(&file("bin/run.sh")).err());
    for error in errors {
        prop_assert_eq!(error.kind(), ErrorKind::BadInput, "{}", error);
    }
    for line in place.written() {
        prop_assert!(line.starts_with("into/"), "{}", line);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_corrupted_jar_never_panics_and_never_writes_elsewhere(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = ORDINARY.clone();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let place = Place::new();
        fs_err::write(place.jar(), bytes).unwrap();
        exercise(&place)?;
    }

    #[test]
    fn bytes_in_the_disguise_of_a_jar_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        is_disguised: bool,
    ) {
        if is_disguised {
            bytes.splice(0..0, *b"PK\x03\x04");
            bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2e\0\0\0\x04\0\0\0\0\0");
        }
        let place = Place::new();
        fs_err::write(place.jar(), bytes).unwrap();
        exercise(&place)?;
    }
}
