//! An index on the share that is damaged, and things on it that are not ours.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::Farm;

/// The index of the first host, of the day of its newest run.
fn index(farm: &Farm) -> PathBuf {
    let runs = farm.objects(&["runs", "--host", "dp-000", "--json"]);
    let day = runs[0]["start"]
        .as_str()
        .unwrap()
        .split('T')
        .next()
        .unwrap();
    farm.tree().join(day).join("index/dp-000.jsonl")
}

#[test]
fn torn_lines_nuls_and_garbage_hide_nothing_but_themselves() {
    let Some(farm) = Farm::new(2) else { return };
    farm.hosts[0].run("first", "exit 0", 0);
    farm.hosts[0].run("second", "exit 5", 5);
    farm.hosts[1].run("third", "exit 0", 0);
    farm.hosts[0].kill_shipper(); // It would mend what follows.
    let path = index(&farm);
    let whole = fs_err::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    let middle = ends[ends.len() / 2] + 1;
    let garbage: [&[u8]; 5] = [
        b"\0\0\0\0\0\0\0\0\n",
        b"\xff\xfe garbage {\"event\":\"end\"}\n",
        b"{\"v\":1,\"event\":\"end\",\"run\":7}\n[]\n\"\"\n\n",
        &vec![b'x'; 200_000],
        b"\n",
    ];
    let damaged = [&whole[..middle], &garbage.concat(), &whole[middle..]].concat();
    for torn in [
        &b""[..],
        &whole[..ends[0] / 2],
        b"{\"v\":1,\"event\":\"end\",\"run\":\"01",
        b"\0\0\0",
    ] {
        fs_err::write(&path, [&damaged, torn].concat()).unwrap();
        assert_eq!(farm.jobs(&["runs"]), ["third", "second", "first"]);
        assert_eq!(farm.jobs(&["failures"]), ["second"]);
        assert!(
            farm.told(&["why", "second"], 0)
                .starts_with("second  FAILED (exit 5)")
        );
    }
    // A line whose end is not there yet is one that does not count yet.
    fs_err::write(&path, &whole[..whole.len() - 1]).unwrap();
    let second = &farm.objects(&["runs", "--job", "second", "--json"])[0];
    assert_eq!(second["end"], serde_json::Value::Null, "{second}");
    let mut file = fs_err::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"\n").unwrap();
    assert_eq!(farm.jobs(&["failures"]), ["second"]);
}

#[test]
fn links_and_pipes_on_the_share_are_not_followed() {
    let Some(farm) = Farm::new(1) else { return };
    farm.hosts[0].run("ours", "echo ours; exit 5", 5);
    let path = index(&farm);
    let text = fs_err::read_to_string(&path).unwrap();
    let outside = farm.root.path("outside");
    fs_err::create_dir_all(outside.join("index")).unwrap();
    let theirs = text.replace("\"ours\"", "\"theirs\"").replace("01", "02");
    fs_err::write(outside.join("index/evil.jsonl"), &theirs).unwrap();
    fs_err::write(
        outside.join("secret"),
        "2026-01-01T00:00:00.000000Z stdout F secret\n",
    )
    .unwrap();

    let day = path.parent().unwrap().parent().unwrap().to_owned();
    symlink(
        outside.join("index/evil.jsonl"),
        day.join("index/evil.jsonl"),
    )
    .unwrap();
    symlink(&outside, farm.tree().join("2026-11-23")).unwrap();
    symlink("/dev/zero", farm.tree().join("hosts/zero.json")).unwrap();
    symlink(&outside, farm.share().join("mallory")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        day.join("index/pipe.jsonl"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let runs = farm.ask(&["runs", "--since", "30d", "--json"]);
    assert!(
        runs.out().contains("\"ours\"") && !runs.out().contains("theirs"),
        "{}",
        runs.all()
    );
    assert!(
        runs.err().contains("evil.jsonl"),
        "what is not read is told: {}",
        runs.all()
    );
    assert!(farm.ask(&["hosts"]).code == Some(0));

    let log = farm.told(&["log", "ours", "--path"], 0);
    fs_err::remove_file(log.trim_end()).unwrap();
    symlink(outside.join("secret"), log.trim_end()).unwrap();
    for words in [
        &["log", "ours"][..],
        &["log", "ours", "--raw"],
        &["why", "ours"],
    ] {
        let answer = farm.ask(words);
        assert!(
            !answer.all().contains("secret"),
            "{words:?}: {}",
            answer.all()
        );
    }
    assert_ne!(farm.ask(&["log", "ours"]).code, Some(0));
}
