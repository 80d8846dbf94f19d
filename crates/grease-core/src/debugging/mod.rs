//! Debugging: how one finds out what happened, without knowing the machine.

pub mod config;
pub mod drops;
pub mod frame;
pub mod history;
pub mod journal;
pub mod retention;
pub mod share;

pub use journal::Journal;
