//! `log` over the share, from a host that did not run the job.

use grease_testkit::sandbox::wait_until;

use super::Farm;

#[test]
fn lines_are_chosen_and_the_path_is_that_of_the_log() {
    let Some(farm) = Farm::new(1) else { return };
    farm.hosts[0].run("daily", "seq 1 20; echo no input >&2", 0);
    let lines = |words: &[&str]| -> Vec<String> {
        let answer = farm.ask(&[&["log", "daily"], words].concat());
        assert_eq!(answer.code, Some(0), "{}", answer.all());
        let words = |line: &str| {
            line.split_whitespace()
                .skip(1)
                .map(ToOwned::to_owned)
                .collect()
        };
        let lines = answer.out();
        lines
            .lines()
            .map(words)
            .map(|words: Vec<String>| words.join(" "))
            .collect()
    };
    assert_eq!(lines(&["--grep", "7"]), ["7", "17"]);
    assert_eq!(lines(&["--stderr", "--grep", "input"]), ["E no input"]);
    assert_eq!(lines(&["--stdout", "-n", "2"]), ["19", "20"]);
    assert_eq!(lines(&["--since", "1h", "--grep", "input"]).len(), 1);
    assert!(lines(&["--since", "2099-01-01"]).is_empty());
    let raw = farm.ask(&["log", "daily", "--raw", "--stdout"]);
    let expected: String = (1..=20).map(|n: u32| n.to_string() + "\n").collect();
    assert_eq!(raw.out(), expected);
    let path = farm.told(&["log", "daily", "--path"], 0);
    let log = fs_err::read_to_string(path.trim_end()).unwrap();
    assert!(path.starts_with(farm.share().to_str().unwrap()), "{path}");
    assert!(log.contains(" stderr F no input\n"), "{log}");
    let there = farm.hosts[0]
        .asking(&["log", "daily", "--path"])
        .finish()
        .out();
    let spool = farm.hosts[0].sandbox.path("state");
    assert!(
        there.starts_with(spool.to_str().unwrap()),
        "its own host has it nearer: {there}"
    );
}

#[test]
fn bytes_that_harm_a_terminal_come_exactly_by_raw_and_harmless_else() {
    let Some(farm) = Farm::new(1) else { return };
    let script = r"printf 'a\033[2J\033]0;title\007b\000\377\302\2332Jc\n'; printf 'bar\rline\n'; printf 'no end\000'";
    farm.hosts[0].run("odd", script, 0);
    let raw = farm.ask(&["log", "odd", "--raw", "--stdout"]);
    let expected = b"a\x1b[2J\x1b]0;title\x07b\0\xff\xc2\x9b2Jc\nbar\rline\nno end\0";
    assert_eq!(raw.stdout, expected, "{}", raw.all());
    let shown = farm.ask(&["log", "odd"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n'),
        "{text:?}"
    );
    assert!(
        text.contains("  ab") && text.contains("line\n") && text.contains("no end"),
        "{text:?}"
    );
    let why = farm.told(&["why", "odd"], 0);
    assert!(
        !why.contains(|c: char| c.is_control() && c != '\n'),
        "{why:?}"
    );
}

#[test]
fn a_log_is_followed_on_another_host_until_the_run_ends() {
    let Some(farm) = Farm::new(1) else { return };
    let running = farm.hosts[0].start(&farm, "long");
    let reader = farm.hosts[1].asking(&["log", "-f", "long"]).start();
    wait_until("it is read by another process", || {
        let there = farm.hosts[1].sandbox.processes();
        there.len() >= 2
    });
    farm.hosts[0].release(running, "long");
    let followed = reader.finish();
    assert_eq!(followed.code, Some(0), "{}", followed.all());
    assert!(followed.out().contains("started"), "{}", followed.all());
    assert!(
        followed.err().contains("ended: ✗ exit 7"),
        "{}",
        followed.all()
    );
}
