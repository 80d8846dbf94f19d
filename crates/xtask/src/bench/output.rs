//! A large output on its way into a file.

use std::io::{BufWriter, Write as _};
use std::process::Command;

use anyhow::Result;
use grease_testkit::jar::JarBuilder;

use super::comparison::{Comparison, Contestant};
use super::ground::{Ground, silent, version_of};
use super::memory;
use super::{Aim, Bound, Chapter};

/// A line of a log, 100 bytes.
const LINE: &[u8; 100] =
    b"2026-11-24 04:05:06,789 INFO  [worker-12] TaskSetManager: finished task \
    1234 of stage 5 in 6789 ms.\n";

/// How often the line comes: 1 GB together.
const LINES: usize = 10_000_000;

pub(super) fn run(ground: &Ground) -> Result<Chapter> {
    let text = ground.path("output.txt");
    let mut writer = BufWriter::new(fs_err::File::create(&text)?);
    for _ in 0..LINES {
        writer.write_all(LINE)?;
    }
    writer.flush()?;
    let jar = ground.path("output.jar");
    JarBuilder::new()
        .script("print.sh", "#!/bin/sh\nexec cat \"$1\"\n")
        .write(&jar);

    let (ours_into, tee_into) = (ground.path("greaserun.out"), ground.path("tee.out"));
    let greaserun = || {
        let greaserun = ground.greaserun("shell", &jar, &["print.sh", &text.to_string_lossy()]);
        let mut shell = shell("exec \"$@\" > \"$0/copy\"");
        shell
            .arg(&ours_into)
            .arg(greaserun.get_program())
            .args(greaserun.get_args());
        shell
    };
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
        ours: Contestant::new(name, greaserun()).into_empty(ours_into.clone()),
        peers: vec![peer],
        rounds: ground.rounds(7),
    };
    let measured = comparison.measure()?;
    let peak = memory::to_the_end(greaserun())?.peak;
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

/// A shell that runs `line`; the arguments that follow are `$0`, `$1` and so on.
fn shell(line: &str) -> Command {
    let mut shell = silent("sh");
    shell.args(["-c", line]);
    shell
}
