//! The commands that the documents show, run as they stand.

use std::os::unix::fs::PermissionsExt as _;

use grease_testkit::sandbox::Sandbox;

/// Runs the `console` blocks of a document at the root of the repository.
///
/// `greaserun` in them is the real one, with a config that keeps its state in a sandbox.
fn run_blocks(document: &str) {
    let real = env!("CARGO_BIN_EXE_greaserun");
    let sandbox = Sandbox::new(real);
    sandbox.config("{}");
    let config = sandbox.path("scalegrease.json");
    let wrapper = sandbox.path("greaserun");
    let script = format!("#!/bin/sh\nexec {real} -c {} \"$@\"\n", config.display());
    fs_err::write(&wrapper, script).unwrap();
    fs_err::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    trycmd::TestCases::new()
        .register_bin("greaserun", wrapper)
        .env("CI", "")
        .env("GREASE_RUN_ID", "")
        .case(document)
        .run();
}

#[test]
fn the_readme_shows_what_happens() {
    run_blocks("README.md");
}
