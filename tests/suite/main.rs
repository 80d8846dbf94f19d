//! The programs as a person meets them.

#![expect(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod config;
mod cron;
mod docs;
mod formats;
mod greaserun;
mod help;
mod jars;
mod real;
mod supervision;
mod tidy;
