//! Where a log is shown: on standard output, and on a terminal in a pager.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use grease_core::model::harmless;
use grease_core::sys::env::Env;

use super::super::context::Context;

/// The pager, if none is asked for.
const LESS: &str = "less";

/// How pagers behave unless they are told: short texts need no key to be left, colours pass, and what
/// was shown stays. The same as git's.
const HABITS: [(&str, &str); 2] = [("LESS", "FRX"), ("LV", "-c")];

/// Where a log is shown.
pub(super) struct Out<'a> {
    context: &'a Context,
    pager: Option<Pager>,
}

/// A pager that runs. Dropped, it is waited for: it has the terminal.
struct Pager {
    child: Child,
    /// None once its end is to come.
    stdin: Option<ChildStdin>,
}

impl<'a> Out<'a> {
    /// Standard output as it is.
    pub(super) fn plain(context: &'a Context) -> Self {
        Self {
            context,
            pager: None,
        }
    }

    /// A pager if this is on a terminal and there is one.
    pub(super) fn paged(context: &'a Context, env: &Env) -> Self {
        let pager = std::io::stdout()
            .is_terminal()
            .then(|| command(env))
            .flatten();
        Self {
            context,
            pager: pager.and_then(|pager| Pager::start(&pager, env)),
        }
    }

    /// Shows a part of it; whether somebody still reads.
    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        if let Some(pager) = &mut self.pager {
            return pager.write(bytes);
        }
        let mut out = std::io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).is_ok()
    }

    /// Says something beside it.
    pub(super) fn say(&mut self, text: &str) {
        if self.context.quiet {
            return;
        }
        let line = format!("── {}\n", harmless(text, &[], 500));
        match &mut self.pager {
            // It would write over what the pager shows.
            Some(pager) if std::io::stderr().is_terminal() => drop(pager.write(line.as_bytes())),
            _ => self.context.errors.say(&line),
        }
    }
}

impl Pager {
    fn start(command: &OsStr, env: &Env) -> Option<Self> {
        // Ctrl-C is for the pager, which has the terminal until it ends.
        let interrupted = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGINT, interrupted).ok()?;
        #[expect(
            clippy::disallowed_methods,
            reason = "it is the user's pager, and no job"
        )]
        let mut process = std::process::Command::new("/bin/sh");
        process.arg("-c").arg(command).stdin(Stdio::piped());
        for (name, value) in HABITS.iter().filter(|(name, _)| !env.is_set(name)) {
            process.env(name, value);
        }
        let mut child = process.spawn().ok()?;
        Some(Self {
            stdin: child.stdin.take(),
            child,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        let stdin = self.stdin.as_mut();
        stdin.is_some_and(|stdin| stdin.write_all(bytes).is_ok())
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        self.stdin = None;
        self.child.wait().ok();
    }
}

/// The pager that is wanted: `GREASE_PAGER`, else `PAGER`, else less; none if that is empty, `cat`, or not
/// there, or if the terminal can do nothing.
fn command(env: &Env) -> Option<OsString> {
    let is_dumb = env.raw("TERM").is_none_or(|term| term == "dumb");
    let named = ["GREASE_PAGER", "PAGER"]
        .iter()
        .find_map(|name| env.raw(name));
    let pager = named.unwrap_or(OsStr::new(LESS));
    let program = pager.to_string_lossy();
    let program = program.split_whitespace().next().unwrap_or_default();
    let is_wanted = !is_dumb && !program.is_empty() && program != "cat";
    (is_wanted && is_there(program, env)).then(|| pager.to_owned())
}

/// Whether a program can be found; what only a shell understands is left to it.
fn is_there(program: &str, env: &Env) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    if !program.chars().all(is_plain) {
        return true;
    }
    if program.contains('/') {
        return Path::new(program).exists();
    }
    let path = env.raw("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
