//! Why a program could not be executed, in words that help at four in the morning.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::model::{ErrorKind, Explain};
use crate::sys;

/// A job's program that could not be started; nothing of the job has run.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}")]
pub struct SpawnFailure {
    /// What was tried, with its object.
    action: String,
    /// Whether it is missing, as against present and not executable.
    missing: bool,
    /// What to do about it.
    hint: Option<String>,
    source: std::io::Error,
}

impl SpawnFailure {
    /// Another step than executing the program failed.
    pub(super) fn at(action: String, errno: i32) -> Self {
        let source = std::io::Error::from_raw_os_error(errno);
        Self {
            action,
            missing: false,
            hint: None,
            source,
        }
    }

    /// `execve(2)` of `program` failed with `errno`; finds out why.
    pub(super) fn of_program(program: &Program, errno: i32) -> Self {
        let source = std::io::Error::from_raw_os_error(errno);
        let word = program.word.to_string_lossy();
        let path = program.path.as_deref();
        let hint = if source.kind() == std::io::ErrorKind::ArgumentListTooLong {
            Some(format!(
                "arguments and environment take {} bytes; the kernel allows a quarter of the \
                 stack limit (ulimit -s) for all and 128 KiB for each; pass a file instead",
                program.bytes
            ))
        } else if let Some(file) = locate(&program.word, &program.directory, path) {
            hint_about(&file, &source)
        } else if word.contains(char::is_whitespace) {
            Some(format!(
                "the command is one word with spaces in it; for a line of shell write: sh -c '{word}'"
            ))
        } else {
            path.map(|path| format!("PATH is {}", path.to_string_lossy()))
        };
        let missing = source.kind() == std::io::ErrorKind::NotFound;
        Self {
            action: format!("execute `{word}`"),
            missing,
            hint,
            source,
        }
    }
}

/// A program that is to be executed, with what it takes to explain why it was not.
pub(super) struct Program {
    /// The first word of the command.
    pub(super) word: OsString,
    /// Where the job starts.
    pub(super) directory: PathBuf,
    /// The job's `PATH`.
    pub(super) path: Option<OsString>,
    /// Bytes of its arguments and its environment, with their ends.
    pub(super) bytes: usize,
}

impl Explain for SpawnFailure {
    fn kind(&self) -> ErrorKind {
        if self.missing {
            ErrorKind::CommandNotFound
        } else {
            ErrorKind::CannotExecute
        }
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// The file that `execvp(3)` meant, if it exists.
fn locate(program: &OsStr, directory: &Path, path_variable: Option<&OsStr>) -> Option<PathBuf> {
    if program.to_string_lossy().contains('/') {
        return Some(directory.join(program)).filter(|file| file.exists());
    }
    let path = path_variable.map_or_else(|| OsString::from("/bin:/usr/bin"), OsStr::to_owned);
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.exists())
}

fn hint_about(file: &Path, error: &std::io::Error) -> Option<String> {
    if error.kind() == std::io::ErrorKind::NotFound {
        let interpreter = interpreter(file)?;
        let shown = interpreter.escape_debug();
        return Some(if interpreter.ends_with('\r') {
            format!(
                "`{}` has lines that end in CR LF, so its interpreter reads as `{shown}`; save \
                 it with Unix line ends",
                file.display()
            )
        } else {
            format!(
                "the interpreter `{shown}` of `{}` does not exist here",
                file.display()
            )
        });
    }
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        if sys::fs::is_noexec(file) {
            let mount = sys::fs::mount_point(file)?;
            return Some(format!(
                "`{}` is mounted noexec; set `common.scratch_dir` in the config to a directory \
                 elsewhere",
                mount.display()
            ));
        }
        if file.is_dir() {
            return Some(format!("`{}` is a directory", file.display()));
        }
        return Some(format!("is it executable? chmod +x {}", file.display()));
    }
    None
}

/// The interpreter in the `#!` line of a script.
fn interpreter(file: &Path) -> Option<String> {
    let mut head = Vec::new();
    fs_err::File::open(file)
        .ok()?
        .take(256)
        .read_to_end(&mut head)
        .ok()?;
    let line = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let text = String::from_utf8_lossy(line);
    Some(text.trim_start().split([' ', '\t']).next()?.to_owned())
}
