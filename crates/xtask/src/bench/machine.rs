//! What machine the numbers come from, as far as it matters to them.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::ground::version_of;
use crate::command::command;

/// Bytes in a GiB, in units of `/proc/meminfo`.
const GIB_IN_KIB: f64 = 1024.0 * 1024.0;

/// The machine, one line, without its name.
pub(super) fn describe(directory: &Path) -> Result<String> {
    let processors = fs_err::read_to_string("/proc/cpuinfo")?;
    let model = field(&processors, "model name").unwrap_or("unknown processor");
    let flags = field(&processors, "flags").unwrap_or_default();
    let virtual_machine = if flags.split(' ').any(|flag| flag == "hypervisor") {
        ", virtual machine"
    } else {
        ""
    };
    let memory = fs_err::read_to_string("/proc/meminfo")?;
    let memory = field(&memory, "MemTotal").and_then(|text| text.strip_suffix(" kB"));
    let memory: f64 = memory
        .context("`/proc/meminfo` has no `MemTotal`")?
        .parse()?;
    let kernel = fs_err::read_to_string("/proc/sys/kernel/osrelease")?;
    let rust = version_of("rustc", "--version").unwrap_or_default();
    Ok(format!(
        "Machine: {model}, {} processors{virtual_machine}, {:.0} GiB of memory, Linux {}, file \
         system {}. Built by {rust}. Load averages at the start: {}.\n",
        std::thread::available_parallelism()?,
        memory / GIB_IN_KIB,
        kernel.trim(),
        file_system(directory)?,
        load()?,
    ))
}

/// The load averages of one, five and fifteen minutes (`proc(5)`).
pub(super) fn load() -> Result<String> {
    let text = fs_err::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(", "))
}

/// The load average of one minute.
pub(super) fn load1() -> Result<f64> {
    let text = load()?;
    let first = text.split(',').next().unwrap_or_default();
    first
        .parse()
        .with_context(|| format!("`{text}` are no load averages"))
}

/// The kind of file system that a directory lies on.
fn file_system(directory: &Path) -> Result<String> {
    let output = command("df")
        .arg("--output=fstype,source")
        .arg(directory)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.lines().nth(1).unwrap_or_default().split_whitespace();
    let kind = words.next().unwrap_or("unknown").to_owned();
    let device = words.next().unwrap_or_default().trim_start_matches("/dev/");
    let journal = format!("{device}-");
    let journaled = std::fs::read_dir("/proc/fs/jbd2").is_ok_and(|journals| {
        journals
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with(&journal))
    });
    Ok(match kind.as_str() {
        "ext4" if !journaled => "ext4 without a journal".to_owned(),
        _ => kind,
    })
}

/// The value of the first line `NAME : VALUE`.
pub(super) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}
