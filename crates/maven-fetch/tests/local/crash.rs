//! Processes that are killed at any moment.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use maven_fetch::coordinates::Resolved;

use crate::{app, at, jar, publish, role, start, tree};

/// How often a process is killed, each time a little later.
const KILLS: u32 = 60;

/// The versions that are published over and over.
fn versions() -> [Resolved; 3] {
    [
        app("1.0"),
        app("3.0-20240102.030405-7"),
        app("3.0-20240102.030405-8"),
    ]
}

fn metadata(generation: usize) -> String {
    let filler = " ".repeat(generation % 97 * 100);
    format!("<metadata>{generation}{filler}</metadata>")
}

/// Publishes until it is killed.
fn publish_for_ever(directory: &Path) {
    let (repository, _) = at(directory);
    for generation in 0.. {
        for resolved in versions() {
            publish(&repository, &resolved, &jar(&resolved.version)).unwrap();
        }
        let place = repository.prepare_directory("com/ex/app").unwrap();
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        place
            .publish_metadata("corp", metadata(generation).as_bytes(), now)
            .unwrap();
        if generation == 0 {
            println!("\nbegun");
        }
    }
}

/// Everything under a final name is whole.
fn check(root: &Path) {
    for (path, (content, ..)) in tree(root) {
        let name = path.file_name().unwrap().to_string_lossy();
        let text = String::from_utf8_lossy(&content);
        let version = versions()
            .into_iter()
            .find(|version| name.contains(&version.version));
        if name.starts_with('.') {
            // Of a process that was killed: nobody takes it for anything else.
        } else if let Some(version) = version {
            let expected = jar(&version.version);
            match name.strip_suffix(".sha1") {
                Some(_) => assert_eq!(text, crate::sha1(&expected)),
                None => assert!(content == expected, "{name} is not whole"),
            }
        } else if name.ends_with(".xml") {
            assert!(
                text.starts_with("<metadata>") && text.ends_with("</metadata>"),
                "{name}"
            );
        } else {
            // An update in place: the process may have died before its single write.
            assert!(text.is_empty() || text.ends_with('\n'), "{name}: {text}");
            assert!(name == "_remote.repositories" || name == "resolver-status.properties");
        }
    }
}

#[test]
fn whoever_is_killed_leaves_whole_files_and_the_next_run_succeeds() {
    if let Some((_, directory)) = role() {
        return publish_for_ever(&directory);
    }
    let this = "crash::whoever_is_killed_leaves_whole_files_and_the_next_run_succeeds";
    let directory = tempfile::tempdir().unwrap();
    let (repository, _) = at(directory.path());
    for number in 0..KILLS {
        let mut process = start(this, "publish", directory.path());
        process.wait_for("begun");
        // The moment is what is tested; any is right.
        std::thread::sleep(Duration::from_micros(u64::from(number) * 317));
        process.kill();
        check(repository.head());
        for resolved in versions() {
            let found = repository.find(&resolved, None, &mut Vec::new()).unwrap();
            assert!(found.origin.is_accepted_for(&["corp"]));
        }
    }
    for resolved in versions() {
        let published = publish(&repository, &resolved, &jar(&resolved.version)).unwrap();
        assert!(published.warnings.is_empty(), "{:?}", published.warnings);
    }
    let tomorrow = SystemTime::now() + Duration::from_hours(25);
    let plan = repository.prunable(&|_| true, Duration::from_hours(24), tomorrow);
    println!(
        "{} of {KILLS} kills left a temporary file",
        plan.leftovers.len()
    );
    assert!(plan.apply(tomorrow).problems.is_empty());
    let left = tree(repository.head()).into_keys();
    assert_eq!(
        left.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with('.'))
            .count(),
        0
    );
    std::io::stdout().flush().unwrap();
}
