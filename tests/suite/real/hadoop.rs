//! A real `MapReduce` job, in Hadoop's local process.

use std::path::{Path, PathBuf};

use grease_testkit::component::{Component, require};
use grease_testkit::sandbox::wait_until;
use rustix::process::Signal;

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

/// Puts a piece of shell in front of all other programs of its name.
fn put_first(site: &mut Site, name: &str, script: &str) {
    let directory = site.sandbox.path("bin");
    fs_err::create_dir_all(&directory).unwrap();
    let program = directory.join(name);
    fs_err::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&program, mode).unwrap();
    site.path = [directory.into_os_string(), site.path.clone()].join(":".as_ref());
}

/// Waits until the job that runs has written a text.
fn wait_for_output(site: &Site, text: &str) {
    wait_until(&format!("the job writes `{text}`"), || {
        let log = site.sandbox.live().pop().map(|run| run.join("log"));
        let log = log.and_then(|log| fs_err::read_to_string(log).ok());
        log.is_some_and(|log| log.contains(text))
    });
}

#[test]
fn a_job_in_the_clients_own_process_has_no_application_to_end() {
    let Some((mut site, jar)) = hadoop() else {
        return;
    };
    put_first(&mut site, "yarn", "echo > called");
    let input = site.sandbox.work("in");
    fs_err::create_dir(&input).unwrap();
    for number in 0..1000 {
        fs_err::write(input.join(number.to_string()), "to be\n").unwrap(); // Each is a task.
    }
    let running = site.greaserun("hadoop", &jar, &WORD_COUNT).start();
    wait_for_output(&site, "Running job: job_local");
    running.signal(Signal::TERM);
    output_with_code(&running.finish(), 143);
    assert!(!site.sandbox.work("called").exists());
    assert!(!site.sandbox.work("out/_SUCCESS").exists());
}

#[test]
fn a_client_of_yarn_that_finds_no_server_is_ended_by_a_second_signal_and_quoted() {
    let Some((mut site, jar)) = hadoop() else {
        return;
    };
    let submitted = "echo Submitted application application_1700000000000_0042";
    put_first(&mut site, "job", &format!("{submitted}; exec sleep 1000"));
    let client = "org.apache.hadoop.yarn.client.cli.ApplicationCLI";
    let home = directory_of(Component::Hadoop).unwrap().join("..");
    let home = home.display();
    let real = format!(r#"java -cp "{home}/etc:{home}/lib/*" {client} "$@" 2>&1 | tee said"#);
    put_first(&mut site, "yarn", &real);
    site.sandbox
        .config(r#"{"HadoopRunner": {"command": "job"}}"#);
    let running = site.greaserun("hadoop", &jar, &WORD_COUNT).start();
    wait_for_output(&site, "Submitted application");
    running.signal(Signal::TERM);
    wait_until("YARN's client looks for its server", || {
        let said = fs_err::read_to_string(site.sandbox.work("said")).unwrap_or_default();
        said.contains("Retrying connect to server")
    });
    running.signal(Signal::TERM);
    let finished = running.finish();
    output_with_code(&finished, 143);
    let err = finished.err();
    let told = "`yarn application -kill application_1700000000000_0042` was ended by signal";
    assert!(err.contains(told), "{err}");
    assert!(err.contains("Retrying connect to server"), "{err}");
}
