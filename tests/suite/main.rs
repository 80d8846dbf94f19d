//! The programs as a person meets them.

#![expect(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod artifacts;
mod capture;
mod completion;
mod config;
mod cron;
mod diagnostics;
mod docs;
mod formats;
mod greaserun;
mod guard;
mod help;
mod jars;
mod log;
mod on_kill;
mod readers;
mod real;
mod records;
#[path = "../../crates/maven-fetch/tests/server/mod.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod server;
mod share;
mod ship;
mod status;
mod status_guard;
mod status_runs;
mod suggest;
mod supervision;
mod tell;
mod tidy;
mod tls;
