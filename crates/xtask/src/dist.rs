//! Makes what is released: programs, man pages, shell completions, config, documents.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap_complete::Shell;
use grease_testkit::component;

use crate::command::{command, run_quietly};

/// Shells that completions are made for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Files of the repository that go into the archive.
const FILES: [&str; 4] = ["README.md", "LICENSE", "CHANGELOG.md", "conf"];

/// Builds the programs and packs `target/dist/scalegrease-VERSION.tar.gz`.
pub(crate) fn make() -> Result<ExitCode> {
    let root = component::workspace();
    let cargo = [
        "build",
        "--release",
        "--bins",
        "--locked",
        "--target-dir",
        "target",
    ];
    run_quietly(command("cargo").args(cargo).current_dir(&root))?;
    let name = format!("scalegrease-{}", env!("CARGO_PKG_VERSION"));
    let target = root.join("target/dist");
    let dist = target.join(&name);
    if dist.exists() {
        fs_err::remove_dir_all(&dist)?;
    }
    for dir in ["bin", "man", "completions"] {
        fs_err::create_dir_all(dist.join(dir))?;
    }
    for program in grease_cli::commands() {
        let name = program.get_name().to_owned();
        fs_err::copy(
            root.join("target/release").join(&name),
            dist.join("bin").join(&name),
        )?;
        describe(&program, &dist)?;
    }
    for file in FILES {
        let copy = command("cp")
            .arg("-r")
            .arg(root.join(file))
            .arg(&dist)
            .status()?;
        anyhow::ensure!(copy.success(), "cannot copy `{file}`");
    }
    let archive = format!("{name}.tar.gz");
    run_quietly(
        command("tar")
            .args(["czf", &archive, &name])
            .current_dir(&target),
    )?;
    println!("target/dist/{archive}");
    Ok(ExitCode::SUCCESS)
}

/// Writes the man page and the completions of one program.
fn describe(program: &clap::Command, dist: &Path) -> Result<()> {
    let name = program.get_name().to_owned();
    clap_mangen::generate_to(program.clone(), dist.join("man"))?;
    for shell in SHELLS {
        let mut program = program.clone();
        let path =
            clap_complete::generate_to(shell, &mut program, &name, dist.join("completions"))?;
        let script = fs_err::read_to_string(&path)?;
        let script = grease_cli::with_names(&name, &shell.to_string(), &script);
        fs_err::write(path, script)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_manual_and_completions_for_every_shell() {
        let dist = tempfile::tempdir().unwrap();
        for dir in ["man", "completions"] {
            fs_err::create_dir(dist.path().join(dir)).unwrap();
        }
        for program in grease_cli::commands() {
            let name = program.get_name().to_owned();
            describe(&program, dist.path()).unwrap();
            let manual = dist.path().join("man").join(format!("{name}.1"));
            assert!(fs_err::read_to_string(manual).unwrap().contains("config"));
        }
        let made = fs_err::read_dir(dist.path().join("completions"))
            .unwrap()
            .count();
        assert_eq!(made, grease_cli::commands().len() * SHELLS.len());
    }
}
