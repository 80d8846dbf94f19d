//! What is wrong now, first; why it is; and how a job has been doing.

use super::{Farm, last};

#[test]
fn what_is_wrong_is_told_until_it_is_right_again() {
    let Some(farm) = Farm::new(2) else { return };
    assert!(
        farm.told(&[], 0)
            .starts_with("nothing is failing · 0 running"),
        "a farm that never ran anything"
    );
    farm.hosts[0].run("daily", "echo fine", 0);
    farm.hosts[1].run("report", "echo fine", 0);
    let fine = farm.told(&[], 0);
    assert!(
        fine.starts_with("nothing is failing · 0 running · 2 ok in 24h"),
        "{fine}"
    );
    assert!(
        fine.contains(&format!("share {}", farm.share().display())),
        "{fine}"
    );

    farm.hosts[1].run(
        "daily",
        "echo reading; echo no input partition >&2; exit 3",
        3,
    );
    let wrong = farm.told(&[], 1);
    let lines: Vec<&str> = wrong.lines().collect();
    assert!(
        lines[0].starts_with("1 job failing · 0 running · 2 ok in 24h"),
        "{wrong}"
    );
    assert!(
        lines[1].starts_with("FAILING  SINCE  FAILED  HOST"),
        "{wrong}"
    );
    assert!(lines[2].starts_with("daily    "), "{wrong}");
    assert!(lines[2].contains("1/2     dp-001"), "{wrong}");
    assert!(lines[2].contains("no input partition"), "{wrong}");
    assert!(lines[3].starts_with("next: greasestatus why "), "{wrong}");
    assert_eq!(lines.len(), 4, "{wrong}");

    farm.hosts[0].run("daily", "echo fine again", 0);
    let mended = farm.told(&[], 0);
    assert!(
        mended.starts_with("nothing is failing · 0 running · 3 ok"),
        "{mended}"
    );
    let failures = farm.told(&["failures"], 1);
    assert!(failures.contains("no input partition"), "{failures}");
    assert_eq!(farm.told(&["failures", "--job", "report"], 0), "none\n");
}

#[test]
fn why_tells_the_reason_the_last_lines_and_what_became_of_it() {
    let Some(farm) = Farm::new(2) else { return };
    farm.hosts[0].run("daily", "echo fine", 0);
    farm.hosts[1].run("daily", "seq 100; echo no input partition >&2; exit 3", 3);
    farm.hosts[0].run("daily", "echo fine again", 0);
    let why = farm.told(&["why", "daily"], 0);
    assert!(why.starts_with("daily  FAILED (exit 3) "), "{why}");
    assert!(why.contains("@dp-001, "), "{why}");
    assert!(why.contains("since then: ✓, started "), "{why}");
    assert!(why.contains("as in the last success"), "{why}");
    assert!(why.contains("  100\n") && !why.contains("  50\n"), "{why}");
    assert!(why.contains("  no input partition\n"), "{why}");
    let path = why
        .lines()
        .find_map(|line| line.strip_prefix("log "))
        .unwrap()
        .trim();
    assert!(
        fs_err::read_to_string(path)
            .unwrap()
            .contains("no input partition")
    );

    let run = last(&why).strip_prefix("next: greasestatus log ").unwrap();
    assert_eq!(run.len(), 5);
    assert_eq!(farm.told(&["why", run], 0), why);
    assert_eq!(farm.told(&["why", "daily@-2"], 0), why);
    let fine = farm.told(&["why", "daily@-3"], 0);
    assert!(fine.starts_with("daily  succeeded "), "{fine}");
}

#[test]
fn a_job_is_told_of_over_all_hosts() {
    let Some(farm) = Farm::new(3) else { return };
    for (host, code) in [(0, 0), (1, 4), (2, 0), (0, 0)] {
        farm.hosts[host].run("daily", &format!("exit {code}"), code);
    }
    let job = farm.told(&["job", "daily"], 0);
    assert!(job.contains("✓✗✓✓") || job.contains("✓✓✗✓"), "{job}");
    assert!(job.contains("75"), "{job}");
    let object = &farm.objects(&["job", "daily", "--json"])[0];
    assert_eq!(object["job"], "daily", "{object}");
}

#[test]
fn hosts_are_told_of_with_what_runs_there_and_what_waits() {
    let Some(farm) = Farm::new(2) else { return };
    farm.hosts[0].run("short", "echo fine", 0);
    let running = farm.hosts[1].start(&farm, "long");
    let hosts = farm.objects(&["hosts", "--json"]);
    let live = |host: &str| {
        let of_host = hosts.iter().find(|one| one["host"] == host);
        of_host.map(|one| one["live"].as_array().unwrap().len())
    };
    assert_eq!(
        live("dp-000"),
        Some(0),
        "what has ended is told of as such: {hosts:?}"
    );
    assert_eq!(live("dp-001"), Some(1), "{hosts:?}");
    let text = farm.told(&["hosts"], 0);
    assert!(
        text.starts_with("HOST    SEEN  LIVE  BACKLOG  CLOCK"),
        "{text}"
    );
    let there = farm.hosts[1].asking(&["hosts"]).finish().out();
    let own = there
        .lines()
        .find(|line| line.starts_with("dp-001"))
        .unwrap();
    assert!(
        own.contains("  1     ") && own.ends_with("this host"),
        "{there}"
    );
    farm.hosts[1].release(running, "long");
    let ended = farm.told(&["hosts"], 0);
    assert!(!ended.contains("  1     "), "{ended}");
}

#[test]
fn a_share_is_made_checked_and_cleaned_up() {
    let Some(farm) = Farm::new(1) else { return };
    let share = farm.share();
    farm.hosts[0].run("daily", "echo fine", 0);
    let check = farm.told(&["share", "check"], 0);
    assert!(
        check.starts_with(&format!("share    {}\n", share.display())),
        "{check}"
    );
    let again = farm.told(&["share", "init", share.to_str().unwrap()], 0);
    assert_eq!(again, check, "what is a share already stays what it is");
    assert!(
        farm.told(&["gc", "--dry-run"], 0)
            .starts_with("nothing of ")
    );
    // A day of two years ago.
    let old = farm.tree().join("2024-11-24/index");
    fs_err::create_dir_all(&old).unwrap();
    fs_err::write(old.join("dp-000.jsonl"), "\n").unwrap();
    assert_eq!(farm.told(&["gc", "--dry-run"], 0), "removed: 2024-11-24\n");
    assert!(old.exists());
    assert_eq!(farm.told(&["gc"], 0), "removed: 2024-11-24\n");
    assert!(!old.exists());

    fs_err::remove_file(share.join("grease-share.json")).unwrap();
    for words in [&["share", "check"][..], &["gc"]] {
        let refused = farm.ask(words);
        assert_eq!(refused.code, Some(75), "{}", refused.all());
        assert!(refused.err().contains("is no share"), "{}", refused.err());
        assert!(refused.err().contains("share init"), "{}", refused.err());
    }
}
