//! A share that hangs while people look: what is here is told, and that it is not all.

use grease_testkit::faultfs::FaultFs;
use grease_testkit::sandbox::Sandbox;

use super::{Farm, mark};

#[test]
fn every_question_is_answered_from_this_host_while_the_share_hangs() {
    let Some(share) = FaultFs::mount() else {
        return;
    };
    mark(&share.backing(), "0192d0b4-7c7e-7000-8000-000000000001");
    let root = Sandbox::new(env!("CARGO_BIN_EXE_greaserun"));
    let Some(farm) = Farm::at(root, &share.path(), 2) else {
        return;
    };
    farm.hosts[0].run("here", "echo it ran here; exit 5", 5);
    farm.hosts[1].run("there", "echo it ran there", 0);
    farm.hosts[0].kill_shipper();
    farm.hosts[1].kill_shipper();
    share.rules("*=hang");
    let questions: [&[&str]; 8] = [
        &[],
        &["runs"],
        &["failures"],
        &["hosts"],
        &["why", "here"],
        &["job", "here"],
        &["log", "here"],
        &["log", "here", "--path"],
    ];
    // All at once: each waits for 5 s.
    let asked: Vec<_> = questions
        .iter()
        .map(|words| farm.hosts[0].asking(words).start())
        .collect();
    let unknown = farm.hosts[0].asking(&["why", "there"]).start();
    for (words, running) in questions.iter().zip(asked) {
        let answer = running.finish();
        let (out, err) = (answer.out(), answer.err());
        let expected = match words.first() {
            // The log itself is here, whole.
            Some(&"log") => 0,
            _ => 75,
        };
        assert_eq!(answer.code, Some(expected), "{words:?}: {}", answer.all());
        assert!(
            err.contains("has not responded for 5 s"),
            "{words:?}: {err}"
        );
        assert!(
            err.contains("this is what this host knows by itself"),
            "{words:?}: {err}"
        );
        let told = match words.first() {
            Some(&"hosts") => "dp-000",
            Some(&"log") if words.len() == 3 => farm.hosts[0]
                .sandbox
                .path("state")
                .display()
                .to_string()
                .leak(),
            Some(&"log" | &"why") => "it ran here",
            _ => "here",
        };
        assert!(out.contains(told), "{words:?}: {out}");
        assert!(!out.contains("there"), "{words:?}: {out}");
    }
    let unknown = unknown.finish();
    assert_eq!(unknown.code, Some(75), "{}", unknown.all());
    assert!(
        unknown.err().contains("this host does not know"),
        "{}",
        unknown.err()
    );
    drop(share);
}
