//! Arbitration: may a job start here and now?
//!
//! No daemon decides that. Slots are files whose locks the kernel holds for as long as the job's
//! greaserun lives; a gate, held for less than a millisecond, makes decision and reservation one
//! step; a turnstile lets one waiter of each priority look at the machine while all others sleep.

pub mod admission;
pub mod config;
pub mod decision;
mod holder;
pub mod load;
mod outlook;
pub mod overlap;
mod pace;
mod site;
pub mod slots;
pub mod spread;
mod turnstile;
pub mod view;
pub mod waiting;
