//! Packs a directory as a jar, the same bytes from the same files.

use std::io;
use std::path::{Path, PathBuf};

use crate::jar::JarBuilder;

/// The permissions of a script in the jar, and of everything else.
const SCRIPT_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// Packs the files of a directory in the order of their paths.
///
/// `META-INF` sorts before names in small letters, so the manifest comes first, where readers
/// of jars look for it. What Python leaves beside its sources is not packed.
pub fn pack(directory: &Path) -> io::Result<JarBuilder> {
    let mut jar = JarBuilder::new();
    for file in files_below(directory)? {
        let extension = file.extension().unwrap_or_default();
        if extension == "pyc" {
            continue;
        }
        let name = file
            .strip_prefix(directory)
            .expect("the file was found below the directory")
            .to_string_lossy();
        let mode = if extension == "sh" {
            SCRIPT_MODE
        } else {
            FILE_MODE
        };
        jar = jar.file_with_mode(&name, fs_err::read(&file)?, mode);
    }
    Ok(jar)
}

/// All files below a directory, in the order of their paths.
pub fn files_below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Packs files that are made in the order given, each with its name as content.
    fn packed(names: &[&str]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            let file = directory.path().join(name);
            fs_err::create_dir_all(file.parent().unwrap()).unwrap();
            fs_err::write(file, name).unwrap();
        }
        pack(directory.path()).unwrap().bytes()
    }

    #[test]
    fn the_order_of_creation_leaves_no_trace_and_only_scripts_are_executable() {
        let jar = packed(&["b.sh", "python/a.py", "META-INF/MANIFEST.MF"]);
        assert_eq!(
            jar,
            packed(&[
                "META-INF/MANIFEST.MF",
                "python/a.pyc",
                "python/a.py",
                "b.sh"
            ])
        );

        let mut jar = zip::ZipArchive::new(Cursor::new(jar)).unwrap();
        let modes = [0, 1, 2].map(|index| {
            let entry = jar.by_index(index).unwrap();
            (entry.name().unwrap().to_string(), entry.unix_mode())
        });
        assert_eq!(
            modes,
            [
                ("META-INF/MANIFEST.MF".to_owned(), Some(0o100_644)),
                ("b.sh".to_owned(), Some(0o100_755)),
                ("python/a.py".to_owned(), Some(0o100_644)),
            ]
        );
    }
}
