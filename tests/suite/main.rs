//! The programs as a person meets them.

#![expect(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod cron;
mod docs;
mod greaserun;
mod help;
mod jars;
mod real;
mod supervision;
mod tidy;
