//! `greaselaunch`; see `grease_cli::greaselaunch`.

fn main() -> std::process::ExitCode {
    grease_cli::greaselaunch::main()
}
