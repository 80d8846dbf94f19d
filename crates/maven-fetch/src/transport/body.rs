//! The body of an answer: unpacked, and never read beyond its time.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use super::answer::Head;
use super::{Content, Expect, Request, Response};
use crate::download::Deadline;

/// Makes the response out of a useful head and the body behind it.
pub(super) fn answered(
    head: Head,
    response: reqwest::blocking::Response,
    request: &Request<'_>,
    deadline: Deadline,
) -> Response {
    let Head {
        content,
        length,
        validators,
        checksums,
        content_type,
        compressed,
    } = head;
    let unpack = compressed && request.expect == Expect::Metadata;
    let body: Box<dyn Read + Send> = match content {
        Content::NotModified => Box::new(io::empty()),
        _ if unpack => Box::new(MultiGzDecoder::new(Until {
            body: response,
            deadline,
        })),
        _ => Box::new(response),
    };
    let length = length.filter(|_| !unpack);
    Response {
        content,
        length,
        validators,
        checksums,
        content_type,
        body,
    }
}

/// A body that is not read beyond a time: what is unpacked may be nothing for ever.
struct Until<R> {
    body: R,
    deadline: Deadline,
}

impl<R: Read> Read for Until<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.deadline.is_over() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.body.read(buffer)
    }
}
