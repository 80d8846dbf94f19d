//! The section of the config that this scope reads.
