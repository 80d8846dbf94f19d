//! Dispatch: why and for when a run is started.

pub mod config;
mod trigger;

pub use trigger::{Facts, Trigger};
