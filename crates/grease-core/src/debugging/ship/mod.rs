//! The shipper: a detached process that brings what lies in the spool of one user to shared storage.
//!
//! It alone touches the share, which may hang for ever, lie, be empty, or vanish: neither a job nor
//! its greaserun notices. There is one for each user and host, by a lock in the spool. What it does
//! not bring today stays in the spool, and it or another one brings it later.

mod bookmark;
mod burial;
mod chunk;
mod gate;
mod heartbeat;
mod item;
mod mirror;
mod outset;
mod patience;
mod place;
mod publish;
mod reader;
mod root;
mod rounds;
mod scan;
mod shipper;
mod start;
mod state;
mod upkeep;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::config::Logs;

pub use item::is_brought;
pub use outset::{run, take_task};
pub use place::{Waited, is_running, wait_shipped, wake};
pub use scan::backlog;
pub use start::{SWEEP, start};
pub use state::{State, Word, state};

/// First argument by which a program knows that it is the shipper.
pub use crate::model::SHIPPER as ARGUMENT;

/// Longest task that is read.
const TASK_BYTES_MAX: u64 = 4 << 20;

/// What a shipper is to do; it gets this as JSON on standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// The spool of the user.
    pub spool: PathBuf,
    /// The root of the tree on shared storage; without one, only those are told that the config names.
    pub root: Option<PathBuf>,
    /// The section `logs` of the config.
    pub logs: Logs,
    /// Login name of the user, who is that of this process too.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// The directory of all local state, if the config names one.
    pub state_dir: Option<PathBuf>,
    /// Where scratch directories are made.
    pub scratch_root: PathBuf,
}
