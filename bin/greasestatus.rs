//! `greasestatus`; see `grease_cli::greasestatus`.

fn main() -> std::process::ExitCode {
    grease_cli::greasestatus::main()
}
