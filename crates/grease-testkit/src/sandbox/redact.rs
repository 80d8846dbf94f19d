//! What differs from run to run is taken out of a text, for snapshots.

use super::Sandbox;

/// Replaces what differs from run to run: the sandbox, run ids, times, durations, host, user.
pub fn redact(text: &str, sandbox: &Sandbox) -> String {
    let dir = sandbox.dir.path().to_string_lossy().into_owned();
    let programs = sandbox.programs.to_string_lossy().into_owned();
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let mut text = text.replace(&dir, "[SANDBOX]").replace(&programs, "[BIN]");
    text = text.replace(&format!(" on {host}\n"), " on [HOST]\n");
    let uid = rustix::process::geteuid().as_raw();
    text = text.replace(&format!("/spool/{uid}/"), "/spool/[UID]/");
    let lines = text
        .split_inclusive('\n')
        .map(|line| match line.strip_prefix("user    ") {
            Some(_) => "user    [USER]\n",
            None => line,
        });
    let text: String = lines.collect();
    let words = text.split_inclusive([' ', '\n', '/', ';', ',', '=']);
    words.map(redact_word).collect()
}

fn redact_word(word: &str) -> String {
    let end = word.trim_end_matches([' ', '\n', '/', ';', ',', '=']);
    let rest = word.get(end.len()..).unwrap_or_default();
    let is_id = end.len() == 26
        && end.starts_with('0')
        && end
            .chars()
            .all(|c| c.is_ascii_digit() || c.is_ascii_uppercase());
    let is_time = end.len() == 27 && end.ends_with('Z') && end.get(10..11) == Some("T");
    let is_seconds = rest == " "
        && end.split_once('.').is_some_and(|(whole, part)| {
            part.len() == 1 && [whole, part].iter().all(|part| part.parse::<u32>().is_ok())
        });
    if end.len() == 55 && end.starts_with("00-") {
        return format!("[TRACE]{rest}");
    }
    match (is_id, is_time, is_seconds) {
        (true, _, _) => format!("[RUN]{rest}"),
        (_, true, _) => format!("[TIME]{rest}"),
        (_, _, true) => format!("[N]{rest}"),
        _ => word.to_owned(),
    }
}
