//! What a person calls a job or a run; and names that are meant to do harm.

use serde_json::json;

use super::Farm;

/// Writes lines to the index of a host that is not there.
fn write(farm: &Farm, lines: &[String]) {
    let day = jiff::Timestamp::now().to_string();
    let day = day.split('T').next().unwrap();
    let index = farm.tree().join(day).join("index");
    fs_err::create_dir_all(&index).unwrap();
    fs_err::write(index.join("written.jsonl"), lines.concat()).unwrap();
}

/// The end of a run, told of by nothing else.
fn end(id: &str, job: &str, host: &str) -> String {
    let now = format!("{:.6}", jiff::Timestamp::now());
    let end = json!({
        "v": 1, "event": "end", "run": id, "job": job, "time": now, "start": now, "user": "etl",
        "host": host, "trigger": "manual", "runner": "shell", "result": "failure", "error": "exit",
        "exit": 1, "leftovers": 0, "log": "logs/none.log",
    });
    format!("{end}\n")
}

#[test]
fn a_run_is_named_by_the_end_of_its_id_and_several_are_told_apart() {
    let Some(farm) = Farm::new(1) else { return };
    farm.hosts[0].run("daily", "exit 0", 0);
    let id = farm.objects(&["runs", "--json"])[0]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let tail = |count: usize| id.split_at(id.len() - count).1;
    let short = tail(5).to_lowercase();
    for name in [&*short, &id, tail(16), tail(5)] {
        let log = farm.ask(&["log", name]);
        assert_eq!(log.code, Some(0), "{name}: {}", log.all());
    }
    let too_short = farm.ask(&["log", tail(4)]);
    assert_eq!(too_short.code, Some(64), "{}", too_short.all());

    let one = "01M87HGGRDE4QARSD84MFAAAAA";
    let other = "01M87HGGRDE4QARSD84MFBAAAA";
    write(
        &farm,
        &[end(one, "one", "dp-900"), end(other, "other", "dp-901")],
    );
    let both = farm.ask(&["why", "aaaa"]);
    assert_eq!(
        both.code,
        Some(64),
        "four characters are no name: {}",
        both.all()
    );
    write(
        &farm,
        &[
            end(one, "one", "dp-900"),
            end("01M87HGGRDE4QARSD84MABAAAAA", "no", "x"),
            end("01M87HGGRDE4QARSD84MGAAAAA", "other", "dp-901"),
        ],
    );
    let both = farm.ask(&["why", "aaaaa"]);
    assert_eq!(both.code, Some(64), "{}", both.all());
    assert!(
        both.err().contains("`aaaaa` may be 2 things"),
        "{}",
        both.err()
    );
    for part in [one, "(one)", "01M87HGGRDE4QARSD84MGAAAAA", "(other)"] {
        assert!(both.err().contains(part), "{}", both.err());
    }
    assert!(
        farm.told(&["why", "faaaaa"], 0)
            .starts_with("one  FAILED (exit 1)")
    );
}

#[test]
fn a_name_that_nobody_has_is_answered_with_those_like_it() {
    let Some(farm) = Farm::new(1) else { return };
    farm.hosts[0].run("com.acme:daily-tracks", "exit 0", 0);
    for (name, hint) in [
        ("daily-trakcs", "there is `com.acme:daily-tracks`"),
        ("tracks", "there is `com.acme:daily-tracks`"),
        ("com.acme:daily", "there is `com.acme:daily-tracks`"),
        (
            "something",
            "`greasestatus runs --since 30d` lists what there is",
        ),
    ] {
        for command in ["why", "log", "job", "stop"] {
            let answer = farm.ask(&[command, name]);
            assert_eq!(answer.code, Some(64), "{command} {name}: {}", answer.all());
            let expected = format!("error: there is no job and no run `{name}`\nhint: {hint}\n");
            assert_eq!(answer.err(), expected, "{command}");
        }
    }
}

/// What no terminal must get of a text of others.
#[track_caller]
fn assert_harmless(text: &[u8]) {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let is_harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!text.contains(is_harmful), "{text:?}");
    assert!(!text.contains(['\u{202e}', '\u{200b}']), "{text:?}");
}

#[test]
fn names_that_are_meant_to_do_harm_do_none() {
    let Some(farm) = Farm::new(1) else { return };
    farm.hosts[0].run("daily", "exit 0", 0);
    let job = "a\x1b[2J\x1b]0;x\x07\r\n\u{202e}\u{9b}2J../../etc/passwd";
    let host = "h\x1b[31m\n$(reboot)";
    let id = "01M87HGGRDE4QARSD84MFAAAAA";
    let mut evil: serde_json::Value = serde_json::from_str(&end(id, job, host)).unwrap();
    evil["msg"] = "\x1b[8m\u{0}\r".into();
    evil["artifact"] = "\x1b[2J".into();
    evil["log"] = "../../../../../../etc/passwd".into();
    evil["user"] = "u\x1b[2J".into();
    let mut live: serde_json::Value =
        serde_json::from_str(&end("01M87HGGRDE4QARSD84MFBBBBB", job, host)).unwrap();
    live["event"] = "start".into();
    write(&farm, &[format!("{evil}\n"), format!("{live}\n")]);
    for words in [
        &[][..],
        &["runs"],
        &["failures"],
        &["hosts"],
        &["why", "aaaaa"],
        &["why", "bbbbb"],
        &["log", "aaaaa"],
        &["log", "aaaaa", "--raw"],
        &["log", "aaaaa", "--path"],
        &["log", "bbbbb"],
        &["job", job],
        &["job", "no\x1b[2Jsuch"],
        &["stop", "aaaaa"],
        &["stop", "bbbbb"],
        &["runs", "--json"],
    ] {
        let answer = farm.ask(words);
        assert_harmless(&answer.stdout);
        assert_harmless(&answer.stderr);
        assert!(!answer.out().contains("root:"), "{}", answer.all());
    }
}

#[test]
fn a_run_that_is_known_by_its_end_alone_is_shown_everywhere() {
    let Some(farm) = Farm::new(1) else { return };
    farm.hosts[0].run("daily", "exit 0", 0);
    let now = format!("{:.6}", jiff::Timestamp::now());
    // As of a greaserun that was killed before it wrote its start, of before ends told of starts.
    let bare = json!({"v": 1, "event": "end", "run": "01M87HGGRDE4QARSD84MFAAAAA", "job": "bare",
        "time": now, "result": "error", "error": "supervisor-killed",
        "msg": "greaserun was killed", "leftovers": 0});
    write(&farm, &[format!("{bare}\n")]);
    let runs = farm.told(&["runs", "--since", "30d"], 0);
    assert!(runs.contains("bare   written  –"), "{runs}");
    assert!(
        runs.contains("✗ supervisor-killed: greaserun was killed"),
        "{runs}"
    );
    assert_eq!(farm.jobs(&["failures", "--since", "30d"]), ["bare"]);
    let why = farm.told(&["why", "bare"], 0);
    assert!(
        why.starts_with("bare  FAILED (supervisor-killed) "),
        "{why}"
    );
    assert!(why.contains("greaserun was killed"), "{why}");
    let wrong = farm.told(&[], 1);
    assert!(wrong.starts_with("1 job failing"), "{wrong}");
    assert!(
        farm.told(&["job", "bare", "--since", "30d"], 0)
            .contains('✗')
    );
    let log = farm.ask(&["log", "bare"]);
    assert_ne!(log.code, Some(70), "{}", log.all());
    assert!(
        log.err().contains("neither here nor on the share"),
        "{}",
        log.err()
    );
}
