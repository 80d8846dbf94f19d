//! Words that two or more scopes share: plain data, no I/O.

mod absolute_path;
mod explain;
mod flaw;
mod glob;
mod harmless;
mod job;
mod record;
mod run_id;
mod short_hash;
mod stream;
mod words;

pub use absolute_path::AbsolutePath;
pub use explain::{ErrorKind, Explain};
pub use flaw::Flaw;
pub use glob::Glob;
pub use harmless::{harmless, harmless_json};
pub use job::{JobName, JobNameError};
pub use record::{
    EndEvent, ErrorWord, ExecuteEvent, FetchedRecord, ResultWord, RunFacts, StaleRecord,
    StartEvent, UsageRecord, VERSION,
};
pub use run_id::RunId;
pub use short_hash::short_hash;
pub use stream::Stream;
pub use words::Words;

/// First argument of the process that ships logs to the share: what hangs on the share is known by
/// it.
pub const SHIPPER: &str = "__ship";

pub mod guard;
pub mod jobs;
pub mod limits;
pub mod quantity;
