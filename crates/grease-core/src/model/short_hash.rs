//! Names of files for texts of any kind.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The first 16 hexadecimal digits of a text's SHA-256.
pub fn short_hash(text: &str) -> String {
    let hash = Sha256::digest(text);
    hash[..8].iter().fold(String::new(), |mut name, byte| {
        write!(name, "{byte:02x}").expect("in memory");
        name
    })
}
