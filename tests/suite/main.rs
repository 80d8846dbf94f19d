//! The programs as a person meets them.

#![expect(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod artifacts;
mod config;
mod cron;
mod docs;
mod formats;
mod greaserun;
mod guard;
mod help;
mod jars;
mod on_kill;
mod real;
#[path = "../../crates/maven-fetch/tests/server/mod.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod server;
mod status;
mod status_guard;
mod supervision;
mod tidy;
mod tls;
