//! Words that two or more scopes share: plain data, no I/O.

mod explain;
mod job;
mod run_id;

pub use explain::{ErrorKind, Explain};
pub use job::{JobName, JobNameError};
pub use run_id::RunId;

pub mod jobs;
pub mod quantity;
