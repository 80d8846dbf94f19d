//! Words that two or more scopes share: plain data, no I/O.

mod absolute_path;
mod explain;
mod flaw;
mod glob;
mod job;
mod record;
mod run_id;
mod stream;
mod words;

pub use absolute_path::AbsolutePath;
pub use explain::{ErrorKind, Explain};
pub use flaw::Flaw;
pub use glob::Glob;
pub use job::{JobName, JobNameError};
pub use record::{
    EndEvent, ErrorWord, FetchedRecord, ResultWord, StaleRecord, StartEvent, UsageRecord, VERSION,
};
pub use run_id::RunId;
pub use stream::Stream;
pub use words::Words;

pub mod jobs;
pub mod limits;
pub mod quantity;
