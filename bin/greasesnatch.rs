//! `greasesnatch`; see `grease_cli::greasesnatch`.

fn main() -> std::process::ExitCode {
    grease_cli::greasesnatch::main()
}
