//! Whether a file is a whole archive, as far as its ends tell.

use std::io::{self, Read, Seek, SeekFrom};

/// Extensions of the files that are zip archives.
const EXTENSIONS: [&str; 4] = ["jar", "war", "ear", "zip"];

/// Bytes of the end record of a zip archive without its comment (APPNOTE 4.3.16).
const END_BYTES: usize = 22;

/// Bytes of the locator that precedes the end record of a large archive (zip64, APPNOTE 4.3.15).
const LOCATOR_BYTES: usize = 20;

/// Longest comment behind the end record: its length has 16 bits.
const COMMENT_MAX_BYTES: usize = 0xFFFF;

/// Tells whether a file of this name is to be a zip archive.
pub(crate) fn is_archive(path: &str) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

/// Says what is wrong with the structure of a zip archive; nothing if it is whole.
///
/// It must begin as one, or as a script, which executable jars have in front; its end record must
/// be there, and the directory before it. This tells a web page, a text and a file cut short from
/// an archive, in two reads.
pub(crate) fn flaw(file: &mut (impl Read + Seek)) -> io::Result<Option<&'static str>> {
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(4).read_to_end(&mut start)?;
    if !(start.starts_with(b"PK\x03\x04")
        || start.starts_with(b"PK\x05\x06")
        || start.starts_with(b"#!"))
    {
        return Ok(Some("it does not begin as one"));
    }
    let size = file.seek(SeekFrom::End(0))?;
    let end_at_most = size.min((END_BYTES + COMMENT_MAX_BYTES) as u64);
    let tail_start = size - end_at_most;
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(tail_start))?;
    file.take(end_at_most).read_to_end(&mut tail)?;
    let Some(end) = find_end(&tail) else {
        return Ok(Some("its end is missing"));
    };
    let record = &tail[end..];
    let entries = u16::from_le_bytes([record[10], record[11]]);
    let directory_bytes = u32::from_le_bytes([record[12], record[13], record[14], record[15]]);
    let locator = end.checked_sub(LOCATOR_BYTES).map(|at| &tail[at..]);
    if entries == 0 || locator.is_some_and(|locator| locator.starts_with(b"PK\x06\x07")) {
        // Nothing in it, or its sizes are in the record that the locator points to.
        return Ok(None);
    }
    let directory = (tail_start + end as u64).checked_sub(u64::from(directory_bytes));
    let Some(directory) = directory else {
        return Ok(Some("its directory is cut short"));
    };
    let mut signature = Vec::new();
    file.seek(SeekFrom::Start(directory))?;
    file.take(4).read_to_end(&mut signature)?;
    Ok((signature != b"PK\x01\x02").then_some("its directory is damaged"))
}

/// Finds the end record: the last one whose comment reaches exactly to the end of the file.
fn find_end(tail: &[u8]) -> Option<usize> {
    (0..=tail.len().checked_sub(END_BYTES)?).rev().find(|&at| {
        tail[at..].starts_with(b"PK\x05\x06")
            && at + END_BYTES + usize::from(u16::from_le_bytes([tail[at + 20], tail[at + 21]]))
                == tail.len()
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(entries: usize, comment: &str) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for entry in 0..entries {
            writer
                .start_file(format!("f{entry}"), SimpleFileOptions::default())
                .unwrap();
            writer.write_all(b"content").unwrap();
        }
        writer.set_comment(comment).unwrap();
        writer.finish().unwrap().into_inner()
    }

    fn flaw_of(bytes: &[u8]) -> Option<&'static str> {
        flaw(&mut Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn whole_archives_have_no_flaw() {
        for bytes in [
            archive(0, ""),
            archive(1, ""),
            archive(30, "with a comment PK\x05\x06 in it"),
            [
                b"#!/bin/sh\nexec java -jar $0\n".as_slice(),
                &archive(2, ""),
            ]
            .concat(),
        ] {
            assert_eq!(flaw_of(&bytes), None);
        }
    }

    #[test]
    fn a_large_archive_has_its_sizes_elsewhere() {
        let small = archive(3, "");
        let (content, end) = small.split_at(small.len() - END_BYTES);
        let mut end = end.to_owned();
        end[8..20].fill(0xFF);
        let locator = [b"PK\x06\x07".as_slice(), &[0; LOCATOR_BYTES - 4]].concat();
        assert_eq!(
            flaw_of(&[content, &end].concat()),
            Some("its directory is cut short")
        );
        assert_eq!(flaw_of(&[content, &locator, &end].concat()), None);
    }

    #[test]
    fn an_archive_cut_anywhere_has_a_flaw() {
        let bytes = archive(3, "");
        for length in 0..bytes.len() {
            assert!(flaw_of(&bytes[..length]).is_some(), "{length}");
        }
    }

    #[test]
    fn pages_texts_and_zeros_have_a_flaw() {
        for bytes in [b"<html>".as_slice(), b"", b"PK", &[0; 5000], b"#!/bin/sh\n"] {
            assert!(flaw_of(bytes).is_some());
        }
        let mut hole = archive(3, "");
        let end = hole.len() - END_BYTES;
        hole[30..end].fill(0);
        assert_eq!(flaw_of(&hole), Some("its directory is damaged"));
    }

    #[test]
    fn the_name_says_what_is_an_archive() {
        for (path, expected) in [
            ("a/b-1.jar", true),
            ("b.war", true),
            ("b.pom", false),
            ("jar", false),
            ("b.jarx", false),
        ] {
            assert_eq!(is_archive(path), expected, "{path}");
        }
    }
}
