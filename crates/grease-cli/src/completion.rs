//! What the completions that clap makes lack: names that only the program knows; and what they have
//! too much: hidden commands.
//!
//! `clap_complete` has an engine that asks the program for everything. It is not used: it is marked
//! unstable (`unstable-dynamic`), and in bash it breaks names at their colons.

/// Makes the completion of a program complete names as well; `shell` is `bash`, `zsh` or `fish`.
pub fn with_names(program: &str, shell: &str, script: &str) -> String {
    match (program, shell) {
        ("greasestatus", "bash") => {
            let script = script.replace(" __names __find __tail", "");
            script + include_str!("../completion/greasestatus.bash")
        }
        ("greasestatus", "fish") => {
            let script = without(script, |line| line.contains(" -f -a \"__"));
            script + include_str!("../completion/greasestatus.fish")
        }
        ("greasestatus", "zsh") => zsh(script),
        _ => script.to_owned(),
    }
}

fn without(script: &str, is_hidden: impl Fn(&str) -> bool) -> String {
    let lines = script.split_inclusive('\n');
    lines.filter(|line| !is_hidden(line)).collect()
}

/// The script decides at its end whether it was read or called, so functions go before that.
fn zsh(script: &str) -> String {
    let mut whole = String::new();
    for line in without(script, |line| line.starts_with("'__")).lines() {
        if line.starts_with("if [ \"$funcstack[1]\"") {
            whole.push_str(include_str!("../completion/greasestatus.zsh"));
        }
        if line.starts_with("':name -- ") {
            whole.push_str(&line.replace(":_default'", ":_greasestatus_names'"));
        } else {
            whole.push_str(line);
        }
        whole.push('\n');
    }
    whole
}
