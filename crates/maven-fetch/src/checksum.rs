//! Checksums: where they come from, how they are written, and how they are computed.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

/// Header prefixes that carry a checksum of the whole file, followed by the algorithm's name: the
/// repository managers', and those of object stores in front (Maven Resolver's list).
const HEADER_PREFIXES: [&str; 3] = [
    "x-checksum-",
    "x-goog-meta-checksum-",
    "x-amz-meta-checksum-",
];

/// What a Nexus repository's `ETag` has before its SHA-1.
const NEXUS_ETAG: &str = "{SHA1{";

/// A checksum of a whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: Algorithm,
    /// In lower-case hexadecimal digits.
    pub hex: String,
}

impl Checksum {
    /// Takes hexadecimal digits of either case; none if they are not of the algorithm's length.
    pub fn new(algorithm: Algorithm, hex: &str) -> Option<Self> {
        let fits =
            hex.len() == algorithm.hex_digits() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Self {
            algorithm,
            hex: hex.to_ascii_lowercase(),
        })
    }

    /// Reads the checksum file that stands beside a file in a repository.
    ///
    /// The first line with text counts; it is bare digits, as `sha1sum` writes (`DIGITS  NAME`),
    /// or as `openssl` does (`SHA1(NAME)= DIGITS`). Anything else, such as a login page or an
    /// empty file, is no checksum: as if the file did not exist.
    pub fn parse_sidecar(algorithm: Algorithm, text: &str) -> Option<Self> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        let first = line.split_whitespace().next()?;
        Self::new(algorithm, first).or_else(|| {
            let (_, digits) = line.rsplit_once("= ")?;
            Self::new(algorithm, digits.trim())
        })
    }

    /// Collects the checksums in an answer's headers, each algorithm once.
    ///
    /// Names are compared without case. `x-checksum-` comes before what object stores add, and
    /// the `ETag` of Nexus last.
    pub fn from_headers<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Self> {
        let headers: Vec<(String, &str)> = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let value_of = |wanted: &str| {
            headers
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| *value)
        };
        Algorithm::STRONGEST_FIRST
            .into_iter()
            .filter_map(|algorithm| {
                HEADER_PREFIXES
                    .iter()
                    .filter_map(|prefix| value_of(&format!("{prefix}{}", algorithm.extension())))
                    .find_map(|hex| Self::new(algorithm, hex))
                    .or_else(|| {
                        let nexus = value_of("etag").filter(|_| algorithm == Algorithm::Sha1)?;
                        let (_, rest) = nexus.split_once(NEXUS_ETAG)?;
                        Self::new(algorithm, rest.split_once('}')?.0)
                    })
            })
            .collect()
    }
}

/// How a checksum is computed, strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All of them, the one to trust most first.
    pub const STRONGEST_FIRST: [Self; 4] = [Self::Sha512, Self::Sha256, Self::Sha1, Self::Md5];

    /// The file name extension of a checksum file, which headers use too.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of a checksum as text.
    fn hex_digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// Computes checksums while the bytes pass by.
///
/// SHA-1 and SHA-256 always, for the checksum file that is written and for the record of what ran;
/// the others cost as much again and are computed when something is to be compared with them.
#[derive(Debug, Clone)]
pub struct Digests {
    sha1: Sha1,
    sha256: Sha256,
    sha512: Option<Sha512>,
    md5: Option<Md5>,
}

impl Digests {
    /// Starts, so that `algorithm` is among the results.
    pub fn new(algorithm: Algorithm) -> Self {
        Self {
            sha1: Sha1::new(),
            sha256: Sha256::new(),
            sha512: (algorithm == Algorithm::Sha512).then(Sha512::new),
            md5: (algorithm == Algorithm::Md5).then(Md5::new),
        }
    }

    /// Tells whether `algorithm` is among the results.
    pub fn includes(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Sha1 | Algorithm::Sha256 => true,
            Algorithm::Sha512 => self.sha512.is_some(),
            Algorithm::Md5 => self.md5.is_some(),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha1.update(bytes);
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// The results so far, in lower-case hexadecimal digits; none for what was not computed.
    pub fn hex(&self, algorithm: Algorithm) -> Option<String> {
        match algorithm {
            Algorithm::Sha1 => Some(hex(&self.sha1.clone().finalize())),
            Algorithm::Sha256 => Some(hex(&self.sha256.clone().finalize())),
            Algorithm::Sha512 => self.sha512.clone().map(|sha512| hex(&sha512.finalize())),
            Algorithm::Md5 => self.md5.clone().map(|md5| hex(&md5.finalize())),
        }
    }
}

/// Writes bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn sidecar(text: &str) -> Option<String> {
        Checksum::parse_sidecar(Algorithm::Sha1, text).map(|checksum| checksum.hex)
    }

    #[test]
    fn sidecars_are_read_in_every_style_in_use() {
        for text in [
            SHA1.to_owned(),
            format!("{SHA1}\n"),
            format!("\r\n  {}\r\nmore\n", SHA1.to_uppercase()),
            format!("{SHA1}  app-1.0.jar\n"),
            format!("{SHA1} *app-1.0.jar\n"),
            format!("SHA1(app-1.0.jar)= {SHA1}\n"),
            format!("SHA1 (app 1.0= x.jar) = {SHA1}"),
        ] {
            assert_eq!(sidecar(&text).as_deref(), Some(SHA1), "{text:?}");
        }
    }

    #[test]
    fn a_malformed_sidecar_is_no_checksum() {
        for text in [
            "",
            "\n \n",
            "<html>login</html>",
            MD5,
            "a9993e36",
            "zz",
            "= ",
            "SHA1= ",
        ] {
            assert_eq!(sidecar(text), None, "{text:?}");
        }
        assert_eq!(sidecar(&format!("{SHA1}0")), None);
        assert_eq!(sidecar(&SHA1.replace('a', "g")), None);
    }

    #[test]
    fn headers_of_every_repository_manager_are_read_strongest_first() {
        let etag = format!("\"{{SHA1{{{SHA1}}}}}\"");
        let upper = MD5.to_uppercase();
        let found = |headers: &[(&str, &str)]| -> Vec<(Algorithm, String)> {
            Checksum::from_headers(headers.iter().copied())
                .into_iter()
                .map(|checksum| (checksum.algorithm, checksum.hex))
                .collect()
        };
        let sha1 = (Algorithm::Sha1, SHA1.to_owned());
        let md5 = (Algorithm::Md5, MD5.to_owned());
        assert_eq!(
            found(&[("X-Checksum-Md5", &upper), ("X-Checksum-Sha1", SHA1)]),
            [sha1.clone(), md5.clone()]
        );
        assert_eq!(
            found(&[("x-goog-meta-checksum-sha1", SHA1)]),
            std::slice::from_ref(&sha1)
        );
        assert_eq!(found(&[("x-amz-meta-checksum-md5", MD5)]), [md5]);
        assert_eq!(found(&[("ETag", &etag)]), std::slice::from_ref(&sha1));
        // A wrong length in one header does not hide the right one in another.
        assert_eq!(found(&[("x-checksum-sha1", MD5), ("etag", &etag)]), [sha1]);
        assert_eq!(found(&[("etag", SHA1), ("x-checksum-sha1", "<html>")]), []);
    }

    #[test]
    fn digests_are_those_of_the_standards_test_vector() {
        for (algorithm, expected) in [
            (Algorithm::Md5, MD5),
            (Algorithm::Sha1, SHA1),
            (
                Algorithm::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                Algorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            let mut digests = Digests::new(algorithm);
            digests.update(b"a");
            digests.update(b"bc");
            assert!(digests.includes(algorithm));
            assert_eq!(digests.hex(algorithm).as_deref(), Some(expected));
        }
        assert_eq!(Digests::new(Algorithm::Sha1).hex(Algorithm::Sha512), None);
    }
}
