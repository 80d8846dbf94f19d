//! Jars that are hostile, broken, in the way or changed meanwhile, as `greaserun` meets them.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use grease_testkit::component::{Component, require};
use grease_testkit::jar::hostile::{self, BROKEN_JARS, GOOD_SCRIPT, ILL_JARS};
use grease_testkit::jar::{JarBuilder, write_large};
use grease_testkit::sandbox::{Finished, Run, Sandbox, redact};
use serde_json::Value;

/// Under it a program dies that computes for long, and fails that writes a large file.
const LIMITS: &str = "ulimit -t 20; ulimit -f 2048; exec \"$@\"";

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_greaserun"))
}

/// `greaserun ARGUMENTS` within [`LIMITS`].
fn limited<A: AsRef<OsStr>>(sandbox: &Sandbox, arguments: &[A]) -> Finished {
    sandbox
        .program("/bin/sh")
        .arguments(["-c", LIMITS, "sh"])
        .arguments(command(sandbox, arguments))
        .finish()
}

/// The words of `greaserun -c CONFIG ARGUMENTS`.
fn command<A: AsRef<OsStr>>(sandbox: &Sandbox, arguments: &[A]) -> Vec<PathBuf> {
    let mut words = vec![sandbox.programs().join("greaserun"), "-c".into()];
    words.push(sandbox.path("scalegrease.json"));
    words.extend(arguments.iter().map(|word| PathBuf::from(word.as_ref())));
    words
}

/// Asserts that a run was refused for its jar, said why and what to do, and left nothing but
/// its record.
#[track_caller]
fn assert_refused(sandbox: &Sandbox, finished: &Finished, jar: &Path, what: &str) {
    assert_eq!(finished.code, Some(65), "{what}: {}", finished.all());
    let err = finished.err();
    assert!(
        err.contains("error: ") && err.contains(jar.to_str().unwrap()),
        "{what}: {err}"
    );
    assert!(err.contains("\nhint: "), "{what}: {err}");
    assert_eq!(finished.out(), "", "{what}");
    assert_ended(sandbox, "artifact-bad", what);
}

/// Asserts how the last run ended by its record, and that its scratch directory is gone.
#[track_caller]
fn assert_ended(sandbox: &Sandbox, error: &str, what: &str) {
    let sealed = fs_err::read_to_string(sandbox.sealed().pop().unwrap().join("sealed")).unwrap();
    let end: Value = serde_json::from_str(&sealed).unwrap();
    assert_eq!(
        (&end["result"], &end["error"]),
        (&"error".into(), &error.into()),
        "{what}"
    );
    assert!(sandbox.scratches().is_empty(), "{what}");
    assert!(sandbox.live().is_empty(), "{what}");
}

/// All that lies in the sandbox but the local state, which has the records.
fn files(sandbox: &Sandbox) -> Vec<PathBuf> {
    let mut dirs = vec![sandbox.path("")];
    let mut found = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs_err::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path != sandbox.path("state") {
                dirs.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found.retain(|path| *path != sandbox.path("state"));
    found
}

#[test]
fn an_ill_entry_that_the_job_needs_stops_it_before_anything_is_written() {
    let sandbox = sandbox();
    let jar = sandbox.work("ill.jar");
    for ill in ILL_JARS {
        ill.write(&jar);
        let before = files(&sandbox);
        let finished = limited(&sandbox, &["-r", "python", "ill.jar", "touch", "ran"]);
        assert_refused(&sandbox, &finished, &jar, ill.name);
        assert_eq!(files(&sandbox), before, "{}", ill.name);
    }
    assert_eq!(sandbox.sealed().len(), ILL_JARS.len());
}

#[test]
fn an_ill_entry_that_the_job_does_not_need_is_no_concern_of_it() {
    let sandbox = sandbox();
    for ill in ILL_JARS {
        ill.write(&sandbox.work("ill.jar"));
        let finished = limited(&sandbox, &["-q", "-r", "shell", "ill.jar", GOOD_SCRIPT]);
        assert_eq!(finished.code, Some(0), "{}: {}", ill.name, finished.err());
        assert_eq!(finished.out(), "fine\n", "{}", ill.name);
    }
}

#[test]
fn a_refusal_names_the_entry_what_is_wrong_with_it_and_what_to_do() {
    let sandbox = sandbox();
    let ill = ILL_JARS.iter().find(|ill| ill.name == "zip slip").unwrap();
    ill.write(&sandbox.work("ill.jar"));
    let finished = sandbox.greaserun(["-r", "python", "ill.jar", "x"]).finish();
    let err = redact(&finished.err(), &sandbox);
    let refusal = err
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with("error: "));
    insta::assert_snapshot!(refusal.collect::<String>(), @r"
    error: entry `python/../../evil` of jar `[SANDBOX]/work/ill.jar` has `..` in its name, which leads out of the folder it is unpacked to
    hint: rename the file and build the jar again; no build tool makes such names by itself, so if it is not yours, do not trust it
    ");
}

#[test]
fn what_is_no_whole_jar_is_refused_by_every_runner() {
    let sandbox = sandbox();
    let jar = sandbox.work("broken.jar");
    for broken in BROKEN_JARS {
        broken.write(&jar);
        for runner in ["python", "shell", "luigi", "hadoop"] {
            let finished = limited(&sandbox, &["-r", runner, "broken.jar", "true"]);
            assert_refused(&sandbox, &finished, &jar, broken.name);
        }
    }
}

#[test]
fn a_jar_without_entries_has_nothing_to_unpack_and_can_be_handed_on() {
    let sandbox = sandbox();
    let jar = sandbox.work("empty.jar");
    hostile::write_empty(&jar);
    let finished = limited(&sandbox, &["-r", "python", "empty.jar", "true"]);
    assert_refused(&sandbox, &finished, &jar, "python");
    let finished = limited(
        &sandbox,
        &["-q", "-r", "shell", "empty.jar", "echo", "{jar_path}"],
    );
    assert_eq!(
        finished.out(),
        format!("{}\n", jar.display()),
        "{}",
        finished.err()
    );
}

#[test]
fn a_script_with_an_absolute_name_is_not_unpacked_over_the_file_of_that_name() {
    let sandbox = sandbox();
    let jar = sandbox.work("absolute.jar");
    hostile::write_absolute_name(&jar);
    let finished = limited(&sandbox, &["-r", "shell", "absolute.jar", "/etc/passwd"]);
    assert_refused(&sandbox, &finished, &jar, "absolute name");
}

#[test]
fn unusual_jars_that_are_sound_run_like_any_other() {
    let sandbox = sandbox();
    let ordinary = || {
        JarBuilder::new()
            .script("bin/run.sh", "#!/bin/sh\nstat -c '%a' \"$0\"\n")
            .file_with_mode("python/setuid", "x", 0o6755)
            .file_with_mode("python/closed", "x", 0)
            .file_with_mode("python/open", "x", 0o1666)
            .folder("python/folder/")
    };
    let stub = "#!/bin/sh\nexec java -jar \"$0\" \"$@\"\nexit 1\n";
    for jar in [ordinary(), ordinary().zip64(), ordinary().preamble(stub)] {
        jar.write(&sandbox.work("odd.jar"));
        let script = limited(&sandbox, &["-q", "-r", "shell", "odd.jar", "bin/run.sh"]);
        assert_eq!(script.out(), "700\n", "{}", script.err());
        let words = ["-q", "-r", "python", "odd.jar", "stat", "-c", "%a %n"];
        let names = ["setuid", "closed", "open", "folder", "."];
        let modes = limited(&sandbox, &[&words[..], &names].concat());
        let expected = "700 setuid\n600 closed\n600 open\n700 folder\n700 .\n";
        assert_eq!(modes.out(), expected, "{}", modes.err());
    }
}

#[test]
fn a_pipe_a_device_or_a_directory_in_the_place_of_a_jar_is_refused_and_not_read() {
    let sandbox = sandbox();
    let pipe = sandbox.work("pipe.jar");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let dir = sandbox.work("dir.jar");
    fs_err::create_dir(&dir).unwrap();
    let device = sandbox.work("device.jar");
    std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
    for path in [pipe, dir, device] {
        for runner in ["python", "shell"] {
            let words = [
                OsStr::new("-r"),
                runner.as_ref(),
                path.as_ref(),
                "true".as_ref(),
            ];
            assert_refused(&sandbox, &limited(&sandbox, &words), &path, runner);
        }
    }
}

#[test]
fn a_jar_that_this_user_may_not_read_is_a_matter_of_permission() {
    let sandbox = sandbox();
    let jar = sandbox.work("secret.jar");
    JarBuilder::new().script("go", "#!/bin/sh\n").write(&jar);
    fs_err::set_permissions(&jar, std::fs::Permissions::from_mode(0o000)).unwrap();
    let closed = sandbox.work("closed");
    fs_err::create_dir(&closed).unwrap();
    fs_err::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    for path in ["secret.jar", "closed/etl.jar"] {
        let finished = without_privileges(&sandbox, &["-r", "shell", path, "go"]).finish();
        assert_eq!(finished.code, Some(77), "{}", finished.all());
        let err = finished.err();
        assert!(
            err.contains(path) && err.contains("Permission denied"),
            "{err}"
        );
        assert_ended(&sandbox, "host", path);
    }
}

/// `greaserun ARGUMENTS`, for which permissions count even if root runs the test.
fn without_privileges(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    if !rustix::process::geteuid().is_root() {
        return sandbox.greaserun(arguments);
    }
    sandbox
        .program("setpriv")
        .arguments(["--bounding-set", "-dac_override,-dac_read_search"])
        .arguments(command(sandbox, arguments))
}

#[test]
fn a_full_scratch_file_system_is_named_with_the_key_that_moves_it() {
    if require(Component::MountNamespace).is_none() {
        return;
    }
    let sandbox = sandbox();
    let small = sandbox.path("small");
    fs_err::create_dir(&small).unwrap();
    sandbox.config_with_scratch(&small);
    let many = (0..50).fold(JarBuilder::new(), |jar, index| {
        jar.file(&format!("python/{index}"), "x")
    });
    for (jar, options) in [
        // Known before anything is written.
        (
            JarBuilder::new().file("python/a", vec![b'x'; 300_000]),
            "size=64k",
        ),
        // Noticed only while writing: a small file takes a whole block, and each an inode.
        (many, "size=64k"),
        (JarBuilder::new().file("python/a/b/c", "x"), "nr_inodes=3"),
        // Not even the directory can be made.
        (JarBuilder::new().file("python/a", "x"), "nr_inodes=1"),
    ] {
        jar.write(&sandbox.work("etl.jar"));
        let finished = with_mount(
            &sandbox,
            &small,
            options,
            &["-r", "python", "etl.jar", "true"],
        );
        assert_eq!(finished.code, Some(74), "{options}: {}", finished.all());
        let err = finished.err();
        assert!(err.contains("common.scratch_dir"), "{options}: {err}");
        assert!(
            err.contains(&format!("`{}`", small.display())),
            "{options}: {err}"
        );
        assert_ended(&sandbox, "host", options);
        assert_eq!(finished.out(), "", "something is left on the mount");
    }
}

/// `greaserun ARGUMENTS` with a tmpfs on `place`; lists at the end what is left there.
fn with_mount(sandbox: &Sandbox, place: &Path, options: &str, arguments: &[&str]) -> Finished {
    let script = "
        mount -t tmpfs -o $1 tmpfs $2
        place=$2
        shift 2
        \"$@\" || code=$?
        ls $place
        exit $code";
    sandbox
        .program("unshare")
        .arguments(["--mount", "sh", "-ec", script, "sh", options])
        .arguments([place])
        .arguments(command(sandbox, arguments))
        .finish()
}

/// Replaces a jar again and again while `look` runs greaserun on it.
fn while_replacing(replace: impl Fn(usize) + Send + Sync, look: impl FnOnce()) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                replace(round);
                round += 1;
            }
        });
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(look));
        done.store(true, Ordering::Relaxed);
        looked.unwrap();
    });
}

/// A jar in which two files far apart hold the same digit; its layout does not depend on that.
fn twins(digit: &str) -> Vec<u8> {
    // Does not shrink: the parts of the jar are read at different times.
    let noise: Vec<u8> = (0..100_000_u32)
        .scan(1_u32, |state, _| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes().last().copied()
        })
        .collect();
    let jar = JarBuilder::new().file("python/a", digit);
    let add = |jar: JarBuilder, index| jar.file(&format!("python/f{index}"), noise.clone());
    (0..5).fold(jar, add).file("python/z", digit).bytes()
}

/// Says `same` if the digits of [`twins`] are.
const COMPARE: [&str; 7] = [
    "-q",
    "-r",
    "python",
    "etl.jar",
    "sh",
    "-c",
    "cmp a z && echo same",
];

#[test]
fn a_jar_that_is_replaced_by_another_is_unpacked_as_the_one_or_the_other() {
    let sandbox = sandbox();
    let (jar, next) = (sandbox.work("etl.jar"), sandbox.work("next.jar"));
    let jars = ["1", "2"].map(twins);
    fs_err::write(&jar, &jars[0]).unwrap();
    let replace = |round: usize| {
        fs_err::write(&next, &jars[round % 2]).unwrap();
        fs_err::rename(&next, &jar).unwrap();
    };
    while_replacing(replace, || {
        for _ in 0..20 {
            let finished = sandbox.greaserun(COMPARE).finish();
            assert_eq!(finished.out(), "same\n", "{}", finished.all());
        }
    });
}

#[test]
fn a_jar_that_is_overwritten_while_it_is_unpacked_is_refused_or_whole() {
    let sandbox = sandbox();
    let jar = sandbox.work("etl.jar");
    let jars = ["1", "2"].map(twins);
    fs_err::write(&jar, &jars[0]).unwrap();
    // In place, so that greaserun's open file changes, and is empty for a while.
    let replace = |round: usize| fs_err::write(&jar, &jars[round % 2]).unwrap();
    while_replacing(replace, || {
        for _ in 0..40 {
            let finished = sandbox.greaserun(COMPARE).finish();
            match finished.code {
                Some(0) => assert_eq!(finished.out(), "same\n"),
                _ => assert_refused(&sandbox, &finished, &jar, "overwritten"),
            }
            assert!(sandbox.scratches().is_empty());
        }
    });
}

#[test]
fn a_jar_of_many_entries_is_run_like_a_small_one() {
    let sandbox = sandbox();
    write_large(&sandbox.work("large.jar"), 70_000, 40);
    let words = [
        "-q",
        "-r",
        "python",
        "large.jar",
        "cat",
        "package39/module39.py",
    ];
    assert_eq!(limited(&sandbox, &words).out(), "content 69999\n");
}
