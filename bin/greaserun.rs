//! greaserun

fn main() {}
