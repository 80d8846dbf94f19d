//! Test kit of Scalegrease: what its tests share.

pub mod component;
pub mod jar;
pub mod length;
pub mod pack;
pub mod sandbox;
