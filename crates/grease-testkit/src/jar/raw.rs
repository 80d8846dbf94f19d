//! Zip archives written field by field (APPNOTE.TXT 4.3), for what no writer would write.

use std::path::Path;

/// Flag bit 0: the entry is encrypted.
pub const ENCRYPTED: u16 = 1;

/// Compression method 8.
pub const DEFLATED: u16 = 8;

/// `S_IFREG` and 0644.
const PLAIN_FILE: u32 = 0o100_644;

/// An entry whose every field can be a lie.
#[derive(Debug, Clone)]
pub struct RawEntry {
    /// The name as bytes.
    pub name: Vec<u8>,
    /// `st_mode`, stored in the upper half of the external attributes.
    pub mode: u32,
    /// General purpose flags.
    pub flags: u16,
    /// Compression method: 0 stored, 8 deflated.
    pub method: u16,
    /// CRC-32 of the unpacked content.
    pub checksum: u32,
    /// Declared bytes in the archive.
    pub packed: u64,
    /// Declared bytes unpacked.
    pub unpacked: u64,
    /// What stands in the archive.
    pub data: Vec<u8>,
    /// Where the directory says that the entry lies.
    pub place: Place,
}

/// Where the directory says that an entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where it does.
    Own,
    /// Where the entry before it lies, whose data it thereby has.
    AsPrevious,
    /// Behind the end of the archive.
    Nowhere,
}

impl RawEntry {
    /// A file without compression, all of whose fields are right.
    pub fn stored(name: impl AsRef<[u8]>, content: impl Into<Vec<u8>>) -> Self {
        let data = content.into();
        Self {
            name: name.as_ref().to_owned(),
            mode: PLAIN_FILE,
            flags: 0,
            method: 0,
            checksum: crc32(&data),
            packed: data.len() as u64,
            unpacked: data.len() as u64,
            data,
            place: Place::Own,
        }
    }

    fn header(&self, directory: bool, offset: u64) -> Vec<u8> {
        let extra = if self.unpacked.max(self.packed) > u64::from(u32::MAX) {
            let sizes = [self.unpacked.to_le_bytes(), self.packed.to_le_bytes()].concat();
            [&[1, 0, 16, 0], sizes.as_slice()].concat()
        } else {
            Vec::new()
        };
        let size = |bytes: u64| {
            let bytes = if extra.is_empty() { bytes } else { u64::MAX };
            u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
        };
        let mut header = Vec::new();
        // Made by version 4.5 on Unix; needs version 4.5.
        header.extend_from_slice(if directory {
            b"PK\x01\x02\x2d\x03"
        } else {
            b"PK\x03\x04"
        });
        for field in [45, self.flags, self.method, 0, 0x5821] {
            header.extend_from_slice(&field.to_le_bytes());
        }
        header.extend_from_slice(&self.checksum.to_le_bytes());
        header.extend_from_slice(&size(self.packed));
        header.extend_from_slice(&size(self.unpacked));
        header.extend_from_slice(&short(self.name.len()));
        header.extend_from_slice(&short(extra.len()));
        if directory {
            header.extend_from_slice(&[0; 6]); // Comment, disk, internal attributes.
            header.extend_from_slice(&(self.mode << 16).to_le_bytes());
            header.extend_from_slice(&long(offset));
        }
        header.extend_from_slice(&self.name);
        header.extend_from_slice(&extra);
        header
    }
}

/// The bytes of an archive of these entries.
pub fn archive(entries: &[RawEntry]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    let mut previous = 0;
    for entry in entries {
        let offset = match entry.place {
            Place::Own => archive.len() as u64,
            Place::AsPrevious => previous,
            Place::Nowhere => u64::from(u32::MAX - 1),
        };
        if entry.place != Place::AsPrevious {
            archive.extend(entry.header(false, 0));
            archive.extend_from_slice(&entry.data);
        }
        directory.extend(entry.header(true, offset));
        previous = offset;
    }
    let start = archive.len() as u64;
    archive.extend_from_slice(&directory);
    archive.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    archive.extend_from_slice(&short(entries.len()));
    archive.extend_from_slice(&short(entries.len()));
    archive.extend_from_slice(&long(directory.len() as u64));
    archive.extend_from_slice(&long(start));
    archive.extend_from_slice(&[0; 2]);
    archive
}

/// Writes an archive of these entries.
pub fn write(path: &Path, entries: &[RawEntry]) {
    fs_err::write(path, archive(entries)).expect("the test's directory can be written");
}

/// CRC-32 as zip has it (polynomial 0xedb88320), bit by bit: for small contents.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}

fn short(number: usize) -> [u8; 2] {
    u16::try_from(number)
        .expect("small archives only")
        .to_le_bytes()
}

fn long(number: u64) -> [u8; 4] {
    u32::try_from(number)
        .expect("small archives only")
        .to_le_bytes()
}
