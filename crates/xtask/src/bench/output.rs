//! A large output on its way into a file.

use std::io::{BufWriter, Write as _};

use anyhow::Result;
use grease_testkit::jar::JarBuilder;

use super::comparison::{Comparison, Contestant};
use super::ground::{Ground, silent, version_of};
use super::memory;
use super::{Aim, Bound, Chapter};

/// A line of a log, 100 bytes.
const LINE: &[u8; 100] =
    b"2026-11-24 04:05:06,789 INFO [executor-12] TaskSetManager: Finished task 1234.0 in stage 5.0 (TID)\n";

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
    JarBuilder::new().script("print.sh", "#!/bin/sh\nexec cat \"$1\"\n").write(&jar);

    let source = text.to_string_lossy();
    let greaserun = |target: &str| -> Result<_> {
        let mut command = ground.greaserun("shell", &jar, &["print.sh", &source]);
        command.stdout(fs_err::File::create(ground.path(target))?.into_parts().0);
        Ok(command)
    };
    let tee = version_of("tee", "--version").map(|version| {
        let mut shell = silent("sh");
        shell.args(["-c", "cat \"$1\" | tee \"$2\"", "sh"]);
        shell.arg(&text).arg(ground.path("tee.txt"));
        Contestant::new(format!("`cat output.txt | tee FILE > /dev/null` ({version})"), shell)
    });
    todo!()
}
