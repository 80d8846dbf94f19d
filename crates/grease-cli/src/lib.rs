//! The command lines of Scalegrease: arguments, wiring, printing, exit codes.
//!
//! One module per program; each program's `run` reads as the list of scopes in their order.

mod completion;
mod demand;
mod exit_code;
mod failure;
mod places;
mod shared;
mod terminal;
mod to_come;

pub mod greaselaunch;
pub mod greaserun;
pub mod greasesnatch;
pub mod greasestatus;

/// The command lines of all programs, for man pages, completions and the reference.
pub fn commands() -> Vec<clap::Command> {
    vec![
        greaserun::command(),
        greaselaunch::command(),
        greasesnatch::command(),
        greasestatus::command(),
    ]
}

pub use completion::with_names;
pub use exit_code::reference as exit_codes;
