//! `--help`, `-h` and `--version` of all programs.

use grease_testkit::sandbox::Sandbox;

const PROGRAMS: [&str; 4] = ["greaserun", "greaselaunch", "greasesnatch", "greasestatus"];

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

#[test]
fn help_is_the_manual_and_as_it_was() {
    let sandbox = sandbox();
    for program in PROGRAMS {
        for (flag, kind) in [("--help", "long"), ("-h", "short")] {
            let finished = sandbox.program(program).arguments([flag]).finish();
            assert_eq!(
                (finished.code, finished.err()),
                (Some(0), String::new()),
                "{program}"
            );
            insta::assert_snapshot!(format!("{program}-{kind}"), finished.out());
        }
    }
}

#[test]
fn every_program_tells_its_version() {
    let sandbox = sandbox();
    for program in PROGRAMS {
        let finished = sandbox.program(program).arguments(["--version"]).finish();
        assert_eq!(
            finished.out(),
            format!("{program} {}\n", env!("CARGO_PKG_VERSION"))
        );
    }
}

#[test]
fn programs_that_are_not_there_yet_say_so() {
    let sandbox = sandbox();
    for program in ["greaselaunch", "greasesnatch"] {
        let finished = sandbox.program(program).finish();
        assert_eq!(finished.code, Some(64));
        assert!(
            finished.err().contains("does nothing yet in this version"),
            "{}",
            finished.err()
        );
    }
}

#[test]
fn an_unknown_flag_is_a_usage_error_of_every_program() {
    let sandbox = sandbox();
    for program in PROGRAMS {
        let finished = sandbox
            .program(program)
            .arguments(["--no-such-flag"])
            .finish();
        assert_eq!(finished.code, Some(64), "{program}");
        assert!(finished.err().contains("--no-such-flag"), "{program}");
    }
}
