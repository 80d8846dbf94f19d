//! `greasestatus share` and `gc`: make a directory a share, look at it, remove what is old.
//!
//! A child does it, as everything on the share.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use grease_core::debugging::expiry::{self, Budget, Manner, Step};
use grease_core::debugging::share::dir::Dir;
use grease_core::debugging::share::marker::{self, Marker};
use grease_core::model::ErrorKind;
use grease_core::sys::fs::Mounts;
use grease_core::sys::host;

use super::answer;
use super::arguments::{Gc, Share, ShareCommand};
use super::child::{self, Heard, Reader};
use super::context::Context;
use crate::failure::Failure;
use crate::terminal;

/// How long the child cleans up before it says that it gets on.
const PASS_MAX: Duration = Duration::from_secs(2);

/// Names that are removed in one go.
const UNLINKS: usize = 1000;

/// Has a child do it; prints what it says, and gives its exit code.
pub(super) fn by_child(words: &[OsString]) -> Result<u8, Failure> {
    let cannot = |error| Failure::new(ErrorKind::Io, format!("cannot start a process: {error}"));
    let arguments: Vec<OsString> = std::iter::once("plain".into())
        .chain(words.iter().cloned())
        .collect();
    let mut reader = Reader::start(&arguments).map_err(cannot)?;
    loop {
        match reader.next(Duration::from_secs(1)).map_err(cannot)? {
            Heard::Nothing => {}
            Heard::Output(bytes) => terminal::print(&String::from_utf8_lossy(&bytes)),
            Heard::Silent => {
                reader.abandon();
                let text = "the share has not responded for 5 s";
                let hint = "look at the mount: `findmnt`, `nfsstat -m`, the server";
                return Err(Failure::new(ErrorKind::NotNow, text).hinting(hint.to_owned()));
            }
            Heard::Ended(0) => return Ok(0),
            Heard::Ended(code) => {
                let errors = String::from_utf8_lossy(&reader.errors).into_owned();
                return Err(answer::retold(&errors, code));
            }
        }
    }
}

/// The child's part of `share`.
pub(super) fn share(context: &Context, asked: &Share) -> Result<u8, Failure> {
    match &asked.command {
        ShareCommand::Init(init) => {
            let made = marker::init(&init.directory).map_err(|error| {
                let shown = init.directory.display();
                let text = format!("cannot make `{shown}` a share: {error}");
                Failure::new(ErrorKind::Io, text)
                    .hinting("the directory itself must be there, and mounted".to_owned())
            })?;
            terminal::print(&of_marker(&init.directory, &made));
            if context.share.as_deref() != Some(init.directory.as_path()) {
                let shown = serde_json::Value::from(init.directory.to_string_lossy());
                terminal::print(&format!(
                    "next: {{\"common\": {{\"file_logger\": {shown}}}}} in the config of each host\n"
                ));
            }
        }
        ShareCommand::Check => {
            let root = root(context)?;
            let found = marked(root)?;
            terminal::print(&of_marker(root, &found));
        }
    }
    Ok(0)
}

/// The child's part of `gc`.
pub(super) fn gc(context: &Context, asked: &Gc) -> Result<u8, Failure> {
    let root = root(context)?;
    marked(root)?;
    let shown = root.display();
    let failed = |error: io::Error| {
        let text = format!("cannot clean up in `{shown}`: {error}");
        Failure::new(ErrorKind::Io, text)
    };
    let dir = Dir::open(root).map_err(failed)?;
    let user = host::account().name;
    let manner = if asked.dry_run {
        Manner::DryRun
    } else {
        Manner::Now
    };
    let mut is_first = true;
    loop {
        child::tick();
        let budget = Budget {
            unlinks: UNLINKS,
            until: Instant::now() + PASS_MAX,
        };
        let passed = expiry::pass(&dir, &user, &context.retention, manner, budget);
        let (steps, report) = passed.map_err(|error| {
            Failure::new(
                ErrorKind::Io,
                format!("cannot clean up after {user} in `{shown}`: {error}"),
            )
        })?;
        if is_first {
            terminal::print(&planned(&steps, &user));
            is_first = false;
        }
        if !report.more {
            return match report.problems.first() {
                None => Ok(0),
                Some(problem) => Err(Failure::new(ErrorKind::Io, problem.clone())
                    .hinting("the rest is done; the next time it is tried again".to_owned())),
            };
        }
    }
}

fn planned(steps: &[Step], user: &str) -> String {
    if steps.is_empty() {
        return format!("nothing of {user} is old enough to go\n");
    }
    let lines = steps.iter().map(|step| match step {
        Step::Sweep(name) => format!("removed: the rest of {name}\n"),
        Step::Remove(day) => format!("removed: {day}\n"),
        Step::Thin(day) => format!("removed: {day}, but for what failed\n"),
        Step::Compress(day) => format!("compressed: the logs of {day}\n"),
    });
    lines.collect()
}

fn root(context: &Context) -> Result<&Path, Failure> {
    context.share.as_deref().ok_or_else(|| {
        Failure::new(ErrorKind::Config, "the config names no share")
            .hinting("`common.file_logger` names the root of one".to_owned())
    })
}

fn marked(root: &Path) -> Result<Marker, Failure> {
    let shown = root.display();
    match marker::read(root) {
        Ok(Some(marker)) => Ok(marker),
        Ok(None) => Err(
            Failure::new(ErrorKind::NotNow, format!("`{shown}` is no share")).hinting(format!(
                "is it mounted? if so: greasestatus share init {shown}"
            )),
        ),
        Err(error) => Err(Failure::new(
            ErrorKind::NotNow,
            format!("cannot read `{shown}`: {error}"),
        )),
    }
}

fn of_marker(root: &Path, marker: &Marker) -> String {
    let mount = Mounts::read().remote(root);
    let mount = mount.unwrap_or_else(|| "local, no other host sees it".to_owned());
    let (root, id, created) = (root.display(), &marker.share_id, &marker.created);
    format!("share    {root}\nmount    {mount}\nid       {id}\ncreated  {created}\n")
}
