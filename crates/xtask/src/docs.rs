//! Makes the documents that are generated from the code.

use std::process::ExitCode;

use anyhow::Result;
use grease_core::config;
use grease_testkit::component;

/// Each generated file, below the root of the repository, with its content.
fn generated() -> [(&'static str, String); 3] {
    let schema = serde_json::to_string_pretty(&config::schema()).expect("a JSON value");
    [
        ("conf/scalegrease.schema.json", schema + "\n"),
        ("docs/config.md", config::reference()),
        ("docs/exit-codes.md", grease_cli::exit_codes()),
    ]
}

/// Writes the generated documents.
pub(crate) fn write() -> Result<ExitCode> {
    for (path, content) in generated() {
        fs_err::write(component::workspace().join(path), content)?;
        println!("{path}");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_documents_are_up_to_date() {
        for (path, content) in generated() {
            let found = fs_err::read_to_string(component::workspace().join(path)).unwrap();
            assert!(
                found == content,
                "`{path}` is out of date: run `cargo xtask docs`"
            );
        }
    }
}
