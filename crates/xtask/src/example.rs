//! Makes the jar of the example job from its source.

use std::process::ExitCode;

use anyhow::Result;
use grease_testkit::component;
use grease_testkit::pack::pack;

/// The jar and its source, below the root of the repository.
const JAR: &str = "docs/example/hello.jar";
const SOURCE: &str = "docs/example/hello";

/// Writes the jar.
pub(crate) fn make() -> Result<ExitCode> {
    let root = component::workspace();
    fs_err::write(root.join(JAR), pack(&root.join(SOURCE))?.bytes())?;
    println!("{JAR}");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_jar_is_what_its_source_makes() {
        let root = component::workspace();
        assert!(
            fs_err::read(root.join(JAR)).unwrap() == pack(&root.join(SOURCE)).unwrap().bytes(),
            "`{JAR}` is out of date: run `cargo xtask example`"
        );
    }
}
