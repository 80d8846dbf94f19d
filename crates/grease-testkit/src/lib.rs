//! Test kit of Scalegrease: what its tests share.

pub mod component;
pub mod faultfs;
pub mod jar;
pub mod length;
pub mod listener;
pub mod pack;
pub mod sandbox;
