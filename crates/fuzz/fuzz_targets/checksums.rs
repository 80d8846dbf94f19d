//! Checksum files and headers: what is accepted is a checksum, and reads the same again.
//!
//! Input: a checksum file, whose lines are taken as headers too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use maven_fetch::checksum::{Algorithm, Checksum};

fuzz_target!(|text: &str| {
    for algorithm in Algorithm::STRONGEST_FIRST {
        if let Some(checksum) = Checksum::parse_sidecar(algorithm, text) {
            assert_eq!(checksum.algorithm, algorithm);
            expect_sound(&checksum);
        }
    }
    let headers = text.lines().filter_map(|line| line.split_once(':'));
    let found = Checksum::from_headers(headers);
    found.iter().for_each(expect_sound);
    for pair in found.windows(2) {
        assert!(
            pair[0].algorithm > pair[1].algorithm,
            "twice or out of order: {found:?}"
        );
    }
});

fn expect_sound(checksum: &Checksum) {
    let Checksum { algorithm, hex } = checksum;
    assert!(
        hex.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        "{hex}"
    );
    for text in [
        hex.clone(),
        format!("{hex}  a.jar\n"),
        format!("SHA1(a.jar)= {hex}\n"),
    ] {
        assert_eq!(
            Checksum::parse_sidecar(*algorithm, &text).as_ref(),
            Some(checksum),
            "{text}"
        );
    }
    for other in Algorithm::STRONGEST_FIRST {
        assert_eq!(Checksum::new(other, hex).is_some(), other == *algorithm);
    }
}
