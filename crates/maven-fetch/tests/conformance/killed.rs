//! Processes that are killed at any moment.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use grease_testkit::length::rounds;
use nix::sys::signal::Signal;

use crate::invariants;
use crate::remote::{Versions, deploy, jar, path, versions_xml};
use crate::server::Server;
use crate::user::{LATEST, Running, User, assert_fresh};

/// Longest wait for something that another process does.
pub(crate) const WAIT_MAX: Duration = Duration::from_mins(1);

/// Waits until something is so.
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < WAIT_MAX, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until one of these processes downloads; says which one.
pub(crate) fn wait_for_downloader(user: &User, processes: &[u32]) -> u32 {
    wait_until("a download", || {
        user.files().into_iter().find_map(|(name, (content, ..))| {
            let mut fields = name.strip_suffix(".part")?.rsplit('.');
            fields.next()?;
            let process = fields.next()?.parse().ok()?;
            (processes.contains(&process) && !content.is_empty()).then_some(process)
        })
    })
}

/// Makes the jar of a version come slowly: all of it in about `total`.
pub(crate) fn slowly(server: &Server, version: &str, total: Duration) {
    const PIECES: u32 = 50;
    let piece = jar(version).len() / PIECES as usize + 1;
    server.answer_differently(&path(version), |answer| answer.drip(piece, total / PIECES));
}

// Case 38.
#[test]
fn whoever_is_killed_leaves_whole_files_and_the_next_run_succeeds() {
    let server = Server::start();
    let user = User::of(&server);
    let versions: Vec<String> = (0..rounds(24))
        .map(|number| format!("1.{number}"))
        .collect();
    let mut said = HashSet::new();
    let mut killed = 0;
    for number in 0..versions.len() {
        let listed: Vec<&str> = versions[..=number].iter().map(String::as_str).collect();
        deploy(&server, &listed);
        let last = listed[number];
        let updated = format!("20240101{:06}", listed.len());
        let announced = Versions {
            latest: last,
            release: last,
            listed: &listed,
            updated: &updated,
        };
        said.insert(versions_xml(&announced).into_bytes());
        slowly(&server, last, Duration::from_millis(100));
        let mut process = user.start(&[LATEST, "--update=always"]);
        if number % 2 == 0 {
            wait_for_downloader(&user, &[process.id()]);
        }
        // The moment is what is tested; any is right.
        std::thread::sleep(Duration::from_millis((number as u64 * 37) % 130));
        if !process.is_over() {
            process.signal(Signal::SIGKILL);
            killed += 1;
        }
        drop::<Running>(process);
        invariants::check(&user.files(), &said);
    }
    assert!(
        killed > versions.len() / 3,
        "{killed} of {} were alive",
        versions.len()
    );
    let last = versions.last().unwrap();
    assert_eq!(
        user.run(&[LATEST, "--update=always"]).path(),
        user.m2().join(path(last))
    );
    invariants::check(&user.files(), &said);
    let exact = format!("com.ex:app:{last}");
    assert_fresh(&user.fetch(&exact).unwrap(), last);
}
