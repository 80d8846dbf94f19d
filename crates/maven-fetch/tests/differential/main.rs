//! The real Maven and we, side by side: the same specifications, the same repositories, and the
//! same files, or a difference that is on purpose and listed in `docs/maven-differences.md`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod agreement;
mod cases;
mod faults;
mod ground;
mod handmade;
mod maven;
#[path = "../nginx/mod.rs"]
mod nginx;
mod ours;
mod outcome;
mod real;
mod remotes;
#[path = "../server/mod.rs"]
#[expect(dead_code, reason = "only some of its answers are needed here")]
mod server;
mod table;
mod user_settings;
mod wire;
