//! Names of jobs and runs are completed in real shells.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap_complete::Shell;
use grease_testkit::component::{Component, require};
use grease_testkit::faultfs::FaultFs;
use grease_testkit::sandbox::{CALM, Sandbox, wait_for_file};
use serde_json::json;

use crate::records;

/// A sandbox in which two jobs ran; its share is not there.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    run_two_jobs(&sandbox, &sandbox.path("share"));
    sandbox
}

fn run_two_jobs(sandbox: &Sandbox, share: &Path) {
    let state = sandbox.path("state");
    let text = format!(
        r#"{{"common": {{"state_dir": "{}", "file_logger": "{}"}}, "logs": {{"wait": 0}},
            "jobs": {{"defaults": {{"nice": 0}}}}{CALM}}}"#,
        state.display(),
        share.display()
    );
    fs_err::write(sandbox.path("scalegrease.json"), text).unwrap();
    let jar = sandbox.path("etl.jar");
    grease_testkit::jar::JarBuilder::new()
        .script("tracks.sh", "#!/bin/sh\n")
        .write(&jar);
    let runs = [
        sandbox.greaserun(["--job", "albums", "-q", "-r", "shell", "-", "true"]),
        sandbox
            .greaserun(["-q", "-r", "shell"])
            .arguments([&jar])
            .arguments(["tracks.sh"]),
    ];
    for run in runs {
        let finished = run.finish();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
    }
}

/// The job out of the jar.
fn job_of_jar(sandbox: &Sandbox) -> String {
    let ran = names(sandbox, "etl");
    let [job] = &ran[..] else { panic!("{ran:?}") };
    assert!(job.ends_with("#tracks.sh"), "{job}");
    job.clone()
}

fn names(sandbox: &Sandbox, word: &str) -> Vec<String> {
    let config = sandbox.path("scalegrease.json");
    let finished = sandbox
        .program("greasestatus")
        .arguments(["-c".as_ref(), config.as_os_str()])
        .arguments(["__names", word])
        .finish();
    assert_eq!((finished.code, finished.err()), (Some(0), String::new()));
    finished.out().lines().map(ToOwned::to_owned).collect()
}

/// The completion that is shipped for a shell.
fn script(sandbox: &Sandbox, shell: Shell) -> PathBuf {
    let mut program = grease_cli::commands()
        .into_iter()
        .find(|program| program.get_name() == "greasestatus")
        .unwrap();
    let path =
        clap_complete::generate_to(shell, &mut program, "greasestatus", sandbox.path("work"));
    let path = path.unwrap();
    let text = fs_err::read_to_string(&path).unwrap();
    let text = grease_cli::with_names("greasestatus", &shell.to_string(), &text);
    fs_err::write(&path, text).unwrap();
    path
}

/// Types lines into a shell on a terminal; each `(typed, expected)` is a line up to the name that is
/// completed, and the name.
fn assert_completed(sandbox: &Sandbox, shell: &str, first: &str, lines: &[(&str, &str)]) {
    let Some(on_terminal) = require(Component::Script) else {
        return;
    };
    let (running, mut keys) = sandbox
        .program(on_terminal.path)
        .arguments(["-qec", shell, "/dev/null"])
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", sandbox.programs().display()),
        )
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .start_and_type();
    writeln!(keys, "{first}; echo > ready").unwrap();
    wait_for_file(&sandbox.work("ready"));
    let config = sandbox.path("scalegrease.json");
    let config = config.display();
    for (number, (typed, expected)) in lines.iter().enumerate() {
        // What is told to complete is shown by `echo`, which stands in for the program by then.
        write!(keys, "greasestatus -c {config} {typed}\t").unwrap();
        writeln!(keys, "> told.{number}").unwrap();
        let told = wait_for_file(&sandbox.work(&format!("told.{number}")));
        let begin = typed.rsplit_once(' ').map_or("", |(begin, _)| begin);
        assert_eq!(
            told.trim_end(),
            format!("-c {config} {begin} {expected}"),
            "{shell}: {typed}"
        );
    }
    writeln!(keys, "exit").unwrap();
    running.finish();
}

/// A function of the shell's that tells its words in place of the program.
const INSTEAD: &str = r#"greasestatus() { case "$*" in *__names*) command greasestatus "$@" ;; *) echo "$@" ;; esac; }"#;

#[test]
fn names_begin_with_the_word() {
    let sandbox = sandbox();
    assert_eq!(names(&sandbox, ""), ["albums", "tracks.sh"]);
    assert_eq!(names(&sandbox, "al"), ["albums"]);
    assert_eq!(names(&sandbox, "albums@"), ["albums@-2", "albums@failed"]);
    let sealed = sandbox.sealed();
    let run = sealed[0].file_name().unwrap().to_str().unwrap();
    let short = run.split_at(run.len() - 5).1.to_lowercase();
    assert_eq!(names(&sandbox, short.split_at(4).0), [short.as_str()]);
    assert_eq!(names(&sandbox, "no such name"), [""; 0]);
}

#[test]
fn a_share_that_hangs_is_not_asked_for_names() {
    let Some(share) = FaultFs::mount() else {
        return;
    };
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    share.rules("*=hang");
    run_two_jobs(&sandbox, &share.path());
    assert_eq!(names(&sandbox, ""), ["albums", "tracks.sh"]);
    let asked = share.asked();
    let mut by_status = asked
        .iter()
        .filter(|asked| asked.command.contains("greasestatus"));
    assert_eq!(by_status.next().map(|asked| &asked.command), None);
    share.rules("");
}

#[test]
fn jobs_of_the_farm_are_known_once_it_was_asked_what_is_wrong() {
    let sandbox = records::sandbox(&json!({}));
    let hour_ago = jiff::Timestamp::now() - std::time::Duration::from_hours(1);
    let end = records::end("g:a#load", "one", hour_ago, 60, false);
    records::write(&sandbox, &end);
    assert_eq!(names(&sandbox, ""), [""; 0]);
    let overview = records::status(&sandbox, &[]);
    assert_eq!(overview.code, Some(0), "{}", overview.all());
    fs_err::remove_dir_all(sandbox.path("share")).unwrap();
    assert_eq!(names(&sandbox, ""), ["load"]);
    assert_eq!(names(&sandbox, "g:"), ["g:a#load"]);
    // Of a job that is no more, nothing stays for ever.
    let uid = rustix::process::geteuid().as_raw().to_string();
    let cached = sandbox.path("state/cache").join(uid).join("names");
    let text = fs_err::read_to_string(&cached).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    fs_err::write(&cached, "2020-02-02 g:a#load\nno day\n").unwrap();
    assert_eq!(names(&sandbox, ""), [""; 0]);
}

#[test]
fn bash_completes_names_of_jobs_and_runs() {
    let sandbox = sandbox();
    let job = job_of_jar(&sandbox);
    let script = script(&sandbox, Shell::Bash);
    let first = format!("source {}; {INSTEAD}", script.display());
    let (part, _) = job.split_at(job.find('#').unwrap());
    let typed = format!("why {part}");
    let lines = [
        ("log al", "albums"),
        ("log -n 5 tra", "tracks.sh"),
        ("stop --kill albums@f", "albums@failed"),
        (&typed, &job),
        ("runs --jo", "--job"),
    ];
    assert_completed(&sandbox, "bash --norc --noprofile -i", &first, &lines);
}

#[test]
fn zsh_completes_names_of_jobs_and_runs() {
    if require(Component::Zsh).is_none() {
        return;
    }
    let sandbox = sandbox();
    let script = script(&sandbox, Shell::Zsh);
    let first = format!(
        "autoload -Uz compinit; compinit -u -D; source {}; {INSTEAD}",
        script.display()
    );
    let lines = [
        ("log al", "albums"),
        ("why tra", "tracks.sh"),
        ("log -n 5 albums@f", "albums@failed"),
    ];
    assert_completed(&sandbox, "zsh -f -i", &first, &lines);
}

#[test]
fn fish_completes_names_of_jobs_and_runs() {
    let Some(fish) = require(Component::Fish) else {
        return;
    };
    let sandbox = sandbox();
    let job = job_of_jar(&sandbox);
    let script = script(&sandbox, Shell::Fish);
    let completed = |typed: &str| {
        let config = sandbox.path("scalegrease.json");
        let line = format!("greasestatus -c {} {typed}", config.display());
        let text = format!("source {}; complete -C '{line}'", script.display());
        let finished = sandbox
            .program(&fish.path)
            .arguments(["--no-config", "-c", &text])
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", sandbox.programs().display()),
            )
            .finish();
        assert_eq!(finished.err(), "", "{typed}");
        finished.out().trim_end().to_owned()
    };
    assert_eq!(completed("log al"), "albums");
    assert_eq!(completed("job "), "albums\ntracks.sh");
    assert_eq!(completed("why etl"), job);
    assert_eq!(completed("log -n 5 albums@f"), "albums@failed");
}

#[test]
fn every_command_that_takes_a_name_completes_it_and_none_is_offered_that_is_hidden() {
    let sandbox = sandbox();
    let [bash, zsh, fish] = [Shell::Bash, Shell::Zsh, Shell::Fish]
        .map(|shell| fs_err::read_to_string(script(&sandbox, shell)).unwrap());
    let commands = ["log", "why", "job", "suggest", "stop"];
    let names = zsh.matches(":_greasestatus_names'").count();
    assert_eq!(names, commands.len());
    for command in commands {
        assert!(bash.contains(&format!("{command}/*")), "{command}");
        let last = fish.lines().last().unwrap();
        assert!(last.contains(&format!(" {command}")), "{command}");
    }
    for hidden in ["gc __", "'__names:", "-a \"__"] {
        let scripts = [&bash, &zsh, &fish];
        assert!(
            !scripts.iter().any(|script| script.contains(hidden)),
            "{hidden}"
        );
    }
    assert!(bash.contains(" share gc check guard"));
}
