//! greasestatus

fn main() {}
