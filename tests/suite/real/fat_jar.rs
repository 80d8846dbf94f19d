//! A jar of more than 50 MB and 10,000 entries that Maven built, through shell and python.

use std::path::PathBuf;

use grease_testkit::component::{Component, require};

use super::{Site, directory_of, output_with_code};

const SIZE_MIN_BYTES: u64 = 50_000_000;
const ENTRIES_MIN: u64 = 10_000;

fn fat_jar() -> Option<PathBuf> {
    let jar = require(Component::FatJar)?.path;
    let size = fs_err::metadata(&jar).unwrap().len();
    assert!(size >= SIZE_MIN_BYTES, "the jar has only {size} bytes");
    Some(jar)
}

#[test]
fn a_script_of_a_fat_jar_runs() {
    let Some(jar) = fat_jar() else { return };
    let site = Site::new(&[]);
    let finished = site
        .greaserun("shell", &jar, &["hello.sh", "a", "b c"])
        .finish();
    assert_eq!(
        output_with_code(&finished, 0),
        "hello a b c from the shell\n"
    );
}

#[test]
fn java_runs_a_class_of_a_fat_jar_with_its_dependencies() {
    let Some(jar) = fat_jar() else { return };
    let Some(java) = directory_of(Component::Java) else {
        return;
    };
    let site = Site::new(&[java]);
    let words = ["java", "-cp", "{jar_path}", "demo.Hello", "reader"];
    let finished = site.greaserun("shell", &jar, &words).finish();
    assert_eq!(
        output_with_code(&finished, 0),
        "hello reader from Hadoop 3.3.4 and Scala 2.12.18\n"
    );
}

#[test]
fn a_python_script_of_a_fat_jar_runs_and_sees_the_whole_jar() {
    let Some(jar) = fat_jar() else { return };
    let Some(python) = directory_of(Component::Python) else {
        return;
    };
    let site = Site::new(&[python]);
    let finished = site
        .greaserun("python", &jar, &["python3", "hello.py", "reader"])
        .finish();
    let output = output_with_code(&finished, 0);
    let entries: u64 = output
        .strip_prefix("hello reader from a jar of ")
        .and_then(|rest| rest.strip_suffix(" entries\n"))
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("the job printed `{output}`"));
    assert!(entries >= ENTRIES_MIN, "the jar has only {entries} entries");
}
