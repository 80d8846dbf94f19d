//! `greaserun`; see `grease_cli::greaserun`.

fn main() -> std::process::ExitCode {
    grease_cli::greaserun::main()
}
