//! Unpacking the part of a large jar that a job needs.

use std::path::Path;

use anyhow::Result;
use grease_testkit::jar::write_large;

use super::comparison::{Comparison, Contestant};
use super::ground::{Ground, silent, version_of};
use super::{Aim, Bound, Chapter};
use crate::command::command;

/// Entries of the jar, as of the largest fat jars.
const ENTRIES: usize = 100_000;

/// How many of them lie under `python/`.
const SCRIPTS: usize = 1_000;

/// What the greaserun of 2014 did, in the Python of today.
const ZIPFILE: &str = "\
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as jar:
    jar.extractall(sys.argv[2], [name for name in jar.namelist() if name.startswith('python/')])
";

pub(super) fn run(ground: &Ground) -> Result<Chapter> {
    let jar = ground.path("big.jar");
    write_large(&jar, ENTRIES, SCRIPTS);
    let comparison = Comparison {
        ours: Contestant::new(
            "`greaserun -r python big.jar -- true`",
            ground.greaserun("python", &jar, &["true"]),
        ),
        peers: vec![
            zipfile(ground, &jar),
            unzip(ground, &jar),
            library(ground, &jar),
        ],
        rounds: ground.rounds(15),
    };
    let measured = comparison.measure()?;
    let body = format!(
        "{ENTRIES} entries, {SCRIPTS} of them under `python/`.\n\n{}",
        measured.table()
    );
    let aims = vec![Aim {
        text: "5 times faster than zipfile (wall, medians)",
        bound: Bound::AtLeast(5.0),
        measured: measured
            .pair(0)
            .map(|(ours, zipfile)| zipfile.wall_median / ours.wall_median),
        unit: "times",
    }];
    Ok(Chapter {
        heading: "Unpacking a large jar",
        body,
        aims,
    })
}

/// Python's own program, not one that looks for it, as version managers put on `PATH`.
fn python() -> Option<String> {
    let asked = ["-c", "import sys; print(sys.executable)"];
    let output = command("python3").args(asked).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| path.trim().to_owned())
}

fn zipfile(ground: &Ground, jar: &Path) -> Contestant {
    let found = python().and_then(|path| Some((version_of(&path, "--version")?, path)));
    let Some((version, program)) = found else {
        return Contestant::missing("python3");
    };
    let into = ground.path("zipfile");
    let mut python = silent(program);
    python.args(["-c", ZIPFILE]).arg(jar).arg(&into);
    Contestant::new(format!("zipfile ({version})"), python).into_empty(into)
}

fn unzip(ground: &Ground, jar: &Path) -> Contestant {
    let Some(version) = version_of("unzip", "-v") else {
        return Contestant::missing("unzip");
    };
    let version = version.split(" of ").next().unwrap_or_default();
    let into = ground.path("unzip");
    let mut unzip = silent("unzip");
    unzip
        .arg("-q")
        .arg(jar)
        .arg("python/*")
        .arg("-d")
        .arg(&into);
    Contestant::new(
        format!("`unzip -q big.jar 'python/*' -d DIR` ({version})"),
        unzip,
    )
    .into_empty(into)
}

fn library(ground: &Ground, jar: &Path) -> Contestant {
    let into = ground.path("library");
    let mut unpack = ground.example("unpack");
    unpack.arg(jar).arg("python").arg(&into);
    Contestant::new("`grease_core::jar` alone", unpack).into_empty(into)
}
