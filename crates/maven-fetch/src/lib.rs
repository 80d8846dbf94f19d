//! Fetches one artifact out of Maven repositories, without a JVM.
//!
//! The local repository (`~/.m2/repository`) is shared with `mvn` in both directions, and
//! `settings.xml` is understood. One rule governs the whole: **the network only adds knowledge
//! and never removes it**. What is here stays usable whatever a repository answers; the outcome
//! is fresh, or stale with its reason and age, or an error.
//!
//! From specification to file:
//!
//! - [`coordinates`]: what is asked for
//! - [`settings`]: `settings.xml`, and the [`repository`] list that it makes
//! - [`metadata`] and [`version`]: what the repositories say there is
//! - [`transport`] and [`download`]: HTTP, `file://`, checksums, resumption
//! - [`local`]: the local repository, its tracking files, and our own state beside it
//! - [`resolve`]: the decision, a pure function of all that
//! - [`fetch`]: asks, decides, downloads

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod checksum;
pub mod coordinates;
pub mod download;
mod error;
pub mod fetch;
pub mod flight;
pub mod local;
mod lock;
pub mod metadata;
mod regular;
pub mod repository;
pub mod resolve;
pub mod settings;
pub mod state;
pub mod transport;
pub mod version;
mod xml;

pub use error::ErrorKind;
