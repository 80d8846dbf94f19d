//! greaselaunch

fn main() {}
