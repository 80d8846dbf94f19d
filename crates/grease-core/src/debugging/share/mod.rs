//! The tree on shared storage, which only processes that can be abandoned touch.

pub mod dir;
pub mod layout;
pub mod marker;
