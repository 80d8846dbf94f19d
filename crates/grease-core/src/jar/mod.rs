//! Jars: reads and unpacks a part of a zip archive that nobody vouches for.
//!
//! The directory at the end of the archive is streamed through for every question, so memory
//! does not grow with the number of entries. An entry is checked only when it is selected, and
//! everything selected is checked before anything is written: an ill entry that a job does not
//! need does no harm.

mod archive;
mod coordinates;
mod error;
mod fault;
mod manifest;
mod name;
mod positioned;
mod select;
mod unpack;

pub use archive::Jar;
pub use coordinates::Coordinates;
pub use error::Error;
pub use fault::Fault;
pub use select::{Selection, UnpackPlan};
