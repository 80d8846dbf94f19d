//! The engine of Scalegrease: no terminal, no command line, no exit.
//!
//! Five scopes, each of which can be replaced without the others noticing:
//!
//! - [`dispatch`]: why and for when a run is started
//! - [`arbitration`]: whether it may start here and now
//! - [`deployment`]: how the jar gets onto this machine
//! - [`execution`]: how the job is run and supervised
//! - [`debugging`]: how one finds out afterwards what happened
//!
//! The scopes never name one another; they meet in `grease-cli`. Under them lie leaf modules:
//! [`model`] (words that two scopes share), [`sys`] (the only code that asks the machine),
//! [`jar`], [`registry`] and [`diagnostics`]. [`config`] composes the scopes' own sections. The test
//! `tests/suite/tidy.rs` holds the table of allowed edges.

pub mod arbitration;
pub mod config;
pub mod debugging;
pub mod deployment;
pub mod diagnostics;
pub mod dispatch;
pub mod execution;
pub mod jar;
pub mod model;
pub mod registry;
pub mod sys;
