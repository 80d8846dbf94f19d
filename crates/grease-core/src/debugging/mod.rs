//! Debugging: how one finds out what happened, without knowing the machine.

pub mod config;
pub mod digest;
pub mod drops;
pub mod expiry;
pub mod frame;
pub mod history;
pub mod index;
pub mod journal;
mod last;
pub mod read;
mod record;
pub mod redact;
pub mod retention;
mod seal;
pub mod share;
pub mod ship;
mod tail;
pub mod tell;

pub use journal::Journal;
