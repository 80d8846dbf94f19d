//! What greaserun adds to a job that does nothing, and what it holds in memory meanwhile.

use anyhow::{Context as _, Result};
use grease_testkit::jar::JarBuilder;

use super::comparison::{Comparison, Contestant};
use super::ground::{Ground, let_go, silent, until_it_runs};
use super::memory::{self, Memory};
use super::{Aim, Bound, Chapter};

/// The job that does nothing.
const NOTHING: &str = "#!/bin/sh\n:\n";

/// A job that says when it runs, and runs until its input ends.
const WAITING: &str = "#!/bin/sh\necho runs\nexec cat\n";

pub(super) fn run(ground: &Ground) -> Result<Chapter> {
    let jar = ground.path("small.jar");
    let archive = JarBuilder::new()
        .script("nothing.sh", NOTHING)
        .script("waiting.sh", WAITING);
    archive.write(&jar);
    let mut shell = silent("sh");
    shell.args(["-c", NOTHING]);
    let mut load = silent(ground.greaserun("shell", &jar, &[]).get_program());
    load.arg("--version");
    let comparison = Comparison {
        ours: Contestant::new(
            "`greaserun -r shell small.jar -- nothing.sh`",
            ground.greaserun("shell", &jar, &["nothing.sh"]),
        ),
        peers: vec![
            Contestant::new(
                format!("`sh -c` with the text of the script ({})", shell_name()?),
                shell,
            ),
            Contestant::new("`greaserun --version`: only to load the program", load),
        ],
        rounds: ground.rounds(200),
    };
    let measured = comparison.measure()?;
    let Memory {
        resident,
        anonymous,
        peak,
    } = while_a_job_runs(ground)?;
    let body = format!(
        "{}\nMemory of greaserun while a job waits: {resident:.1} MiB resident, of which \
         {anonymous:.1} MiB are not part of a file; at most {peak:.1} MiB so far.\n",
        measured.table()
    );
    let added = measured
        .pair(0)
        .map(|(ours, shell)| ours.wall_median - shell.wall_median);
    let aims = vec![
        Aim {
            text: "at most 5 ms more than the bare command (wall, medians)",
            bound: Bound::AtMost(5.0),
            measured: added,
            unit: "ms",
        },
        Aim {
            text: "at most 10 MB resident while the job runs",
            bound: Bound::AtMost(10.0),
            measured: Some(resident * memory::MB_IN_A_MIB),
            unit: "MB",
        },
    ];
    Ok(Chapter {
        heading: "Starting a job",
        body,
        aims,
    })
}

/// What `sh` is here.
fn shell_name() -> Result<String> {
    let program = fs_err::canonicalize("/bin/sh")?;
    let name = program.file_name().context("a program has a name")?;
    Ok(name.to_string_lossy().into_owned())
}

fn while_a_job_runs(ground: &Ground) -> Result<Memory> {
    let greaserun = ground.greaserun("shell", &ground.path("small.jar"), &["waiting.sh"]);
    let child = until_it_runs(greaserun)?;
    let memory = memory::of(&child)?.context("greaserun ended before its job")?;
    let_go(child)?;
    Ok(memory)
}
