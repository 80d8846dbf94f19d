//! Jars that somebody made to do harm, or broke on the way.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::raw::{DEFLATED, ENCRYPTED, Place, RawEntry, archive, write};

const MEBIBYTE: usize = 1 << 20;

/// A script in every jar of [`ILL_JARS`], beside the folder `python/` with what is ill.
pub const GOOD_SCRIPT: &str = "bin/run.sh";

/// A jar of which everything is sound but what lies under `python/`.
#[derive(Debug, Clone, Copy)]
pub struct IllJar {
    /// What is wrong, in a few words.
    pub name: &'static str,
    ill: fn() -> Vec<RawEntry>,
}

/// A file that is no jar, or only part of one.
#[derive(Debug, Clone, Copy)]
pub struct BrokenJar {
    /// What is wrong, in a few words.
    pub name: &'static str,
    bytes: fn() -> Vec<u8>,
}

impl IllJar {
    /// Writes the jar.
    pub fn write(&self, path: &Path) {
        let mut entries = vec![
            RawEntry {
                mode: 0o100_755,
                ..RawEntry::stored(GOOD_SCRIPT, "#!/bin/sh\necho fine\n")
            },
            RawEntry::stored("python/fine.py", "print('fine')\n"),
        ];
        entries.extend((self.ill)());
        write(path, &entries);
    }
}

impl BrokenJar {
    /// Writes the file.
    pub fn write(&self, path: &Path) {
        fs_err::write(path, (self.bytes)()).expect("the test's directory can be written");
    }
}

const fn ill(name: &'static str, ill: fn() -> Vec<RawEntry>) -> IllJar {
    IllJar { name, ill }
}

const fn broken(name: &'static str, bytes: fn() -> Vec<u8>) -> BrokenJar {
    BrokenJar { name, bytes }
}

/// Jars with something ill under `python/`.
pub const ILL_JARS: &[IllJar] = &[
    ill("zip slip", || one(file("python/../../evil"))),
    ill("zip slip by a folder", || one(file("python/../"))),
    ill("absolute name behind the folder", || {
        one(file("python//etc/passwd"))
    }),
    ill("backslashes", || one(file("python/..\\..\\evil"))),
    ill("control character", || one(file("python/a\nb"))),
    ill("name cut by NUL", || one(file("python/a.py\0.txt"))),
    ill("name not UTF-8", || one(file(b"python/\xff\xfe.py"))),
    ill("long part of a name", || {
        one(file(format!("python/{}", "x".repeat(256))))
    }),
    ill("long name", || {
        one(file(format!("python/{}y", "x/".repeat(2100))))
    }),
    ill("symbolic link", || {
        one(with_mode("python/link", "/etc/passwd", 0o120_777))
    }),
    ill("symbolic link as a folder", || {
        one(with_mode("python/link/", "/etc", 0o120_777))
    }),
    ill("device", || one(with_mode("python/null", "", 0o020_666))),
    ill("folder without a slash", || {
        one(with_mode("python/folder", "", 0o040_755))
    }),
    ill("encrypted", || {
        one(RawEntry {
            flags: ENCRYPTED,
            ..file("python/secret.py")
        })
    }),
    ill("unknown compression", || {
        one(RawEntry {
            method: 98,
            ..file("python/odd.py")
        })
    }),
    ill("same name twice", || {
        vec![
            file("python/a.py"),
            RawEntry::stored("python/a.py", "other"),
        ]
    }),
    ill("names equal but for case", || {
        vec![file("python/\u{c9}a.py"), file("python/\u{e9}A.py")]
    }),
    ill("file and folder", || {
        vec![file("python/a/b.py"), file("python/a-b"), file("python/a")]
    }),
    ill("10 GB bomb", || one(zeros(10 * 1024, 0xf41d_912f))),
    ill("10 GB declared as stored", || {
        one(declared("python/large", 10 << 30, 10 << 30))
    }),
    ill("bomb of entries that share their data", overlapping),
    ill("more data than declared", || {
        one(RawEntry {
            unpacked: 10,
            ..zeros(1, 0xa738_ea1c)
        })
    }),
    ill("less data than declared", || {
        let content = file("python/short.py");
        one(RawEntry {
            unpacked: content.unpacked + 1,
            ..content
        })
    }),
    ill("wrong checksum", || {
        one(RawEntry {
            checksum: 1,
            ..file("python/wrong.py")
        })
    }),
    ill("no deflate stream", || {
        one(RawEntry {
            method: DEFLATED,
            ..file("python/junk.py")
        })
    }),
    ill("data behind the end", || {
        one(RawEntry {
            place: Place::Nowhere,
            ..file("python/away.py")
        })
    }),
];

/// Files that cannot be opened as a jar.
pub const BROKEN_JARS: &[BrokenJar] = &[
    broken("empty file", Vec::new),
    broken("a login page", || {
        b"<!doctype html><title>Sign in</title>".to_vec()
    }),
    broken("truncated", || truncated(1)),
    broken("truncated in its directory", || truncated(40)),
    broken("truncated in its first entry", || {
        archive(&[file("a")])[..20].to_vec()
    }),
];

/// A jar whose one entry has an absolute name.
pub fn write_absolute_name(path: &Path) {
    write(path, &[file("/etc/passwd")]);
}

/// A jar whose directory is sound and empty.
pub fn write_empty(path: &Path) {
    write(path, &[]);
}

fn one(entry: RawEntry) -> Vec<RawEntry> {
    vec![entry]
}

fn file(name: impl AsRef<[u8]>) -> RawEntry {
    RawEntry::stored(name, "print('hello')\n")
}

fn with_mode(name: &str, content: &str, mode: u32) -> RawEntry {
    RawEntry {
        mode,
        ..RawEntry::stored(name, content)
    }
}

fn declared(name: &str, packed: u64, unpacked: u64) -> RawEntry {
    RawEntry {
        packed,
        unpacked,
        ..file(name)
    }
}

fn truncated(bytes: usize) -> Vec<u8> {
    let mut archive = archive(&[file("a"), file("b")]);
    archive.truncate(archive.len() - bytes);
    archive
}

/// Entries of 32 MiB each that are one and the same: 4 GiB out of 40 KB.
fn overlapping() -> Vec<RawEntry> {
    let first = zeros(32, 0x5945_0445);
    let mut entries = vec![first.clone()];
    entries.extend((1..128).map(|index| RawEntry {
        name: format!("python/{index}").into_bytes(),
        place: Place::AsPrevious,
        ..first.clone()
    }));
    entries
}

/// A deflated file of that many MiB of zeros, with their CRC-32: a sound entry.
fn zeros(mebibytes: usize, checksum: u32) -> RawEntry {
    let data = deflated_zeros(mebibytes);
    RawEntry {
        method: DEFLATED,
        checksum,
        packed: data.len() as u64,
        unpacked: (mebibytes * MEBIBYTE) as u64,
        data,
        ..file("python/zeros")
    }
}

/// A deflate stream (RFC 1951) of that many MiB of zeros, 1 KB for each.
///
/// A flush ends a block on a byte, so what one MiB adds can be repeated.
fn deflated_zeros(mebibytes: usize) -> Vec<u8> {
    // The last, empty block, in fixed codes.
    const END: [u8; 2] = [3, 0];
    let one = deflated_with_flushes(1);
    let two = deflated_with_flushes(2);
    let stream = |whole: &[u8]| {
        whole
            .strip_suffix(&END)
            .expect("a flushed stream ends in an empty block")
            .to_vec()
    };
    let (one, two) = (stream(&one), stream(&two));
    let more = two.strip_prefix(one.as_slice()).expect("the same input");
    [one.as_slice(), more.repeat(mebibytes - 1).as_slice(), &END].concat()
}

fn deflated_with_flushes(mebibytes: usize) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    writer.start_file("zeros", options).expect("a first entry");
    for _ in 0..mebibytes {
        writer
            .write_all(&vec![0; MEBIBYTE])
            .expect("memory takes any write");
        writer.flush().expect("memory takes any write");
    }
    let archive = writer.finish().expect("memory takes any write");
    let mut archive = ZipArchive::new(archive).expect("just written");
    let mut stream = Vec::new();
    archive
        .by_index_raw(0)
        .expect("just written")
        .read_to_end(&mut stream)
        .expect("just written");
    stream
}
