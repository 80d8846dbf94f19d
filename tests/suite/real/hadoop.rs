//! A real `MapReduce` job, in Hadoop's local process.

use std::path::{Path, PathBuf};

use grease_testkit::component::{Component, require};

use super::{Site, directory_of, output_with_code};

const WORD_COUNT: [&str; 3] = ["demo.WordCount", "in", "out"];

/// A site with `hadoop` and `java`, and the jar of the job.
fn hadoop() -> Option<(Site, PathBuf)> {
    let hadoop = directory_of(Component::Hadoop)?;
    let java = directory_of(Component::Java)?;
    let jar = require(Component::WordCount)?.path;
    Some((Site::new(&[hadoop, java]), jar))
}

#[test]
fn word_count_counts_the_words_of_all_files() {
    let Some((site, jar)) = hadoop() else { return };
    let input = site.sandbox.work("in");
    fs_err::create_dir(&input).unwrap();
    fs_err::write(input.join("first"), "to be or not to be\n").unwrap();
    fs_err::write(input.join("second"), "that is not the question\n\nbe\n").unwrap();
    output_with_code(&site.greaserun("hadoop", &jar, &WORD_COUNT).finish(), 0);
    let output = site.sandbox.work("out");
    assert!(output.join("_SUCCESS").exists());
    assert_eq!(
        fs_err::read_to_string(output.join("part-r-00000")).unwrap(),
        "be\t3\nis\t1\nnot\t2\nor\t1\nquestion\t1\nthat\t1\nthe\t1\nto\t2\n"
    );
}

#[test]
fn word_count_without_input_fails_with_hadoops_code() {
    let Some((site, jar)) = hadoop() else { return };
    output_with_code(&site.greaserun("hadoop", &jar, &WORD_COUNT).finish(), 1);
    assert!(!site.sandbox.work("out").exists());
}

#[test]
fn what_a_client_leaves_unpacked_when_it_dies_is_cleared_away() {
    let Some((site, jar)) = hadoop() else { return };
    let finished = site.greaserun("hadoop", &jar, &["demo.Halt"]).finish();
    let output = output_with_code(&finished, 9);
    let temporary = Path::new(output.trim_end());
    assert!(
        temporary.starts_with(site.sandbox.path("state")),
        "the client unpacked the jar in `{}`",
        temporary.display()
    );
    assert!(!temporary.exists());
}
