//! The whole client, from coordinates to a file, against a repository that misbehaves: the
//! properties that it was built for. The numbers in comments are those of the list of conformance
//! cases that the client was built from.
#![expect(clippy::unwrap_used, reason = "tests")]

mod coordinates;
mod crowd;
mod disk;
mod downloads;
mod failures;
mod hostile;
mod invariants;
mod killed;
mod remote;
mod requests;
mod rule;
#[path = "../server/mod.rs"]
#[expect(dead_code, reason = "only some of its answers are needed here")]
mod server;
mod settings;
mod sharing;
mod snapshots;
mod symptoms;
mod user;
mod versions;
