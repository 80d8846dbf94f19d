//! A jar of more than 50 MB and 10,000 entries that Maven built, through shell and python.

use std::path::PathBuf;

use grease_testkit::component::{Component, require};

use super::{Site, directory_of, run};

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
    let mut job = site.greaserun("shell");
    job.arg(jar).args(["hello.sh", "a", "b c"]);
    assert_eq!(run(&mut job, 0), "hello a b c from the shell\n");
}

#[test]
fn java_runs_a_class_of_a_fat_jar_with_its_dependencies() {
    let (Some(jar), Some(java)) = (fat_jar(), directory_of(Component::Java)) else {
        return;
    };
    let site = Site::new(&[&java]);
    let mut job = site.greaserun("shell");
    job.arg(jar)
        .args(["java", "-cp", "{jar_path}", "demo.Hello", "reader"]);
    assert_eq!(
        run(&mut job, 0),
        "hello reader from Hadoop 3.3.4 and Scala 2.12.18\n"
    );
}

#[test]
fn a_python_module_of_a_fat_jar_runs_and_sees_the_whole_jar() {
    let (Some(jar), Some(python)) = (fat_jar(), directory_of(Component::Python)) else {
        return;
    };
    let site = Site::new(&[&python]);
    let mut job = site.greaserun("python");
    job.arg(jar).args(["python3", "hello.py", "reader"]);
    let output = run(&mut job, 0);
    let entries: u64 = output
        .strip_prefix("hello reader from a jar of ")
        .and_then(|rest| rest.strip_suffix(" entries\n"))
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("the job printed `{output}`"));
    assert!(entries >= ENTRIES_MIN, "the jar has only {entries} entries");
}
