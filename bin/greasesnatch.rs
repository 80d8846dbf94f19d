//! greasesnatch

fn main() {}
