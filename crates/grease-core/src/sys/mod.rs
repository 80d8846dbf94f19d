//! The machine: the only code that asks for environment, clock, user, host and processes.
//!
//! Decisions elsewhere are pure functions of the values read here.

pub mod clock;
pub mod env;
pub mod fs;
pub mod host;
pub mod machine;
pub mod process;
pub mod state;
