//! `--dry-run`: the plan, for people to read and to paste.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use grease_core::sys::env::Env;
use serde_json::json;

use super::caller::Caller;
use super::plan::Plan;
use crate::terminal::print;

/// Prints the plan on standard output.
pub(super) fn show(plan: &Plan, caller: &Caller, as_json: bool) {
    let changes = changes(&caller.own_env, &plan.environment);
    let text = if as_json {
        json_text(plan, caller, &changes)
    } else {
        text(plan, caller, &changes)
    };
    print(&text);
}

/// A variable that the job sees otherwise than the caller: the new value, or that it is gone.
type Change = (String, Option<String>);

fn changes(before: &Env, after: &Env) -> Vec<Change> {
    let name_of = |name: &OsStr| name.to_string_lossy().into_owned();
    let set = after.iter().filter(|(name, value)| {
        name.to_str()
            .is_none_or(|name| before.raw(name) != Some(*value))
    });
    let gone = before
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(|name| after.raw(name).is_none()));
    set.map(|(name, value)| (name_of(name), Some(value.to_string_lossy().into_owned())))
        .chain(gone.map(|(name, _)| (name_of(name), None)))
        .collect()
}

fn directory<'a>(plan: &'a Plan, caller: &'a Caller) -> &'a Path {
    plan.directory.as_deref().unwrap_or(&caller.directory)
}

fn text(plan: &Plan, caller: &Caller, changes: &[Change]) -> String {
    let mut out = String::new();
    let mut line = |key: &str, value: &str| {
        writeln!(out, "{key:<12}{value}").expect("in memory");
    };
    line("job", plan.job.as_str());
    line("runner", &plan.runner);
    let spec = plan
        .artifact
        .as_ref()
        .map_or("none", |artifact| &artifact.spec);
    line("artifact", spec);
    line("trigger", caller.trigger.as_str());
    if let Some(unpack) = &plan.command.unpack {
        let (files, bytes) = (unpack.file_count(), unpack.bytes());
        let noun = if files == 1 { "file" } else { "files" };
        line(
            "unpack",
            &format!("{files} {noun}, {bytes} bytes, into the scratch directory"),
        );
    }
    line(
        "timeout",
        &plan
            .settings
            .timeout
            .map_or("none".to_owned(), |time| format!("{time:?}")),
    );
    for notice in &plan.command.notices {
        line("notice", notice);
    }
    out.push_str("\ncd ");
    out.push_str(&quoted(directory(plan, caller).as_os_str()));
    out.push('\n');
    for (name, value) in changes {
        match value {
            Some(value) => writeln!(out, "export {name}={}", quoted(value.as_ref())),
            None => writeln!(out, "unset {name}"),
        }
        .expect("in memory");
    }
    if let Some(mask) = caller.umask {
        writeln!(out, "umask {mask:04o}").expect("in memory");
    }
    out.push_str(&words(plan));
    out.push('\n');
    out
}

/// Where the job starts and what is executed, in one line that can be pasted.
pub(super) fn command_line(plan: &Plan, caller: &Caller) -> String {
    format!(
        "cd {} && {}",
        quoted(directory(plan, caller).as_os_str()),
        words(plan)
    )
}

fn words(plan: &Plan) -> String {
    let words: Vec<String> = plan.command.words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

fn json_text(plan: &Plan, caller: &Caller, changes: &[Change]) -> String {
    let command: Vec<_> = plan
        .command
        .words
        .iter()
        .map(|word| word.to_string_lossy())
        .collect();
    let environment: serde_json::Map<_, _> = changes
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let unpack = plan.command.unpack.as_ref();
    let unpack = unpack.map(|plan| json!({"files": plan.file_count(), "bytes": plan.bytes()}));
    let value = json!({
        "job": plan.job.as_str(),
        "runner": plan.runner,
        "artifact": plan.artifact.as_ref().map(|artifact| &artifact.spec),
        "trigger": caller.trigger.as_str(),
        "unpack": unpack,
        "timeout_seconds": plan.settings.timeout.map(|time| time.as_secs_f64()),
        "notices": plan.command.notices,
        "directory": directory(plan, caller),
        "environment": environment,
        "command": command,
    });
    format!("{value:#}\n")
}

/// A word as a shell takes it; what is no UTF-8 is shown with replacements.
pub(super) fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy().replace('\0', "");
    shlex::try_quote(&text)
        .map(std::borrow::Cow::into_owned)
        .unwrap_or(text)
}
