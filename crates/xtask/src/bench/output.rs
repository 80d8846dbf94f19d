//! A large output on its way into a file.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use grease_testkit::jar::JarBuilder;
use serde_json::json;

use super::comparison::{Comparison, Contestant};
use super::ground::{Ground, silent, version_of};
use super::memory;
use super::{Aim, Bound, Chapter};

/// A line of a log, 100 bytes.
const LINE: &[u8; 100] =
    b"2026-11-24 04:05:06,789 INFO  [worker-12] TaskSetManager: finished task \
    1234 of stage 5 in 6789 ms.\n";

/// A secret in the environment, which is looked for in all output.
const SECRET: &str = "correct horse battery staple";

/// How often the line comes: 1 GB together.
const LINES: usize = 10_000_000;

pub(super) fn run(ground: &Ground) -> Result<Chapter> {
    let text = print_into(ground.path("output.txt"))?;
    let jar = ground.path("output.jar");
    JarBuilder::new()
        .script("print.sh", "#!/bin/sh\nexec cat \"$1\"\n")
        .write(&jar);

    let [ours_into, local_into, tee_into] =
        ["greaserun.out", "local.out", "tee.out"].map(|name| ground.path(name));
    let with_share = config_with_share(ground)?;
    let greaserun = |mut greaserun: Command, into: &Path| {
        greaserun.args(["-r", "shell"]).arg(&jar);
        greaserun.args(["--", "print.sh"]).arg(&text);
        let mut shell = shell("exec \"$@\" > \"$0/copy\"");
        shell
            .arg(into)
            .arg(greaserun.get_program())
            .args(greaserun.get_args())
            .env("DB_PASSWORD", SECRET);
        shell
    };
    let shared = || greaserun(ground.greaserun_under(&with_share), &ours_into);
    let local = greaserun(ground.greaserun_under(ground.config()), &local_into);
    let peer = match version_of("tee", "--version") {
        Some(version) => {
            let mut tee = shell("cat \"$1\" | tee \"$0/copy\"");
            tee.arg(&tee_into).arg(&text);
            Contestant::new(
                format!("`cat output.txt | tee FILE > /dev/null` ({version})"),
                tee,
            )
            .into_empty(tee_into)
        }
        None => Contestant::missing("tee"),
    };
    let name = "`greaserun -r shell output.jar -- print.sh output.txt > FILE`";
    let comparison = Comparison {
        ours: Contestant::new(format!("{name}, with a share"), shared())
            .into_empty(ours_into.clone()),
        peers: vec![
            peer,
            Contestant::new(format!("{name}, without"), local).into_empty(local_into),
        ],
        rounds: ground.rounds(7),
    };
    let measured = comparison.measure()?;
    let peak = memory::to_the_end(shared())?.peak;
    let body = format!(
        "{}\nMemory of greaserun in one more run: at most {peak:.1} MiB resident.\n",
        measured.table()
    );
    let aims = vec![
        Aim {
            text: "at most 1.5 times the time of tee (wall, medians)",
            bound: Bound::AtMost(1.5),
            measured: measured
                .pair(0)
                .map(|(ours, tee)| ours.wall_median / tee.wall_median),
            unit: "times",
        },
        Aim {
            text: "memory bounded, 10 MB at most",
            bound: Bound::AtMost(10.0),
            measured: Some(peak * memory::MB_IN_A_MIB),
            unit: "MB",
        },
    ];
    Ok(Chapter {
        heading: "1 GB of output",
        body,
        aims,
    })
}

/// Makes the file that the job prints.
fn print_into(text: PathBuf) -> Result<PathBuf> {
    let mut writer = BufWriter::new(fs_err::File::create(&text)?);
    for _ in 0..LINES {
        writer.write_all(LINE)?;
    }
    writer.flush()?;
    Ok(text)
}

/// A config with a share on a local directory.
fn config_with_share(ground: &Ground) -> Result<PathBuf> {
    let [config, state, share] =
        ["output.json", "output-state", "output-share"].map(|name| ground.path(name));
    fs_err::create_dir(&share)?;
    let common = json!({ "state_dir": state, "file_logger": share });
    let settings = json!({ "common": common, "guard": { "enabled": false } });
    fs_err::write(&config, settings.to_string())?;
    Ok(config)
}

/// A shell that runs `line`; the arguments that follow are `$0`, `$1` and so on.
fn shell(line: &str) -> Command {
    let mut shell = silent("sh");
    shell.args(["-c", line]);
    shell
}
